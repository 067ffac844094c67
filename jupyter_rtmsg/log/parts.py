"""The parts of events that are too large for a message: a table of their own, so that nobody loads them by accident.

The parts of an event are stored before it, each in a transaction that others share, and no commit is long. Then the
event is stored under their key; from then on they are deleted with it. Parts whose event never came are deleted when
the upload is given up, or, after a crash, when the file is opened.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from jupyter_rtmsg.futures import settle
from jupyter_rtmsg.logthrottle import throttled_logger

from .crc import part_crc
from .reader import Reader
from .records import Draft, Parts
from .work import Change

_ORPHANS = "DELETE FROM part WHERE key NOT IN (SELECT -attachments FROM event WHERE attachments < 0)"

logger = throttled_logger(__name__)


class SQLitePartStore:
    """A `PartStore` in table ``part`` of the log's file.

    Parameters
    ----------
    submit : callable
        Passes a `Change` to the writer.
    read : callable
        Awaits ``work(connection, *args)`` on a reader's thread.
    """

    def __init__(self, submit: Callable[[Change], None], read: Callable[..., Awaitable[Any]]) -> None:
        self._submit = submit
        self._read = read

    async def put(self, key: int, number: int, data: bytes) -> None:
        """See `PartStore.put`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._submit(Change(partial(_put, key, number, data), partial(_settle, done), len(data)))
        await done

    def drop(self, key: int) -> None:
        """See `PartStore.drop`."""
        self._submit(Change(partial(_drop, key), _dropped))

    async def get(self, room: str, seq: int, number: int, now: int) -> bytes | None:
        """See `PartStore.get`."""
        found: bytes | None = await self._read(Reader.part, room, seq, number, now)
        return found


def new_key() -> int:
    """Return a key for the parts of an event. It is random, so that it stays unique when a log is moved."""
    return secrets.randbits(62) + 1


def delete_orphans(connection: sqlite3.Connection) -> None:
    """Delete the parts whose event was never stored, within a transaction."""
    connection.execute(_ORPHANS)


def missing(connection: sqlite3.Connection, drafts: Iterable[Draft]) -> frozenset[int]:
    """Return the keys of those drafts whose parts are not all in the file."""
    wanted = [draft.parts for draft in drafts if draft.parts is not None]
    return frozenset(parts.key for parts in wanted if not _is_complete(connection, parts))


def move_parts(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy the parts of all events of a log in memory into a file, in a transaction."""
    rows = source.execute("SELECT * FROM part WHERE key IN (SELECT -attachments FROM event WHERE attachments < 0)")
    for row in rows:
        target.execute("INSERT OR REPLACE INTO part VALUES(?, ?, ?, ?)", row)


def _is_complete(connection: sqlite3.Connection, parts: Parts) -> bool:
    # length() reads the header of a row only
    found = connection.execute("SELECT count(*), total(length(data)) FROM part WHERE key = ?", (parts.key,)).fetchone()
    return bool(found == (parts.count, parts.size))


def _put(key: int, number: int, data: bytes, connection: sqlite3.Connection) -> None:
    row = key, number, part_crc(key, number, data), data
    connection.execute("INSERT OR REPLACE INTO part VALUES(?, ?, ?, ?)", row)


def _drop(key: int, connection: sqlite3.Connection) -> None:
    # Its event may have been stored after all, if the outcome of a commit was not known.
    held = "SELECT 1 FROM event WHERE attachments = ? AND attachments < 0"
    connection.execute(f"DELETE FROM part WHERE key = ? AND NOT EXISTS ({held})", (key, -key))  # noqa: S608 -- fixed


def _dropped(error: Exception | None) -> None:
    if error is not None:
        logger.warning("parts that were given up are deleted when the log is opened again: %s", error)


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    settle(done, None if error is None else error)
