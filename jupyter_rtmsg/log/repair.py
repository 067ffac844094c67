"""Repairing a file with damaged pages when it is opened, so that only the data on these pages is lost.

If only an index is damaged, it is rebuilt. Otherwise all that can be read is copied into a new file, which replaces the
damaged one; the damaged one is renamed. If an event cannot be read but the index of its room has it, the new file gets
a row without data in its place, which reads as ``$corrupt``.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from jupyter_rtmsg.logthrottle import throttled_logger

from .crc import NEVER
from .damage import Gap, read_table
from .paths import move_aside
from .schema import APPLICATION_ID, connect_reader

_CHUNK = 256  # rows copied with one statement, if all of them can be read
_LENIENT = "PRAGMA writable_schema=ON"  # a file whose end is missing is read as far as it goes
_MAX_NAMED = 5  # rooms named in a warning

logger = throttled_logger(__name__)


def repair(path: Path) -> str | None:
    """Repair a file that nobody has open.

    Returns
    -------
    str or None
        A text for users that describes the repair and the loss. None if the file cannot be repaired.
    """
    try:
        if _reindex(path):
            return "An index of it was rebuilt; nothing is lost."
    except sqlite3.DatabaseError as error:
        logger.debug("rebuilding the indices of %s does not help: %s", path, error)
    new = _copy_path(path)
    try:
        what = _copy(path, new)
    except (sqlite3.Error, OSError) as error:
        logger.error("the readable part of the log %s could not be copied: %s", path, error)
        new.unlink(missing_ok=True)
        return None
    return f"{what} The damaged file was renamed to {_replace(path, new).name}."


def finish_repair(path: Path) -> None:
    """Complete a repair during which the process died."""
    new = _copy_path(path)
    if not new.exists():
        return
    if path.exists():
        new.unlink()  # it may be incomplete
    else:
        new.rename(path)
        logger.error(
            "the log %s was damaged, and the last server has replaced it by a copy: events that could not be read "
            "stand as $corrupt in their rooms, and the damaged file is kept beside it", path,
        )  # fmt: skip


def _copy_path(path: Path) -> Path:
    return path.with_name(path.name + ".mended")


def _replace(path: Path, new: Path) -> Path:
    """Put the complete copy into the place of the damaged file; return the new name of that.

    If the process dies after the first rename, `finish_repair` does the rest.
    """
    for suffix in ("-wal", "-shm"):  # emptied by `_copy`
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    aside = move_aside(path, "corrupt", ("",))
    new.rename(path)
    return aside


def _reindex(path: Path) -> bool:
    """Rebuild the indices, and return whether the file is intact then."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # In one transaction: if the file is still damaged, the old indices must stay. `_missing` needs that of events.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("REINDEX")
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        connection.execute("COMMIT" if found == "ok" else "ROLLBACK")
        return bool(found == "ok")


