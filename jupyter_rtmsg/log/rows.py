"""Rows of table ``event`` and the records they become, the damaged ones too.

What a file says may be anything: a flipped bit makes a text of a number, or a time of the year 30,000. A row that its
checksum does not confirm becomes a record with the name ``$corrupt`` and no data, in its place.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from jupyter_rtmsg.event import CORRUPT

from .crc import event_crc, event_crc_of_2
from .eventlog import Record

COLUMNS = (
    "event.seq, event.prev, event.ts, event.name, event.data, event.attachments, event.sender, event.user, event.id, "
    "event.size, event.crc, event.n"
)
SIZE = "CASE WHEN typeof(size) = 'integer' AND size BETWEEN 0 AND 268435456 THEN size ELSE 0 END"
"""The size of an event as far as it can be one, for sums."""

TS = "CASE WHEN typeof(ts) = 'integer' AND ts BETWEEN 0 AND 253402300799999 THEN ts END"
"""The time of an event as far as it can be one."""

USER = "CASE typeof(event.user) WHEN 'text' THEN event.user ELSE '' END"
"""The principal of an event as far as it can be one."""

NAME = "CASE typeof(event.name) WHEN 'text' THEN event.name ELSE '$corrupt' END"
"""The name of an event as far as it can be one."""

LAST_TS = 253_402_300_799_999
"""The last ms of the year 9999: what comes later is no time."""

_NOBODY = b'{"user":"","kind":"script","name":"","member":""}'


class Row(NamedTuple):
    """A row, as it is in the file."""

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


class Rows:
    """Makes records of the rows of one database."""

    def __init__(self) -> None:
        self._crc_since: int | None = None

    def record(self, connection: sqlite3.Connection, room: str, row: Sequence[Any]) -> Record:
        """Return the event of a row, or where it is damaged, what stands for it."""
        return self.intact(connection, room, row) or _damaged(connection, room, Row(*row))

    def intact(self, connection: sqlite3.Connection, room: str, row: Sequence[Any]) -> Record | None:
        """Return the event of a row, or None where it is damaged."""
        seq, prev, ts, name, data, count, sender, user, event_id, _, crc, n = row
        attachments: tuple[bytes, ...] = ()
        if count:
            parts = connection.execute("SELECT data FROM attachment WHERE seq = ? ORDER BY num", (seq,))
            attachments = tuple(part for (part,) in parts)
        what = (name, user, event_id, sender, data, attachments)
        try:
            whole = event_crc(seq, prev, ts, n, room, *what) == crc or (
                seq <= self._since(connection) and event_crc_of_2(*what) == crc and _are_numbers(prev, ts, n)
            )
        except (TypeError, ValueError, struct.error):  # a number became a text, or a text bytes
            return None
        if not whole or len(attachments) != count:
            return None
        return Record(room, seq, prev, ts, name, data, attachments, sender, user, event_id, n)

    def _since(self, connection: sqlite3.Connection) -> int:
        """Return up to which position events have the checksum of format 2."""
        if self._crc_since is None:
            (since,) = connection.execute("SELECT v FROM meta WHERE k = 'crc_since'").fetchone() or (0,)
            self._crc_since = since if type(since) is int else 0
        return self._crc_since


def _are_numbers(*values: Any) -> bool:
    return all(type(value) is int for value in values)


def _is_between(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _damaged(connection: sqlite3.Connection, room: str, row: Row) -> Record:
    """Return what stands for a damaged event; where it cannot be right about its place, the event before it is."""
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
