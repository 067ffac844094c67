"""The heartbeat of a session: pings, and how long the server waits for pongs (docs/protocol.md#engineio-heartbeat)."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import Protocol

from jupyter_rtmsg.wire.engineio import PING
from jupyter_rtmsg.wire.socketio import Encoded

from .outbox import Backlog
from .timers import Deadlines
from .transport import Transport

_PING = Encoded(PING.encode())


class HeartbeatEngine(Protocol):
    """The part of an `Engine` that heartbeats use."""

    ping_interval: float
    ping_timeout: float
    deadlines: Deadlines


class HeartbeatSession(Protocol):
    """The part of a `Session` that its heartbeat uses."""

    @property
    def transport(self) -> Transport | None:
        """The live transport."""

    @property
    def backlog(self) -> Backlog | None:
        """The packets that the transport did not take."""

    def put(self, encoded: Encoded) -> None:
        """Write a packet."""

    def timed_out(self) -> None:
        """Close: the peer is taken for dead."""


class Heartbeat:
    """The heartbeat of one session.

    States: *idle* until the deadline, when a ping is sent; then *waiting* for the pong until the next deadline. While
    the ping is behind data that the peer is still reading there is no deadline: the session's check for slow peers
    finds out whether it reads.

    Parameters
    ----------
    engine : HeartbeatEngine
    session : HeartbeatSession
        Given up by `stop`.

    Attributes
    ----------
    deadline : float or None
        In the loop's time.
    waiting : bool
        Whether a pong is expected.
    """

    __slots__ = ("_engine", "_session", "_unsent", "deadline", "waiting")

    def __init__(self, engine: HeartbeatEngine, session: HeartbeatSession) -> None:
        self._engine = engine
        self._session: HeartbeatSession | None = session
        self._unsent = 0  # bytes when the ping was written, or when the deadline was last moved
        self.deadline: float | None = None
        self.waiting = False

    def start(self) -> None:
        """Send the first ping after an interval."""
        self._expire_in(self._engine.ping_interval)

    def stop(self) -> None:
        """End: the session is closed."""
        self.deadline = None
        self._session = None

    def ping_written(self) -> None:
        """Wait for the pong from now on: the ping has left the backlog."""
        self._expire_in(self._engine.ping_timeout)

    def ponged(self) -> None:
        """Handle a pong. An unsolicited one is ignored."""
        if self.waiting:
            self.waiting = False
            self._expire_in(self._engine.ping_interval)

    def expire(self) -> None:
        """Send a ping, or close the session if the pong is overdue: the deadline has passed."""
        session, deadline = self._session, self.deadline
        if session is None or deadline is None or session.transport is None:
            return
        now = asyncio.get_running_loop().time()
        if not self.waiting:
            # From the deadline, not from now: a peer that sleeps for interval and timeout finds its session closed. But
            # if the loop was blocked for long the ping is sent too late, which is not the peer's fault.
            timeout = self._engine.ping_timeout
            self._ping(session, session.transport, (deadline if now - deadline < timeout / 2 else now) + timeout)
            return
        later = self._extended(session, session.transport, now)
        if later is not None:
            self.expire_at(later)
        else:
            session.timed_out()

    def expire_at(self, when: float) -> None:
        """Change the deadline, in the loop's time."""
        self.deadline = when
        self._engine.deadlines.add(self)

    # --- inside

    def _expire_in(self, seconds: float) -> None:
        self.expire_at(asyncio.get_running_loop().time() + seconds)

    def _ping(self, session: HeartbeatSession, transport: Transport, deadline: float) -> None:
        self.waiting = True
        self._unsent = transport.unsent
        if session.backlog is None:
            session.put(_PING)
            self.expire_at(deadline)
            return
        session.backlog.jump(_PING)
        if transport.unsent or transport.name != "polling":
            self.deadline = None  # until `ping_written`
        else:
            self.expire_at(deadline)  # no GET is open: nothing is being read

    def _extended(self, session: HeartbeatSession, transport: Transport, now: float) -> float | None:
        """Return a later deadline if a pong may be on its way, None if the peer is taken for dead."""
        timeout = self._engine.ping_timeout
        heard = transport.reads_resume_at + timeout
        if now < heard:  # the pong may have arrived, unread behind events that wait
            return heard
        unsent, before = transport.unsent, self._unsent
        if session.backlog is not None:  # the ping may be behind data that is being read
            self._unsent = sys.maxsize
            session.backlog.progressed(unsent, now)
            progress = session.backlog.moved
        else:
            self._unsent = unsent
            progress = now if unsent < before else -math.inf
        return progress + timeout if progress + timeout > now else None
