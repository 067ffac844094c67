"""The HTTP side of an engine: requests that open a session, belong to one, or are rejected."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import tornado.web

from jupyter_rtmsg.wire.engineio import PROTOCOL

from .handshake import check_handshake, open_websocket, switching_protocols, wants_deflate
from .interfaces import SessionEngine
from .polling import PollingTransport
from .rejection import Refused
from .request import Request, TrustedProxies
from .request_hooks import Headers, RequestHooks
from .responses import ClosedSessions, respond
from .session import Session
from .upgrade import SurplusWebSocket, Upgrade

Body = bytes | bytearray | None


class DispatchEngine(SessionEngine[Session], Protocol):
    """The part of an `Engine` that `RequestDispatcher` uses.

    Attributes
    ----------
    sessions : dict
        The open sessions by id.
    closed_sessions : ClosedSessions
    hooks : RequestHooks
    proxies : TrustedProxies
    transports : frozenset of str
    upgrade_timeout : float
        Seconds.
    pending_timeout : float or None
        Seconds.
    per_message_deflate : bool
    closing : bool
    """

    sessions: dict[str, Session]
    closed_sessions: ClosedSessions
    hooks: RequestHooks
    proxies: TrustedProxies
    transports: frozenset[str]
    upgrade_timeout: float
    pending_timeout: float | None
    per_message_deflate: bool
    closing: bool

    def new_id(self) -> str:
        """Return an id for a session."""


class RequestDispatcher:
    """Answers the requests to an engine, with the checks in the order of docs/protocol.md#engineio-errors.

    As in Node's server, the application's middlewares are called first, and its `allow_request` after all checks of a
    request that opens a session but that of the protocol version.

    Parameters
    ----------
    engine : Engine
    """

    def __init__(self, engine: DispatchEngine) -> None:
        self._engine = engine

    async def accept(self, handler: tornado.web.RequestHandler, user: Any, body: Body) -> None:
        """See `Engine.accept`."""
        request = self._engine.proxies.describe(handler)
        try:
            headers = await self._engine.hooks.run_middlewares(request)
            _set(handler, headers)
            transport = request.query.get("transport", "")
            if transport not in self._engine.transports:
                raise Refused(0, transport=transport)
            if request.query.get("sid"):
                await self._serve(handler, request, headers, user, body)
            else:
                share = self._engine.turns.of(request.address if user is None else str(user))
                await share.run(self._open(handler, request, headers, user), asyncio.get_running_loop().time)
        except Refused as refusal:
            self.refuse(handler, request, refusal)

    def refuse(self, handler: tornado.web.RequestHandler, request: Request, refusal: Refused) -> None:
        """Reject a request, and call the listeners of ``connection_error``."""
        self._engine.hooks.refused(request, refusal)
        refusal.answer(handler)

    async def _open(self, handler: tornado.web.RequestHandler, request: Request, headers: Headers, user: Any) -> None:
        """Open a session."""
        engine = self._engine
        if request.method != "GET":
            raise Refused(2, method=request.method)
        polling = request.query["transport"] == "polling"
        if not polling:
            check_handshake(handler)
        await engine.hooks.check(request)
        if request.query.get("EIO") != str(PROTOCOL):
            raise Refused(5, protocol=request.query.get("EIO", ""))
        id = await engine.hooks.generate_id(request) or engine.new_id()
        if id in engine.sessions:
            raise Refused(3, name="ID_GENERATION_ERROR", error=ValueError(f"the id {id!r} is in use"))
        if engine.closing:
            raise Refused(4, "The server is shutting down", 503)
        if user is None:
            engine.admission.check(request.address)
        session = Session(engine, id, request, user)
        engine.hooks.add_headers(headers, request, session.id)
        _set(handler, headers)
        if engine.pending_timeout is not None:
            session.pend(engine.pending_timeout)
        if polling:
            await self._open_polling(handler, session)
        else:
            await self._open_websocket(handler, session, headers)

    async def _open_polling(self, handler: tornado.web.RequestHandler, session: Session) -> None:
        transport = PollingTransport(session, self._engine.closed_sessions)
        session.opened(transport)
        last = self._engine.closed_sessions.take(session.id, session.user)
        if last is None:
            await transport.get(handler)
        else:  # a listener has closed it at once
            await respond(handler, last)

    async def _open_websocket(
        self, handler: tornado.web.RequestHandler, peer: Session | Upgrade | SurplusWebSocket, headers: Headers
    ) -> None:
        """Complete the handshake of the WebSocket of a session, of a candidate, or of a surplus one."""
        deflate = self._engine.per_message_deflate and wants_deflate(handler)
        opened = False
        try:
            response = switching_protocols(handler, headers, deflate=deflate)
            opened = await open_websocket(handler, response, peer, deflate=deflate)
        finally:
            if not opened:
                peer.ended("transport close")

    async def _serve(
        self, handler: tornado.web.RequestHandler, request: Request, headers: Headers, user: Any, body: Body
    ) -> None:
        """Serve a request of a session: a poll, a body, or a WebSocket for an upgrade."""
        id, method = request.query["sid"], request.method
        session = self._engine.sessions.get(id)
        if session is None:
            last = self._engine.closed_sessions.take(id, user) if method == "GET" else None
            if last is None:
                raise Refused(1, sid=id)
            await respond(handler, last)
            return
        if session.user != user:  # another user's session is not acknowledged to exist
            raise Refused(1, sid=id)
        if request.query.get("EIO") != str(PROTOCOL):
            given = request.query.get("EIO", "")
            raise Refused(3, name="PROTOCOL_MISMATCH", protocol=given, previous_protocol=str(PROTOCOL))
        if request.query["transport"] == "websocket":
            await self._upgrade(handler, request, headers, session)
            return
        transport = session.transport
        if not isinstance(transport, PollingTransport):
            raise Refused(3, name="TRANSPORT_MISMATCH", transport="polling", previous_transport="websocket")
        self._engine.hooks.add_headers(headers, request)
        _set(handler, headers)
        if method == "GET":
            await transport.get(handler)
        elif method == "POST" and body is None and not transport.is_surplus(handler):
            handler.set_status(413)
        elif method == "POST":
            await transport.post(handler, body or b"")
        else:
            handler.set_status(500)

    async def _upgrade(
        self, handler: tornado.web.RequestHandler, request: Request, headers: Headers, session: Session
    ) -> None:
        check_handshake(handler)
        if not self._engine.upgrades:
            raise Refused(3, name="TRANSPORT_MISMATCH", transport="websocket", previous_transport="polling")
        self._engine.hooks.add_headers(headers, request)
        _set(handler, headers)
        polling = isinstance(session.transport, PollingTransport) and session.upgrade is None
        candidate: Upgrade | SurplusWebSocket
        if polling:
            candidate = Upgrade(session, self._engine.closed_sessions, self._engine.upgrade_timeout)
        else:
            candidate = SurplusWebSocket(session)
        await self._open_websocket(handler, candidate, headers)


def _set(handler: tornado.web.RequestHandler, headers: Headers) -> None:
    """Set the headers of a response. A value is a str or a list of them."""
    for name, value in headers.items():
        first, *others = [value] if isinstance(value, str) else value
        handler.set_header(name, first)
        for other in others:
            handler.add_header(name, other)
