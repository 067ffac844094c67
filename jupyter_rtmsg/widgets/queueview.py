"""The worker groups of a room, their dead letters, and what can be done with them."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from jupyter_rtmsg.errors import RtmsgError
from jupyter_rtmsg.event import Event, label
from jupyter_rtmsg.names import displayable, escaped
from jupyter_rtmsg.payloads.text import data_text
from jupyter_rtmsg.rooms.groups import GroupState
from jupyter_rtmsg.rooms.names import Names, title

from .display import MAX_TEXT
from .link import Message, PageLink
from .pulse import Pulse
from .rooms import joined, offline
from .shown import show
from .snapshot import Snapshot, page

if TYPE_CHECKING:
    from jupyter_rtmsg.rooms.dead_letters import DeadLetterRow
    from jupyter_rtmsg.rooms.room import Room
    from jupyter_rtmsg.rooms.sync import Client

MAX_GROUPS = 100
"""Groups that are shown."""
MAX_WORKERS = 20
"""Workers of a group that are shown."""
MAX_LETTERS = 100
"""Dead letters that are shown, the oldest ones."""
_POINTS = 120  # of a line
_TRACEBACK = 8_192  # characters
_INTERVAL = 1.0  # seconds between two looks at least
_LONGEST = 16.0  # seconds between two looks while events wait, and nothing changes

_STATIC = Path(__file__).parent / "static"


class QueueView(anywidget.AnyWidget):
    """Show the worker groups of a room: lag, what is in flight, delayed and dead, the workers, and the dead letters.

    Groups can be paused and resumed, dead letters redriven and discarded, as far as the user may. Looking changes
    nothing. The hub is asked after each event of the room, and while events wait; at rest it is not.

    Three threads use a view: the client's wakes it, the link's asks the hub, and the one that handles messages of
    the browser: the kernel's main thread between two cells, or that of a subshell.

    Parameters
    ----------
    room : Room or str
        A joined room, or the name of one to join.
    client : Client, optional
        Joins the room if ``room`` is a name; the client of `connect` by default.

    Examples
    --------
    >>> lab.queue_view()
    """

    _esm = _STATIC / "queue.js"
    _css = _STATIC / "queue.css"

    room_name = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    groups: traitlets.List[Any] = traitlets.List(None, allow_none=True).tag(sync=True)
    letters: traitlets.Any = traitlets.Any(None).tag(sync=True)

    # `_open` is the group whose dead letters are shown: set by requests, read by the link's, to which all else
    # belongs. `_history` has the points of each group's line.

    def __init__(self, room: Room | str, client: Client | None = None) -> None:
        room = self._room = joined(room, client)
        self._open: str | None = None
        self._reason = ""
        self._history: dict[str, deque[dict[str, int]]] = {}
        self._states: list[GroupState] = []
        self._pulse = Pulse(_INTERVAL, _LONGEST)
        super().__init__(room_name=room.name)
        self._snapshot = Snapshot(self._drawn)
        requests = {
            "refresh": self._refresh,
            "pause": lambda message: self._steer(message, "pause", "Paused"),
            "resume": lambda message: self._steer(message, "resume", "Resumed"),
            "open": self._open_letters,
            "redrive": lambda message: self._settle(message, "redrive", "given to workers again"),
            "discard": lambda message: self._settle(message, "discard", "deleted"),
        }
        self._link = PageLink(self, self._flush, requests, _INTERVAL)
        self._unwatch = room.watch(self._watch)
        self._link.start()

    def __repr__(self) -> str:
        return f"<QueueView of {self.room_name!r}: {len(self._states)} groups>"

    def _ipython_display_(self) -> None:
        show(self._repr_mimebundle_(), self._snapshot)

    def close(self) -> None:
        """Remove the view, and stop watching the room."""
        self._unwatch()
        self._link.close()
        super().close()

    def _watch(self, event: Event) -> None:
        if event.name == "$left":
            self._reason = event.data["reason"]
        self._link.wake()

    # --- to the browser, on the link's thread

    def _flush(self) -> int:
        problem = self._reason or offline(self._room)
        if not problem:
            try:
                self._look()
            except (RtmsgError, TimeoutError) as error:
                problem = str(error)
        self.problem = problem
        later = self._snapshot.refresh()
        if later is not None:
            self._link.wake(later)
        return 0

    def _look(self) -> None:
        states = list(self._room.groups())
        changed = states != self._states
        self._states = states
        if any(state.lag and not state.paused for state in states):
            self._link.wake(self._pulse.next(changed=changed))
        if changed or self.groups is None:
            self._snapshot.change()
        self.groups = [self._group(state) for state in states[:MAX_GROUPS]]
        self._history = {name: points for name, points in self._history.items() if name in {s.name for s in states}}
        self._show_letters({state.name for state in states})

    def _group(self, state: GroupState) -> dict[str, Any]:
        points = self._history.setdefault(state.name, deque(maxlen=_POINTS))
        points.append({"ts": int(time.time() * 1000), "lag": state.lag})
        names = Names()
        for worker in state.workers:
            names.add(_Who(worker))
        return {
            "name": state.name,
            "event": escaped(state.event or "*"),
            "paused": state.paused,
            "lag": state.lag,
            "inFlight": state.in_flight,
            "delayed": state.delayed,
            "dead": state.dead,
            "done": state.done,
            "lastError": escaped(state.last_error[:MAX_TEXT]) if state.last_error else None,
            "workerCount": state.worker_count,
            "workers": [
                {
                    "key": worker.member,
                    "label": names.of(_Who(worker)),
                    "title": title(_Who(worker)),
                    "inFlight": worker.in_flight,
                    "maxInFlight": worker.max_in_flight,
                    "away": False,
                }
                for worker in state.workers[:MAX_WORKERS]
            ],
            "history": list(points),
        }

    def _show_letters(self, names: set[str]) -> None:
        group = self._open
        if group is None or group not in names:
            self.letters = None
            return
        table = self._room.dead_letters(group)
        items = [_letter(row) for row in table[:MAX_LETTERS]]
        self.letters = {"group": group, "items": items, "count": len(table), "discarded": table.discarded}

    def _drawn(self) -> str:
        columns = ("group", "state", "events", "waiting", "in flight", "delayed", "dead", "done", "workers")
        rows = [_numbers(each) for each in self._states]
        facts = ["" if rows else "No worker groups", self.problem]
        return page(f"Worker groups of room {self.room_name}", facts, columns, rows)

    # --- from the browser, on the thread of its messages; what is returned runs on a thread of its own

    def _refresh(self, _: Message) -> str:
        self._link.wake()
        return ""

    def _steer(self, message: Message, call: str, done: str) -> Any:
        group = str(message["group"])

        def steer() -> str:
            getattr(self._room.group(group), call)()
            return f"{done}."

        return steer

    def _open_letters(self, message: Message) -> str:
        self._open = None if message["group"] is None else str(message["group"])
        self._link.wake()
        return ""

    def _settle(self, message: Message, call: str, done: str) -> Any:
        group, numbers = str(message["group"]), message["numbers"]

        def settle() -> str:
            count = getattr(self._room.dead_letters(group), call)(numbers)
            return f"{count:,} {'dead letter' if count == 1 else 'dead letters'} {done}."

        return settle


def _numbers(state: GroupState) -> list[str]:
    numbers = (state.waiting, state.in_flight, state.delayed, state.dead, state.done, state.worker_count)
    return [state.name, state.state, state.event or "*", *(f"{number:,}" for number in numbers)]


class _Who:
    """A worker, as `Names` names it. It has no notebook path."""

    def __init__(self, worker: Any) -> None:
        self.user, self.kind, self.name, self.member = worker.user, worker.kind, worker.name, worker.member
        self.notebook: str | None = None


def _letter(row: DeadLetterRow) -> dict[str, Any]:
    event = row.event
    return {
        "number": row.number,
        "label": label(event),
        "event": escaped(event.name),
        "data": None if event.wire is None else data_text(event.wire, MAX_TEXT),
        "reason": row.reason,
        "message": escaped(row.message[:MAX_TEXT]),
        "error": escaped(row.error[:MAX_TEXT]),
        "traceback": row.traceback[-_TRACEBACK:],
        "sender": displayable(event.sender.name),
        "worker": displayable(row.worker),
        "deliveries": row.deliveries,
        "last": None if row.last is None else int(row.last.timestamp() * 1000),
    }
