"""Watchers: functions that see a room's events as they arrive, beside the handlers and without effect on them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.event import Event

from .decoding import event_of, notice_of

Watcher: TypeAlias = "Callable[[Event], object]"

_REMEMBERED = 5  # events
_LARGE = 64 * 1024  # bytes; larger data are not remembered
logger = logging.getLogger(__name__)


def _at_once(function: Callable[[], None]) -> None:
    function()


class Watchers:
    """The watchers of one room, and the newest events, for views.

    A view must not start the handling of events, or the backlog would be gone before the cell with the user's handlers
    runs. So watchers are not handlers: they see each event once as it arrives, handled or not.

    Functions may be added and removed on any thread. All else runs on the I/O loop.

    Parameters
    ----------
    room : str
    handlers : Handlers, optional
        The room's. A cell that runs again replaces the watchers that it registered, too.
    call_soon : callable
        Schedules a function on the I/O loop. Thread-safe.
    """

    def __init__(
        self, room: str, handlers: Handlers | None = None, call_soon: Callable[[Callable[[], None]], object] = _at_once
    ) -> None:
        self._room = room
        self._handlers = Handlers(beside=handlers)
        self._call_soon = call_soon
        self._seen = 0
        self._latest: deque[list[Any]] = deque(maxlen=_REMEMBERED)

    def __bool__(self) -> bool:
        return bool(self._handlers)

    def add(self, function: Watcher) -> Callable[[], None]:
        """Add a watcher, which must not wait; return a function that removes it."""
        handler = Handler(function, replaced=lambda: self._replaced(handler))
        self._handlers.add(handler)
        return lambda: self._handlers.discard(handler)

    def _replaced(self, handler: Handler) -> None:
        """Tell a watcher that it was removed."""
        left = notice_of(self._room, "$left", {"room": self._room, "reason": "its cell was run again"})
        self._call_soon(lambda: self._call((handler,), left))

    def live(self, args: list[Any], size: int = 0) -> None:
        """Take an event as the wire brings it: ``[name, data, meta, ...]``. One that comes again is left out."""
        seq = args[2].get("seq")
        if seq is not None:
            if seq <= self._seen:
                return
            self._seen = seq
            self._latest.append(args if size <= _LARGE else [args[0], f"{size:,} bytes", args[2]])
        if self._handlers.all:
            self._call(self._handlers.all, event_of(self._room, args[0], args[1], args[2], "replay" in args[2]))

    def latest(self) -> list[Event]:
        """Return the newest stored events, at most five. Thread-safe."""
        return [event_of(self._room, args[0], args[1], args[2], "replay" in args[2]) for args in self._latest.copy()]

    def notice(self, name: str, data: Mapping[str, Any]) -> None:
        """Take an event of the hub itself."""
        if name == "$reset":
            self._seen = 0
            self._latest.clear()
        if self._handlers.all:
            self._call(self._handlers.all, notice_of(self._room, name, data))

    def _call(self, handlers: Sequence[Handler], event: Event) -> None:
        for handler in handlers:
            try:
                handler.function(event)  # not `handler.call`: what it prints belongs to no cell
            except Exception:
                logger.exception("what watches room %r failed", self._room)


class OpenStreams:
    """The streams of events of one room that are being read: they end when the room takes in no more."""

    def __init__(self) -> None:
        self._open: set[Callable[[], None]] = set()

    def add(self, close: Callable[[], None], removed: Callable[[], None]) -> Callable[[], None]:
        """Take a stream by the function that closes it; return a function for its reader's end. Thread-safe."""
        self._open.add(close)

        def remove() -> None:
            self._open.discard(close)
            removed()

        return remove

    def close(self) -> None:
        """Close all streams."""
        for close in tuple(self._open):
            close()