def _copy(path: Path, new: Path) -> str:
    """Copy all that can be read into a new file, and return a text for users that names the lost parts."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(_LENIENT)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # damaged pages do not stop it
    new.unlink(missing_ok=True)
    # With its mode from the start: SQLite would create it by the umask, and it holds the events of all users.
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(new, isolation_level=None)) as target, closing(connect_reader(str(path))) as source:
        source.execute(_LENIENT)
        target.execute("PRAGMA page_size=4096")
        target.execute("PRAGMA auto_vacuum=INCREMENTAL")
        schema = source.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        source.text_factory = _Text  # or one text with damaged bytes would end the copy
        return _Copy(source, target, schema).run()


class _Text(bytes):
    """The bytes of a text in the file, which may not decode."""


class _Copy:
    """Copies a database, except for the pages that cannot be read.

    Parameters
    ----------
    source : sqlite3.Connection
    target : sqlite3.Connection
    schema : sequence of (str, str, str)
        Kind, name and SQL of each table and index of the old file.
    """

    def __init__(
        self, source: sqlite3.Connection, target: sqlite3.Connection, schema: Sequence[tuple[str, str, str]]
    ) -> None:
        self._source = source
        self._schema = sorted(schema, key=lambda row: row[0] == "index")  # indices last: they are built from the rows
        self._target = target
        self._lost: dict[str, int] = {}  # lost rows by table, as far as they can be counted
        self._holes: set[str] = set()  # tables with parts that could not be read

    def run(self) -> str:
        """Copy all tables; return the text for users."""
        (application,) = self._source.execute("PRAGMA application_id").fetchone()
        (version,) = self._source.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise sqlite3.DatabaseError(f"its application id is {application:#x}, which is not that of a log")
        execute = self._target.execute
        execute("BEGIN IMMEDIATE")
        for kind, name, sql in self._schema:
            execute(sql)
            if kind == "table":
                self._table(name, has_rowid="WITHOUT ROWID" not in sql.upper())
        if not execute("SELECT count(*) FROM meta WHERE k IN ('id', 'epoch')").fetchone()[0] == 2:
            raise sqlite3.DatabaseError("the id or the epoch of the log is lost")
        rooms = self._insert_placeholders()
        execute(f"PRAGMA application_id={APPLICATION_ID}")
        execute(f"PRAGMA user_version={version}")
        execute("COMMIT")
        return self._summary(rooms)

    # --- tables

    def _table(self, table: str, *, has_rowid: bool) -> None:
        if not has_rowid:
            self._by_primary_key(table)
            return
        rows = read_table(self._source, "rowid", table, "rowid")
        for keys in _key_chunks(rows):
            if isinstance(keys, Gap):
                self._holes.add(table)
            # One statement for all of them; row by row only if one cannot be read.
            elif not self._insert(table, keys[0], keys[-1]):
                self._lost[table] = self._lost.get(table, 0) + sum(not self._insert(table, key, key) for key in keys)

    def _insert(self, table: str, first: int, last: int) -> bool:
        """Copy the rows of a range of keys; return whether all of them could be read. If not, none is copied."""
        # Not by an index, which may be the damaged part.
        query = f"SELECT * FROM {table} NOT INDEXED WHERE rowid BETWEEN ? AND ?"  # noqa: S608 -- from the schema
        try:
            rows = self._source.execute(query, (first, last)).fetchall()
        except sqlite3.DatabaseError:
            return False
        for row in rows:
            self._put(table, row)
        return True

    def _put(self, table: str, row: Sequence[object]) -> None:
        """Insert a row unchanged, including texts that do not decode."""
        marks = ",".join(["CAST(? AS TEXT)" if type(value) is _Text else "?" for value in row])
        self._target.execute(f"INSERT OR IGNORE INTO {table} VALUES({marks})", tuple(row))

    def _by_primary_key(self, table: str) -> None:
        """Copy a table without rowid, from its start and from its end up to where it cannot be read."""
        columns = self._target.execute(f"PRAGMA table_info({table})").fetchall()
        names = [name for _, name, *_, at in sorted(columns, key=lambda column: column[-1]) if at]
        copied = []
        for order in ("ASC", "DESC"):
            keys = ", ".join(f"{name} {order}" for name in names)
            rows = self._source.execute(f"SELECT * FROM {table} ORDER BY {keys}")  # noqa: S608 -- from the schema
            copied.append(self._insert_all(table, rows))
            if copied[0]:
                return
        self._holes.add(table)

    def _insert_all(self, table: str, rows: Iterable[Sequence[object]]) -> bool:
        try:
            for row in rows:
                self._put(table, row)
        except sqlite3.DatabaseError:
            return False
        return True

    # --- events

    def _insert_placeholders(self) -> dict[str, int]:
        """Insert a row for each lost event that the index of its room has; return their number by room."""
        numbered = "n" in {name for _, name, *_ in self._target.execute("PRAGMA table_info(event)")}
        lost: dict[str, int] = {}
        for key, name in self._target.execute("SELECT id, name FROM room").fetchall():
            for seq in self._missing(key):
                self._insert_placeholder(key, seq, numbered)
                lost[str(name)] = lost.get(str(name), 0) + 1
        return lost

    def _missing(self, room: int) -> list[int]:
        """Return the events of a room that are in its index but not in the new file."""
        missing: list[int] = []
        index = "SELECT seq FROM event INDEXED BY event_room WHERE room = ? ORDER BY seq"
        there = {seq for (seq,) in self._target.execute("SELECT seq FROM event WHERE room = ?", (room,))}
        try:
            entries = self._source.execute(index, (room,))
            missing += (seq for (seq,) in entries if type(seq) is int and seq > 0 and seq not in there)
        except sqlite3.DatabaseError:
            self._holes.add("event")
        return missing

    def _insert_placeholder(self, room: int, seq: int, numbered: bool) -> None:
        execute = self._target.execute
        number = "n" if numbered else "0"
        prev, ts, n = execute(
            f"SELECT seq, ts, {number} FROM event WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT 1",  # noqa: S608
            (room, seq),
        ).fetchone() or (0, 0, 0)
        columns = "seq, room, prev, ts, name, data, attachments, sender, user, size, crc"
        execute(
            f"INSERT OR IGNORE INTO event({columns}) VALUES(?, ?, ?, ?, '', x'', 0, x'', '', 0, {NEVER})",
            (seq, room, prev, ts),
        )
        if numbered:
            execute("UPDATE event SET n = ? WHERE seq = ?", (n + 1 if type(n) is int else 0, seq))

    def _summary(self, rooms: dict[str, int]) -> str:
        names = sorted(rooms, key=lambda name: (-rooms[name], name))
        for name in names:
            logger.error("%d events of room %r cannot be read any more, and stand there as $corrupt", rooms[name], name)
        parts = []
        if rooms:
            more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
            parts.append(
                f"{sum(rooms.values())} events could not be read any more and stand as $corrupt in their rooms "
                f"({', '.join(names[:_MAX_NAMED])}{more})"
            )
        others = sorted((self._holes | self._lost.keys()) - {"event"})
        if others:
            parts.append(f"parts of {', '.join(others)} are lost")
        return f"Everything that could be read was copied: {'; '.join(parts) or 'nothing is lost'}."


def _key_chunks(rows: Iterator[tuple[int, ...] | Gap]) -> Iterator[list[int] | Gap]:
    """Collect keys in lists of at most `_CHUNK`; a list also ends at a gap."""
    keys: list[int] = []
    for row in rows:
        if isinstance(row, Gap) or len(keys) == _CHUNK:
            if keys:
                yield keys
            keys = []
        if isinstance(row, Gap):
            yield row
        else:
            keys.append(row[0])
    if keys:
        yield keys
