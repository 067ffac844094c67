"""Rows of the tables ``event`` and ``room``, and the values they become, damaged ones included.

A damaged file may say anything: a flipped bit turns a number into a text, or a time into the year 30,000. An event
whose checksum does not match becomes a record named ``$corrupt`` without data, in its place. The row of a room holds
all that is known of a room whose events were trimmed. So a single flipped bit is corrected by its checksum, and with
more of them the row is rebuilt from the events of the room.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.logthrottle import throttled_logger

from .crc import event_crc, event_crc_of_2, room_crc
from .records import Parts, Record
from .schema import LAST_TS
from .state import RoomState

COLUMNS = (
    "event.seq, event.prev, event.ts, event.name, event.data, event.attachments, event.sender, event.user, event.id, "
    "event.size, event.crc, event.n, event.expires, event.retain"
)
"""The columns of `EventRow`."""

ROOM_COLUMNS = (
    "id, CAST(name AS BLOB), head, n, CAST(maker AS BLOB), used, crc, typeof(name) = 'text' AND typeof(maker) = 'text'"
)
"""The columns that `is_sound` needs. Texts are read as bytes, since damaged ones may not decode."""

SAVE_ROOM = "INSERT OR REPLACE INTO room(id, name, head, n, maker, used, crc) VALUES"
"""The statement for rows of `room_row`."""

_SIZE = 9


class _Told(msgspec.Struct):
    """What the data of an event tell about its parts."""

    count: int
    size: int


_told = msgspec.json.Decoder(dict[str, _Told]).decode
_NOBODY = b'{"user":"","kind":"script","name":"","member":""}'
_READ_ROOMS = f"SELECT {ROOM_COLUMNS} FROM room"  # noqa: S608 -- constants
_MAX_ASKED = 100  # newest events of a room that are checked for its name

_RoomRow = tuple[Any, ...]  # id, name, head, n, maker, used, crc

logger = throttled_logger(__name__)


class EventRow(NamedTuple):
    """A row of `COLUMNS`. Only ``seq`` is sure to have its type, since it is the table's key."""

    seq: int
    prev: Any
    ts: Any
    name: Any
    data: Any
    attachments: Any
    sender: Any
    user: Any
    id: Any
    size: Any
    crc: Any
    n: Any
    expires: Any
    retain: Any


class RecordDecoder:
    """Makes records of the rows of one database."""

    def __init__(self) -> None:
        self._crc_since: int | None = None  # read from the file when it is first needed

    def record(self, connection: sqlite3.Connection, room: str, row: Sequence[Any]) -> Record:
        """Return the event of a row, or the record that stands for it if it is damaged."""
        return self.intact(connection, room, row) or _damaged(connection, room, EventRow(*row))

    def intact(self, connection: sqlite3.Connection, room: str, row: Sequence[Any]) -> Record | None:
        """Return the event of a row, or None if it is damaged."""
        seq, prev, ts, name, data, count, sender, user, event_id, _, crc, n, expires, key = row
        attachments: tuple[bytes, ...] = ()
        held = -count if type(count) is int and count < 0 else 0
        if count and not held:
            parts = connection.execute("SELECT data FROM attachment WHERE seq = ? ORDER BY num", (seq,))
            attachments = tuple(part for (part,) in parts)
        content = (name, user, event_id, sender, data, attachments)
        try:
            matches = event_crc(seq, prev, ts, n, room, *content, key, expires, held) == crc or (
                seq <= self._since(connection)
                and event_crc_of_2(*content) == crc
                and _are_numbers(prev, ts, n)
                and (expires, key, held) == (0, None, 0)
            )
        except (TypeError, ValueError, struct.error):  # a column has a value of another type
            return None
        if not matches or len(attachments) != (0 if held else count):
            return None
        told = _parts(held, data, row[_SIZE]) if held else None
        return Record(room, seq, prev, ts, name, data, attachments, sender, user, event_id, n, key, expires, told)

    def _since(self, connection: sqlite3.Connection) -> int:
        """Return the position up to which events have the checksums of format 2."""
        if self._crc_since is None:
            (since,) = connection.execute("SELECT v FROM meta WHERE k = 'crc_since'").fetchone() or (0,)
            self._crc_since = since if type(since) is int else 0
        return self._crc_since


def _parts(key: int, data: bytes, size: Any) -> Parts:
    """Return the parts of an event, whose data are those that the hub wrote, and intact."""
    try:
        told = _told(data)["$parts"]
    except (msgspec.MsgspecError, LookupError):  # stored by another program
        return Parts(key, 0, size - len(data) if type(size) is int else 0)
    return Parts(key, told.count, told.size)


