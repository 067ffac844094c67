"""Finds the events of a room that are gone, by the numbers of those that come (docs/wire.md, "Positions")."""

from __future__ import annotations

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.log import Record


class GapDetector:
    """Follows the numbers of a room's events, in the order in which the events are handed on.

    Parameters
    ----------
    last : int, optional
        The number of the last event that was handed on, or is known to be gone. None if unknown: then the next event
        is taken to follow without a gap.
    """

    __slots__ = ("_last",)

    def __init__(self, last: int | None = None) -> None:
        self._last = last

    def start_at(self, last: int) -> None:
        """Set the number of the last event, unless it is known already."""
        if self._last is None:
            self._last = last

    def missing_before(self, record: Record) -> range:
        """Take the next event, and return the numbers of the events that are missing before it."""
        number, last = record.n, self._last
        if not number:
            self._last = None  # written by a log that does not number its events
        elif record.name == CORRUPT:
            if last is not None:
                self._last = last + 1  # the number in a damaged row may be wrong: the next event shows what is gone
        else:
            self._last = number
            # A number that came before means a new room under the name of a deleted one: its numbers begin at 1.
            return range(0) if last is None else range((last if last < number else 0) + 1, number)
        return range(0)

    def missing_until(self, number: int | None) -> range:
        """Take the number of the room's last event, and return the numbers of the events missing up to it."""
        last = self._last
        if last is None or number is None or number <= last:
            return range(0)
        self._last = number
        return range(last + 1, number + 1)
