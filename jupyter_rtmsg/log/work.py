"""The messages between the event loop and the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from jupyter_rtmsg.errors import LogError

from .policy import Policy
from .records import Appended, Done, Draft, Record, RoomStats


class Submission(msgspec.Struct, frozen=True, gc=False):
    """An append, or with no ``done`` an announcement. ``size`` is the bytes of its payload."""

    draft: Draft
    done: Done | None
    size: int


class Completion(msgspec.Struct, frozen=True, gc=False):
    """The outcome of an append, and the callback that gets it."""

    done: Done
    value: Appended | Exception


class Change(NamedTuple):
    """A change of another table than those of events.

    ``apply`` runs in the transaction, on the writer's thread. ``done`` runs on the loop, with the error or None.
    ``size`` is the bytes that it adds to the log, if these are many: such a change is refused on a full disk.
    """

    apply: Callable[[sqlite3.Connection], None]
    done: Callable[[Exception | None], None]
    size: int = 0


class Changed(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a `Change`, and the callback that gets it."""

    done: Callable[[Exception | None], None]
    value: Exception | None


Item = Submission | Change


class Work(NamedTuple):
    """The items of one transaction. ``size`` is the bytes of their payloads."""

    submissions: Sequence[Submission] = ()
    changes: Sequence[Change] = ()
    size: int = 0

    @property
    def total(self) -> int:
        """The number of items."""
        return len(self.submissions) + len(self.changes)

    def halves(self) -> tuple[Work, Work]:
        """Return the work in two parts, in order. Changes are a part of their own."""
        if self.submissions and self.changes:
            return _work(self.submissions), _work(changes=self.changes)
        middle = self.total // 2
        if self.changes:
            return _work(changes=self.changes[:middle]), _work(changes=self.changes[middle:])
        return _work(self.submissions[:middle]), _work(self.submissions[middle:])


def _work(submissions: Sequence[Submission] = (), changes: Sequence[Change] = ()) -> Work:
    size = sum(each.size for each in submissions) + sum(each.size for each in changes)
    return Work(submissions, changes, size)


class Outcome(NamedTuple):
    """The result of some work, or of housekeeping, for the loop.

    Attributes
    ----------
    records : sequence of Record
        Events that come out of the log now.
    completions : sequence of Completion
        Outcomes of the appends.
    rooms : mapping of str to RoomStats
        Rooms that changed.
    head : int
        The head of the log.
    work : Work
        The work that is done, or was refused.
    error : LogError or None
        Why it was refused.
    reset : bool
        Whether the file has events that did not come out. Followers must read them from the file.
    warning : str or None
        Set if the log continues in another file: a text for users.
    policies : mapping or None
        The policies of rooms now; None if they are the same as before.
    """

    records: Sequence[Record] = ()
    completions: Sequence[Completion] = ()
    rooms: Mapping[str, RoomStats] = MappingProxyType({})
    head: int = 0
    work: Work = Work()
    error: LogError | None = None
    reset: bool = False
    warning: str | None = None
    policies: Mapping[str, Policy] | None = None
