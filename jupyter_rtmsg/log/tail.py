"""The newest events in memory, from which followers of the log read unless they are far behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from .records import Record, Take, size_of

Default = TypeVar("Default", int, None)


class Tail:
    """The newest batches of the log. The oldest ones are dropped beyond a limit.

    Batches are numbered from 0, since a batch of announced events has no position.

    Parameters
    ----------
    floor : int
        The head of the log.
    max_events, max_bytes : int
        Limits. The newest batch is kept whatever its size.

    Attributes
    ----------
    floor : int
        Every event after this position is in memory.
    closed : bool
        Whether no more batches will be added.
    """

    # Owned by the loop. `_batches` has the batches with their bytes, `_first` is the number of the oldest one.
    # `_events` and `_bytes` are the sums over `_batches`. `_waiting` has a future per follower that waits in `more`,
    # and `_fed` one per function of `feed`.

    def __init__(self, floor: int, max_events: int, max_bytes: int) -> None:
        self.floor = floor
        self._limits = (max_events, max_bytes)
        self._batches: deque[tuple[Sequence[Record], int]] = deque()
        self._first = 0
        self._events = self._bytes = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._fed: dict[asyncio.Future[None], Take] = {}
        self.closed = False

    @property
    def awaited(self) -> bool:
        """Whether a follower waits in `more`: it gets the next batch in a later step of the loop."""
        return bool(self._waiting)

    def push(self, records: Sequence[Record]) -> None:
        """Add a batch, call the functions of `feed` with it, and wake the followers."""
        size = sum(map(size_of, records))
        self._batches.append((records, size))
        self._events += len(records)
        self._bytes += size
        # The newest batch stays whatever its size: followers take it by reference.
        while len(self._batches) > 1 and (self._events > self._limits[0] or self._bytes > self._limits[1]):
            self._drop()
        for done, take in list(self._fed.items()):
            try:
                take(records)
            except Exception as error:  # noqa: BLE001 -- `feed` raises it
                self._fed.pop(done, None)  # at once: it must not get a batch after one that it did not take
                _end(done, error)
        self._wake()

    def find(self, position: int) -> int | None:
        """Return the number of the first batch with an event after a position; None if it may have been dropped."""
        if position < self.floor:
            return None
        number = found = self._first + len(self._batches)
        for records, _ in reversed(self._batches):
            number -= 1
            last = last_seq(records, None)
            if last is None:  # announced events only: they have no position
                continue
            if last <= position:
                break
            found = number
        return found

    def get(self, number: int) -> Sequence[Record] | None:
        """Return a batch, or None if it was not added yet.

        Raises
        ------
        LookupError
            If it was dropped.
        """
        index = number - self._first
        if index < 0:
            raise LookupError(number)
        return self._batches[index][0] if index < len(self._batches) else None

    async def more(self) -> None:
        """Wait until a batch is added or the tail is closed."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    async def proceed(self, take: Take | None, position: int, number: int) -> tuple[int, int | None]:
        """Wait for the next batch, or have a function called with the next ones.

        Returns
        -------
        position : int
            The position that is reached now.
        number : int or None
            The number of the next batch; None if it must be found by the position.
        """
        if take is not None:
            return await self.feed(take, position), None
        await self.more()
        return position, number

    async def feed(self, take: Take, position: int) -> int:
        """Call a function with each batch that is added, within `push`, until the tail restarts or is closed.

        Parameters
        ----------
        take : callable
            It has had all batches so far. If it raises, this raises the same.
        position : int
            The position that it has reached.

        Returns
        -------
        int
            The position that it has reached now.
        """

        def deliver(records: Sequence[Record]) -> None:
            nonlocal position
            take(records)
            position = last_seq(records, position)

        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fed[done] = deliver
        try:
            await done
        finally:
            self._fed.pop(done, None)
        return position

    def restart(self, floor: int) -> None:
        """Drop all batches. Events up to the position ``floor`` must be read from the file."""
        self._first += len(self._batches)
        self._batches.clear()
        self._events = self._bytes = 0
        self.floor = floor
        self._end_feeds()
        self._wake()

    def close(self) -> None:
        """Record that no more batches will be added, and wake the followers."""
        self.closed = True
        self._end_feeds()
        self._wake()

    def _drop(self) -> None:
        records, size = self._batches.popleft()
        self._first += 1
        self._events -= len(records)
        self._bytes -= size
        self.floor = last_seq(records, self.floor)

    def _end_feeds(self) -> None:
        fed, self._fed = self._fed, {}  # nothing more, although `feed` returns in a later step
        for done in fed:
            _end(done)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


def _end(done: asyncio.Future[None], error: Exception | None = None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def last_seq(records: Sequence[Record], default: Default) -> int | Default:
    """Return the position of the last stored event of a batch; ``default`` if it has only announced events."""
    for record in reversed(records):
        if record.seq is not None:
            return record.seq
    return default


def after_position(records: Sequence[Record], position: int) -> Sequence[Record]:
    """Return the events of a batch after a position. A batch that is entirely after it is returned as it is."""
    first = next((record.seq for record in records if record.seq is not None), None)
    if first is None or first > position:
        return records
    return [record for record in records if record.seq is not None and record.seq > position]
