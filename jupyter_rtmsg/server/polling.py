"""Long-polling: packets leave in the response of a GET that waits, and come in the body of a POST.

See docs/protocol.md#engineio-polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import tornado.iostream
import tornado.web
from tornado.http1connection import HTTP1Connection

from ..errors import ProtocolError
from ..wire.engineio import CLOSE, NOOP, SEPARATOR, Packet, decode_payload
from .outbox import CHUNK, Backlog
from .refusal import Refused
from .tcp import unsent
from .websocket import TURN

if TYPE_CHECKING:
    from .session import Session

COMPRESS_FROM = 1024  # bytes of a response that are worth it
RESPONSE_SIZE = 256 * 1024  # of what waits, unless one packet is larger
LINGER = 5.0  # seconds that a client has to read its last response


class PollingTransport:
    """HTTP requests of one session.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    probing : bool
        Whether a WebSocket is about to take over: GETs do not wait then.
    """

    name = "polling"
    __slots__ = (
        "_answering", "_bodies", "_deadlines", "_poll", "_posting", "_readable", "_resumed", "_session", "_surplus",
        "_when_free", "_writing", "paused", "probing",
    )  # fmt: skip

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session
        self._poll: asyncio.Future[str] | None = None  # the GET that waits
        self._writing: Response | None = None  # which the client is reading
        self._posting = False
        self._answering = False  # a GET has its answer, which is not written yet
        self._bodies: dict[tornado.web.RequestHandler, Callable[[], None]] = {}  # of POSTs under way
        self._deadlines: dict[tornado.web.RequestHandler, asyncio.TimerHandle] = {}  # of bodies that are not complete
        self._surplus: set[tornado.web.RequestHandler] = set()  # of these, those that began beside another
        self._when_free: Callable[[], None] | None = None
        self._readable: asyncio.Future[None] | None = None  # while the session wants nothing more
        self._resumed = 0.0
        self.paused = True
        self.probing = False

    # --- requests

    async def get(self, handler: tornado.web.RequestHandler) -> None:
        """Answer a GET, as soon as there is something to answer with."""
        session = self._session
        if session is None:
            raise Refused(1, "Session ID unknown")
        if self._poll is not None or self._writing is not None:
            self._overlapped(session)
            handler.set_status(400)
            return
        if _stream(handler).closed():  # its client left before this was read: nobody would be told of the end any more
            session.ended("transport close")
            return
        poll = self._poll = asyncio.get_running_loop().create_future()
        _on_close(handler, lambda: self._aborted(poll))
        self.paused = False
        session.writable()
        if self.probing and not poll.done():
            self._answer(NOOP)
        try:
            body = await poll
        except asyncio.CancelledError:
            self._answering = False
            return  # nobody is there to be answered
        await self._respond(handler, body)

    async def _respond(self, handler: tornado.web.RequestHandler, body: str) -> None:
        """Answer, and see whether it could be written: what a broken connection swallows would be lost silently."""
        response = self._writing = Response(handler, body)
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
        """Take the packets of a POST, however many."""
        self._body_is_here(handler)
        session = self._session
        if session is None:
            raise Refused(1, "Session ID unknown")
        if self._posting or handler in self._surplus:
            self._overlapped(session)
            handler.set_status(400)
            return
        self._posting = True
        try:
            await self._receive(session, _packets(handler, body))
        except ProtocolError as error:
            session.violated(error)
            handler.set_status(400)
            return
        finally:
            self._posting = False
            self._check_free()
        if session.violation:
            handler.set_status(400)
            return
        handler.set_header("Content-Type", "text/html")
        handler.set_header("Cache-Control", "no-store")
        handler.write("ok")

    async def _receive(self, session: Session, packets: list[Packet]) -> None:
        share, time = session.share, asyncio.get_running_loop().time
        if share.over:
            await share.turn()
        begun = time()
        for at, packet in enumerate(packets, 1):
            if packet == CLOSE:
                self._answer(NOOP)
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
        """Two GETs or two POSTs at once: this client lost count of its requests (docs/protocol.md#engineio-polling)."""
        session.violated(ProtocolError("two polling requests of one kind at once"))

    def _aborted(self, poll: asyncio.Future[str]) -> None:
        """The client is gone while its GET waited. Packets written to a dead response would be lost: it is over."""
        if not poll.done():
            poll.cancel()
            self._poll = None
            if self._session:
                self._session.ended("transport close")

    def _answer(self, body: str) -> None:
        """Answer the GET that waits, if one does."""
        poll, self._poll = self._poll, None
        self.paused = True
        if poll is not None and not poll.done():
            self._answering = True
            poll.set_result(body)

    # --- what an upgrade waits for

    @property
    def busy(self) -> bool:
        """Whether a POST is being received, or an answer to a GET written."""
        return self._answering or self._writing is not None or self._posting or bool(self._bodies)

    def when_free(self, callback: Callable[[], None]) -> None:
        """Call back when it is no longer `busy`; of several callbacks the last."""
        self._when_free = callback

    def body_begins(
        self, handler: tornado.web.RequestHandler, drop: Callable[[], None], too_late: Callable[[], None]
    ) -> bool:
        """A POST has begun: its body may take its time.

        Parameters
        ----------
        handler : tornado.web.RequestHandler
        drop : callable
            Called when nobody wants it any more.
        too_late : callable
            Called when it is not complete after the engine's ``send_timeout``.

        Returns
        -------
        bool
            Whether it is wanted: one at a time is.
        """
        first = not self._bodies
        self._bodies[handler] = drop
        if self._session is not None:
            timeout = self._session.engine.send_timeout
            self._deadlines[handler] = asyncio.get_running_loop().call_later(timeout, too_late)
        if not first:
            self._surplus.add(handler)
        return first

    def _body_is_here(self, handler: tornado.web.RequestHandler) -> None:
        deadline = self._deadlines.pop(handler, None)
        if deadline is not None:
            deadline.cancel()

    def is_surplus(self, handler: tornado.web.RequestHandler) -> bool:
        """Return whether a POST began while the body of another was on its way."""
        return handler in self._surplus

    def body_ended(self, handler: tornado.web.RequestHandler) -> None:
        """A POST is answered."""
        self._body_is_here(handler)
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

    # --- what the session calls

    def take(self, backlog: Backlog) -> int:
        """See `Transport.take`: a response of `RESPONSE_SIZE`, or one packet if that is larger."""
        packets = backlog.take_packets(RESPONSE_SIZE)
        self._answer(SEPARATOR.join([encoded.polling for encoded in packets]))
        return RESPONSE_SIZE

    @property
    def unsent(self) -> int:
        """See `Transport.unsent`."""
        return self._writing.unsent if self._writing else 0

    @property
    def abandoned(self) -> bool:
        """See `Transport.abandoned`: a POST that nobody waits for any more shows when it is answered."""
        return False

    def set_max_size(self, size: int) -> None:
        """The body is measured as it comes in: see `Session.max_size`."""

    @property
    def deaf_until(self) -> float:
        """See `Transport.deaf_until`."""
        return self._resumed if self._readable is None else asyncio.get_running_loop().time()

    def pause_reading(self) -> None:
        """Let the POST wait for its answer."""
        if self._readable is None:
            self._readable = asyncio.get_running_loop().create_future()

    def resume_reading(self) -> None:
        """Go on with it."""
        readable, self._readable = self._readable, None
        if readable is not None:
            self._resumed = asyncio.get_running_loop().time()
            readable.set_result(None)

    def close(self, code: int = 1000, reason: str = "", backlog: Backlog | None = None, *, late: bool = True) -> None:
        """Answer the GET that waits, or a late one, with what waits, and the next with a close packet.

        Not both in one answer: socket.io-client drops the events that stand before a close packet.
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
        if bodies and session and late:
            session.engine.farewells.add(session, bodies)
        if self._writing is not None:
            asyncio.get_running_loop().call_later(LINGER, self._abort, self._writing, self._writing.unsent)
        self.resume_reading()

    def abort(self) -> None:
        """Drop the response that is being written."""
        self._session = None
        self._drop_bodies()
        if self._writing is not None:
            self._writing.abort()
        self.resume_reading()

    def _abort(self, response: Response, before: int) -> None:
        """Give up a response of which nothing was read since it was looked at last."""
        if self._writing is not response:
            return
        unsent = response.unsent
        if 0 < unsent < before:
            asyncio.get_running_loop().call_later(LINGER, self._abort, response, unsent)
        else:
            response.abort()

    def probe(self, probing: bool) -> None:
        """A WebSocket is about to take over, or failed to."""
        self.probing = probing
        if probing:
            self._answer(NOOP)

    def retire(self) -> None:
        """A WebSocket took over."""
        self._answer(NOOP)
        self._session = None
        self.resume_reading()


def _packets(handler: tornado.web.RequestHandler, body: bytes | bytearray) -> list[Packet]:
    if handler.request.headers.get("Content-Type", "").startswith("application/octet-stream"):
        raise ProtocolError("a polling body is text: binary packets are base64 in it")
    try:
        return decode_payload(body.decode())
    except UnicodeDecodeError:
        raise ProtocolError("a polling body must be UTF-8") from None


class Response:
    """The answer to a GET: written in pieces, so that it shows whether it is read.

    Parameters
    ----------
    handler : tornado.web.RequestHandler
    body : str
        A payload.
    """

    __slots__ = ("_data", "_handler", "_stream", "_written")

    def __init__(self, handler: tornado.web.RequestHandler, body: str) -> None:
        data = body.encode()
        handler.set_header("Content-Type", "text/plain; charset=UTF-8")
        handler.set_header("Cache-Control", "no-store")
        compressed = "gzip" in handler.request.headers.get("Accept-Encoding", "")
        if COMPRESS_FROM <= len(data) <= RESPONSE_SIZE and compressed:
            handler.set_header("Content-Encoding", "gzip")
            handler.add_header("Vary", "Accept-Encoding")
            data = gzip.compress(data, compresslevel=1)
        handler.set_header("Content-Length", str(len(data)))
        self._handler = handler
        self._data = data
        self._written = 0
        self._stream = _stream(handler)

    async def write(self) -> None:
        """Write it all; raises `tornado.iostream.StreamClosedError` if the peer is gone before that."""
        data = memoryview(self._data)
        while len(data) - self._written > CHUNK:
            self._handler.write(bytes(data[self._written : self._written + CHUNK]))
            await self._handler.flush()
            self._written += CHUNK
        await self._handler.finish(bytes(data[self._written :]))
        self._written = len(data)
        if self._stream.error:
            raise tornado.iostream.StreamClosedError(self._stream.error)

    @property
    def unsent(self) -> int:
        """Bytes that the peer has not read yet, as far as the operating system tells."""
        return len(self._data) - self._written + unsent(self._stream.socket)

    def abort(self) -> None:
        """Drop the connection."""
        self._stream.close()


async def respond(handler: tornado.web.RequestHandler, body: str) -> None:
    """Answer a GET of a session that has ended."""
    with contextlib.suppress(tornado.iostream.StreamClosedError):
        await Response(handler, body).write()


def _on_close(handler: tornado.web.RequestHandler, callback: object) -> None:
    """Hear of the end of a request's connection, whatever class its handler is."""
    connection = handler.request.connection
    assert connection is not None
    connection.set_close_callback(callback)  # type: ignore[attr-defined]


def _stream(handler: tornado.web.RequestHandler) -> tornado.iostream.IOStream:
    return cast(HTTP1Connection, handler.request.connection).stream
