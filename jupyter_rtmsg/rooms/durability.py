"""Whether what a client emits outlives the server, and telling the user in the cell if it does not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from jupyter_rtmsg.errors import NotDurable, NotDurableError
from jupyter_rtmsg.notebook import Execution, this_execution

from .hello import Hello

_MEANT = "as it was told to"


class Durability:
    """What is known of the log of a client's hub. The I/O loop learns it, any thread may ask.

    Parameters
    ----------
    required : bool
        Refuse a hub that keeps events in memory only.

    Attributes
    ----------
    durable : bool or None
        None before the hub has said so.
    """

    def __init__(self, required: bool = False) -> None:
        self.required = required
        self.durable: bool | None = None
        self._warning: str | None = None
        self._joined: dict[str, Execution | None] = {}  # rooms whose joins warned, and in which cell
        self._emitted: set[str] = set()

    def greeted(self, hello: Hello) -> None:
        """Learn what the hub says at a connect; raises `NotDurableError` where that is not enough."""
        self.told({"durable": hello.durable, "warning": hello.warning})
        if self.required:
            self.check("" if hello.hub else "the hub is of version 0.1.0, which does not say whether events are kept")

    def told(self, log: Mapping[str, Any]) -> None:
        """Learn what the hub says of its log."""
        self.durable = log.get("durable") is not False
        warning = log.get("warning")
        self._warning = warning if isinstance(warning, str) else None
        if self.durable:
            self._joined.clear()
            self._emitted.clear()

    def described(self) -> str:
        """Return in words where events are kept; nothing before the hub has said so."""
        if self.durable is None:
            return ""
        return "events are kept on disk" if self.durable else f"events are in memory only: {self._warning or _MEANT}"

    def check(self, reason: str = "") -> None:
        """Raise `NotDurableError` unless events are kept."""
        if self.durable and not reason:
            return
        reason = reason or self._warning or f"the server keeps events in its memory only, {_MEANT}"
        raise NotDurableError(f"{reason}. Connect without durable=True to go on all the same")

    def warn_joined(self, room: str, stacklevel: int) -> None:
        """Warn whoever joins a room, the first time; ``stacklevel`` counts from the caller."""
        if self.durable is False and room not in self._joined:
            self._joined[room] = this_execution()
            self._warn(room, stacklevel + 1)

    def warn_emitted(self, room: str, stacklevel: int) -> None:
        """Warn whoever emits, the first time in a room, unless the same cell was warned when it joined."""
        if self.durable is not False or room in self._emitted:
            return
        self._emitted.add(room)
        if room not in self._joined or self._joined[room] != this_execution():
            self._warn(room, stacklevel + 1)

    def _warn(self, room: str, stacklevel: int) -> None:
        if self._warning:  # else the server was told to keep nothing
            warnings.warn(f"room {room!r}: {self._warning}", NotDurable, stacklevel=stacklevel + 1)
