"""What one principal may ask of the hub, over all of its connections: commands, by the work that they make."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container

from .limits import Limits
from .rate import TokenBucket

COSTS = {
    "presence": 10, "hello": 10, "prove": 10, "unsubscribe": 10,
    "join": 20, "history": 20, "lag": 20, "delete": 20,
    "subscriptions": 50, "rooms": 100,
}  # fmt: skip
"""The work of commands, in that of a small publish: about 20 microseconds. Those that are not here cost 1."""
BYTES = 16 * 1024
"""Bytes of an event's data that are as much work."""
READS = 4
"""Commands of one principal that may read from the log at once: the others wait."""
READING = frozenset({"history", "lag"})
_MANY = 1_000  # principals from which on budgets are forgotten


class UnderWay:
    """Events of one principal that are on their way to the disk: others' events wait behind no more than these.

    Parameters
    ----------
    limits : Limits
    """

    __slots__ = ("_bytes", "_count", "_most", "_most_bytes", "_waiting")

    def __init__(self, limits: Limits) -> None:
        self._most = limits.pending_events
        self._most_bytes = limits.pending_bytes
        self._count = 0
        self._bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def has_place(self) -> bool:
        """Whether one more may go: nobody waits, and there is a place. One event may go, however large it is."""
        return not self._count or (not self._waiting and self._count < self._most and self._bytes < self._most_bytes)

    def begin(self, size: int) -> None:
        """Count an event of so many bytes."""
        self._count += 1
        self._bytes += size

    def end(self, size: int) -> None:
        """Count it no more; let those go on that wait once half of the places are free."""
        self._count -= 1
        self._bytes -= size
        if self._waiting and self._count <= self._most // 2 and self._bytes <= self._most_bytes // 2:
            waiting, self._waiting = self._waiting, deque()
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    async def place(self) -> None:
        """Wait until there is one."""
        while not self.has_place:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]


class Budget:
    """The budget of one principal.

    Parameters
    ----------
    limits : Limits
    now : float
        Seconds.

    Attributes
    ----------
    reads : asyncio.Semaphore
        Held by commands of `READING`.
    under_way : UnderWay
    """

    __slots__ = ("_bucket", "reads", "under_way")

    def __init__(self, limits: Limits, now: float) -> None:
        self._bucket = TokenBucket(limits.command_rate, limits.command_burst, now, "units of work of one user")
        self.reads = asyncio.Semaphore(READS)
        self.under_way = UnderWay(limits)

    def charge(self, command: str, now: float) -> None:
        """Count a command; raises `RateExceeded`."""
        self._bucket.take(now, COSTS.get(command, 1))

    def charge_bytes(self, size: int, now: float) -> None:
        """Count what a large event holds; raises `RateExceeded`."""
        self._bucket.take(now, size // BYTES)

    def is_full(self, now: float) -> bool:
        """Return whether it is as if nothing had been asked."""
        return self._bucket.is_full(now)


class Budgets:
    """The budgets of all principals. They outlive connections, or a new one would have a full budget.

    Parameters
    ----------
    limits : Limits
    clock : callable
        Seconds.
    connected : container of str
        The principals that are connected: their budgets are not forgotten.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], connected: Container[str]) -> None:
        self._limits = limits
        self._clock = clock
        self._connected = connected
        self._budgets: dict[str, Budget] = {}
        self._many = _MANY

    def of(self, principal: str) -> Budget:
        """Return the budget of a principal."""
        budget = self._budgets.get(principal)
        if budget is None:
            now = self._clock()
            if len(self._budgets) >= self._many:
                self._forget(now)
                self._many = max(_MANY, 2 * len(self._budgets))  # else each newcomer would look at all of them
            budget = self._budgets[principal] = Budget(self._limits, now)
        return budget

    def _forget(self, now: float) -> None:
        """Forget the budgets of those who are gone, once they are as full as new ones."""
        for name, budget in list(self._budgets.items()):
            if name not in self._connected and budget.is_full(now):
                del self._budgets[name]
