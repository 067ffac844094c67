"""Damaged tables: reading around pages that cannot be read, and finding rows that were changed by damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from jupyter_rtmsg.logthrottle import throttled_logger

from .schema import LAST_TS

_BEYOND = 1 << 62
_LEAST = -(1 << 63)
_MAX_INTEGER = 1 << 53

logger = throttled_logger(__name__)


class Gap(NamedTuple):
    """Rows that cannot be read: those with a key after ``after`` and before ``before`` (None: to the end)."""

    after: int
    before: int | None
    error: str


def read_table(connection: sqlite3.Connection, columns: str, table: str, key: str) -> Iterator[tuple[Any, ...] | Gap]:
    """Yield the rows of a table in order of its integer key, each with the key first, and the gaps between them."""
    # A seek to ``>= key`` never reads the page before; one to ``> key`` may.
    ahead = f"SELECT {key}, {columns} FROM {table} NOT INDEXED WHERE {key} >= ? ORDER BY {key}"  # noqa: S608 -- fixed
    start = _LEAST
    while True:
        try:
            for row in connection.execute(ahead, (start,)):
                start = min(row[0], -_LEAST - 2) + 1
                yield row
            return
        except sqlite3.DatabaseError as error:
            following = _following(connection, table, key, max(start, 1))
            yield Gap(start - 1, following, str(error))
        if following is None or following < start:
            return
        start = following


def _following(connection: sqlite3.Connection, table: str, key: str, start: int) -> int | None:
    """Return the key of the first row after a damaged part of a table; None if there is none.

    The step is doubled until a row can be read. Then the end of the damage is found by bisection.
    """
    step = 1
    while (found := _first(connection, table, key, start + step)) is _UNREADABLE:
        step *= 2
        if start + step > _BEYOND:
            return None
    low, high = start + step // 2, start + step
    while high - low > 1:
        middle = (low + high) // 2
        at = _first(connection, table, key, middle)
        if at is _UNREADABLE:
            low = middle
        else:
            high, found = middle, at
    return found if isinstance(found, int) else None


_UNREADABLE = object()


def _first(connection: sqlite3.Connection, table: str, key: str, start: int) -> object:
    query = f"SELECT {key}, * FROM {table} NOT INDEXED WHERE {key} >= ? ORDER BY {key} LIMIT 1"  # noqa: S608 -- fixed text
    try:
        row = connection.execute(query, (start,)).fetchone()
    except sqlite3.DatabaseError:
        return _UNREADABLE
    return None if row is None else row[0]


# --- rows with values of the wrong type, or out of bounds


def remove_invalid_rows(connection: sqlite3.Connection) -> None:
    """Remove invalid rows of every table, so that other modules may rely on types and bounds; within a transaction."""
    for table, condition in _VALID.items():
        removed = connection.execute(f"DELETE FROM {table} WHERE NOT ({condition})").rowcount  # noqa: S608 -- constants
        if removed:
            logger.error("%d rows of table %s are damaged on disk; they were removed", removed, table)


def count_invalid_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of invalid rows of each table."""
    counts = {}
    for table, condition in _VALID.items():
        query = f"SELECT count(*) FROM {table} WHERE NOT ({condition})"  # noqa: S608 -- constants
        counts[table] = int(connection.execute(query).fetchone()[0])
    return counts


def _integer(column: str, low: int, high: int) -> str:
    return f"(typeof({column}) = 'integer' AND {column} BETWEEN {low} AND {high})"


def _are(kind: str, *columns: str) -> str:
    return " AND ".join(f"typeof({column}) = '{kind}'" for column in columns)


def _time(column: str) -> str:
    return _integer(column, 0, LAST_TS)


_VALID = {
    "known": f"{_time('ts')} AND {_integer('count', 0, _MAX_INTEGER)} AND {_are('blob', 'keys')} AND last >= 1",
    "run": f"{_time('ts')} AND {_integer('count', 1, _MAX_INTEGER)} AND {_are('blob', 'hashes', 'commits')} "
    f"AND {_integer('number', 0, 1 << 40)}",
    "settled": _are("blob", "keys"),
    "stretch": f"{_integer('ahead', -LAST_TS, LAST_TS)} AND seq >= 1",
    "note": f"{_are('text', 'key')} AND {_are('blob', 'value')} AND typeof(until) IN ('integer', 'real')",
    "subscription": f"{_are('text', 'user', 'room', 'key', 'label', 'epoch', 'opening')} "
    f"AND {_integer('id', 1, _MAX_INTEGER)} AND {_integer('position', 0, _MAX_INTEGER)} AND {_time('used')} "
    f"AND (ended IS NULL OR {_time('ended')}) "
    f"AND (path IS NULL OR {_are('blob', 'path')}) AND {_are('integer', 'inherited')} "
    f"AND (n IS NULL OR {_integer('n', 0, _MAX_INTEGER)}) AND {_integer('generation', 0, _MAX_INTEGER)}",
    "opening": f"{_integer('number', 1, 1 << 31)} AND {_are('text', 'id')} AND {_integer('start', 0, _MAX_INTEGER)} "
    f"AND {_time('ts')} AND {_integer('lost', 0, _MAX_INTEGER)}",
    "tally": f"{_are('integer', 'room')} AND {_are('text', 'user')} AND {_integer('count', 0, _MAX_INTEGER)} "
    f"AND {_integer('bytes', 0, _MAX_INTEGER)}",
}
