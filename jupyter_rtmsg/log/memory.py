"""The log in memory: the same code with a database that ends with the process."""

from __future__ import annotations

import secrets
import uuid

from .dedup import Dedup
from .disk import Disk
from .openings import Openings
from .options import Options
from .reader import Reader
from .reader_pool import ReaderPool
from .schema import connect, prepare
from .sqlite import SQLiteLog
from .store import Store


class MemoryLog(SQLiteLog):
    """An `EventLog` that lasts as long as the process.

    Parameters
    ----------
    options : Options
    warning : str, optional
        Why events are not stored on disk, if they should be.
    after : int
        The position after which it begins.

    Attributes
    ----------
    store : Store
        Read by `move_events`.
    """

    def __init__(self, options: Options, warning: str | None = None, *, after: int = 0) -> None:
        connection = connect(":memory:")
        prepare(connection, "MEMORY")
        self.store = store = Store(connection)
        state = store.load()
        state.start_at(after)
        openings = Openings()
        openings.add(openings.next(after, ts=int(options.clock() * 1000)))
        # Reader and writer share the connection, and so take turns.
        readers = ReaderPool(lambda: Reader(lambda: connection, store.lock), 1, "memory:")
        super().__init__(
            store, state, Dedup(store, options), readers, id=uuid.uuid4().hex, url="memory:",
            epoch=secrets.token_hex(8), durable=False, warning=warning, openings=openings, disk=Disk(None, 0),
            options=options, release=lambda _: connection.close(),
        )  # fmt: skip
