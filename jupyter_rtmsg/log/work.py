"""What goes to the thread that writes, and what comes back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from jupyter_rtmsg.errors import LogError

from .eventlog import Record, RoomStats
from .ledger import Entry, Result


class Change(NamedTuple):
    """Work for a transaction beside the events: ``apply`` runs on the writer's thread, ``done`` on the loop's."""

    apply: Callable[[sqlite3.Connection], None]
    done: Callable[[Exception | None], None]


class Work(NamedTuple):
    """What shares a transaction; ``size`` is that of the payloads in bytes."""

    entries: Sequence[Entry] = ()
    changes: Sequence[Change] = ()
    size: int = 0

    @property
    def total(self) -> int:
        """How many things it is."""
        return len(self.entries) + len(self.changes)

    def halves(self) -> tuple[Work, Work]:
        """Return the same in two parts, in order; the changes are a part of their own."""
        if self.entries and self.changes:
            return Work(self.entries, size=self.size), Work(changes=self.changes)
        middle = self.total // 2
        if self.changes:
            return Work(changes=self.changes[:middle]), Work(changes=self.changes[middle:])
        first = self.entries[:middle]
        size = sum(entry.size for entry in first)
        return Work(first, size=size), Work(self.entries[middle:], size=self.size - size)


class Outcome(NamedTuple):
    """What came of some work, for the loop: events that are now out, what their appends came to, rooms that changed.

    With ``anew``, the file has events that did not come out. With a ``warning``, the log goes on in another file.
    """

    records: Sequence[Record] = ()
    results: Sequence[Result] = ()
    rooms: Mapping[str, RoomStats] = MappingProxyType({})
    head: int = 0
    work: Work = Work()
    error: LogError | None = None
    anew: bool = False
    warning: str | None = None


Item = Entry | Change
