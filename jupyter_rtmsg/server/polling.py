"""The polling transport: the server's packets leave in responses to GETs, the client's arrive in bodies of POSTs.

See docs/protocol.md#engineio-polling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import tornado.iostream
import tornado.web

from jupyter_rtmsg.errors import ProtocolError
from jupyter_rtmsg.wire.engineio import CLOSE, NOOP, SEPARATOR, Packet, decode_payload

from .outbox import Backlog
from .rejection import Refused
from .responses import RESPONSE_SIZE, ClosedSessions, PollResponse, on_connection_close, stream_of
from .session import Session
from .websocket import TURN

LINGER = 5.0  # seconds that a client has to read its final response


class PollingTransport:
    """The transport of a session whose client polls.

    At any time there is at most one open GET and one POST; a second of either kind breaks the protocol. A GET is in one
    of three states, which exclude each other:

    * *open*: ``_poll`` is the future that `get` awaits, and ``paused`` is False: the session may write;
    * *answered*: ``_answering`` is True from `_answer` until `get` resumes with the body;
    * *being written*: ``_writing`` is the response that the client is reading.

    Otherwise the session's packets wait in its backlog for the next GET. ``_session`` becomes None when the session has
    ended or a WebSocket has taken over.

    Parameters
    ----------
    session : Session
    closed_sessions : ClosedSessions
        Keeps the final payloads for later GETs.

    Attributes
    ----------
    paused : bool
        Whether no GET is open.
    probing : bool
        Whether a WebSocket is about to take over. GETs are then answered at once.
    """

    name = "polling"
    __slots__ = (
        "_answering", "_bodies", "_closed_sessions", "_deadlines", "_poll", "_posting", "_readable", "_resumed",
        "_session", "_surplus", "_when_free", "_writing", "paused", "probing",
    )  # fmt: skip

    def __init__(self, session: Session, closed_sessions: ClosedSessions) -> None:
        self._session: Session | None = session
        self._closed_sessions = closed_sessions
        self._poll: asyncio.Future[str] | None = None
        self._answering = False
        self._writing: PollResponse | None = None
        self._posting = False  # the packets of a POST are being handled
        self._bodies: dict[tornado.web.RequestHandler, Callable[[], None]] = {}  # POSTs, each with its `drop` callback
        self._deadlines: dict[tornado.web.RequestHandler, asyncio.TimerHandle] = {}  # of incomplete bodies
        self._surplus: set[tornado.web.RequestHandler] = set()  # POSTs that began while another was open
        self._when_free: Callable[[], None] | None = None
        self._readable: asyncio.Future[None] | None = None  # set while the session has paused reading
        self._resumed = 0.0  # when it resumed reading, in the loop's time
        self.paused = True
        self.probing = False

    # --- requests

    async def get(self, handler: tornado.web.RequestHandler) -> None:
        """Answer a GET as soon as there are packets."""
        session = self._session
        if session is None:
            raise Refused(1, "Session ID unknown")
        if self._poll is not None or self._writing is not None:
            self._overlapped(session)
            handler.set_status(400)
            return
        if stream_of(handler).closed():  # a close callback set now would never be called
            session.ended("transport close")
            return
        poll = self._poll = asyncio.get_running_loop().create_future()
        on_connection_close(handler, lambda: self._aborted(poll))
        self.paused = False
        session.writable()
        if self.probing and not poll.done():
            self._answer(NOOP)
        try:
            body = await poll
        except asyncio.CancelledError:
            self._answering = False
            return  # the client is gone
        await self._respond(handler, body)

    async def _respond(self, handler: tornado.web.RequestHandler, body: str) -> None:
        """Write the response. If that fails its packets are lost, so the session ends."""
        response = self._writing = PollResponse(handler, body)
        self._answering = False
        session, held = self._session, response.unsent
        if session:
            session.engine.memory.add(held)
        try:
            await response.write()
        except tornado.iostream.StreamClosedError:
            if self._session:
                self._session.ended("transport error")
        finally:
            self._writing = None
            self._check_free()
            if session:
                session.engine.memory.add(-held)

    async def post(self, handler: tornado.web.RequestHandler, body: bytes | bytearray) -> None:
        """Handle the packets of a POST."""
        self._body_is_complete(handler)
        session = self._session
        if session is None:
            raise Refused(1, "Session ID unknown")
        if self._posting or handler in self._surplus:
            self._overlapped(session)
            handler.set_status(400)
            return
        self._posting = True  # before the first await: a second POST must find it
        try:
            await self._receive(session, _packets(handler, body))
        except ProtocolError as error:
            session.violated(error)
            handler.set_status(400)
            return
        finally:
            self._posting = False
            self._check_free()
        if session.violation:  # of a Socket.IO packet in this body
            handler.set_status(400)
            return
        handler.set_header("Content-Type", "text/html")
        handler.set_header("Cache-Control", "no-store")
        handler.write("ok")

    async def _receive(self, session: Session, packets: list[Packet]) -> None:
        """Pass packets to the session, `TURN` at a time and no longer than its principal's turn (see `Turns`)."""
        share, time = session.share, asyncio.get_running_loop().time
        if share.over:
            await share.turn()
        begun = time()
        for at, packet in enumerate(packets, 1):
            if packet == CLOSE:
                self._answer(NOOP)  # an open GET must not be left without a response
                session.ended("transport close")
            if session.closed:
                return
            session.receive(packet)
            if self._readable is not None:
                await self._readable
                begun = time()
            elif not at % TURN or (not at & 15 and time() - begun >= share.rest):
                share.charge(time() - begun)
                await share.turn()
                begun = time()
        share.charge(time() - begun)

    def _overlapped(self, session: Session) -> None:
        """End the session: two GETs or two POSTs at once break the protocol (docs/protocol.md#engineio-polling)."""
        session.violated(ProtocolError("two polling requests of one kind at once"))

    def _aborted(self, poll: asyncio.Future[str]) -> None:
        """End the session: its client closed the connection of an open GET. Packets written there would be lost."""
        if not poll.done():
            poll.cancel()
            self._poll = None
            if self._session:
                self._session.ended("transport close")

    def _answer(self, body: str) -> None:
        """Answer the open GET, if there is one."""
        poll, self._poll = self._poll, None
        self.paused = True  # until the next GET
        if poll is not None and not poll.done():
            self._answering = True  # `get` resumes in a later step, and no upgrade may begin before it has written
            poll.set_result(body)

    # --- for an upgrade, which waits until no request is under way

    @property
    def busy(self) -> bool:
        """Whether a POST is being received or the response to a GET written."""
        return self._answering or self._writing is not None or self._posting or bool(self._bodies)

    def when_free(self, callback: Callable[[], None]) -> None:
        """Call back once this is no longer `busy`. A later call replaces the callback."""
        self._when_free = callback

    def body_begins(
        self, handler: tornado.web.RequestHandler, drop: Callable[[], None], too_late: Callable[[], None]
    ) -> bool:
        """Register a POST whose body is about to be received.

        Parameters
        ----------
        handler : tornado.web.RequestHandler
        drop : callable
            Called when the session has ended and the body is no longer needed.
        too_late : callable
            Called if the body is incomplete after the engine's ``send_timeout``.

        Returns
        -------
        bool
            False if another POST is under way, so that this one is rejected.
        """
        first = not self._bodies  # a second POST at once is rejected when it is complete
        self._bodies[handler] = drop
        if self._session is not None:
            timeout = self._session.engine.send_timeout
            self._deadlines[handler] = asyncio.get_running_loop().call_later(timeout, too_late)
        if not first:
            self._surplus.add(handler)
        return first

    def _body_is_complete(self, handler: tornado.web.RequestHandler) -> None:
        deadline = self._deadlines.pop(handler, None)
        if deadline is not None:
            deadline.cancel()

    def is_surplus(self, handler: tornado.web.RequestHandler) -> bool:
        """Return whether a POST began while another was under way."""
        return handler in self._surplus

    def body_ended(self, handler: tornado.web.RequestHandler) -> None:
        """Unregister a POST that was answered or aborted."""
        self._body_is_complete(handler)
        self._bodies.pop(handler, None)
        self._surplus.discard(handler)
        self._check_free()

    def _drop_bodies(self) -> None:
        for drop in self._bodies.values():
            drop()

    def _check_free(self) -> None:
        if self._when_free is not None and not self.busy:
            callback, self._when_free = self._when_free, None
            callback()

    # --- for the session: `Transport`

    def take(self, backlog: Backlog) -> int:
        """See `Transport.take`. One response has at most `RESPONSE_SIZE` bytes, or a single larger packet."""
        packets = backlog.take_packets(RESPONSE_SIZE)
        self._answer(SEPARATOR.join([encoded.polling for encoded in packets]))
        return RESPONSE_SIZE

    @property
    def unsent(self) -> int:
        """See `Transport.unsent`."""
        return self._writing.unsent if self._writing else 0

    @property
    def abandoned(self) -> bool:
        """See `Transport.abandoned`. A closed connection shows when the POST is answered, so this is always False."""
        return False

    def set_max_size(self, size: int) -> None:
        """Do nothing: `EngineRequests` compares each body with `Session.max_size`."""

    @property
    def reads_resume_at(self) -> float:
        """See `Transport.reads_resume_at`."""
        return self._resumed if self._readable is None else asyncio.get_running_loop().time()

    def pause_reading(self) -> None:
        """Delay the rest of the POST, and with it its response."""
        if self._readable is None:
            self._readable = asyncio.get_running_loop().create_future()

    def resume_reading(self) -> None:
        """Continue the POST."""
        readable, self._readable = self._readable, None
        if readable is not None:
            self._resumed = asyncio.get_running_loop().time()
            readable.set_result(None)

    def close(self, code: int = 1000, reason: str = "", backlog: Backlog | None = None, *, late: bool = True) -> None:
        """See `Transport.close`. Answer one GET with the backlog, and the next with a close packet.

        They need two responses: socket.io-client drops the events that precede a close packet in a payload.
        """
        session, self._session = self._session, None
        self._drop_bodies()
        rest = backlog.take_packets(backlog.size) if backlog else []
        if backlog:
            backlog.clear()
        bodies = [SEPARATOR.join([encoded.polling for encoded in rest])] if rest else []
        bodies.append(CLOSE)
        if self._poll is not None:
            self._answer(bodies.pop(0))
        if bodies and session and late:  # for GETs that are still to come
            self._closed_sessions.add(session.id, session.user, bodies)
        if self._writing is not None:
            asyncio.get_running_loop().call_later(LINGER, self._abort, self._writing, self._writing.unsent)
        self.resume_reading()  # a POST that was delayed is answered

    def abort(self) -> None:
        """See `Transport.abort`."""
        self._session = None
        self._drop_bodies()
        if self._writing is not None:
            self._writing.abort()
        self.resume_reading()

    def _abort(self, response: PollResponse, before: int) -> None:
        """Abort the final response unless its client has read some of it since the last check."""
        if self._writing is not response:
            return
        unsent = response.unsent
        if 0 < unsent < before:
            asyncio.get_running_loop().call_later(LINGER, self._abort, response, unsent)
        else:
            response.abort()

    def probe(self, probing: bool) -> None:
        """Note whether a WebSocket is about to take over."""
        self.probing = probing
        if probing:
            self._answer(NOOP)  # an open GET would delay the upgrade until the next packet

    def retire(self) -> None:
        """Give the session up: a WebSocket has taken over."""
        self._answer(NOOP)  # the client waits for the end of its last GET before it reads the WebSocket
        self._session = None
        self.resume_reading()


def _packets(handler: tornado.web.RequestHandler, body: bytes | bytearray) -> list[Packet]:
    if handler.request.headers.get("Content-Type", "").startswith("application/octet-stream"):
        raise ProtocolError("a polling body is text: binary packets are base64 in it")
    try:
        return decode_payload(body.decode())
    except UnicodeDecodeError:
        raise ProtocolError("a polling body must be UTF-8") from None
