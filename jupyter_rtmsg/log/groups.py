"""The worker groups of a log: groups are in memory; changes are written with the group commit."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from jupyter_rtmsg.futures import settle
from jupyter_rtmsg.logthrottle import throttled_logger

from .clock import LogClock
from .groupstates import DeadLetter, StoredFailure, StoredGroup
from .work import Change

RETRY_AFTER = 1.0
"""Seconds after which a failed write is tried again."""

_GROUP, _FAILURE, _LETTER = "worker_group", "worker_failure", "dead_letter"
_SAVE = {
    _GROUP: "INSERT OR REPLACE INTO worker_group(id, value, crc) VALUES(?, ?, ?)",
    _FAILURE: "INSERT OR REPLACE INTO worker_failure(grp, seq, size, value, crc) VALUES(?, ?, ?, ?, ?)",
    _LETTER: "INSERT OR REPLACE INTO dead_letter(grp, number, size, value, crc) VALUES(?, ?, ?, ?, ?)",
}
_REMOVE = {
    _FAILURE: "DELETE FROM worker_failure WHERE grp = ? AND seq = ?",
    _LETTER: "DELETE FROM dead_letter WHERE grp = ? AND number = ?",
}
_REMOVE_GROUP = (
    "DELETE FROM worker_group WHERE id = ?",
    "DELETE FROM worker_failure WHERE grp = ?",
    "DELETE FROM dead_letter WHERE grp = ?",
)
_Key = tuple[str, int, int]  # table, group, and seq or number (0 for a group)
_Value = StoredGroup | StoredFailure | DeadLetter
_Stored = TypeVar("_Stored", StoredGroup, StoredFailure, DeadLetter)

_encode = msgspec.msgpack.Encoder().encode

logger = throttled_logger(__name__)


class SQLiteGroups:
    """The `GroupStates` in tables ``worker_group``, ``worker_failure`` and ``dead_letter`` of the log's file.

    Parameters
    ----------
    groups : iterable of StoredGroup
        Those in the file, see `load_groups`.
    submit : callable
        Passes a `Change` to the writer.
    read : callable
        Awaits ``work(reader, connection, *args)`` on a reader's thread.
    clock : LogClock
    loop : asyncio.AbstractEventLoop
    """

    # A change is in `_changed` until the writer has finished the write before it (`_writing`), so a slow disk makes
    # writes larger, and not more of them. Rows are encoded when they are handed over. If a write fails, its rows come
    # back to `_changed` unless they have changed since, its waiters get the error, and `_timer` starts the next write.

    def __init__(
        self,
        groups: Iterable[StoredGroup],
        submit: Callable[[Change], None],
        read: Callable[..., Awaitable[Any]],
        clock: LogClock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._groups = {group.id: group for group in groups}
        self._next = max(self._groups, default=0) + 1
        self._submit, self._read = submit, read
        self._clock = clock
        self._loop = loop
        self._changed: dict[_Key, _Value | None] = {}  # None: removed
        self._waiting: asyncio.Future[None] | None = None  # done when `_changed` is stored
        self._writing: asyncio.Future[None] | None = None  # done when the present write is stored
        self._timer: asyncio.Handle | None = None

    async def ready(self) -> None:
        """See `GroupStates.ready`."""

    def all(self) -> Collection[StoredGroup]:
        """See `GroupStates.all`."""
        return self._groups.values()

    def now(self) -> int:
        """See `GroupStates.now`."""
        return self._clock.look()

    def add(self, group: StoredGroup) -> None:
        """See `GroupStates.add`."""
        group.register(self._next)
        self._next += 1
        self._groups[group.id] = group
        self.save(group)

    def save(self, group: StoredGroup) -> None:
        """See `GroupStates.save`."""
        self._change(group, _GROUP, 0, group)

    def remove(self, group: StoredGroup) -> None:
        """See `GroupStates.remove`."""
        if self._has(group):
            self._change(group, _GROUP, 0, None)
            for key in [key for key in self._changed if key[1] == group.id and key[0] != _GROUP]:
                del self._changed[key]
            del self._groups[group.id]

    def keep(self, group: StoredGroup, failure: StoredFailure) -> None:
        """See `GroupStates.keep`."""
        self._change(group, _FAILURE, failure.record.seq or 0, failure)

    def drop(self, group: StoredGroup, seq: int) -> None:
        """See `GroupStates.drop`."""
        self._change(group, _FAILURE, seq, None)

    def bury(self, group: StoredGroup, letter: DeadLetter) -> None:
        """See `GroupStates.bury`."""
        self._change(group, _LETTER, letter.number, letter)

    def unbury(self, group: StoredGroup, numbers: Iterable[int]) -> None:
        """See `GroupStates.unbury`."""
        for number in numbers:
            self._change(group, _LETTER, number, None)

    def stored(self) -> asyncio.Future[None]:
        """See `GroupStates.stored`."""
        if self._changed:
            if self._waiting is None:
                self._waiting = self._loop.create_future()
            return self._waiting
        if self._writing is not None:
            return self._writing
        done: asyncio.Future[None] = self._loop.create_future()
        done.set_result(None)
        return done

    async def failures(self, group: StoredGroup) -> Sequence[StoredFailure]:
        """See `GroupStates.failures`."""
        await self.stored()
        rows = await self._read(_read_failures, group.id)
        return list(_decoded(StoredFailure, _FAILURE, rows))

    async def letters(
        self, group: StoredGroup, *, after: int = 0, limit: int, max_bytes: int
    ) -> tuple[Sequence[DeadLetter], bool]:
        """See `GroupStates.letters`."""
        await self.stored()
        rows, more = await self._read(_read_letters, group.id, after, limit, max_bytes)
        return list(_decoded(DeadLetter, _LETTER, rows)), more

    async def letter_sizes(self, group: StoredGroup) -> Sequence[tuple[int, int]]:
        """See `GroupStates.letter_sizes`."""
        await self.stored()
        sizes: Sequence[tuple[int, int]] = await self._read(_read_sizes, group.id)
        return sizes

    def flush(self) -> None:
        """Give all changes to the writer now: the log is being closed."""
        if self._changed:
            self._write()

    # --- writing

    def _has(self, group: StoredGroup) -> bool:
        """Compare by identity: a group that was removed before the log was moved may have another one's id."""
        return self._groups.get(group.id) is group

    def _change(self, group: StoredGroup, table: str, key: int, value: _Value | None) -> None:
        if self._has(group):
            self._changed[table, group.id, key] = value
            if self._writing is None and self._timer is None:
                self._timer = self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        changed, self._changed = self._changed, {}
        waiting, self._waiting = self._waiting, None
        self._writing = waiting or self._loop.create_future()
        rows = [(key, None if value is None else _row(key, value)) for key, value in changed.items()]
        self._submit(Change(partial(_store, rows), partial(self._written, changed, self._writing)))

    def _written(
        self, changed: dict[_Key, _Value | None], written: asyncio.Future[None], error: Exception | None
    ) -> None:
        if self._writing is written:
            self._writing = None
        if error is not None:
            logger.warning("%d changes of worker groups could not be stored: they will be tried again: %s",
                           len(changed), error)  # fmt: skip
            back = {key: value for key, value in changed.items() if key[1] in self._groups or value is None}
            self._changed = {**back, **self._changed}
        if self._changed and self._writing is None and self._timer is None:
            later = self._loop.call_soon if error is None else partial(self._loop.call_later, RETRY_AFTER)
            self._timer = later(self._write)
        settle(written, error)
        if error is not None:
            written.exception()  # nobody may wait for it


