"""What the writer learns of a file when it opens it: rooms, their heads, and times. What is damaged is contained here.

The head of a room, the number of its last event and the time of the last event decide on all that is stored next, and
on what expires, so they are taken from events that their checksums confirm.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from jupyter_rtmsg.logthrottle import throttled_logger

from .clock import MINUTE
from .deletion import load_deleted
from .eventlog import Record
from .ledger import Ledger, Room
from .moved import FIRST
from .roomrows import load_rooms
from .rows import COLUMNS, SIZE, Row, Rows
from .sane import remove_nonsense
from .tallies import Tallies, Tally, load_tallies

_LARGE = 1 << 20  # bytes of an event from which on its size is measured anew
_ODD_SIZES = (
    "SELECT seq, size FROM event INDEXED BY event_room WHERE typeof(size) != 'integer' OR size NOT BETWEEN 0 AND ?"
)
_MEASURE = (
    "SELECT length(CAST(data AS BLOB)) + "
    "(SELECT total(length(CAST(data AS BLOB))) FROM attachment WHERE seq = event.seq) FROM event WHERE seq = ?"
)
_HELD = (
    f"SELECT room, min(seq), max(seq), count(*), total({SIZE}) "  # noqa: S608 -- constants
    "FROM event INDEXED BY event_room GROUP BY room"
)

logger = throttled_logger(__name__)


def load_ledger(connection: sqlite3.Connection) -> Ledger:
    """Return the ledger of what is in a file, and mend there what is damaged; within a transaction."""
    remove_nonsense(connection)
    ledger = Ledger()
    for name, room in load_rooms(connection):
        ledger.names[room.id] = name
        ledger.rooms[name] = room
        ledger.next_room = max(ledger.next_room, room.id + 1)
    _remove_displaced(connection)
    _measure_odd_sizes(connection)
    rows, stamps = Rows(), dict[str, int]()
    for key, first, head, count, size in connection.execute(_HELD).fetchall():
        if key not in ledger.names:
            logger.error("%d events belong to no room (number %r): they are damaged and cannot be read", count, key)
            continue
        name = ledger.names[key]
        room = ledger.rooms[name]
        room.first, room.head, room.count, room.bytes = first, max(head, room.head), count, int(size)
        number, stamps[name] = _last_event(connection, rows, name, room)
        room.n = max(room.n, number)
        ledger.count += room.count
        ledger.bytes += room.bytes
    ledger.head = max((room.head for room in ledger.rooms.values()), default=0)  # kept, whatever was trimmed
    ledger.tallies = _tallies(connection, ledger)
    load_deleted(connection, ledger)
    _load_times(connection, rows, ledger)
    for name, ts in stamps.items():  # rows of rooms say it as of when they were written
        room = ledger.rooms[name]
        room.used = max(room.used, min(ts + ledger.ahead, ledger.time))
    return ledger


def _tallies(connection: sqlite3.Connection, ledger: Ledger) -> Tallies:
    """Return the tallies of a file; they are counted anew where they do not add up to what its rooms hold."""
    try:
        tallies = load_tallies(connection)
        if all(_adds_up(tallies.in_room(room.id).values(), room) for room in ledger.rooms.values()):
            return tallies
    except (TypeError, ValueError, OverflowError):
        pass
    logger.warning("what each user holds in the log was damaged on disk, or not counted; it is counted anew")
    connection.execute("DELETE FROM meta WHERE k = 'tallied'")
    return load_tallies(connection)


def _adds_up(tallies: Iterable[Tally], room: Room) -> bool:
    held = [(tally.count, tally.bytes) for tally in tallies]
    return (room.count, room.bytes) == (sum(count for count, _ in held), sum(size for _, size in held))


def _remove_displaced(connection: sqlite3.Connection) -> None:
    """Remove events at positions that no event can have: what is stored next would come behind them."""
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    if not path:  # a log in memory may begin there
        return
    for seq, room in connection.execute("SELECT seq, room FROM event WHERE seq < 1 OR seq >= ?", (FIRST,)).fetchall():
        logger.error("an event of room number %r is damaged on disk: its position became %d; it was removed", room, seq)
        connection.execute("DELETE FROM event WHERE seq = ?", (seq,))


def _measure_odd_sizes(connection: sqlite3.Connection) -> None:
    """Measure events that say they are large: trimming goes by that."""
    for seq, size in connection.execute(_ODD_SIZES, (_LARGE,)).fetchall():
        (measured,) = connection.execute(_MEASURE, (seq,)).fetchone() or (size,)
        if measured != size:
            logger.error("the size of event %d was damaged on disk; it was set right", seq)
            connection.execute("UPDATE event SET size = ? WHERE seq = ?", (int(measured), seq))


def _last_event(connection: sqlite3.Connection, rows: Rows, name: str, room: Room) -> tuple[int, int]:
    """Return the number and ts of a room's last event, going by the last one that is whole and how many follow it."""
    newest = f"SELECT {COLUMNS} FROM event WHERE room = ? ORDER BY seq DESC"  # noqa: S608 -- constants
    later: list[Row] = []
    n = ts = 0
    for row in map(Row._make, connection.execute(newest, (room.id,))):
        if (record := rows.intact(connection, name, row)) is not None:
            n, ts = record.n or 0, record.ts
            break
        later.append(row)
    for row in reversed(later):
        seen: Any = row.n
        n = seen if type(seen) is int and n < seen <= n + len(later) else n + 1
    return n, ts


def _load_times(connection: sqlite3.Connection, rows: Rows, ledger: Ledger) -> None:
    for ahead in _numbers(connection, "SELECT ahead FROM stretch ORDER BY seq DESC LIMIT 1"):
        ledger.ahead = ahead
    record: Record | None = None
    last = f"SELECT {COLUMNS}, room FROM event WHERE seq <= ? ORDER BY seq DESC"  # noqa: S608 -- constants
    for *row, key in connection.execute(last, (ledger.head,)):
        record = rows.intact(connection, ledger.names.get(key, ""), row)
        if record is not None:
            ledger.ts = record.ts
            ledger.time = ledger.ts + ledger.ahead
            break
    # These have log time only, to a ms. Where the last event is there, they can say little more than it does.
    latest = ledger.time + 2 * MINUTE if record is not None and record.seq == ledger.head else None
    for table, order in (("known", "last"), ("run", "number")):
        for time in _numbers(connection, f"SELECT ts FROM {table} ORDER BY {order} DESC LIMIT 1"):  # noqa: S608
            if latest is None or time <= latest:
                ledger.time = max(ledger.time, time)


def _numbers(connection: sqlite3.Connection, query: str) -> list[int]:
    return [value for (value,) in connection.execute(query) if type(value) is int]
