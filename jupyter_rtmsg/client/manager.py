"""The manager: one connection to a server, shared by the sockets of all namespaces, and made again when it is lost."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jupyter_rtmsg.errors import AccessDenied, Disconnected, PacketRefused
from jupyter_rtmsg.wire.packet import Packet
from jupyter_rtmsg.wire.parser import Codec

from .address import Address
from .backoff import Backoff
from .connect_errors import reason_of
from .endpoint import Endpoint
from .executor import ExecutorFactory
from .http import HttpRefused
from .listeners import Listenable, Listeners
from .opening import Opener, Strategy
from .route import Found, Route, Search
from .session import ClientSession, reason_for

logger = logging.getLogger(__name__)
_STABLE_AFTER = 10  # seconds that a socket must have been connected before reconnects are quick again
_LINGER = 2  # seconds that a closed connection has to send its pending packets
TRANSIENT = (OSError, asyncio.TimeoutError, HttpRefused, Disconnected)  # another attempt may succeed


class ManagedLink(Protocol):
    """The link of a socket, as the manager sees it."""

    namespace: str

    def opened(self, session: ClientSession) -> None:
        """Take a new session: send CONNECT."""

    def packet(self, packet: Packet, size: int) -> None:
        """Take a packet of the namespace."""

    def refused(self, error: PacketRefused) -> None:
        """Take a packet of the namespace whose data cannot be decoded."""

    def lost(self, account: str) -> None:
        """Learn that the session has ended."""

    def failed(self, error: Exception, *, transient: bool) -> None:
        """Learn that an attempt to connect has failed, and whether another one may succeed."""

    def given_up(self) -> None:
        """Learn that no further attempt will be made."""


class ManagedSocket(Protocol):
    """A socket, as the manager sees it."""

    async def disconnect(self, timeout: float) -> None:
        """Leave; handlers have ``timeout`` seconds for the received events."""

    @property
    def has_handlers(self) -> bool:
        """Whether there are handlers."""


class Manager(Listenable):
    """One connection to a server, as the Manager of socket.io-client.

    Its events, for `on`: ``open``; ``close(reason)``; ``error(error)`` of an attempt; ``reconnect_attempt(number)``,
    ``reconnect_error(error)``, ``reconnect(number)`` and ``reconnect_failed``.

    It is *idle* until the first link is added, then *connecting* or *open* (``session`` is set), and idle again after
    the last link is removed. ``_task`` makes session after session meanwhile. The first ``add`` binds it to the running
    event loop (``_home``). The manager owns the endpoint, the opener and the sessions.

    Parameters
    ----------
    search : Search
        Finds the server, and the token to send there in a header.
    headers, query : mapping
        Sent with the HTTP request.
    path : str
        The path of the wire, below the address.
    tls : ssl.SSLContext or None
    transports : sequence of str
        ``"websocket"`` and ``"polling"`` in the order in which they are tried, or one of them.
    codec : Codec
    make_executor : callable
        Makes the executor of its handlers.
    reconnection : bool
        Whether a lost connection is made again.
    reconnection_attempts : int or None
        How often that is tried; None for ever.
    backoff : Backoff
        The delays between attempts.
    on_batch, on_writable : callable, optional
        See `ClientSession`.

    Attributes
    ----------
    session : ClientSession or None
        The present session.
    sockets : dict of str to ManagedSocket
        All sockets that were made, by namespace, connected or not.
    max_payload : int
        The largest message that the server accepts, in bytes.
    error : Exception or None
        The failure of the last attempt.
    refused : bool
        Whether the token was refused since the server last admitted a socket.
    """

    def __init__(
        self,
        search: Search,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        path: str,
        tls: ssl.SSLContext | None,
        transports: Sequence[str],
        codec: Codec,
        make_executor: ExecutorFactory,
        reconnection: bool,
        reconnection_attempts: int | None,
        backoff: Backoff,
        on_batch: Callable[[], None] | None = None,
        on_writable: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(Listeners(make_executor, "rtmsg connection"))
        self.codec = codec
        self.max_payload = 1_000_000
        self.error: Exception | None = None
        self.refused = False
        self.session: ClientSession | None = None
        self.sockets: dict[str, ManagedSocket] = {}
        self._on_batch = on_batch or _nothing
        self._on_writable = on_writable or _nothing
        self._endpoint = Endpoint(Route(search), path, query=query, headers=headers, tls=tls)
        self._opener = Opener(self._endpoint, Strategy(transports), self._new_session)
        self._reconnection = reconnection
        self._max_attempts = reconnection_attempts
        self._backoff = backoff
        self._links: dict[str, ManagedLink] = {}
        self._receivers: dict[str, Callable[[Packet, int], None]] = {}
        self._home: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._accepted_at: float | None = None  # loop time when the server first admitted a socket over this session
        self._ending: set[asyncio.Future[Any]] = set()

    @property
    def address(self) -> Address:
        """The present address of the server."""
        return self._endpoint.address

    @property
    def found(self) -> Found:
        """How the server was found, and the token that is sent to it."""
        return self._endpoint.route.found

    @property
    def notice(self) -> str | None:
        """A warning for the user about the place of the server."""
        return self._endpoint.route.notice

    @property
    def hint(self) -> str:
        """Advice for the error that no server answers."""
        return self._endpoint.route.hint

    def renew(self, error: Exception) -> bool:
        """Look up a refused token again; return False if there is no other one."""
        return self._endpoint.advance(error)

    # --- sockets and their links

    def register(self, namespace: str, socket: ManagedSocket) -> None:
        """Note the socket of a namespace, connected or not."""
        self.sockets[namespace] = socket

    def add(self, link: ManagedLink) -> None:
        """Add the link of a socket that connects; begin to connect with the first one."""
        self._home = asyncio.get_running_loop()
        self._links[link.namespace] = link
        self._receivers[link.namespace] = link.packet
        if self.session:
            link.opened(self.session)  # other namespaces use it already
        elif self._task is None or self._task.done():  # a task under way opens this link with the others
            self._task = asyncio.get_running_loop().create_task(self._run(), name="rtmsg connection")

    def remove(self, link: ManagedLink) -> None:
        """Remove a link; end the connection with the last one."""
        if self._links.get(link.namespace) is link:
            del self._links[link.namespace], self._receivers[link.namespace]
        if not self._links:
            self._end()

    def accepted(self) -> None:
        """Note that the server has admitted a socket to its namespace."""
        self.error = None
        self.refused = False
        if self._accepted_at is None:
            self._accepted_at = asyncio.get_running_loop().time()

    def _end(self) -> None:
        # Without `session` set, `_lost` ignores its end: it is not a loss, and nobody is to reconnect.
        session, self.session = self.session, None
        if session and not session.ended.done():
            session.close("forced close")
            self._listeners.fire("close", "forced close")
            self._linger(session)
        task, self._task = self._task, None
        if task and task is not asyncio.current_task():  # `given_up` removes the last link inside of the task itself
            task.cancel()
            self._ending.add(task)
        self._home = None  # the next `connect` may be on another event loop
        self._backoff.reset()
        self._listeners.drain()

    def _linger(self, session: ClientSession) -> None:
        """Abort a closed session after two seconds: a peer that does not read must not keep the connection open."""
        alarm = asyncio.get_running_loop().call_later(_LINGER, session.abort, "forced close")
        session.ended.add_done_callback(lambda _: alarm.cancel())
        self._ending.add(session.ended)

    def check_loop(self) -> None:
        """Check that the caller runs on the event loop of the connection.

        Raises
        ------
        RuntimeError
            On another loop, where it would wait for ever, or outside of any.
        """
        if self._home is not None and self._home is not _running_loop():
            fault = (
                "has ended: connect again in each"
                if self._home.is_closed()
                else "is not this one: make a client for each"
            )
            raise RuntimeError(
                f"this client is connected on an event loop that {fault} loop (asyncio.run makes one), "
                "or use the blocking Client or Socket, which any thread may use"
            )

    async def close(self, timeout: float) -> None:
        """Disconnect all sockets; handlers have ``timeout`` seconds for the received events."""
        await asyncio.gather(*(socket.disconnect(timeout) for socket in list(self.sockets.values())))

    async def ended(self, timeout: float) -> None:
        """Wait for the end of a connection whose last link was removed: about two seconds at most.

        The manager's own handlers have ``timeout`` seconds.
        """
        ending, self._ending = self._ending, set()
        if ending:
            await asyncio.wait(ending)
        await self._listeners.drained(timeout)

    @property
    def has_handlers(self) -> bool:
        """Whether the manager or one of its sockets has handlers."""
        return bool(self._listeners.named) or any(socket.has_handlers for socket in self.sockets.values())

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of the connection; empty without one."""
        return self.session.descriptors if self.session else []

    def drop(self) -> None:
        """Cut the connection without a goodbye."""
        session = self.session
        if session:
            session.abort("transport close: dropped on purpose")
            self._lost(session)  # now, not in the next tick: the caller expects it to be gone

    # --- connecting

    async def _run(self) -> None:
        """Make a session, wait for its end, and make the next one."""
        attempt = 0
        while self._links:
            session = await self._attempt(attempt)
            if session:
                attempt = 0  # reconnects are counted from 1, as in `reconnect_attempt` of socket.io-client
                await self._end_of(session)
            attempt += 1
            if not self._reconnection or (self._max_attempts is not None and attempt > self._max_attempts):
                self._give_up(attempt)
                return
            await asyncio.sleep(self._backoff.next())
            self._listeners.fire("reconnect_attempt", attempt)

    async def _end_of(self, session: ClientSession) -> None:
        """Wait for the end of a session; reset the backoff if it was stable.

        Without that condition a client would reconnect twice a second for ever, if the server admits it and then throws
        it out, or if a packet ends every connection on which it is read.
        """
        self._accepted_at = None
        try:
            await asyncio.wait({session.ended})  # unlike `await`, this does not cancel the future
        except asyncio.CancelledError:
            session.close("forced close")  # the event loop ends without `disconnect`
            await asyncio.wait({session.ended}, timeout=_LINGER)
            session.abort("forced close")
            raise
        if self._accepted_at is not None and asyncio.get_running_loop().time() - self._accepted_at >= _STABLE_AFTER:
            self._backoff.reset()

    async def _attempt(self, attempt: int) -> ClientSession | None:
        try:
            session = await self._open()
        except Exception as error:  # noqa: BLE001 - the callers of `connect` get it
            self._failed(error, attempt)
            return None
        self._listeners.fire("open")
        if attempt:
            self._listeners.fire("reconnect", attempt)
        for link in list(self._links.values()):  # a copy: a link that is refused removes itself
            link.opened(session)
        return session

    def _new_session(self) -> ClientSession:
        return ClientSession(self._receivers, self._on_batch, self._on_writable, self._refused, self.codec)

    async def _open(self) -> ClientSession:
        session = await self._opener.open()
        assert session.handshake
        self.max_payload = session.handshake.max_payload
        self.session = session
        session.ended.add_done_callback(lambda _: self._lost(session))
        return session

    def _failed(self, error: Exception, attempt: int) -> None:
        # Links are told of transient failures, too: their sockets fire `connect_error` each time, as in socket.io.
        self.remember(error)
        self._listeners.fire("error", error)
        if attempt:
            self._listeners.fire("reconnect_error", error)
        for link in list(self._links.values()):
            link.failed(error, transient=isinstance(error, TRANSIENT))

    def remember(self, error: Exception) -> None:
        """Keep the failure of an attempt, and log it unless it is the same as before."""
        if str(error) != str(self.error):  # or an absent server would be logged at every attempt
            logger.info("no connection to %s: %s", self.address.url, reason_of(error))
        self.error = error
        self.refused = self.refused or isinstance(error, AccessDenied)

    def _give_up(self, attempt: int) -> None:
        if attempt > 1:
            self._listeners.fire("reconnect_failed")
        for link in list(self._links.values()):
            link.given_up()

    def _lost(self, session: ClientSession) -> None:
        if self.session is not session:  # `drop` and the end of the session both report it
            return
        # First, so that a handler of "disconnect" that emits does not write to a session that has ended.
        self.session = None
        account = session.ended.result()
        logger.info("the connection to %s was lost: %s", self.address.url, account)
        for link in list(self._links.values()):
            link.lost(account)
        self._listeners.fire("close", reason_for(account))

    def _refused(self, error: PacketRefused) -> None:
        link = self._links.get(error.namespace)
        if link:
            link.refused(error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running loop of this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _nothing() -> None:
    pass
