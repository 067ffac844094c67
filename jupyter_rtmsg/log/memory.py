"""The log in memory: the same machine over a database that ends with the process."""

from __future__ import annotations

import secrets
import uuid

from .dedup import Dedup
from .disk import Disk
from .openings import Openings
from .options import Options
from .reader import Reader
from .readers import Readers
from .schema import connect, prepare
from .sqlite import SQLiteLog
from .store import Store


class MemoryLog(SQLiteLog):
    """An `EventLog` that remembers as long as the process lives.

    Parameters
    ----------
    options : Options
    warning : str, optional
        Why events are not kept on disk, where they should have been.
    after : int
        The position that it begins after.
    """

    def __init__(self, options: Options, warning: str | None = None, *, after: int = 0) -> None:
        connection = connect(":memory:")
        prepare(connection, "MEMORY")
        self.store = store = Store(connection)
        ledger = store.load()
        ledger.head = after
        openings = Openings()
        openings.add(openings.next(after, ts=int(options.clock() * 1000)))
        # There is only this connection, so reads and writes take turns.
        readers = Readers(lambda: Reader(lambda: connection, store.lock), 1, "memory:")
        super().__init__(
            store, ledger, Dedup(store, options), readers, id=uuid.uuid4().hex, url="memory:",
            epoch=secrets.token_hex(8), durable=False, warning=warning, openings=openings, disk=Disk(None, 0),
            options=options, release=lambda _: connection.close(),
        )  # fmt: skip
