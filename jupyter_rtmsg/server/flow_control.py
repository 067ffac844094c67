"""Flow control: the events that wait for a handler, and when reading pauses because of them.

Handlers of one socket run one after the other. Events that arrive while a handler runs wait, undecoded. Reading does
not stop at once: TCP is in order, so the server would not see the acknowledgement that this handler may be waiting for,
nor a pong, nor the client's leaving. It stops when the events that wait exceed a limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.packet import Undecoded

from .session import Session

MAX_BYTES, MAX_EVENTS = 1 << 20, 10_000  # of one session that may wait before reading pauses
WHILE_ASKING = 16  # factor for these limits while the client owes an acknowledgement
TOO_LONG = 5.0  # seconds after which a handler that later events wait for is named in a warning
logger = throttled_logger(__name__)


class EventQueue:
    """The events of one socket that wait for the running handler.

    Parameters
    ----------
    handler : str
        Describes the running handler in a warning; ``""`` for no warning.
    now : float
        The loop's time.

    Attributes
    ----------
    events : deque of Undecoded
    """

    __slots__ = ("_handler", "_since", "_warned", "events")

    def __init__(self, handler: str, now: float) -> None:
        self.events: deque[Undecoded] = deque()
        self.runs(handler, now)

    def runs(self, handler: str, now: float) -> None:
        """Note that another handler runs now."""
        self._handler, self._since, self._warned = handler, now, False

    def check(self, now: float) -> bool:
        """Warn if the handler has held up later events for long; return whether to check again."""
        if self.events and self._handler and not self._warned and now - self._since > TOO_LONG:
            self._warned = True
            logger.warning(
                "%s has run for %.0f s, and %d later events of its client wait for it: let it return and go on in a "
                "task, or register it with concurrent=True",
                self._handler, now - self._since, len(self.events),
            )  # fmt: skip
        return bool(self.events)


class FlowControl:
    """Counts the events of one session that wait for handlers, and pauses and resumes reading.

    Reading pauses above `MAX_BYTES` or `MAX_EVENTS` and resumes at half of that. While the client owes an
    acknowledgement the limits are `WHILE_ASKING` times as large, since the acknowledgement may be behind these events;
    beyond them the acknowledgements fail.

    Parameters
    ----------
    session : Session
    fail_acks : callable
        Called with the reason when the owed acknowledgements can no longer be read.

    Attributes
    ----------
    running : int
        Sockets of the session whose handler runs, so that their events wait.
    owed : int
        Acknowledgements that the client owes.
    """

    __slots__ = ("_bytes", "_events", "_fail_acks", "_paused", "_session", "owed", "running")

    def __init__(self, session: Session, fail_acks: Callable[[str], object]) -> None:
        self._session = session
        self._fail_acks = fail_acks
        self._events = 0
        self._bytes = 0
        self._paused = False
        self.owed = 0
        self.running = 0

    def handler_started(self) -> None:
        """Count a socket whose handler runs."""
        self.running += 1

    def handler_ended(self) -> None:
        """Count a socket whose handler has returned and for which no event waits."""
        self.running -= 1

    def add(self, event: Undecoded) -> None:
        """Count an event that begins to wait."""
        self._events += 1
        self._bytes += event.size
        self._session.hold(event.size)
        if self._exceeds(1):
            self._pause()

    def remove(self, event: Undecoded) -> None:
        """Count an event that no longer waits."""
        self._events -= 1
        self._bytes -= event.size
        self._session.hold(-event.size)
        if self._paused and not self._exceeds(0.5):
            self._resume()

    def ack_owed(self) -> None:
        """Count an acknowledgement that the client owes. Read on: it may be behind the events that wait."""
        self.owed += 1
        if self._paused and not self._exceeds(WHILE_ASKING):
            self._resume()

    def ack_settled(self, count: int = 1) -> None:
        """Count acknowledgements that have arrived, or that are no longer awaited."""
        self.owed -= count

    def _exceeds(self, factor: float) -> bool:
        return self._bytes > factor * MAX_BYTES or self._events > factor * MAX_EVENTS

    def _pause(self) -> None:
        transport = self._session.transport
        if transport is None or self._paused:  # after the end of the session all events that arrived are handled
            return
        if self.owed:
            if not self._exceeds(WHILE_ASKING):
                return
            self._fail_acks(
                f"{self._events:,} events ({self._bytes:,} bytes) of this client wait for their handlers, and its "
                "acknowledgement is not among the packets that were read so far"
            )
        self._paused = True
        transport.pause_reading()
        self._session.engine.watch.add(self)

    def _resume(self) -> None:
        self._paused = False
        if self._session.transport:
            self._session.transport.resume_reading()

    def check(self, now: float) -> bool:
        """Resume reading if the client has closed the connection; return whether to check again."""
        transport = self._session.transport
        if not self._paused or transport is None:
            return False
        if transport.abandoned:
            transport.resume_reading()  # the rest is bounded by the socket's buffer
            return False
        return True
