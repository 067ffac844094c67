"""What a log stores of worker groups, and the interface of its store."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import msgspec

from .ranges import Ranges
from .records import Record, size_of

ENVELOPE = 256
"""Bytes that a copy of an event is taken to need beside the event's data, its error and its names."""


class GroupSettings(msgspec.Struct, frozen=True):
    """The settings that all workers of a group agree on.

    Attributes
    ----------
    event : str or None
        The name of the group's events, or a pattern with ``*`` and ``?``. None: all events.
    key : str or None
        Path of a field of the data, or ``"@sender"``. Events with the same value are handled one after the other.
    tries : int
        How often an event may fail until it becomes a dead letter.
    ack_wait : float or None
        Seconds after which an event that its worker does not answer for is given again. None: no limit.
    """

    event: str | None = None
    key: str | None = None
    tries: int = 5
    ack_wait: float | None = None


class HandlerError(msgspec.Struct, frozen=True):
    """The exception of a handler, as text."""

    type: str
    message: str
    traceback: str = ""

    @property
    def line(self) -> str:
        """The error in one line, as Python shows it."""
        return f"{self.type}: {self.message}" if self.message else self.type


class StoredFailure(msgspec.Struct, frozen=True):
    """An event that is to be given again, with a copy of the event, so that it survives trimming.

    Attributes
    ----------
    record : Record
    attempt, tries, deliveries : int
        The attempt that was given last, the tries that failed, and the deliveries so far.
    due : int
        When it may be given again (ms of log time).
    first, last : int
        The time of its first delivery, and of its last failure (ms since 1970).
    error : HandlerError or None
    message : str
        Why it is given again.
    worker : str
        The name of the worker that had it last.
    redriven : bool
        Whether it was a dead letter before.
    suspect : bool
        Whether it was lost together with others, and is given to a worker alone.
    """

    record: Record
    attempt: int
    tries: int
    deliveries: int
    due: int
    first: int
    last: int
    error: HandlerError | None = None
    message: str = ""
    worker: str = ""
    redriven: bool = False
    suspect: bool = False

    @property
    def size(self) -> int:
        """The bytes that count towards limits."""
        return _size(self.record, self.error)


class DeadLetter(msgspec.Struct, frozen=True):
    """An event that a group gave up.

    Attributes
    ----------
    number : int
        Its number in the group, in order of time.
    record : Record
    reason : str
        ``tries``, ``rejected``, ``lost`` or ``corrupt``.
    message : str
    error : HandlerError or None
    worker : str
    deliveries : int
    first, last : int
        The time of its first delivery and of its end (ms since 1970).
    attempt : int
        The attempt that was given last.
    """

    number: int
    record: Record
    reason: str
    message: str
    error: HandlerError | None
    worker: str
    deliveries: int
    first: int
    last: int
    attempt: int = 0

    @property
    def size(self) -> int:
        """The bytes that count towards limits."""
        return _size(self.record, self.error)

    def redriven(self, now: int) -> StoredFailure:
        """Return what is stored of it when it is given to workers again (at ``now`` in log time)."""
        return StoredFailure(
            self.record, self.next_attempt, 0, self.deliveries, now, self.first, self.last, redriven=True
        )

    @property
    def next_attempt(self) -> int:
        """Attempts begin after this number when it is given again, so that answers for earlier ones come too late."""
        return max(self.attempt, self.deliveries) + 1  # letters of an earlier version have no attempt

    def numbered(self, number: int) -> DeadLetter:
        """Return it with a number."""
        return msgspec.structs.replace(self, number=number)


