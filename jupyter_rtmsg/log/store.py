"""The statements of the writer: loading the state of a log, storing a batch.

Each `execute` releases the GIL and takes it again, so rows are inserted in chunks: one INSERT of 64 rows rather than 64
statements.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import LogError

from .batch import Batch
from .crc import deletion_crc
from .loading import load_state
from .mark import Mark
from .openings import KEPT, Opening, Openings
from .policy import save_policies
from .rows import SAVE_ROOM, room_row
from .schema import MEMORY_START
from .state import LogState, RoomState

_LAST_OPENING = "SELECT max(number) FROM opening"
_COUNT = "UPDATE meta SET v = ?1 + 1 WHERE k = 'commits' AND v = ?1"
_CHUNKS = (256, 128, 64, 32, 16, 8, 4, 2, 1)


class OvertakenError(LogError):
    """Another process has opened the file, and writes to it."""


class Written(NamedTuple):
    """The number of transactions without events in a file, and the position of its last event."""

    commits: int
    head: int


class Store:
    """The one connection that writes.

    Parameters
    ----------
    connection : sqlite3.Connection

    Attributes
    ----------
    connection : sqlite3.Connection
    lock : threading.Lock
        Held during each transaction, and by a reader that shares the connection of a log in memory.
    """

    # Used by the thread that opens the file, then only by the writer's thread.
    # Before `begin_opening`, `_begun` is False and commits are not counted. From then on `_commits` is the count in the
    # file as of the last commit (None: unknown), and `_opening` the number of this opening (0: it is not stored yet).
    # `_head` is the position of the last event: a transaction with events is told by it, and need not be counted.
    # `_mark` is written after each commit; a log in memory has none.

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.text_factory = _text
        self.lock = threading.Lock()
        self._mark: Mark | None = None
        self._commits: int | None = None
        self._begun = False
        self._opening = 0
        self._head = 0

    @property
    def written(self) -> Written:
        """The transactions committed so far."""
        return Written(self._commits or 0, self._head)

    def renew(self, connection: sqlite3.Connection) -> None:
        """Use another connection, whose file has the same contents. Close the one before, and its mark."""
        connection.text_factory = _text
        with self.lock:
            before, self.connection = self.connection, connection
        before.close()
        if self._mark is not None:
            self._mark.close()
            self._mark = None

    def use_mark(self, mark: Mark) -> None:
        """Write a mark now, and after each commit."""
        self._mark = mark
        mark.write(*self.written)

    def close(self) -> None:
        """Close the connection and the mark."""
        self.connection.close()
        if self._mark is not None:
            self._mark.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit the changes made in the block; roll all of them back if it raises."""
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            head = self._head
            try:
                yield self.connection
                commits = self._count(stores_events=self._head > head)
                self.connection.execute("COMMIT")
            except BaseException:
                self._head = head
                if self.connection.in_transaction:  # SQLite itself rolls back on a full disk
                    self.connection.execute("ROLLBACK")
                raise
            self._commits = commits
            if self._mark is not None:
                self._mark.write(commits, self._head)

    def _count(self, *, stores_events: bool) -> int:
        """Count this transaction, unless it stores events, and return the count.

        Transactions before `begin_opening` are not counted. If the opening failed, the file would otherwise seem to be
        ahead, and the next opening would not notice that it is behind the mark.

        Raises
        ------
        OvertakenError
            If another process has opened the file, which is possible after the lock's file was removed.
        """
        if not self._begun:
            return self.count_commits()
        (last,) = self.connection.execute(_LAST_OPENING).fetchone()
        if self._opening and last != self._opening:
            raise OvertakenError(
                "another server has opened the log's file, since the file of its lock was removed or replaced: "
                "restart this server, and leave the files beside the log alone"
            )
        if stores_events and self._commits is not None:
            return self._commits
        if self._commits is None or self.connection.execute(_COUNT, (self._commits,)).rowcount != 1:
            self._commits = self.count_commits()  # a commit that reported an error is in the file after all
            self.put([("commits", self._commits + 1)])
        return self._commits + 1

    def count_commits(self) -> int:
        """Return the number of transactions without events, as stored in the file."""
        commits = self.get("commits")
        return commits if isinstance(commits, int) and 0 <= commits < 1 << 62 else 0

    def load(self) -> LogState:
        """Return the state of the log in the file. Damage there is repaired, or contained."""
        with self.transaction() as connection:
            return load_state(connection)

    def openings(self) -> Openings:
        """Return the openings in the file."""
        rows = self.connection.execute("SELECT number, id, start, ts, lost FROM opening")
        return Openings(Opening(*row) for row in rows if _is_opening(*row))

    def begin_opening(self, openings: Openings, start: int, ts: int, lost: int = 0) -> None:
        """Add an opening, and store it; for the parameters see `Openings.next`."""
        row = openings.next(start, ts, lost)
        self._begun, self._opening, self._head = True, 0, start
        with self.transaction():
            self.insert_rows("INSERT INTO opening VALUES", [row])
            self.connection.execute("DELETE FROM opening WHERE number <= ?", (row.number - KEPT,))
        openings.add(row)
        self._opening = row.number

    def insert(self, batch: Batch) -> None:
        """Store a batch, in a transaction."""
        if batch.saved_rooms:
            self.save_rooms((name, batch.rooms[name]) for name in batch.saved_rooms)
        if batch.events:
            self._head = batch.head
            self.insert_rows("INSERT INTO event VALUES", batch.events)
        if batch.attachments:
            self.insert_rows("INSERT INTO attachment VALUES", batch.attachments)
        if batch.retained is not None:
            batch.retained.store(self.connection)
        if batch.deleted:
            rooms = [(batch.rooms[name].id, since) for name, since in batch.deleted.items()]
            self.insert_rows("INSERT OR REPLACE INTO deletion VALUES", [(*each, deletion_crc(*each)) for each in rooms])
        if batch.policies.changed:
            save_policies(self.connection, batch.policies.changed)
        if batch.turns:
            self.insert_rows("INSERT INTO stretch VALUES", batch.time_spans)

    def save_rooms(self, rooms: Iterable[tuple[str, RoomState]]) -> None:
        """Store the rows of rooms, in a transaction; each as a whole, since its checksum covers all columns."""
        self.insert_rows(SAVE_ROOM, [room_row(name, room) for name, room in rooms])

    def insert_rows(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that ends in ``VALUES`` for all rows, in chunks."""
        if len(rows) == 1:  # most commits of a quiet log
            self.connection.execute(with_placeholders(statement, 1, len(rows[0])), rows[0])
            return
        for part in chunks(rows):
            text = with_placeholders(statement, len(part), len(part[0]))
            self.connection.execute(text, tuple(chain.from_iterable(part)))

    def get(self, key: str) -> Any:
        """Return an entry of ``meta``, or None."""
        row = self.connection.execute("SELECT v FROM meta WHERE k=?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, entries: Iterable[tuple[str, Any]]) -> None:
        """Set entries of ``meta``, in a transaction."""
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", entries)


def _text(stored: bytes) -> str:
    """Decode a text of the file leniently, since it may be damaged."""
    return stored.decode(errors="replace")


def _is_opening(number: Any, id: Any, start: Any, ts: Any, lost: Any) -> bool:
    """Tell whether the row of an opening has valid values."""
    numbers = number, start, ts, lost
    return isinstance(id, str) and all(isinstance(each, int) for each in numbers) and 0 <= start < MEMORY_START


@cache
def with_placeholders(statement: str, rows: int, columns: int) -> str:
    """Return a statement with placeholders for its values.

    The result is cached: for the same str object, sqlite3 finds the prepared statement quickly.
    """
    row = "(" + ",".join("?" * columns) + ")"
    return f"{statement} {','.join([row] * rows)}"


def chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut rows into chunks of few different lengths, so that their statements stay prepared."""
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
