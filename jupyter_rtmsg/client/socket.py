"""A Socket.IO client: one namespace of a server, over a connection that is kept."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, TypeAlias

from jupyter_rtmsg.errors import ConnectionRefused, Disconnected, PacketRefused, ServerUnreachable
from jupyter_rtmsg.wire.parser import Parser, codec_of
from jupyter_rtmsg.wire.socketio import (
    ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    Packet,
)

from .backoff import Backoff
from .connection import Connection
from .emitter import Flags
from .lane import LaneFactory, TaskLane
from .reasons import CLIENT_LEFT, SERVER_LEFT, reason_for
from .receiving import Receiving
from .refusal import reason_of, refused
from .search import Given, Search
from .session import Session
from .strategy import TRANSPORTS

_log = logging.getLogger("jupyter_rtmsg")
_MAX_CUT_SHORT = 3

Auth: TypeAlias = "Mapping[str, Any] | Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]] | None"


class SocketClient(Receiving):
    """The plain Socket.IO client, with the names of socket.io-client.

    Its own events, for `on`: ``connect``; ``connect_error(error)``; ``disconnect(reason)``. All others are the
    server's.

    Parameters
    ----------
    url : str
        The base URL: the wire is at ``<url>socket.io/``.
    token : str, optional
        Of a Jupyter server: sent in an ``Authorization`` header, never in a URL.
    namespace : str
        Begins with a slash.
    auth : dict or callable, optional
        Sent with CONNECT. A callable is asked at every connection and may be async; a sync one must not wait.
    headers, query : dict, optional
        Sent with the HTTP request, as strings.
    path : str
        Where the wire is, below the URL.
    tls : ssl.SSLContext, optional
        For ``https``; certificates are verified by default.
    transports : sequence of str
        Tried in this order: ``"websocket"`` and ``"polling"``, or one of them. See docs/client.md, Transports.
    reconnection : bool
        Whether a lost connection is made again.
    reconnection_attempts : int, optional
        How often that is tried; without it, for ever.
    reconnection_delay, reconnection_delay_max : float
        Seconds before the first attempt, and at most; half of each delay is chance.
    retries : int
        How often an event is sent again that the server does not acknowledge; such events are sent one at a time.
    ack_timeout : float
        Seconds that an acknowledgement may take.
    lanes : callable, optional
        Makes the lane on which handlers run.
    parser : str or Parser
        How packets are written, which must be the server's way: ``"json"``, Socket.IO's default; ``"msgpack"``, as
        npm's ``socket.io-msgpack-parser`` and python-socketio's ``serializer="msgpack"`` do it; or one of your own.

    Attributes
    ----------
    id : str or None
        The server's id of this socket; another one after each reconnect, unless that was recovered.
    recovered : bool
        Whether the server took up the lost connection again: rooms are as they were, and what was missed has come.
    active : bool
        Whether it is connected, or connects by itself as soon as it can.
    io : Connection
        The connection beneath, with events of its own, such as ``reconnect_attempt``.

    Examples
    --------
    >>> socket = SocketClient("http://127.0.0.1:8888/", token="...")
    >>> await socket.connect()
    >>> await socket.emit_with_ack("sum", 1, 2)
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        namespace: str = "/",
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        path: str = "socket.io/",
        tls: ssl.SSLContext | None = None,
        transports: Sequence[str] = TRANSPORTS,
        reconnection: bool = True,
        reconnection_attempts: int | None = None,
        reconnection_delay: float = 0.5,
        reconnection_delay_max: float = 5.0,
        retries: int = 0,
        ack_timeout: float = 10.0,
        lanes: LaneFactory = TaskLane,
        parser: str | Parser = "json",
        _io: Connection | None = None,
        _search: Search | None = None,
    ) -> None:
        if not namespace.startswith("/") or "," in namespace:
            raise ValueError(f"a namespace begins with a slash and holds no comma, unlike {namespace!r}")
        super().__init__(namespace, retries, ack_timeout, lanes, _io.codec if _io else codec_of(parser))
        self.io = _io or Connection(
            _search or Given(url, token),
            headers=headers or {},
            query=query or {},
            path=path,
            tls=tls,
            transports=transports,
            codec=self._codec,
            lanes=lanes,
            reconnection=reconnection,
            reconnection_attempts=reconnection_attempts,
            backoff=Backoff(reconnection_delay, reconnection_delay_max),
        )
        self.recovered = False
        self.active = False
        self._auth = auth
        self._first: asyncio.Future[None] | None = None
        self._cut_short = 0  # sessions in a row that the server ended in place of answering CONNECT
        self._entering: asyncio.Task[None] | None = None
        self.io.sockets[namespace] = self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.io.address.url} {self.namespace}: {self.state}>"

    def of(self, namespace: str, auth: Auth = None) -> SocketClient:
        """Return the socket of another namespace over the same connection; it is to be connected by itself.

        Parameters
        ----------
        namespace : str
            Begins with a slash.
        auth : dict or callable, optional
            Sent with its CONNECT; that of this socket is not.
        """
        known = self.io.sockets.get(namespace)
        if isinstance(known, SocketClient):
            return known
        return SocketClient(
            self.io.address.url,
            namespace=namespace,
            auth=auth,
            retries=self._retries,
            ack_timeout=self._ack_timeout,
            lanes=self._lanes,
            _io=self.io,
        )

    # --- connecting

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect, and stay connected until `disconnect`, or until the server disconnects this socket.

        Raises
        ------
        ConnectionRefused
            At once, if the server refuses the CONNECT; with the server's ``message`` and ``data``.
        AccessDenied
            At once, if the server refuses the token, or there is none.
        ServerNotFound
            At once, if there is a server without Socket.IO.
        ServerUnreachable
            If none answers within ``timeout`` seconds.
        """
        self.io.check_loop()
        if self.connected:
            return
        first = self._first = self._first or asyncio.get_running_loop().create_future()
        begins = not self.active
        if begins:
            self.active = True
            self._set_state("connecting")
            self.io.add(self)
        try:
            await asyncio.wait_for(asyncio.shield(first), timeout)
        except BaseException as error:
            silent = self._silent(timeout)
            if begins:  # else it goes on, as it did before this was called
                await self.disconnect(0)
            if isinstance(error, asyncio.TimeoutError) and not first.done():
                raise silent from None
            raise
        finally:
            if begins or first.done():
                self._first = None

    def _unreachable(self, what: str) -> ServerUnreachable:
        return ServerUnreachable(f"{self.io.address.url} {what}: {reason_of(self.io.error)}{self.io.hint}")

    def _silent(self, timeout: float) -> ServerUnreachable:
        if self._session is None:
            return self._unreachable(f"did not answer within {timeout:g} s")
        said = f"{self.io.address.url} opened a session, and did not answer CONNECT within {timeout:g} s"
        return ServerUnreachable(f"{said}: {self._other_parser}")

    def opened(self, session: Session) -> None:
        """Send CONNECT. For the connection."""
        self._session = session
        self._entering = asyncio.get_running_loop().create_task(self._enter(session), name=self._name)

    async def _enter(self, session: Session) -> None:
        try:
            auth: Any = self._auth() if callable(self._auth) else self._auth
            auth = {**self._recovery.claim(), **((await auth if isawaitable(auth) else auth) or {})}
            packet = self._codec.connect(auth or None, self.namespace)
        except Exception as error:  # noqa: BLE001 - auth is a function of the user's
            self._refuse(error)
            return
        if self._session is session and not session.ended.done():
            session.send(packet)

    def _joined(self, data: Any) -> None:
        """Take the server's answer to CONNECT."""
        fields = data if isinstance(data, dict) else {}
        self.recovered = self._recovery.connected(fields.get("pid"))
        self.id = str(fields.get("sid", ""))
        self._cut_short = 0
        self._open()

    def _open(self) -> None:
        """Be connected: deliver what came before, send what has waited."""
        self._set_state("connected")
        self.io.settled()
        self._take_early()
        assert self._session
        self._send_what_waited(self._session)
        self._fire("connect")
        if self._first and not self._first.done():
            self._first.set_result(None)

    def _refuse(self, error: Exception) -> None:
        """Be refused: there is no sense in trying again by itself."""
        self._inactive()
        self._fail(error)

    def failed(self, error: Exception, *, passing: bool) -> None:
        """Learn that there is no connection yet. For the connection."""
        self._fire("connect_error", error)
        if not passing:
            self._first_failed(error)

    def given_up(self) -> None:
        """Learn that there will be no connection. For the connection."""
        self._inactive()
        self._first_failed(self._unreachable("was not reached"))

    def _fail(self, error: Exception) -> None:
        self._fire("connect_error", error)
        self._first_failed(error)

    def _first_failed(self, error: Exception) -> None:
        if self._first and not self._first.done():
            self._first.set_exception(error)

    # --- disconnecting

    @property
    def heard(self) -> bool:
        """Whether there are handlers. For the connection."""
        return bool(self._handlers or self._any or self._state_handlers)

    def lost(self, account: str) -> None:
        """Learn that the session has ended. For the connection."""
        if self.id is None and self._session is not None:
            self._not_answered(account)
        self._session_over(reason_for(account), f"the connection was lost: {account}", "offline")

    def _not_answered(self, account: str) -> None:
        """Say what is likely when the server ends one session after the other in place of answering CONNECT."""
        self._cut_short += 1
        if self._cut_short == _MAX_CUT_SHORT:
            said = f"{self.io.address.url} ended {self._cut_short} sessions in place of answering CONNECT ({account})"
            error = ServerUnreachable(f"{said}: {self._other_parser}")
            if self._first is None:
                _log.warning("%s", error)
            self._first_failed(error)

    @property
    def _other_parser(self) -> str:
        return f"perhaps it speaks another parser than {self._codec.name!r}"

    def _session_over(self, reason: str, said: str, state: str = "closed") -> None:
        was_in, self.id, self._session = self.id is not None, None, None
        self._early.clear()
        if self._entering:
            self._entering.cancel()
        if self.state == "connected":
            self._set_state(state)
            self._fire("disconnect", reason)
        if was_in:
            self._acks.fail(Disconnected(said), self._buffer.holds)

    def _inactive(self) -> None:
        self.active = False
        self._session = None
        self._set_state("closed")
        self._early.clear()
        self.io.remove(self)

    def _server_left(self) -> None:
        """Be disconnected by the server: it does not want this socket back by itself."""
        self._session_over(SERVER_LEFT, "the server disconnected this socket")
        self._inactive()

    async def disconnect(self, timeout: float = 5.0) -> None:
        """Leave, and connect no more until `connect`; what is emitted meanwhile waits.

        The connection ends with the last of its sockets.

        Parameters
        ----------
        timeout : float
            Seconds that handlers have to finish what was received.
        """
        self.io.check_loop()
        session = self._session
        if session and self.id is not None and not session.ended.done():
            session.send(self._codec.disconnect(self.namespace))
        self._session_over(CLIENT_LEFT, "the client was closed")
        self._inactive()
        self._finish()
        await self.io.ended(timeout)
        await self.finished(timeout)

    def drop(self) -> None:
        """Cut the connection with no goodbye, as a bad network does. For tests, and to show what happens then."""
        self.io.drop()

    def freeze(self, seconds: float) -> None:
        """Stop reading for so many seconds, as a process that hangs. For tests, and to show what happens then."""
        if self._session:
            self._session.freeze(seconds)

    # --- asking

    def _emit(self, flags: Flags, args: Sequence[Any]) -> None:
        self.io.check_loop()
        super()._emit(flags, args)

    async def _ask(self, flags: Flags, args: Sequence[Any]) -> Any:
        self.io.check_loop()
        return await super()._ask(flags, args)

    async def ready(self, timeout: float) -> None:
        """Wait until there is a connection.

        Raises
        ------
        Disconnected
            If there is none within ``timeout`` seconds, or the client was closed.
        """
        self.io.check_loop()
        if not await self._comes(timeout):
            error = self.io.error
            raise Disconnected(f"{self._offline()}: {reason_of(error)}" if error else self._offline())

    def _offline(self) -> str:
        return "the client was closed" if self.state == "closed" else f"no connection to {self.io.address.url}"

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, in bytes."""
        return self.io.max_payload

    # --- receiving

    def packet(self, packet: Packet, size: int) -> None:
        """Take a packet. For the connection."""
        kind = packet.type
        if kind is EVENT:
            self._plain(packet)
        elif kind is ACK:
            self._acks.take(packet)
        else:
            self._control(packet)

    def refused(self, error: PacketRefused) -> None:
        """Learn that a packet came whose data cannot be taken. For the connection."""
        if error.type == EVENT:
            self._skip(error)
        elif error.type == ACK:
            self._acks.take(Packet(ACK, error.namespace, error, error.id))
        elif error.type == CONNECT_ERROR:
            self._control(Packet(CONNECT_ERROR, error.namespace, f"refused, with words that cannot be read: {error}"))
        else:
            raise error  # a CONNECT without its sid: there is nothing to go on with

    def _control(self, packet: Packet) -> None:
        if packet.type is DISCONNECT:
            self._server_left()
        elif self.id is not None or self._session is None:
            return  # CONNECT is answered once, and not before it was sent
        elif packet.type is CONNECT:
            self._joined(packet.data)
        elif packet.type is CONNECT_ERROR:
            self._refuse(self._refusal(packet.data))

    def _refusal(self, data: Any) -> Exception:
        message, detail = refused(data)
        return ConnectionRefused(message, detail)
