"""The Engine.IO server: sessions over WebSocket, on Tornado (PROTOCOL 1)."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import tornado.web

from ..wire.engineio import PROTOCOL
from .handshake import Refused, open_websocket, switching_protocols
from .heartbeat import Deadlines
from .outbox import Joiner
from .session import CLOSE_GOING_AWAY, Request, Session, call

SLICE = 256  # sessions written to before the loop does something else
_TRANSPORTS = frozenset({"websocket"})


class Engine:
    """Accepts sessions, keeps their heartbeat, and writes what they have to send.

    Parameters
    ----------
    ping_interval, ping_timeout : float
        Seconds.
    max_payload : int
        The largest message in bytes, either way.
    max_queue : int
        Bytes that may wait for a session; one more cuts it off.
    pending_timeout : float, optional
        Seconds until a session is closed that nobody has admitted (`Session.admit`). None: sessions are let in at once.
    max_pending, max_pending_per_address : int, optional
        How many sessions without a user may wait to be admitted, in all and from one address.
    max_pending_payload : int
        The largest message of a session that is not yet admitted, in bytes.
    origins : iterable of str or "*"
        Origins allowed beside the server's own; CORS does not protect a WebSocket.
    """

    def __init__(
        self,
        *,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        max_payload: int = 1_000_000,
        max_queue: int = 1 << 20,
        pending_timeout: float | None = None,
        max_pending: int | None = None,
        max_pending_per_address: int | None = None,
        max_pending_payload: int = 64 * 1024,
        origins: Iterable[str] = (),
    ) -> None:
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.max_payload = max_payload
        self.max_queue = max_queue
        self.pending_timeout = pending_timeout
        self.max_pending = max_pending
        self.max_pending_per_address = max_pending_per_address
        self.max_pending_payload = max_pending_payload
        self.origins = frozenset([origins] if isinstance(origins, str) else origins)
        self.sessions: dict[str, Session] = {}
        self.deadlines = Deadlines()
        self.closing = False
        self._dirty: list[Session] = []
        self._joiner = Joiner()
        self._pending: Counter[str] = Counter()  # sessions that nobody has admitted, by address
        self._drained: dict[Session, asyncio.Future[None]] = {}
        self._on_connection: list[Callable[[Session], Any]] = []

    # --- for applications

    def on(self, event: str, listener: Callable[[Session], Any]) -> Callable[[Session], Any]:
        """Listen to ``"connection"``, called with each new `Session`."""
        if event != "connection":
            raise ValueError(f"an engine has no event {event!r}")
        self._on_connection.append(listener)
        return listener

    def handlers(self, path: str = "/engine.io/") -> list[tuple[str, type[tornado.web.RequestHandler], dict[str, Any]]]:
        """Return the routes for an application of your own."""
        return [(path.rstrip("/") + "/?", EngineHandler, {"engine": self})]

    async def close(self, reason: str = "server shutting down") -> None:
        """Close every session and take no new one."""
        self.closing = True
        for session in list(self.sessions.values()):
            session.close(reason, CLOSE_GOING_AWAY)
        self.deadlines.close()
        await asyncio.sleep(0)  # what was closed has been written by now

    async def accept(self, handler: tornado.web.RequestHandler, user: Any = None) -> None:
        """Answer a request for this engine: open a session on it, or refuse.

        Parameters
        ----------
        handler : tornado.web.RequestHandler
            Whoever calls has checked the Origin and the user. The handler is not kept.
        user : object, optional
            Who sent the request; becomes `Session.user`.
        """
        try:
            request = _request(handler)
            self._check(handler, request, user)
            response = switching_protocols(handler)
        except Refused as refusal:
            refusal.answer(handler)
            return
        session = Session(self, self._new_id(), request, user)
        if self.pending_timeout is not None:
            self._wait(session, self.pending_timeout)
        opened = False
        try:
            opened = await open_websocket(handler, response, session)
        finally:
            if not opened:
                session.ended("transport close")

    # --- for sessions

    def dirty(self, session: Session) -> None:
        """A session has something to write."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.append(session)

    def _flush(self) -> None:
        sessions, self._dirty = self._dirty[:SLICE], self._dirty[SLICE:]
        if self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        join = self._joiner.join
        for session in sessions:
            outbox, transport = session.out, session.transport
            if transport is None or transport.paused:
                continue
            data = join(outbox)
            if len(data) > 65536:
                session.flush()
                continue
            session.out = []
            transport.send(data)
            if transport.paused:
                session.flush()
        self._joiner.forget()

    def opened(self, session: Session) -> None:
        """A session's transport is ready."""
        self.sessions[session.id] = session
        if self.closing:  # while its handshake was under way
            session.close("server shutting down", CLOSE_GOING_AWAY)
            return
        for listener in self._on_connection:
            call(listener, session)

    def closed(self, session: Session) -> None:
        """A session is over."""
        self.sessions.pop(session.id, None)
        self.drained(session)

    def admitted(self, session: Session) -> None:
        """A session waits no longer to be let in."""
        address = session.request.address
        if session.user is None and self._pending[address]:
            self._pending[address] -= 1
            if not self._pending[address]:
                del self._pending[address]

    def drained(self, session: Session) -> None:
        """Nothing waits for a session any more."""
        future = self._drained.pop(session, None)
        if future and not future.done():
            future.set_result(None)

    async def wait_drained(self, session: Session) -> None:
        """Wait until everything put into a session was written to its transport, or the session is over."""
        while not session.closed and (session.out or (session.transport and session.transport.paused)):
            if session.transport and not session.transport.paused:
                await asyncio.sleep(0)  # it is about to be flushed
                continue
            future = self._drained.get(session) or asyncio.get_running_loop().create_future()
            self._drained[session] = future
            await asyncio.shield(future)

    # --- inside

    def _new_id(self) -> str:
        return secrets.token_urlsafe(15)  # 120 bits from the system's generator (CVE-2017-16031)

    def _check(self, handler: tornado.web.RequestHandler, request: Request, user: Any) -> None:
        """Refuse what PROTOCOL 1.9 refuses, in its order."""
        if request.query.get("transport") not in _TRANSPORTS:
            raise Refused(0, "Transport unknown")
        if "sid" in request.query:
            if request.query["sid"] not in self.sessions:
                raise Refused(1, "Session ID unknown")
            raise Refused(3, "Bad request")
        if handler.request.method != "GET":
            raise Refused(2, "Bad handshake method")
        if handler.request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refused(3, "Bad request")
        if request.query.get("EIO") != str(PROTOCOL):
            raise Refused(5, "Unsupported protocol version")
        if self.closing:
            raise Refused(4, "The server is shutting down", 503)
        self._check_pending(request.address, user)

    def _check_pending(self, address: str, user: Any) -> None:
        if user is not None:
            return
        if self.max_pending is not None and self._pending.total() >= self.max_pending:
            raise Refused(4, "Too many connections are waiting for authentication", 503)
        if self.max_pending_per_address is not None and self._pending[address] >= self.max_pending_per_address:
            raise Refused(4, "Too many connections from this address are waiting for authentication", 429)

    def _wait(self, session: Session, seconds: float) -> None:
        if session.user is None:
            self._pending[session.request.address] += 1
        session.pend(seconds)


class EngineHandler(tornado.web.RequestHandler):
    """Serves an engine in a Tornado application."""

    def initialize(self, engine: Engine) -> None:
        """Take the engine from the route."""
        self.engine = engine

    def check_xsrf_cookie(self) -> None:
        """A WebSocket carries no form; its Origin is checked instead."""

    async def get(self) -> None:
        """Open a session."""
        if self._origin_allowed():
            await self.engine.accept(self)
        else:
            Refused(4, "Origin not allowed", 403).answer(self)

    post = get

    def _origin_allowed(self) -> bool:
        origin = self.request.headers.get("Origin")
        if origin is None or "*" in self.engine.origins or origin in self.engine.origins:
            return True
        return origin.lower() == f"{self.request.protocol}://{self.request.host}".lower()


def _request(handler: tornado.web.RequestHandler) -> Request:
    request = handler.request
    query = {key: values[-1].decode(errors="replace") for key, values in request.query_arguments.items() if values}
    return Request(
        headers=request.headers,
        query=query,
        address=request.remote_ip or "",
        secure=request.protocol == "https",
        url=request.uri or "",
    )
