"""Where a time begins in the log.

There is no index on ``ts``. It never decreases within a stretch of the log, so it is searched for there; a new stretch
begins where the wall clock was set back, or began to differ from log time. Table ``stretch`` has its first seq, and
``ahead``: log time less ``ts``, to a minute. A log whose clock was always right has one stretch, and no row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from .eventlog import Record
from .rows import COLUMNS, Rows

# Those that hold no event any more, but for the last one: it is the one that grows.
FORGET = "DELETE FROM stretch WHERE seq < (SELECT max(seq) FROM stretch WHERE seq <= (SELECT min(seq) FROM event))"


_FIRST = (
    f"SELECT {COLUMNS}, coalesce((SELECT name FROM room WHERE id = event.room), '') FROM event "  # noqa: S608
    "WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 1"
)
_END = 2**62


class Stretch(NamedTuple):
    """The first and the last seq of a stretch, and by how much (ms) log time is ahead of ``ts`` in it."""

    first: int
    last: int
    ahead: int


def stretches(connection: sqlite3.Connection, head: int) -> Iterator[Stretch]:
    """Give the stretches up to a position, from the oldest on."""
    first, ahead = 1, 0
    rows = connection.execute(
        "SELECT seq, ahead FROM stretch WHERE seq <= ? AND typeof(ahead) = 'integer' ORDER BY seq", (head,)
    ).fetchall()
    for seq, new in rows:
        if seq > first:
            yield Stretch(first, seq - 1, ahead)
        first, ahead = seq, new
    yield Stretch(first, head, ahead)


def first_since(connection: sqlite3.Connection, ts: int, head: int) -> int:
    """Return a seq such that no event before it has at least this ts (ms); ``head + 1`` if none has.

    Events after it may be older where the wall clock was wrong.
    """
    return _first(connection, ((stretch, ts) for stretch in stretches(connection, head)), head)


def first_stored(connection: sqlite3.Connection, time: int, head: int) -> int:
    """Return the least seq such that all events from it on were stored at this log time (ms) or later, to a minute."""
    return _first(connection, ((stretch, time - stretch.ahead) for stretch in stretches(connection, head)), head)


def stored_first(connection: sqlite3.Connection) -> int | None:
    """Return the log time (ms, to a minute) of the oldest event held, or None."""
    event = _whole(connection, 1, _END)
    if event is None:
        return None
    ahead = "SELECT ahead FROM stretch WHERE seq <= ? AND typeof(ahead) = 'integer' ORDER BY seq DESC LIMIT 1"
    row = connection.execute(ahead, (event.seq,)).fetchone() or (0,)
    return int(event.ts + row[0])


def _first(connection: sqlite3.Connection, wanted: Iterator[tuple[Stretch, int]], head: int) -> int:
    for (first, last, _), ts in wanted:
        found = first_at(connection, ts, last, first)
        if (
            found <= last
            and connection.execute("SELECT 1 FROM event WHERE seq >= ? AND seq <= ? LIMIT 1", (found, last)).fetchone()
        ):
            return found
    return head + 1


def first_at(connection: sqlite3.Connection, ts: int, head: int, low: int = 1) -> int:
    """Return the least seq from ``low`` on such that all events from it to ``head`` have at least this ts (ms)."""
    high = head + 1  # ts never decreases with seq in here
    while low < high:
        middle = (low + high) // 2
        event = _whole(connection, middle, high)
        if event is None or event.ts >= ts:
            high = middle
        else:
            low = (event.seq or 0) + 1
    return low


def _whole(connection: sqlite3.Connection, low: int, high: int) -> Record | None:
    """Return the first event from ``low`` on, and before ``high``, that is not damaged: its ts decides on others."""
    rows = Rows()
    while row := connection.execute(_FIRST, (low, high)).fetchone():
        *event, room = row
        if (record := rows.intact(connection, room, event)) is not None:
            return record
        low = row[0] + 1
    return None
