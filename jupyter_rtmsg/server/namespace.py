"""A namespace: its sockets, rooms, middlewares and handlers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from itertools import count
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..errors import AckTimeout, Disconnected
from ..wire.socketio import Encoded, encode_event
from .broadcast import BroadcastOperator, Flags
from .rooms import Rooms
from .socket import Handler, Socket

if TYPE_CHECKING:
    from .server import Server

logger = logging.getLogger(__name__)

Middleware = Callable[[Socket], Awaitable[None] | None]
Route = Callable[[Socket, str, list[Any], bool], Any]


class Namespace:
    """One namespace of a server.

    Attributes
    ----------
    name : str
    sockets : dict
        Its connected sockets by id.
    rooms : Rooms
    """

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.sockets: dict[str, Socket] = {}
        self.rooms = Rooms(self.sockets)
        self.middlewares: list[Middleware] = []
        self.router: Route | None = None
        self._handlers: dict[str, list[Handler]] = {}
        self._ids = count()  # of acknowledgements, for all sockets: a broadcast uses one for all
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- listening

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Call a handler with each new socket; ``event`` is ``"connection"``. Also a decorator."""
        if event != "connection":
            raise ValueError(f"a namespace has the event 'connection', not {event!r}: others are a socket's")
        if handler is None:
            return lambda function: self.on(event, function)
        self._handlers.setdefault(event, []).append(handler)
        return handler

    def use(self, middleware: Middleware) -> Middleware:
        """Ask a middleware before each CONNECT is accepted; it refuses with `ConnectionRefused`."""
        self.middlewares.append(middleware)
        return middleware

    def route(self, route: Route) -> Route:
        """Let one function see every event first: no table of handlers for each socket.

        It is called with the socket, the event's name, all arguments (the name first) and whether an acknowledgement
        is wanted; what it returns is treated as a handler's result. `NOT_ROUTED` lets the socket's handlers see it.
        """
        self.router = route
        return route

    # --- speaking

    def _everyone(self) -> BroadcastOperator:
        return BroadcastOperator(self)

    def emit(self, event: str, *args: Any) -> None:
        """Emit to everyone in the namespace."""
        self._everyone().emit(event, *args)

    def send(self, *args: Any) -> None:
        """Emit the event ``message`` to everyone."""
        self._everyone().emit("message", *args)

    def to(self, *rooms: str) -> BroadcastOperator:
        """Everyone in these rooms."""
        return self._everyone().to(*rooms)

    in_ = to

    def except_(self, *rooms: str) -> BroadcastOperator:
        """Everyone but those in these rooms."""
        return self._everyone().except_(*rooms)

    @property
    def volatile(self) -> BroadcastOperator:
        """Everyone who can be written to now."""
        return self._everyone().volatile

    def timeout(self, seconds: float | None) -> BroadcastOperator:
        """Everyone, with a time to wait for acknowledgements."""
        return BroadcastOperator(self, flags=Flags(timeout=seconds))

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

    async def emit_with_ack(self, targets: Iterable[Socket], args: list[Any], timeout: float | None) -> list[Any]:
        """Emit to some sockets and wait for the answer of each; see `BroadcastOperator.emit_with_ack`."""
        id = next(self._ids)
        encoded = encode_event(args, self.name, id)
        waiting = list(targets)
        answers: list[Any] = []
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left = len(waiting)

        def answered(args: list[Any] | None) -> None:
            nonlocal left
            left -= 1
            if args is not None:
                answers.append(args[0] if len(args) == 1 else (args or None))
            if not left and not done.done():
                done.set_result(None)

        for socket in waiting:
            socket.await_ack(id, answered)
        self.write(waiting, encoded)
        try:
            if waiting:
                await asyncio.wait_for(done, timeout)
        except asyncio.TimeoutError:
            raise AckTimeout(f"{left} of {len(waiting)} did not acknowledge in {timeout} s", answers) from None
        finally:
            for socket in waiting:
                socket.forget_ack(id)
        if len(answers) < len(waiting) and len(waiting) == 1:
            raise Disconnected("the client is gone")
        return answers

    # --- what connections and sockets call

    def connected(self, socket: Socket) -> None:
        """A socket was accepted."""
        socket.connected = True
        self.sockets[socket.id] = socket
        coroutines: list[CoroutineType[Any, Any, Any]] = []
        for handler in self._handlers.get("connection", ()):
            try:
                result = handler(socket)
            except Exception as error:
                self.failed("a handler of 'connection'", error)
            else:
                if type(result) is CoroutineType:
                    coroutines.append(result)
        if coroutines:
            socket.run(self._each(coroutines))  # its events wait: they may be about to register their handlers

    async def _each(self, coroutines: Iterable[Coroutine[Any, Any, Any]]) -> None:
        for coroutine in coroutines:
            try:
                await coroutine
            except Exception as error:
                self.failed("a handler of 'connection'", error)

    def disconnected(self, socket: Socket) -> None:
        """A socket is gone."""
        self.rooms.clear(socket)
        self.sockets.pop(socket.id, None)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine; the loop itself keeps no reference to a task."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.failed("a handler", error)

    def failed(self, what: str, error: Exception) -> None:
        """Log the fault of an application's function."""
        logger.error("%s of namespace %s raised", what, self.name, exc_info=error)

    def failure(self, what: str, error: Exception) -> Any:
        """Log a fault, unless the error is itself an answer, and return what to acknowledge with."""
        answer = getattr(error, "answer", None)
        if answer is None:
            self.failed(what, error)
            return {"error": {"code": "internal", "message": "the handler failed"}}
        return answer

    def close(self) -> None:
        """Stop what still runs."""
        for task in self._tasks:
            task.cancel()
