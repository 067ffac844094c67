"""Timers that all sessions of an engine share: one for their deadlines, and one for a check every second."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import Protocol

CHECK_EVERY = 1.0  # seconds
SLICE = 256  # members that are checked in one turn of the event loop
_FEW = 64  # entries of a heap that is not worth sweeping


class Timed(Protocol):
    """A member of `Deadlines`."""

    @property
    def deadline(self) -> float | None:
        """In the loop's time; None for no deadline."""

    def expire(self) -> None:
        """Handle the deadline."""


class Deadlines:
    """Calls ``expire`` of each member at its deadline, with a single timer.

    A member changes its deadline and calls `add`. The heap keeps one entry for each call; an entry is stale if its time
    is no longer its member's deadline. Stale entries are dropped when they come up, which is cheaper than to search for
    them (CVE-2026-48802: a task or timer for each pong), or when they outnumber the others: otherwise closed sessions
    would be kept for an interval each.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._limit = _FEW  # entries above which the heap is swept
        self._order = count()  # breaks ties, since members cannot be compared
        self._timer: asyncio.TimerHandle | None = None

    def add(self, member: Timed) -> None:
        """Call ``expire`` of a member at its present deadline."""
        when = member.deadline
        if when is None:
            return
        heapq.heappush(self._heap, (when, next(self._order), member))
        if len(self._heap) > self._limit:
            self._sweep()
        if self._heap[0][2] is member:
            self._schedule()

    def _sweep(self) -> None:
        """Drop the stale entries. The limit becomes twice the rest, so the cost of a push stays constant on average."""
        self._heap = [entry for entry in self._heap if entry[2].deadline == entry[0]]
        heapq.heapify(self._heap)
        self._limit = max(_FEW, 2 * len(self._heap))

    def close(self) -> None:
        """Drop all deadlines."""
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


class Watched(Protocol):
    """A member of `Watch`: a session or a queue that may be stuck."""

    def check(self, now: float) -> bool:
        """Do the work that is due at the loop's time ``now``; return whether to check again."""


class Watch:
    """Calls ``check`` of its members once a second. No timer runs while it has no members."""

    __slots__ = ("_members", "_timer")

    def __init__(self) -> None:
        self._members: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, member: Watched) -> None:
        """Check a member every second until its ``check`` returns False."""
        self._members[member] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CHECK_EVERY, self._check)

    def close(self) -> None:
        """Drop all members."""
        self._members.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._check_slice(list(self._members))

    def _check_slice(self, members: list[Watched]) -> None:
        """Check `SLICE` members in this turn of the event loop, and the others in the next ones."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for member in members[:SLICE]:
            if not member.check(now):
                self._members.pop(member, None)
        if len(members) > SLICE:
            self._timer = loop.call_later(0, self._check_slice, members[SLICE:])
        else:
            self._timer = loop.call_later(CHECK_EVERY, self._check) if self._members else None
