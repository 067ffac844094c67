"""Handing events to handlers, one after the other, and their results back as acknowledgements (PROTOCOL 2.6)."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Coroutine, Iterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionRefused
from ..wire.data import EncodedJSON
from ..wire.socketio import encode_ack
from .emitter import Handler
from .hooks import Hooked, Hooks, refusal

if TYPE_CHECKING:
    from .session import Session

NOT_ROUTED: Any = object()  # what a route returns to let the socket's own handlers see an event
LATER: Any = object()  # what a route returns when it will call `Dispatcher.answer` itself
_MAX_WAITING = 128  # events that wait for a coroutine handler before the connection is read no more


class Dispatcher(Hooked):
    """The part of a socket that calls handlers, in the order in which events arrive."""

    __slots__ = ("_queue",)
    session: Session
    connected: bool

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[tuple[list[Any], int | None]] | None = None  # while a coroutine handler runs

    def receive(self, args: list[Any], id: int | None) -> None:
        """Take an event; handlers run in the order of arrival."""
        queue = self._queue
        if queue is None:
            result = self._handle(args, id)
            if type(result) is CoroutineType:
                self.run(result, id)
            else:
                self.answer(id, result)
            return
        queue.append((args, id))
        if len(queue) >= _MAX_WAITING and self.session.transport:
            self.session.transport.pause_reading()  # again, where another socket of the session had resumed it

    def run(self, coroutine: Coroutine[Any, Any, Any], id: int | None = None) -> None:
        """Run a handler's coroutine; what comes meanwhile waits for it."""
        self._queue = deque()
        self.namespace.spawn(self._run(coroutine, id))

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
            try:
                encoded = encode_ack(id, args, self.namespace.name)
            except Exception as error:
                encoded = encode_ack(id, [self.namespace.failure("an acknowledgement", error)], self.namespace.name)
            self.session.put(encoded)

    def overhear(self, args: list[Any]) -> None:
        """Tell who wants to know what is sent to this client."""
        for function in self._hooks.outgoing if self._hooks else ():
            self._late(function, *args)

    # --- inside

    def _handle(self, args: list[Any], id: int | None, *, asked: bool = False) -> Any:
        """Call the handlers of an event and return the first one's result."""
        if self._hooks is not None and not asked:
            return self._ask(self._hooks, args, id)
        name = args[0]
        try:
            route = self.namespace.router
            if route is not None:
                result = route(self, name, args, id)  # type: ignore[arg-type]
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
        if not self.connected or not args:
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

    async def _run(self, coroutine: Coroutine[Any, Any, Any], id: int | None) -> None:
        queue = self._queue
        assert queue is not None
        while True:
            self.answer(id, await self._finish(coroutine))
            while queue and self.connected:
                args, id = queue.popleft()
                if len(queue) == _MAX_WAITING // 2 and self.session.transport:
                    self.session.transport.resume_reading()
                result = self._handle(args, id)
                if type(result) is CoroutineType:
                    coroutine = result
                    break
                self.answer(id, result)
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

    def _answer_later(self, id: int | None, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, Exception):
            self.answer(id, self.namespace.failure("a handler", error))
        else:
            self.answer(id, future.result())
