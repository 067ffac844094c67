"""A socket: one client in one namespace, as Socket.IO calls it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import Disconnected
from ..wire.socketio import Encoded
from .broadcast import BroadcastOperator, Flags
from .dispatch import LATER, NOT_ROUTED, Dispatcher
from .emitter import NOBODY, Concurrent, Handler, listener
from .operator import SocketOperator
from .rooms import Room, names

if TYPE_CHECKING:
    from .connection import Connection
    from .namespace import Namespace
    from .request import Request
    from .session import Session

Answered: TypeAlias = "Callable[[list[Any] | Exception], None]"

_NO_ROOMS: frozenset[Room] = frozenset()
_NOT_BY_ITSELF = frozenset(
    {"server namespace disconnect", "forced server close", "server shutting down", "parse error", "too slow"}
)
"""Reasons for a disconnect after which nothing is handled any more that the client had sent."""

__all__ = ["LATER", "NOT_ROUTED", "Handler", "Handshake", "Socket"]


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is known of a client from its connecting.

    Attributes
    ----------
    headers, query, address, secure, url
        Of the HTTP request, see `jupyter_rtmsg.server.Request`.
    auth : dict
        The object of its CONNECT.
    time : float
        Seconds since 1970.
    """

    headers: Any = field(repr=False)
    query: dict[str, str] = field(repr=False)
    address: str
    secure: bool
    url: str = field(repr=False)
    auth: dict[str, Any] = field(repr=False)
    time: float


