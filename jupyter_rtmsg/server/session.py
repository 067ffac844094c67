"""A session: one Engine.IO connection on the server (docs/protocol.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from jupyter_rtmsg.errors import ProtocolError, WebSocketError
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.engineio import CLOSE, MESSAGE, NOOP, PONG, SEPARATOR, OpenPacket
from jupyter_rtmsg.wire.socketio import Encoded

from .admission import Pending
from .heartbeat import Heartbeat
from .interfaces import Candidate, SessionEngine
from .outbox import CHUNK, DISCARD, Backlog
from .request import Request
from .transport import Transport

logger = throttled_logger(__name__)

CLOSE_PROTOCOL, CLOSE_POLICY, CLOSE_GOING_AWAY, CLOSE_SLOW = 1002, 1008, 1001, 4008
TURN_BYTES = 1 << 20  # that are written to one session in a turn of the event loop
_EVENTS = ("message", "close", "upgrade")


def call(listener: Callable[[Any], Any], argument: Any) -> None:
    """Call a listener, and log its exception."""
    try:
        listener(argument)
    except Exception:
        logger.exception("a listener of a session raised")


class Session:
    """One Engine.IO connection.

    States: *new* until a transport is ready (`opened`), then *open*, at the same time *pending* until it is admitted
    (if the engine has a ``pending_timeout``), and *closed* after `ended`, for good. An open session may have a
    candidate for its transport (`Upgrade`).

    A packet that is sent is appended to ``out``. At the end of the turn the engine writes ``out`` to the transport;
    packets that it does not take wait in ``backlog``. A packet that is received is passed to ``on_packet`` or to
    the listeners of ``"message"`` at once.

    Attributes
    ----------
    id : str
        Secret: anybody with the id can act for the client (docs/protocol.md#engineio-handshake).
    request : Request
        That opened the session.
    user : object
        The user that the HTTP handshake has authenticated, or None.
    principal : str
        The user, or for anonymous clients the address, that the session's memory and time are charged to.
    share : Share
        The principal's part of the event loop's time.
    closed : bool
    out : list of Encoded
        Packets to write at the end of this turn of the event loop.
    backlog : Backlog or None
        Packets that the transport did not take.
    received : int
        Bytes that were received and are kept: parts of messages, and events that wait for handlers.
    transport : Transport or None
        None before `opened`, and after the end.
    violation : str
        How the peer has broken the protocol.
    """

    __slots__ = (
        "_listeners", "_on_cut_off", "_on_packet", "_pending", "backlog", "closed", "engine", "heartbeat",
        "id", "out", "principal", "received", "request", "share", "transport", "upgrade", "user", "violation",
    )  # fmt: skip

    def __init__(self, engine: SessionEngine[Session], id: str, request: Request, user: Any = None) -> None:
        self.engine = engine
        self.id = id
        self.request = request
        self.user = user
        self.closed = False
        self.out: list[Encoded] = []
        self.backlog: Backlog | None = None
        self.received = 0
        self.transport: Transport | None = None
        self.upgrade: Candidate | None = None
        self.violation = ""
        self.heartbeat = Heartbeat(engine, self)
        self._pending: Pending | None = None
        self._on_packet: Callable[[str | bytes], None] | None = None
        self._on_cut_off: Callable[[], None] | None = None
        self._listeners: dict[str, list[Callable[[Any], Any]]] = {}
        self.belongs_to(str(user) if user is not None else request.address)

    def belongs_to(self, principal: str) -> None:
        """Charge another principal with the session's memory and time."""
        self.principal = principal
        self.share = self.engine.turns.of(principal)

    def attach(self, *, on_packet: Callable[[str | bytes], None], on_cut_off: Callable[[], None]) -> None:
        """Pass packets to ``on_packet``, a text with its type digit, rather than to listeners of ``"message"``.

        ``on_cut_off`` is called to drop the events that wait, if they hold too many bytes after the session's end.
        """
        self._on_packet = on_packet
        self._on_cut_off = on_cut_off

    # --- for applications

    def on(self, event: str, listener: Callable[..., Any]) -> Callable[..., Any]:
        """Register a listener.

        Parameters
        ----------
        event : str
            Listeners of ``"message"`` get a str or bytes, those of ``"close"`` the reason, and those of ``"upgrade"``
            the name of the transport that has taken over.
        listener : callable
            Sync.
        """
        if event not in _EVENTS:
            raise ValueError(f"a session has the events 'message', 'close' and 'upgrade', not {event!r}")
        self._listeners.setdefault(event, []).append(listener)
        return listener

    def _emit(self, event: str, argument: Any) -> None:
        for listener in self._listeners.get(event, ()):
            call(listener, argument)

    def send(self, message: str | bytes) -> None:
        """Send a message, text or binary. Never waits; may be called on any thread.

        Raises
        ------
        ValueError
            If a text contains U+001E, the separator of packets over polling (docs/protocol.md#engineio-encodings).
        TypeError
            If it is neither text nor bytes.
        """
        if self.engine.elsewhere:
            self.engine.hand_over(partial(self.send, message if isinstance(message, str) else bytes(message)))
            return
        if isinstance(message, str):
            if SEPARATOR in message:
                raise ValueError(
                    "a text with U+001E cannot be sent: it separates packets over polling; send it as bytes"
                )
            self.put(Encoded(MESSAGE.encode() + message.encode()))
        else:
            self.put(Encoded(b"", (bytes(memoryview(message)),)))

    def close(self, reason: str = "forced close", code: int = 1000) -> None:
        """Write the packets that wait, then close; over WebSocket with a close code and the reason."""
        if not self.closed:
            self._hang_up(reason, code, "" if code == 1000 else reason)

    # --- writing

    def put(self, encoded: Encoded) -> None:
        """Write a packet at the end of this turn of the event loop."""
        out = self.out
        if not out:  # the first packet of this turn
            self.engine.dirty(self)
        out.append(encoded)

    def flush(self) -> None:
        """Write ``out``, in pieces. Packets that the transport does not take move to the backlog."""
        transport, out = self.transport, self.out
        if transport is None:
            return
        if out:
            self.out = []  # a new list: the old one may be shared with the `WriteCoalescer`
            if transport.paused:  # volatile packets are dropped rather than kept waiting
                out = [encoded for encoded in out if not encoded.volatile]
            if out:
                self._wait(out)
        if not transport.paused:
            self._drain(transport)

    def writable(self) -> None:
        """Continue writing: the transport takes more packets."""
        if not self.closed:
            self.flush()
            if self.backlog is None and not self.out:
                self.engine.drained(self)

    def _wait(self, packets: Sequence[Encoded]) -> None:
        if self.backlog is None:
            self.backlog = Backlog(self.engine.memory, asyncio.get_running_loop().time())
            self.engine.watch.add(self)  # calls `check` while there is a backlog
        self.backlog.add(packets)

    def _drain(self, transport: Transport) -> None:
        """Write the backlog, at most `TURN_BYTES` in a turn so that other sessions are not delayed."""
        backlog, most = self.backlog, TURN_BYTES
        if backlog is None:
            return
        urgent = backlog.urgent
        while backlog and most > 0 and not transport.paused:
            most -= transport.take(backlog)
        if transport.paused:
            backlog.drop_volatile()
        if urgent is not None and backlog.urgent is None:  # the ping was written
            self.heartbeat.ping_written()
        if not backlog:
            self.backlog = None
        elif not transport.paused:  # `TURN_BYTES` are written: the rest in the next turn
            asyncio.get_running_loop().call_soon(self.writable)

    @property
    def ready(self) -> bool:
        """Whether the transport takes packets now."""
        return self.transport is not None and not self.transport.paused and self.backlog is None

    @property
    def idle(self) -> bool:
        """Whether no packet waits. True after the end."""
        return self.closed or (self.ready and not self.out)

    @property
    def held(self) -> int:
        """Bytes that wait for the session, or were received from it and are not handled yet."""
        transport, backlog = self.transport, self.backlog
        answering = transport.unsent if transport is not None and transport.name == "polling" else 0
        return self.received + answering + (backlog.size if backlog is not None else 0)

    def hold(self, size: int) -> None:
        """Count bytes that were received and are kept; a negative size returns them."""
        self.received += size
        self.engine.memory.add(size)
        if self.closed:  # its handlers are still working: the bytes count until they are done
            self.engine.keep_leaving(self)

    def check(self, now: float) -> bool:
        """Cut off a peer that is too slow; return whether to check again. Called by `Watch` once a second."""
        backlog, transport, engine = self.backlog, self.transport, self.engine
        if backlog is None or transport is None:
            return False
        why = backlog.too_slow(transport.unsent, now, engine.max_queue, engine.send_timeout)
        if why is not None:
            self.cut_off(why)
        return not self.closed

    def cut_off(self, why: str, *, now: bool = False) -> None:
        """Close a session that holds too many bytes or whose peer is too slow. Its events that wait are dropped.

        Parameters
        ----------
        why : str
            For the log and the close frame.
        now : bool
            Whether the memory is needed at once: the connection is aborted rather than a large packet completed.
        """
        logger.info("session of %s cut off: %s", self.request.address, why)
        if self.closed:
            if self._on_cut_off is not None:
                self._on_cut_off()
            return
        transport, rest = self.transport, 0
        if self.backlog is not None:
            self.backlog.cut()
            rest = self.backlog.size
        if transport is not None and transport.name == "polling":
            rest += transport.unsent
        if transport is not None and now and rest > CHUNK:
            self.ended("too slow")  # completing a large frame for a slow peer would keep its memory
            transport.abort()
            return
        self.out = []  # a slow peer gets the reason, not the packets
        self._hang_up("too slow", CLOSE_SLOW, f"too slow: {why}")

    # --- reading

    @property
    def max_size(self) -> int:
        """The limit for messages, in bytes. It is lower while the session is pending."""
        engine = self.engine
        return engine.max_payload if self._pending is None else min(engine.max_payload, engine.max_pending_payload)

    def receive(self, packet: str | bytes) -> None:
        """Handle a packet from the transport."""
        if packet[:1] == MESSAGE or type(packet) is bytes:
            if self._on_packet is not None:
                self._on_packet(packet)
            else:
                self._emit("message", packet[1:] if type(packet) is str else packet)
        elif packet == PONG:
            self.heartbeat.ponged()
        elif packet == CLOSE:
            self.close("transport close")
        elif packet[:1] != NOOP and not self.closed:  # clients do not ping, and this transport is no candidate
            self.violated(ProtocolError(f"unexpected Engine.IO packet {packet!r:.20}"))

    def violated(self, error: ProtocolError, *, late: bool = False) -> None:
        """Close: the peer has broken the protocol.

        Parameters
        ----------
        error : ProtocolError
        late : bool
            Whether a later GET is answered, with the packets that wait and a close packet. As in Node's server, it is
            not after a violation of Engine.IO.
        """
        logger.info("session of %s closed: %s", self.request.address, error)
        self.violation = str(error)
        code = error.code if isinstance(error, WebSocketError) else CLOSE_PROTOCOL
        self._hang_up("parse error", code, str(error), late=late)

    # --- life

    def opened(self, transport: Transport) -> None:
        """Open the session: its first transport is ready."""
        engine = self.engine
        self.transport = transport
        upgrades = engine.upgrades if transport.name == "polling" else ()
        handshake = OpenPacket(self.id, engine.ping_interval, engine.ping_timeout, engine.max_payload, upgrades)
        self.put(Encoded(handshake.encode().encode()))
        self.heartbeat.start()
        engine.opened(self)

    def begin_upgrade(self, candidate: Candidate) -> None:
        """Note that a WebSocket may take over."""
        self.upgrade = candidate

    def end_upgrade(self) -> None:
        """Note that the candidate has taken over, or is closed."""
        self.upgrade = None

    def upgraded(self, transport: Transport) -> None:
        """Use another transport from now on. The old one has given the session up."""
        self.transport = transport
        self.writable()
        self._emit("upgrade", transport.name)

    def pend(self, seconds: float) -> None:
        """Close the session unless `admit` is called in time."""
        address = self.request.address if self.user is None else None
        expired = partial(self.close, "connect timeout", CLOSE_POLICY)
        self._pending = self.engine.admission.pend(address, seconds, expired)

    def admit(self) -> None:
        """Let the client stay, and send messages of full size."""
        if self._pending is not None:
            self._end_pending()
            if self.transport:
                self.transport.set_max_size(self.max_size)
            if self.upgrade:
                self.upgrade.admitted()

    def _end_pending(self) -> None:
        if self._pending is not None:
            self._pending.end()
            self._pending = None

    @property
    def pending(self) -> bool:
        """Whether the session is not admitted yet."""
        return self._pending is not None

    # --- the end

    def timed_out(self) -> None:
        """Close: no pong has arrived in time."""
        self._hang_up("ping timeout", 1000, "", late=False)

    def _hang_up(self, reason: str, code: int, why: str, *, late: bool = True) -> None:
        """End the session. The transport writes the packets that wait, then closes; see `Transport.close`."""
        transport, out = self.transport, self.out
        if out and transport:
            self._wait(out)
        backlog, self.backlog = self.backlog, None  # the transport's from now on, or `ended` would clear it
        self.ended(reason)
        if transport:
            transport.close(code, why, backlog, late=late)

    def ended(self, reason: str) -> None:
        """Become closed, and call the listeners of ``"close"``. Only the first call has an effect."""
        if self.closed:
            return
        self.closed = True
        self.out = DISCARD  # broadcasts may still append to it in this turn
        self.heartbeat.stop()
        self.transport = None  # `_hang_up` still has it, for the packets that wait
        if self.backlog is not None:
            self.backlog.clear()
            self.backlog = None
        self._end_pending()
        if self.upgrade is not None:
            self.upgrade.session_ended(reason)
        self.engine.closed(self)
        if self.received:
            self.engine.keep_leaving(self)
        self._on_packet = None
        self._emit("close", reason)
        self._listeners = {}  # breaks reference cycles through listeners
