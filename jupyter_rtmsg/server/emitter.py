"""Who listens to what: ``on``, ``once`` and ``off``, and their lists of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..notebook import Listener, in_notebook

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


class Concurrent:
    """A handler behind whose events others do not wait."""

    __slots__ = ("function",)

    def __init__(self, function: Handler) -> None:
        self.function = function

    def __repr__(self) -> str:
        return repr(self.function)

    def __call__(self, *args: Any) -> Any:
        """Call the handler."""
        return self.function(*args)


def listener(function: Handler) -> Handler:
    """Return what is called in place of a function that was registered."""
    return Listener(function) if in_notebook() else function


def function_of(listener: Handler) -> Handler:
    """Return the function that was registered."""
    while isinstance(listener, (Once, Concurrent, Listener)):
        listener = listener.function
    return listener


def _of_cell(listener: Handler) -> Listener | None:
    """Return what knows the cell that registered a listener."""
    while isinstance(listener, (Once, Concurrent)):
        listener = listener.function
    return listener if isinstance(listener, Listener) else None


def added(listeners: tuple[Handler, ...], new: Handler, *, first: bool = False) -> tuple[Handler, ...]:
    """Add a listener; in a notebook it takes the place of those that give way to it (`jupyter_rtmsg.notebook`)."""
    cell = _of_cell(new)
    at, gone = cell.place([_of_cell(old) for old in listeners]) if cell else (len(listeners), [])
    at = 0 if first else at
    left = [old for each, old in enumerate(listeners) if each not in gone]
    return (*left[:at], new, *left[at:])


def current(listeners: tuple[Handler, ...], new: Handler) -> tuple[Handler, ...]:
    """Remove the listeners of earlier executions of the cell that has registered a new one."""
    cell = _of_cell(new)
    if cell is None or not listeners:
        return listeners
    return tuple(old for old in listeners if not ((other := _of_cell(old)) and cell.outdates(other)))


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

        In a notebook, a cell that is run again replaces the handlers that it registered.
        """
        if handler is None:
            return lambda function: self.on(event, function)
        self._listen(self._event(event), listener(handler))
        return handler

    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Like `on`, for one event only."""
        if handler is None:
            return lambda function: self.once(event, function)
        event = self._event(event)
        self._listen(event, Once(self, event, listener(handler)))
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove one handler of an event, all of an event, or all."""
        if event is None:
            self._handlers = NOBODY
        elif (event := self._event(event)) in self._handlers:
            left = () if handler is None else removed(self._handlers[event], handler)
            handlers = {name: handlers for name, handlers in self._handlers.items() if name != event}
            self._handlers = {**handlers, event: left} if left else handlers

    def listeners(self, event: str) -> list[Handler]:
        """Return the handlers of an event, in the order of their calls."""
        return [function_of(handler) for handler in self._handlers.get(self._event(event), ())]

    def _event(self, name: str) -> str:
        """Return the name under which the handlers of an event are kept; raises ValueError if there is none."""
        return name

    def _listen(self, event: str, handler: Handler) -> None:
        if self._handlers is NOBODY:
            self._handlers = {}
        self._handlers[event] = added(self._handlers.get(event, ()), handler)
        self._outdate(handler)

    def _outdate(self, new: Handler) -> None:
        """Remove what earlier executions of the cell have registered that has registered a new listener."""
        if _of_cell(new):
            left = {event: current(listeners, new) for event, listeners in self._handlers.items()}
            self._handlers = {event: listeners for event, listeners in left.items() if listeners}
