"""Small values beside the events: put in memory at once, on disk with the next group commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from jupyter_rtmsg.logthrottle import throttled_logger

from .clock import LogClock
from .reader import Reader
from .work import Change

_PUT = "INSERT INTO note VALUES(?, ?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value, until = excluded.until"

log = throttled_logger(__name__)


class SQLiteNotes:
    """Notes in the log's own file; see `Notes`.

    Parameters
    ----------
    submit : callable
        Takes a `Change` to the writer.
    read : callable
        Awaits ``work(connection, *args)`` on a reader's thread.
    clock : LogClock
        Notes end by log time.
    """

    def __init__(self, submit: Callable[[Change], None], read: Callable[..., Awaitable[Any]], clock: LogClock) -> None:
        self._submit = submit
        self._read = read
        self._clock = clock
        self._unsaved: dict[str, tuple[bytes | None, float]] = {}  # until the transaction that holds them is done

    async def get(self, key: str) -> bytes | None:
        """See `Notes.get`."""
        saved: bytes | None = None if key in self._unsaved else await self._read(Reader.note, key, self._now())
        value, until = self._unsaved.get(key, (saved, float("inf")))  # it may have been put while we read
        return value if until > self._now() else None

    def put(self, key: str, value: bytes | None, until: float) -> asyncio.Future[None]:
        """See `Notes.put`."""
        now = self._now()
        note = self._unsaved[key] = (value, self._clock.at(until))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._submit(Change(partial(_store, now, key, *note), partial(self._saved, key, note, done)))
        return done

    async def all(self) -> list[tuple[str, bytes, float]]:
        """See `Notes.all`."""
        found: list[tuple[str, bytes, float]] = await self._read(Reader.notes)
        late = self._clock.at(0.0)  # by how much log time is ahead
        return [(key, value, until - late) for key, value, until in found]

    def _now(self) -> float:
        return self._clock.look() / 1000

    def _saved(
        self, key: str, note: tuple[bytes | None, float], done: asyncio.Future[None], error: Exception | None
    ) -> None:
        if error is not None:
            log.warning("a note could not be stored, and will not outlive this process: %s", error)
        elif self._unsaved.get(key) is note:
            del self._unsaved[key]
        if not done.done():
            done.set_result(None)


def _store(now: float, key: str, value: bytes | None, until: float, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM note WHERE until <= ?", (now,))
    if value is None:
        connection.execute("DELETE FROM note WHERE key = ?", (key,))
    else:
        connection.execute(_PUT, (key, value, until))