def _row(key: _Key, value: _Value) -> tuple[Any, ...]:
    table, group, number = key
    blob = _encode(value)
    if isinstance(value, StoredGroup):
        return group, blob, _crc(table, group, 0, blob)
    return group, number, value.size, blob, _crc(table, group, number, blob)


def _crc(table: str, group: int, number: int, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(f"{table},{group},{number}".encode()))


def _store(rows: Sequence[tuple[_Key, tuple[Any, ...] | None]], connection: sqlite3.Connection) -> None:
    for (table, group, number), row in rows:
        if row is not None:
            connection.execute(_SAVE[table], row)
        elif table == _GROUP:
            for statement in _REMOVE_GROUP:
                connection.execute(statement, (group,))
        else:
            connection.execute(_REMOVE[table], (group, number))


# --- reading


def load_groups(connection: sqlite3.Connection) -> list[StoredGroup]:
    """Return the groups of a file. A damaged one is left out, with a warning."""
    rows = connection.execute("SELECT id, 0, value, crc FROM worker_group ORDER BY id")
    return list(_decoded(StoredGroup, _GROUP, rows))


def damaged_rows(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield the table and a description of each row of a worker group that does not match its checksum."""
    keys = {_GROUP: "id, 0", _FAILURE: "grp, seq", _LETTER: "grp, number"}
    kinds: dict[str, Any] = {_GROUP: StoredGroup, _FAILURE: StoredFailure, _LETTER: DeadLetter}
    for table, kind in kinds.items():
        for group, number, blob, crc in connection.execute(f"SELECT {keys[table]}, value, crc FROM {table}"):  # noqa: S608
            if _value(kind, table, group, number, blob, crc) is None:
                yield table, f"group {group}" + (f", number {number}" if number else "")


def _decoded(kind: type[_Stored], table: str, rows: Iterable[Sequence[Any]]) -> Iterator[_Stored]:
    for group, number, blob, crc in rows:
        value = _value(kind, table, group, number, blob, crc)
        if value is not None:
            yield value
        else:
            logger.warning("a row of table %s (group %s, number %s) is damaged on disk; it was left out",
                           table, group, number)  # fmt: skip


def _value(kind: type[_Stored], table: str, group: Any, number: Any, blob: Any, crc: Any) -> _Stored | None:
    if type(blob) is not bytes or crc != _crc(table, group, number, blob):
        return None
    try:
        value = msgspec.msgpack.decode(blob, type=kind)
    except msgspec.DecodeError:
        return None
    if isinstance(value, StoredGroup):
        value.register(group)
    return value


def _read_failures(reader: object, connection: sqlite3.Connection, group: int) -> list[Any]:
    rows = "SELECT grp, seq, value, crc FROM worker_failure WHERE grp = ? ORDER BY seq"
    return connection.execute(rows, (group,)).fetchall()


def _read_letters(
    reader: object, connection: sqlite3.Connection, group: int, after: int, limit: int, max_bytes: int
) -> tuple[list[Any], bool]:
    rows = connection.execute(
        "SELECT grp, number, value, crc, size FROM dead_letter WHERE grp = ? AND number > ? ORDER BY number LIMIT ?",
        (group, after, limit + 1),
    )
    taken: list[Any] = []
    for *row, size in rows:
        max_bytes -= size if type(size) is int else 0
        if taken and (len(taken) == limit or max_bytes < 0):
            return taken, True
        taken.append(row)
    return taken, False


def _read_sizes(reader: object, connection: sqlite3.Connection, group: int) -> list[tuple[int, int]]:
    rows = connection.execute("SELECT number, size FROM dead_letter WHERE grp = ? ORDER BY number", (group,))
    return [row for row in rows if type(row[0]) is int and type(row[1]) is int]
