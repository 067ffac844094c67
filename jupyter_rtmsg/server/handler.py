"""The Tornado side: requests of both transports, their bodies, and who may send them from where."""

from __future__ import annotations

import inspect

import tornado.web

from jupyter_rtmsg.logthrottle import throttled_logger

from .engine import Engine
from .polling import PollingTransport
from .refusal import Refused
from .session import Session

logger = throttled_logger(__name__)

METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"
EXCESS = 16 << 20  # bytes beyond the limit that are read and dropped, so that whoever sent them can hear the answer


class EngineRequests(tornado.web.RequestHandler):
    """What any handler of an engine's requests needs: a body that is measured while it streams in.

    A subclass must be decorated with `tornado.web.stream_request_body`.

    Attributes
    ----------
    payload : bytearray, optional
        The body of a POST; None when it is too large.
    """

    payload: bytearray | None
    _session: Session | None = None  # whose POST this is
    _polling: PollingTransport | None = None  # of that session
    _held = 0  # bytes of the body that are counted as the session's

    def engine_of_request(self) -> Engine:
        """Return the engine; called once for each request."""
        raise NotImplementedError

    async def prepare(self) -> None:
        """Find out how large the body may be."""
        self.payload = bytearray()
        self._received = self._limit = 0
        before = super().prepare()
        if inspect.isawaitable(before):
            await before
        if not self._finished:
            session = self.engine_of_request().session_of(self)
            self._limit = session.max_size if session else 0  # what belongs to no session has no body
            if session and self.request.method == "POST" and isinstance(session.transport, PollingTransport):
                self._session, self._polling = session, session.transport
                if not self._polling.body_begins(self, self._let_go, self._too_late):
                    self._limit, self.payload = -1, None  # of two at once, the second is not even kept
            announced = self.request.headers.get("Content-Length", "")
            self._measure(int(announced) if announced.isdecimal() else 0)

    def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body: its length may never have been announced (chunked)."""
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
        """Let go of the body, and let an upgrade go on that waits for it."""
        super().on_finish()
        self._ended()

    def on_connection_close(self) -> None:
        """Do the same where the body will never be complete."""
        super().on_connection_close()
        self._ended()

    def _too_late(self) -> None:
        """Give up a body that has not come in time."""
        self._let_go()
        if not self._finished:
            self.set_status(408)
            self.set_header("Connection", "close")
            self.finish()

    def _ended(self) -> None:
        self._let_go()
        if self._polling:
            self._polling.body_ended(self)

    def _let_go(self) -> None:
        held, self._held, self.payload = self._held, 0, None
        if self._session is not None and held:
            self._session.hold(-held)

    def _measure(self, size: int) -> None:
        """Drop a body that is too large: 413, and the session survives (docs/protocol.md#engineio-polling)."""
        if size > self._limit:
            self.payload = None
        if size > self._limit + EXCESS and not self._finished:  # no client that counts sends this
            self.set_status(413)
            self.set_header("Connection", "close")
            self.finish()

    def compute_etag(self) -> None:
        """What is polled is never the same twice."""


@tornado.web.stream_request_body
class EngineHandler(EngineRequests):
    """Serves an engine in a Tornado application."""

    def initialize(self, engine: Engine, loopback: bool = False) -> None:
        """Take the engine from the route, and whether it is reached by the loopback interface only."""
        self.engine = engine
        self._loopback = loopback

    def engine_of_request(self) -> Engine:
        """Return the engine of the route."""
        return self.engine

    def check_xsrf_cookie(self) -> None:
        """These requests carry no form; their Origin is checked instead."""

    async def get(self) -> None:
        """Open a session, or wait for its packets."""
        await self._accept()

    async def post(self) -> None:
        """Take a session's packets."""
        await self._accept()

    put = delete = patch = head = post

    async def options(self) -> None:
        """Answer a preflight, where CORS is configured."""
        request = self.engine.proxies.describe(self)
        if not await self.engine.origins.preflight(self, request, METHODS):
            self.engine.refuse(self, request, Refused(2, method="OPTIONS"))

    async def _accept(self) -> None:
        request, origins = self.engine.proxies.describe(self), self.engine.origins
        try:
            if not request.query.get("sid"):  # who knows a session's id has opened it, or was told by who has
                self.engine.hosts.check(request, self._loopback)
            origins.share(self, await origins.check(request))
        except Refused as refusal:
            logger.warning("refused a request of %s: %s", request.address, refusal)
            self.engine.refuse(self, request, refusal)
        else:
            await self.engine.accept(self, body=self.payload)
