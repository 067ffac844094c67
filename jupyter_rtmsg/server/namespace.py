"""A namespace: its sockets, rooms, middlewares and handlers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from jupyter_rtmsg.logthrottle import throttled_logger

from ..errors import TooLarge
from ..notebook import where_raised
from ..wire.packet import Packet, Undecoded
from ..wire.parser import decoded
from ..wire.socketio import Encoded
from .arguments import explain
from .broadcast import Broadcaster, BroadcastOperator
from .emitter import Emitter, Handler, added, current, function_of, listener
from .hooks import Hooked
from .outbox import CHUNK
from .recovery import Recovery
from .rooms import Room, Rooms
from .socket import Answered, Socket

if TYPE_CHECKING:
    from .server import Server

logger = throttled_logger(__name__)

Middleware = Callable[[Socket], Awaitable[None] | None]
Route = Callable[[Socket, str, list[Any], int | None], Any]


class Namespace(Emitter, Broadcaster):
    """One namespace of a server.

    Attributes
    ----------
    name : str
    sockets : dict
        Its connected sockets by id.
    rooms : Rooms
        Socket.IO's adapter.
    """

    events: Collection[str] = ("connection",)

    def __init__(self, server: Server, name: str) -> None:
        super().__init__()
        self.server = server
        self.parser = server.parser
        self.name = name
        self.sockets: dict[str, Socket] = {}
        self.rooms = Rooms(self.sockets)
        self.router: Route | None = None
        self.recovery: Recovery | None = server.recovery(self) if server.recovery else None
        self.overheard: set[Hooked] = set()  # somebody wants to know what is sent to these
        self.unchecked = min(CHUNK, server.engine.max_queue)  # bytes of a packet up to which `check_size` has no say
        self.closing = False
        self.decode: Callable[[Undecoded], Packet] = Undecoded.decode
        self.large = sys.maxsize  # bytes of an event, from which on `decode` decodes it
        self._departures: tuple[Callable[[Socket, str], object], ...] = ()
        self._middlewares: tuple[Handler, ...] = ()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def adapter(self) -> Rooms:
        """The rooms, as Socket.IO calls them."""
        return self.rooms

    def _chain(self) -> BroadcastOperator:
        return BroadcastOperator(self)

    # --- listening

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Call a handler with each new socket; ``event`` is ``"connection"``, or ``"connect"``. Also a decorator.

        In a notebook, a cell that is run again replaces the handlers that it registered, for sockets that come later.
        """
        return super().on(event, handler)

    def _event(self, name: str) -> str:
        if name == "connect":  # as in Socket.IO
            return "connection"
        if name not in self.events:
            raise ValueError(
                f"namespace {self.name} has the events {', '.join(self.events)}, not {name!r}: others are a socket's"
            )
        return name

    def use(self, middleware: Middleware) -> Middleware:
        """Ask a middleware before each CONNECT is accepted; it refuses with `ConnectionRefused`. Also a decorator."""
        new = listener(middleware)
        self._middlewares = added(self._middlewares, new)
        self._outdate(new)
        return middleware

    def _outdate(self, new: Handler) -> None:
        super()._outdate(new)
        self._middlewares = current(self._middlewares, new)

    @property
    def middlewares(self) -> tuple[Middleware, ...]:
        """What is asked before a CONNECT is accepted, in order."""
        return self._middlewares

    def route(self, route: Route) -> Route:
        """Let one function see every event first: no table of handlers for each socket.

        It is called with the socket, the event's name, all arguments (the name first) and the number of the wanted
        acknowledgement (None: none is); what it returns is treated as a handler's result. `NOT_ROUTED` lets the
        socket's handlers see it, `LATER` says that it will call the socket's ``answer`` with that number itself.
        """
        self.router = route
        return route

    def decode_large(self, decode: Callable[[Undecoded], Packet], size: int) -> None:
        """Let a function decode the events that are larger than so many bytes: it raises as `Undecoded.decode` does."""
        self.decode = decode
        self.large = size

    # --- speaking

    def broadcast(self, args: list[Any], chain: BroadcastOperator) -> None:
        """Emit to those whom a chain names."""
        engine = self.server.engine
        if engine.elsewhere:
            engine.hand_over(partial(self.broadcast, self.copy(args), chain))
            return
        encoded = self.encode(args, chain.rooms, chain.excluded, volatile=chain.flags.volatile)
        if not chain.flags.compress:
            encoded.leave_plain()
        targets = self.rooms.select(chain.rooms, chain.excluded)
        if self.overheard:
            self._overhear(targets, args)
        self.write(targets, encoded)
        mark = self.mark(args, volatile=chain.flags.volatile)
        if mark is not None:
            self.write([socket for socket in targets if socket.pid is not None], mark)

    def mark(self, args: list[Any], *, volatile: bool) -> Encoded | None:
        """Return what follows an event to those who may be recovered; see `Recovery.mark`."""
        return None if self.recovery is None else self.recovery.mark(args, volatile)

    def encode(
        self, args: list[Any], rooms: Collection[Room], excluded: Collection[Room] = (), *, volatile: bool = False
    ) -> Encoded:
        """Encode an event that wants no acknowledgement, for whoever is in some rooms and in none of others.

        Raises
        ------
        NotJSON, TooLarge, ValueError
            As `Socket.emit`.
        """
        encoded = self.parser.event(args, self.name)
        encoded.volatile = volatile
        self.check_size(encoded)
        if self.recovery is not None and not volatile:
            self.recovery.keep(encoded, rooms, excluded)
        return encoded

    def check_size(self, encoded: Encoded) -> None:
        """Refuse a packet that is larger than what may wait for a client; raises `TooLarge`."""
        limit = self.server.engine.max_queue
        size = len(encoded.websocket)
        if size > limit:
            raise TooLarge(
                f"a packet of {size:,} bytes is larger than the {limit:,} that may wait for a client: "
                "send it in pieces, or make the server with a larger max_queue"
            )

    def copy(self, args: list[Any]) -> list[Any]:
        """Return a copy of an event's arguments, as they are sent, for another thread to emit.

        Raises
        ------
        NotJSON, TooLarge, ValueError
            As `Socket.emit`.
        """
        encoded = self.parser.event(args, self.name)
        self.check_size(encoded)
        data: list[Any] = decoded(encoded, self.parser).data
        return data

    def select(self, rooms: Collection[Room], excluded: Collection[Room]) -> list[Socket]:
        """Return the sockets of some rooms; see `Rooms.select`."""
        return list(self.rooms.select(rooms, excluded))

    def deliver(self, batch: Iterable[tuple[str, Encoded]]) -> None:
        """Write encoded packets to the members of rooms, in order."""
        members = self.rooms.members
        for room, encoded in batch:
            self.write(members(room), encoded)

    def write(self, targets: Collection[Socket], encoded: Encoded) -> None:
        """Add an encoded packet to what is written to each of some sockets."""
        encoded.websocket  # noqa: B018  (made once, here, rather than in the first backlog that counts it)
        dirty = self.server.engine.dirty
        for socket in targets:
            session = socket.session
            out = session.out
            if not out:
                dirty(session)
            out.append(encoded)

    def _overhear(self, targets: Collection[Socket], args: list[Any]) -> None:
        for socket in [target for target in targets if target in self.overheard]:
            socket.overhear(args)

    def ask(
        self,
        sockets: list[Socket],
        args: list[Any],
        id: int,
        answered: Answered,
        *,
        compress: bool = True,
    ) -> None:
        """Emit an event that wants to be acknowledged to sockets of this namespace."""
        encoded = self.parser.event(args, self.name, id)
        self.check_size(encoded)
        if not compress:
            encoded.leave_plain()
        for socket in sockets:
            socket.await_ack(id, answered)
        if self.overheard:
            self._overhear(sockets, args)
        self.write(sockets, encoded)

    def server_side_emit(self, event: str, *args: Any) -> None:
        """Emit to the other servers of a cluster. There is one server, so nobody hears it; it is checked all the same.

        Raises
        ------
        NotJSON, ValueError
            As `emit`.
        """
        if event in ("connection", "new_namespace"):
            raise ValueError(f"{event!r} is one of Socket.IO's own events and cannot be emitted to other servers")
        self.parser.event([event, *args], self.name)

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Emit to the other servers of a cluster and return their answers: there is one server, so there are none."""
        self.server_side_emit(event, *args)
        return []

    # --- what connections and sockets call

    def connected(self, socket: Socket) -> None:
        """A socket was accepted."""
        socket.connected = True
        self.sockets[socket.id] = socket
        self.rooms.opened(socket)
        early, socket.joined = socket.joined, set()
        for room in early:  # a middleware has put it there
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
        if coroutines:
            # its events wait: they may be about to register their handlers
            socket.run(self._each(coroutines), None, "a handler of 'connection'")

    def _greeters(self) -> tuple[Handler, ...]:
        return self._handlers.get("connection", ())

    async def _each(self, coroutines: Iterable[Coroutine[Any, Any, Any]]) -> None:
        for coroutine in coroutines:
            try:
                await coroutine
            except Exception as error:
                self.failed("a handler of 'connection'", error)

    def disconnected(self, socket: Socket, reason: str) -> None:
        """A socket is gone: at once, while its handlers may still have to deal with what it had sent."""
        if self.recovery:
            self.recovery.ended(socket, reason)
        self.rooms.clear(socket)
        self.overheard.discard(socket)
        self.sockets.pop(socket.id, None)
        for function in self._departures:
            function(socket, reason)

    def on_departure(self, function: Callable[[Socket, str], object]) -> None:
        """Call a function with each socket that is gone and the reason: at once, before its handlers are told."""
        self._departures = (*self._departures, function)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine, and return its task; the loop itself keeps no reference to it."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.failed("a handler", error)

    def failed(self, what: str, error: Exception) -> None:
        """Log the fault of an application's function, in a notebook below the cell that defined it."""
        where_raised(error).run(logger.error, "%s of namespace %s raised", what, self.name, exc_info=error)

    def failure(self, what: str, error: Exception) -> Any:
        """Log a fault, unless the error is itself an answer, and return what to acknowledge with."""
        answer = getattr(error, "answer", None)
        if answer is None:
            self.failed(what, error)
            return {"error": {"code": "internal", "message": "the handler failed"}}
        return answer

    @property
    def tasks(self) -> frozenset[asyncio.Task[Any]]:
        """What runs for it: handlers, middlewares."""
        return frozenset(self._tasks)
