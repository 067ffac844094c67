"""Sessions that nobody has let in yet: only so many at once, in all and from one address."""

from __future__ import annotations

from collections import Counter

from .refusal import Refused


class Admission:
    """Counts the sessions without a user that wait to be admitted.

    Parameters
    ----------
    limit, limit_per_address : int, optional
    """

    def __init__(self, limit: int | None, limit_per_address: int | None) -> None:
        self.limit = limit
        self.limit_per_address = limit_per_address
        self._waiting: Counter[str] = Counter()

    def check(self, address: str) -> None:
        """Refuse one more from an address, if there are too many."""
        if self.limit is not None and self._waiting.total() >= self.limit:
            raise Refused(4, "Too many connections are waiting for authentication", 503)
        if self.limit_per_address is not None and self._waiting[address] >= self.limit_per_address:
            raise Refused(4, "Too many connections from this address are waiting for authentication", 429)

    def enter(self, address: str) -> None:
        """One more waits."""
        self._waiting[address] += 1

    def leave(self, address: str) -> None:
        """One waits no longer."""
        self._waiting[address] -= 1
        if self._waiting[address] <= 0:
            del self._waiting[address]
