"""A socket: one client in one namespace, as Socket.IO calls it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

from jupyter_rtmsg.errors import Disconnected
from jupyter_rtmsg.wire.data import EncodedJSON
from jupyter_rtmsg.wire.parser import Codec
from jupyter_rtmsg.wire.socketio import Encoded

from .acks import AckCallback, PendingAcks
from .broadcast import BroadcastOperator, ChainNamespace, Flags, SocketOperator
from .flow_control import FlowControl
from .listeners import Concurrent, Handler, SocketEmitter, listener
from .request import Handshake, Request
from .rooms import Room, Rooms, names
from .session import Session

NOT_ROUTED: Any = object()
"""Result of a route: the socket's own handlers are called."""
LATER: Any = object()
"""Result of a route: it will call `Socket.answer` itself."""

_NO_ROOMS: frozenset[Room] = frozenset()

__all__ = ["LATER", "NOT_ROUTED", "Handler", "Handshake", "Socket"]


class SocketNamespace(ChainNamespace["Socket"], Protocol):
    """The part of a `Namespace` that sockets and recoveries use."""

    name: str
    parser: Codec
    rooms: Rooms[Socket]
    sockets: dict[str, Socket]
    unchecked: int

    def observe(self, socket: Socket, *, observed: bool) -> None:
        """Note whether a socket has listeners for outgoing events."""

    def notify(self, handlers: Iterable[Handler], *args: Any, event: str = "") -> None:
        """Call handlers whose results are not used."""

    def copy(self, args: list[Any]) -> list[Any]:
        """Return a copy of an event's arguments for another thread."""

    def encode(self, args: list[Any], rooms: tuple[Room, ...], *, volatile: bool = False) -> Encoded:
        """Encode an event for the members of rooms."""

    def mark(self, args: list[Any], *, volatile: bool) -> Encoded | None:
        """Return the packet that follows an event to a recoverable socket."""

    def check_size(self, encoded: Encoded) -> None:
        """Raise `TooLarge` if a packet is too large to be sent."""

    def failure(self, function: str, error: Exception) -> Any:
        """Log an error, and return the value to acknowledge with."""


class SocketStream(Protocol):
    """The part of a `PacketStream` that its sockets use."""

    session: Session
    flow: FlowControl

    def leave(self, namespace: str) -> None:
        """Disconnect the socket of a namespace."""

    def disconnect(self) -> None:
        """Disconnect all sockets, and close the session."""


