"""The order in which handlers of a socket are called (docs/protocol.md#socketio-events)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Iterable, Iterator
from types import CoroutineType
from typing import Any

from jupyter_rtmsg.errors import ConnectionRefused, PacketRefused, ProtocolError
from jupyter_rtmsg.wire.packet import Undecoded

from .flow_control import EventQueue, FlowControl
from .listeners import Concurrent, Handler, Hooks, explain, function_of
from .namespace import Namespace
from .socket import LATER, NOT_ROUTED, Socket

_DROPS_EVENTS = frozenset(
    {"server namespace disconnect", "forced server close", "server shutting down", "parse error", "too slow"}
)
"""Reasons of a disconnect after which the events that wait are dropped. After others they are handled."""


class Dispatcher:
    """Passes the events of one socket to its handlers, in the order in which they arrive.

    States:

    * *idle*, ``_queue`` is None: an event is handled when it is received.
    * *running*, ``_queue`` is set: a coroutine handler runs, and events wait, undecoded, in the queue.
    * *leaving*, ``_queue`` and ``_reason`` are set: the socket is disconnected, and the events in the queue are handled
      before the handlers of ``"disconnecting"`` and ``"disconnect"`` are called.

    Parameters
    ----------
    socket : Socket
    namespace : Namespace
        The socket's.
    flow : FlowControl
        The session's.
    """

    __slots__ = ("_flow", "_queue", "_reason", "_session", "namespace", "socket")

    def __init__(self, socket: Socket, namespace: Namespace, flow: FlowControl) -> None:
        self.socket = socket
        self.namespace = namespace
        self._session = socket.session
        self._flow = flow
        self._queue: EventQueue | None = None
        self._reason: str | None = None

    # --- for the packet stream

    def receive(self, args: list[Any], id: int | None) -> None:
        """Handle an event while no handler runs."""
        result = self._handle(args, id)
        if type(result) is CoroutineType:
            self.run(result, id, self._label(args[0]))
        elif result is not LATER:  # as it is for each event that a hub stores
            self.socket.answer(id, result)

    def wait(self, event: Undecoded) -> bool:
        """Add an event to the queue if a handler runs; return whether one does."""
        queue = self._queue
        if queue is None:
            return False
        if not queue.events:  # the first one: warn if the handler does not return
            self._session.engine.watch.add(queue)
        queue.events.append(event)  # undecoded: decoded it would take up to seventy times its bytes
        self._flow.add(event)
        return True

    def run(self, coroutine: Coroutine[Any, Any, Any], id: int | None, handler: str) -> None:
        """Run the coroutine of a handler, which is described by ``handler``. Events wait until it has returned."""
        self._queue = EventQueue(handler, asyncio.get_running_loop().time())
        self._flow.handler_started()
        self.namespace.spawn(self._run(self._queue, coroutine, id))

    def closed(self, reason: str) -> None:
        """Disconnect the socket, then call its handlers of ``"disconnecting"`` and ``"disconnect"``."""
        if not self.socket.connected:
            return
        # Out of the namespace at once: events for its rooms must not be sent to it, whatever handlers still do.
        self.socket.departs()
        self.namespace.disconnected(self.socket, reason)
        self.socket.fail_acks()
        if reason in _DROPS_EVENTS:
            self.drop_waiting()
        elif self._queue is not None:
            self._reason = reason  # `_run` goes on with `_departed` when the queue is empty
            return
        self._departed(reason)

    def drop_waiting(self) -> None:
        """Drop the events that wait."""
        events = self._queue.events if self._queue else ()
        while events:
            self._flow.remove(events.popleft())
            self._session.engine.count_dropped()

    # --- inside

    def _departed(self, reason: str) -> None:
        """Call the handlers of ``"disconnecting"``, then those of ``"disconnect"``."""
        self._reason = None
        coroutines = self.namespace.call(self.socket.handlers.get("disconnecting", ()), reason, event="disconnecting")
        if coroutines:
            self.namespace.spawn(self._departed_later(coroutines, reason))
        else:
            self._end(reason)

    async def _departed_later(self, coroutines: list[CoroutineType[Any, Any, Any]], reason: str) -> None:
        for coroutine in coroutines:
            await self._finish(coroutine)
        self._end(reason)

    def _end(self, reason: str) -> None:
        handlers = self.socket.drop_handlers().get("disconnect", ())
        self.namespace.notify(handlers, reason, event="disconnect")

    def _label(self, event: Any) -> str:
        """Describe the handler of an event for a warning. Empty for a route: its clients may ask for long work."""
        return "" if self.namespace.router is not None else f"the handler of {event!r:.80}"

    def _handle(self, args: list[Any], id: int | None, *, asked: bool = False) -> Any:
        """Call the handlers of an event; return the first result that is not None. ``asked``: hooks were called."""
        socket, namespace = self.socket, self.namespace
        if socket.hooks is not None and not asked:  # most sockets have no hooks
            return self._ask(socket.hooks, args, id)
        name = args[0]
        try:
            route = namespace.router
            if route is not None:  # a hub's namespace: its sockets have no handlers
                result = route(socket, name, args, id)
                if result is not NOT_ROUTED:
                    return result
        except Exception as error:
            return namespace.failure(f"a handler of {name!r}", error)
        handlers = socket.handlers.get(name)
        if not handlers:
            return NOT_ROUTED
        if len(handlers) > 1:  # rare, and kept out of the way of the one handler that most events have
            return self._call_each(handlers, name, args[1:])
        try:
            result = handlers[0](*args[1:])
        except Exception as error:
            return self._failure(handlers[0], name, args[1:], error)
        if type(result) is CoroutineType and type(handlers[0]) is Concurrent:
            return namespace.spawn(self._finish(result))  # a Future: later events do not wait for it
        return result

    def _failure(self, handler: Handler, event: str, args: list[Any], error: Exception) -> Any:
        """Log an exception of a handler, and return the value to acknowledge with."""
        explain(error, function_of(handler), event, args)
        return self.namespace.failure(f"a handler of {event!r}", error)

    def _call_each(self, handlers: Iterable[Handler], event: str, args: list[Any]) -> Any:
        """Call several handlers. Later events wait until it is known which result is the event's."""
        results, serial = [], False
        for handler in handlers:
            try:
                result = handler(*args)
            except Exception as error:
                result = self._failure(handler, event, args, error)
            if type(result) is CoroutineType:
                serial = serial or type(handler) is not Concurrent
                result = self.namespace.spawn(self._finish(result))  # all run at once; their order decides the ack
            results.append(result)
        if not any(isinstance(result, asyncio.Future) for result in results):
            return next((result for result in results if result is not None), None)
        first = self._first(results)
        return first if serial else self.namespace.spawn(first)  # a coroutine delays later events, a task does not

    async def _first(self, results: Iterable[Any]) -> Any:
        """Return the first result that is not None. Handlers behind it are not awaited."""
        for result in results:
            value = await result if isinstance(result, asyncio.Future) else result
            if value is not None:
                return value
        return None

    # --- middlewares

    def _ask(self, hooks: Hooks, args: list[Any], id: int | None) -> Any:
        """Call the `on_any` listeners, the middlewares in order, then the handlers."""
        self.namespace.notify(hooks.incoming, *args)
        middlewares = iter(hooks.middlewares)
        try:
            for middleware in middlewares:
                result = middleware(args)
                if inspect.isawaitable(result):
                    return self._ask_later(result, middlewares, args, id)
        except Exception as error:
            return self._refuse(error)
        return self._handle(args, id, asked=True) if args else NOT_ROUTED  # a middleware may have emptied the list

    async def _ask_later(self, result: Any, middlewares: Iterator[Handler], args: list[Any], id: int | None) -> Any:
        try:
            await result
            for middleware in middlewares:
                result = middleware(args)
                if inspect.isawaitable(result):
                    await result
        except Exception as error:
            return self._refuse(error)
        if not args:
            return NOT_ROUTED
        result = self._handle(args, id, asked=True)
        return await result if type(result) is CoroutineType else result

    def _refuse(self, error: Exception) -> dict[str, Any]:
        """Drop an event because of a middleware's exception; return the value to acknowledge with."""
        handlers = self.socket.handlers.get("error", ())
        self.namespace.notify(handlers, error)
        if not handlers and not isinstance(error, ConnectionRefused):
            self.namespace.failed("a middleware of a socket", error)
        if not isinstance(error, ConnectionRefused):
            return {"error": {"code": "internal", "message": "a middleware failed"}}
        answer = {"code": "refused", "message": error.message}
        return {"error": answer if error.data is None else {**answer, "data": error.data}}

    # --- coroutine handlers

    async def _run(self, queue: EventQueue, coroutine: Coroutine[Any, Any, Any] | None, id: int | None) -> None:
        """Await a handler, then handle the events that waited for it, in order."""
        loop, share, answer = asyncio.get_running_loop(), self._session.share, self.socket.answer
        while coroutine is not None:
            result = await share.run(self._finish(coroutine), loop.time)  # charged to the principal step by step
            coroutine, begun = None, loop.time()
            answer(id, result)
            while coroutine is None and queue.events:
                if loop.time() - begun >= share.rest:
                    share.charge(loop.time() - begun)
                    await share.turn()
                    begun = loop.time()
                    continue  # the events may have been dropped meanwhile
                args, id = self._next(queue)
                if args is None:
                    continue
                result = self._handle(args, id)
                if type(result) is CoroutineType:
                    coroutine = result
                    queue.runs(self._label(args[0]), loop.time())
                else:
                    answer(id, result)
            share.charge(loop.time() - begun)
        # No await since the queue was found empty: an event that comes now is handled at once, in its order.
        self._queue = None
        self._flow.handler_ended()
        if self._reason is not None:
            self._departed(self._reason)

    def _next(self, queue: EventQueue) -> tuple[list[Any] | None, int | None]:
        """Remove the first event of the queue; return its arguments (None if they cannot be decoded) and its id."""
        event = queue.events.popleft()
        self._flow.remove(event)
        try:
            decode = self.namespace.decode if event.size > self.namespace.large else Undecoded.decode
            return decode(event).data, event.id
        except PacketRefused as error:
            self.socket.answer(event.id, error.answer)
            return None, None
        except ProtocolError as error:
            self.drop_waiting()  # nothing behind a violation is handled
            if not self._session.closed:
                self._session.violated(error, late=True)
            return None, None

    async def _finish(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a handler; return its result, or the value to acknowledge with if it raised."""
        try:
            return await coroutine
        except asyncio.CancelledError:
            if self.namespace.closing:
                raise
            # A task that the handler awaited was cancelled, not this one: later events must not wait for ever.
            return self.namespace.failure("a handler", RuntimeError("a task that the handler awaited was cancelled"))
        except Exception as error:
            return self.namespace.failure("a handler", error)
