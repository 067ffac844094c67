"""Removing rows that cannot be what was stored: other modules then need not ask what a number or a text is."""

from __future__ import annotations

import sqlite3

from jupyter_rtmsg.logthrottle import throttled_logger

from .rows import LAST_TS

_MOST = 1 << 53


def _integer(column: str, low: int, high: int) -> str:
    return f"(typeof({column}) = 'integer' AND {column} BETWEEN {low} AND {high})"


def _are(kind: str, *columns: str) -> str:
    return " AND ".join(f"typeof({column}) = '{kind}'" for column in columns)


def _time(column: str) -> str:
    return _integer(column, 0, LAST_TS)


_SANE = {
    "known": f"{_time('ts')} AND {_integer('count', 0, _MOST)} AND {_are('blob', 'keys')} AND last >= 1",
    "run": f"{_time('ts')} AND {_integer('count', 1, _MOST)} AND {_are('blob', 'hashes', 'commits')} "
    f"AND {_integer('number', 0, 1 << 40)}",
    "settled": _are("blob", "keys"),
    "stretch": f"{_integer('ahead', -LAST_TS, LAST_TS)} AND seq >= 1",
    "note": f"{_are('text', 'key')} AND {_are('blob', 'value')} AND typeof(until) IN ('integer', 'real')",
    "subscription": f"{_are('text', 'user', 'room', 'key', 'label', 'epoch', 'opening')} "
    f"AND {_integer('id', 1, _MOST)} AND {_integer('position', 0, _MOST)} AND {_time('used')} "
    f"AND (ended IS NULL OR {_time('ended')}) "
    f"AND (path IS NULL OR {_are('blob', 'path')}) AND {_are('integer', 'inherited')}",
    "opening": f"{_integer('number', 1, 1 << 31)} AND {_are('text', 'id')} AND {_integer('start', 0, _MOST)} "
    f"AND {_time('ts')} AND {_integer('lost', 0, _MOST)}",
    "tally": f"{_are('integer', 'room')} AND {_are('text', 'user')} AND {_integer('count', 0, _MOST)} "
    f"AND {_integer('bytes', 0, _MOST)}",
}

logger = throttled_logger(__name__)


def remove_nonsense(connection: sqlite3.Connection) -> None:
    """Remove the rows of each table that hold something of another type, or out of all bounds; in a transaction."""
    for table, condition in _SANE.items():
        removed = connection.execute(f"DELETE FROM {table} WHERE NOT ({condition})").rowcount  # noqa: S608 -- constants
        if removed:
            logger.error("%d rows of table %s are damaged on disk; they were removed", removed, table)


def nonsense(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many such rows each table has."""
    counts = {}
    for table, condition in _SANE.items():
        query = f"SELECT count(*) FROM {table} WHERE NOT ({condition})"  # noqa: S608 -- constants
        counts[table] = int(connection.execute(query).fetchone()[0])
    return counts
