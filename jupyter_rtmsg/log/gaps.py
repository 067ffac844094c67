"""Reading a table that has damaged pages: what can be read, and where it can't."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

_BEYOND = 1 << 62


class Gap(NamedTuple):
    """Rows that cannot be read: those with a key after ``after`` and before ``before`` (None: to the end)."""

    after: int
    before: int | None
    error: str


def read_table(connection: sqlite3.Connection, columns: str, table: str, key: str) -> Iterator[tuple[Any, ...] | Gap]:
    """Give the rows of a table in order of its integer key, each with the key before it, and the gaps between them."""
    ahead = f"SELECT {key}, {columns} FROM {table} NOT INDEXED WHERE {key} > ? ORDER BY {key}"  # noqa: S608 -- fixed
    position = -(1 << 63)
    while True:
        try:
            for row in connection.execute(ahead, (position,)):
                position = row[0]
                yield row
            return
        except sqlite3.DatabaseError as error:
            following = _following(connection, table, key, max(position, 0))
            yield Gap(position, following, str(error))
        if following is None:
            return
        position = following - 1


def _following(connection: sqlite3.Connection, table: str, key: str, position: int) -> int | None:
    """Return the key of the first row behind a damaged part of a table, found in steps that grow."""
    step = 1
    while (found := _first(connection, table, key, position + step)) is _UNREADABLE:
        step *= 2
        if position + step > _BEYOND:
            return None
    low, high = position + step // 2, position + step
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
    query = f"SELECT * FROM {table} NOT INDEXED WHERE {key} >= ? ORDER BY {key} LIMIT 1"  # noqa: S608 -- fixed text
    try:
        row = connection.execute(query, (start,)).fetchone()
    except sqlite3.DatabaseError:
        return _UNREADABLE
    return None if row is None else row[0]
