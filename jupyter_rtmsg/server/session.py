"""A session: one Engine.IO connection on the server (PROTOCOL 1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ProtocolError, WebSocketError
from ..wire.engineio import CLOSE, MESSAGE, NOOP, PING, PONG, SEPARATOR, Handshake
from ..wire.socketio import Encoded
from .outbox import DISCARD, Backlog
from .polling import PollingTransport
from .request import Request

if TYPE_CHECKING:
    from .engine import Engine
    from .transport import Transport
    from .upgrade import Upgrade

logger = logging.getLogger(__name__)

CLOSE_PROTOCOL, CLOSE_POLICY, CLOSE_GOING_AWAY, CLOSE_SLOW = 1002, 1008, 1001, 4008
_PING = Encoded(PING.encode())


def call(listener: Callable[[Any], Any], argument: Any) -> None:
    """Call a listener, whose fault must not end a connection that did none."""
    try:
        listener(argument)
    except Exception:
        logger.exception("a listener of a session raised")


class Session:
    """One Engine.IO connection.

    Attributes
    ----------
    id : str
        Secret: knowing it lets anyone speak for the session (PROTOCOL 1.1).
    request : Request
    user : object
        Who the HTTP handshake showed the peer to be, or None.
    closed : bool
    out : list of Encoded
        What is written at the end of this turn of the loop.
    """

    __slots__ = (
        "_on_close", "_on_message", "_on_upgrade", "_pending", "closed", "deadline", "engine", "id", "on_packet", "out",
        "request", "transport", "upgrade", "user", "violation", "waiting",
    )  # fmt: skip

    def __init__(self, engine: Engine, id: str, request: Request, user: Any = None) -> None:
        self.engine = engine
        self.id = id
        self.request = request
        self.user = user
        self.closed = False
        self.out: list[Encoded] = []
        self.transport: Transport | None = None
        self.upgrade: Upgrade | None = None  # the candidate that is to take over
        self.violation = ""  # what the peer did wrong
        self.deadline: float | None = None
        self.waiting = False  # for a pong
        self.on_packet: Callable[[str | bytes], None] | None = None  # instead of listeners: packets with their digit
        self._on_message: list[Callable[[str | bytes], Any]] = []
        self._on_close: list[Callable[[str], Any]] = []
        self._on_upgrade: list[Callable[[str], Any]] = []
        self._pending: asyncio.TimerHandle | None = None  # runs until somebody has let the peer in

    # --- for applications

    def on(self, event: str, listener: Callable[..., Any]) -> Callable[..., Any]:
        """Listen to an event of this session.

        ``"message"`` is called with each str or bytes, ``"close"`` with the reason, and ``"upgrade"`` with the name of
        the transport that took over.
        """
        if event == "message":
            self._on_message.append(listener)
        elif event == "close":
            self._on_close.append(listener)
        elif event == "upgrade":
            self._on_upgrade.append(listener)
        else:
            raise ValueError(f"a session has the events 'message', 'close' and 'upgrade', not {event!r}")
        return listener

    def send(self, message: str | bytes) -> None:
        """Send a message: text or binary. Never waits.

        Raises
        ------
        ValueError
            If a text holds U+001E, which separates the packets of a polling payload (PROTOCOL 1.3).
        TypeError
            If it is neither text nor bytes.
        """
        if isinstance(message, str):
            if SEPARATOR in message:
                raise ValueError("a text with U+001E cannot be sent: it ends a packet on polling; send it as bytes")
            self.put(Encoded(MESSAGE.encode() + message.encode()))
        else:
            self.put(Encoded(b"", (bytes(memoryview(message)),)))

    def close(self, reason: str = "forced close", code: int = 1000) -> None:
        """Send what is waiting, then goodbye: over WebSocket with a code and the reason."""
        if not self.closed:
            self._hang_up(reason, code, "" if code == 1000 else reason, self.out)

    # --- the way out

    def put(self, encoded: Encoded) -> None:
        """Add a packet to what is written at the end of this turn."""
        out = self.out
        if not out:
            self.engine.dirty(self)
        out.append(encoded)

    def flush(self) -> None:
        """Write what waits; what the stream does not take waits on, counted."""
        transport, outbox = self.transport, self.out
        if transport is None or self.closed:
            return
        rest = transport.send_all(outbox)
        self.out = Backlog(rest, self.engine.max_queue, self._fell_behind) if rest or transport.paused else []

    def writable(self) -> None:
        """The transport takes more: called by it."""
        if not self.closed:
            self.flush()
            if not self.out:
                self.engine.drained(self)

    def _fell_behind(self) -> None:
        # Called in the midst of a broadcast: what happens to rooms and members must wait until it is done.
        self.out = DISCARD
        asyncio.get_running_loop().call_soon(self._cut_off)

    def _cut_off(self) -> None:
        if self.closed:
            return
        limit = self.engine.max_queue
        logger.info("session of %s cut off: more than %d bytes were waiting for it", self.request.address, limit)
        self._hang_up("too slow", CLOSE_SLOW, f"too slow: more than {limit} bytes were waiting", ())

    @property
    def ready(self) -> bool:
        """Whether the peer can be written to now."""
        return self.transport is not None and not self.transport.paused

    # --- the way in

    @property
    def max_size(self) -> int:
        """The largest message that is accepted now, in bytes."""
        engine = self.engine
        return engine.max_payload if self._pending is None else min(engine.max_payload, engine.max_pending_payload)

    def receive(self, packet: str | bytes) -> None:
        """Take a packet from the transport."""
        if packet[:1] == MESSAGE or type(packet) is bytes:
            if self.on_packet is not None:
                self.on_packet(packet)
            else:
                message = packet[1:] if type(packet) is str else packet
                for listener in self._on_message:
                    call(listener, message)
        elif packet == PONG:
            self._ponged()
        elif packet == CLOSE:
            self.close("transport close")
        elif (
            packet[:1] != NOOP and not self.closed
        ):  # clients do not ping, and there is nothing to upgrade (PROTOCOL 1.6, 1.7)
            self.violated(ProtocolError(f"unexpected Engine.IO packet {packet!r:.20}"))

    def violated(self, error: ProtocolError, rest: Sequence[Encoded] | None = None) -> None:
        """The peer broke the protocol: close, and say why.

        Parameters
        ----------
        error : ProtocolError
        rest : sequence of Encoded, optional
            What a GET that comes later is still answered with, before the close packet. None: such a GET is refused, as
            in Node behind a violation of Engine.IO.
        """
        logger.info("session of %s closed: %s", self.request.address, error)
        self.violation = str(error)
        code = error.code if isinstance(error, WebSocketError) else CLOSE_PROTOCOL
        self._hang_up("parse error", code, str(error), rest)

    # --- life

    def opened(self, transport: Transport) -> None:
        """The transport is ready: called by it, once."""
        engine = self.engine
        self.transport = transport
        upgrades = engine.upgrades if transport.name == "polling" else ()
        handshake = Handshake(self.id, engine.ping_interval, engine.ping_timeout, engine.max_payload, upgrades)
        self.put(Encoded(handshake.encode().encode()))
        loop = asyncio.get_running_loop()
        engine.deadlines.set(self, loop.time() + engine.ping_interval)
        engine.opened(self)

    def probing(self, probing: bool) -> None:
        """A WebSocket is about to take over from polling, or failed to."""
        if isinstance(self.transport, PollingTransport):
            self.transport.probe(probing)

    def upgraded(self, transport: Transport) -> None:
        """A WebSocket took over."""
        if isinstance(self.transport, PollingTransport):
            self.transport.retire()
        self.transport = transport
        self.writable()
        for listener in self._on_upgrade:
            call(listener, transport.name)

    def pend(self, seconds: float) -> None:
        """Close unless `admit` is called in time."""
        if self.user is None:
            self.engine.admission.enter(self.request.address)
        self._pending = asyncio.get_running_loop().call_later(seconds, self._not_admitted)

    def admit(self) -> None:
        """The peer was let in: from now on it may send messages of full size and stay."""
        if self._pending is not None:
            self._admitted(self._pending)
            if self.transport:
                self.transport.set_max_size(self.max_size)
            if self.upgrade:
                self.upgrade.admitted()

    def _admitted(self, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._pending = None
        if self.user is None:
            self.engine.admission.leave(self.request.address)

    @property
    def pending(self) -> bool:
        """Whether nobody has let the peer in yet."""
        return self._pending is not None

    def _not_admitted(self) -> None:
        self.close("connect timeout", CLOSE_POLICY)

    def expire(self) -> None:
        """The heartbeat's deadline has come."""
        if self.closed or self.deadline is None:
            return
        now, timeout = asyncio.get_running_loop().time(), self.engine.ping_timeout
        if self.waiting:
            heard = self.transport.deaf_until + timeout if self.transport else now
            if now < heard:  # its pong may have come, unread behind events that wait
                self.engine.deadlines.set(self, heard)
            else:
                self._hang_up("ping timeout", 1000, "", None)
            return
        self.waiting = True
        self.put(_PING)
        # From the deadline, not from now: a peer that sleeps interval + timeout finds the session gone (PROTOCOL 1.6).
        # But a loop that was blocked for long has asked too late, and the peer must not pay for that.
        asked = self.deadline if now - self.deadline < timeout / 2 else now
        self.engine.deadlines.set(self, asked + timeout)

    def _ponged(self) -> None:
        if self.waiting:  # an unsolicited pong is harmless, and costs nothing
            self.waiting = False
            self.engine.deadlines.set(self, asyncio.get_running_loop().time() + self.engine.ping_interval)

    def _hang_up(self, reason: str, code: int, why: str, rest: Sequence[Encoded] | None) -> None:
        transport = self.transport
        self.ended(reason)
        if transport:
            transport.close(code, why, rest)

    def ended(self, reason: str) -> None:
        """The session is over: tell everyone, once."""
        if self.closed:
            return
        self.closed = True
        self.out = DISCARD
        self.deadline = None
        self.transport = None
        if self._pending is not None:
            self._admitted(self._pending)
        if self.upgrade is not None:
            self.upgrade.cancel(reason=reason)
        self.engine.closed(self)
        self.on_packet = None
        for listener in self._on_close:
            call(listener, reason)
        self._on_close.clear()
        self._on_message.clear()
        self._on_upgrade.clear()
