"""A room in a notebook: who is in it, what happens, and a form to emit."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import anywidget
import traitlets

from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.event import CORRUPT, Event
from jupyter_rtmsg.rooms.connect import connect
from jupyter_rtmsg.rooms.names import Names, Who

from .display import Line, key, labels, line
from .event_buffer import LIMIT, EventBuffer, EventSlice
from .throttle import Throttle

if TYPE_CHECKING:
    from jupyter_rtmsg.rooms.receipt import Receipt
    from jupyter_rtmsg.rooms.room import Room
    from jupyter_rtmsg.rooms.sync import Client

_STATIC = Path(__file__).parent / "static"

logger = logging.getLogger(__name__)


class Lines(TypedDict):
    """An `EventSlice`, as the browser is sent it."""

    first: int
    events: list[Line]


class RoomView(anywidget.AnyWidget):
    """Show a room: its members, its latest events as they happen, how many were missed, and a form to emit.

    A view only reads: handlers get every event as without it, and an event that was shown does not count as handled.
    Events appear while a cell runs. Emitting waits for the end of the cell, since a kernel takes messages of a browser
    between two cells only.

    Three threads use a view: the client's calls `_watch`, the throttle's sends to the browser, and the kernel's main
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
    >>> RoomView(lab)
    >>> RoomView("lab")
    """

    _esm = _STATIC / "room.js"
    _css = _STATIC / "room.css"

    room_name = traitlets.Unicode().tag(sync=True)
    state = traitlets.Unicode("connecting").tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    missed = traitlets.Int().tag(sync=True)
    members: traitlets.List[Any] = traitlets.List().tag(sync=True)
    # The names of the senders that are shown, by `key`. They change when a second notebook of the same name comes.
    labels: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    # Never assigned, so sent only with the whole state: to a page that opens the notebook later.
    recent = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.lines(view.buffer.recent()))

    def __init__(self, room: Room | str, client: Client | None = None, *, last: int = 50) -> None:
        if isinstance(room, str):
            room = (client or connect()).join(room)
        self._room = room
        self._last = min(last, LIMIT)
        self.buffer = EventBuffer()
        self._throttle = Throttle(self._flush)
        self._begun = False  # whether the earlier events were read
        self._resend = False  # whether the browser asked for all events
        self._problem = ""
        self._names = Names()
        super().__init__(room_name=room.name, missed=room.missed_count)
        self._update_members()
        self.on_msg(self._received)
        self._unwatch = room.watch(self._watch)
        self._throttle.start()
        self._throttle.wake()

    def close(self) -> None:
        """Remove the view, and stop watching the room."""
        self._unwatch()
        self._throttle.close()
        super().close()

    def _watch(self, event: Event) -> None:
        """Take an event of the room. Runs on the client's thread, which must not wait."""
        if event.name == "$reset":
            self.buffer.restart()
        elif event.name == "$left":
            self._problem = event.data["reason"]
        elif event.name == CORRUPT or not event.name.startswith("$"):
            self.buffer.add(event)
        self._throttle.wake()

    # --- to the browser, on the throttle's thread

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
            self.send({"kind": "events", "whole": whole, **self.lines(shown)})
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

    # --- from the browser, on the main thread between two cells

    def _received(self, _: object, message: Mapping[str, Any], __: object) -> None:
        if message.get("kind") == "recent":
            self._resend = True
            self._throttle.wake()
        elif message.get("kind") == "emit":
            self._emit(message["id"], message["event"], message["data"])

    def _emit(self, id: str, event: str, data: str) -> None:
        try:
            receipt = self._room.emit(event, parse(data), wait=False)
        except (RtmsgError, ValueError) as error:
            self._answer(id, str(error), ok=False)
        else:
            # Offline this takes until the client is connected again. The cells must not wait for it.
            threading.Thread(target=self._report, args=(id, receipt), name="rtmsg emit", daemon=True).start()

    def _report(self, id: str, receipt: Receipt) -> None:
        try:
            self._answer(id, f"Stored as number {receipt.result()}", ok=True)
        except RtmsgError as error:
            self._answer(id, str(error), ok=False)

    def _answer(self, id: str, text: str, *, ok: bool) -> None:
        self.send({"kind": "outcome", "id": id, "ok": ok, "text": text})


def parse(text: str) -> Any:
    """Return the data of the form's JSON; None if it is empty.

    Raises
    ------
    ValueError
        If the text is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text) if text.strip() else None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"Not JSON: {error}") from None
