"""Handing events to handlers one by one, and their results back as acks (docs/protocol.md#socketio-events)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Iterable, Iterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionRefused, PacketRefused, ProtocolError
from ..wire.data import EncodedJSON
from ..wire.packet import Undecoded
from .arguments import explain
from .emitter import Concurrent, Handler, function_of
from .hooks import Hooked, Hooks, refusal
from .waiting import EventQueue

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session

NOT_ROUTED: Any = object()  # what a route returns to let the socket's own handlers see an event
LATER: Any = object()  # what a route returns when it will call `Dispatcher.answer` itself


class Dispatcher(Hooked):
    """The part of a socket that calls handlers, in the order in which events arrive."""

    __slots__ = ("_connection", "_queue", "_reason")
    session: Session
    connected: bool

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._queue: EventQueue | None = None  # while a coroutine handler runs
        self._reason: str | None = None  # why it was disconnected, until its handlers were told

    def receive(self, args: list[Any], id: int | None) -> None:
        """Take an event while no handler runs."""
        result = self._handle(args, id)
        if type(result) is CoroutineType:
            self.run(result, id, self._label(args[0]))
        else:
            self.answer(id, result)

    def wait(self, event: Undecoded) -> bool:
        """Let an event wait if a handler runs; return whether one does."""
        queue = self._queue
        if queue is None:
            return False
        if not queue.events:
            self.session.engine.watch.add(queue)
        queue.events.append(event)
        self._connection.waiting.add(event)
        return True

    def run(self, coroutine: Coroutine[Any, Any, Any], id: int | None, handler: str) -> None:
        """Run a handler's coroutine; what comes meanwhile waits for it."""
        self._queue = EventQueue(handler, asyncio.get_running_loop().time())
        self._connection.busy += 1
        self.namespace.spawn(self._run(self._queue, coroutine, id))

    def _label(self, event: Any) -> str:
        """Return what to call the handler of an event; a route knows itself what its clients wait for."""
        return "" if self.namespace.router is not None else f"the handler of {event!r:.80}"

    def answer(self, id: int | None, result: Any) -> None:
        """Send the acknowledgement, at once or when the result is there."""
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda future: self._answer_later(id, future))
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
                fault = namespace.failure("an acknowledgement", error)
                encoded = namespace.parser.ack(id, [fault], namespace.name)
            self.session.put(encoded)

    def overhear(self, args: list[Any]) -> None:
        """Tell who wants to know what is sent to this client."""
        for function in self._hooks.outgoing if self._hooks else ():
            self._late(function, *args)

    # --- inside

    def _handle(self, args: list[Any], id: int | None, *, asked: bool = False) -> Any:
        """Call the handlers of an event and return the first of their results that is not None."""
        if self._hooks is not None and not asked:
            return self._ask(self._hooks, args, id)
        name = args[0]
        try:
            route = self.namespace.router
            if route is not None:
                result = route(self, name, args, id)  # type: ignore[arg-type]
                if result is not NOT_ROUTED:
                    return result
        except Exception as error:
            return self.namespace.failure(f"a handler of {name!r}", error)
        handlers = self._handlers.get(name)
        if not handlers:
            return NOT_ROUTED
        if len(handlers) > 1:
            return self._call_each(handlers, name, args[1:])
        try:
            result = handlers[0](*args[1:])
        except Exception as error:
            return self._fault(handlers[0], name, args[1:], error)
        if type(result) is CoroutineType and type(handlers[0]) is Concurrent:
            return self.namespace.spawn(self._finish(result))
        return result

    def _fault(self, handler: Handler, event: str, args: list[Any], error: Exception) -> Any:
        """Log that a handler raised, and return what to acknowledge with."""
        explain(error, function_of(handler), event, args)
        return self.namespace.failure(f"a handler of {event!r}", error)

    def _call_each(self, handlers: Iterable[Handler], event: str, args: list[Any]) -> Any:
        """Call several handlers of an event; later events wait until it is known which result is the event's."""
        results, serial = [], False
        for handler in handlers:
            try:
                result = handler(*args)
            except Exception as error:
                result = self._fault(handler, event, args, error)
            if type(result) is CoroutineType:
                serial = serial or type(handler) is not Concurrent
                result = self.namespace.spawn(self._finish(result))
            results.append(result)
        if not any(isinstance(result, asyncio.Future) for result in results):
            return next((result for result in results if result is not None), None)
        first = self._first(results)
        return first if serial else self.namespace.spawn(first)

    async def _first(self, results: Iterable[Any]) -> Any:
        """Return the first result that is not None; handlers behind it go on by themselves."""
        for result in results:
            value = await result if isinstance(result, asyncio.Future) else result
            if value is not None:
                return value
        return None

    def _late(self, handler: Handler, *args: Any, event: str = "") -> None:
        """Call a handler whose result nobody waits for."""
        for coroutine in self._call_all((handler,), *args, event=event):
            self.namespace.spawn(coroutine)

    def _call_all(self, handlers: Iterable[Handler], *args: Any, event: str = "") -> list[CoroutineType[Any, Any, Any]]:
        """Call handlers, of an event of the server's own if it has a name; return the coroutines to be awaited."""
        coroutines: list[CoroutineType[Any, Any, Any]] = []
        for handler in handlers:
            try:
                result = handler(*args)
            except Exception as error:
                if event:
                    explain(error, function_of(handler), event, args)
                self.namespace.failed(f"handler {handler!r}", error)
            else:
                if type(result) is CoroutineType:
                    coroutines.append(result)
        return coroutines

    # --- middlewares

    def _ask(self, hooks: Hooks, args: list[Any], id: int | None) -> Any:
        """Tell who wants to know of every event, ask the middlewares in order, then call the handlers."""
        for function in hooks.incoming:
            self._late(function, *args)
        middlewares = iter(hooks.middlewares)
        try:
            for middleware in middlewares:
                result = middleware(args)
                if inspect.isawaitable(result):
                    return self._ask_later(result, middlewares, args, id)
        except Exception as error:
            return self._refuse(error)
        return self._handle(args, id, asked=True) if args else NOT_ROUTED

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
        """Drop an event that a middleware raised about."""
        handlers = self._handlers.get("error", ())
        for handler in handlers:
            self._late(handler, error)
        if not handlers and not isinstance(error, ConnectionRefused):
            self.namespace.failed("a middleware of a socket", error)
        return refusal(error)

    # --- coroutine handlers

    async def _run(self, queue: EventQueue, coroutine: Coroutine[Any, Any, Any] | None, id: int | None) -> None:
        """Await a handler, then handle what has waited for it, in order."""
        loop, share = asyncio.get_running_loop(), self.session.share
        while coroutine is not None:
            result = await share.run(self._finish(coroutine), loop.time)
            coroutine, begun = None, loop.time()
            self.answer(id, result)
            while coroutine is None and queue.events:
                if loop.time() - begun >= share.rest:
                    share.charge(loop.time() - begun)
                    await share.turn()
                    begun = loop.time()
                    continue  # meanwhile what waits may have been dropped
                args, id = self._next(queue)
                if args is None:
                    continue
                result = self._handle(args, id)
                if type(result) is CoroutineType:
                    coroutine = result
                    queue.runs(self._label(args[0]), loop.time())
                else:
                    self.answer(id, result)
            share.charge(loop.time() - begun)
        self._queue = None
        self._connection.busy -= 1
        if self._reason is not None:
            self.farewell(self._reason)

    def _next(self, queue: EventQueue) -> tuple[list[Any] | None, int | None]:
        """Return the arguments and the ack id of the event that has waited longest; None if it is none."""
        event = queue.events.popleft()
        self._connection.waiting.remove(event)
        try:
            decode = self.namespace.decode if event.size > self.namespace.large else Undecoded.decode
            return decode(event).data, event.id
        except PacketRefused as error:
            self.answer(event.id, error.answer)
            return None, None
        except ProtocolError as error:
            self.drop_waiting()
            if not self.session.closed:
                self.session.violated(error, late=True)
            return None, None

    def drop_waiting(self) -> None:
        """Handle none of the events that wait."""
        events = self._queue.events if self._queue else ()
        while events:
            self._connection.waiting.remove(events.popleft())
            self.session.engine.dropped += 1

    def farewell(self, reason: str) -> None:
        """Tell the handlers that the socket was disconnected."""
        raise NotImplementedError

    async def _finish(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await coroutine
        except asyncio.CancelledError:
            if self.namespace.closing:
                raise
            # Something it awaited was cancelled, not this task: the events behind it must not wait for ever.
            return self.namespace.failure("a handler", RuntimeError("what the handler awaited was cancelled"))
        except Exception as error:
            return self.namespace.failure("a handler", error)

    def _answer_later(self, id: int | None, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, Exception):
            self.answer(id, self.namespace.failure("a handler", error))
        else:
            self.answer(id, future.result())
