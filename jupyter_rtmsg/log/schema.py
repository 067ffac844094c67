"""The tables of a log in SQLite, and how a connection is made.

Sources of the choices: docs/decisions/0002-sqlite.md.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .migrate import migrate

APPLICATION_ID = 0x52544D53  # "RTMS"
VERSION = 3

# page_size and auto_vacuum only take effect before the first table is made.
_NEW = """
PRAGMA page_size=4096;
PRAGMA auto_vacuum=INCREMENTAL;
"""

_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS meta(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS opening(
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, start INTEGER NOT NULL, ts INTEGER NOT NULL, lost INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS room(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, head INTEGER NOT NULL DEFAULT 0);
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
CREATE TABLE IF NOT EXISTS note(key TEXT PRIMARY KEY, value BLOB NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS note_until ON note(until);
"""


def connect(path: str) -> sqlite3.Connection:
    """Return a connection for the log's one writer (``:memory:`` works too); nothing is read from the file yet.

    Transactions are ours to begin and end. The connection may pass from the thread that opened it to the writer's.
    """
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)


def connect_reader(path: str) -> sqlite3.Connection:
    """Return a connection that cannot write."""
    uri = Path(path).absolute().as_uri() + "?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def prepare(connection: sqlite3.Connection, journal_mode: str = "WAL") -> None:
    """Make the tables where there are none, and set what every connection that writes must have set.

    A file of an older format becomes one of this format, in one transaction.
    """
    connection.execute("PRAGMA busy_timeout=5000")
    connection.executescript(_NEW)
    connection.execute(f"PRAGMA journal_mode={journal_mode}")
    connection.execute("PRAGMA synchronous=FULL")
    # At most 3 MiB wait in the write-ahead log: less than the ballast, so that they find room in the file at a pinch.
    connection.execute("PRAGMA wal_autocheckpoint=750")
    connection.execute("PRAGMA journal_size_limit=67108864")
    # Some builds overwrite what is deleted with zeros: trimming would then need as much room as it frees.
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.executescript(_TABLES)  # begins a transaction
    migrate(connection)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")


def identity(connection: sqlite3.Connection) -> tuple[int, int, bool]:
    """Return the application's id, the version, and whether there are any tables."""
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return application, version, tables > 0
