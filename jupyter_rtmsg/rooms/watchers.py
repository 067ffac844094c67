"""Functions that look on as a room's events arrive, beside the handlers and without any effect on them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.event import Event

from .inbox import event_of, notice_of

Watcher: TypeAlias = "Callable[[Event], object]"

_REMEMBERED = 5
_LARGE = 64 * 1024  # bytes: larger data are not kept for being shown
_log = logging.getLogger("jupyter_rtmsg")


def _at_once(function: Callable[[], None]) -> None:
    function()


class Watchers:
    """What looks on in one room: a widget, say.

    A handler that nobody has written must not start the dispatch, or the backlog would be gone before the cell with the
    user's handlers runs. So watchers are no handlers: they see what comes over the wire, each event once, handled or
    not.

    Parameters
    ----------
    room : str
    handlers : Handlers, optional
        The room's: a cell that runs again replaces what it registered among these, too.
    soon : callable
        Has a function called on the I/O loop; any thread may.
    """

    def __init__(
        self, room: str, handlers: Handlers | None = None, soon: Callable[[Callable[[], None]], object] = _at_once
    ) -> None:
        self._room = room
        self._handlers = Handlers(beside=handlers)
        self._soon = soon
        self._seen = 0
        self._latest: deque[list[Any]] = deque(maxlen=_REMEMBERED)

    def __bool__(self) -> bool:
        return bool(self._handlers)

    def add(self, function: Watcher) -> Callable[[], None]:
        """Have a function called on the I/O loop, where it must not wait; return what ends that."""
        handler = Handler(function, replaced=lambda: self._replaced(handler))
        self._handlers.add(handler)
        return lambda: self._handlers.discard(handler)

    def _replaced(self, handler: Handler) -> None:
        """Tell a function that it looks on no longer."""
        left = notice_of(self._room, "$left", {"room": self._room, "reason": "its cell was run again"})
        self._soon(lambda: self._call((handler,), left))

    def live(self, args: list[Any], size: int = 0) -> None:
        """Show an event of the wire: ``[name, data, meta, ...]``. One that comes again is left out."""
        seq = args[2].get("seq")
        if seq is not None:
            if seq <= self._seen:
                return
            self._seen = seq
            self._latest.append(args if size <= _LARGE else [args[0], f"{size:,} bytes", args[2]])
        if self._handlers.all:
            self._call(self._handlers.all, event_of(self._room, args[0], args[1], args[2], "replay" in args[2]))

    def latest(self) -> list[Event]:
        """Return the newest stored events that came, at most five. Any thread may ask."""
        return [event_of(self._room, args[0], args[1], args[2], "replay" in args[2]) for args in self._latest.copy()]

    def notice(self, name: str, data: Mapping[str, Any]) -> None:
        """Show one of the hub's own events."""
        if name == "$reset":
            self._seen = 0
            self._latest.clear()
        if self._handlers.all:
            self._call(self._handlers.all, notice_of(self._room, name, data))

    def _call(self, handlers: Sequence[Handler], event: Event) -> None:
        for handler in handlers:
            try:
                handler.function(event)  # on its own: this is no handler's thread, and what it prints is nobody's
            except Exception:  # noqa: BLE001 - what looks on must not stop what goes on
                _log.exception("what watches room %r failed", self._room)
