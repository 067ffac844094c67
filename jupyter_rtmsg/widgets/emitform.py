"""A form that emits events to a room, without the room's events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import traitlets

from jupyter_rtmsg.event import Event

from .emitting import emit_request, hub_id
from .link import PageLink
from .rooms import joined, status_text
from .shown import show
from .snapshot import Snapshot, page

if TYPE_CHECKING:
    from jupyter_rtmsg.rooms.room import Room
    from jupyter_rtmsg.rooms.sync import Client

_STATIC = Path(__file__).parent / "static"


class EmitForm(anywidget.AnyWidget):
    """Show a form that emits events to a room.

    Parameters
    ----------
    room : Room or str
        A joined room, or the name of one to join.
    client : Client, optional
        Joins the room if ``room`` is a name; the client of `connect` by default.
    event : str
        The name that the form begins with.

    Examples
    --------
    >>> lab.emit_form(event="metric")
    """

    _esm = _STATIC / "form.js"
    _css = _STATIC / "form.css"

    room_name = traitlets.Unicode().tag(sync=True)
    hub = traitlets.Unicode().tag(sync=True)
    event = traitlets.Unicode().tag(sync=True)
    state = traitlets.Unicode("connecting").tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)

    def __init__(self, room: Room | str, client: Client | None = None, *, event: str = "message") -> None:
        room = self._room = joined(room, client)
        self._reason = ""
        super().__init__(room_name=room.name, hub=hub_id(room), event=event, state=room.status)
        self._snapshot = Snapshot(self._drawn)
        self._link = PageLink(self, self._flush, {"emit": emit_request(room)})
        self._unwatch = room.watch(self._watch)
        self._link.start()

    def __repr__(self) -> str:
        return f"<EmitForm of {self.room_name!r}: {self.state}>"

    def _ipython_display_(self) -> None:
        show(self._repr_mimebundle_(), self._snapshot)

    def close(self) -> None:
        """Remove the form."""
        self._unwatch()
        self._link.close()
        super().close()

    def _watch(self, event: Event) -> None:
        if event.name == "$left":
            self._reason = event.data["reason"]
        if event.name in ("$left", "$state"):
            self._link.wake()

    def _flush(self) -> int:
        self.state = self._room.status
        self.problem = self._reason or status_text(self.state)
        return 0

    def _drawn(self) -> str:
        return page(f"Form of room {self.room_name}", ["Run the cell to emit events."])
