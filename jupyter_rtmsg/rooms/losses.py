"""The log of the kernel tells of events that are gone: at once, and then at most once a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger("jupyter_rtmsg")
_EVERY = 1.0  # seconds: where one sender's events are trimmed from among those of others, each one is a gap


class Losses:
    """Counts the events of one room that were announced as ``$trimmed``. Runs on the I/O loop."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._count = self._first = self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, gone: Mapping[str, Any]) -> None:
        """Take the data of a ``$trimmed``."""
        self._first = gone["first"] if not self._count else min(self._first, gone["first"])
        self._last = max(self._last, gone["last"])
        self._count += gone["count"]
        if self._timer is None:
            self._tell()

    def stop(self) -> None:
        """Tell what is left to be told, and nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._warn()

    def _tell(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_EVERY, self._tell) if self._count else None
        self._warn()

    def _warn(self) -> None:
        if self._count:
            text = "room %r: events that were not handled here are no longer held: %d, from #%d to #%d"
            _log.warning(text, self._room, self._count, self._first, self._last)
        self._count = self._last = 0
