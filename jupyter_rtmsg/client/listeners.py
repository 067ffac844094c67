"""Listeners: handlers of a socket's or manager's events, which are called one at a time and in order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

from .executor import Call, ExecutorFactory, SerialExecutor
from .handlers import Handler, Handlers

F = TypeVar("F", bound=Callable[..., Any])
logger = logging.getLogger(__name__)
_MAX_CALLS = 10_000


class Listeners:
    """The handlers of a socket or a manager, the calls that wait, and the executor that makes them.

    Handlers are registered on any thread. Calls are added on the I/O loop, and taken by the executor, which is made for
    the first call, and again for the first call after `drain`.

    Parameters
    ----------
    make_executor : callable
    name : str
        Of the executor's thread or task.

    Attributes
    ----------
    named : Handlers
        For events by name.
    any, any_outgoing : Handlers
        For every event that is received, and sent.
    state : Handlers
        For changes of the state.
    """

    def __init__(self, make_executor: ExecutorFactory, name: str) -> None:
        self.named = Handlers()
        self.any = Handlers(beside=self.named)
        self.any_outgoing = Handlers(beside=self.named)
        self.state = Handlers(beside=self.named)
        self._make_executor = make_executor
        self._name = name
        self._executor: SerialExecutor | None = None
        self._draining: SerialExecutor | None = None
        self._calls: deque[Call] = deque()

    def fire(self, event: str, *args: Any) -> None:
        """Call the handlers of one of the client's own events."""
        self._call_counted(self.named.take(event), args)

    def fire_state(self, state: str) -> None:
        """Call the handlers of the state."""
        self._call_counted(self.state.all, (state,))

    def notify(self, kind: Handlers, args: Sequence[Any]) -> None:
        """Call the handlers of every event, with its name and arguments."""
        if kind.all:
            self.enqueue(Call(handler, tuple(args)) for handler in kind.all)

    def _call_counted(self, handlers: Sequence[Handler], args: tuple[Any, ...]) -> None:
        for handler in handlers:
            handler.count_call()
        self.enqueue(Call(handler, args) for handler in handlers)

    def enqueue(self, calls: Iterable[Call]) -> None:
        """Add calls for the executor."""
        self._calls.extend(calls)
        if not self._calls:
            return
        while len(self._calls) > _MAX_CALLS:  # plain events cannot be read again, unlike those of rooms
            self._calls.popleft()
            logger.warning("a plain Socket.IO event was dropped: %d others wait for their handlers", _MAX_CALLS)
        if self._executor is None:
            self._executor = self._make_executor(self._take_calls, self._name)
        self._executor.wake()

    def _take_calls(self) -> Iterator[Call]:
        while self._calls:
            yield self._calls.popleft()

    def drain(self) -> None:
        """End the executor after the calls that wait now."""
        executor, self._executor = self._executor, None
        if executor:
            executor.drain()
            self._draining = executor

    async def drained(self, timeout: float) -> None:
        """Wait until the handlers called before `drain` have returned, for at most ``timeout`` seconds."""
        executor, self._draining = self._draining, None
        if executor and timeout > 0 and not await executor.drained(timeout):
            logger.warning("a handler (%s) had not returned %g s after the client was closed", self._name, timeout)


class Listenable:
    """Base of what has listeners: `on`, `once` and `off`, with the meaning that they have in socket.io-client.

    A handler runs in the context of the cell that registered it, which replaces it when it runs again.

    Parameters
    ----------
    listeners : Listeners or Listenable
        Its listeners, or another object, to share the listeners of that.
    """

    def __init__(self, listeners: Listeners | Listenable) -> None:
        same = listeners._listeners if isinstance(listeners, Listenable) else listeners  # noqa: SLF001 - of this class
        self._listeners: Listeners = same

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...
    def on(self, event: str, function: F | None = None) -> F | Callable[[F], F]:
        """Call a function with the arguments of each event of this name; its result answers the server's ack."""
        return self._register(event, function, once=False)

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, function: F) -> F: ...
    def once(self, event: str, function: F | None = None) -> F | Callable[[F], F]:
        """Call a function for the next event of this name only; see `on`."""
        return self._register(event, function, once=True)

    def _register(self, event: str, function: F | None, *, once: bool) -> F | Callable[[F], F]:
        def add(function: F) -> F:
            self._listeners.named.add(Handler(function, event, once=once))
            return function

        return add if function is None else add(function)

    def off(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Undo `on`: for a function of an event, for all functions of an event, or for all events."""
        self._listeners.named.remove(event, function)


class SocketListenable(Listenable):
    """Base of sockets, which also have listeners of every event, and of their state."""

    def on_state(self, function: F) -> F:
        """Call a function with the new state whenever it changes."""
        self._listeners.state.add(Handler(function))
        return function

    def off_state(self, function: Callable[..., Any]) -> None:
        """Undo `on_state`."""
        self._listeners.state.remove(None, function)

    def on_any(self, function: F) -> F:
        """Call a function with the name and the arguments of every event that the server sends."""
        self._listeners.any.add(Handler(function))
        return function

    def prepend_any(self, function: F) -> F:
        """Do as `on_any`, but call the function before those that are registered already."""
        self._listeners.any.add(Handler(function), first=True)
        return function

    def off_any(self, function: Callable[..., Any] | None = None) -> None:
        """Undo `on_any` for a function, or for all."""
        self._listeners.any.remove(None, function)

    def listeners_any(self) -> list[Callable[..., Any]]:
        """Return the functions that were registered with `on_any`."""
        return [handler.function for handler in self._listeners.any.all]

    def on_any_outgoing(self, function: F) -> F:
        """Call a function with the name and the arguments of every event that is sent."""
        self._listeners.any_outgoing.add(Handler(function))
        return function

    def prepend_any_outgoing(self, function: F) -> F:
        """Do as `on_any_outgoing`, but call the function before those that are registered already."""
        self._listeners.any_outgoing.add(Handler(function), first=True)
        return function

    def off_any_outgoing(self, function: Callable[..., Any] | None = None) -> None:
        """Undo `on_any_outgoing` for a function, or for all."""
        self._listeners.any_outgoing.remove(None, function)

    def listeners_any_outgoing(self) -> list[Callable[..., Any]]:
        """Return the functions that were registered with `on_any_outgoing`."""
        return [handler.function for handler in self._listeners.any_outgoing.all]
