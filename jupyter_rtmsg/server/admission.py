"""The limits on sessions that wait for authentication, in all and from one address."""

from __future__ import annotations

from collections import Counter

from .rejection import Refused


class Admission:
    """Counts the anonymous sessions that are not yet admitted.

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

    def enter(self, address: str) -> None:
        """Count a session that waits."""
        self._waiting[address] += 1

    def leave(self, address: str) -> None:
        """Count a session that was admitted or has ended."""
        self._waiting[address] -= 1
        if self._waiting[address] <= 0:
            del self._waiting[address]
