"""The tables of a log in SQLite, how a connection is made, and how files of older formats are migrated.

Formats: 1 (version 0.1.0) had a table ``cursor``; 2 made it ``subscription``; 3 numbers the events of each room, and
its checksums cover every column; 4 adds what the message queue stores; 5 the parts of large events. Reasons for the
settings of SQLite: docs/decisions/0002-sqlite.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from .crc import room_crc

APPLICATION_ID = 0x52544D53  # "RTMS"
VERSION = 5

MEMORY_START = 10**12
"""The position after which a log in memory begins, if it stands in for a file.

No file gets that far. So a position itself shows to which log it belongs: a reader may send an acknowledgement after
the log was moved into its file.
"""

LAST_TS = 253_402_300_799_999
"""The last ms of the year 9999. A later time is damaged."""

SIZE = "CASE WHEN typeof(size) = 'integer' AND size BETWEEN 0 AND 268435456 THEN size ELSE 0 END"
"""SQL: the size of an event, for sums; 0 if it is damaged."""

TS = "CASE WHEN typeof(ts) = 'integer' AND ts BETWEEN 0 AND 253402300799999 THEN ts END"
"""SQL: the time of an event; NULL if it is damaged."""

USER = "CASE typeof(event.user) WHEN 'text' THEN event.user ELSE '' END"
"""SQL: the principal of an event; empty if it is damaged."""

NAME = "CASE typeof(event.name) WHEN 'text' THEN event.name ELSE '$corrupt' END"
"""SQL: the name of an event; ``$corrupt`` if it is damaged."""

# page_size and auto_vacuum take effect only before the first table is made.
_NEW = """
PRAGMA page_size=4096;
PRAGMA auto_vacuum=INCREMENTAL;
"""

# Tables whose names differ from those in the code: `known` has the dedup keys that are not sealed, a row per commit;
# `run` the segments of `DedupSegments`, and `settled` their parts; `note` the `KeyValueStore`; `stretch` the spans of
# timeline.py. An event with parts has the negative key of its parts in the column ``attachments``.
_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS meta(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS opening(
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, start INTEGER NOT NULL, ts INTEGER NOT NULL, lost INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS room(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, head INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS policy(
    room TEXT PRIMARY KEY, count INTEGER, age REAL, bytes INTEGER, refuse INTEGER NOT NULL, used INTEGER NOT NULL,
    crc INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deletion(room INTEGER PRIMARY KEY, since INTEGER NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tally(
    room INTEGER NOT NULL, user TEXT NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY(room, user)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event(
    seq INTEGER PRIMARY KEY, room INTEGER NOT NULL, prev INTEGER NOT NULL, ts INTEGER NOT NULL,
    name TEXT NOT NULL, data BLOB NOT NULL, attachments INTEGER NOT NULL, sender BLOB NOT NULL, user TEXT NOT NULL,
    id TEXT, size INTEGER NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS event_room ON event(room, seq, size);
CREATE TABLE IF NOT EXISTS stretch(seq INTEGER PRIMARY KEY, ahead INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS attachment(
    seq INTEGER NOT NULL, num INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(seq, num));
CREATE TABLE IF NOT EXISTS part(
    key INTEGER NOT NULL, number INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(key, number));
CREATE TABLE IF NOT EXISTS known(
    last INTEGER PRIMARY KEY, ts INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS run(
    number INTEGER PRIMARY KEY, ts INTEGER NOT NULL, count INTEGER NOT NULL, hashes BLOB NOT NULL,
    commits BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS settled(part INTEGER PRIMARY KEY, keys BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS explicit(seq INTEGER PRIMARY KEY, ts INTEGER NOT NULL, key BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS subscription(
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, room TEXT NOT NULL, key TEXT NOT NULL, label TEXT NOT NULL, path BLOB,
    epoch TEXT NOT NULL, position INTEGER NOT NULL, used INTEGER NOT NULL, ended INTEGER, inherited INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS retained(
    room INTEGER NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, prev INTEGER NOT NULL, ts INTEGER NOT NULL,
    name TEXT NOT NULL, data BLOB NOT NULL, attachments BLOB NOT NULL, sender BLOB NOT NULL, user TEXT NOT NULL,
    id TEXT, size INTEGER NOT NULL, n INTEGER NOT NULL, expires INTEGER NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY(room, key));
CREATE TABLE IF NOT EXISTS note(key TEXT PRIMARY KEY, value BLOB NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS note_until ON note(until);
CREATE TABLE IF NOT EXISTS worker_group(id INTEGER PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS worker_failure(
    grp INTEGER NOT NULL, seq INTEGER NOT NULL, size INTEGER NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY(grp, seq));
CREATE TABLE IF NOT EXISTS dead_letter(
    grp INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY(grp, number));
"""

