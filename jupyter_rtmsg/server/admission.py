"""Sessions that wait for authentication, and the limits on their number, in all and from one address."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from .rejection import Refused


class Pending:
    """A session that is not admitted yet.

    Parameters
    ----------
    seconds : float
        Until ``expired`` is called.
    expired : callable
    leave : callable, optional
        Called once, when the session no longer waits.
    """

    __slots__ = ("_leave", "_timer")

    def __init__(self, seconds: float, expired: Callable[[], object], leave: Callable[[], object] | None) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, expired)
        self._leave = leave

    def end(self) -> None:
        """Stop waiting: the session was admitted or has ended. Called once."""
        self._timer.cancel()
        if self._leave is not None:
            self._leave()


class Admission:
    """Counts the anonymous sessions that are not admitted yet.

    Parameters
    ----------
    limit, limit_per_address : int or None
        None: no limit.
    """

    def __init__(self, limit: int | None, limit_per_address: int | None) -> None:
        self.limit = limit
        self.limit_per_address = limit_per_address
        self._waiting: Counter[str] = Counter()

    def check(self, address: str) -> None:
        """Raise `Refused` if there may be no further session, with status 503, or none from this address, with 429."""
        if self.limit is not None and self._waiting.total() >= self.limit:
            raise Refused(4, "Too many connections are waiting for authentication", 503)
        if self.limit_per_address is not None and self._waiting[address] >= self.limit_per_address:
            raise Refused(4, "Too many connections from this address are waiting for authentication", 429)

    def pend(self, address: str | None, seconds: float, expired: Callable[[], object]) -> Pending:
        """Make a session wait for its admission; ``address`` is None for a session that has a user: not counted."""
        if address is None:
            return Pending(seconds, expired, None)
        self._waiting[address] += 1
        return Pending(seconds, expired, lambda: self._leave(address))

    def _leave(self, address: str) -> None:
        self._waiting[address] -= 1
        if self._waiting[address] <= 0:
            del self._waiting[address]
