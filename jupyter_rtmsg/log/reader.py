"""Queries for stored events. Each is a short read transaction on its own thread, so that no read waits for a write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.data import encode_json

from .crc import part_crc
from .records import LISTED_NAMES, Lag, Page, Record
from .retained import read_values
from .rows import COLUMNS, RecordDecoder
from .schema import NAME, SIZE, TS
from .timeline import first_since

_DATA, _ATTACHMENTS, _SIZE = 4, 5, 9
_SCAN_EVENTS = 1_000
_SCAN_BYTES = 4 << 20

_LAG = (
    f"WITH named AS (SELECT {NAME} AS name, count(*) AS n, total({SIZE}) AS bytes, min({TS}) AS oldest "  # noqa: S608
    "FROM event WHERE event.room = (SELECT id FROM room WHERE name = ?) AND event.seq > ? AND event.seq <= ?"
    "{alive} GROUP BY 1) SELECT * FROM (SELECT sum(n), sum(bytes), min(oldest), count(*) FROM named) "
    "UNION ALL SELECT * FROM (SELECT n, name, NULL, NULL FROM named ORDER BY n DESC, name LIMIT ?)"
)
_MAX_REPORTS = 100  # damaged events that a reader names in the server's log

logger = throttled_logger(__name__)


class Query(NamedTuple):
    """The arguments of `EventLog.read`, ``head``, the last position that may be returned, and log time."""

    room: str
    after: int
    before: int | None
    last: int | None
    since: int | None
    until: int | None
    limit: int
    max_bytes: int
    max_attachments: int
    name: str | None
    user: str | None
    sender: str | None
    head: int
    now: int

    @property
    def end(self) -> int:
        """The last position that is scanned."""
        return self.head if self.before is None else min(self.before - 1, self.head)

    def condition(self) -> tuple[str, list[Any]]:
        """Return the WHERE clause for the events, except for their start: SQL, and the values of its placeholders."""
        clauses, values = ["event.room = (SELECT id FROM room WHERE name = ?)"], [self.room, self.end]
        clauses.append("event.seq <= ?")
        for column, value in (("event.name", self.name), ("event.user", self.user)):
            if value is not None:
                clauses.append(f"{column} = ?")
                values.append(value)
        if self.sender is not None:
            clauses.append("(event.user = ? OR instr(event.sender, ?) OR instr(event.sender, ?))")
            values += [self.sender, *(_field(key, self.sender) for key in ("name", "notebook"))]
        for comparison, ts in ((">=", self.since), ("<=", self.until)):
            if ts is not None:
                clauses.append(f"event.ts {comparison} ?")
                values.append(ts)
        return " AND ".join(clauses), values


class Reader:
    """Runs queries on one connection. Only one thread may use it at a time.

    Parameters
    ----------
    connect : callable
        Returns the connection. Called at the first read.
    guard : context manager, optional
        Entered during each read: a lock, if the connection is also the writer's.
    """

    # `_own` is the open connection: None before the first read, after `renew` and after `close`.

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], guard: AbstractContextManager[Any] | None = None
    ) -> None:
        self._connect = connect
        self._guard = guard or nullcontext()
        self._shared = guard is not None
        self._own: sqlite3.Connection | None = None
        self._decoder = RecordDecoder()
        self._reported: set[int] = set()

    def run(self, work: Callable[..., Any], *args: Any) -> Any:
        """Call ``work(self, connection, *args)``, a method of this class, in a read transaction."""
        with self._guard:
            connection = self._own = self._own or self._connect()
            try:
                return self._transact(connection, work, *args)
            except sqlite3.OperationalError as error:
                if "decode" not in str(error):
                    raise
                # A text of some row is damaged. Decode it leniently: the checksum tells which row it is.
                connection.text_factory = partial(str, encoding="utf-8", errors="replace")
                return self._transact(connection, work, *args)

    def _transact(self, connection: sqlite3.Connection, work: Callable[..., Any], *args: Any) -> Any:
        connection.execute("BEGIN")
        try:
            return work(self, connection, *args)
        finally:
            connection.execute("ROLLBACK")

    def renew(self) -> None:
        """Connect again at the next read, unless the connection is the writer's."""
        if not self._shared:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def page(self, connection: sqlite3.Connection, query: Query) -> Page:
        """Return a page of a room's events, see `EventLog.read`."""
        alive = _alive(connection, query.now)
        after = self._start(connection, query, alive)
        where, values = query.condition()
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM event WHERE {where} AND event.seq > ?{alive} ORDER BY event.seq LIMIT ?",  # noqa: S608
            (*values, after, query.limit + 1),
        )
        taken, more = _take(rows, query.limit, query.max_bytes, query.max_attachments)
        records = [self._record(connection, query.room, row) for row in taken]
        through = taken[-1][0] if more else max(query.after, query.end)
        return Page(records, through, more)

    def scan(self, connection: sqlite3.Connection, after: int, head: int, now: int) -> tuple[list[Record], int]:
        """Return the next events of all rooms, and the position from which to continue."""
        alive = _alive(connection, now)
        rows = connection.execute(
            f"SELECT {COLUMNS}, room.name FROM event JOIN room ON room.id = event.room "  # noqa: S608 -- constants
            "WHERE event.seq > ? AND event.seq <= ? "
            "AND event.seq > coalesce((SELECT since FROM deletion WHERE deletion.room = event.room), 0)"
            f"{alive} ORDER BY event.seq LIMIT ?",
            (after, head, _SCAN_EVENTS + 1),
        )
        taken, more = _take(rows, _SCAN_EVENTS, _SCAN_BYTES, _SCAN_EVENTS)
        records = [self._record(connection, row[-1], row[:-1]) for row in taken]
        return records, taken[-1][0] if more else head

    def lag(self, connection: sqlite3.Connection, room: str, after: int, head: int, now: int) -> Lag:
        """Count a room's events after a position, see `EventLog.lag`."""
        after = max(after, _deleted_until(connection, room))
        (missed, size, oldest, names), *listed = connection.execute(
            _LAG.format(alive=_alive(connection, now)), (room, after, head, LISTED_NAMES)
        )
        return Lag(missed or 0, int(size or 0), oldest, {name: count for count, name, _, _ in listed}, names)

    def before_last(self, connection: sqlite3.Connection, room: str, number: int, head: int, now: int) -> int:
        """Return the position before a room's last ``number`` events, see `EventLog.before_last`."""
        row = connection.execute(
            "SELECT min(seq) FROM (SELECT seq FROM event WHERE event.room = (SELECT id FROM room WHERE name = ?) "  # noqa: S608
            f"AND seq > ? AND seq <= ?{_alive(connection, now)} ORDER BY seq DESC LIMIT ?)",
            (room, _deleted_until(connection, room), head, number),
        ).fetchone()
        return head if row[0] is None else row[0] - 1

    def position_of(self, connection: sqlite3.Connection, room: str, after: int, number: int, head: int) -> int:
        """Return the position of the event that is ``number`` after a position, see `EventLog.position_of`."""
        row = connection.execute(
            "SELECT max(seq) FROM (SELECT seq FROM event WHERE event.room = "
            "(SELECT id FROM room WHERE name = ?) AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?)",
            (room, max(after, _deleted_until(connection, room)), head, number),
        ).fetchone()
        return after if row[0] is None else int(row[0])

    def values(self, connection: sqlite3.Connection) -> list[tuple[str, bytes, float]]:
        """Return (key, value, until) of all entries of the key-value store, except for damaged ones."""
        rows = connection.execute("SELECT key, value, until FROM note").fetchall()
        kinds = ((str, bytes, int), (str, bytes, float))
        return [row for row in rows if tuple(map(type, row)) in kinds]

    def value(self, connection: sqlite3.Connection, key: str, now: float) -> bytes | None:
        """Return the stored value of a key; None if there is none or it has expired."""
        row = connection.execute("SELECT value FROM note WHERE key = ? AND until > ?", (key, now)).fetchone()
        return row[0] if row and type(row[0]) is bytes else None

    def retained(self, connection: sqlite3.Connection, room: str, now: int) -> list[Record]:
        """Return the retained values of a room, see `EventLog.retained`."""
        return read_values(connection, room, now)

    def part(self, connection: sqlite3.Connection, room: str, seq: int, number: int, now: int) -> bytes | None:
        """Return a part of an event, see `PartStore.get`."""
        row = connection.execute(
            "SELECT part.key, part.crc, part.data FROM event JOIN part ON part.key = -event.attachments "  # noqa: S608
            "WHERE event.seq = ? AND event.attachments < 0 AND event.room = (SELECT id FROM room WHERE name = ?) "
            f"AND part.number = ? AND event.seq > ?{_alive(connection, now)}",
            (seq, room, number, _deleted_until(connection, room)),
        ).fetchone()
        if row is None:
            return None
        key, crc, data = row
        if type(data) is not bytes or part_crc(key, number, data) != crc:
            self._report(room, seq)
            return None
        return data

    def _start(self, connection: sqlite3.Connection, query: Query, alive: str) -> int:
        """Return the position after which the page begins."""
        after = max(query.after, _deleted_until(connection, query.room))
        if query.since is not None:
            after = max(after, first_since(connection, query.since, query.head) - 1)
        if query.last is not None:
            where, values = query.condition()
            newest = f"event WHERE {where} AND seq > ?{alive} ORDER BY seq DESC LIMIT ?"
            count = min(query.last, query.limit)
            row = connection.execute(
                f"SELECT min(seq) FROM (SELECT seq FROM {newest})",  # noqa: S608 -- fixed text with marks
                (*values, after, count),
            ).fetchone()
            after = query.end if row[0] is None else row[0] - 1
        return after

    def _record(self, connection: sqlite3.Connection, room: str, row: Sequence[Any]) -> Record:
        record = self._decoder.record(connection, room, row)
        if record.name == CORRUPT:
            self._report(room, row[0])
        return record

    def _report(self, room: str, seq: int) -> None:
        if seq in self._reported or len(self._reported) > _MAX_REPORTS:
            return
        self._reported.add(seq)
        if len(self._reported) > _MAX_REPORTS:
            logger.error(
                "more than %d events are damaged: `python -m jupyter_rtmsg.log verify` names them", _MAX_REPORTS
            )
        else:
            logger.error("event %d of room %r is damaged on disk and reads as %r; restore a backup", seq, room, CORRUPT)


