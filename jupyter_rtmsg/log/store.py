"""The statements of the writer: loading the ledger, storing a batch.

Every execution of a statement gives the interpreter's lock away and takes it back, so rows go in by the handful:
one INSERT with 64 rows rather than 64 of them.
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

from .crc import deletion_crc
from .ledger import Batch, Ledger, Room
from .loading import load_ledger
from .mark import Mark
from .moved import FIRST
from .openings import KEPT, Opening, Openings
from .roomrows import SAVE, row_of

_COUNT = "UPDATE meta SET v = ?1 + 1 WHERE k = 'commits' AND v = ?1"
_HANDFULS = (256, 128, 64, 32, 16, 8, 4, 2, 1)


class OvertakenError(LogError):
    """Another process has opened the file, and writes to it."""


class Written(NamedTuple):
    """How many transactions a file holds, and the position of its last event."""

    commits: int
    head: int


class Store:
    """The one connection that writes.

    Attributes
    ----------
    mark : Mark or None
        Told of each commit; None where nobody could come back to what was lost.
    lock : threading.Lock
        Held in every transaction; a reader that shares the connection (in memory) takes it too.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.text_factory = _text
        self.lock = threading.Lock()
        self.mark: Mark | None = None
        self._commits: int | None = None
        self._begun = False
        self._opening = 0
        self._head = 0

    @property
    def written(self) -> Written:
        """What was committed so far."""
        return Written(self._commits or 0, self._head)

    def renew(self, connection: sqlite3.Connection) -> None:
        """Go on with another connection, whose file holds the same."""
        connection.text_factory = _text
        with self.lock:
            self.connection = connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what the block does, or nothing of it."""
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            head = self._head
            try:
                yield self.connection
                commits = self._count()
                self.connection.execute("COMMIT")
            except BaseException:
                self._head = head
                if self.connection.in_transaction:  # a full disk has ended it already
                    self.connection.execute("ROLLBACK")
                raise
            self._commits = commits
            if self.mark is not None:
                self.mark.write(commits, self._head)

    def _count(self) -> int:
        """Count this transaction, and return how many there were.

        Those of an opening that is not begun are not counted: if it fails, the file would seem to have come further,
        and the next opening would not see that it is behind the mark.

        Raises
        ------
        OvertakenError
            If another process has opened the file, which it can if the lock's file was removed.
        """
        if not self._begun:
            return self.count_commits()
        if self._commits is None or self.connection.execute(_COUNT, (self._commits,)).rowcount != 1:
            (last,) = self.connection.execute("SELECT coalesce(max(number), 0) FROM opening").fetchone()
            if self._opening and last != self._opening:
                raise OvertakenError(
                    "another server has opened the log's file, since the file of its lock was removed or replaced: "
                    "restart this server, and leave the files beside the log alone"
                )
            self._commits = self.count_commits()  # one that seemed to have failed is in the file after all
            self.put([("commits", self._commits + 1)])
        return self._commits + 1

    def count_commits(self) -> int:
        """Return how many transactions the file says that it holds."""
        commits = self.get("commits")
        return commits if isinstance(commits, int) and 0 <= commits < 1 << 62 else 0

    def load(self) -> Ledger:
        """Return the ledger of what is in the file; what is damaged there is mended, or contained."""
        with self.transaction() as connection:
            return load_ledger(connection)

    def openings(self) -> Openings:
        """Return the openings of the file so far."""
        rows = self.connection.execute("SELECT number, id, start, ts, lost FROM opening")
        return Openings(Opening(*row) for row in rows if _is_opening(*row))

    def begin_opening(self, openings: Openings, start: int, ts: int, lost: int = 0) -> None:
        """Begin an opening, and store it; see `Openings.next`."""
        row = openings.next(start, ts, lost)
        self._begun, self._opening, self._head = True, 0, start
        with self.transaction():
            self.rows("INSERT INTO opening VALUES", [row])
            self.connection.execute("DELETE FROM opening WHERE number <= ?", (row.number - KEPT,))
        openings.add(row)
        self._opening = row.number

    def insert(self, batch: Batch) -> None:
        """Store a batch, within a transaction."""
        if batch.events:
            self._head = batch.head
        self.save_rooms((name, batch.rooms[name]) for name in batch.saved_rooms)
        self.rows("INSERT INTO event VALUES", batch.events)
        self.rows("INSERT INTO attachment VALUES", batch.attachments)
        deletions = [(batch.rooms[name].id, since) for name, since in batch.deleted.items()]
        self.rows("INSERT OR REPLACE INTO deletion VALUES", [(*each, deletion_crc(*each)) for each in deletions])
        if batch.turns:
            self.rows("INSERT INTO stretch VALUES", batch.stretches)

    def save_rooms(self, rooms: Iterable[tuple[str, Room]]) -> None:
        """Store the rows of rooms, within a transaction: each as a whole, since a checksum covers it."""
        self.rows(SAVE, [row_of(name, room) for name, room in rooms])

    def rows(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that ends in ``VALUES`` over rows, if there are any."""
        if not rows:
            return
        for part in handfuls(rows):
            text = with_marks(statement, len(part), len(part[0]))
            self.connection.execute(text, tuple(chain.from_iterable(part)))

    def get(self, key: str) -> Any:
        """Return an entry of ``meta``, or None."""
        row = self.connection.execute("SELECT v FROM meta WHERE k=?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, entries: Iterable[tuple[str, Any]]) -> None:
        """Set entries of ``meta``, within a transaction."""
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", entries)


def _text(stored: bytes) -> str:
    """Decode a text of the file, which may be damaged."""
    return stored.decode(errors="replace")


def _is_opening(number: Any, id: Any, start: Any, ts: Any, lost: Any) -> bool:
    """Whether the row of an opening is none that was damaged."""
    numbers = number, start, ts, lost
    return isinstance(id, str) and all(isinstance(each, int) for each in numbers) and 0 <= start < FIRST


@cache
def with_marks(statement: str, rows: int, columns: int) -> str:
    """Return a statement with marks for its values: the same text object each time, so that SQLite finds it quickly."""
    row = "(" + ",".join("?" * columns) + ")"
    return f"{statement} {','.join([row] * rows)}"


def handfuls(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut rows into parts of few different lengths, so that the statements for them stay prepared."""
    start = 0
    for size in _HANDFULS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def is_full(error: BaseException) -> bool:
    """Whether SQLite ran out of room (SQLITE_FULL; the code has a name from Python 3.11 on only)."""
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)


def is_damage(error: BaseException) -> bool:
    """Whether SQLite found the file broken (SQLITE_CORRUPT, SQLITE_NOTADB): nothing else raises the bare class."""
    return type(error) is sqlite3.DatabaseError
