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

import jupyter_rtmsg
from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.event import CORRUPT, Event
from jupyter_rtmsg.rooms.names import Names, Who

from .feed import LIMIT, Feed, Stretch
from .line import Line, key, line
from .memberlist import labels
from .pace import Pace

if TYPE_CHECKING:
    from jupyter_rtmsg import Client, Receipt, Room

_STATIC = Path(__file__).parent / "static"

_log = logging.getLogger("jupyter_rtmsg")


class Lines(TypedDict):
    """A `Stretch`, for the browser."""

    first: int
    events: list[Line]


class RoomView(anywidget.AnyWidget):
    """Show a room: its members, its latest events as they happen, what was missed, and a form to emit.

    A view only looks: the handlers of the notebook get every event all the same, and nothing counts as seen because it
    was shown. Events appear while a cell runs; emitting waits until it has ended, since a kernel hears its browser
    between two cells.

    Parameters
    ----------
    room : Room or str
        A joined room, or the name of one to join.
    client : Client, optional
        What to join a room by its name with; this notebook's own by default.
    last : int
        How many events of before are shown, 200 at most.

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
    # What to call the senders of events that are shown, since two notebooks of the same name were told apart.
    labels: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    # Never assigned, so never sent but with the whole state: what a page needs that opens the notebook later.
    recent = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.lines(view.feed.recent()))

    def __init__(self, room: Room | str, client: Client | None = None, *, last: int = 50) -> None:
        if isinstance(room, str):
            room = (client or jupyter_rtmsg.connect()).join(room)
        self._room = room
        self._last = min(last, LIMIT)
        self.feed = Feed()
        self._pace = Pace(self._flush)
        self._begun = self._whole = False
        self._why = ""
        self._names = Names()
        super().__init__(room_name=room.name, missed=room.missed_count)
        self._look()
        self.on_msg(self._received)
        self._unwatch = room.watch(self._watch)
        self._pace.start()
        self._pace.wake()

    def close(self) -> None:
        """Take the view away, and look no more."""
        self._unwatch()
        self._pace.close()
        super().close()

    def _watch(self, event: Event) -> None:
        """Take what happens in the room. On the client's thread, which must not wait."""
        if event.name == "$reset":
            self.feed.restart()
        elif event.name == "$left":
            self._why = event.data["reason"]
        elif event.name == CORRUPT or not event.name.startswith("$"):
            self.feed.add(event)
        self._pace.wake()

    # --- what the browser is told; on the pace's thread

    def _flush(self) -> int:
        if not self._begun:
            self._begun = True
            self.feed.precede(self._before())
        whole, self._whole = self._whole, False
        stretch = self.feed.take()
        if whole:
            stretch = self.feed.recent()
        self._look()
        self._meet(event.sender for event in stretch.events)
        if whole or stretch.events:
            self.send({"kind": "events", "whole": whole, **self.lines(stretch)})
        return len(stretch.events)

    def _before(self) -> Sequence[Event]:
        try:
            return self._room.history(last=self._last) if self._last else ()
        except RtmsgError as error:
            _log.info("room %r: what was before cannot be shown: %s", self.room_name, error)
            return ()

    def _look(self) -> None:
        self.state = self._room.state
        self.problem = self._why
        members, me = self._room.members, self._room.me
        self._names.you = me.user if me else None
        self._meet(members)
        self.members = labels(members, self._names)

    def _meet(self, people: Iterable[Who]) -> None:
        """Take people into account, and call those shown already otherwise where that is needed now."""
        changed = [self._names.add(who) for who in people]
        if any(changed):
            shown = {event.sender for event in self.feed.recent().events}
            self.labels = {key(sender): self._names.name(sender) for sender in shown}

    def lines(self, stretch: Stretch) -> Lines:
        """Return a stretch of events as the browser is sent it."""
        return {"first": stretch.first, "events": [line(event, self._names) for event in stretch.events]}

    # --- what the browser says; on the thread of the cells, between two of them

    def _received(self, _: object, message: Mapping[str, Any], __: object) -> None:
        if message.get("kind") == "recent":
            self._whole = True
            self._pace.wake()
        elif message.get("kind") == "emit":
            self._emit(message["id"], message["event"], message["data"])

    def _emit(self, id: str, event: str, data: str) -> None:
        try:
            receipt = self._room.emit(event, parse(data), wait=False)
        except (RtmsgError, ValueError) as error:
            self._say(id, str(error), ok=False)
        else:
            # offline, this may take its time; cells should not wait for it
            threading.Thread(target=self._follow, args=(id, receipt), name="rtmsg emit", daemon=True).start()

    def _follow(self, id: str, receipt: Receipt) -> None:
        try:
            self._say(id, f"Stored as number {receipt.result()}", ok=True)
        except RtmsgError as error:
            self._say(id, str(error), ok=False)

    def _say(self, id: str, text: str, *, ok: bool) -> None:
        self.send({"kind": "outcome", "id": id, "ok": ok, "text": text})


def parse(text: str) -> Any:
    """Read the JSON of the form; no text means no data.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    try:
        return json.loads(text) if text.strip() else None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"Not JSON: {error}") from None
