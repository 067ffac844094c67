"""Handlers of whatever event comes, or goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .handlers import Handler
from .lane import Call
from .listeners import Listeners

F = TypeVar("F", bound=Callable[..., Any])


class AnyListeners(Listeners):
    """What has handlers of every event, called with its name and arguments before those of the event itself."""

    _any: tuple[Handler, ...] = ()
    _any_outgoing: tuple[Handler, ...] = ()

    def on_any(self, function: F) -> F:
        """Have a function called with the name and the arguments of every event that the server sends."""
        self._any = (*_without(self._any, function), Handler(function))
        return function

    def prepend_any(self, function: F) -> F:
        """Do as `on_any`, before the functions that are there already."""
        self._any = (Handler(function), *_without(self._any, function))
        return function

    def off_any(self, function: Callable[..., Any] | None = None) -> None:
        """Undo `on_any` for a function, or for all."""
        self._any = _without(self._any, function) if function else ()

    def listeners_any(self) -> list[Callable[..., Any]]:
        """Return the functions that `on_any` has been given."""
        return [handler.function for handler in self._any]

    def on_any_outgoing(self, function: F) -> F:
        """Have a function called with the name and the arguments of every event that is sent."""
        self._any_outgoing = (*_without(self._any_outgoing, function), Handler(function))
        return function

    def prepend_any_outgoing(self, function: F) -> F:
        """Do as `on_any_outgoing`, before the functions that are there already."""
        self._any_outgoing = (Handler(function), *_without(self._any_outgoing, function))
        return function

    def off_any_outgoing(self, function: Callable[..., Any] | None = None) -> None:
        """Undo `on_any_outgoing` for a function, or for all."""
        self._any_outgoing = _without(self._any_outgoing, function) if function else ()

    def listeners_any_outgoing(self) -> list[Callable[..., Any]]:
        """Return the functions that `on_any_outgoing` has been given."""
        return [handler.function for handler in self._any_outgoing]

    def _tell_any(self, args: Sequence[Any]) -> None:
        if self._any:
            self._enqueue(Call(handler, tuple(args)) for handler in self._any)

    def _tell_outgoing(self, args: Sequence[Any]) -> None:
        if self._any_outgoing:
            self._enqueue(Call(handler, tuple(args)) for handler in self._any_outgoing)


def _without(handlers: tuple[Handler, ...], function: Callable[..., Any]) -> tuple[Handler, ...]:
    key = Handler(function).key
    return tuple(handler for handler in handlers if handler.key != key)
