"""Who listens to what: ``on``, ``once`` and ``off``, and their lists of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .cell import CellFunction, in_notebook, redefines

Handler = Callable[..., Any]
Handlers = dict[str, tuple[Handler, ...]]

NOBODY: Handlers = {}  # shared by all who never listened to anything; never changed


class Once:
    """A handler that is called once."""

    __slots__ = ("_emitter", "_event", "function")

    def __init__(self, emitter: Emitter, event: str, function: Handler) -> None:
        self._emitter = emitter
        self._event = event
        self.function = function

    def __repr__(self) -> str:
        return repr(self.function)

    def __call__(self, *args: Any) -> Any:
        """Stop listening, then call the handler."""
        self._emitter.off(self._event, self)
        return self.function(*args)


def listener(function: Handler) -> Handler:
    """Return what is called in place of a function that was registered."""
    return CellFunction(function) if in_notebook() else function


def function_of(listener: Handler) -> Handler:
    """Return the function that was registered."""
    while isinstance(listener, (Once, CellFunction)):
        listener = listener.function
    return listener


def _unonced(listener: Handler) -> Handler:
    return listener.function if isinstance(listener, Once) else listener


def added(listeners: tuple[Handler, ...], new: Handler, *, first: bool = False) -> tuple[Handler, ...]:
    """Add a listener; in a notebook it takes the place of the one that an earlier run of its cell had registered."""
    for at, old in enumerate(listeners):
        if redefines(_unonced(new), _unonced(old)):
            return (*listeners[:at], new, *listeners[at + 1 :])
    return (new, *listeners) if first else (*listeners, new)


def removed(listeners: tuple[Handler, ...], function: Handler) -> tuple[Handler, ...]:
    """Remove the listeners that call a function."""
    return tuple(each for each in listeners if each is not function and function_of(each) != function)


class Emitter:
    """Has events that functions can wait for."""

    __slots__ = ("_handlers",)

    def __init__(self) -> None:
        self._handlers: Handlers = NOBODY

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Call a handler for each event of a name; also a decorator.

        In a notebook, a cell that is run again replaces the handler that it defined.
        """
        if handler is None:
            return lambda function: self.on(event, function)
        self._listen(event, listener(handler))
        return handler

    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Like `on`, for one event only."""
        if handler is None:
            return lambda function: self.once(event, function)
        self._listen(event, Once(self, event, listener(handler)))
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove one handler of an event, all of an event, or all."""
        if event is None:
            self._handlers = NOBODY
        elif event in self._handlers:
            left = () if handler is None else removed(self._handlers[event], handler)
            handlers = {name: handlers for name, handlers in self._handlers.items() if name != event}
            self._handlers = {**handlers, event: left} if left else handlers

    def listeners(self, event: str) -> list[Handler]:
        """Return the handlers of an event, in the order of their calls."""
        return [function_of(handler) for handler in self._handlers.get(event, ())]

    def _listen(self, event: str, handler: Handler) -> None:
        if self._handlers is NOBODY:
            self._handlers = {}
        self._handlers[event] = added(self._handlers.get(event, ()), handler)
