"""A namespace: its sockets, rooms, middlewares and handlers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator
from functools import partial
from types import CoroutineType
from typing import Any, Protocol

from jupyter_rtmsg.errors import TooLarge
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.notebook import where_raised
from jupyter_rtmsg.wire.packet import Packet, Undecoded
from jupyter_rtmsg.wire.parser import Codec, decoded
from jupyter_rtmsg.wire.socketio import Encoded

from .broadcast import Broadcaster, BroadcastOperator
from .engine import Engine
from .listeners import Emitter, Handler, added, current, explain, function_of, listener
from .outbox import CHUNK
from .recovery import Recovery
from .rooms import Room, Rooms
from .socket import Socket

logger = throttled_logger(__name__)

Middleware = Callable[[Socket], Awaitable[None] | None]
Route = Callable[[Socket, str, list[Any], int | None], Any]


class NamespaceServer(Protocol):
    """The part of a `Server` that its namespaces use.

    Attributes
    ----------
    recovery : callable or None
        Makes the `Recovery` of a namespace.
    ack_ids : iterator of int
        Shared by all sockets, since a broadcast uses one id for several.
    """

    engine: Engine
    parser: Codec
    recovery: Callable[[Namespace], Recovery] | None
    ack_ids: Iterator[int]


class Namespace(Emitter, Broadcaster[Socket]):
    """One namespace of a server.

    It owns the sockets, from `connected` to `disconnected`, their rooms, and the tasks of their handlers. The sockets'
    packets arrive at a `PacketStream` and are handled by a `Dispatcher`; those that the namespace sends are encoded
    once and appended to the ``out`` list of each session.

    Attributes
    ----------
    server : Server
    name : str
    parser : Codec
    sockets : dict
        The connected sockets by id.
    rooms : Rooms
        Also ``adapter``, Socket.IO's name.
    router : callable or None
        See `route`.
    recovery : Recovery or None
    unchecked : int
        Bytes of a packet up to which `check_size` need not be called.
    closing : bool
        Whether the server is being closed, so that handlers are cancelled.
    decode, large
        Events of more than ``large`` bytes are decoded by ``decode``, see `decode_large`.
    """

    events: Collection[str] = ("connection",)

    def __init__(self, server: NamespaceServer, name: str) -> None:
        super().__init__()
        self.server = server
        self.parser = server.parser
        self.name = name
        self.sockets: dict[str, Socket] = {}
        self.rooms: Rooms[Socket] = Rooms(self.sockets)
        self.router: Route | None = None
        self.recovery: Recovery | None = server.recovery(self) if server.recovery else None
        self.unchecked = min(CHUNK, server.engine.max_queue)
        self.closing = False
        self.decode: Callable[[Undecoded], Packet] = Undecoded.decode
        self.large = sys.maxsize
        self._observed: set[Socket] = set()  # sockets with listeners for outgoing events
        self._departures: tuple[Callable[[Socket, str], object], ...] = ()
        self._middlewares: tuple[Handler, ...] = ()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def adapter(self) -> Rooms[Socket]:
        """The rooms, by Socket.IO's name."""
        return self.rooms

    def _chain(self) -> BroadcastOperator[Socket]:
        return BroadcastOperator(self)

    # --- handlers

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler of ``"connection"`` (or ``"connect"``), called with each new socket; also a decorator.

        A notebook cell that is run again replaces the handlers that it registered, for sockets that connect later.
        """
        return super().on(event, handler)

    def _event(self, name: str) -> str:
        if name == "connect":  # Socket.IO accepts both
            return "connection"
        if name not in self.events:
            known = ", ".join(self.events)
            raise ValueError(f"namespace {self.name} has the events {known}, not {name!r}: other events are a socket's")
        return name

    def use(self, middleware: Middleware) -> Middleware:
        """Register a middleware, called before a CONNECT is accepted. It refuses by raising `ConnectionRefused`."""
        new = listener(middleware)
        self._middlewares = added(self._middlewares, new)
        self._outdate(new)
        return middleware

    def _outdate(self, new: Handler) -> None:
        super()._outdate(new)
        self._middlewares = current(self._middlewares, new)

    @property
    def middlewares(self) -> tuple[Middleware, ...]:
        """The middlewares that are called before a CONNECT is accepted, in order."""
        return self._middlewares

    def route(self, route: Route) -> Route:
        """Pass every event of the namespace to one function, before the sockets' handlers; also a decorator.

        It is called with the socket, the event's name, all arguments (the name first), and the id of the wanted
        acknowledgement or None. Its result is used like a handler's. `NOT_ROUTED` passes the event to the socket's
        handlers, `LATER` says that the function will call ``socket.answer(id, result)`` itself.
        """
        self.router = route
        return route

    def decode_large(self, decode: Callable[[Undecoded], Packet], size: int) -> None:
        """Decode events of more than ``size`` bytes by a function that raises like `Undecoded.decode`."""
        self.decode = decode
        self.large = size

    # --- emitting

    def broadcast(self, args: list[Any], chain: BroadcastOperator[Socket]) -> None:
        """Emit an event to the sockets that a chain selects."""
        engine = self.server.engine
        if engine.elsewhere:
            engine.hand_over(partial(self.broadcast, self.copy(args), chain))
            return
        encoded = self.encode(args, chain.rooms, chain.excluded, volatile=chain.flags.volatile)
        if not chain.flags.compress:
            encoded.leave_plain()
        targets = self.rooms.select(chain.rooms, chain.excluded)
        if self._observed:
            self._notify_outgoing(targets, args)
        self.write(targets, encoded)
        mark = self.mark(args, volatile=chain.flags.volatile)
        if mark is not None:
            self.write([socket for socket in targets if socket.pid is not None], mark)

    def mark(self, args: list[Any], *, volatile: bool) -> Encoded | None:
        """Return the packet that follows an event to recoverable sockets; see `Recovery.mark`."""
        return None if self.recovery is None else self.recovery.mark(args, volatile)

    def encode(
        self, args: list[Any], rooms: Collection[Room], excluded: Collection[Room] = (), *, volatile: bool = False
    ) -> Encoded:
        """Encode an event that asks for no acknowledgement, for the members of ``rooms`` that are in no excluded room.

        Raises
        ------
        NotJSON, TooLarge, ValueError
            As `Socket.emit`.
        """
        encoded = self.parser.event(args, self.name)
        if volatile:
            encoded.make_volatile()
        self.check_size(encoded)
        if self.recovery is not None and not volatile:
            self.recovery.keep(encoded, rooms, excluded)
        return encoded

    def check_size(self, encoded: Encoded) -> None:
        """Raise `TooLarge` if a packet is larger than the engine's ``max_queue``."""
        limit = self.server.engine.max_queue
        size = len(encoded.websocket)
        if size > limit:
            raise TooLarge(
                f"a packet of {size:,} bytes is larger than the {limit:,} that may wait for a client: "
                "send it in pieces, or make the server with a larger max_queue"
            )

    def copy(self, args: list[Any]) -> list[Any]:
        """Return a copy of an event's arguments as they would be sent, for another thread. Raises as `encode`."""
        encoded = self.parser.event(args, self.name)
        self.check_size(encoded)
        data: list[Any] = decoded(encoded, self.parser).data
        return data

    def select(self, rooms: Collection[Room], excluded: Collection[Room]) -> list[Socket]:
        """Return the sockets in ``rooms`` that are in no excluded room; see `Rooms.select`."""
        return list(self.rooms.select(rooms, excluded))

    def deliver(self, batch: Iterable[tuple[str, Encoded]]) -> None:
        """Write each packet to the members of its room, in order."""
        members = self.rooms.members
        for room, encoded in batch:
            self.write(members(room), encoded)

    def write(self, targets: Collection[Socket], encoded: Encoded) -> None:
        """Append a packet to the ``out`` list of each session, and schedule its flush."""
        encoded.websocket  # noqa: B018  (made once, here, rather than in the first backlog that counts it)
        dirty = self.server.engine.dirty
        for socket in targets:
            out = socket.session.out
            if not out:
                dirty(socket.session)
            out.append(encoded)

    def observe(self, socket: Socket, *, observed: bool) -> None:
        """Note whether a socket has listeners for outgoing events."""
        if observed:
            self._observed.add(socket)
        else:
            self._observed.discard(socket)

    def _notify_outgoing(self, targets: Collection[Socket], args: list[Any]) -> None:
        for socket in [target for target in targets if target in self._observed]:
            socket.notify_outgoing(args)

    def next_ack_id(self) -> int:
        """Return an id that no other event of the server has."""
        return next(self.server.ack_ids)

    def encode_request(self, args: list[Any], id: int, *, compress: bool) -> Encoded:
        """Encode an event that asks for an acknowledgement."""
        encoded = self.parser.event(args, self.name, id)
        self.check_size(encoded)
        if not compress:
            encoded.leave_plain()
        return encoded

    def check_thread(self, call: str) -> None:
        """Raise `RuntimeError` on another thread than the server's event loop."""
        self.server.engine.check_thread(call)

    def server_side_emit(self, event: str, *args: Any) -> None:
        """Emit to the other servers of a cluster. This server has no cluster: the event is checked and dropped.

        Raises
        ------
        NotJSON, ValueError
            As `emit`.
        """
        if event in ("connection", "new_namespace"):
            raise ValueError(f"{event!r} is one of Socket.IO's own events and cannot be emitted to other servers")
        self.parser.event([event, *args], self.name)

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Emit to the other servers of a cluster, and return their acknowledgements: [], since there is no cluster."""
        self.server_side_emit(event, *args)
        return []

    # --- sockets

    def connected(self, socket: Socket) -> Coroutine[Any, Any, None] | None:
        """Add a socket that was accepted, and call the handlers of ``"connection"``.

        Returns
        -------
        coroutine or None
            Awaits the async handlers. The socket's events must wait for it: they may be about to register handlers.
        """
        early = socket.entered()
        self.sockets[socket.id] = socket
        self.rooms.opened(socket)
        for room in early:
            self.rooms.add(room, socket)
        if socket.recovered and self.recovery:
            self.recovery.resume(socket)
        coroutines: list[CoroutineType[Any, Any, Any]] = []
        for handler in self._greeters():
            try:
                result = handler(socket)
            except Exception as error:
                explain(error, function_of(handler), "connection", (socket,))
                self.failed("a handler of 'connection'", error)
            else:
                if type(result) is CoroutineType:
                    coroutines.append(result)
        return self._each(coroutines) if coroutines else None

    def _greeters(self) -> tuple[Handler, ...]:
        return self.handlers.get("connection", ())

    async def _each(self, coroutines: Iterable[Coroutine[Any, Any, Any]]) -> None:
        for coroutine in coroutines:
            try:
                await coroutine
            except Exception as error:
                self.failed("a handler of 'connection'", error)

    def disconnected(self, socket: Socket, reason: str) -> None:
        """Remove a socket. Its handlers may still have to handle events that it sent before."""
        if self.recovery:
            self.recovery.ended(socket, reason)
        self.rooms.clear(socket)
        self._observed.discard(socket)
        self.sockets.pop(socket.id, None)
        for function in self._departures:
            function(socket, reason)

    def on_departure(self, function: Callable[[Socket, str], object]) -> None:
        """Call a function with each socket that disconnects and the reason, before the socket's own handlers."""
        self._departures = (*self._departures, function)

    # --- running handlers

    def call(self, handlers: Iterable[Handler], *args: Any, event: str = "") -> list[CoroutineType[Any, Any, Any]]:
        """Call handlers whose results are not used; return the coroutines of async ones, which must be awaited.

        Parameters
        ----------
        handlers : iterable of callable
        *args
            Arguments for each handler.
        event : str
            The event, for the text of an error; ``""`` for catch-all listeners.
        """
        coroutines: list[CoroutineType[Any, Any, Any]] = []
        for handler in handlers:
            try:
                result = handler(*args)
            except Exception as error:
                if event:
                    explain(error, function_of(handler), event, args)
                self.failed(f"handler {handler!r}", error)
            else:
                if type(result) is CoroutineType:
                    coroutines.append(result)
        return coroutines

    def notify(self, handlers: Iterable[Handler], *args: Any, event: str = "") -> None:
        """Call handlers whose results are not used, and run the async ones in tasks; see `call`."""
        for coroutine in self.call(handlers, *args, event=event):
            self.spawn(coroutine)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in a task, which is kept until it is done (the loop has only weak references to tasks)."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.failed("a handler", error)

    def failed(self, function: str, error: Exception) -> None:
        """Log an exception of a handler; in a notebook, below the cell that registered the handler."""
        where_raised(error).run(logger.error, "%s of namespace %s raised", function, self.name, exc_info=error)

    def failure(self, function: str, error: Exception) -> Any:
        """Log an exception, unless it has an answer of its own; return the value to acknowledge with."""
        answer = getattr(error, "answer", None)
        if answer is None:
            self.failed(function, error)
            return {"error": {"code": "internal", "message": "the handler failed"}}
        return answer

    @property
    def tasks(self) -> frozenset[asyncio.Task[Any]]:
        """The tasks of handlers and middlewares that are running."""
        return frozenset(self._tasks)

    def close(self) -> None:
        """Allow the tasks of handlers to be cancelled: the server is being closed."""
        self.closing = True

    def reopen(self) -> None:
        """Undo `close`: the server listens again."""
        self.closing = False
