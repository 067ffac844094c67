"""A room in a notebook: who is in it, what happens, and a form to emit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import anywidget
import traitlets

from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.event import CORRUPT, Event, label
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.rooms.names import Names, Who

from .display import Line, key, labels, line
from .emitting import emit_request, hub_id
from .event_buffer import LIMIT, EventBuffer, EventSlice
from .link import Message, PageLink
from .rooms import joined
from .shown import show
from .snapshot import Snapshot, clock, page

if TYPE_CHECKING:
    from jupyter_rtmsg.rooms.room import Room
    from jupyter_rtmsg.rooms.sync import Client

_STATIC = Path(__file__).parent / "static"
_LAST_ROWS = 5  # of a snapshot

logger = throttled_logger(__name__)


class Lines(TypedDict):
    """An `EventSlice`, as the browser is sent it."""

    first: int
    events: list[Line]


class RoomView(anywidget.AnyWidget):
    """Show a room: its members, its latest events as they happen, how many were missed, and a form to emit.

    A view only reads: handlers get every event as without it, and an event that was shown does not count as handled.
    Events appear while a cell runs. An event that is emitted in the form is stored at once in JupyterLab with
    ipykernel 7, and on a page of the hub's own server; elsewhere when the cell has ended.

    Three threads use a view: the client's calls `_watch`, the link's sends to the browser, and the kernel's main
    thread handles messages of the browser. The `EventBuffer` is what they share.

    Parameters
    ----------
    room : Room or str
        A joined room, or the name of one to join.
    client : Client, optional
        Joins the room if ``room`` is a name; the client of `connect` by default.
    last : int
        The number of earlier events that are shown, 200 at most.

    Examples
    --------
    >>> lab.view()
    >>> RoomView("lab")
    """

    _esm = _STATIC / "room.js"
    _css = _STATIC / "room.css"

    room_name = traitlets.Unicode().tag(sync=True)
    hub = traitlets.Unicode().tag(sync=True)
    state = traitlets.Unicode("connecting").tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    missed = traitlets.Int().tag(sync=True)
    members: traitlets.List[Any] = traitlets.List().tag(sync=True)
    # The names of the senders that are shown, by `key`. They change when a second notebook of the same name comes.
    labels: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    # Never assigned, so sent only with the whole state: to a page that opens the notebook later.
    recent = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.lines(view.buffer.recent()))

    def __init__(self, room: Room | str, client: Client | None = None, *, last: int = 50) -> None:
        room = self._room = joined(room, client)
        self._last = min(last, LIMIT)
        self.buffer = EventBuffer()
        self._begun = False  # whether the earlier events were read
        self._resend = False  # whether the browser asked for all events
        self._problem = ""
        self._names = Names()
        super().__init__(room_name=room.name, hub=hub_id(room), missed=room.missed_count)
        self._update_members()
        self._snapshot = Snapshot(self._drawn)
        self._link = PageLink(self, self._flush, {"recent": self._send_all, "emit": emit_request(room)})
        self._unwatch = room.watch(self._watch)
        self._link.start()

    def __repr__(self) -> str:
        return f"<RoomView of {self.room_name!r}: {self.state}>"

    def _ipython_display_(self) -> None:
        show(self._repr_mimebundle_(), self._snapshot)

    def close(self) -> None:
        """Remove the view, and stop watching the room."""
        self._unwatch()
        self._link.close()
        super().close()

    def _watch(self, event: Event) -> None:
        """Take an event of the room. Runs on the client's thread, which must not wait."""
        if event.name == "$reset":
            self.buffer.restart()
        elif event.name == "$left":
            self._problem = event.data["reason"]
        elif event.name == CORRUPT or not event.name.startswith("$"):
            self.buffer.add(event)
        self._link.wake()

    # --- to the browser, on the link's thread

    def _flush(self) -> int:
        if not self._begun:
            self._begun = True
            self.buffer.precede(self._earlier())
        whole, self._resend = self._resend, False
        fresh = self.buffer.take()
        shown = self.buffer.recent() if whole else fresh
        self._update_members()
        self._add_people(event.sender for event in shown.events)
        if whole or shown.events:
            self._link.send("events", whole=whole, **self.lines(shown))
        self._refresh_snapshot(bool(fresh.events))
        return len(shown.events)

    def _earlier(self) -> Sequence[Event]:
        try:
            return self._room.history(last=self._last) if self._last else ()
        except RtmsgError as error:
            logger.info("room %r: earlier events cannot be shown: %s", self.room_name, error)
            return ()

    def _update_members(self) -> None:
        self.state = self._room.status
        self.problem = self._problem
        members, me = self._room.members, self._room.me
        self._names.you = me.user if me else None
        self._add_people(members)
        self.members = labels(members, self._names)

    def _add_people(self, people: Iterable[Who]) -> None:
        """Add people to the names, and rename the senders that are shown if that has become necessary."""
        changed = [self._names.add(who) for who in people]
        if any(changed):
            shown = {event.sender for event in self.buffer.recent().events}
            self.labels = {key(sender): self._names.name(sender) for sender in shown}

    def lines(self, part: EventSlice) -> Lines:
        """Return events as the browser is sent them."""
        return {"first": part.first, "events": [line(event, self._names) for event in part.events]}

    def _refresh_snapshot(self, changed: bool) -> None:
        if changed:
            self._snapshot.change()
        later = self._snapshot.refresh()
        if later is not None:
            self._link.wake(later)

    def _drawn(self) -> str:
        events = self.buffer.recent().events
        counts = Counter(event.name for event in events).most_common(10)
        shown = f"{len(events)} events, {label(events[0])} to {label(events[-1])}" if events else "No events yet"
        rows = [line(event, self._names) for event in events[-_LAST_ROWS:]]
        return page(
            f"Room {self.room_name}",
            [shown, ", ".join(f"{name} {count}" for name, count in counts), self._problem],
            ("time", "event", "from", "data"),
            [(clock(row["ts"]), row["name"], _who(row), row["data"] or "") for row in rows],
        )

    # --- from the browser, on the thread of its messages

    def _send_all(self, _: Message) -> str:
        self._resend = True
        self._link.wake()
        return ""


def _who(row: Line) -> str:
    return f"{row['sender']} ({row['user']})" if row["user"] else row["sender"]
