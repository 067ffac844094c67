"""Search by time.

There is no index on ``ts``. The log is divided into spans within which ``ts`` never decreases, so each can be searched
by bisection. A new span begins where the wall clock was set back, or where its difference to log time changed. Table
``stretch`` has the first seq of each span, and ``ahead``: log time minus ``ts``, to a minute. A log whose clock was
always right has one span, and no row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from .records import Record
from .rows import COLUMNS, RecordDecoder

FORGET = "DELETE FROM stretch WHERE seq < (SELECT max(seq) FROM stretch WHERE seq <= (SELECT min(seq) FROM event))"
"""Deletes the spans without events, except for the last one, which grows."""

_FIRST = (
    f"SELECT {COLUMNS}, coalesce((SELECT name FROM room WHERE id = event.room), '') FROM event "  # noqa: S608
    "WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 1"
)
_END = 2**62


class TimeSpan(NamedTuple):
    """The first and the last seq of a span, and by how much (ms) log time is ahead of ``ts`` in it."""

    first: int
    last: int
    ahead: int


def time_spans(connection: sqlite3.Connection, head: int) -> Iterator[TimeSpan]:
    """Yield the spans up to a position, oldest first."""
    first, ahead = 1, 0
    rows = connection.execute(
        "SELECT seq, ahead FROM stretch WHERE seq <= ? AND typeof(ahead) = 'integer' ORDER BY seq", (head,)
    ).fetchall()
    for seq, new in rows:
        if seq > first:
            yield TimeSpan(first, seq - 1, ahead)
        first, ahead = seq, new
    yield TimeSpan(first, head, ahead)


def first_since(connection: sqlite3.Connection, ts: int, head: int) -> int:
    """Return a seq before which every event is older than ``ts`` (ms); ``head + 1`` if all events are older.

    Events after it may be older too, where the wall clock was wrong.
    """
    return _first(connection, ((span, ts) for span in time_spans(connection, head)), head)


def first_stored(connection: sqlite3.Connection, time: int, head: int) -> int:
    """Return the least seq from which on all events were stored at a log time (ms) or later, to a minute."""
    return _first(connection, ((span, time - span.ahead) for span in time_spans(connection, head)), head)


def stored_first(connection: sqlite3.Connection) -> int | None:
    """Return the log time (ms, to a minute) of the oldest event; None if there is none."""
    return stored_at(connection, 1)


def stored_at(connection: sqlite3.Connection, seq: int) -> int | None:
    """Return the log time (ms, to a minute) of the first event from a seq on; None if there is none."""
    event = _intact(connection, seq, _END)
    if event is None:
        return None
    ahead = "SELECT ahead FROM stretch WHERE seq <= ? AND typeof(ahead) = 'integer' ORDER BY seq DESC LIMIT 1"
    row = connection.execute(ahead, (event.seq,)).fetchone() or (0,)
    return int(event.ts + row[0])


def _first(connection: sqlite3.Connection, wanted: Iterator[tuple[TimeSpan, int]], head: int) -> int:
    for (first, last, _), ts in wanted:
        found = first_at(connection, ts, last, first)
        if (
            found <= last
            and connection.execute("SELECT 1 FROM event WHERE seq >= ? AND seq <= ? LIMIT 1", (found, last)).fetchone()
        ):
            return found
    return head + 1


def first_at(connection: sqlite3.Connection, ts: int, head: int, low: int = 1) -> int:
    """Return the least seq from ``low`` on such that all events from it to ``head`` have at least this ``ts`` (ms).

    ``low`` and ``head`` are in one span, so that bisection works.
    """
    high = head + 1
    while low < high:
        middle = (low + high) // 2
        event = _intact(connection, middle, high)
        if event is None or event.ts >= ts:
            high = middle
        else:
            low = (event.seq or 0) + 1
    return low


def _intact(connection: sqlite3.Connection, low: int, high: int) -> Record | None:
    """Return the first intact event from ``low`` on and before ``high``: the time of a damaged one means nothing."""
    decoder = RecordDecoder()
    while row := connection.execute(_FIRST, (low, high)).fetchone():
        *event, room = row
        if (record := decoder.intact(connection, room, event)) is not None:
            return record
        low = row[0] + 1
    return None
