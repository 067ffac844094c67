"""Functions that see every event of a socket, and those that may stop one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionRefused
from .emitter import Emitter, Handler, added, current, function_of, listener, removed

if TYPE_CHECKING:
    from .namespace import Namespace

EventMiddleware = Callable[[list[Any]], Awaitable[None] | None]


class Hooks:
    """What a socket keeps only if somebody asks for it.

    Attributes
    ----------
    middlewares, incoming, outgoing : tuple of callable
    """

    __slots__ = ("incoming", "middlewares", "outgoing")

    def __init__(self) -> None:
        self.middlewares: tuple[Handler, ...] = ()
        self.incoming: tuple[Handler, ...] = ()
        self.outgoing: tuple[Handler, ...] = ()


class Hooked(Emitter):
    """An emitter with hooks: the part of a socket that has to do with them."""

    __slots__ = ("_hooks",)
    namespace: Namespace

    def __init__(self) -> None:
        super().__init__()
        self._hooks: Hooks | None = None

    def _hooking(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    def use(self, middleware: EventMiddleware) -> EventMiddleware:
        """Ask a middleware before each event of this socket is handled; also a decorator.

        Parameters
        ----------
        middleware : callable
            Sync or async; called with the list of the event's name and arguments, which it may change. If it raises,
            the event is dropped, its acknowledgement says so, and the handlers of ``"error"`` get the exception.
            The client learns what a `ConnectionRefused` says, and nothing of other exceptions.
        """
        hooks, new = self._hooking(), listener(middleware)
        hooks.middlewares = added(hooks.middlewares, new)
        self._outdate(new)
        return middleware

    def on_any(self, function: Handler) -> Handler:
        """Call a function with the name and the arguments of every event, before its handlers; also a decorator."""
        return self._incoming(function, first=False)

    def prepend_any(self, function: Handler) -> Handler:
        """Like `on_any`, before the others."""
        return self._incoming(function, first=True)

    def _incoming(self, function: Handler, *, first: bool) -> Handler:
        hooks, new = self._hooking(), listener(function)
        hooks.incoming = added(hooks.incoming, new, first=first)
        self._outdate(new)
        return function

    def off_any(self, function: Handler | None = None) -> None:
        """Undo `on_any`: for one function, or all."""
        hooks = self._hooking()
        hooks.incoming = () if function is None else removed(hooks.incoming, function)

    def listeners_any(self) -> list[Handler]:
        """Return the functions of `on_any`."""
        return [function_of(each) for each in self._hooks.incoming] if self._hooks else []

    def on_any_outgoing(self, function: Handler) -> Handler:
        """Call a function with the name and the arguments of every event that is sent to this client."""
        return self._outgoing(function, first=False)

    def prepend_any_outgoing(self, function: Handler) -> Handler:
        """Like `on_any_outgoing`, before the others."""
        return self._outgoing(function, first=True)

    def _outgoing(self, function: Handler, *, first: bool) -> Handler:
        hooks, new = self._hooking(), listener(function)
        hooks.outgoing = added(hooks.outgoing, new, first=first)
        self.namespace.overheard.add(self)
        self._outdate(new)
        return function

    def off_any_outgoing(self, function: Handler | None = None) -> None:
        """Undo `on_any_outgoing`: for one function, or all."""
        hooks = self._hooking()
        hooks.outgoing = () if function is None else removed(hooks.outgoing, function)
        self._heard()

    def _heard(self) -> None:
        if self._hooks is not None and not self._hooks.outgoing:
            self.namespace.overheard.discard(self)

    def _outdate(self, new: Handler) -> None:
        super()._outdate(new)
        hooks = self._hooks
        if hooks is not None:
            hooks.middlewares = current(hooks.middlewares, new)
            hooks.incoming = current(hooks.incoming, new)
            hooks.outgoing = current(hooks.outgoing, new)
            self._heard()

    def listeners_any_outgoing(self) -> list[Handler]:
        """Return the functions of `on_any_outgoing`."""
        return [function_of(each) for each in self._hooks.outgoing] if self._hooks else []


def refusal(error: Exception) -> dict[str, Any]:
    """Return what a client is answered whose event a middleware dropped."""
    if not isinstance(error, ConnectionRefused):
        return {"error": {"code": "internal", "message": "a middleware failed"}}
    answer = {"code": "refused", "message": error.message}
    return {"error": answer if error.data is None else {**answer, "data": error.data}}
