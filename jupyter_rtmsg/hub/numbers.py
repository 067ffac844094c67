"""Finds the events of a room that are gone, by the numbers of those that come."""

from __future__ import annotations

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.log.eventlog import Record


class Numbers:
    """The numbers of a room's events, in the order in which they are handed on.

    Parameters
    ----------
    last : int or None
        The number of the last one that was handed on, or is known to be gone. None: whatever comes first is right.
    """

    __slots__ = ("last",)

    def __init__(self, last: int | None = None) -> None:
        self.last = last

    def before(self, record: Record) -> range:
        """Take the next event, and return the numbers of those that should have come before it and are gone."""
        number = record.n
        if not number:
            self.last = None  # of a log that does not count
        elif record.name == CORRUPT:
            if self.last is not None:
                self.last += 1  # the row is damaged, and so may be its number: the next event tells what is gone
        else:
            # A number that was there already is one of another room: the first was deleted, and this made since.
            missing = range((self.last if self.last is not None and self.last < number else 0) + 1, number)
            known, self.last = self.last is not None, number
            return missing if known else range(0)
        return range(0)

    def until(self, number: int | None) -> range:
        """Learn the number of the room's last event, and return the numbers of those that are gone at the end."""
        last = self.last
        if last is None or number is None or number <= last:
            return range(0)
        self.last = number
        return range(last + 1, number + 1)
