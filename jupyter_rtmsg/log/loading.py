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
from .policy import load_policies
from .records import Record
from .retained import load_values
from .rows import COLUMNS, EventRow, RecordDecoder, load_rooms
from .schema import MEMORY_START, SIZE
from .state import LogState, RoomState
from .tallies import Tally

_LARGE = 1 << 20  # bytes of an event from which on its size is measured again
_LARGE_SIZES = (
    "SELECT seq, size FROM event INDEXED BY event_room WHERE typeof(size) != 'integer' OR size NOT BETWEEN 0 AND ?"
)
_MEASURE = (
    "SELECT length(CAST(data AS BLOB)) + "
    "(SELECT total(length(CAST(data AS BLOB))) FROM attachment WHERE seq = event.seq) + "
    "(SELECT total(length(data)) FROM part WHERE key = -event.attachments) FROM event WHERE seq = ?"
)
_HELD = (
    f"SELECT room, min(seq), max(seq), count(*), total({SIZE}) "  # noqa: S608 -- constants
    "FROM event INDEXED BY event_room GROUP BY room"
)

logger = throttled_logger(__name__)


def load_state(connection: sqlite3.Connection) -> LogState:
    """Return the state in a file, and repair damaged rows of it; within a transaction."""
    remove_invalid_rows(connection)
    state = LogState()
    for name, room in load_rooms(connection):
        state.add_room(name, room)
    _remove_displaced(connection)
    _measure_large(connection)
    decoder, stamps = RecordDecoder(), dict[str, int]()
    for key, first, head, count, size in connection.execute(_HELD).fetchall():
        if key not in state.names:
            logger.error("%d events belong to no room (number %r): they are damaged and cannot be read", count, key)
            continue
        name = state.names[key]
        room = state.rooms[name]
        number, stamps[name] = _last_event(connection, decoder, name, room)
        room.hold(first, count, int(size))
        room.advance(head, number)
        state.add_events(count, int(size))
    state.start_at(max((room.head for room in state.rooms.values()), default=0))  # a room keeps it if all is trimmed
    load_values(connection, state.names, state.retained)
    for key, name in state.names.items():
        state.rooms[name].retain(state.retained.count(key))
    _load_tallies(connection, state)
    _load_deleted(connection, state)
    _load_times(connection, decoder, state)
    state.set_policies(load_policies(connection))
    for name, ts in stamps.items():  # a room's row may be older than its events
        state.rooms[name].touch(min(ts + state.ahead, state.time))
    return state


def _load_tallies(connection: sqlite3.Connection, state: LogState) -> None:
    """Load the tallies. They are counted again if they do not add up to the contents of the rooms."""
    tallies = state.tallies
    try:
        tallies.load(connection)
        if all(_adds_up(tallies.in_room(room.id).values(), room) for room in state.rooms.values()):
            return
    except (TypeError, ValueError, OverflowError):
        pass
    logger.warning("the number of events that each user holds was damaged on disk, or missing; it is counted again")
    connection.execute("DELETE FROM meta WHERE k = 'tallied'")
    tallies.load(connection)


def _adds_up(tallies: Iterable[Tally], room: RoomState) -> bool:
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


def _last_event(connection: sqlite3.Connection, decoder: RecordDecoder, name: str, room: RoomState) -> tuple[int, int]:
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


def _load_deleted(connection: sqlite3.Connection, state: LogState) -> None:
    """Load the deletions of rooms, and hide events that are still in the file; a damaged row deletes nothing.

    Table ``deletion`` has the position up to which each room was deleted. The room's row stays, so that a room with the
    same name continues its head and its numbers: an old cursor then cannot take new events for those it has seen.
    """
    for key, since, crc in connection.execute("SELECT room, since, crc FROM deletion").fetchall():
        if deletion_crc(key, since) != crc:
            logger.error("the deletion of room number %r is damaged on disk: its remaining events are back", key)
            connection.execute("DELETE FROM deletion WHERE room = ?", (key,))
            continue
        name = state.names.get(key)
        if name is None:
            continue
        room = state.rooms[name]
        room.delete_until(since)
        if room.count and room.first <= since:
            state.hidden.add(name)
            _count_again(connection, room)


def _count_again(connection: sqlite3.Connection, room: RoomState) -> None:
    """Count only the events after the deletion of a room."""
    count, size, first = connection.execute(
        f"SELECT count(*), total({SIZE}), min(seq) FROM event WHERE room = ? AND seq > ?",  # noqa: S608 -- constants
        (room.id, room.since),
    ).fetchone()
    room.hold(first or 0, count, int(size))


def _load_times(connection: sqlite3.Connection, decoder: RecordDecoder, state: LogState) -> None:
    """Find the ts and the log time of the last event."""
    ahead = next(iter(_numbers(connection, "SELECT ahead FROM stretch ORDER BY seq DESC LIMIT 1")), 0)
    ts = time = 0
    record: Record | None = None
    last = f"SELECT {COLUMNS}, room FROM event WHERE seq <= ? ORDER BY seq DESC"  # noqa: S608 -- constants
    for *row, key in connection.execute(last, (state.head,)):
        record = decoder.intact(connection, state.names.get(key, ""), row)
        if record is not None:
            ts, time = record.ts, record.ts + ahead
            break
    # The tables of ids have log time to a ms, and no checksum. If the last event is intact they may say little more.
    latest = time + 2 * MINUTE if record is not None and record.seq == state.head else None
    for table, order in (("known", "last"), ("run", "number")):
        for added in _numbers(connection, f"SELECT ts FROM {table} ORDER BY {order} DESC LIMIT 1"):  # noqa: S608
            if latest is None or added <= latest:
                time = max(time, added)
    state.set_times(ts=ts, time=time, ahead=ahead)


def _numbers(connection: sqlite3.Connection, query: str) -> list[int]:
    return [value for (value,) in connection.execute(query) if type(value) is int]