def _alive(connection: sqlite3.Connection, now: int) -> str:
    """Return the condition that leaves out expired events; empty if all of them are deleted already, as usual."""
    expired = "SELECT 1 FROM event INDEXED BY event_expires WHERE expires > 0 AND expires <= ? LIMIT 1"
    return f" AND NOT event.expires BETWEEN 1 AND {now:d}" if connection.execute(expired, (now,)).fetchone() else ""


def _deleted_until(connection: sqlite3.Connection, room: str) -> int:
    """Return the position up to which a room was deleted; 0 if it never was."""
    row = connection.execute(
        "SELECT since FROM deletion WHERE room = (SELECT id FROM room WHERE name = ?)", (room,)
    ).fetchone()
    return row[0] if row else 0


def _field(key: str, value: str) -> bytes:
    """Return a field as it appears in a sender's JSON. Quotes are escaped there, so no other text can equal it."""
    return encode_json({key: value})[1:-1]


def _positive(value: Any) -> int:
    """Return a number of a row; 0 if the value is not a number, since the row may be damaged."""
    return value if type(value) is int and value > 0 else 0


def _take(
    rows: Iterable[Sequence[Any]], limit: int, max_bytes: int, max_attachments: int
) -> tuple[list[Sequence[Any]], bool]:
    """Return the rows that fit on a page, at least one if there is one, and whether more follow."""
    taken: list[Sequence[Any]] = []
    size = attachments = 0
    for row in rows:
        count = row[_ATTACHMENTS]
        has_parts = type(count) is int and count < 0  # these are read apart
        size += len(row[_DATA]) if has_parts and type(row[_DATA]) is bytes else _positive(row[_SIZE])
        attachments += _positive(count)
        if taken and (len(taken) >= limit or size > max_bytes or attachments > max_attachments):
            return taken, True
        taken.append(row)
    return taken, False
