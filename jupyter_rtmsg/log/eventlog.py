"""The interface of every event log, declared once; see docs/architecture.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .groupstates import GroupStates
from .partstore import PartStore
from .policy import RoomPolicies
from .records import Appended, Done, Draft, Fault, Lag, Page, Record, RoomStats, Take


@dataclass(slots=True, eq=False)
class StoredSubscription:
    """A named cursor: how far a reader has handled the events of a room.

    Attributes
    ----------
    user, room : str
    key : str
        Identifies it among the subscriptions of this user in this room: the name that its reader chose, or a key made
        from the path of a notebook.
    label : str
        The name that people see.
    path : str or None
        The real path of its notebook; None if it belongs to no notebook.
    epoch, position : str, int
        All events up to the position are handled. It counts only in the log of that epoch.
    used : int
        Last use (ms of log time, see `LogClock`).
    ended : int or None
        When it ended (ms of log time); None while it is in use.
    inherited : bool
        Whether it comes from version 0.1.0, which named notebooks by their relative path, and was not used since.
    id : int
        Its number in the log, in order of creation; 0 until `SubscriptionStore.add`.
    opening : str
        The opening of the log in which ``position`` was reached; empty if version 0.1.0 wrote it.
    n : int or None
        The number of the room's last event up to ``position``; None if the reader did not send it.
    generation : int
        How often its reader was moved to another position by a seek.
    """

    user: str
    room: str
    key: str
    label: str
    path: str | None = None
    epoch: str = ""
    position: int = 0
    used: int = 0
    ended: int | None = None
    inherited: bool = False
    id: int = 0
    opening: str = ""
    n: int | None = None
    generation: int = 0

    def move_to(self, epoch: str, opening: str, position: int, n: int | None) -> None:
        """Set the cursor."""
        self.epoch, self.opening, self.position, self.n = epoch, opening, position, n

    def begin_generation(self, after: int) -> None:
        """Begin the generation after one, in which acknowledgements of it and of earlier ones mean nothing."""
        self.generation = after + 1

    def rename(self, user: str, key: str, label: str) -> None:
        """Give it to a user, under a name."""
        self.user, self.key, self.label = user, key, label

    def relocate(self, path: str | None) -> None:
        """Set the path of its notebook."""
        self.path = path

    def adopt(self) -> None:
        """Record that this version has used it, whichever version made it."""
        self.inherited = False

    def touch(self, now: int) -> None:
        """Record a use (ms of log time)."""
        self.used = now

    def end(self, now: int) -> None:
        """Record its end (ms of log time)."""
        self.ended = now

    def shift(self, ms: int) -> None:
        """Translate its times to the log time of another log, which is ahead by ``ms``."""
        self.used += ms
        if self.ended is not None:
            self.ended += ms

    def register(self, id: int) -> None:
        """Set its number in the log."""
        self.id = id


class SubscriptionStore(Protocol):
    """The subscriptions of a log. All of them are in memory; changes are written with the group commit."""

    async def ready(self) -> None:
        """Wait while the log is being moved, so that a subscription found then stays valid."""

    def all(self) -> Collection[StoredSubscription]:
        """Return all of them, ended ones included."""

    def now(self) -> int:
        """Return log time (ms)."""

    def add(self, subscription: StoredSubscription) -> None:
        """Add a subscription, and number it."""

    def save(self, subscription: StoredSubscription) -> None:
        """Store a changed subscription; do nothing if it was removed."""

    def remove(self, subscription: StoredSubscription) -> None:
        """Delete a subscription."""

    def flush(self) -> None:
        """Write all changes with the next group commit, rather than a moment later."""

    async def stored(self) -> None:
        """Wait until all changes made so far are stored.

        Raises
        ------
        LogDiskError, LogFull
            If one of them could not be stored.
        """


class KeyValueStore(Protocol):
    """Small values under a key, such as the sessions of clients. They are written with the group commit, and expire."""

    async def get(self, key: str) -> bytes | None:
        """Return the last value that was put, stored or not; None if there is none or it has expired."""

    def put(self, key: str, value: bytes | None, until: float) -> asyncio.Future[None]:
        """Set a value until a time, or remove it.

        Parameters
        ----------
        key : str
        value : bytes or None
            None removes the value.
        until : float
            Seconds since 1970. Later jumps of the wall clock change nothing: the value lasts as long as it was meant to
            last when it was put.

        Returns
        -------
        asyncio.Future
            Done once the value is stored. It need not be awaited, and it does not fail: an error is logged.
        """

    async def all(self) -> list[tuple[str, bytes, float]]:
        """Return key, value and ``until`` of all values on disk."""


class EventLog(Protocol):
    """A durable, ordered log of events. All methods are called on one event loop, and none blocks it.

    An event that was damaged on disk is returned in its place, with the name ``$corrupt`` and null data.
    """

    @property
    def id(self) -> str:
        """Identifies the place where events are stored, as long as it exists. Two servers with one id share rooms."""

    @property
    def epoch(self) -> str:
        """Identifies the log. A position of another epoch means nothing here."""

    @property
    def opening(self) -> str:
        """Identifies this opening of the log. It is sent with each position that readers reach now; see `cut`."""

    @property
    def url(self) -> str:
        """Where events are stored now."""

    @property
    def durable(self) -> bool:
        """Whether events outlive the process. A log that is not durable may become so; see `MovingLog`."""

    @property
    def warning(self) -> str | None:
        """A text for users: for example that events are in memory only, or that an old log was renamed."""

    @property
    def failing(self) -> Fault | None:
        """The present failure, such as a broken disk; None if all works. The log tries again by itself."""

    @property
    def head(self) -> int:
        """The position of the last event that came out of the log; 0 if there never was one."""

    @property
    def subscriptions(self) -> SubscriptionStore:
        """The cursors of readers."""

    @property
    def key_values(self) -> KeyValueStore:
        """Small values that are stored beside the events."""

    @property
    def policies(self) -> RoomPolicies:
        """How much each room may hold."""

    @property
    def groups(self) -> GroupStates:
        """The worker groups."""

    @property
    def parts(self) -> PartStore:
        """The parts of large events."""

    def now(self) -> int:
        """Return the ts (ms since 1970) that an event would get now."""

    def log_time(self) -> int:
        """Return log time (ms), by which events and values expire."""

    def locate(self, position: int, epoch: str | None = None, opening: str | None = None) -> int | None:
        """Return the position of this epoch that has the same events before it; None if there is none.

        Parameters
        ----------
        position : int
            A position that a reader holds.
        epoch : str, optional
            Its epoch. A log that was moved from memory into its file still knows positions of before, by their epoch or
            by the position itself (see `MovingLog`).
        opening : str, optional
            The opening in which it was reached; without one, the present one. A position of another opening is valid up
            to `cut`.
        """

    def cut(self, opening: str) -> int:
        """Return the position up to which the events of an opening are those of this log.

        If the end of the log was lost, or its file was replaced by an older copy, later positions are assigned again,
        to other events. A reader whose position is not valid continues after the cut. It misses nothing, but may get
        events again if too little is known of its opening. The result is 0 for a text that is no opening.
        """

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        """Store an event. The order of calls is the order of the log.

        Returns
        -------
        asyncio.Future of Appended
            Done once the event is as durable as the log promises. It fails with `LogConflict`, `LogIdConflict`,
            `LogPartsMissing`, `LogFull` or `LogDiskError`.

        Raises
        ------
        LogBusy
            If the queue of appends is full.
        LogClosed
            After `close`.
        """

    def submit(self, draft: Draft, done: Done) -> None:
        """Store an event, and call ``done`` with the outcome, after the event came out of `follow`.

        Otherwise as `append`. Without a future for each, thousands of appends are answered in one step of the loop.
        """

    def delete(self, room: str) -> asyncio.Future[Appended]:
        """Delete the events of a room, in order with the appends.

        They are hidden once the future is done, and removed later, in slices. A new room with the same name continues
        the head and the numbers of the old one. The ids of its events are forgotten.

        Returns
        -------
        asyncio.Future of Appended
            ``seq`` is the position up to which events were deleted.
        """

    def announce(self, draft: Draft) -> None:
        """Send a volatile event to all followers without storing it, in order with the appends of this process."""

    async def read(
        self,
        room: str,
        *,
        after: int = 0,
        before: int | None = None,
        last: int | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 500,
        max_bytes: int = 500_000,
        max_attachments: int = 10,
        name: str | None = None,
        user: str | None = None,
        sender: str | None = None,
    ) -> Page:
        """Return events of a room with ``after < seq < before``.

        Parameters
        ----------
        room : str
        after, before : int
            Positions, both exclusive. Without ``before``, to the end.
        last : int, optional
            Return this many of the last events, at most ``limit``, instead of the first ones.
        since, until : int, optional
            Only events with a ts of at least, or at most, this (ms since 1970). They may not be consecutive if the wall
            clock was set back.
        limit, max_bytes, max_attachments : int
            The page ends at the first of these limits. It has at least one event if there is one.
        name, user : str, optional
            Only events with this name, or of this principal.
        sender : str, optional
            Only events of a sender with this principal, or this ``name`` or ``notebook`` in the JSON of ``sender``.

        Returns
        -------
        Page
            ``through`` is the seq of the last record if there are more, else the last position scanned: ``before - 1``
            or the head of the log.
        """

    def follow(self, *, after: int, take: Take | None = None) -> AsyncIterator[Sequence[Record]]:
        """Yield the events of all rooms after a position, in order, in batches, until the log is closed.

        A batch is yielded after it is committed, and an event never before an earlier one.

        Parameters
        ----------
        after : int
            A position.
        take : callable, optional
            Called with a batch in the step of the loop in which the log learns of its commit, once all earlier ones
            were yielded. Otherwise the batch is yielded, a pass of the loop later. If it raises, this raises the same.

        Raises
        ------
        EpochChanged
            If the log was replaced, or moved; in the latter case after all of its events.
        """

    async def retained(self, room: str) -> Sequence[Record]:
        """Return the retained values of a room, in order of their positions: the last event under each key.

        They are those of this moment, up to the last commit, and may be newer than what came out of `follow`.
        """

    async def stats(self, room: str) -> RoomStats:
        """Return the size of a room; zeros if it never had an event."""

    async def rooms(self) -> Mapping[str, RoomStats]:
        """Return the sizes of all rooms that have events or retained values, by name."""

    async def lag(self, room: str, after: int) -> Lag:
        """Count the events of a room after a position."""

    async def before_last(self, room: str, number: int) -> int:
        """Return the position before the last ``number`` events of a room, without reading their data."""

    async def position_of(self, room: str, after: int, number: int) -> int:
        """Return the position of the event that is ``number`` events after a position, without reading any data.

        If the room has fewer events after it, the result is the position of the last one, or ``after``.
        """

    async def close(self) -> None:
        """Commit all appends, end every `follow`, and release the log."""
