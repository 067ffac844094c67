"""One timer for the deadlines of all sessions."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import Protocol

_FEW = 64  # entries that are never searched for stale ones


class Timed(Protocol):
    """What has deadlines. ``deadline`` is in the loop's time; None: none any more."""

    deadline: float | None

    def expire(self) -> None:
        """Do what is due now."""


class Deadlines:
    """Calls ``expire`` of each of its members when its deadline has come.

    A member's deadline is changed by `set` alone. An entry whose time is no longer its member's deadline is stale and
    is dropped when it comes up, which is cheaper than to search for it (CVE-2026-48802: no task or timer a pong), or
    when there are as many stale entries as others: sessions that come and go would be kept for an interval each.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._limit = _FEW
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, member: Timed, when: float) -> None:
        """Give a member a new deadline, in the running loop's time."""
        member.deadline = when
        heapq.heappush(self._heap, (when, next(self._order), member))
        if len(self._heap) > self._limit:
            self._sweep()
        if self._heap[0][2] is member:
            self._schedule()

    def _sweep(self) -> None:
        """Drop the stale entries: as many are pushed until the next time as are left, so a push costs the same."""
        self._heap = [entry for entry in self._heap if entry[2].deadline == entry[0]]
        heapq.heapify(self._heap)
        self._limit = max(_FEW, 2 * len(self._heap))

    def close(self) -> None:
        """Forget everything."""
        self._heap.clear()
        if self._timer:
            self._timer.cancel()

    def _schedule(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._heap[0][0], self._fire)

    def _fire(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._heap and self._heap[0][0] <= now:
            when, _, member = heapq.heappop(self._heap)
            if member.deadline == when:
                member.expire()
        if self._heap:
            self._schedule()