class Socket(SocketEmitter):
    """One client in one namespace.

    States: *new* (middlewares are asked; neither connected nor departed), *connected*, and *departed*. The namespace
    changes them by `entered` and `departs`. `rooms` and ``joined`` are kept by `Rooms` while it is connected; before
    that ``joined`` has the rooms that a middleware let it join. The socket's handlers are called by its `Dispatcher`,
    its packets are written to the session, which it shares with the client's sockets in other namespaces.

    Attributes
    ----------
    id : str
        Public: it may be shown to other clients.
    auth : dict
        The object that the client sent with CONNECT.
    user : object
        The user that the HTTP handshake has authenticated; a middleware may set it.
    data : dict
        For the application.
    recovered : bool
        Whether the state of an earlier connection was recovered.
    connected : bool
    session : Session
        The Engine.IO session; also ``socket.conn``.
    namespace : Namespace
    acks : PendingAcks
        The acknowledgements that the client owes.
    pid : str or None
        The secret for connection state recovery.
    """

    __slots__ = (
        "_last_rooms", "_stream", "acks", "auth", "connected", "data", "departed", "id", "joined", "namespace",
        "pid", "recovered", "session", "time", "user",
    )  # fmt: skip

    def __init__(self, namespace: SocketNamespace, stream: SocketStream, auth: dict[str, Any]) -> None:
        super().__init__()
        self.id = secrets.token_urlsafe(15)
        self.namespace = namespace
        self.session: Session = stream.session
        self.auth = auth
        self.user = stream.session.user
        self.time = time.time()
        self.data: dict[str, Any] = {}
        self.acks = PendingAcks(stream.flow)
        self.recovered = False
        self.pid: str | None = None
        self.connected = False
        self.departed = False
        self.joined: set[Room] = set()
        self._last_rooms: frozenset[Room] = _NO_ROOMS  # for handlers of "disconnecting"
        self._stream = stream

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.namespace.name}>"

    @property
    def handshake(self) -> Handshake:
        """The data of the client's handshake."""
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

    # --- listeners

    def on(self, event: str, handler: Handler | None = None, *, concurrent: bool = False) -> Any:
        """Register a handler for an event; also a decorator.

        Parameters
        ----------
        event : str
            Handlers of ``"disconnecting"`` (`rooms` still has the rooms) and of ``"disconnect"`` get the reason, those
            of ``"error"`` the exception of a middleware (see `use`), others the arguments of the client's event.
        handler : callable
            Its result is the acknowledgement; a tuple is several arguments. The coroutine of an async handler is
            awaited before the next event of this socket is handled; a handler that returns a Future does not delay it.
            A notebook cell that is run again replaces the handlers that it registered.
        concurrent : bool
            Whether the next event may be handled while this async handler runs.
        """
        if handler is None:
            return lambda function: self.on(event, function, concurrent=concurrent)
        if not concurrent:
            return super().on(event, handler)
        self._listen(event, Concurrent(listener(handler)))
        return handler

    def _observed(self, observed: bool) -> None:
        self.namespace.observe(self, observed=observed)

    # --- emitting

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event to this client. Never waits; may be called on any thread.

        Raises
        ------
        NotJSON
            If an argument is neither JSON nor bytes.
        TooLarge
            If the packet is larger than the server's ``max_queue``.
        ValueError
            If the name is reserved by Socket.IO.
        """
        self.emit_args([event, *args])

    def emit_args(self, args: list[Any], *, volatile: bool = False, compress: bool = True) -> None:
        """Emit the event that a list holds: its name, then its arguments."""
        if self.session.engine.elsewhere:
            args = self.namespace.copy(args)
            self.session.engine.hand_over(partial(self.emit_args, args, volatile=volatile, compress=compress))
            return
        encoded = self.namespace.encode(args, (self.id,), volatile=volatile)
        if not compress:
            encoded.leave_plain()
        if self.hooks is not None:
            self.notify_outgoing(args)
        self.session.put(encoded)
        if self.pid is not None and (mark := self.namespace.mark(args, volatile=volatile)) is not None:
            self.session.put(mark)

    def send(self, *args: Any) -> None:
        """Emit the event ``message``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Emit an event and wait for the acknowledgement, without a limit; see `timeout`."""
        return await self.timeout(None).emit_with_ack(event, *args)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """The clients in these rooms but this one."""
        return self.broadcast.to(*rooms)

    in_ = to

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """All clients but this one and those in these rooms."""
        return self.broadcast.except_(*rooms)

    @property
    def broadcast(self) -> BroadcastOperator[Socket]:
        """All clients but this one."""
        return BroadcastOperator(self.namespace, excluded=frozenset((self.id,)))

    @property
    def local(self) -> BroadcastOperator[Socket]:
        """All clients of this server but this one. There is no cluster, so this is `broadcast`."""
        return self.broadcast

    @property
    def volatile(self) -> SocketOperator[Socket]:
        """Drop the event if the client cannot be written to now."""
        return SocketOperator(self, Flags(volatile=True))

    def compress(self, compress: bool) -> SocketOperator[Socket]:
        """Allow or forbid compression, see `Flags`."""
        return SocketOperator(self, Flags(compress=compress))

    def timeout(self, seconds: float | None) -> SocketOperator[Socket]:
        """Limit the wait for the acknowledgement."""
        return SocketOperator(self, Flags(timeout=seconds))

    def write(self, page: Iterable[Encoded]) -> None:
        """Write encoded packets to this client alone."""
        put = self.session.put
        for encoded in page:
            put(encoded)

    async def drained(self) -> None:
        """Wait until all packets for this client are in the operating system's buffers, or it is disconnected."""
        await self.session.engine.wait_drained(self.session)

    def notify_outgoing(self, args: list[Any]) -> None:
        """Call the `on_any_outgoing` listeners."""
        if self.hooks is not None:
            self.namespace.notify(self.hooks.outgoing, *args)

    # --- acknowledgements

    def ask(self, encoded: Encoded, args: list[Any], id: int, callback: AckCallback) -> None:
        """Send an encoded event and expect its acknowledgement; see `acks.ask`."""
        if self.connected:
            self.acks.expect(id, callback)
        else:
            callback(self._gone())
        if self.hooks is not None:
            self.notify_outgoing(args)
        self.session.put(encoded)

    def answer(self, id: int | None, result: Any) -> None:
        """Acknowledge an event, at once or when a Future is done.

        Parameters
        ----------
        id : int or None
            Of the event; None if it asks for no acknowledgement.
        result : object
            A handler's result: a tuple is several arguments, None is no argument.
        """
        if isinstance(result, asyncio.Future):
            result.add_done_callback(partial(self._answer_later, id))
        elif id is not None and result is not NOT_ROUTED and result is not LATER and self.connected:
            args: list[Any] | EncodedJSON
            if type(result) is EncodedJSON:
                args = result
            elif type(result) is tuple:
                args = list(result)
            else:
                args = [] if result is None else [result]
            namespace = self.namespace
            try:
                encoded = namespace.parser.ack(id, args, namespace.name)
                if len(encoded.websocket) > namespace.unchecked:
                    namespace.check_size(encoded)
            except Exception as error:
                failure = namespace.failure("an acknowledgement", error)
                encoded = namespace.parser.ack(id, [failure], namespace.name)
            self.session.put(encoded)

    def _answer_later(self, id: int | None, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, Exception):
            self.answer(id, self.namespace.failure("a handler", error))
        else:
            self.answer(id, future.result())

    def _gone(self) -> Disconnected:
        return Disconnected("the client is gone", missing=[self.id])

    # --- rooms

    @property
    def rooms(self) -> frozenset[Room]:
        """The rooms it is in, with the room named by its id; in handlers of ``"disconnecting"`` those it was in."""
        return frozenset((self.id, *self.joined)) if self.connected else self._last_rooms

    def join(self, *rooms: Room | Iterable[Room]) -> None:
        """Join rooms; in a middleware, as soon as the client is accepted."""
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
        """Leave all rooms but the one named by its id: events for that room always reach it."""
        self.leave(self.joined.copy())

    # --- life

    def disconnect(self, close: bool = False) -> None:
        """Disconnect from this namespace, or (``close``) from all namespaces and close the connection.

        An official client does not reconnect after either. To make it reconnect, close its session:
        ``socket.conn.close()``.
        """
        self.session.engine.check_thread("socket.disconnect()")
        if not self.connected:
            return
        if close:
            self._stream.disconnect()
            return
        self.session.put(self.namespace.parser.disconnect(self.namespace.name))
        self._stream.leave(self.namespace.name)

    def restore(self, id: str, pid: str, data: dict[str, Any]) -> None:
        """Take the identity of an earlier connection. For implementations of `Recovery`."""
        self.id, self.pid, self.data = id, pid, data

    def set_recovered(self, recovered: bool) -> None:
        """Note whether the state of an earlier connection was recovered."""
        self.recovered = recovered

    def set_pid(self, pid: str | None) -> None:
        """Store the secret that this connection can be recovered with."""
        self.pid = pid

    def entered(self) -> set[Room]:
        """Become connected; return the rooms that a middleware let it join. For the namespace."""
        self.connected = True
        early, self.joined = self.joined, set()
        return early

    def departs(self) -> None:
        """Become disconnected. For the namespace, before the socket is removed from its rooms."""
        self._last_rooms = self.rooms
        self.connected, self.departed = False, True

    def fail_acks(self) -> None:
        """Stop waiting for acknowledgements: the client is disconnected."""
        self.acks.fail(self._gone())

    def drop_handlers(self) -> dict[str, tuple[Handler, ...]]:
        """Remove and return the handlers: the client is disconnected, and all of its events are handled."""
        self._last_rooms = _NO_ROOMS
        handlers = self.handlers
        self.off()
        return handlers
