"""What a log keeps beside its events: the subscriptions of readers, and small values under a key."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, eq=False)
class Subscription:
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
        Its number in the log, in order of creation; 0 until `Subscriptions.add`.
    opening : str
        The opening of the log in which ``position`` was reached; empty if version 0.1.0 wrote it.
    n : int or None
        The number of the room's last event up to ``position``; None if the reader did not tell it.
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

    def move_to(self, epoch: str, opening: str, position: int, n: int | None) -> None:
        """Set the cursor."""
        self.epoch, self.opening, self.position, self.n = epoch, opening, position, n

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


class Subscriptions(Protocol):
    """The subscriptions of a log. All of them are in memory; changes are written with the group commit."""

    async def ready(self) -> None:
        """Wait while the log is being moved, so that a subscription found then stays valid."""

    def all(self) -> Collection[Subscription]:
        """Return all of them, ended ones included."""

    def now(self) -> int:
        """Return log time (ms)."""

    def add(self, subscription: Subscription) -> None:
        """Add a subscription, and number it."""

    def save(self, subscription: Subscription) -> None:
        """Store a changed subscription; do nothing if it was removed."""

    def remove(self, subscription: Subscription) -> None:
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
