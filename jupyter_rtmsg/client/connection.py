"""The connection beneath the sockets of any number of namespaces: kept, and made again when it is lost.

socket.io-client calls it the Manager.
"""

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
from .endpoint import Endpoint
from .http import HttpRefused
from .lane import LaneFactory
from .listeners import Listeners
from .opening import Opener
from .reasons import reason_for
from .refusal import reason_of
from .route import Route
from .search import Found, Search
from .session import Session
from .strategy import Strategy

_log = logging.getLogger("jupyter_rtmsg")
_LIFE = 10  # seconds that a connection must have lasted before the next reconnect may come quickly again
_LINGER = 2  # seconds that a closed connection has for what was sent last
PASSING = (OSError, asyncio.TimeoutError, HttpRefused, Disconnected)  # what trying again may mend


class Namespaced(Protocol):
    """What a `Connection` tells its sockets."""

    namespace: str

    def opened(self, session: Session) -> None:
        """Learn that there is a session: send CONNECT."""

    def packet(self, packet: Packet, size: int) -> None:
        """Take a packet of the namespace."""

    def refused(self, error: PacketRefused) -> None:
        """Learn that a packet of the namespace came whose data cannot be taken."""

    def lost(self, account: str) -> None:
        """Learn that the session has ended."""

    def failed(self, error: Exception, *, passing: bool) -> None:
        """Learn that there is no session, and whether trying again may mend that."""

    def given_up(self) -> None:
        """Learn that no further attempt is made."""

    async def disconnect(self, timeout: float) -> None:
        """Leave, with so many seconds for handlers to finish what was received."""

    @property
    def heard(self) -> bool:
        """Whether there are handlers."""


