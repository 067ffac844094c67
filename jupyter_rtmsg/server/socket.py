"""A socket: one client in one namespace, as Socket.IO calls it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..wire.socketio import Encoded, encode_ack, encode_disconnect, encode_event
from .broadcast import BroadcastOperator, Flags

if TYPE_CHECKING:
    from .connection import Connection
    from .namespace import Namespace
    from .session import Session

Handler = Callable[..., Any]

NOT_ROUTED: Any = object()  # what a route returns to let the socket's own handlers see an event
_MAX_WAITING = 128  # events that wait for a coroutine handler before the connection is read no more


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is known of a client from its connecting.

    Attributes
    ----------
    headers, query, address, secure, url
        Of the HTTP request, see `jupyter_rtmsg.server.session.Request`.
    auth : dict
        The object of its CONNECT.
    time : float
        Seconds since 1970.
    """

    headers: Any
    query: dict[str, str]
    address: str
    secure: bool
    url: str
    auth: dict[str, Any]
    time: float


class Socket:
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
    """

    __slots__ = (
        "_acks", "_connection", "_handlers", "_queue", "auth", "connected", "data", "id", "joined", "namespace",
        "recovered", "session", "time", "user",
    )  # fmt: skip

    def __init__(self, namespace: Namespace, connection: Connection, auth: dict[str, Any]) -> None:
        self.id = secrets.token_urlsafe(15)
        self.namespace = namespace
        self.session: Session = connection.session
        self.auth = auth
        self.user = connection.session.user
        self.time = time.time()
        self.data: dict[str, Any] = {}
        self.recovered = False
        self.connected = False
        self.joined: set[str] = set()
        self._connection = connection
        self._handlers: dict[str, list[Handler]] = {}
        self._acks: dict[int, Callable[[list[Any] | None], None]] = {}
        self._queue: deque[tuple[list[Any], int | None]] | None = None  # while a coroutine handler runs

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
    def rooms(self) -> frozenset[str]:
        """The rooms it is in, the one named by its id included."""
        return frozenset((self.id, *self.joined)) if self.connected else frozenset()

    # --- listening

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Call a handler for each event of a name; also a decorator.

        Parameters
        ----------
        event : str
            ``"disconnect"`` is called with the reason, any other with the arguments of the event.
        handler : callable
            What it returns is the acknowledgement (a tuple: several arguments). A coroutine function is awaited
            before the next event of this socket is looked at; a handler that returns a Future lets it start.
        """
        if handler is None:
            return lambda function: self.on(event, function)
        self._handlers.setdefault(event, []).append(handler)
        return handler

    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Like `on`, for one event only."""
        if handler is None:
            return lambda function: self.once(event, function)

        def first(*args: Any) -> Any:
            self.off(event, first)
            return handler(*args)

        self.on(event, first)
        return handler

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Remove one handler of an event, or all."""
        handlers = [] if handler is None else [h for h in self._handlers.get(event, ()) if h is not handler]
        self._handlers[event] = handlers

    # --- speaking

    def emit(self, event: str, *args: Any) -> None:
        """Emit to this client; never waits.

        Raises
        ------
        NotJSON
            If an argument is neither JSON nor bytes.
        ValueError
            If the name is one of Socket.IO's own.
        """
        self.session.put(encode_event([event, *args], self.namespace.name))

    def send(self, *args: Any) -> None:
        """Emit the event ``message``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Emit and wait for the acknowledgement; use ``socket.timeout(seconds)`` not to wait for ever."""
        return await self.timeout(None).emit_with_ack(event, *args)

    def to(self, *rooms: str) -> BroadcastOperator:
        """Everyone in these rooms but this client."""
        return self.broadcast.to(*rooms)

    in_ = to

    def except_(self, *rooms: str) -> BroadcastOperator:
        """Everyone but this client and those in these rooms."""
        return self.broadcast.except_(*rooms)

    @property
    def broadcast(self) -> BroadcastOperator:
        """Everyone but this client."""
        return BroadcastOperator(self.namespace, excluded=frozenset((self.id,)))

    @property
    def volatile(self) -> SocketOperator:
        """What is emitted may be lost if the client cannot be written to now."""
        return SocketOperator(self, Flags(volatile=True))

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

    def join(self, *rooms: str) -> None:
        """Enter rooms."""
        if self.connected:
            for room in rooms:
                self.namespace.rooms.add(room, self)

    def leave(self, *rooms: str) -> None:
        """Leave rooms."""
        for room in rooms:
            self.namespace.rooms.discard(room, self)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect from this namespace, or close the whole connection.

        An official client does not reconnect after the former, but does after the latter.
        """
        if not self.connected:
            return
        if close:
            self.session.close("forced close")
            return
        self.session.put(encode_disconnect(self.namespace.name))
        self._connection.leave(self.namespace.name)
        self.closed("server namespace disconnect")

    # --- what the connection calls

    def receive(self, args: list[Any], id: int | None) -> None:
        """Take an event; handlers run in the order of arrival."""
        queue = self._queue
        if queue is None:
            result = self._handle(args, id)
            if type(result) is CoroutineType:
                self.run(result, id)
            else:
                self._answer(id, result)
            return
        queue.append((args, id))
        if len(queue) >= _MAX_WAITING and self.session.transport:
            self.session.transport.pause_reading()  # again, where another socket of the session had resumed it

    def run(self, coroutine: Coroutine[Any, Any, Any], id: int | None = None) -> None:
        """Run a handler's coroutine; what comes meanwhile waits for it."""
        self._queue = deque()
        self.namespace.spawn(self._run(coroutine, id))

    def acknowledged(self, id: int | None, args: list[Any]) -> None:
        """Take an acknowledgement; unknown and late ones are ignored (PROTOCOL 2.6)."""
        waiting = self._acks.pop(id, None) if id is not None else None
        if waiting:
            waiting(args)

    def await_ack(self, id: int, done: Callable[[list[Any] | None], None]) -> None:
        """Call ``done`` with the arguments of an acknowledgement, or None at the end of the connection."""
        if self.connected:
            self._acks[id] = done
        else:
            done(None)

    def forget_ack(self, id: int) -> None:
        """Wait for it no longer."""
        self._acks.pop(id, None)

    def closed(self, reason: str) -> None:
        """It is over, for this reason."""
        if not self.connected:
            return
        self.connected = False
        self.namespace.disconnected(self)
        acks, self._acks = self._acks, {}
        for waiting in acks.values():
            waiting(None)
        for handler in self._handlers.get("disconnect", ()):
            self._late(handler, reason)
        self._handlers = {}

    # --- inside

    def _handle(self, args: list[Any], id: int | None) -> Any:
        """Call the handlers of an event and return the first one's result."""
        name = args[0]
        try:
            route = self.namespace.router
            if route is not None:
                result = route(self, name, args, id is not None)
                if result is not NOT_ROUTED:
                    return result
            handlers = self._handlers.get(name)
            if not handlers:
                return NOT_ROUTED
            result = handlers[0](*args[1:])
            for handler in handlers[1:]:
                self._late(handler, *args[1:])
            return result
        except Exception as error:
            return self.namespace.failure(f"a handler of {name!r}", error)

    def _late(self, handler: Handler, *args: Any) -> None:
        """Call a handler whose result nobody waits for."""
        try:
            result = handler(*args)
        except Exception as error:
            self.namespace.failed(f"handler {handler!r}", error)
        else:
            if type(result) is CoroutineType:
                self.namespace.spawn(result)

    async def _run(self, coroutine: Coroutine[Any, Any, Any], id: int | None) -> None:
        queue = self._queue
        assert queue is not None
        while True:
            self._answer(id, await self._finish(coroutine))
            while queue and self.connected:
                args, id = queue.popleft()
                if len(queue) == _MAX_WAITING // 2 and self.session.transport:
                    self.session.transport.resume_reading()
                result = self._handle(args, id)
                if type(result) is CoroutineType:
                    coroutine = result
                    break
                self._answer(id, result)
            else:
                self._queue = None
                if queue and self.session.transport:  # disconnected: what waited is dropped, the others read on
                    self.session.transport.resume_reading()
                return

    async def _finish(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await coroutine
        except asyncio.CancelledError:
            if self.session.closed:
                raise
            # Something it awaited was cancelled, not this task: the events behind it must not wait for ever.
            return self.namespace.failure("a handler", RuntimeError("what the handler awaited was cancelled"))
        except Exception as error:
            return self.namespace.failure("a handler", error)

    def _answer(self, id: int | None, result: Any) -> None:
        """Send the acknowledgement, at once or when the result is there."""
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda future: self._answer_later(id, future))
        elif id is not None and result is not NOT_ROUTED and self.connected:
            args = [result] if type(result) is not tuple else list(result)
            if result is None:
                args = []
            try:
                encoded = encode_ack(id, args, self.namespace.name)
            except Exception as error:
                encoded = encode_ack(id, [self.namespace.failure("an acknowledgement", error)], self.namespace.name)
            self.session.put(encoded)

    def _answer_later(self, id: int | None, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, Exception):
            self._answer(id, self.namespace.failure("a handler", error))
        else:
            self._answer(id, future.result())


@dataclass(frozen=True, slots=True)
class SocketOperator:
    """Emits to one client with flags: ``socket.volatile``, ``socket.timeout(5)``."""

    socket: Socket
    flags: Flags

    @property
    def volatile(self) -> SocketOperator:
        """What is emitted may be lost if the client cannot be written to now."""
        return SocketOperator(self.socket, Flags(True, self.flags.timeout))

    def timeout(self, seconds: float | None) -> SocketOperator:
        """How long to wait for an acknowledgement."""
        return SocketOperator(self.socket, Flags(self.flags.volatile, seconds))

    def emit(self, event: str, *args: Any) -> None:
        """Emit to this client."""
        if not self.flags.volatile or self.socket.session.ready:
            self.socket.emit(event, *args)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Emit, wait, and return the client's answer (a list if it has several arguments).

        Raises
        ------
        AckTimeout
            If none came in time.
        Disconnected
            If the client is gone.
        """
        answers = await self.socket.namespace.emit_with_ack([self.socket], [event, *args], self.flags.timeout)
        return answers[0]
