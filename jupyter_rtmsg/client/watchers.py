"""Functions that look on as a room's events arrive, beside the handlers and without any effect on them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from jupyter_rtmsg.event import Event

from .inbox import event_of

Watcher: TypeAlias = "Callable[[Event], object]"

_log = logging.getLogger("jupyter_rtmsg")


class Watchers:
    """What looks on in one room: a widget, say.

    A handler that nobody has written must not start the dispatch, or the backlog would be gone before the cell with the
    user's handlers runs. So watchers are no handlers: they see what comes over the wire, each event once, handled or
    not.

    Parameters
    ----------
    room : str
    """

    def __init__(self, room: str) -> None:
        self._room = room
        self._functions: tuple[Watcher, ...] = ()  # replaced as a whole: any thread adds, the loop reads
        self._seen = 0

    def add(self, function: Watcher) -> Callable[[], None]:
        """Have a function called on the I/O loop, where it must not wait; return what ends that."""
        self._functions = (*self._functions, function)

        def end() -> None:
            self._functions = tuple(other for other in self._functions if other is not function)

        return end

    def live(self, args: list[Any]) -> None:
        """Show an event of the wire: ``[name, data, meta, ...]``. One that comes again is left out."""
        seq = args[2].get("seq")
        if seq is not None:
            if seq <= self._seen:
                return
            self._seen = seq
        if self._functions:
            self._show(event_of(self._room, args[0], args[1], args[2], "replay" in args[2]))

    def notice(self, name: str, data: Mapping[str, Any]) -> None:
        """Show one of the hub's own events."""
        if name == "$reset":
            self._seen = 0
        if self._functions:
            meta = {"ts": int(time.time() * 1000), "from": {"kind": "hub"}}
            self._show(event_of(self._room, name, data, meta, replay=False))

    def _show(self, event: Event) -> None:
        for function in self._functions:
            try:
                function(event)
            except Exception:  # noqa: BLE001 - what looks on must not stop what goes on
                _log.exception("what watches room %r failed", self._room)