# Columns that formats 3 and 4 added. They are last in a new file, too.
_ADDED = {
    "room": (
        "n INTEGER NOT NULL DEFAULT 0",
        "maker TEXT NOT NULL DEFAULT ''",
        "used INTEGER NOT NULL DEFAULT 0",
        "crc INTEGER NOT NULL DEFAULT 0",
    ),
    "event": ("n INTEGER NOT NULL DEFAULT 0", "expires INTEGER NOT NULL DEFAULT 0", "retain TEXT"),
    "subscription": ("opening TEXT NOT NULL DEFAULT ''", "n INTEGER", "generation INTEGER NOT NULL DEFAULT 0"),
}

# Indices of such columns. Only events that expire, and those that have parts, are in them.
_INDICES = (
    "CREATE INDEX IF NOT EXISTS event_expires ON event(expires) WHERE expires > 0",
    "CREATE INDEX IF NOT EXISTS event_parts ON event(attachments) WHERE attachments < 0",
)

# Format 1 named a notebook's subscription by its relative path, and that of a kernel without a notebook by the kernel's
# id. Nobody can come back to the latter, so they are dropped.
_FROM_1 = """
INSERT INTO subscription(user, room, key, label, epoch, position, used, inherited)
SELECT user, room, name, name, epoch, position, 0, 1 FROM cursor
WHERE name NOT GLOB 'kernel:????????-????-????-????-????????????'
"""

# Trimmed events get no number. The temporary table is in order of seq, which makes the update sequential.
_NUMBER = (
    "CREATE TEMP TABLE numbered(key INTEGER PRIMARY KEY, number INTEGER NOT NULL)",
    "INSERT INTO numbered SELECT seq, row_number() OVER (PARTITION BY room ORDER BY seq) FROM event",
    "UPDATE event SET n = (SELECT number FROM numbered WHERE key = event.seq)",
    "DROP TABLE numbered",
    "UPDATE room SET n = (SELECT count(*) FROM event WHERE event.room = room.id)",
)
_LAST = "SELECT max((SELECT coalesce(max(seq), 0) FROM event), (SELECT coalesce(max(head), 0) FROM room))"


def connect(path: str) -> sqlite3.Connection:
    """Return a connection for the log's one writer. Nothing is read from the file yet.

    ``path`` may be ``:memory:``. Transactions begin and end explicitly. The connection may be opened on one thread and
    used on another.
    """
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)


def connect_reader(path: str) -> sqlite3.Connection:
    """Return a read-only connection."""
    uri = Path(path).absolute().as_uri() + "?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def prepare(connection: sqlite3.Connection, journal_mode: str = "WAL") -> None:
    """Create missing tables, migrate older formats in one transaction, and set the pragmas of a writing connection."""
    connection.execute("PRAGMA busy_timeout=5000")
    connection.executescript(_NEW)
    connection.execute(f"PRAGMA journal_mode={journal_mode}")
    connection.execute("PRAGMA synchronous=FULL")
    # The write-ahead log holds at most 3 MiB: less than the ballast, whose space they can take on a full disk.
    connection.execute("PRAGMA wal_autocheckpoint=750")
    connection.execute("PRAGMA journal_size_limit=67108864")
    # Some builds overwrite deleted data with zeros: trimming would then need as much space as it frees.
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.executescript(_TABLES)  # begins a transaction
    _migrate(connection)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")


def read_format(connection: sqlite3.Connection) -> tuple[int, int, bool]:
    """Return the application id and the format of a file, and whether it has any tables."""
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return application, version, tables > 0


def _migrate(connection: sqlite3.Connection) -> None:
    """Convert the contents of an older format, in the transaction that created the tables of this one."""
    numbered = not _add_columns(connection)
    if connection.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name='cursor'").fetchone():
        connection.execute(_FROM_1)
        connection.execute("DROP TABLE cursor")
    if not numbered:
        _number(connection)
    for index in _INDICES:
        connection.execute(index)


def _add_columns(connection: sqlite3.Connection) -> bool:
    """Add the missing columns of all tables, and return whether one was the number of events."""
    added = {(table, column) for table, columns in _ADDED.items() for column in _add(connection, table, columns)}
    return ("event", "n") in added


def _add(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[str]:
    """Add the missing columns of a table, and return their names."""
    existing = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    missing = [column for column in columns if column.split()[0] not in existing]
    for column in missing:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    return [column.split()[0] for column in missing]


def _number(connection: sqlite3.Connection) -> None:
    """Number the events of each room, and record up to which position events have the checksums of format 2."""
    for statement in _NUMBER:
        connection.execute(statement)
    rooms = connection.execute("SELECT id, name, head, n, maker, used FROM room").fetchall()
    connection.executemany("UPDATE room SET crc = ? WHERE id = ?", [(room_crc(*row), row[0]) for row in rooms])
    (last,) = connection.execute(_LAST).fetchone()
    connection.executemany("INSERT OR IGNORE INTO meta VALUES(?, ?)", [("commits", 0), ("crc_since", last)])
