"""Functions that people register, with the context they were registered in."""

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
from jupyter_rtmsg.notebook import CellFunction, is_same

from .captured import sink_of

_log = logging.getLogger("jupyter_rtmsg")
_SHOWN = frozenset({1, 2, 3, 10, 100, 1_000, 10_000, 100_000, 1_000_000})


class Handler(CellFunction):
    """A function that is called for events, in the context it was registered in.

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
    replaced : callable, optional
        Called when the handler of another function has taken its place.
    output : object, optional
        Shows what it prints and displays, see `sink_of`.
    """

    __slots__ = ("_failures", "_most", "event", "once", "output", "replaced", "replay")

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
        self.output = output  # a display is forgotten when nobody holds its handle
        self.event = event
        self.replay = replay
        self.once = once
        self.replaced = replaced
        self._most: float | None = None
        self._failures = 0

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
        _log_elsewhere(said, error)
        self.context.copy().run(_show, said, error)


def _log_elsewhere(said: str, error: BaseException) -> None:
    """Log an error, but not with what logs into the cell: the error is shown there anyway."""
    if not _log.isEnabledFor(logging.ERROR):
        return
    trace = (type(error), error, error.__traceback__)
    record = _log.makeRecord(_log.name, logging.ERROR, __file__, 0, said, (), trace, "failed")
    for handler in _logging_handlers() if _log.filter(record) else ():
        if record.levelno >= handler.level and not _is_shown(handler):
            handler.handle(record)


def _logging_handlers() -> Iterator[logging.Handler]:
    logger: logging.Logger | None = _log
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _is_shown(handler: logging.Handler) -> bool:
    """Return whether a handler logs where this process prints, as ``logging.basicConfig()`` and rich's do."""
    stream = getattr(handler, "stream", None) or getattr(getattr(handler, "console", None), "file", None)
    return stream is not None and stream in (sys.stdout, sys.stderr)


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
    while trace and trace.tb_frame.f_globals.get("__name__", "").startswith("jupyter_rtmsg."):
        trace = trace.tb_next  # our own frames say nothing to whoever wrote the handler
    text = "".join(traceback.format_exception(type(error), error, trace))
    print(said, text, sep="\n", end="", file=sys.stderr, flush=True)  # noqa: T201 - it belongs into the cell


class Handlers:
    """The handlers of one kind that a room or a socket has. Safe to use from any thread.

    Parameters
    ----------
    beside : Handlers, optional
        Those of another kind of the same room or socket: a cell that runs again replaces what it registered in either.

    Attributes
    ----------
    all : tuple of Handler
        In the order in which they were first registered.
    kinds : list of Handlers
        These, and those beside them.
    lock : RLock
        Of all these kinds.
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
        """Add a handler; it takes the place of those that give way to it (`jupyter_rtmsg.notebook`).

        Parameters
        ----------
        handler : Handler
        first : bool
            Whether it comes before the others.
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
        """Remove the handlers for an event (None: of all kinds) that call a function (None: whichever)."""
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
        """Have these handlers and no others. Only with the lock."""
        self.all, self._matching = handlers, {}

    def take(self, name: str) -> tuple[Handler, ...]:
        """Return the handlers of an event that has come; those that wanted one only are removed."""
        found = self.matching(name)
        for handler in found:
            if handler.once:
                self.discard(handler)
        return found

    def matching(self, name: str) -> tuple[Handler, ...]:
        """Return the handlers of an event, in the order in which they were first registered."""
        found = self._matching.get(name)
        if found is not None:
            return found
        with self.lock:
            found = tuple(handler for handler in self.all if _wants(handler.event, name))
            if len(self._matching) < 1000:
                self._matching[name] = found
        return found


def _wants(event: str | None, name: str) -> bool:
    # "all" means what people emitted, damaged or not: the hub's own events only come to those who ask for them
    return event == name or (event is None and (name == CORRUPT or not name.startswith("$")))
