"""Reading a table that has damaged pages: what can be read, and where it can't."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

_BEYOND = 1 << 62
_LEAST = -(1 << 63)


class Gap(NamedTuple):
    """Rows that cannot be read: those with a key after ``after`` and before ``before`` (None: to the end)."""

    after: int
    before: int | None
    error: str


def read_table(connection: sqlite3.Connection, columns: str, table: str, key: str) -> Iterator[tuple[Any, ...] | Gap]:
    """Give the rows of a table in order of its integer key, each with the key before it, and the gaps between them."""
    # A seek to ``>= key`` never looks at the page before; one to ``> key`` may.
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
    """Return the key of the first row behind a damaged part of a table, found in steps that grow; None if none is."""
    step = 1
    while (found := _first(connection, table, key, start + step)) is _UNREADABLE:
        step *= 2
        if start + step > _BEYOND:
            return None
    low, high = start + step // 2, start + step
    while high - low > 1:  # between them is where it can be read again
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
