"""Handlers of whatever event comes, or goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .handlers import Handler, Handlers
from .lane import Call, LaneFactory
from .listeners import Listeners

F = TypeVar("F", bound=Callable[..., Any])


class AnyListeners(Listeners):
    """What has handlers of every event, called with its name and arguments before those of the event itself."""

    def __init__(self, lanes: LaneFactory, name: str) -> None:
        super().__init__(lanes, name)
        self._any = Handlers(beside=self._handlers)
        self._any_outgoing = Handlers(beside=self._handlers)

    def on_any(self, function: F) -> F:
        """Have a function called with the name and the arguments of every event that the server sends."""
        self._any.add(Handler(function))
        return function

    def prepend_any(self, function: F) -> F:
        """Do as `on_any`, before the functions that are there already."""
        self._any.add(Handler(function), first=True)
        return function

    def off_any(self, function: Callable[..., Any] | None = None) -> None:
        """Undo `on_any` for a function, or for all."""
        self._any.remove(None, function)

    def listeners_any(self) -> list[Callable[..., Any]]:
        """Return the functions that `on_any` has been given."""
        return [handler.function for handler in self._any.all]

    def on_any_outgoing(self, function: F) -> F:
        """Have a function called with the name and the arguments of every event that is sent."""
        self._any_outgoing.add(Handler(function))
        return function

    def prepend_any_outgoing(self, function: F) -> F:
        """Do as `on_any_outgoing`, before the functions that are there already."""
        self._any_outgoing.add(Handler(function), first=True)
        return function

    def off_any_outgoing(self, function: Callable[..., Any] | None = None) -> None:
        """Undo `on_any_outgoing` for a function, or for all."""
        self._any_outgoing.remove(None, function)

    def listeners_any_outgoing(self) -> list[Callable[..., Any]]:
        """Return the functions that `on_any_outgoing` has been given."""
        return [handler.function for handler in self._any_outgoing.all]

    def _tell_any(self, args: Sequence[Any]) -> None:
        if self._any.all:
            self._enqueue(Call(handler, tuple(args)) for handler in self._any.all)

    def _tell_outgoing(self, args: Sequence[Any]) -> None:
        if self._any_outgoing.all:
            self._enqueue(Call(handler, tuple(args)) for handler in self._any_outgoing.all)
