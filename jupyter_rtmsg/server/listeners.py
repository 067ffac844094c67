"""Listeners: ``on``, ``once`` and ``off``, catch-all listeners, and the error for a wrong number of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jupyter_rtmsg.notebook import RegisteredListener, in_notebook

Handler = Callable[..., Any]
Handlers = dict[str, tuple[Handler, ...]]
EventMiddleware = Callable[[list[Any]], Awaitable[None] | None]

NO_HANDLERS: Handlers = {}  # shared by all emitters without handlers; never changed
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Once:
    """A handler that is removed when it is called."""

    __slots__ = ("_emitter", "_event", "function")

    def __init__(self, emitter: Emitter, event: str, function: Handler) -> None:
        self._emitter = emitter
        self._event = event
        self.function = function

    def __repr__(self) -> str:
        return repr(self.function)

    def __call__(self, *args: Any) -> Any:
        """Remove the handler, then call its function."""
        self._emitter.off(self._event, self)
        return self.function(*args)


class Concurrent:
    """A handler that later events do not wait for."""

    __slots__ = ("function",)

    def __init__(self, function: Handler) -> None:
        self.function = function

    def __repr__(self) -> str:
        return repr(self.function)

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        return self.function(*args)


def listener(function: Handler) -> Handler:
    """Return the listener for a function: in a notebook it remembers its cell, elsewhere it is the function itself."""
    return RegisteredListener(function) if in_notebook() else function


def function_of(listener: Handler) -> Handler:
    """Return the function that was registered."""
    while isinstance(listener, (Once, Concurrent, RegisteredListener)):
        listener = listener.function
    return listener


def _of_cell(listener: Handler) -> RegisteredListener | None:
    """Return the part of a listener that remembers its cell."""
    while isinstance(listener, (Once, Concurrent)):
        listener = listener.function
    return listener if isinstance(listener, RegisteredListener) else None


def added(listeners: tuple[Handler, ...], new: Handler, *, first: bool = False) -> tuple[Handler, ...]:
    """Add a listener; in a notebook it replaces others by the rule of re-run cells (`jupyter_rtmsg.notebook`)."""
    cell = _of_cell(new)
    at, gone = cell.place([_of_cell(old) for old in listeners]) if cell else (len(listeners), [])
    at = 0 if first else at
    left = [old for each, old in enumerate(listeners) if each not in gone]
    return (*left[:at], new, *left[at:])


def current(listeners: tuple[Handler, ...], new: Handler) -> tuple[Handler, ...]:
    """Remove the listeners that earlier executions of the new listener's cell have registered."""
    cell = _of_cell(new)
    if cell is None or not listeners:
        return listeners
    return tuple(old for old in listeners if not ((other := _of_cell(old)) and cell.outdates(other)))


def removed(listeners: tuple[Handler, ...], function: Handler) -> tuple[Handler, ...]:
    """Remove the listeners that call a function."""
    return tuple(each for each in listeners if each is not function and function_of(each) != function)


class Emitter:
    """The handlers of named events.

    Attributes
    ----------
    handlers : dict
        A tuple of handlers by event.
    """

    __slots__ = ("handlers",)

    def __init__(self) -> None:
        self.handlers: Handlers = NO_HANDLERS

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler for an event; also a decorator.

        A notebook cell that is run again replaces the handlers that it registered.
        """
        if handler is None:
            return lambda function: self.on(event, function)
        self._listen(self._event(event), listener(handler))
        return handler

    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler that is called for one event only."""
        if handler is None:
            return lambda function: self.once(event, function)
        event = self._event(event)
        self._listen(event, Once(self, event, listener(handler)))
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove one handler of an event, all handlers of an event, or all handlers."""
        if event is None:
            self.handlers = NO_HANDLERS
        elif (event := self._event(event)) in self.handlers:
            left = () if handler is None else removed(self.handlers[event], handler)
            handlers = {name: handlers for name, handlers in self.handlers.items() if name != event}
            self.handlers = {**handlers, event: left} if left else handlers

    def listeners(self, event: str) -> list[Handler]:
        """Return the handlers of an event, in the order in which they are called."""
        return [function_of(handler) for handler in self.handlers.get(self._event(event), ())]

    def _event(self, name: str) -> str:
        """Return the canonical name of an event; raise `ValueError` if there is no such event."""
        return name

    def _listen(self, event: str, handler: Handler) -> None:
        if self.handlers is NO_HANDLERS:
            self.handlers = {}
        self.handlers[event] = added(self.handlers.get(event, ()), handler)
        self._outdate(handler)

    def _outdate(self, new: Handler) -> None:
        """Remove all handlers that earlier executions of the new handler's cell have registered."""
        if _of_cell(new):
            left = {event: current(listeners, new) for event, listeners in self.handlers.items()}
            self.handlers = {event: listeners for event, listeners in left.items() if listeners}


class Hooks:
    """The event middlewares and catch-all listeners of a `SocketEmitter`, in the order in which they are called."""

    __slots__ = ("incoming", "middlewares", "outgoing")

    def __init__(self) -> None:
        self.middlewares: tuple[Handler, ...] = ()
        self.incoming: tuple[Handler, ...] = ()
        self.outgoing: tuple[Handler, ...] = ()


