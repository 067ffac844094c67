"""Events that wait for a handler, and how far reading goes on meanwhile.

Handlers of a socket run one after the other. What comes behind an event whose handler still runs waits, undecoded. TCP
is in order, so a server that stopped reading there would not see the acknowledgement that this very handler may await,
nor a pong, nor that the client leaves. So reading goes on, within bounds.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from jupyter_rtmsg.logthrottle import throttled_logger

from ..wire.packet import Undecoded

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session

MAX_BYTES, MAX_EVENTS = 1 << 20, 10_000  # that wait for one session before it is read no more
WHILE_ASKING = 16  # times as many, as long as the client owes an acknowledgement
TOO_LONG = 5.0  # seconds that a handler may hold up later events before that is logged
logger = throttled_logger(__name__)


class EventQueue:
    """The events of one socket that wait for the handler that runs now.

    Parameters
    ----------
    handler : str
        Names the handler that runs; of one without a name nothing is told.
    now : float
        The loop's time.

    Attributes
    ----------
    events : deque of Undecoded
    """

    __slots__ = ("_handler", "_since", "_told", "events")

    def __init__(self, handler: str, now: float) -> None:
        self.events: deque[Undecoded] = deque()
        self.runs(handler, now)

    def runs(self, handler: str, now: float) -> None:
        """Learn which handler runs now."""
        self._handler, self._since, self._told = handler, now, False

    def check(self, now: float) -> bool:
        """Warn of a handler that holds up others for long; return whether to look again."""
        if self.events and self._handler and not self._told and now - self._since > TOO_LONG:
            self._told = True
            logger.warning(
                "%s has run for %.0f s, and %d later events of its client wait for it: let it return and go on in a "
                "task, or register it with concurrent=True",
                self._handler, now - self._since, len(self.events),
            )  # fmt: skip
        return bool(self.events)


class Waiting:
    """All events of one session that wait, and whether its transport is read.

    Parameters
    ----------
    connection : Connection

    Attributes
    ----------
    asked : int
        Acknowledgements that the client owes.
    """

    __slots__ = ("_bytes", "_connection", "_events", "_paused", "_session", "asked")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session: Session = connection.session
        self._events = 0
        self._bytes = 0
        self._paused = False
        self.asked = 0

    def add(self, event: Undecoded) -> None:
        """Count an event that begins to wait."""
        self._events += 1
        self._bytes += event.size
        self._session.hold(event.size)
        if self._too_much(1):
            self._pause()

    def remove(self, event: Undecoded) -> None:
        """Count an event that waits no more."""
        self._events -= 1
        self._bytes -= event.size
        self._session.hold(-event.size)
        if self._paused and not self._too_much(0.5):
            self._resume()

    def ask(self) -> None:
        """The client is asked for an acknowledgement: it may come behind what waits."""
        self.asked += 1
        if self._paused and not self._too_much(WHILE_ASKING):
            self._resume()

    def _too_much(self, share: float) -> bool:
        return self._bytes > share * MAX_BYTES or self._events > share * MAX_EVENTS

    def _pause(self) -> None:
        transport = self._session.transport
        if transport is None or self._paused:  # gone: what was received before that is handled
            return
        if self.asked:
            if not self._too_much(WHILE_ASKING):
                return
            self._connection.fail_acks(
                f"{self._events:,} events ({self._bytes:,} bytes) of this client wait for their handlers, and its "
                "acknowledgement is not among what was read so far"
            )
        self._paused = True
        transport.pause_reading()
        self._session.engine.watch.add(self)

    def _resume(self) -> None:
        self._paused = False
        if self._session.transport:
            self._session.transport.resume_reading()

    def check(self, now: float) -> bool:
        """Read on to the end where the client has left; return whether to look again."""
        transport = self._session.transport
        if not self._paused or transport is None:
            return False
        if transport.abandoned:
            transport.resume_reading()  # what is left is bounded by the socket's buffer
            return False
        return True
