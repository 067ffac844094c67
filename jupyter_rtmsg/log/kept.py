"""What a log keeps beside its events: where readers have come to, and small values under a key."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, eq=False)
class Subscription:
    """How far a reader of a room has come: a named cursor.

    Attributes
    ----------
    user, room : str
    key : str
        Names it among those of a user in a room: the name that its reader chose, or what stands for a notebook's path.
    label : str
        What people see as its name.
    path : str or None
        The real path of the notebook whose place it is.
    epoch, position : str, int
        Up to where everything was handled; in another epoch than the log's, nothing is.
    opening : str
        The log's when it was moved last; empty where version 0.1.0 did it.
    n : int or None
        The number of the room's last event up to there; None where its reader did not tell.
    used : int
        When it was used last (ms of log time, see `LogClock`).
    ended : int or None
        Since when it is no more (likewise).
    inherited : bool
        Kept by version 0.1.0, which named notebooks by their relative path, and not used since.
    id : int
        Its number in the log, in the order of their beginning; 0 until it is there.
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


class Subscriptions(Protocol):
    """The subscriptions of a log: all of them in memory, and what changed written with the group commit."""

    async def ready(self) -> None:
        """Wait while the log is moved, so that what is found then stays true."""

    def all(self) -> Collection[Subscription]:
        """Return all of them, also those that have ended."""

    def now(self) -> int:
        """Return log time (ms)."""

    def add(self, subscription: Subscription) -> None:
        """Keep one more, and give it its id."""

    def save(self, subscription: Subscription) -> None:
        """Keep what was changed in one; nothing if it was removed."""

    def remove(self, subscription: Subscription) -> None:
        """Forget one."""

    def flush(self) -> None:
        """Write what was changed with the next group commit, rather than a moment later."""

    async def stored(self) -> None:
        """Return when everything that was changed until now is stored."""


class Notes(Protocol):
    """Small values under a key, such as the sessions of clients, written with the group commit; each has its end."""

    async def get(self, key: str) -> bytes | None:
        """Return the value as last put (also when it is not yet on disk), or None if there is none or it has ended."""

    def put(self, key: str, value: bytes | None, until: float) -> asyncio.Future[None]:
        """Set a value until a time (seconds since 1970), or remove it with None; the future is done once it is stored.

        A wall clock that jumps meanwhile changes nothing: the value lasts as long as it was to last when it was put.

        The future needs not be awaited, and does not fail: what could not be stored is logged.
        """

    async def all(self) -> list[tuple[str, bytes, float]]:
        """Return all notes as they are on disk: key, value, until."""
