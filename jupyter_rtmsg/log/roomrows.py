"""Rows of table ``room``: everything that is known of a room whose events were trimmed, and its name.

A row has a checksum. A single flipped bit is found by it and set right; a row that had more of them is taken for what
its events say it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from jupyter_rtmsg.logthrottle import throttled_logger

from .crc import room_crc
from .ledger import Room
from .rows import COLUMNS, Rows

# Texts are read as bytes, since damaged ones may be none.
COLUMNS_OF_ROOM = (
    "id, CAST(name AS BLOB), head, n, CAST(maker AS BLOB), used, crc, typeof(name) = 'text' AND typeof(maker) = 'text'"
)
_READ = f"SELECT {COLUMNS_OF_ROOM} FROM room"  # noqa: S608 -- constants
SAVE = "INSERT OR REPLACE INTO room(id, name, head, n, maker, used, crc) VALUES"
_LOOK = 100  # of the newest events of a room that are asked for its name

logger = throttled_logger(__name__)

_Row = tuple[Any, ...]  # id, name, head, n, maker, used, crc


def row_of(name: str, room: Room) -> _Row:
    """Return a room as it is stored."""
    crc = room_crc(room.id, name, room.head, room.n, room.maker, room.used)
    return (room.id, name, room.head, room.n, room.maker, room.used, crc)


def load_rooms(connection: sqlite3.Connection) -> Iterator[tuple[str, Room]]:
    """Give the rooms of a file, with what their rows say of them; damaged rows are mended, or removed, in the file."""
    damaged: list[_Row] = []
    for row in connection.execute(_READ).fetchall():
        if is_sound(row):
            yield _room(_texts(row))
        else:
            damaged.append(row)
    for row in damaged:
        if (mended := _mended(connection, row)) is not None:
            yield _room(mended)


def _room(row: _Row) -> tuple[str, Room]:
    key, name, head, n, maker, used, _ = row
    return name, Room(key, head=head, n=n, maker=maker, used=used)


def _texts(row: _Row) -> _Row:
    key, name, head, n, maker, used, crc, *_ = row
    return (key, name.decode(), head, n, maker.decode(), used, crc)


def is_sound(row: _Row) -> bool:
    """Tell whether a row of `COLUMNS_OF_ROOM` fits its checksum."""
    return _fits(row) and row[7] == 1


def _fits(row: _Row) -> bool:
    crc = _crc(row)
    return crc is not None and crc == row[6]


def _crc(row: _Row) -> int | None:
    """Return the checksum that a row should have; None where something in it is of another type."""
    key, name, head, n, maker, used, *_ = row
    try:
        return room_crc(key, name.decode(), head, n, maker.decode(), used)
    except (AttributeError, TypeError, ValueError):
        return None


def _mended(connection: sqlite3.Connection, row: _Row) -> _Row | None:
    mended = _corrected(row) or _confirmed(connection, row)
    held = connection.execute("SELECT count(*) FROM event WHERE room = ?", (row[0],)).fetchone()[0]
    if mended is None:
        logger.error(
            "the name of room %d is damaged on disk, and reads %r: its %d events cannot be read, and the room begins "
            "anew. `python -m jupyter_rtmsg.log verify` tells more; restore a backup", row[0], row[1], held,
        )  # fmt: skip
    else:
        logger.error("what the log knows of room %r was damaged on disk; it was set right", mended[1])
    connection.execute("DELETE FROM room WHERE id = ?", (row[0],))
    if mended is not None:
        connection.execute(f"{SAVE}(?, ?, ?, ?, ?, ?, ?)", mended)
    return mended


def _corrected(row: _Row) -> _Row | None:
    """Return the row that this one was before a bit of it flipped, or None if there is no such row."""
    crc = _crc(row)
    if crc is not None and type(row[6]) is int and (crc ^ row[6]).bit_count() <= 1:
        return (*_texts(row)[:6], crc)
    for i, value in enumerate(row[:6]):
        for flipped in _flips(value):
            if _fits(before := (*row[:i], flipped, *row[i + 1 :])):
                return _texts(before)
    return None


def _flips(value: Any) -> Iterable[Any]:
    """Give all that a number or a text may have been before a bit of it flipped."""
    if type(value) is int:
        for bit in range(64):
            flipped = (value & (1 << 64) - 1) ^ 1 << bit
            yield flipped - (1 << 64) if flipped >> 63 else flipped
    elif type(value) is bytes:
        for at in range(len(value) * 8):
            yield value[: at // 8] + bytes([value[at // 8] ^ 1 << at % 8]) + value[at // 8 + 1 :]


def _confirmed(connection: sqlite3.Connection, row: _Row) -> _Row | None:
    """Return what a room's events say of it, if one of them has its name in the checksum; else None."""
    key, name, *_ = row
    if type(name) is not bytes:
        return None
    text, rows = name.decode(errors="replace"), Rows()
    newest = f"SELECT {COLUMNS} FROM event WHERE room = ? ORDER BY seq DESC LIMIT {_LOOK}"  # noqa: S608 -- constants
    for event in connection.execute(newest, (key,)):
        if (record := rows.intact(connection, text, event)) is not None and record.seq and record.n:
            return row_of(text, Room(key, head=record.seq, n=record.n))
    return None