class StoredGroup(msgspec.Struct, eq=False):
    """A worker group of a room.

    Attributes
    ----------
    room, name : str
    settings : GroupSettings
    maker : str
        The principal whose worker made it.
    made : int
        When (ms since 1970).
    floor, ranges : int, list of (int, int)
        Its settled positions, see `Ranges`. They are positions of the file that stores the group, and need no epoch.
    sent : int
        Events up to this position may have been given to a worker.
    read, number, unsettled : int, int or None, int
        The position up to which it has read its room, the number of the last event there, and the number of events up
        to there that are not settled.
    paused : bool
    done, trimmed, discarded : int
        Events that were done, that were trimmed before they were given, and dead letters that were discarded.
    letters, letter_bytes, last_letter : int
        The number of its dead letters, their bytes, and the number of the newest one.
    last_error : str or None
        The error of the last failure, in one line.
    copy_bytes : int
        The bytes of its events that have failed or were redriven, and are not settled.
    id : int
        Its number in the log; 0 until `GroupStates.add`.
    """

    room: str
    name: str
    settings: GroupSettings
    maker: str
    made: int
    floor: int
    ranges: list[tuple[int, int]] = []
    sent: int = 0
    read: int = 0
    number: int | None = None
    unsettled: int = 0
    paused: bool = False
    done: int = 0
    trimmed: int = 0
    discarded: int = 0
    letters: int = 0
    letter_bytes: int = 0
    last_letter: int = 0
    last_error: str | None = None
    copy_bytes: int = 0
    id: int = 0

    def register(self, id: int) -> None:
        """Set its number in the log."""
        self.id = id

    def configure(self, settings: GroupSettings) -> None:
        """Replace its settings."""
        self.settings = settings

    def pause(self, paused: bool) -> None:
        """Pause or resume it."""
        self.paused = paused

    def settle(self, settled: Ranges, sent: int) -> None:
        """Set what is settled, and up to where events may have been given to a worker."""
        self.floor, self.ranges, self.sent = settled.floor, list(settled), sent

    def reach(self, read: int, number: int | None, unsettled: int) -> None:
        """Set how far it has read its room."""
        self.read, self.number, self.unsettled = read, number, unsettled

    def count(self, done: int, trimmed: int, error: str | None) -> None:
        """Add events that were done or trimmed; replace the last error unless it is None."""
        self.done += done
        self.trimmed += trimmed
        self.last_error = error or self.last_error

    def copied(self, size: int) -> None:
        """Set the bytes of the copies of its events."""
        self.copy_bytes = size

    def bury(self, size: int) -> int:
        """Count a new dead letter, and return its number."""
        self.letters += 1
        self.letter_bytes += size
        self.last_letter += 1
        return self.last_letter

    def unbury(self, sizes: Iterable[int], *, discarded: bool) -> None:
        """Stop counting dead letters of these sizes. ``discarded``: they were not redriven."""
        sizes = list(sizes)
        self.letters = max(0, self.letters - len(sizes))
        self.letter_bytes = max(0, self.letter_bytes - sum(sizes)) if self.letters else 0
        self.discarded += len(sizes) if discarded else 0


class GroupStates(Protocol):
    """The worker groups of a log. Groups are in memory; failures and dead letters are read when they are needed.

    Changes are written with the group commit. All changes of one pass of the event loop are one change of the file.
    """

    async def ready(self) -> None:
        """Wait while the log is being moved, so that a group found then stays valid."""

    def all(self) -> Collection[StoredGroup]:
        """Return all groups."""

    def now(self) -> int:
        """Return log time (ms)."""

    def add(self, group: StoredGroup) -> None:
        """Add a group, and number it."""

    def save(self, group: StoredGroup) -> None:
        """Store a changed group; do nothing if it was removed."""

    def remove(self, group: StoredGroup) -> None:
        """Delete a group with its failures and dead letters."""

    def keep(self, group: StoredGroup, failure: StoredFailure) -> None:
        """Store the failure of an event in place of an earlier one."""

    def drop(self, group: StoredGroup, seq: int) -> None:
        """Delete the failure of an event."""

    def bury(self, group: StoredGroup, letter: DeadLetter) -> None:
        """Store a dead letter."""

    def unbury(self, group: StoredGroup, numbers: Iterable[int]) -> None:
        """Delete dead letters."""

    def stored(self) -> asyncio.Future[None]:
        """Return a future that is done when all changes made so far are stored, or fails with `LogError`."""

    async def failures(self, group: StoredGroup) -> Sequence[StoredFailure]:
        """Return the failures of a group, in order of seq."""

    async def letters(
        self, group: StoredGroup, *, after: int = 0, limit: int, max_bytes: int
    ) -> tuple[Sequence[DeadLetter], bool]:
        """Return a page of dead letters with a number after ``after``, and whether there are more.

        A page has at least one letter if there is one.
        """

    async def letter_sizes(self, group: StoredGroup) -> Sequence[tuple[int, int]]:
        """Return number and size of each dead letter, in order of number."""


def _size(record: Record, error: HandlerError | None) -> int:
    told = len(error.message) + len(error.traceback) if error else 0
    return size_of(record) + len(record.sender) + told + ENVELOPE
