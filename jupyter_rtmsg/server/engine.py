"""The Engine.IO server: sessions over long-polling and WebSocket (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from threading import get_ident
from typing import Any

import tornado.web

from .admission import Admission
from .handler import EngineHandler
from .memory import Memory
from .origin import Hosts, Origin, Origins
from .outbox import WriteCoalescer
from .rejection import Refused
from .request import Request, TrustedProxies, query_of
from .request_hooks import EVENTS, Check, IdFactory, Middleware, RequestHooks
from .requests import RequestDispatcher
from .responses import ClosedSessions
from .session import CLOSE_GOING_AWAY, Session, call
from .timers import Deadlines, Watch
from .turns import Turns
from .websocket import WebSocketTransport

SLICE = 256  # sessions that are flushed in one turn of the event loop
TRANSPORTS = ("polling", "websocket")


class Engine:
    """Accepts sessions, and owns what they share: timers, memory, turns, and the flush at the end of a turn.

    Parameters
    ----------
    ping_interval, ping_timeout : float
        Seconds between pings, and to wait for a pong.
    max_payload : int
        Bytes of a message, or of the body of a POST, that a client may send; announced in the handshake.
    max_queue : int
        Bytes of a message that may be sent, and bytes that may wait for a session: it is cut off if more wait at two
        checks, a second apart.
    max_memory : int
        Bytes that all sessions may hold together: packets that wait (one that waits for several sessions counts once),
        incomplete messages, and events that wait for handlers. Beyond it the user, or for anonymous clients the
        address, that holds most loses its largest session.
    send_timeout : float, optional
        Seconds without progress after which a session is cut off: bytes wait for its client, which reads none of them.
        By default ``ping_interval`` and ``ping_timeout`` together.
    pending_timeout : float, optional
        Seconds until a session is closed that is not admitted (`Session.admit`). None: admission is not required.
    max_pending, max_pending_per_address : int, optional
        The number of anonymous sessions that may wait for admission, in all and from one address.
    max_pending_payload : int
        Bytes of a message of a session that is not admitted.
    origins : str, re.Pattern or callable, or an iterable of these
        Allowed origins in addition to the server's own, over both transports. See `Origins`.
    hosts : iterable of str
        Allowed host names in addition to those of the loopback interface, if the server listens on that only. See
        `Hosts`.
    trusted_proxies : iterable of str
        Addresses or networks of reverse proxies whose ``X-Forwarded-For``, ``-Proto`` and ``-Host``, or ``Forwarded``,
        are trusted; ``"unix:"`` for proxies that connect over a Unix socket.
    allow_request : callable, optional
        Sync or async; called with each `Request` that is about to open a session. It rejects the request by returning
        False, or by returning or raising `Refused`.
    cookie : bool, str or mapping
        Whether the response that opens a session over polling sets a cookie with its id, for load balancers. True:
        ``io=<id>; Path=/; HttpOnly; SameSite=Lax``; a str is another name; a mapping has ``name`` and attributes such
        as ``path``, ``samesite``, ``secure`` and ``max_age``.
    generate_id : callable, optional
        Sync or async; called with the `Request` that opens a session, returns the session's id, for load balancers that
        read it. Ids must be unique and hard to guess: whoever knows one can act for the client.
    transports : iterable of str
        ``"polling"``, ``"websocket"`` or both.
    allow_upgrades : bool
        Whether a WebSocket may take over a session that began with polling.
    upgrade_timeout : float
        Seconds that an upgrade may take.
    per_message_deflate : bool
        Whether messages over WebSocket are compressed if the client offers it (RFC 7692), each by itself.

    Attributes
    ----------
    dropped : int
        Events that were dropped because the server disconnected their client while they waited for a handler.
    mended : int
        Packets whose text held half of a surrogate pair, such as half an emoji.
    sessions : dict
        The open sessions by id.
    closed_sessions : ClosedSessions
        Final payloads of closed polling sessions.
    """

    def __init__(
        self,
        *,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        max_payload: int = 1_000_000,
        max_queue: int = 16 << 20,
        max_memory: int = 256 << 20,
        send_timeout: float | None = None,
        pending_timeout: float | None = None,
        max_pending: int | None = None,
        max_pending_per_address: int | None = None,
        max_pending_payload: int = 256 * 1024,
        origins: Origin | Iterable[Origin] = (),
        hosts: str | Iterable[str] = (),
        trusted_proxies: Iterable[str] = (),
        allow_request: Check | None = None,
        cookie: bool | str | Mapping[str, Any] = False,
        generate_id: IdFactory | None = None,
        transports: Iterable[str] = TRANSPORTS,
        allow_upgrades: bool = True,
        upgrade_timeout: float = 10.0,
        per_message_deflate: bool = False,
    ) -> None:
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.max_payload = max_payload
        self.max_queue = max_queue
        self.send_timeout = ping_interval + ping_timeout if send_timeout is None else send_timeout
        self.memory = Memory(max_memory, lambda: [*self.sessions.values(), *self._leaving])
        self.turns = Turns()
        self.watch = Watch()
        self.dropped = 0
        self.mended = 0
        self.pending_timeout = pending_timeout
        self.max_pending_payload = max_pending_payload
        self.origins = Origins(origins)
        self.hosts = Hosts(hosts)
        self.proxies = TrustedProxies(trusted_proxies)
        self.hooks = RequestHooks(allow_request, cookie, generate_id)
        self.transports = frozenset(transports)
        if not self.transports or not self.transports.issubset(TRANSPORTS):
            raise ValueError(f"transports must be some of {TRANSPORTS}, not {sorted(self.transports)}")
        self.upgrades: tuple[str, ...] = ("websocket",) if allow_upgrades and "websocket" in self.transports else ()
        self.upgrade_timeout = upgrade_timeout
        self.per_message_deflate = per_message_deflate
        self.sessions: dict[str, Session] = {}
        self.closed_sessions = ClosedSessions()
        self.admission = Admission(max_pending, max_pending_per_address)
        self.deadlines = Deadlines()
        self._requests = RequestDispatcher(self)
        self.closing = False
        self._dirty: list[Session] = []
        self._coalescer = WriteCoalescer()
        self._loop: asyncio.AbstractEventLoop | None = None  # since the first request
        self._thread: int | None = None
        self._leaving: dict[Session, None] = {}  # closed sessions that still hold bytes
        self._drained: dict[Session, asyncio.Future[None]] = {}

    # --- for applications

    def on(self, event: str, listener: Callable[..., Any]) -> Callable[..., Any]:
        """Register a listener. A notebook cell that is run again replaces its listeners.

        Parameters
        ----------
        event : str
            Listeners of ``"connection"`` get each new `Session`, those of ``"connection_error"`` the `RefusedRequest`
            of each rejected request. Those of ``"initial_headers"`` get the headers of the response that opens a
            session, and its `Request`; those of ``"headers"`` get them for every response to a session, the 101 of a
            WebSocket included. They may change the headers, a dict whose values are a str or a list of them.
        listener : callable
            Sync.
        """
        if event not in EVENTS:
            raise ValueError(f"an engine has the events {', '.join(EVENTS)}, not {event!r}")
        self.hooks.on(event, listener)
        return listener

    def use(self, middleware: Middleware) -> Middleware:
        """Register a middleware that is called before a request is checked; also a decorator.

        Parameters
        ----------
        middleware : callable
            Sync or async; called with the `Request` and the headers of its response, which it may change. It rejects
            the request by returning False, or by returning or raising `Refused`.
        """
        self.hooks.use(middleware)
        return middleware

    def handlers(
        self, path: str = "/engine.io/", *, loopback: bool = False
    ) -> list[tuple[str, type[tornado.web.RequestHandler], dict[str, Any]]]:
        """Return the routes for a Tornado application.

        Parameters
        ----------
        path : str
            All paths below it are routed to the engine, as in Node's server; for ``"/"`` only that path itself.
        loopback : bool
            Whether the application listens on loopback addresses only. Then ``Host`` must be a loopback name or in
            `hosts`.
        """
        return [(paths_below(path), EngineHandler, {"engine": self, "loopback": loopback})]

    async def close(self, reason: str = "server shutting down") -> None:
        """Close all sessions and accept no new ones."""
        self.closing = True
        for session in list(self.sessions.values()):
            session.close(reason, CLOSE_GOING_AWAY)
        self.deadlines.close()
        self.watch.close()
        for _ in range(3):  # turns of the event loop until the open GETs are answered
            await asyncio.sleep(0)

    def reopen(self) -> None:
        """Accept new sessions after `close`, also on another event loop."""
        if self.closing:
            self.closing = False
            self._loop = None
            self.turns = Turns()  # timers of the previous loop will not end their turns

    async def accept(
        self, handler: tornado.web.RequestHandler, user: Any = None, body: bytes | bytearray | None = b""
    ) -> None:
        """Answer a request: open a session, serve one, or reject it.

        Parameters
        ----------
        handler : tornado.web.RequestHandler
            The caller has checked the Origin and the user. The handler of a WebSocket is not kept.
        user : object, optional
            The authenticated user; becomes `Session.user`. Later requests of the session must have an equal user.
        body : bytes, optional
            Of a POST; None if it was too large.
        """
        if self._loop is None:
            self._loop, self._thread = asyncio.get_running_loop(), get_ident()
        await self._requests.accept(handler, user, body)

    def refuse(self, handler: tornado.web.RequestHandler, request: Request, refusal: Refused) -> None:
        """Reject a request, and call the listeners of ``connection_error``."""
        self._requests.refuse(handler, request, refusal)

    def session_of(self, handler: tornado.web.RequestHandler) -> Session | None:
        """Return the session that a request's URL names. The request is not checked otherwise."""
        return self.sessions.get(query_of(handler).get("sid", ""))

    # --- for other threads

    @property
    def elsewhere(self) -> bool:
        """Whether the current thread is not that of the sessions' event loop."""
        return self._thread is not None and get_ident() != self._thread

    def hand_over(self, call: Callable[[], object]) -> None:
        """Have a function called on the event loop, in the order of these calls. May be called on any thread.

        Raises
        ------
        RuntimeError
            If the loop is closed.
        """
        assert self._loop is not None
        self._loop.call_soon_threadsafe(call)

    def check_thread(self, call: str) -> None:
        """Raise `RuntimeError`, with ``call`` as the subject of its text, on another thread than the event loop's."""
        if self.elsewhere:
            raise RuntimeError(
                f"{call} was called on another thread than the server's event loop; only emit() and send() may be: "
                "use loop.call_soon_threadsafe(...), or asyncio.run_coroutine_threadsafe(...) for a coroutine"
            )

    # --- for sessions

    def new_id(self) -> str:
        """Return a session id: 120 bits from the system's generator (CVE-2017-16031)."""
        return secrets.token_urlsafe(15)

    def dirty(self, session: Session) -> None:
        """Flush a session at the end of this turn of the event loop."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.append(session)

    def _flush(self) -> None:
        sessions, self._dirty = self._dirty[:SLICE], self._dirty[SLICE:]
        if self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        join, earlier, data = self._coalescer.join, None, None
        for session in sessions:
            transport = session.transport
            if session.backlog is None and type(transport) is WebSocketTransport and not transport.paused:
                out = session.out
                if out != earlier:  # by identity of the packets; most sessions have the same as the one before
                    earlier, data = out, join(out)
                if data is not None:
                    session.out = []
                    transport.send(data)
                    continue
            session.flush()
        self._coalescer.forget()

    def count_dropped(self) -> None:
        """Count an event that was dropped."""
        self.dropped += 1

    def count_mended(self) -> None:
        """Count a packet whose text held half of a surrogate pair."""
        self.mended += 1

    def keep_leaving(self, session: Session) -> None:
        """Keep a closed session for `Memory` while bytes that it sent are held."""
        if session.received:
            self._leaving[session] = None
        else:
            self._leaving.pop(session, None)

    def opened(self, session: Session) -> None:
        """Add a session whose transport is ready, and call the listeners of ``"connection"``."""
        self.sessions[session.id] = session
        if self.closing:  # began while the handshake was under way
            session.close("server shutting down", CLOSE_GOING_AWAY)
            return
        for listener in self.hooks.listeners("connection"):
            call(listener, session)

    def closed(self, session: Session) -> None:
        """Remove a session that has ended."""
        self.sessions.pop(session.id, None)
        self.drained(session)

    def drained(self, session: Session) -> None:
        """Resume `wait_drained` of a session for which no packet waits."""
        future = self._drained.pop(session, None)
        if future and not future.done():
            future.set_result(None)

    async def wait_drained(self, session: Session) -> None:
        """Wait until the packets of a session are in the operating system's buffers, or the session has ended."""
        while not session.idle:
            if session.ready:
                await asyncio.sleep(0)  # it will be flushed in this turn
                continue
            future = self._drained.get(session) or asyncio.get_running_loop().create_future()
            self._drained[session] = future
            await asyncio.shield(future)
            return  # packets that were added since are not waited for


def paths_below(path: str) -> str:
    """Return a regular expression for all paths below a path."""
    bare = path.rstrip("/")
    return re.escape(bare) + "(?:/.*)?" if bare else "/?"
