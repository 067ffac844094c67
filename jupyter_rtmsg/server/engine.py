"""The Engine.IO server: sessions over long-polling and WebSocket, on Tornado (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from threading import get_ident
from typing import Any

import tornado.web

from .admission import Admission
from .memory import Memory
from .origin import Hosts, Origin, Origins
from .outbox import Joiner
from .rejection import Refused
from .request import Request, TrustedProxies, query_of
from .request_hooks import EVENTS, Check, IdFactory, Middleware, RequestHooks
from .requests import RequestDispatcher
from .responses import ClosedSessions
from .session import CLOSE_GOING_AWAY, Session, call
from .timers import Deadlines, Watch
from .turns import Turns
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
        What is sent to peers is bounded by ``max_queue`` alone: Engine.IO has no rule for it.
    max_queue : int
        The largest message that may be sent, in bytes; and what may wait for a session: it is cut off when more waits
        at two checks a second apart.
    max_memory : int
        Bytes that all sessions may hold together: what waits for them (a packet that waits for several counts once) and
        what was received and is not complete or waits for a handler. Beyond it the user, or for strangers the address,
        that holds most loses its largest session.
    send_timeout : float, optional
        Seconds after which a session is cut off for which something waits and that reads nothing; ``ping_interval`` and
        ``ping_timeout`` together by default.
    pending_timeout : float, optional
        Seconds until a session is closed that nobody has admitted (`Session.admit`). None: sessions are let in at once.
    max_pending, max_pending_per_address : int, optional
        How many sessions without a user may wait to be admitted, in all and from one address.
    max_pending_payload : int
        The largest message of a session that is not yet admitted, in bytes.
    origins : str, re.Pattern or callable, or an iterable of these
        Origins allowed beside the server's own, over both transports: CORS does not protect a WebSocket. See `Origins`.
    hosts : iterable of str
        Names that a ``Host`` header may hold beside those of the loopback interface, where the server listens on that
        only. See `Hosts`.
    trusted_proxies : iterable of str
        Addresses or networks of the reverse proxies whose ``X-Forwarded-For``, ``-Proto`` and ``-Host``, or
        ``Forwarded``, are believed; ``"unix:"`` for those that come over a Unix socket.
    allow_request : callable, optional
        Called with the `Request` that would open a session, sync or async. It refuses by returning False, or by
        returning or raising `Refused`.
    cookie : bool, str or mapping
        Whether the answer that opens a session over polling sets a cookie with its id, for load balancers: True for
        ``io=<id>; Path=/; HttpOnly; SameSite=Lax``, a str for another name, a mapping for ``name`` and attributes such
        as ``path``, ``samesite``, ``secure`` and ``max_age``.
    generate_id : callable, optional
        Called with the `Request` that opens a session, sync or async; returns the session's id, for a load balancer
        that reads it. It must never repeat and be hard to guess: who knows it speaks for the session.
    transports : iterable of str
        ``"polling"``, ``"websocket"`` or both.
    allow_upgrades : bool
        Whether a WebSocket may take over a session that began with polling.
    upgrade_timeout : float
        Seconds that it has for it.
    per_message_deflate : bool
        Whether messages over WebSocket are compressed where the client offers that (RFC 7692), each by itself.

    Attributes
    ----------
    dropped : int
        Events that waited for a handler when the server disconnected their client: nobody handles them.
    mended : int
        Packets whose text held half of a surrogate pair, such as half an emoji.
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
            raise ValueError(f"transports are some of {TRANSPORTS}, not {sorted(self.transports)}")
        self.upgrades = ("websocket",) if allow_upgrades and "websocket" in self.transports else ()
        self.upgrade_timeout = upgrade_timeout
        self.per_message_deflate = per_message_deflate
        self.sessions: dict[str, Session] = {}
        self.closed_sessions = ClosedSessions()
        self.admission = Admission(max_pending, max_pending_per_address)
        self.deadlines = Deadlines()
        self._requests = RequestDispatcher(self)
        self.closing = False
        self._dirty: list[Session] = []
        self._joiner = Joiner()
        self._loop: asyncio.AbstractEventLoop | None = None  # since the first request
        self._thread: int | None = None
        self._leaving: dict[Session, None] = {}
        self._drained: dict[Session, asyncio.Future[None]] = {}

    # --- for applications

    def on(self, event: str, listener: Callable[..., Any]) -> Callable[..., Any]:
        """Listen to an event.

        ``"connection"`` is called with each new `Session`; ``"connection_error"`` with the `RefusedRequest` of each
        request that is refused; ``"initial_headers"`` with a dict of headers of the response that opens a session, and
        its `Request`; ``"headers"`` likewise for every response to a session, the 101 of a WebSocket included. A
        listener may change the dict: a value is a str, or a list of them.

        In a notebook, a cell that is run again replaces what it registered.
        """
        if event not in EVENTS:
            raise ValueError(f"an engine has the events {', '.join(EVENTS)}, not {event!r}")
        self.hooks.on(event, listener)
        return listener

    def use(self, middleware: Middleware) -> Middleware:
        """Call a middleware, sync or async, before every request is looked at.

        Parameters
        ----------
        middleware : callable
            Takes the `Request` and a dict, the headers of its response, which it may change. It refuses the request by
            returning False, or by returning or raising `Refused`.
        """
        self.hooks.use(middleware)
        return middleware

    def handlers(
        self, path: str = "/engine.io/", *, loopback: bool = False
    ) -> list[tuple[str, type[tornado.web.RequestHandler], dict[str, Any]]]:
        """Return the routes for an application of your own.

        Parameters
        ----------
        path : str
            Whatever begins with it is this engine's, as in Node; of ``"/"`` only that path itself.
        loopback : bool
            Whether the application listens on a loopback address only: then ``Host`` must be a loopback name, or in
            `hosts`.
        """
        from .handler import EngineHandler  # it needs this module

        return [(paths_below(path), EngineHandler, {"engine": self, "loopback": loopback})]

    async def close(self, reason: str = "server shutting down") -> None:
        """Close every session and take no new one."""
        self.closing = True
        for session in list(self.sessions.values()):
            session.close(reason, CLOSE_GOING_AWAY)
        self.deadlines.close()
        self.watch.close()
        for _ in range(3):  # turns until the GETs that waited are answered, too
            await asyncio.sleep(0)

    def reopen(self) -> None:
        """Take new sessions after `close`, also on another event loop."""
        if self.closing:
            self.closing = False
            self._loop = None

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
            Of a POST. None: it had more than bytes than are accepted.
        """
        if self._loop is None:
            self._loop, self._thread = asyncio.get_running_loop(), get_ident()
        await self._requests.accept(handler, user, body)

    def refuse(self, handler: tornado.web.RequestHandler, request: Request, refusal: Refused) -> None:
        """Answer a request that whoever serves this engine refuses, and call the listeners of ``connection_error``."""
        self._requests.refuse(handler, request, refusal)

    def session_of(self, handler: tornado.web.RequestHandler) -> Session | None:
        """Return the session that a request belongs to, as its URL says, before it is looked at any closer."""
        return self.sessions.get(query_of(handler).get("sid", ""))

    # --- for other threads

    @property
    def elsewhere(self) -> bool:
        """Whether this is another thread than that of the event loop on which the sessions are."""
        return self._thread is not None and get_ident() != self._thread

    def hand_over(self, call: Callable[[], object]) -> None:
        """Have a function called on the loop, in the order of these calls. Any thread may.

        Raises
        ------
        RuntimeError
            If the loop has ended.
        """
        assert self._loop is not None
        self._loop.call_soon_threadsafe(call)

    def check_thread(self, what: str) -> None:
        """Refuse what only the loop's thread may do; raises RuntimeError."""
        if self.elsewhere:
            raise RuntimeError(
                f"{what} was called on another thread than the server's event loop; only emit() and send() may be: "
                "use loop.call_soon_threadsafe(...), or asyncio.run_coroutine_threadsafe(...) for what is awaited"
            )

    # --- for sessions

    def new_id(self) -> str:
        """Return a session id: 120 bits from the system's generator (CVE-2017-16031)."""
        return secrets.token_urlsafe(15)

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
            transport = session.transport
            if session.backlog is None and type(transport) is WebSocketTransport and not transport.paused:
                data = join(session.out)
                if data is not None:
                    session.out = []
                    transport.send(data)
                    continue
            session.flush()
        self._joiner.forget()

    def keep_leaving(self, session: Session) -> None:
        """Remember a closed session for as long as something that it sent waits."""
        if session.received:
            self._leaving[session] = None
        else:
            self._leaving.pop(session, None)

    def opened(self, session: Session) -> None:
        """A session's transport is ready."""
        self.sessions[session.id] = session
        if self.closing:  # while its handshake was under way
            session.close("server shutting down", CLOSE_GOING_AWAY)
            return
        for listener in self.hooks.listeners("connection"):
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
        """Wait until everything put into a session was given to the operating system, or the session is over."""
        while not session.idle:
            if session.ready:
                await asyncio.sleep(0)  # it is about to be flushed
                continue
            future = self._drained.get(session) or asyncio.get_running_loop().create_future()
            self._drained[session] = future
            await asyncio.shield(future)
            return  # what others have put into it since is theirs to wait for


def paths_below(path: str) -> str:
    """Return the pattern of all paths that begin with one."""
    bare = path.rstrip("/")
    return re.escape(bare) + "(?:/.*)?" if bare else "/?"
