"""Warnings for the user, each given once and in the cell that is responsible for it."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Mapping
from typing import Any

from jupyter_rtmsg.errors import NotDurable, NotDurableError
from jupyter_rtmsg.notebook import Execution, this_execution

from .hello import Hello
from .kernel import is_kernel

_ON_PURPOSE = "as it was told to"


class Notices:
    """Warnings that arise on the I/O loop, kept until a cell waits for an answer and can show them. Thread-safe."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._waiting: deque[tuple[str, type[Warning]]] = deque()

    def add(self, key: str, text: str, category: type[Warning] = UserWarning) -> None:
        """Keep a warning until `show`, unless there was one with this key before."""
        if key not in self._known:
            self._known.add(key)
            self._waiting.append((text, category))

    def show(self, stacklevel: int = 1) -> None:
        """Show the warnings; ``stacklevel`` is counted from the caller, see `warnings.warn`."""
        while self._waiting:
            text, category = self._waiting.popleft()
            warnings.warn(text, category, stacklevel=stacklevel + 1)


def add_join_notices(notices: Notices, room: str, place: str | None, url: str, hello: Hello, *, asked: bool) -> None:
    """Explain why the hub keeps no cursor for this client, which joined a room without ``as_``.

    Parameters
    ----------
    notices : Notices
    room : str
    place : str or None
        ``"taken"`` if another connection of this process has the notebook's subscription.
    url : str
        The server's.
    hello : Hello
    asked : bool
        Whether the join said where to start, and so needs no cursor.
    """
    name = f"give it a name of its own: join({room!r}, as_='...')"
    if place == "taken":
        notices.add(
            "place",
            f"room {room!r}: another client of this process has the place of this notebook. This one is a member "
            f"beside it: it gets what comes, and missed() is empty. Use the room of the first client, or {name}",
        )
    elif not asked and is_kernel() and not _is_dashboard():
        why = (
            f"the Jupyter server at {url} does not know this kernel, and so not its notebook (nbclient, papermill and "
            "VS Code start kernels of their own)"
            if hello.kind != "kernel"
            else "the server knows no notebook that runs in this kernel (is it a console?)"
        )
        notices.add(
            "notebook",
            f"room {room!r}: {why}. So the hub does not remember how far it has read: it gets what comes, and "
            f"missed() is empty. To find out next time what was missed, {name}",
        )


def _is_dashboard(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether Voilà runs this kernel: its users see the outputs, and did not write the notebook."""
    return "VOILA_PREHEAT" in environment


class Durability:
    """Whether the hub's log outlives its server, and the warnings if it does not.

    The I/O loop sets it, from the hub's hello and ``$log``; any thread may ask and warn. A room warns once when it is
    joined, and once when an event is emitted, unless both happen in one cell. A log that becomes durable resets that.

    Parameters
    ----------
    required : bool
        Refuse a hub that keeps events in memory only.

    Attributes
    ----------
    durable : bool or None
        None before the first hello.
    """

    def __init__(self, required: bool = False) -> None:
        self.durable: bool | None = None
        self._required = required
        self._warning: str | None = None
        self._joined: dict[str, Execution | None] = {}  # rooms whose join warned, and the cell that it warned in
        self._emitted: set[str] = set()

    def require(self) -> None:
        """Refuse a hub that is not durable: now with `NotDurableError`, and later at each hello."""
        self.check()
        self._required = True

    def greeted(self, hello: Hello) -> None:
        """Take a hello; raise `NotDurableError` if durability is required and the hub does not offer it."""
        self.update({"durable": hello.durable, "warning": hello.warning})
        if self._required:
            self.check("" if hello.hub else "the hub is of version 0.1.0, which does not say whether events are kept")

    def update(self, log: Mapping[str, Any]) -> None:
        """Take the hub's description of its log."""
        self.durable = log.get("durable") is not False
        warning = log.get("warning")
        self._warning = warning if isinstance(warning, str) else None
        if self.durable:
            self._joined.clear()
            self._emitted.clear()

    def described(self) -> str:
        """Return where events are kept, as a phrase; an empty text before the first hello."""
        if self.durable is None:
            return ""
        if self.durable:
            return "events are kept on disk"
        return f"events are in memory only: {self._warning or _ON_PURPOSE}"

    def check(self, reason: str = "") -> None:
        """Raise `NotDurableError` if events are not kept, or if there is a reason to assume so."""
        if self.durable and not reason:
            return
        reason = reason or self._warning or f"the server keeps events in its memory only, {_ON_PURPOSE}"
        raise NotDurableError(f"{reason}. Connect without durable=True to go on all the same")

    def warn_joined(self, room: str, stacklevel: int) -> None:
        """Warn at the first join of a room; ``stacklevel`` is counted from the caller."""
        if self.durable is False and room not in self._joined:
            self._joined[room] = this_execution()
            self._warn(room, stacklevel + 1)

    def warn_emitted(self, room: str, stacklevel: int) -> None:
        """Warn at the first emit in a room, unless the same cell was warned at the join."""
        if self.durable is not False or room in self._emitted:
            return
        self._emitted.add(room)
        if room not in self._joined or self._joined[room] != this_execution():
            self._warn(room, stacklevel + 1)

    def _warn(self, room: str, stacklevel: int) -> None:
        if self._warning:  # without one, the server keeps events in memory on purpose
            warnings.warn(f"room {room!r}: {self._warning}", NotDurable, stacklevel=stacklevel + 1)
