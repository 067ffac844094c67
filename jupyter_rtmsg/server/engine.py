"""The Engine.IO server: sessions over long-polling and WebSocket, on Tornado (PROTOCOL 1)."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any

import tornado.web

from ..wire.engineio import PROTOCOL
from .admission import Admission
from .farewell import Farewells
from .handshake import open_websocket, switching_protocols, wants_deflate
from .heartbeat import Deadlines
from .outbox import Joiner
from .polling import PollingTransport, respond
from .refusal import Refused
from .session import CLOSE_GOING_AWAY, Request, Session, call
from .upgrade import Upgrade
from .websocket import WebSocketTransport

SLICE = 256  # sessions written to before the loop does something else
TRANSPORTS = ("polling", "websocket")


class Engine:
    """Accepts sessions, keeps their heartbeat, and writes what they have to send.

    Parameters
    ----------
    ping_interval, ping_timeout : float
        Seconds.
    max_payload : int
        The largest message, and the largest body of a POST, that a peer may send, in bytes; announced in the handshake.
        What is sent to peers is bounded by `max_queue` alone: Engine.IO has no rule for it.
    max_queue : int
        Bytes that may wait for a session; one more cuts it off.
    pending_timeout : float, optional
        Seconds until a session is closed that nobody has admitted (`Session.admit`). None: sessions are let in at once.
    max_pending, max_pending_per_address : int, optional
        How many sessions without a user may wait to be admitted, in all and from one address.
    max_pending_payload : int
        The largest message of a session that is not yet admitted, in bytes.
    origins : iterable of str or "*"
        Origins allowed beside the server's own, over both transports: CORS does not protect a WebSocket.
    transports : iterable of str
        ``"polling"``, ``"websocket"`` or both.
    allow_upgrades : bool
        Whether a WebSocket may take over a session that began with polling.
    upgrade_timeout : float
        Seconds that it has for it.
    per_message_deflate : bool
        Whether messages over WebSocket are compressed where the client offers that (RFC 7692), each by itself.
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
        transports: Iterable[str] = TRANSPORTS,
        allow_upgrades: bool = True,
        upgrade_timeout: float = 10.0,
        per_message_deflate: bool = False,
    ) -> None:
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.max_payload = max_payload
        self.max_queue = max_queue
        self.pending_timeout = pending_timeout
        self.max_pending_payload = max_pending_payload
        self.origins = frozenset([origins] if isinstance(origins, str) else origins)
        self.transports = frozenset(transports)
        if not self.transports or not self.transports.issubset(TRANSPORTS):
            raise ValueError(f"transports are some of {TRANSPORTS}, not {sorted(self.transports)}")
        self.upgrades = ("websocket",) if allow_upgrades and "websocket" in self.transports else ()
        self.upgrade_timeout = upgrade_timeout
        self.per_message_deflate = per_message_deflate
        self.sessions: dict[str, Session] = {}
        self.farewells = Farewells()
        self.admission = Admission(max_pending, max_pending_per_address)
        self.deadlines = Deadlines()
        self.closing = False
        self._dirty: list[Session] = []
        self._joiner = Joiner()
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
        from .handler import EngineHandler  # it needs this module

        return [(re.escape(path.rstrip("/")) + "/?", EngineHandler, {"engine": self})]

    async def close(self, reason: str = "server shutting down") -> None:
        """Close every session and take no new one."""
        self.closing = True
        for session in list(self.sessions.values()):
            session.close(reason, CLOSE_GOING_AWAY)
        self.deadlines.close()
        for _ in range(3):  # turns until the GETs that waited are answered, too
            await asyncio.sleep(0)

    async def accept(
        self, handler: tornado.web.RequestHandler, user: Any = None, body: bytes | bytearray | None = b""
    ) -> None:
        """Answer a request for this engine: open a session, serve one, or refuse.

        Parameters
        ----------
        handler : tornado.web.RequestHandler
            Whoever calls has checked the Origin and the user. The handler of a WebSocket is not kept.
        user : object, optional
            Who sent the request; becomes `Session.user`, and every later request of the session must show the same.
        body : bytes, optional
            Of a POST. None: it had more than `max_body` bytes.
        """
        try:
            request = _request(handler)
            if request.query.get("transport") not in self.transports:
                raise Refused(0, "Transport unknown")
            if request.query.get("sid"):
                await self._serve(handler, request, user, body)
            else:
                await self._open(handler, request, user)
        except Refused as refusal:
            refusal.answer(handler)

    def max_body(self, handler: tornado.web.RequestHandler) -> int:
        """Return how many bytes the body of a request may have: none where it belongs to no session."""
        session = self.sessions.get(_query(handler).get("sid", ""))
        return session.max_size if session else 0

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
            if type(transport) is not WebSocketTransport:
                session.flush()
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
            return  # what others have put into it since is theirs to wait for

    # --- inside

    def _new_id(self) -> str:
        return secrets.token_urlsafe(15)  # 120 bits from the system's generator (CVE-2017-16031)

    async def _open(self, handler: tornado.web.RequestHandler, request: Request, user: Any) -> None:
        """Open a session; what PROTOCOL 1.9 refuses is refused in its order."""
        if handler.request.method != "GET":
            raise Refused(2, "Bad handshake method")
        polling = request.query["transport"] == "polling"
        if not polling and not _is_upgrade(handler):
            raise Refused(3, "Bad request")
        if request.query.get("EIO") != str(PROTOCOL):
            raise Refused(5, "Unsupported protocol version")
        if self.closing:
            raise Refused(4, "The server is shutting down", 503)
        if user is None:
            self.admission.check(request.address)
        deflate = self.per_message_deflate and not polling and wants_deflate(handler)
        response = b"" if polling else switching_protocols(handler, deflate=deflate)
        session = Session(self, self._new_id(), request, user)
        if self.pending_timeout is not None:
            session.pend(self.pending_timeout)
        if polling:
            transport = PollingTransport(session)
            session.opened(transport)
            last = self.farewells.take(session.id, user)
            if last is None:
                await transport.get(handler)
            else:  # a listener closed it at once
                respond(handler, last)
            return
        opened = False
        try:
            opened = await open_websocket(handler, response, session, deflate=deflate)
        finally:
            if not opened:
                session.ended("transport close")

    async def _serve(
        self, handler: tornado.web.RequestHandler, request: Request, user: Any, body: bytes | bytearray | None
    ) -> None:
        """Serve a session's request: a poll, a body, or the WebSocket that is to take over."""
        id, method = request.query["sid"], handler.request.method
        session = self.sessions.get(id)
        if session is None:
            last = self.farewells.take(id, user) if method == "GET" else None
            if last is None:
                raise Refused(1, "Session ID unknown")
            respond(handler, last)
            return
        if session.user != user:  # another's session is as good as none
            raise Refused(1, "Session ID unknown")
        transport = session.transport
        if not isinstance(transport, PollingTransport) or request.query.get("EIO") != str(PROTOCOL):
            raise Refused(3, "Bad request")
        if request.query["transport"] == "websocket":
            await self._upgrade(handler, session)
        elif method == "GET":
            await transport.get(handler)
        elif method == "POST" and body is None:
            handler.set_status(413)
        elif method == "POST":
            await transport.post(handler, body or b"")
        else:
            handler.set_status(500)

    async def _upgrade(self, handler: tornado.web.RequestHandler, session: Session) -> None:
        if not _is_upgrade(handler) or not self.upgrades or session.upgrade is not None:
            raise Refused(3, "Bad request")
        deflate = self.per_message_deflate and wants_deflate(handler)
        response = switching_protocols(handler, deflate=deflate)
        candidate = Upgrade(session, self.upgrade_timeout)
        opened = False
        try:
            opened = await open_websocket(handler, response, candidate, deflate=deflate)
        finally:
            if not opened:
                candidate.ended("transport close")


def _is_upgrade(handler: tornado.web.RequestHandler) -> bool:
    return handler.request.headers.get("Upgrade", "").lower() == "websocket"


def _query(handler: tornado.web.RequestHandler) -> dict[str, str]:
    """Return the query, whatever bytes it holds: `get_query_argument` would answer with a page of its own."""
    arguments = handler.request.query_arguments.items()
    return {key: values[-1].decode(errors="replace") for key, values in arguments if values}


def _request(handler: tornado.web.RequestHandler) -> Request:
    request = handler.request
    return Request(
        headers=request.headers,
        query=_query(handler),
        address=request.remote_ip or "",
        secure=request.protocol == "https",
        url=request.uri or "",
    )
