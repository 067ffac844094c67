"""How many rooms there are, in all and for each principal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from jupyter_rtmsg.errors import LimitExceeded

from .limits import Limits


class RoomQuota:
    """Counts rooms for the principals who made them.

    A room that holds events counts in all, and for its maker. One that has members only counts for the principal who
    joined it first, until it holds an event or nobody is in it. It does not count in all: joining never takes the place
    of a room that somebody may write to.

    Parameters
    ----------
    limits : Limits
    owner : callable
        Returns the principal whose server it is, or None: it may make as many rooms as there may be in all.

    Attributes
    ----------
    makers : dict of str to str
        The maker of every room that holds events, or is about to.
    """

    def __init__(self, limits: Limits, owner: Callable[[], str | None]) -> None:
        self._limits = limits
        self._owner = owner
        self.makers: dict[str, str] = {}
        self._opened: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def count(self, principal: str) -> int:
        """Return how many rooms count for a principal."""
        return self._counts[principal]

    def make(self, room: str, principal: str) -> None:
        """Count a room that is about to hold its first event.

        Raises
        ------
        LimitExceeded
            If it is one too many, for this principal or in all.
        """
        if room in self.makers:
            return
        if len(self.makers) >= self._limits.rooms:
            raise LimitExceeded(
                f"there are {len(self.makers)} rooms, and no more than {self._limits.rooms} may be: delete one that is "
                "no longer needed, or ask whoever runs the server"
            )
        self._check(principal, self._counts[principal] - (self._opened.get(room) == principal))
        self.made(room, principal)

    def made(self, room: str, principal: str) -> None:
        """Count a room that holds events for its maker, whatever the limits say."""
        self.close(room)
        self.forget(room)
        self.makers[room] = principal
        self._counts[principal] += 1

    def forget(self, room: str) -> None:
        """A room that held events was deleted."""
        maker = self.makers.pop(room, None)
        if maker is not None:
            self._discount(maker)

    def open(self, room: str, principal: str) -> None:
        """Count a room that is about to have its first member; nothing for one that holds events.

        Raises
        ------
        LimitExceeded
        """
        if room in self.makers or room in self._opened:
            return
        self._check(principal, self._counts[principal])
        self._opened[room] = principal
        self._counts[principal] += 1

    def close(self, room: str) -> None:
        """A room without events has no members any more, or holds an event now."""
        principal = self._opened.pop(room, None)
        if principal is not None:
            self._discount(principal)

    def replace(self, makers: Mapping[str, str]) -> None:
        """Learn which rooms hold events, and who made them."""
        self.makers = dict(makers)
        for room in self._opened.keys() & self.makers.keys():
            del self._opened[room]
        self._counts = Counter(self.makers.values())
        self._counts.update(self._opened.values())

    def _check(self, principal: str, count: int) -> None:
        """Refuse a principal one more room than it may have."""
        limit = self._limits.user_rooms
        if count >= limit and principal != self._owner():
            raise LimitExceeded(
                f"{principal} has {count} rooms, and one user may have no more than {limit}: delete one that is no "
                "longer needed, or leave one that is empty"
            )

    def _discount(self, principal: str) -> None:
        self._counts[principal] -= 1
        if not self._counts[principal]:
            del self._counts[principal]
