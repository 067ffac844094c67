"""Limits the rate of publishes and commands, and what one principal may have in progress, over all its connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container

from jupyter_rtmsg.errors import RateExceeded

from .limits import Limits

COSTS = {
    "presence": 10, "hello": 10, "prove": 10, "unsubscribe": 10,
    "join": 20, "history": 20, "lag": 20, "delete": 20, "seek": 20, "policy": 20, "state": 50,
    "fetch": 45, "work": 20, "unwork": 10, "pause_group": 10, "resume_group": 10, "delete_group": 20,
    "subscriptions": 50, "groups": 50, "dead_letters": 50, "redrive": 50, "discard": 50, "rooms": 100,
}  # fmt: skip
"""The work of commands, in units of a small publish (about 20 microseconds). Commands that are not listed cost 1."""
BYTES_PER_UNIT = 16 * 1024
"""Bytes of an event's data that cost one unit more."""
ITEMS_PER_UNIT = 8
"""Deliveries that a command may name for one unit more."""
MAX_READS = 4
"""Commands of one principal that may read from the log at once. Further ones wait."""
READING = frozenset({"history", "lag", "seek", "state", "groups", "dead_letters", "redrive"})
"""The commands that `MAX_READS` is for."""
_FORGET_FROM = 1_000  # principals from which on budgets are forgotten


class TokenBucket:
    """Limits how often something is done.

    Parameters
    ----------
    rate : float
        Tokens that come back in a second.
    burst : float
        Tokens that there are at most, and at first.
    now : float
        Seconds, of the clock that `take` is called with.
    unit : str
        What a token stands for, in the error text.
    """

    __slots__ = ("_burst", "_rate", "_tokens", "_unit", "_when")

    def __init__(self, rate: float, burst: float, now: float, unit: str = "publishes") -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._when = now
        self._unit = unit

    def take(self, now: float, tokens: float = 1) -> None:
        """Take tokens if there is at least one. Missing ones are owed.

        If all tokens had to be there, cheap requests would take each one that comes back, and expensive requests would
        never be admitted.

        Raises
        ------
        RateExceeded
            If there is no token.
        """
        available = self._tokens + (now - self._when) * self._rate
        if available > self._burst:
            available = self._burst
        self._when = now
        if available < 1:
            self._tokens = available
            wait = (1 - available) / self._rate
            raise RateExceeded(
                f"more than {self._rate:g} {self._unit} a second, after a burst of {self._burst:g}: "
                f"try again in {wait:.3f} s",
                wait,
            )
        self._tokens = available - tokens

    def is_full(self, now: float) -> bool:
        """Return whether all tokens have come back."""
        return self._tokens + (now - self._when) * self._rate >= self._burst


class PendingEvents:
    """Events of one principal on their way to the disk. Their number is bounded, so that other principals' events wait
    behind no more than these.

    Parameters
    ----------
    limits : Limits
    """

    __slots__ = ("_bytes", "_count", "_max_bytes", "_max_count", "_waiting")

    def __init__(self, limits: Limits) -> None:
        self._max_count = limits.pending_events
        self._max_bytes = limits.pending_bytes
        self._count = 0
        self._bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def has_capacity(self) -> bool:
        """Whether one more event may be submitted, and no earlier one waits. A single event may have any size."""
        return not self._count or (
            not self._waiting and self._count < self._max_count and self._bytes < self._max_bytes
        )

    def begin(self, size: int) -> None:
        """Count an event of a size in bytes."""
        self._count += 1
        self._bytes += size

    def end(self, size: int) -> None:
        """Stop counting an event. When half of the capacity is free, those that wait go on."""
        self._count -= 1
        self._bytes -= size
        if self._waiting and self._count <= self._max_count // 2 and self._bytes <= self._max_bytes // 2:
            waiting, self._waiting = self._waiting, deque()
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    async def wait(self) -> None:
        """Wait until there is capacity."""
        while not self.has_capacity:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]


class Budget:
    """The budget of one principal, for all its connections.

    Parameters
    ----------
    limits : Limits
    now : float
        Monotonic seconds.

    Attributes
    ----------
    reads : asyncio.Semaphore
        Held by commands of `READING`.
    pending : PendingEvents
    """

    __slots__ = ("_bucket", "pending", "reads")

    def __init__(self, limits: Limits, now: float) -> None:
        self._bucket = TokenBucket(limits.command_rate, limits.command_burst, now, "units of work of one user")
        self.reads = asyncio.Semaphore(MAX_READS)
        self.pending = PendingEvents(limits)

    def charge(self, command: str, now: float) -> None:
        """Charge for a command; raise `RateExceeded` if the budget is used up."""
        self._bucket.take(now, COSTS.get(command, 1))

    def charge_bytes(self, size: int, now: float) -> None:
        """Charge for the data of a large event; raise `RateExceeded` if the budget is used up."""
        self._bucket.take(now, size // BYTES_PER_UNIT)

    def charge_items(self, count: int, now: float) -> None:
        """Charge for the deliveries that a command names; raise `RateExceeded` if the budget is used up."""
        self._bucket.take(now, count // ITEMS_PER_UNIT)

    def is_full(self, now: float) -> bool:
        """Return whether the budget is as full as a new one."""
        return self._bucket.is_full(now)


class Budgets:
    """The budgets of all principals. They outlive connections: otherwise a new connection would have a full budget.

    Parameters
    ----------
    limits : Limits
    clock : callable
        Monotonic seconds.
    connected : container of str
        The principals that are connected. Their budgets are not forgotten.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], connected: Container[str]) -> None:
        self._limits = limits
        self._clock = clock
        self._connected = connected
        self._budgets: dict[str, Budget] = {}
        self._forget_at = _FORGET_FROM

    def of(self, principal: str) -> Budget:
        """Return the budget of a principal."""
        budget = self._budgets.get(principal)
        if budget is None:
            now = self._clock()
            if len(self._budgets) >= self._forget_at:
                self._forget(now)
                # If few could be forgotten, the next search waits until there are twice as many.
                self._forget_at = max(_FORGET_FROM, 2 * len(self._budgets))
            budget = self._budgets[principal] = Budget(self._limits, now)
        return budget

    def _forget(self, now: float) -> None:
        """Forget the full budgets of principals that are not connected."""
        for name, budget in list(self._budgets.items()):
            if name not in self._connected and budget.is_full(now):
                del self._budgets[name]