def _damaged(connection: sqlite3.Connection, room: str, row: EventRow) -> Record:
    """Return the record for a damaged event. Numbers that cannot be right are derived from the event before it."""
    before = connection.execute(
        "SELECT seq, ts, n FROM event WHERE room = (SELECT id FROM room WHERE name = ?) AND seq < ? "
        "ORDER BY seq DESC LIMIT 1",
        (room, row.seq),
    ).fetchone()
    seq, ts, n = before or (0, 0, 0)
    ts = ts if _is_between(ts, 0, LAST_TS) else 0
    n = n if _is_between(n, 0, seq) else 0
    return Record(
        room,
        row.seq,
        row.prev if _is_between(row.prev, seq, row.seq - 1) else seq,
        row.ts if _is_between(row.ts, 0, LAST_TS) else ts,
        CORRUPT,
        b"null",
        (),
        _NOBODY,
        "",
        None,
        row.n if _is_between(row.n, n + 1, n + row.seq - seq) else n + 1,
    )


def _are_numbers(*values: Any) -> bool:
    return all(type(value) is int for value in values)


def _is_between(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


# --- rooms


def room_row(name: str, room: RoomState) -> _RoomRow:
    """Return a room as it is stored."""
    crc = room_crc(room.id, name, room.head, room.n, room.maker, room.used)
    return (room.id, name, room.head, room.n, room.maker, room.used, crc)


def load_rooms(connection: sqlite3.Connection) -> Iterator[tuple[str, RoomState]]:
    """Yield the rooms of a file by name, as their rows describe them; repair damaged rows, or remove them."""
    damaged: list[_RoomRow] = []
    for row in connection.execute(_READ_ROOMS).fetchall():
        if is_sound(row):
            yield _room(_decoded(row))
        else:
            damaged.append(row)
    for row in damaged:
        if (repaired := _repaired(connection, row)) is not None:
            yield _room(repaired)


def is_sound(row: _RoomRow) -> bool:
    """Tell whether a row of `ROOM_COLUMNS` matches its checksum."""
    return _matches(row) and row[7] == 1


def _room(row: _RoomRow) -> tuple[str, RoomState]:
    key, name, head, n, maker, used, _ = row
    return name, RoomState(key, head=head, n=n, maker=maker, used=used)


def _decoded(row: _RoomRow) -> _RoomRow:
    key, name, head, n, maker, used, crc, *_ = row
    return (key, name.decode(), head, n, maker.decode(), used, crc)


def _matches(row: _RoomRow) -> bool:
    crc = _crc(row)
    return crc is not None and crc == row[6]


def _crc(row: _RoomRow) -> int | None:
    """Return the checksum of a row's columns; None if one of them has another type."""
    key, name, head, n, maker, used, *_ = row
    try:
        return room_crc(key, name.decode(), head, n, maker.decode(), used)
    except (AttributeError, TypeError, ValueError):
        return None


def _repaired(connection: sqlite3.Connection, row: _RoomRow) -> _RoomRow | None:
    """Replace a damaged row in the file, and return the new one; None if the name of the room is lost."""
    repaired = _corrected(row) or _rebuilt(connection, row)
    held = connection.execute("SELECT count(*) FROM event WHERE room = ?", (row[0],)).fetchone()[0]
    if repaired is None:
        logger.error(
            "the name of room %d is damaged on disk, and reads %r: its %d events cannot be read, and the room starts "
            "again empty. `python -m jupyter_rtmsg.log verify` tells more; restore a backup", row[0], row[1], held,
        )  # fmt: skip
    else:
        logger.error("the row of room %r was damaged on disk; it was repaired", repaired[1])
    connection.execute("DELETE FROM room WHERE id = ?", (row[0],))
    if repaired is not None:
        connection.execute(f"{SAVE_ROOM}(?, ?, ?, ?, ?, ?, ?)", repaired)
    return repaired


def _corrected(row: _RoomRow) -> _RoomRow | None:
    """Return the row before one of its bits flipped; None if no single bit explains its checksum."""
    crc = _crc(row)
    if crc is not None and type(row[6]) is int and (crc ^ row[6]).bit_count() <= 1:
        return (*_decoded(row)[:6], crc)
    for i, value in enumerate(row[:6]):
        for flipped in _flips(value):
            if _matches(before := (*row[:i], flipped, *row[i + 1 :])):
                return _decoded(before)
    return None


def _flips(value: Any) -> Iterable[Any]:
    """Yield each value that differs from a number or a text in one bit."""
    if type(value) is int:
        for bit in range(64):
            flipped = (value & (1 << 64) - 1) ^ 1 << bit
            yield flipped - (1 << 64) if flipped >> 63 else flipped
    elif type(value) is bytes:
        for at in range(len(value) * 8):
            yield value[: at // 8] + bytes([value[at // 8] ^ 1 << at % 8]) + value[at // 8 + 1 :]


def _rebuilt(connection: sqlite3.Connection, row: _RoomRow) -> _RoomRow | None:
    """Return a row made from the room's events, if the checksum of one of them confirms its name; else None."""
    key, name, *_ = row
    if type(name) is not bytes:
        return None
    text, decoder = name.decode(errors="replace"), RecordDecoder()
    newest = f"SELECT {COLUMNS} FROM event WHERE room = ? ORDER BY seq DESC LIMIT {_MAX_ASKED}"  # noqa: S608 -- constants
    for event in connection.execute(newest, (key,)):
        if (record := decoder.intact(connection, text, event)) is not None and record.seq and record.n:
            return room_row(text, RoomState(key, head=record.seq, n=record.n))
    return None
