"""The positions of subscriptions: moved in memory at once, on disk with the next group commit."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from .eventlog import Cursor, CursorKey
from .reader import Reader
from .writer import Change

SAVE_AFTER = 0.2  # seconds
RETRY_AFTER = 1.0

_MOVE = """
INSERT INTO cursor VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET epoch = excluded.epoch, position = excluded.position
WHERE cursor.epoch <> excluded.epoch OR cursor.position < excluded.position
"""

log = logging.getLogger(__name__)


class SQLiteCursors:
    """Cursors in the log's own file; see `Cursors`.

    Parameters
    ----------
    epoch : str
        In which all moves are.
    submit : callable
        Takes a `Change` to the writer.
    read : callable
        Awaits ``work(connection, *args)`` on a reader's thread.
    """

    def __init__(
        self,
        epoch: str,
        submit: Callable[[Change], None],
        read: Callable[..., Awaitable[Any]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._epoch = epoch
        self._submit = submit
        self._read = read
        self._loop = loop
        self._unsaved: dict[CursorKey, int] = {}  # until the transaction that holds them is done
        self._moved: dict[CursorKey, int] = {}  # not yet with the writer
        self._timer: asyncio.TimerHandle | None = None

    async def get(self, key: CursorKey) -> Cursor | None:
        """See `Cursors.get`."""
        before = self._unsaved.get(key)
        saved: Cursor | None = await self._read(Reader.cursor, key)
        # A move may have gone to disk behind the read's back, or have come in meanwhile.
        positions = [position for position in (before, self._unsaved.get(key)) if position is not None]
        if saved is not None and saved.epoch == self._epoch:
            positions.append(saved.position)
        return Cursor(self._epoch, max(positions)) if positions else saved

    def move(self, key: CursorKey, position: int) -> None:
        """See `Cursors.move`."""
        if position <= self._unsaved.get(key, -1):
            return
        self._unsaved[key] = self._moved[key] = position
        if self._timer is None:
            self._timer = self._loop.call_later(SAVE_AFTER, self.save)

    async def count(self, user: str, room: str) -> int:
        """See `Cursors.count`."""
        unsaved = self._names(user, room)
        saved: set[str] = await self._read(Reader.cursor_names, user, room)
        return len(saved | unsaved | self._names(user, room))

    async def rename(self, old: str, new: str) -> None:
        """See `Cursors.rename`."""
        self.save()
        done: asyncio.Future[None] = self._loop.create_future()
        self._submit(Change(partial(_rename, old=old, new=new), partial(_settle, done)))
        await done

    async def all(self) -> list[tuple[CursorKey, Cursor]]:
        """See `Cursors.all`."""
        found: list[tuple[CursorKey, Cursor]] = await self._read(Reader.cursors)
        return found

    def save(self) -> None:
        """Hand what was moved to the writer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._moved:
            moved, self._moved = self._moved, {}
            rows = [(*key, self._epoch, position) for key, position in moved.items()]
            self._submit(Change(partial(_store, rows=rows), partial(self._saved, moved)))

    def _saved(self, moved: dict[CursorKey, int], error: Exception | None) -> None:
        if error is not None:
            self._again(moved, error)
            return
        for key, position in moved.items():
            if self._unsaved.get(key) == position:
                del self._unsaved[key]

    def _again(self, moved: dict[CursorKey, int], error: Exception) -> None:
        log.warning(
            "the cursors of %d subscriptions could not be stored and will be tried again: %s", len(moved), error
        )
        self._moved = {**moved, **self._moved}
        if self._timer is None:
            self._timer = self._loop.call_later(RETRY_AFTER, self.save)

    def _names(self, user: str, room: str) -> set[str]:
        return {key.name for key in self._unsaved if key.user == user and key.room == room}


def _store(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    connection.executemany(_MOVE, rows)


def _rename(connection: sqlite3.Connection, old: str, new: str) -> None:
    connection.execute("UPDATE OR REPLACE cursor SET name = ? WHERE name = ?", (new, old))


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
