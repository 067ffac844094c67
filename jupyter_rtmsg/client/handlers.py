"""Handlers: functions that users register, each with the context of the cell that registered it."""

from __future__ import annotations

import inspect
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.notebook import RegisteredFunction, is_same

from .captured import sink_of

logger = logging.getLogger(__name__)
SHOWN = frozenset({1, 2, 3, 10, 100, 1_000, 10_000, 100_000, 1_000_000})  # the failures of a handler that are shown


class Handler(RegisteredFunction):
    """A function that is called for events, in the context in which it was registered.

    Parameters
    ----------
    function : callable
        Sync or async.
    event : str or None
        The event's name; None for all events.
    replay : bool
        Whether it is called for events from before the room was joined.
    once : bool
        Whether it is called for one event only.
    replaced : callable, optional
        Called when another function has replaced it.
    output : object, optional
        Shows the function's prints and displays; see `sink_of`.
    """

    __slots__ = ("_failures", "_max_arguments", "event", "once", "output", "replaced", "replay")

    def __init__(
        self,
        function: Callable[..., Any],
        event: str | None = None,
        *,
        replay: bool = True,
        once: bool = False,
        replaced: Callable[[], None] | None = None,
        output: Any = None,
    ) -> None:
        super().__init__(function, sink_of(output))
        self.output = output  # a display handle must be referenced, or its display is forgotten
        self.event = event
        self.replay = replay
        self.once = once
        self.replaced = replaced
        self._max_arguments: float | None = None
        self._failures = 0

    def takes(self, number: int) -> bool:
        """Return whether the function takes ``number`` positional arguments."""
        if self._max_arguments is None:
            self._max_arguments = _max_arguments(self.function)
        return number <= self._max_arguments

    def failed(self, error: BaseException) -> None:
        """Show an exception in the handler's cell, and log it to the log handlers that do not print there.

        Only the first three failures are shown, then the 10th, the 100th and so on, so that a handler that fails for
        every event does not flood the notebook.
        """
        self._failures += 1
        if self._failures not in SHOWN:
            return
        name = getattr(self.function, "__qualname__", repr(self.function))
        title = f"the handler {name} raised (failure {self._failures}):"
        _log_elsewhere(title, error)
        self.context.copy().run(_show, title, error)


def _log_elsewhere(title: str, error: BaseException) -> None:
    """Log an error, except to log handlers that print in this process: the error is shown there anyway."""
    if not logger.isEnabledFor(logging.ERROR):
        return
    trace = (type(error), error, error.__traceback__)
    record = logger.makeRecord(logger.name, logging.ERROR, __file__, 0, title, (), trace, "failed")
    for handler in _logging_handlers() if logger.filter(record) else ():
        if record.levelno >= handler.level and not _prints(handler):
            handler.handle(record)


def _logging_handlers() -> Iterator[logging.Handler]:
    ancestor: logging.Logger | None = logger
    while ancestor is not None:
        yield from ancestor.handlers
        ancestor = ancestor.parent if ancestor.propagate else None


def _prints(handler: logging.Handler) -> bool:
    """Return whether a log handler writes to stdout or stderr, as those of ``logging.basicConfig()`` and rich do."""
    stream = getattr(handler, "stream", None) or getattr(getattr(handler, "console", None), "file", None)
    return stream is not None and stream in (sys.stdout, sys.stderr)


def _max_arguments(function: Callable[..., Any]) -> float:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some C functions have no signature
        return inf
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return inf
    return sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters)


def _show(title: str, error: BaseException) -> None:
    print(title, traceback_of(error), sep="\n", end="", file=sys.stderr, flush=True)  # noqa: T201 - the cell's output


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an exception that a handler raised, without the frames of this package at its begin."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_globals.get("__name__", "").startswith("jupyter_rtmsg."):
        trace = trace.tb_next  # this package's frames do not help the author of the handler
    return "".join(traceback.format_exception(type(error), error, trace))


class Handlers:
    """The handlers of one kind that a room or a socket has. Thread-safe.

    ``all`` is replaced as a whole, under ``lock``, so that it may be read without the lock. ``_matching`` caches the
    handlers of each event name.

    Parameters
    ----------
    beside : Handlers, optional
        Handlers of another kind of the same room or socket. A cell that runs again replaces its handlers of all kinds.

    Attributes
    ----------
    all : tuple of Handler
        In the order of their first registration.
    kinds : list of Handlers
        The handlers of all kinds, these included.
    lock : RLock
        Guards all kinds.
    """

    def __init__(self, beside: Handlers | None = None) -> None:
        self.all: tuple[Handler, ...] = ()
        self._matching: dict[str, tuple[Handler, ...]] = {}
        self.kinds: list[Handlers] = beside.kinds if beside is not None else []
        self.lock: threading.RLock = beside.lock if beside is not None else threading.RLock()
        self.kinds.append(self)

    def __bool__(self) -> bool:
        return bool(self.all)

    def add(self, handler: Handler, *, first: bool = False) -> None:
        """Add a handler, in the place of those that it replaces (see `jupyter_rtmsg.notebook`).

        Parameters
        ----------
        handler : Handler
        first : bool
            Whether it is called before the others.
        """
        with self.lock:
            at, gives_way = handler.place([old if old.event == handler.event else None for old in self.all])
            gone = {self.all[each] for each in gives_way}
            gone.update(old for kind in self.kinds for old in kind.all if handler.outdates(old))
            at = 0 if first else at
            self.put((*self.all[:at], handler, *self.all[at:]))
            for kind in self.kinds if gone else ():
                kind.put(tuple(old for old in kind.all if old not in gone))
        for old in gone:
            if old.replaced and not is_same(old.function, handler.function):
                old.replaced()

    def remove(self, event: str | None = None, function: Callable[..., Any] | None = None) -> None:
        """Remove the handlers of an event that call a function; None stands for all events, or all functions."""
        with self.lock:
            self.put(
                tuple(
                    handler
                    for handler in self.all
                    if not (event in (None, handler.event) and function in (None, handler.function))
                )
            )

    def discard(self, handler: Handler) -> None:
        """Remove one handler."""
        with self.lock:
            self.put(tuple(other for other in self.all if other is not handler))

    def put(self, handlers: tuple[Handler, ...]) -> None:
        """Replace all handlers. The caller holds the lock."""
        self.all, self._matching = handlers, {}

    def take(self, name: str) -> tuple[Handler, ...]:
        """Return the handlers of a received event, and remove those that are called once."""
        found = self.matching(name)
        for handler in found:
            if handler.once:
                self.discard(handler)
        return found

    def matching(self, name: str) -> tuple[Handler, ...]:
        """Return the handlers of an event, in the order of their first registration."""
        found = self._matching.get(name)
        if found is not None:
            return found
        with self.lock:
            found = tuple(handler for handler in self.all if _wants(handler.event, name))
            if len(self._matching) < 1000:
                self._matching[name] = found
        return found


def _wants(event: str | None, name: str) -> bool:
    # handlers of all events get the users' events, damaged or not; the hub's own events ("$...") only go by name
    return event == name or (event is None and (name == CORRUPT or not name.startswith("$")))
