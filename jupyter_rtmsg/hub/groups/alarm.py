"""One timer for many objects that each have something due at some time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Alarm(Generic[T]):
    """Calls a function with each object whose time has come. No timer runs while nothing is due.

    Parameters
    ----------
    clock : callable
        The clock of the times. It may differ from the loop's by a constant.
    ring : callable
        Called with the object.
    """

    # `_times` has the time of each object, and `_heap` an entry for each call of `set`. Entries whose time is not that
    # of their object any more are skipped.

    def __init__(self, clock: Callable[[], float], ring: Callable[[T], object]) -> None:
        self._clock = clock
        self._ring = ring
        self._times: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def set(self, each: T, time: float | None) -> None:
        """Set the time of an object; with None, nothing is due."""
        if time is None:
            self._times.pop(each, None)
        elif self._times.get(each) != time:
            self._times[each] = time
            heappush(self._heap, (time, next(self._numbers), each))
        self._arrange()

    def close(self) -> None:
        """Call nothing more."""
        self._times.clear()
        self._arrange()

    def _arrange(self) -> None:
        heap = self._heap
        while heap and self._times.get(heap[0][2]) != heap[0][0]:
            heappop(heap)
        if self._timer is not None and not (heap and heap[0][0] == self._timer_at):
            self._timer.cancel()
            self._timer = None
        if heap and self._timer is None:
            self._timer_at = heap[0][0]
            delay = max(0.0, self._timer_at - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        self._timer = None
        now, heap = self._clock(), self._heap
        while heap and heap[0][0] <= now:
            time, _, each = heappop(heap)
            if self._times.get(each) == time:
                del self._times[each]
                self._ring(each)
        self._arrange()