class SocketEmitter(Emitter):
    """The listeners of a socket: handlers of named events, catch-all listeners, and event middlewares.

    Attributes
    ----------
    hooks : Hooks or None
        None if there never were catch-all listeners or middlewares, as in most sockets.
    """

    __slots__ = ("hooks",)

    def __init__(self) -> None:
        super().__init__()
        self.hooks: Hooks | None = None

    def _observed(self, observed: bool) -> None:
        """Note whether there are listeners for outgoing events."""
        raise NotImplementedError

    def use(self, middleware: EventMiddleware) -> EventMiddleware:
        """Register a middleware that is called before each event of this socket is handled; also a decorator.

        Parameters
        ----------
        middleware : callable
            Sync or async; called with the list of the event's name and arguments, which it may change. If it raises,
            the event is dropped, its acknowledgement says so, and the handlers of ``"error"`` get the exception.
            The client gets the message of a `ConnectionRefused`, and no details of other exceptions.
        """
        hooks, new = self._with_hooks(), listener(middleware)
        hooks.middlewares = added(hooks.middlewares, new)
        self._outdate(new)
        return middleware

    def on_any(self, function: Handler) -> Handler:
        """Register a listener that gets the name and arguments of every event, before the event's handlers."""
        return self._on_any(function, first=False)

    def prepend_any(self, function: Handler) -> Handler:
        """Register a listener like `on_any`, before the others."""
        return self._on_any(function, first=True)

    def _on_any(self, function: Handler, *, first: bool) -> Handler:
        hooks, new = self._with_hooks(), listener(function)
        hooks.incoming = added(hooks.incoming, new, first=first)
        self._outdate(new)
        return function

    def off_any(self, function: Handler | None = None) -> None:
        """Remove a listener of `on_any`, or all."""
        hooks = self._with_hooks()
        hooks.incoming = () if function is None else removed(hooks.incoming, function)

    def listeners_any(self) -> list[Handler]:
        """Return the listeners of `on_any`."""
        return [function_of(each) for each in self.hooks.incoming] if self.hooks else []

    def on_any_outgoing(self, function: Handler) -> Handler:
        """Register a listener that gets the name and arguments of every event that is sent to this client."""
        return self._on_any_outgoing(function, first=False)

    def prepend_any_outgoing(self, function: Handler) -> Handler:
        """Register a listener like `on_any_outgoing`, before the others."""
        return self._on_any_outgoing(function, first=True)

    def _on_any_outgoing(self, function: Handler, *, first: bool) -> Handler:
        hooks, new = self._with_hooks(), listener(function)
        hooks.outgoing = added(hooks.outgoing, new, first=first)
        self._outdate(new)
        self._observed(True)
        return function

    def off_any_outgoing(self, function: Handler | None = None) -> None:
        """Remove a listener of `on_any_outgoing`, or all."""
        hooks = self._with_hooks()
        hooks.outgoing = () if function is None else removed(hooks.outgoing, function)
        self._observed(bool(hooks.outgoing))

    def listeners_any_outgoing(self) -> list[Handler]:
        """Return the listeners of `on_any_outgoing`."""
        return [function_of(each) for each in self.hooks.outgoing] if self.hooks else []

    def _with_hooks(self) -> Hooks:
        if self.hooks is None:
            self.hooks = Hooks()
        return self.hooks

    def _outdate(self, new: Handler) -> None:
        super()._outdate(new)
        hooks = self.hooks
        if hooks is not None:
            hooks.middlewares = current(hooks.middlewares, new)
            hooks.incoming = current(hooks.incoming, new)
            hooks.outgoing = current(hooks.outgoing, new)
            self._observed(bool(hooks.outgoing))


def explain(error: Exception, handler: Callable[..., Any], event: str, args: Sequence[Any]) -> None:
    """Replace the text of a `TypeError` if the handler cannot take the event's arguments.

    JavaScript drops surplus arguments and makes missing ones undefined. In Python a wrong number is a mistake: a
    handler that takes any number says so with ``*args``, and one with optional arguments has defaults.

    Parameters
    ----------
    error : Exception
        Raised by the call of the handler. It keeps its traceback.
    handler : callable
        The registered function.
    event : str
    args : sequence
        The event's arguments.
    """
    if not isinstance(error, TypeError):
        return
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # some functions written in C have no signature
        return
    try:
        signature.bind(*args)
    except TypeError:
        name = getattr(handler, "__qualname__", repr(handler)).rpartition("<locals>.")[2]
        brought = f"{len(args)}: {list(args)!r:.200}" if args else "none"
        error.args = (f"handler {name}{signature} of {event!r} takes {_takes(signature)}, the event brought {brought}",)


def _takes(signature: inspect.Signature) -> str:
    """Describe the number of positional arguments of a function, such as "1 to 2 arguments"."""
    parameters = signature.parameters.values()
    most = sum(each.kind in _POSITIONAL for each in parameters)
    least = sum(each.kind in _POSITIONAL and each.default is each.empty for each in parameters)
    named = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        words = f"at least {least} argument{'s' * (least != 1)}" if least else "any number of arguments"
    elif least < most:
        words = f"{least} to {most} arguments"
    else:
        words = f"{most or 'no'} argument{'s' * (most != 1)}"
    return f"{words}, and {', '.join(named)} by name" if named else words
