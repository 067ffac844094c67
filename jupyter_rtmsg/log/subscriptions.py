"""The subscriptions of a log: all in memory; changes are written with the group commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from jupyter_rtmsg.futures import settle
from jupyter_rtmsg.logthrottle import throttled_logger

from .clock import LogClock
from .eventlog import StoredSubscription
from .work import Change

SAVE_AFTER = 0.2
"""Seconds for which changes are collected before they are written."""

RETRY_AFTER = 1.0
"""Seconds after which a failed write is tried again."""

_COLUMNS = "id, user, room, key, label, path, epoch, position, used, ended, inherited, opening, n, generation"
_SAVE = f"INSERT OR REPLACE INTO subscription({_COLUMNS}) VALUES({', '.join('?' * 14)})"
_REMOVE = "DELETE FROM subscription WHERE id = ?"

logger = throttled_logger(__name__)


class SQLiteSubscriptions:
    """The `SubscriptionStore` in table ``subscription`` of the log's file.

    Parameters
    ----------
    rows : iterable of StoredSubscription
        Those in the file, see `load_subscriptions`.
    submit : callable
        Passes a `Change` to the writer.
    clock : LogClock
    loop : asyncio.AbstractEventLoop
    """

    # A changed row is in `_changed` until the timer, or `flush`, gives it to the writer. If the writer fails, it comes
    # back to `_changed`, its error to `_failed`, and the timer starts again.

    def __init__(
        self,
        rows: Iterable[StoredSubscription],
        submit: Callable[[Change], None],
        clock: LogClock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._rows = {row.id: row for row in rows}
        self._next = max(self._rows, default=0) + 1
        self._submit = submit
        self._clock = clock
        self._loop = loop
        self._changed: dict[int, StoredSubscription | None] = {}  # by id; None: removed
        self._failed: dict[int, Exception] = {}  # by id: the error of the last write
        self._timer: asyncio.TimerHandle | None = None
        for row in self._rows.values():
            if not row.used:  # written by version 0.1.0, which did not store it
                row.touch(self.now())
                self.save(row)

    async def ready(self) -> None:
        """See `SubscriptionStore.ready`."""

    def all(self) -> Collection[StoredSubscription]:
        """See `SubscriptionStore.all`."""
        return self._rows.values()

    def now(self) -> int:
        """See `SubscriptionStore.now`."""
        return self._clock.look()

    def add(self, subscription: StoredSubscription) -> None:
        """See `SubscriptionStore.add`."""
        subscription.register(self._next)
        self._next += 1
        self._rows[subscription.id] = subscription
        self.save(subscription)

    def save(self, subscription: StoredSubscription) -> None:
        """See `SubscriptionStore.save`."""
        if self._has(subscription):
            self._change(subscription.id, subscription)

    def remove(self, subscription: StoredSubscription) -> None:
        """See `SubscriptionStore.remove`."""
        if self._has(subscription):
            del self._rows[subscription.id]
            self._change(subscription.id, None)

    def _has(self, subscription: StoredSubscription) -> bool:
        """Compare by identity: a subscription that was removed before the log was moved may have another one's id."""
        return self._rows.get(subscription.id) is subscription

    def flush(self) -> None:
        """See `SubscriptionStore.flush`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._changed:
            changed, self._changed = self._changed, {}
            saved = [_values(row) for row in changed.values() if row]
            removed = [(id,) for id, row in changed.items() if row is None]
            self._submit(Change(partial(_store, saved, removed), partial(self._stored, changed)))

    async def stored(self) -> None:
        """See `SubscriptionStore.stored`."""
        self.flush()
        done: asyncio.Future[None] = self._loop.create_future()
        self._submit(Change(lambda connection: None, partial(settle, done)))
        await done
        if self._failed:
            raise next(iter(self._failed.values()))

    def _change(self, id: int, row: StoredSubscription | None) -> None:
        self._changed[id] = row
        if self._timer is None:
            self._timer = self._loop.call_later(SAVE_AFTER, self.flush)

    def _stored(self, changed: dict[int, StoredSubscription | None], error: Exception | None) -> None:
        if error is None:
            for id in changed:
                self._failed.pop(id, None)
            return
        self._failed.update(dict.fromkeys(changed, error))
        logger.warning("%d subscriptions could not be stored and will be tried again: %s", len(changed), error)
        # Later changes win: a row that was removed meanwhile must not come back.
        self._changed = {**{id: row and self._rows.get(id) for id, row in changed.items()}, **self._changed}
        if self._timer is None:
            self._timer = self._loop.call_later(RETRY_AFTER, self.flush)


def load_subscriptions(connection: sqlite3.Connection) -> list[StoredSubscription]:
    """Return the subscriptions of a file."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM subscription ORDER BY id")  # noqa: S608 -- constants
    found = []
    for row in rows:
        try:
            found.append(_subscription(*row))
        except ValueError:  # its path cannot be decoded
            logger.warning("subscription %d is damaged on disk; it was left out", row[0])
    return found


def _values(row: StoredSubscription) -> tuple[Any, ...]:
    path = None if row.path is None else row.path.encode("utf-8", "surrogatepass")
    return (row.id, row.user, row.room, row.key, row.label, path, row.epoch, row.position, row.used, row.ended,
            row.inherited, row.opening, row.n, row.generation)  # fmt: skip


def _subscription(
    id: int, user: str, room: str, key: str, label: str, path: bytes | None, epoch: str, position: int, used: int,
    ended: int | None, inherited: int, opening: str, n: int | None, generation: int,
) -> StoredSubscription:  # fmt: skip
    real = None if path is None else bytes(path).decode("utf-8", "surrogatepass")
    return StoredSubscription(
        user, room, key, label, real, epoch, position, used, ended, bool(inherited), id, opening, n, generation
    )


def _store(saved: list[tuple[Any, ...]], removed: list[tuple[int]], connection: sqlite3.Connection) -> None:
    connection.executemany(_REMOVE, removed)
    connection.executemany(_SAVE, saved)
