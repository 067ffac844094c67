"""The Tornado handlers of an engine: requests of both transports, their bodies, and their origins."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import tornado.web

from jupyter_rtmsg.logthrottle import throttled_logger

from .origin import Hosts, Origins
from .polling import PollingTransport
from .rejection import Refused
from .request import Request, TrustedProxies
from .session import Session

logger = throttled_logger(__name__)

METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"
EXCESS = 16 << 20  # bytes beyond the limit that are received and dropped, so that the client can read the 413


class RequestEngine(Protocol):
    """The part of an `Engine` that handlers use."""

    origins: Origins
    hosts: Hosts
    proxies: TrustedProxies

    def session_of(self, handler: tornado.web.RequestHandler) -> Session | None:
        """Return the session that a request names."""

    async def accept(
        self, handler: tornado.web.RequestHandler, user: Any = None, body: bytes | bytearray | None = b""
    ) -> None:
        """Answer a request."""

    def refuse(self, handler: tornado.web.RequestHandler, request: Request, refusal: Refused) -> None:
        """Reject a request."""


class EngineRequests(tornado.web.RequestHandler):
    """Base class of handlers that pass requests to an engine. It measures a body while it is received.

    A subclass must be decorated with `tornado.web.stream_request_body`. Its methods call ``Engine.accept`` with
    ``body=self.payload``.

    Attributes
    ----------
    payload : bytearray or None
        The body of a POST; None if it is too large or was dropped.
    """

    payload: bytearray | None
    _session: Session | None = None  # of a POST over polling
    _polling: PollingTransport | None = None  # of that session
    _held = 0  # bytes of the body that the session is charged for

    def engine_of_request(self) -> RequestEngine:
        """Return the engine. Called once for each request."""
        raise NotImplementedError

    async def prepare(self) -> None:
        """Set the limit for the body, and register a POST with its session's transport."""
        self.payload = bytearray()
        self._received = self._limit = 0
        before = super().prepare()
        if inspect.isawaitable(before):
            await before
        if not self._finished:
            session = self.engine_of_request().session_of(self)
            self._limit = session.max_size if session else 0  # no session, no body
            if session and self.request.method == "POST" and isinstance(session.transport, PollingTransport):
                self._session, self._polling = session, session.transport
                if not self._polling.body_begins(self, self._drop, self._time_out):
                    self._limit, self.payload = -1, None  # a second POST at once: its body is dropped
            announced = self.request.headers.get("Content-Length", "")
            self._measure(int(announced) if announced.isdecimal() else 0)

    def data_received(self, chunk: bytes) -> None:
        """Add a piece to the body. The length of a chunked body is not known before its end."""
        if self._finished:
            return
        self._received += len(chunk)
        self._measure(self._received)
        if self.payload is not None:
            self.payload += chunk
            if self._session is not None:
                self._held += len(chunk)
                self._session.hold(len(chunk))

    def on_finish(self) -> None:
        """Drop the body, and unregister the POST."""
        super().on_finish()
        self._ended()

    def on_connection_close(self) -> None:
        """Do the same if the client is gone before the body is complete."""
        super().on_connection_close()
        self._ended()

    def _time_out(self) -> None:
        self._drop()
        if not self._finished:
            self.set_status(408)
            self.set_header("Connection", "close")
            self.finish()

    def _ended(self) -> None:
        self._drop()
        if self._polling:
            self._polling.body_ended(self)

    def _drop(self) -> None:
        held, self._held, self.payload = self._held, 0, None
        if self._session is not None and held:
            self._session.hold(-held)

    def _measure(self, size: int) -> None:
        """Drop a body that is too large. The session goes on (docs/protocol.md#engineio-polling)."""
        if size > self._limit:
            self.payload = None
        if size > self._limit + EXCESS and not self._finished:  # far too large to receive and drop
            self.set_status(413)
            self.set_header("Connection", "close")
            self.finish()

    def compute_etag(self) -> None:
        """Return None: no two responses to polls are the same."""


@tornado.web.stream_request_body
class EngineHandler(EngineRequests):
    """Serves an engine in a Tornado application."""

    def initialize(self, engine: RequestEngine, loopback: bool = False) -> None:
        """Store the arguments of the route: the engine, and whether the server listens on loopback addresses only."""
        self.engine = engine
        self._loopback = loopback

    def engine_of_request(self) -> RequestEngine:
        """Return the engine of the route."""
        return self.engine

    def check_xsrf_cookie(self) -> None:
        """Do nothing: these requests carry no form, and their Origin is checked."""

    async def get(self) -> None:
        """Open a session, or wait for its packets."""
        await self._accept()

    async def post(self) -> None:
        """Receive packets of a session."""
        await self._accept()

    put = delete = patch = head = post

    async def options(self) -> None:
        """Answer a preflight request if CORS is configured."""
        request = self.engine.proxies.describe(self)
        if not await self.engine.origins.preflight(self, request, METHODS):
            self.engine.refuse(self, request, Refused(2, method="OPTIONS"))

    async def _accept(self) -> None:
        request, origins = self.engine.proxies.describe(self), self.engine.origins
        try:
            if not request.query.get("sid"):  # the id of a session is secret: a rebound page cannot know it
                self.engine.hosts.check(request, self._loopback)
            origins.share(self, await origins.check(request))
        except Refused as refusal:
            logger.warning("refused a request of %s: %s", request.address, refusal)
            self.engine.refuse(self, request, refusal)
        else:
            await self.engine.accept(self, body=self.payload)