class Socket(Dispatcher):
    """One client in one namespace.

    Attributes
    ----------
    id : str
        Public: it may be shown to others.
    auth : dict
        The object that the client sent with its CONNECT.
    user : object
        Who the HTTP handshake showed the client to be; a middleware may set it.
    data : dict
        For the application.
    recovered : bool
        Whether an earlier connection's state was recovered.
    connected : bool
    session : Session
        The Engine.IO connection beneath, which the client's other namespaces share; also ``socket.conn``.
    """

    __slots__ = (
        "_acks", "_last_rooms", "auth", "connected", "data", "departed", "id", "joined", "namespace", "pid",
        "recovered", "session", "time", "user",
    )  # fmt: skip

    def __init__(self, namespace: Namespace, connection: Connection, auth: dict[str, Any]) -> None:
        super().__init__(connection)
        self.id = secrets.token_urlsafe(15)
        self.namespace = namespace
        self.session: Session = connection.session
        self.auth = auth
        self.user = connection.session.user
        self.time = time.time()
        self.data: dict[str, Any] = {}
        self.recovered = False
        self.pid: str | None = None  # the secret that it can be recovered with
        self.connected = False
        self.departed = False  # it was connected once
        self.joined: set[Room] = set()
        self._last_rooms: frozenset[Room] = _NO_ROOMS  # of one that was disconnected, until its handlers were told
        self._acks: dict[int, Answered] = {}

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.namespace.name}>"

    @property
    def handshake(self) -> Handshake:
        """What is known from the connecting."""
        request = self.session.request
        return Handshake(
            request.headers, request.query, request.address, request.secure, request.url, self.auth, self.time
        )

    @property
    def conn(self) -> Session:
        """The session: ``socket.conn.transport.name``, ``socket.conn.on("upgrade", ...)``."""
        return self.session

    @property
    def request(self) -> Request:
        """The HTTP request that opened the session."""
        return self.session.request

    @property
    def rooms(self) -> frozenset[Room]:
        """The rooms it is in, the one named by its id included; in handlers of ``"disconnecting"`` those it was in."""
        return frozenset((self.id, *self.joined)) if self.connected else self._last_rooms

    # --- listening

    def on(self, event: str, handler: Handler | None = None, *, concurrent: bool = False) -> Any:
        """Call a handler for each event of a name; also a decorator.

        Parameters
        ----------
        event : str
            ``"disconnecting"`` (`rooms` still tells its rooms) and ``"disconnect"`` are called with the reason,
            ``"error"`` with what a middleware of `use` raised, any other with the arguments of the client's event.
        handler : callable
            What it returns is the acknowledgement (a tuple: several arguments). A coroutine function is awaited
            before the next event of this socket is looked at; a handler that returns a Future lets it start.
            In a notebook, a cell that is run again replaces the handlers that it registered.
        concurrent : bool
            Whether the next event may be handled while this coroutine function runs.
        """
        if handler is None:
            return lambda function: self.on(event, function, concurrent=concurrent)
        if not concurrent:
            return super().on(event, handler)
        self._listen(event, Concurrent(listener(handler)))
        return handler

    # --- speaking

    def emit(self, event: str, *args: Any) -> None:
        """Emit to this client; never waits. Any thread may.

        Raises
        ------
        NotJSON
            If an argument is neither JSON nor bytes.
        TooLarge
            If it is larger than the server's ``max_queue``.
        ValueError
            If the name is one of Socket.IO's own.
        """
        self.speak([event, *args])

    def speak(self, args: list[Any], *, volatile: bool = False, compress: bool = True) -> None:
        """Emit the event that a list is: its name, then its arguments."""
        if self.session.engine.elsewhere:
            args = self.namespace.copy(args)
            self.session.engine.hand_over(partial(self.speak, args, volatile=volatile, compress=compress))
            return
        encoded = self.namespace.encode(args, (self.id,), volatile=volatile)
        if not compress:
            encoded.leave_plain()
        if self._hooks is not None:
            self.overhear(args)
        self.session.put(encoded)
        if self.pid is not None and (mark := self.namespace.mark(args, volatile=volatile)) is not None:
            self.session.put(mark)

    def send(self, *args: Any) -> None:
        """Emit the event ``message``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Emit and wait for the acknowledgement; use ``socket.timeout(seconds)`` not to wait for ever."""
        return await self.timeout(None).emit_with_ack(event, *args)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator:
        """Everyone in these rooms but this client."""
        return self.broadcast.to(*rooms)

    in_ = to

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator:
        """Everyone but this client and those in these rooms."""
        return self.broadcast.except_(*rooms)

    @property
    def broadcast(self) -> BroadcastOperator:
        """Everyone but this client."""
        return BroadcastOperator(self.namespace, excluded=frozenset((self.id,)))

    @property
    def local(self) -> BroadcastOperator:
        """Everyone on this server but this client: there is one server."""
        return self.broadcast

    @property
    def volatile(self) -> SocketOperator:
        """What is emitted may be lost if the client cannot be written to now."""
        return SocketOperator(self, Flags(volatile=True))

    def compress(self, compress: bool) -> SocketOperator:
        """Whether to compress: see `Flags`."""
        return SocketOperator(self, Flags(compress=compress))

    def timeout(self, seconds: float | None) -> SocketOperator:
        """How long to wait for an acknowledgement."""
        return SocketOperator(self, Flags(timeout=seconds))

    def write(self, page: Iterable[Encoded]) -> None:
        """Write packets that are already encoded, to this client alone."""
        put = self.session.put
        for encoded in page:
            put(encoded)

    async def drained(self) -> None:
        """Wait until everything for this client was given to the operating system, or it is gone."""
        await self.session.engine.wait_drained(self.session)

    # --- rooms and the end

    def join(self, *rooms: Room | Iterable[Room]) -> None:
        """Enter rooms; in a middleware, as soon as the client is accepted."""
        self.session.engine.check_thread("socket.join()")
        for room in names(rooms):
            if self.connected:
                self.namespace.rooms.add(room, self)
            elif not self.departed:
                self.joined.add(room)

    def leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Leave rooms."""
        self.session.engine.check_thread("socket.leave()")
        for room in names(rooms):
            if self.connected:
                self.namespace.rooms.discard(room, self)
            else:
                self.joined.discard(room)

    def leave_all(self) -> None:
        """Leave all rooms, but the one that is named by its id: what is emitted to that always reaches it."""
        self.leave(self.joined.copy())

    def disconnect(self, close: bool = False) -> None:
        """Disconnect from this namespace, or from all namespaces and close the whole connection.

        An official client does not come back by itself after either. To have it come back, close its session instead:
        ``socket.conn.close()``.
        """
        self.session.engine.check_thread("socket.disconnect()")
        if not self.connected:
            return
        if close:
            self._connection.disconnect()
            return
        self.session.put(self.namespace.parser.disconnect(self.namespace.name))
        self._connection.leave(self.namespace.name)
        self.closed("server namespace disconnect")

    # --- what the connection calls

    def acknowledged(self, id: int | None, args: list[Any] | Exception) -> None:
        """Take an acknowledgement; unknown and late ones are ignored (docs/protocol.md#socketio-events)."""
        waiting = self._acks.pop(id, None) if id is not None else None
        if waiting:
            self._connection.waiting.asked -= 1
            waiting(args)

    def await_ack(self, id: int, done: Answered) -> None:
        """Call ``done`` with the arguments of an acknowledgement, or with the reason why none will come."""
        if self.connected:
            self._acks[id] = done
            self._connection.waiting.ask()
        else:
            done(self._gone())

    def awaits_ack(self, id: int) -> bool:
        """Whether an acknowledgement may still come."""
        return id in self._acks

    def forget_ack(self, id: int) -> None:
        """Wait for it no longer."""
        if self._acks.pop(id, None) is not None:
            self._connection.waiting.asked -= 1

    def fail_acks(self, error: Exception) -> None:
        """Wait for no acknowledgement any longer."""
        acks, self._acks = self._acks, {}
        self._connection.waiting.asked -= len(acks)
        for waiting in acks.values():
            waiting(error)

    def _gone(self) -> Disconnected:
        return Disconnected("the client is gone", missing=[self.id])

    def closed(self, reason: str) -> None:
        """Take the client out of the namespace; handle what it sent if it left by itself; then tell the handlers."""
        if not self.connected:
            return
        self._last_rooms = self.rooms
        self.connected, self.departed = False, True
        self.namespace.disconnected(self, reason)
        self.fail_acks(self._gone())
        if reason in _NOT_BY_ITSELF:
            self.drop_waiting()
        elif self._queue is not None:
            self._reason = reason
            return
        self.farewell(reason)

    def farewell(self, reason: str) -> None:
        """Call the handlers of ``"disconnecting"``, then those of ``"disconnect"``."""
        self._reason = None
        coroutines = self._call_all(self._handlers.get("disconnecting", ()), reason, event="disconnecting")
        if coroutines:
            self.namespace.spawn(self._farewell_later(coroutines, reason))
        else:
            self._end(reason)

    async def _farewell_later(self, coroutines: list[CoroutineType[Any, Any, Any]], reason: str) -> None:
        for coroutine in coroutines:
            await self._finish(coroutine)
        self._end(reason)

    def _end(self, reason: str) -> None:
        self._last_rooms = _NO_ROOMS
        handlers, self._handlers = self._handlers, NOBODY
        for handler in handlers.get("disconnect", ()):
            self._late(handler, reason, event="disconnect")
