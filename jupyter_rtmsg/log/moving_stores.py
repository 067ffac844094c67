"""The subscriptions, key-value store and parts of a `MovingLog`: those of its present log, and how they move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Generic, TypeVar

from .eventlog import KeyValueStore, StoredSubscription, SubscriptionStore
from .move import PositionMap
from .partstore import PartStore

S = TypeVar("S")


class Gate:
    """Closed while a log is being moved."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @property
    def closed(self) -> bool:
        """Whether the log is being moved."""
        return not self._open.is_set()

    def close(self) -> None:
        """Make later calls of `passed` wait."""
        self._open.clear()

    def open(self) -> None:
        """End the wait of all calls of `passed`."""
        self._open.set()

    async def passed(self) -> None:
        """Wait while the gate is closed."""
        await self._open.wait()


class PresentStore(Generic[S]):
    """The store of the log that a `MovingLog` has at present.

    Parameters
    ----------
    current : callable
        Returns it.
    gate : Gate
    """

    def __init__(self, current: Callable[[], S], gate: Gate) -> None:
        self._current = current
        self._gate = gate

    def __call__(self) -> S:
        """Return it now, also while the log is being moved."""
        return self._current()

    @property
    def is_moving(self) -> bool:
        """Whether the log is being moved."""
        return self._gate.closed

    async def settled(self) -> S:
        """Wait while the log is being moved, and return the store."""
        await self._gate.passed()
        return self._current()


class MovingSubscriptions:
    """The `SubscriptionStore` of a `MovingLog`.

    Parameters
    ----------
    present : PresentStore
    """

    def __init__(self, present: PresentStore[SubscriptionStore]) -> None:
        self._present = present

    async def ready(self) -> None:
        """See `SubscriptionStore.ready`."""
        await self._present.settled()

    def all(self) -> Collection[StoredSubscription]:
        """See `SubscriptionStore.all`."""
        return self._present().all()

    def now(self) -> int:
        """See `SubscriptionStore.now`."""
        return self._present().now()

    def add(self, subscription: StoredSubscription) -> None:
        """See `SubscriptionStore.add`."""
        self._present().add(subscription)

    def save(self, subscription: StoredSubscription) -> None:
        """See `SubscriptionStore.save`."""
        self._present().save(subscription)

    def remove(self, subscription: StoredSubscription) -> None:
        """See `SubscriptionStore.remove`."""
        self._present().remove(subscription)

    def flush(self) -> None:
        """See `SubscriptionStore.flush`."""
        self._present().flush()

    async def stored(self) -> None:
        """See `SubscriptionStore.stored`."""
        await (await self._present.settled()).stored()

    def take_over(self, before: SubscriptionStore, epoch: str, positions: PositionMap) -> None:
        """Add the subscriptions of the log before to the present one. They stay the same objects.

        The file's subscription with the same name is removed, unless it was used after the other one had ended.
        """
        now = self._present()
        ahead, earlier = now.now() - before.now(), {_key(row): row for row in now.all() if row.ended is None}
        for row in list(before.all()):
            here = positions.position(row.position) if row.epoch == positions.epoch else None
            if here is not None:
                row.move_to(epoch, "", here, None)
            row.shift(ahead)
            twin = earlier.get(_key(row))
            if twin and (row.ended is None or twin.used <= row.ended):
                if twin.generation > row.generation:
                    row.begin_generation(twin.generation)  # an acknowledgement for the twin must not count for it
                now.remove(twin)
            now.add(row)


def _key(row: StoredSubscription) -> tuple[str, str, str]:
    return row.user, row.room, row.key


class MovingKeyValueStore:
    """The `KeyValueStore` of a `MovingLog`.

    Parameters
    ----------
    present : PresentStore
    """

    def __init__(self, present: PresentStore[KeyValueStore]) -> None:
        self._present = present
        self._late: list[tuple[str, bytes | None, float]] = []  # values put while the gate is closed

    async def get(self, key: str) -> bytes | None:
        """See `KeyValueStore.get`."""
        return await (await self._present.settled()).get(key)

    def put(self, key: str, value: bytes | None, until: float) -> asyncio.Future[None]:
        """See `KeyValueStore.put`."""
        if self._present.is_moving:
            self._late.append((key, value, until))
        return self._present().put(key, value, until)

    async def all(self) -> list[tuple[str, bytes, float]]:
        """See `KeyValueStore.all`."""
        return await (await self._present.settled()).all()

    def stay(self) -> None:
        """Record that the move failed, so that the present log has all values."""
        self._late.clear()

    def take_over(self, saved: Iterable[tuple[str, bytes, float]]) -> None:
        """Put all values into the present log: those of the log before, and those put during the move."""
        late, self._late = self._late, []
        for entry in (*saved, *late):
            self._present().put(*entry)


class MovingParts:
    """The `PartStore` of a `MovingLog`. The parts of events move with their events; others must be stored again.

    Parameters
    ----------
    present : PresentStore
    """

    def __init__(self, present: PresentStore[PartStore]) -> None:
        self._present = present

    async def put(self, key: int, number: int, data: bytes) -> None:
        """See `PartStore.put`."""
        await (await self._present.settled()).put(key, number, data)

    def drop(self, key: int) -> None:
        """See `PartStore.drop`."""
        self._present().drop(key)

    async def get(self, room: str, seq: int, number: int, now: int) -> bytes | None:
        """See `PartStore.get`."""
        return await (await self._present.settled()).get(room, seq, number, now)


def warning_of(reason: str) -> str:
    """Return the text for the users of a log that is in memory for a reason."""
    return (
        f"{reason}. Until then events are kept in memory only, and would be lost with this server. The hub tries again "
        "by itself, and moves the events in memory into the log as soon as it can"
    )
