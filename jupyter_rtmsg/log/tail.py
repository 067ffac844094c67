"""The newest events in memory, from which followers of the log read unless they are far behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from jupyter_rtmsg.logthrottle import throttled_logger

from .records import Record, size_of
from .work import Completion

logger = throttled_logger(__name__)

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
    # `_events` and `_bytes` are the sums over `_batches`. `_waiting` has a future per follower that waits in `more`.

    def __init__(self, floor: int, max_events: int, max_bytes: int) -> None:
        self.floor = floor
        self._limits = (max_events, max_bytes)
        self._batches: deque[tuple[Sequence[Record], int]] = deque()
        self._first = 0
        self._events = self._bytes = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self.closed = False

    def push(self, records: Sequence[Record]) -> None:
        """Add a batch, and wake the followers."""
        size = sum(map(size_of, records))
        self._batches.append((records, size))
        self._events += len(records)
        self._bytes += size
        # The newest batch stays whatever its size: followers take it by reference.
        while len(self._batches) > 1 and (self._events > self._limits[0] or self._bytes > self._limits[1]):
            self._drop()
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

    def restart(self, floor: int) -> None:
        """Drop all batches. Events up to the position ``floor`` must be read from the file."""
        self._first += len(self._batches)
        self._batches.clear()
        self._events = self._bytes = 0
        self.floor = floor
        self._wake()

    def close(self) -> None:
        """Record that no more batches will be added, and wake the followers."""
        self.closed = True
        self._wake()

    def _drop(self) -> None:
        records, size = self._batches.popleft()
        self._first += 1
        self._events -= len(records)
        self._bytes -= size
        self.floor = last_seq(records, self.floor)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


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


def answer(results: Sequence[Completion]) -> None:
    """Call the callbacks of appends with their outcomes."""
    for result in results:
        call(result.done, result.value)


def call(done: Callable[..., None], value: object) -> None:
    """Call a callback; log its exception, so that the others are called too."""
    try:
        done(value)
    except Exception:
        logger.exception("the callback of an append or a change raised an exception")