class Connection(Listeners):
    """One connection to a server.

    Its events, for `on`: ``open``; ``close(reason)``; ``error(error)`` of an attempt; ``reconnect_attempt(number)``,
    ``reconnect_error(error)``, ``reconnect(number)`` and ``reconnect_failed``.

    Parameters
    ----------
    search : Search
        Where the server may be, and the token that is sent in a header there.
    headers, query : mapping
        Sent with the HTTP request.
    path : str
        Where the wire is, below the address.
    tls : ssl.SSLContext or None
    transports : sequence of str
        ``"websocket"`` and ``"polling"`` in the order in which they are tried, or one of them.
    codec : Codec
        What is spoken.
    lanes : callable
        Makes the lane of its handlers.
    reconnection : bool
        Whether a lost connection is made again.
    reconnection_attempts : int or None
        How often that is tried; None for ever.
    backoff : Backoff
        How long to wait between attempts.

    Attributes
    ----------
    max_payload : int
        The largest message that the server takes, in bytes.
    error : Exception or None
        Why the last attempt failed.
    refused : bool
        Whether an attempt failed because of the token, since the server last took in a socket.
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
        lanes: LaneFactory,
        reconnection: bool,
        reconnection_attempts: int | None,
        backoff: Backoff,
    ) -> None:
        super().__init__(lanes, "rtmsg connection")
        self.codec = codec
        self.max_payload = 1_000_000
        self.error: Exception | None = None
        self.refused = False
        self.session: Session | None = None
        self.sockets: dict[str, Namespaced] = {}  # every one that was made, connected or not
        self.on_batch: Callable[[], None] = _nothing
        self.on_writable: Callable[[], None] = _nothing
        self._endpoint = Endpoint(Route(search), path, query=query, headers=headers, tls=tls)
        self._opener = Opener(self._endpoint, Strategy(transports, self.address.url), self._new_session)
        self._reconnection = reconnection
        self._attempts = reconnection_attempts
        self._backoff = backoff
        self._active: dict[str, Namespaced] = {}
        self._receivers: dict[str, Callable[[Packet, int], None]] = {}
        self._home: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._settled_at: float | None = None  # when the server took in a socket over this session
        self._ending: set[asyncio.Future[Any]] = set()

    @property
    def address(self) -> Address:
        """Where the server is, or is looked for now."""
        return self._endpoint.address

    @property
    def found(self) -> Found:
        """How the server was found, and the token that is sent to it."""
        return self._endpoint.route.found

    @property
    def notice(self) -> str | None:
        """What whoever connects should know about the place."""
        return self._endpoint.route.notice

    @property
    def hint(self) -> str:
        """What helps whoever reads that nobody answers there."""
        return self._endpoint.route.hint

    def renew(self, error: Exception) -> bool:
        """Look the token up again that a server refused; tell whether there is another one."""
        return self._endpoint.advance(error)

    # --- the sockets

    def add(self, socket: Namespaced) -> None:
        """Let a socket have its namespace; connect for the first one."""
        self._home = asyncio.get_running_loop()
        self._active[socket.namespace] = socket
        self._receivers[socket.namespace] = socket.packet
        if self.session:
            socket.opened(self.session)
        elif self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep(), name="rtmsg connection")

    def remove(self, socket: Namespaced) -> None:
        """Let a socket go; end the connection with the last one."""
        if self._active.get(socket.namespace) is socket:
            del self._active[socket.namespace], self._receivers[socket.namespace]
        if not self._active:
            self._end()

    def settled(self) -> None:
        """Learn from a socket that the server took it in."""
        self.error = None
        self.refused = False
        if self._settled_at is None:
            self._settled_at = asyncio.get_running_loop().time()

    def _end(self) -> None:
        session, self.session = self.session, None
        if session and not session.ended.done():
            session.close("forced close")
            self._fire("close", "forced close")
            self._linger(session)
        task, self._task = self._task, None
        if task and task is not asyncio.current_task():
            task.cancel()
            self._ending.add(task)
        self._home = None
        self._backoff.reset()
        self._finish()

    def check_loop(self) -> None:
        """Refuse to be used anywhere but on the event loop that the connection lives on.

        Raises
        ------
        RuntimeError
            On another loop, where waiting would never end, or outside of any.
        """
        if self._home is not None and self._home is not running_loop():
            what = (
                "has ended: connect again in each"
                if self._home.is_closed()
                else "is not this one: make a client for each"
            )
            raise RuntimeError(
                f"this client is connected on an event loop that {what} loop (asyncio.run makes one), "
                "or use the blocking Client or Socket, which any thread may use"
            )

    async def close(self, timeout: float) -> None:
        """Disconnect the sockets of all namespaces, with so many seconds for handlers to finish what was received."""
        await asyncio.gather(*(socket.disconnect(timeout) for socket in list(self.sockets.values())))

    def _linger(self, session: Session) -> None:
        """Give what was sent last two seconds to leave: a peer that no longer reads must not keep the connection."""
        alarm = asyncio.get_running_loop().call_later(_LINGER, session.abort, "forced close")
        session.ended.add_done_callback(lambda _: alarm.cancel())
        self._ending.add(session.ended)

    async def ended(self, timeout: float) -> None:
        """Wait until nothing is left of a connection that has been ended: about two seconds at most.

        Its own handlers, which have no part in that, have ``timeout`` seconds.
        """
        ending, self._ending = self._ending, set()
        if ending:
            await asyncio.wait(ending)
        await self.finished(timeout)

    @property
    def heard(self) -> bool:
        """Whether anything has handlers: the connection, or a socket."""
        return bool(self._handlers) or any(socket.heard for socket in self.sockets.values())

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of its sockets, none when there is no connection."""
        return self.session.descriptors if self.session else []

    def drop(self) -> None:
        """Cut the connection with no goodbye."""
        session = self.session
        if session:
            session.abort("transport close: dropped on purpose")
            self._lost(session)  # at once: whoever drops a connection wants to see it gone

    # --- connecting

    async def _keep(self) -> None:
        attempt = 0
        while self._active:
            session = await self._attempt(attempt)
            if session:
                attempt = 0
                await self._life(session)
            attempt += 1
            if not self._reconnection or (self._attempts is not None and attempt > self._attempts):
                self._give_up(attempt)
                return
            await asyncio.sleep(self._backoff.next())
            self._fire("reconnect_attempt", attempt)

    async def _life(self, session: Session) -> None:
        """Wait for the end of a session; a long life makes the next reconnect quick again.

        A server that takes a client in and throws it out at once, or a packet that ends every connection that reads it,
        would otherwise be met by a client that comes back twice a second for ever.
        """
        self._settled_at = None
        try:
            await asyncio.wait({session.ended})  # whoever cancels this does not cancel the future
        except asyncio.CancelledError:
            session.close("forced close")  # the loop ends without `disconnect`
            await asyncio.wait({session.ended}, timeout=_LINGER)
            session.abort("forced close")
            raise
        if self._settled_at is not None and asyncio.get_running_loop().time() - self._settled_at >= _LIFE:
            self._backoff.reset()

    def _give_up(self, attempt: int) -> None:
        if attempt > 1:
            self._fire("reconnect_failed")
        for socket in list(self._active.values()):
            socket.given_up()

    async def _attempt(self, attempt: int) -> Session | None:
        try:
            session = await self._open()
        except Exception as error:  # noqa: BLE001 - what trying again does not mend is for who connects
            self._failed(error, attempt)
            return None
        self._fire("open")
        if attempt:
            self._fire("reconnect", attempt)
        for socket in list(self._active.values()):
            socket.opened(session)
        return session

    def _new_session(self) -> Session:
        return Session(self._receivers, self._batch, self._writable, self._refused, self.codec)

    async def _open(self) -> Session:
        session = await self._opener.open()
        assert session.handshake
        self.max_payload = session.handshake.max_payload
        self.session = session
        session.ended.add_done_callback(lambda _: self._lost(session))
        return session

    def _failed(self, error: Exception, attempt: int) -> None:
        self.remember(error)
        self._fire("error", error)
        if attempt:
            self._fire("reconnect_error", error)
        for socket in list(self._active.values()):
            socket.failed(error, passing=isinstance(error, PASSING))

    def remember(self, error: Exception) -> None:
        """Keep, and log once, why there is no connection."""
        if str(error) != str(self.error):
            _log.info("no connection to %s: %s", self.address.url, reason_of(error))
        self.error = error
        self.refused = self.refused or isinstance(error, AccessDenied)

    def _lost(self, session: Session) -> None:
        if self.session is not session:
            return
        self.session = None
        account = session.ended.result()
        _log.info("the connection to %s was lost: %s", self.address.url, account)
        for socket in list(self._active.values()):
            socket.lost(account)
        self._fire("close", reason_for(account))

    def _refused(self, error: PacketRefused) -> None:
        socket = self._active.get(error.namespace)
        if socket:
            socket.refused(error)

    def _batch(self) -> None:
        self.on_batch()

    def _writable(self) -> None:
        self.on_writable()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs on this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _nothing() -> None:
    pass
