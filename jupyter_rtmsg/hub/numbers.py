"""Finds the events of a room that are gone, by the numbers of those that come."""

from __future__ import annotations

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.log.eventlog import Record


class Numbers:
    """The numbers of a room's events, in the order in which the events are handed on.

    Parameters
    ----------
    last : int, optional
        The number of the last event that was handed on, or is known to be gone. None if unknown: then the next event
        is taken to follow without a gap.
    """

    __slots__ = ("last",)

    def __init__(self, last: int | None = None) -> None:
        self.last = last

    def start_at(self, last: int) -> None:
        """Set the number of the last event, unless it is known already."""
        if self.last is None:
            self.last = last

    def before(self, record: Record) -> range:
        """Take the next event, and return the numbers of the events that are missing before it."""
        number = record.n
        if not number:
            self.last = None  # written by a log that does not number its events
        elif record.name == CORRUPT:
            if self.last is not None:
                self.last += 1  # the number in a damaged row may be wrong as well: the next event shows what is gone
        else:
            # A number that came before means a new room under the name of a deleted one: its numbers begin at 1.
            missing = range((self.last if self.last is not None and self.last < number else 0) + 1, number)
            known, self.last = self.last is not None, number
            return missing if known else range(0)
        return range(0)

    def until(self, number: int | None) -> range:
        """Take the number of the room's last event, and return the numbers of the events missing up to it."""
        last = self.last
        if last is None or number is None or number <= last:
            return range(0)
        self.last = number
        return range(last + 1, number + 1)
