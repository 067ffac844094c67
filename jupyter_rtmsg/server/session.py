"""A session: one Engine.IO connection on the server (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.logthrottle import throttled_logger

from ..errors import ProtocolError, WebSocketError
from ..wire.engineio import CLOSE, MESSAGE, NOOP, PING, PONG, SEPARATOR, Handshake
from ..wire.socketio import Encoded
from .outbox import CHUNK, DISCARD, Backlog
from .polling import PollingTransport
from .request import Request

if TYPE_CHECKING:
    from .engine import Engine
    from .transport import Transport
    from .upgrade import Upgrade

logger = throttled_logger(__name__)

CLOSE_PROTOCOL, CLOSE_POLICY, CLOSE_GOING_AWAY, CLOSE_SLOW = 1002, 1008, 1001, 4008
TURN_BYTES = 1 << 20  # that one session is written in a turn, before the others have theirs
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
        Secret: knowing it lets anyone speak for the session (docs/protocol.md#engineio-handshake).
    request : Request
    user : object
        Who the HTTP handshake showed the peer to be, or None.
    closed : bool
    out : list of Encoded
        What is written at the end of this turn of the loop.
    backlog : Backlog or None
        What the transport did not take then.
    received : int
        Bytes that were received and are kept: parts of messages, and events that wait for a handler.
    """

    __slots__ = (
        "_on_close", "_on_message", "_on_upgrade", "_pending", "_unsent", "backlog", "closed", "deadline", "engine",
        "id", "on_cut_off", "on_packet", "out", "principal", "received", "request", "share", "transport", "upgrade",
        "user", "violation", "waiting",
    )  # fmt: skip

    def __init__(self, engine: Engine, id: str, request: Request, user: Any = None) -> None:
        self.engine = engine
        self.id = id
        self.request = request
        self.user = user
        self.closed = False
        self.out: list[Encoded] = []
        self.backlog: Backlog | None = None
        self.received = 0
        self._unsent = 0  # when the ping was written, or its deadline moved last
        self.transport: Transport | None = None
        self.upgrade: Upgrade | None = None  # the candidate that is to take over
        self.violation = ""  # what the peer did wrong
        self.deadline: float | None = None
        self.waiting = False  # for a pong
        self.on_packet: Callable[[str | bytes], None] | None = None  # instead of listeners: packets with their digit
        self._on_message: list[Callable[[str | bytes], Any]] = []
        self._on_close: list[Callable[[str], Any]] = []
        self._on_upgrade: list[Callable[[str], Any]] = []
        self.on_cut_off: Callable[[], None] | None = None  # drops what was received and waits, after the end
        self.belongs_to(str(user) if user is not None else request.address)
        self._pending: asyncio.TimerHandle | None = None  # runs until somebody has let the peer in

    def belongs_to(self, principal: str) -> None:
        """Charge somebody with the memory and the time that this session takes."""
        self.principal = principal
        self.share = self.engine.turns.of(principal)

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
        """Send a message: text or binary. Never waits; any thread may.

        Raises
        ------
        ValueError
            If a text holds U+001E, which separates packets over polling (docs/protocol.md#engineio-encodings).
        TypeError
            If it is neither text nor bytes.
        """
        if self.engine.elsewhere:
            self.engine.hand_over(partial(self.send, message if isinstance(message, str) else bytes(message)))
            return
        if isinstance(message, str):
            if SEPARATOR in message:
                raise ValueError("a text with U+001E cannot be sent: it ends a packet on polling; send it as bytes")
            self.put(Encoded(MESSAGE.encode() + message.encode()))
        else:
            self.put(Encoded(b"", (bytes(memoryview(message)),)))

    def close(self, reason: str = "forced close", code: int = 1000) -> None:
        """Send what is waiting, then goodbye: over WebSocket with a code and the reason."""
        if not self.closed:
            self._hang_up(reason, code, "" if code == 1000 else reason)

    # --- the way out

    def put(self, encoded: Encoded) -> None:
        """Add a packet to what is written at the end of this turn."""
        out = self.out
        if not out:
            self.engine.dirty(self)
        out.append(encoded)

    def flush(self) -> None:
        """Write what waits, in pieces; what the transport does not take waits on, counted."""
        transport, out = self.transport, self.out
        if transport is None:
            return
        if out:
            self.out = []
            if transport.paused:
                out = [encoded for encoded in out if not encoded.volatile]
            if out:
                self._wait(out)
        if not transport.paused:
            self._drain(transport)

    def writable(self) -> None:
        """The transport takes more: called by it."""
        if not self.closed:
            self.flush()
            if self.backlog is None and not self.out:
                self.engine.drained(self)

    def _wait(self, packets: Sequence[Encoded]) -> None:
        if self.backlog is None:
            self.backlog = Backlog(self.engine.memory, asyncio.get_running_loop().time())
            self.engine.watch.add(self)
        self.backlog.add(packets)

    def _drain(self, transport: Transport) -> None:
        """Hand what waits to the transport, but not so much at once that others have to wait for long."""
        backlog, most = self.backlog, TURN_BYTES
        if backlog is None:
            return
        urgent = backlog.urgent
        while backlog and most > 0 and not transport.paused:
            most -= transport.take(backlog)
        if transport.paused:
            backlog.drop_volatile()
        if urgent is not None and backlog.urgent is None:  # the ping was written: its time begins
            self.engine.deadlines.set(self, asyncio.get_running_loop().time() + self.engine.ping_timeout)
        if not backlog:
            self.backlog = None
        elif not transport.paused:
            asyncio.get_running_loop().call_soon(self.writable)

    @property
    def ready(self) -> bool:
        """Whether the peer can be written to now."""
        return self.transport is not None and not self.transport.paused and self.backlog is None

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be given to the operating system. Always so after the end."""
        return self.closed or (self.ready and not self.out)

    @property
    def held(self) -> int:
        """Bytes that wait for this session, or were received and not yet dealt with."""
        transport, backlog = self.transport, self.backlog
        answering = transport.unsent if transport is not None and transport.name == "polling" else 0
        return self.received + answering + (backlog.size if backlog is not None else 0)

    def hold(self, size: int) -> None:
        """Count bytes that were received and are kept; a negative size gives them back."""
        self.received += size
        self.engine.memory.add(size)
        if self.closed:
            self.engine.keep_leaving(self)

    def check(self, now: float) -> bool:
        """Cut off a peer that stopped reading, or takes too little of too much; return whether to look again."""
        backlog, transport, engine = self.backlog, self.transport, self.engine
        if backlog is None or transport is None:
            return False
        unsent = transport.unsent
        backlog.progressed(unsent, now)
        waiting, excess = backlog.size + unsent, backlog.excess
        backlog.excess = waiting > engine.max_queue
        if now - backlog.moved >= engine.send_timeout:
            self.cut_off(f"nothing was read for {now - backlog.moved:.0f} s while {waiting:,} bytes were waiting")
        elif excess and backlog.excess:
            self.cut_off(f"{waiting:,} bytes were waiting, more than {engine.max_queue:,}")
        return not self.closed

    def cut_off(self, why: str, *, now: bool = False) -> None:
        """Close a session that costs too much, tell the peer why, and handle no more of what it sent.

        Parameters
        ----------
        why : str
        now : bool
            Whether its memory is needed at once: a large frame is not written to its end.
        """
        logger.info("session of %s cut off: %s", self.request.address, why)
        if self.closed:
            if self.on_cut_off is not None:
                self.on_cut_off()
            return
        transport, rest = self.transport, 0
        if self.backlog is not None:
            self.backlog.cut()
            rest = self.backlog.size
        if transport is not None and transport.name == "polling":
            rest += transport.unsent
        if transport is not None and now and rest > CHUNK:
            self.ended("too slow")
            transport.abort()
            return
        self.out = []
        self._hang_up("too slow", CLOSE_SLOW, f"too slow: {why}")

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
        elif packet[:1] != NOOP and not self.closed:  # clients do not ping, and there is nothing to upgrade
            self.violated(ProtocolError(f"unexpected Engine.IO packet {packet!r:.20}"))

    def violated(self, error: ProtocolError, *, late: bool = False) -> None:
        """The peer broke the protocol: close, and say why.

        Parameters
        ----------
        error : ProtocolError
        late : bool
            Whether a GET that comes later is still answered, with what waits and a close packet. It is refused, as in
            Node, behind a violation of Engine.IO.
        """
        logger.info("session of %s closed: %s", self.request.address, error)
        self.violation = str(error)
        code = error.code if isinstance(error, WebSocketError) else CLOSE_PROTOCOL
        self._hang_up("parse error", code, str(error), late=late)

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
        if self.closed or self.deadline is None or self.transport is None:
            return
        loop, timeout = asyncio.get_running_loop(), self.engine.ping_timeout
        now = loop.time()
        if not self.waiting:
            # From the deadline, not from now: a peer that sleeps for interval + timeout finds the session gone
            # (docs/protocol.md#engineio-heartbeat). But a loop that was blocked for long has asked too late, and
            # the peer must not pay for that.
            self._ping(self.transport, self.deadline if now - self.deadline < timeout / 2 else now)
        elif (later := self._reprieve(self.transport, now)) is not None:
            self.engine.deadlines.set(self, later)
        else:
            self._hang_up("ping timeout", 1000, "", late=False)

    def _ping(self, transport: Transport, asked: float) -> None:
        self.waiting = True
        self._unsent = transport.unsent
        deadline = asked + self.engine.ping_timeout
        if self.backlog is None:
            self.put(_PING)
            self.engine.deadlines.set(self, deadline)
            return
        self.backlog.jump(_PING)
        if transport.unsent or transport.name != "polling":
            self.deadline = None  # until it is written: meanwhile `check` looks whether the peer reads
        else:
            self.engine.deadlines.set(self, deadline)  # nobody reads at all

    def _reprieve(self, transport: Transport, now: float) -> float | None:
        """Return until when to wait for a pong that may be on its way; None: no longer."""
        heard = transport.deaf_until + self.engine.ping_timeout
        if now < heard:  # it may have come, unread behind events that wait
            return heard
        unsent, before = transport.unsent, self._unsent
        if self.backlog is not None:  # the ping may be behind what is being read
            self._unsent = sys.maxsize
            self.backlog.progressed(unsent, now)
            read = self.backlog.moved
        else:
            self._unsent = unsent
            read = now if unsent < before else -math.inf
        return read + self.engine.ping_timeout if read + self.engine.ping_timeout > now else None

    def _ponged(self) -> None:
        if self.waiting:  # an unsolicited pong is harmless, and costs nothing
            self.waiting = False
            self.engine.deadlines.set(self, asyncio.get_running_loop().time() + self.engine.ping_interval)

    def _hang_up(self, reason: str, code: int, why: str, *, late: bool = True) -> None:
        """End the session; what waits is written before the goodbye, for a ``late`` poll too."""
        transport, out = self.transport, self.out
        if out and transport:
            self._wait(out)
        backlog, self.backlog = self.backlog, None
        self.ended(reason)
        if transport:
            transport.close(code, why, backlog, late=late)

    def ended(self, reason: str) -> None:
        """The session is over: tell everyone, once."""
        if self.closed:
            return
        self.closed = True
        self.out = DISCARD
        self.deadline = None
        self.transport = None
        if self.backlog is not None:
            self.backlog.clear()
            self.backlog = None
        if self._pending is not None:
            self._admitted(self._pending)
        if self.upgrade is not None:
            self.upgrade.session_ended(reason)
        self.engine.closed(self)
        if self.received:
            self.engine.keep_leaving(self)
        self.on_packet = None
        for listener in self._on_close:
            call(listener, reason)
        self._on_close.clear()
        self._on_message.clear()
        self._on_upgrade.clear()
