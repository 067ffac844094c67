"""Loading the state of a log from its file, and containing damage there.

The head of a room, the number of its last event and the time of the last event decide all that is stored next, and what
expires. So they are taken from events whose checksums match.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from jupyter_rtmsg.logthrottle import throttled_logger

from .clock import MINUTE
from .crc import deletion_crc
from .damage import remove_invalid_rows
from .eventlog import Record
from .ledger import Ledger, Room
from .rows import COLUMNS, EventRow, RecordDecoder, load_rooms
from .schema import MEMORY_START, SIZE
from .tallies import Tallies, Tally, load_tallies

_LARGE = 1 << 20  # bytes of an event from which on its size is measured again
_LARGE_SIZES = (
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
    """Return the state in a file, and repair what is damaged there; within a transaction."""
    remove_invalid_rows(connection)
    ledger = Ledger()
    for name, room in load_rooms(connection):
        ledger.names[room.id] = name
        ledger.rooms[name] = room
        ledger.next_room = max(ledger.next_room, room.id + 1)
    _remove_displaced(connection)
    _measure_large(connection)
    decoder, stamps = RecordDecoder(), dict[str, int]()
    for key, first, head, count, size in connection.execute(_HELD).fetchall():
        if key not in ledger.names:
            logger.error("%d events belong to no room (number %r): they are damaged and cannot be read", count, key)
            continue
        name = ledger.names[key]
        room = ledger.rooms[name]
        room.first, room.head, room.count, room.bytes = first, max(head, room.head), count, int(size)
        number, stamps[name] = _last_event(connection, decoder, name, room)
        room.n = max(room.n, number)
        ledger.count += room.count
        ledger.bytes += room.bytes
    ledger.head = max((room.head for room in ledger.rooms.values()), default=0)  # kept, whatever was trimmed
    ledger.tallies = _tallies(connection, ledger)
    _load_deleted(connection, ledger)
    _load_times(connection, decoder, ledger)
    for name, ts in stamps.items():  # a room's row may be older than its events
        room = ledger.rooms[name]
        room.used = max(room.used, min(ts + ledger.ahead, ledger.time))
    return ledger


def _tallies(connection: sqlite3.Connection, ledger: Ledger) -> Tallies:
    """Return the tallies in a file. They are counted again if they do not add up to the contents of the rooms."""
    try:
        tallies = load_tallies(connection)
        if all(_adds_up(tallies.in_room(room.id).values(), room) for room in ledger.rooms.values()):
            return tallies
    except (TypeError, ValueError, OverflowError):
        pass
    logger.warning("the number of events that each user holds was damaged on disk, or missing; it is counted again")
    connection.execute("DELETE FROM meta WHERE k = 'tallied'")
    return load_tallies(connection)


def _adds_up(tallies: Iterable[Tally], room: Room) -> bool:
    held = [(tally.count, tally.bytes) for tally in tallies]
    return (room.count, room.bytes) == (sum(count for count, _ in held), sum(size for _, size in held))


def _remove_displaced(connection: sqlite3.Connection) -> None:
    """Remove events at positions that no event can have, since the next one would be stored after them."""
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    if not path:  # a log in memory may begin there
        return
    outside = connection.execute("SELECT seq, room FROM event WHERE seq < 1 OR seq >= ?", (MEMORY_START,)).fetchall()
    for seq, room in outside:
        logger.error("an event of room number %r is damaged on disk: its position became %d; it was removed", room, seq)
        connection.execute("DELETE FROM event WHERE seq = ?", (seq,))


def _measure_large(connection: sqlite3.Connection) -> None:
    """Measure the events that claim to be large, since trimming relies on their size."""
    for seq, size in connection.execute(_LARGE_SIZES, (_LARGE,)).fetchall():
        (measured,) = connection.execute(_MEASURE, (seq,)).fetchone() or (size,)
        if measured != size:
            logger.error("the size of event %d was damaged on disk; it was measured again", seq)
            connection.execute("UPDATE event SET size = ? WHERE seq = ?", (int(measured), seq))


def _last_event(connection: sqlite3.Connection, decoder: RecordDecoder, name: str, room: Room) -> tuple[int, int]:
    """Return the number and ts of a room's last event, from the last intact one and the damaged ones after it."""
    newest = f"SELECT {COLUMNS} FROM event WHERE room = ? ORDER BY seq DESC"  # noqa: S608 -- constants
    later: list[EventRow] = []
    n = ts = 0
    for row in map(EventRow._make, connection.execute(newest, (room.id,))):
        if (record := decoder.intact(connection, name, row)) is not None:
            n, ts = record.n or 0, record.ts
            break
        later.append(row)
    for row in reversed(later):
        stored: Any = row.n
        n = stored if type(stored) is int and n < stored <= n + len(later) else n + 1
    return n, ts


def _load_deleted(connection: sqlite3.Connection, ledger: Ledger) -> None:
    """Load the deletions of rooms, and hide events that are still in the file; a damaged row deletes nothing.

    Table ``deletion`` has the position up to which each room was deleted. The room's row stays, so that a room with the
    same name continues its head and its numbers: an old cursor then cannot take new events for those it has seen.
    """
    for key, since, crc in connection.execute("SELECT room, since, crc FROM deletion").fetchall():
        if deletion_crc(key, since) != crc:
            logger.error("the deletion of room number %r is damaged on disk: its remaining events are back", key)
            connection.execute("DELETE FROM deletion WHERE room = ?", (key,))
            continue
        name = ledger.names.get(key)
        if name is None:
            continue
        room = ledger.rooms[name]
        room.since = since
        if room.count and room.first <= since:
            ledger.hidden.add(name)
            _count_again(connection, room)


def _count_again(connection: sqlite3.Connection, room: Room) -> None:
    """Count only the events after the deletion of a room."""
    room.count, size, first = connection.execute(
        f"SELECT count(*), total({SIZE}), min(seq) FROM event WHERE room = ? AND seq > ?",  # noqa: S608 -- constants
        (room.id, room.since),
    ).fetchone()
    room.bytes, room.first = int(size), first or 0


def _load_times(connection: sqlite3.Connection, decoder: RecordDecoder, ledger: Ledger) -> None:
    """Find the ts and the log time of the last event."""
    for ahead in _numbers(connection, "SELECT ahead FROM stretch ORDER BY seq DESC LIMIT 1"):
        ledger.ahead = ahead
    record: Record | None = None
    last = f"SELECT {COLUMNS}, room FROM event WHERE seq <= ? ORDER BY seq DESC"  # noqa: S608 -- constants
    for *row, key in connection.execute(last, (ledger.head,)):
        record = decoder.intact(connection, ledger.names.get(key, ""), row)
        if record is not None:
            ledger.ts = record.ts
            ledger.time = ledger.ts + ledger.ahead
            break
    # The tables of ids have log time to a ms, and no checksum. If the last event is intact they may say little more.
    latest = ledger.time + 2 * MINUTE if record is not None and record.seq == ledger.head else None
    for table, order in (("known", "last"), ("run", "number")):
        for time in _numbers(connection, f"SELECT ts FROM {table} ORDER BY {order} DESC LIMIT 1"):  # noqa: S608
            if latest is None or time <= latest:
                ledger.time = max(ledger.time, time)


def _numbers(connection: sqlite3.Connection, query: str) -> list[int]:
    return [value for (value,) in connection.execute(query) if type(value) is int]
