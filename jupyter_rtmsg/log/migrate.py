"""Files of older formats become files of this one.

Format 1 (version 0.1.0) had a table ``cursor``; 2 made that ``subscription``; 3 numbers the events of each room, and
its checksums cover every column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from .crc import room_crc

# Columns that format 3 added: they stand behind the others, in a new file too.
_ADDED = {
    "room": (
        "n INTEGER NOT NULL DEFAULT 0",
        "maker TEXT NOT NULL DEFAULT ''",
        "used INTEGER NOT NULL DEFAULT 0",
        "crc INTEGER NOT NULL DEFAULT 0",
    ),
    "event": ("n INTEGER NOT NULL DEFAULT 0",),
    "subscription": ("opening TEXT NOT NULL DEFAULT ''", "n INTEGER"),
}

# Version 1 (0.1.0) named a notebook's subscription by its relative path, and that of a kernel without one, which
# nobody can ever come back to, by the kernel's id.
_FROM_1 = """
INSERT INTO subscription(user, room, key, label, epoch, position, used, inherited)
SELECT user, room, name, name, epoch, position, 0, 1 FROM cursor
WHERE name NOT GLOB 'kernel:????????-????-????-????-????????????'
"""

# What was trimmed before has no number. The table in between keeps the numbers in order of seq, whatever the room.
_NUMBER = (
    "CREATE TEMP TABLE numbered(key INTEGER PRIMARY KEY, number INTEGER NOT NULL)",
    "INSERT INTO numbered SELECT seq, row_number() OVER (PARTITION BY room ORDER BY seq) FROM event",
    "UPDATE event SET n = (SELECT number FROM numbered WHERE key = event.seq)",
    "DROP TABLE numbered",
    "UPDATE room SET n = (SELECT count(*) FROM event WHERE event.room = room.id)",
)
_LAST = "SELECT max((SELECT coalesce(max(seq), 0) FROM event), (SELECT coalesce(max(head), 0) FROM room))"


def migrate(connection: sqlite3.Connection) -> None:
    """Take over what an older format kept; within a transaction, in which the tables of this format were made."""
    added = {table for table, columns in _ADDED.items() if _add(connection, table, columns)}
    if connection.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name='cursor'").fetchone():
        connection.execute(_FROM_1)
        connection.execute("DROP TABLE cursor")
    if "event" in added:
        _number(connection)


def _add(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> bool:
    """Add the columns that a table does not have; whether there were any."""
    there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    missing = [column for column in columns if column.split()[0] not in there]
    for column in missing:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    return bool(missing)


def _number(connection: sqlite3.Connection) -> None:
    """Number the events of each room, and say up to where events have the checksums of format 2."""
    for statement in _NUMBER:
        connection.execute(statement)
    rooms = connection.execute("SELECT id, name, head, n, maker, used FROM room").fetchall()
    connection.executemany("UPDATE room SET crc = ? WHERE id = ?", [(room_crc(*row), row[0]) for row in rooms])
    (last,) = connection.execute(_LAST).fetchone()
    connection.executemany("INSERT OR IGNORE INTO meta VALUES(?, ?)", [("commits", 0), ("crc_since", last)])
