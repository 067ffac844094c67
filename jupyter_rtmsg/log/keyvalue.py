"""The key-value store beside the events. A value is in memory at once, and on disk with the next group commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from jupyter_rtmsg.futures import settle
from jupyter_rtmsg.logthrottle import throttled_logger

from .clock import LogClock
from .reader import Reader
from .work import Change

_PUT = "INSERT INTO note VALUES(?, ?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value, until = excluded.until"

logger = throttled_logger(__name__)


class SQLiteKeyValueStore:
    """A `KeyValueStore` in table ``note`` of the log's file.

    Parameters
    ----------
    submit : callable
        Passes a `Change` to the writer.
    read : callable
        Awaits ``work(connection, *args)`` on a reader's thread.
    clock : LogClock
        Values expire by log time.
    """

    def __init__(self, submit: Callable[[Change], None], read: Callable[..., Awaitable[Any]], clock: LogClock) -> None:
        self._submit = submit
        self._read = read
        self._clock = clock
        self._unsaved: dict[str, tuple[bytes | None, float]] = {}  # until their transaction is committed

    async def get(self, key: str) -> bytes | None:
        """See `KeyValueStore.get`."""
        saved: bytes | None = None if key in self._unsaved else await self._read(Reader.value, key, self._now())
        value, until = self._unsaved.get(key, (saved, float("inf")))  # it may have been put during the read
        return value if until > self._now() else None

    def put(self, key: str, value: bytes | None, until: float) -> asyncio.Future[None]:
        """See `KeyValueStore.put`."""
        now = self._now()
        entry = self._unsaved[key] = (value, self._clock.at(until))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._submit(Change(partial(_store, now, key, *entry), partial(self._saved, key, entry, done)))
        return done

    async def all(self) -> list[tuple[str, bytes, float]]:
        """See `KeyValueStore.all`."""
        found: list[tuple[str, bytes, float]] = await self._read(Reader.values)
        ahead = self._clock.at(0.0)  # of the wall clock, in seconds
        return [(key, value, until - ahead) for key, value, until in found]

    def _now(self) -> float:
        return self._clock.look() / 1000

    def _saved(
        self, key: str, entry: tuple[bytes | None, float], done: asyncio.Future[None], error: Exception | None
    ) -> None:
        if error is not None:
            logger.warning("a value could not be stored, and will be lost when this process ends: %s", error)
        elif self._unsaved.get(key) is entry:
            del self._unsaved[key]
        settle(done, None)


def _store(now: float, key: str, value: bytes | None, until: float, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM note WHERE until <= ?", (now,))
    if value is None:
        connection.execute("DELETE FROM note WHERE key = ?", (key,))
    else:
        connection.execute(_PUT, (key, value, until))
