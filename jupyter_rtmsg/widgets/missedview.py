"""The events that were missed before a room was joined: replay them, keep them, or skip them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.names import escaped

from .link import Message, PageLink
from .rooms import joined, offline
from .shown import show
from .snapshot import Snapshot, clock, page

if TYPE_CHECKING:
    from jupyter_rtmsg.rooms.replay import Replay
    from jupyter_rtmsg.rooms.room import Room
    from jupyter_rtmsg.rooms.sync import Client

MAX_READ = 2_000
"""Missed events that are read to count their names; of more, the hub's own count is shown."""
_NAMES = 10
_PROGRESS = 0.25  # seconds between two looks at a replay

_STATIC = Path(__file__).parent / "static"


class MissedView(anywidget.AnyWidget):
    """Show the events that were missed before the room was joined, and replay, keep or skip them.

    Looking moves nothing. *Replay* hands the events to the handlers again, marked as replayed. *Skip* counts all events
    up to now as handled, and can be undone for ten seconds.

    Three threads use a view: the client's wakes it, the link's asks the hub and follows the replay, and the kernel's
    main thread handles messages of the browser.

    Parameters
    ----------
    room : Room or str
        A joined room, or the name of one to join.
    client : Client, optional
        Joins the room if ``room`` is a name; the client of `connect` by default.

    Examples
    --------
    >>> lab.missed_view()
    """

    _esm = _STATIC / "missed.js"
    _css = _STATIC / "missed.css"

    room_name = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    no_skip = traitlets.Unicode().tag(sync=True)
    missed: traitlets.Any = traitlets.Any(None).tag(sync=True)
    replay: traitlets.Any = traitlets.Any(None).tag(sync=True)
    skipped = traitlets.Int().tag(sync=True)

    # `_block` is what was missed, None until it was read. `_before` is the position before a skip, None if there was
    # none; `_replay` the latest replay. Requests set these two, each on a thread of its own; the link's thread reads.

    def __init__(self, room: Room | str, client: Client | None = None) -> None:
        room = self._room = joined(room, client)
        self._block: dict[str, Any] | None = None
        self._before: int | None = None
        self._replay: Replay | None = None
        self._reason = ""
        super().__init__(room_name=room.name, no_skip=_no_skip(room))
        self._snapshot = Snapshot(self._drawn)
        requests = {
            "play": self._play,
            "pause": lambda _: self._steer("pause"),
            "resume": lambda _: self._steer("resume"),
            "stop": lambda _: self._steer("stop"),
            "skip": lambda _: self._skip,
            "undo": lambda _: self._undo,
        }
        self._link = PageLink(self, self._flush, requests)
        self._unwatch = room.watch(self._watch)
        self._link.start()

    def __repr__(self) -> str:
        return f"<MissedView of {self.room_name!r}: {self._room.missed_count:,} missed>"

    def _ipython_display_(self) -> None:
        show(self._repr_mimebundle_(), self._snapshot)

    def close(self) -> None:
        """Remove the view. A replay goes on."""
        self._unwatch()
        self._link.close()
        super().close()

    def _watch(self, event: Event) -> None:
        if event.name == "$left":
            self._reason = event.data["reason"]
        if event.name in ("$left", "$state"):
            self._link.wake()

    # --- to the browser, on the link's thread

    def _flush(self) -> int:
        self.problem = self._reason or offline(self._room)
        if self._block is None and not self.problem:
            try:
                self._block = _count(self._room)
            except (RtmsgError, TimeoutError) as error:
                self.problem = str(error)
            self._snapshot.change()
        skipped = self._before is not None
        block = self._block if self._block and self._block["count"] else None
        self.missed = None if skipped else block
        self.skipped = block["count"] if skipped and block else 0
        self._follow_replay()
        later = self._snapshot.refresh()
        if later is not None:
            self._link.wake(later)
        return 0

    def _follow_replay(self) -> None:
        replay = self._replay
        if replay is None:
            return
        state = replay.state
        self.replay = {
            "state": state,
            "done": replay.progress.done,
            "total": replay.progress.total,
            "problem": _failure(replay) if state == "failed" else None,
        }
        if state in ("running", "paused"):
            self._link.wake(_PROGRESS)

    def _drawn(self) -> str:
        block = self._block or {"count": self._room.missed_count, "byEvent": [], "from": None, "to": None}
        times = [clock(block[end]) for end in ("from", "to") if block[end] is not None]
        names = ", ".join(f"{name} {count}" for name, count in block["byEvent"])
        return page(f"Missed in room {self.room_name}", [f"{block['count']:,} events", " to ".join(times), names])

    # --- from the browser: on the thread of its messages, and then on a thread of the request

    def _play(self, message: Message) -> Any:
        speed = float(message["speed"])

        def play() -> str:
            if self._replay is not None and self._replay.state in ("running", "paused"):
                return "A replay is under way."
            self._replay = self._room.replay(events=self._room.missed(), speed=speed)
            return "Events go to the handlers of this room again."

        return play

    def _steer(self, call: str) -> str:
        if self._replay is None:
            raise ValueError("nothing is replayed. Press Replay first")
        getattr(self._replay, call)()
        self._link.wake()
        return ""

    def _skip(self) -> str:
        self._before = self._room.skip()
        return "Skipped: all events up to now count as handled."

    def _undo(self) -> str:
        if self._before is None:
            raise ValueError("nothing was skipped in this view")
        self._room.seek(self._before)
        self._before = None
        return "The place is the one before again."


def _no_skip(room: Room) -> str:
    if room.subscription is not None:
        return ""
    like = f'hub.join("{escaped(room.name)}", as_="reader")'
    return f"No place is kept for this reader, so nothing can be skipped. Join with {like}"


def _count(room: Room) -> dict[str, Any]:
    """Return what was missed: how many events, when, and by name."""
    count = room.missed_count
    if count <= MAX_READ:
        events = room.missed()
        names = Counter(event.name for event in events).most_common()
        ends = (events[0].ts, events[-1].ts) if events else (None, None)
        return _block(len(events), names, *ends)
    if room.subscription is None:
        return _block(count, [], None, None)
    lag = room.subscription.lag
    oldest = None if lag.oldest is None else int(lag.oldest.timestamp() * 1000)
    return _block(count, list(lag.by_event.items()), oldest, None)


def _block(count: int, names: list[tuple[str, int]], first: int | None, last: int | None) -> dict[str, Any]:
    shown = [[escaped(name), number] for name, number in names[:_NAMES]]
    others = count - sum(number for _, number in names[:_NAMES]) if names else 0
    return {"count": count, "from": first, "to": last, "byEvent": shown, "others": max(0, others)}


def _failure(replay: Replay) -> str:
    try:
        replay.result(0)
    except (RtmsgError, TimeoutError, RuntimeError) as error:
        return str(error)
    return ""
