"""Handlers of named events, called one at a time and in order, away from the I/O."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

from .handlers import Handler, Handlers
from .lane import Call, Lane, LaneFactory

F = TypeVar("F", bound=Callable[..., Any])
_log = logging.getLogger("jupyter_rtmsg")
_MAX_CALLS = 10_000


class Listeners:
    """What has events that people listen to: a socket, or the connection beneath it.

    A handler runs in the context of the cell that registered it, which replaces it when it runs again.
    """

    def __init__(self, lanes: LaneFactory, name: str) -> None:
        self._handlers = Handlers()
        self._lanes = lanes
        self._name = name
        self._lane: Lane | None = None
        self._last: Lane | None = None
        self._calls: deque[Call] = deque()

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...
    def on(self, event: str, function: F | None = None) -> F | Callable[[F], F]:
        """Have a function called with the arguments of an event; what it returns answers the server's ack."""
        return self._register(event, function, once=False)

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, function: F) -> F: ...
    def once(self, event: str, function: F | None = None) -> F | Callable[[F], F]:
        """Do as `on`, for the next such event only."""
        return self._register(event, function, once=True)

    def _register(self, event: str, function: F | None, *, once: bool) -> F | Callable[[F], F]:
        if function is None:
            return lambda function: self._add(event, function, once)
        return self._add(event, function, once)

    def _add(self, event: str, function: F, once: bool) -> F:
        self._handlers.add(Handler(function, event, once=once))
        return function

    def off(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Undo `on`: for one event and function, for all functions of an event, or for all."""
        self._handlers.remove(event, function)

    def _fire(self, event: str, *args: Any) -> None:
        """Have the handlers of an event of our own called."""
        self._call_again(self._handlers.take(event), args)

    def _call_again(self, handlers: Sequence[Handler], args: tuple[Any, ...]) -> None:
        for handler in handlers:
            handler.count_call()
        self._enqueue(Call(handler, args) for handler in handlers)

    def _enqueue(self, calls: Iterable[Call]) -> None:
        """Hand calls to the lane. Only on the I/O loop."""
        self._calls.extend(calls)
        if not self._calls:
            return
        while len(self._calls) > _MAX_CALLS:
            self._calls.popleft()
            _log.warning("a plain Socket.IO event was dropped: %d others wait for their handlers", _MAX_CALLS)
        if self._lane is None:
            self._lane = self._lanes(self._take_calls, self._name)
        self._lane.wake()

    def _take_calls(self) -> Iterator[Call]:
        while self._calls:
            yield self._calls.popleft()

    def _finish(self) -> None:
        """Have the handlers that were called be the last, until there are calls again."""
        lane, self._lane = self._lane, None
        if lane:
            lane.finish()
            self._last = lane

    async def finished(self, timeout: float) -> None:
        """Wait until the handlers that were called last have returned, for at most so many seconds."""
        last, self._last = self._last, None
        if last and timeout > 0 and not await last.ended(timeout):
            _log.warning("a handler (%s) had not returned %g s after the client was closed", self._name, timeout)
