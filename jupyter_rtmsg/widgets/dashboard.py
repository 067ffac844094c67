"""All rooms of a hub: events a second, lag, members and dead letters."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.rooms.connect import connect

from .link import Message, PageLink
from .pulse import Pulse
from .rooms import status_text
from .shown import show
from .snapshot import Snapshot, page

if TYPE_CHECKING:
    from jupyter_rtmsg.rooms.overview import RoomOverview, RoomsOverview
    from jupyter_rtmsg.rooms.sync import Client

MAX_ROOMS = 200
"""Rooms that are shown, the ones that were active last."""
_POINTS = 60  # of a line
_INTERVAL = 2.0  # seconds between two looks at least
_LONGEST = 32.0  # seconds between two looks while nothing happens

_STATIC = Path(__file__).parent / "static"


class Dashboard(anywidget.AnyWidget):
    """Show all rooms that the user may read: events a second, lag of worker groups, dead letters, members, space.

    The hub is asked every two seconds while something happens, and every half minute while nothing does. Nothing is
    joined: the user is seen in no room because of it.

    Parameters
    ----------
    client : Client, optional
        The client of `connect` by default.

    Examples
    --------
    >>> rt.dashboard()
    """

    _esm = _STATIC / "dashboard.js"
    _css = _STATIC / "dashboard.css"

    hub_url = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    asked: traitlets.Int[Any, Any] = traitlets.Int(None, allow_none=True).tag(sync=True)
    unlisted = traitlets.Int().tag(sync=True)
    rooms: traitlets.List[Any] = traitlets.List(None, allow_none=True).tag(sync=True)

    # All fields belong to the link's thread. `_history` has the points of each room's line.

    def __init__(self, client: Client | None = None) -> None:
        client = self._client = client or connect()
        self._overview: RoomsOverview | None = None
        self._history: dict[str, deque[dict[str, float]]] = {}
        self._pulse = Pulse(_INTERVAL, _LONGEST)
        super().__init__(hub_url=client.url)
        self._snapshot = Snapshot(self._drawn)
        self._link = PageLink(self, self._flush, {"refresh": self._refresh}, _INTERVAL)
        client.on_state(self._changed)
        self._link.start()

    def __repr__(self) -> str:
        return f"<Dashboard of {self.hub_url}: {len(self._overview or ())} rooms>"

    def _ipython_display_(self) -> None:
        show(self._repr_mimebundle_(), self._snapshot)

    def close(self) -> None:
        """Remove the dashboard, and ask the hub no more."""
        self._client.off_state(self._changed)
        self._link.close()
        super().close()

    def _changed(self, _: str) -> None:
        self._link.wake()

    # --- to the browser, on the link's thread

    def _flush(self) -> int:
        problem = status_text(self._client.state)
        if not problem:
            try:
                self._look()
            except (RtmsgError, TimeoutError) as error:
                problem = str(error)
                self._link.wake(_LONGEST)
        self.problem = problem
        later = self._snapshot.refresh()
        if later is not None:
            self._link.wake(later)
        return 0

    def _look(self) -> None:
        before = self._overview
        overview = self._overview = self._client.overview(before)
        changed = before is None or overview != before
        if changed:
            self._snapshot.change()
        shown = sorted(overview, key=lambda each: each.head, reverse=True)[:MAX_ROOMS]
        self.unlisted = len(overview) - len(shown)
        self.rooms = [self._room(each) for each in shown]
        self._history = {each.room: self._history[each.room] for each in shown}
        self.asked = int(time.time() * 1000)
        self._link.wake(self._pulse.next(changed=changed))

    def _room(self, room: RoomOverview) -> dict[str, Any]:
        points = self._history.setdefault(room.room, deque(maxlen=_POINTS))
        if room.rate is not None:
            points.append({"ts": int(time.time() * 1000), "lag": room.rate})
        return {
            "name": room.room,
            "rate": room.rate,
            "count": room.count,
            "bytes": room.bytes,
            "members": room.members,
            "lag": room.lag,
            "groups": room.groups,
            "dead": room.dead,
            "problem": room.problem,
            "history": list(points),
        }

    def _drawn(self) -> str:
        rooms = sorted(self._overview or (), key=lambda each: each.head, reverse=True)[:10]
        columns = ("room", "events held", "members", "lag", "dead letters")
        rows = [(each.room, *(f"{n:,}" for n in (each.count, each.members, each.lag, each.dead))) for each in rooms]
        return page(f"Rooms of {self.hub_url}", ["" if rows else "No rooms yet", self.problem], columns, rows)

    # --- from the browser

    def _refresh(self, _: Message) -> str:
        self._link.wake()
        return ""
