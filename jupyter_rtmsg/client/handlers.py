"""Functions that people register, with the context they were registered in."""

from __future__ import annotations

import inspect
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Hashable
from contextvars import Context, copy_context
from math import inf
from typing import Any

_log = logging.getLogger("jupyter_rtmsg")
_SHOWN = frozenset({1, 2, 3, 10, 100, 1_000, 10_000, 100_000, 1_000_000})


class Handler:
    """A function and the context it was registered in.

    The context is what makes ``print`` write below the cell that registered the function, in ipykernel 6 and 7 alike.

    Parameters
    ----------
    function : callable
        Sync or async.
    event : str or None
        The event it is for; None for all.
    replay : bool
        Whether it wants what happened before the room was joined.
    once : bool
        Whether it wants one event only.
    """

    __slots__ = ("_failures", "_most", "context", "event", "function", "key", "once", "replay")

    def __init__(
        self, function: Callable[..., Any], event: str | None = None, *, replay: bool = True, once: bool = False
    ) -> None:
        self.function = function
        self.event = event
        self.replay = replay
        self.once = once
        self._most: float | None = None
        self.context: Context = copy_context()
        self.key = (event, *_identity(function))
        self._failures = 0

    def call(self, *args: Any) -> Any:
        """Call the function in its context; an async one gives its coroutine."""
        # a copy, since a context cannot be entered twice at a time, nor should one event see variables of another
        return self.context.copy().run(self.function, *args)

    def takes(self, number: int) -> bool:
        """Whether the function takes so many positional arguments."""
        if self._most is None:
            self._most = _most_arguments(self.function)
        return number <= self._most

    def failed(self, error: BaseException) -> None:
        """Show an exception in the cell, and log it where logging goes elsewhere.

        A handler that fails for every event would flood the notebook: the first three are shown, then the 10th, the
        100th and so on.
        """
        self._failures += 1
        if self._failures not in _SHOWN:
            return
        name = getattr(self.function, "__qualname__", repr(self.function))
        said = f"the handler {name} raised (failure {self._failures}):"
        if _log.hasHandlers():
            _log.error("%s", said, exc_info=error)
        self.context.copy().run(_show, said, error)


def _most_arguments(function: Callable[..., Any]) -> float:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions of C tell nothing of what they take
        return inf
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return inf
    return sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters)


def _show(said: str, error: BaseException) -> None:
    trace = error.__traceback__
    while trace and trace.tb_frame.f_globals.get("__name__", "").startswith("jupyter_rtmsg.client"):
        trace = trace.tb_next  # our own frames say nothing to whoever wrote the handler
    text = "".join(traceback.format_exception(type(error), error, trace))
    print(said, text, sep="\n", end="", file=sys.stderr, flush=True)  # noqa: T201 - it belongs into the cell


def _identity(function: Callable[..., Any]) -> tuple[Hashable, ...]:
    """Return what two definitions have in common when the second is the first, run again.

    That is module and qualified name, for what a cell or a reloaded module defines at its top level, and for everything
    in a notebook. Bound methods and, outside of notebooks, closures are only themselves: two widgets register the same.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module is None or name is None or inspect.ismethod(function):
        return (function if _hashable(function) else id(function),)
    if name.endswith("<lambda>"):
        return module, name, function.__code__.co_firstlineno, function.__code__.co_code
    if "<locals>" in name and module != "__main__":
        return (function,)
    return module, name


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


class Handlers:
    """The handlers of a room or a socket. Safe to use from any thread."""

    def __init__(self) -> None:
        self._all: dict[Hashable, Handler] = {}
        self._matching: dict[str, tuple[Handler, ...]] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, handler: Handler) -> None:
        """Add a handler; it takes the place of the same one registered before."""
        with self._lock:
            self._all[handler.key] = handler
            self._matching = {}

    def remove(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Remove the handlers for an event (None: of all kinds) that call a function (None: whichever)."""
        with self._lock:
            self._all = {
                key: handler
                for key, handler in self._all.items()
                if not (event in (None, handler.event) and function in (None, handler.function))
            }
            self._matching = {}

    def take(self, name: str) -> tuple[Handler, ...]:
        """Return the handlers of an event that has come; those that wanted one only are removed."""
        found = self.matching(name)
        for handler in found:
            if handler.once:
                self._discard(handler)
        return found

    def _discard(self, handler: Handler) -> None:
        with self._lock:
            if self._all.get(handler.key) is handler:
                self._all = {key: other for key, other in self._all.items() if other is not handler}
                self._matching = {}

    def matching(self, name: str) -> tuple[Handler, ...]:
        """Return the handlers of an event, in the order in which they were first registered."""
        found = self._matching.get(name)
        if found is not None:
            return found
        with self._lock:
            found = tuple(handler for handler in self._all.values() if _wants(handler.event, name))
            if len(self._matching) < 1000:
                self._matching[name] = found
        return found


def _wants(event: str | None, name: str) -> bool:
    # "all" means what people emitted: the hub's own events only come to those who ask for them
    return event == name or (event is None and not name.startswith("$"))
