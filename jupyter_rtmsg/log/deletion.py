"""Rooms that were deleted: what they held is hidden at once, and removed slice by slice.

Table ``deletion`` has, for each of them, the position up to which everything is gone. The room's row stays: a room that
is made again under the name goes on with its head and its number, so that no cursor of before takes new events for old
ones.
"""

from __future__ import annotations

import logging
import sqlite3
from itertools import accumulate

from .crc import deletion_crc
from .ledger import Ledger, Room
from .rows import SIZE

_SLICE_BYTES = 16 << 20

logger = logging.getLogger(__name__)


def load_deleted(connection: sqlite3.Connection, ledger: Ledger) -> None:
    """Learn which rooms were deleted, and what of them is still in the file; a damaged row deletes nothing."""
    for key, since, crc in connection.execute("SELECT room, since, crc FROM deletion").fetchall():
        if deletion_crc(key, since) != crc:
            logger.error("the deletion of room number %r is damaged on disk: what is left of the room is back", key)
            connection.execute("DELETE FROM deletion WHERE room = ?", (key,))
            continue
        name = ledger.names.get(key)
        if name is None:
            continue
        room = ledger.rooms[name]
        room.since = since
        if room.count and room.first <= since:
            ledger.hidden.add(name)
            _count_anew(connection, room)


def _count_anew(connection: sqlite3.Connection, room: Room) -> None:
    """Count the events since the room was made again."""
    room.count, size, first = connection.execute(
        f"SELECT count(*), total({SIZE}), min(seq) FROM event WHERE room = ? AND seq > ?",  # noqa: S608 -- constants
        (room.id, room.since),
    ).fetchone()
    room.bytes, room.first = int(size), first or 0


def deleted_until(connection: sqlite3.Connection, room: str) -> int:
    """Return the position up to which a room was deleted; 0 if it never was."""
    row = connection.execute(
        "SELECT since FROM deletion WHERE room = (SELECT id FROM room WHERE name = ?)", (room,)
    ).fetchone()
    return row[0] if row else 0


def hidden_slice(connection: sqlite3.Connection, room: Room, most: int) -> int | None:
    """Return up to which position to remove what a deleted room held, so that it takes no long; None if nothing is."""
    rows = connection.execute(
        f"SELECT seq, {SIZE} FROM event WHERE room = ? AND seq <= ? ORDER BY seq LIMIT ?",  # noqa: S608 -- constants
        (room.id, room.since, most),
    ).fetchall()
    sizes = accumulate(size for _, size in rows)
    end = next((i for i, total in enumerate(sizes) if total > _SLICE_BYTES), len(rows) - 1)
    return rows[end][0] if rows else None
