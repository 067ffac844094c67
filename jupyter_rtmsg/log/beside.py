"""What a log keeps beside its events, while it is moved from memory into a file: subscriptions and notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable

from .kept import Notes, Subscription, Subscriptions
from .moved import Moved


class Gate:
    """Closed while a log is moved."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @property
    def closed(self) -> bool:
        """Whether the log is being moved."""
        return not self._open.is_set()

    def close(self) -> None:
        """Have everybody wait who comes from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let everybody pass."""
        self._open.set()

    async def passed(self) -> None:
        """Wait while it is closed."""
        await self._open.wait()


class MovingSubscriptions:
    """The `Subscriptions` of a log that is moved.

    Parameters
    ----------
    current : callable
        Returns those of the present log.
    gate : Gate
    """

    def __init__(self, current: Callable[[], Subscriptions], gate: Gate) -> None:
        self._current = current
        self._gate = gate

    async def ready(self) -> None:
        """See `Subscriptions.ready`."""
        await self._gate.passed()

    def all(self) -> Collection[Subscription]:
        """See `Subscriptions.all`."""
        return self._current().all()

    def now(self) -> int:
        """See `Subscriptions.now`."""
        return self._current().now()

    def add(self, subscription: Subscription) -> None:
        """See `Subscriptions.add`."""
        self._current().add(subscription)

    def save(self, subscription: Subscription) -> None:
        """See `Subscriptions.save`."""
        self._current().save(subscription)

    def remove(self, subscription: Subscription) -> None:
        """See `Subscriptions.remove`."""
        self._current().remove(subscription)

    def flush(self) -> None:
        """See `Subscriptions.flush`."""
        self._current().flush()

    async def stored(self) -> None:
        """See `Subscriptions.stored`."""
        await self._gate.passed()
        await self._current().stored()

    def take_over(self, before: Subscriptions, epoch: str, moved: Moved) -> None:
        """Keep those of the log before in the one that is the present one now; who uses them goes on using them.

        What the file kept under the same name goes, unless it was used after the other one had ended.
        """
        now = self._current()
        ahead, earlier = now.now() - before.now(), {_key(row): row for row in now.all() if row.ended is None}
        for row in list(before.all()):
            here = moved.position(row.position) if row.epoch == moved.epoch else None
            if here is not None:
                row.epoch, row.position, row.opening, row.n = epoch, here, "", None
            row.used += ahead
            if row.ended is not None:
                row.ended += ahead
            twin = earlier.get(_key(row))
            if twin and (row.ended is None or twin.used <= row.ended):
                now.remove(twin)
            now.add(row)


def _key(row: Subscription) -> tuple[str, str, str]:
    return row.user, row.room, row.key


class MovingNotes:
    """The `Notes` of a log that is moved.

    Parameters
    ----------
    current : callable
        Returns those of the present log.
    gate : Gate
    """

    def __init__(self, current: Callable[[], Notes], gate: Gate) -> None:
        self._current = current
        self._gate = gate
        self._late: list[tuple[str, bytes | None, float]] = []

    async def get(self, key: str) -> bytes | None:
        """See `Notes.get`."""
        await self._gate.passed()
        return await self._current().get(key)

    def put(self, key: str, value: bytes | None, until: float) -> asyncio.Future[None]:
        """See `Notes.put`."""
        if self._gate.closed:
            self._late.append((key, value, until))
        return self._current().put(key, value, until)

    async def all(self) -> list[tuple[str, bytes, float]]:
        """See `Notes.all`."""
        await self._gate.passed()
        return await self._current().all()

    def stay(self) -> None:
        """Learn that the log was not moved."""
        self._late.clear()

    def take_over(self, saved: Iterable[tuple[str, bytes, float]]) -> None:
        """Set all notes in the log that is the present one now."""
        late, self._late = self._late, []
        for note in (*saved, *late):
            self._current().put(*note)
