"""The parts of an engine and of an upgrade that sessions use, as protocols: their modules import the session's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from .admission import Admission
from .memory import Memory
from .timers import Deadlines, Watch
from .turns import Turns

S = TypeVar("S", contravariant=True)


class SessionEngine(Protocol[S]):
    """The part of an `Engine` that its sessions (of type ``S``) and their transports use.

    Attributes
    ----------
    ping_interval, ping_timeout, send_timeout : float
        Seconds.
    max_payload, max_queue, max_pending_payload : int
        Bytes.
    upgrades : tuple of str
        Transports that a polling session may be upgraded to.
    memory, turns, watch, deadlines, admission
        Shared by all sessions.
    """

    ping_interval: float
    ping_timeout: float
    send_timeout: float
    max_payload: int
    max_queue: int
    max_pending_payload: int
    upgrades: tuple[str, ...]
    memory: Memory
    turns: Turns
    watch: Watch
    deadlines: Deadlines
    admission: Admission

    # --- called by a session

    def opened(self, session: S) -> None:
        """Add a session whose transport is ready."""

    def dirty(self, session: S) -> None:
        """Flush a session at the end of this turn of the event loop."""

    def drained(self, session: S) -> None:
        """Note that no packet waits for a session."""

    def keep_leaving(self, session: S) -> None:
        """Keep a closed session while it holds bytes."""

    def closed(self, session: S) -> None:
        """Remove a session that has ended."""

    async def wait_drained(self, session: S) -> None:
        """Wait until no packet waits for a session."""

    # --- for its sockets

    def count_dropped(self) -> None:
        """Count an event that no handler will get."""

    def count_mended(self) -> None:
        """Count a packet whose text held half of a surrogate pair."""

    # --- threads

    @property
    def elsewhere(self) -> bool:
        """Whether the current thread is not that of the sessions' event loop."""

    def hand_over(self, call: Callable[[], object]) -> None:
        """Have a function called on the event loop."""

    def check_thread(self, call: str) -> None:
        """Raise `RuntimeError` on another thread than the event loop's."""


class Candidate(Protocol):
    """The part of an `Upgrade` that its session uses."""

    def admitted(self) -> None:
        """Accept messages of full size: the session was admitted."""

    def session_ended(self, reason: str) -> None:
        """Close the candidate unless packets are left for it: the session has ended."""
