"""A room's events on their way to the handlers: each once, in order, without a gap.

The loop puts in, the executor takes out. Three positions tell how far things are (numbers of the log, docs/wire.md):

``seen``
    the newest event that the room is known to hold;
``received``
    up to here everything is in the queue, or was. An event that comes next is the next one exactly when
    ``prev <= received``. One that is not, or that the queue has no room for, is left out: the log keeps it, and it is
    read from there (``behind`` says so), before anything later gets in;
``handled``
    up to here the handlers have returned. This is what a subscription acknowledges.

Events are numbered in their room without a gap. Where the next one that there is has a larger number, those in between
are gone, trimmed or deleted: that is told to the handlers of ``$trimmed``, in its place, once.

A position belongs to an era, a log and one opening of it. The loop turns to another era where the hub says so; for the
executor a mark in the queue turns, so that what waits before it never counts as handled in the new era.
"""

from __future__ import annotations

import concurrent.futures
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any, TypeAlias

from jupyter_rtmsg.client.executor import Call
from jupyter_rtmsg.client.handlers import Handlers
from jupyter_rtmsg.event import CORRUPT, Event

from .names import sender_of
from .place import NOWHERE, Era, Place

MAX_EVENTS = 50_000
MAX_BYTES = 32 * 1024 * 1024
_TELL_EVERY = 0.05

UNREADABLE: Any = object()  # the data of an event that was skipped

_LIVE, _REPLAY, _MISSED = 0, 1, 2  # seen live, read back, read back and from before this client joined
_READ_BACK = (_REPLAY, _MISSED)
_MARK = 3  # no event of the log; once it was handled, everything up to its ``place`` was

_Item: TypeAlias = "tuple[str, Any, Mapping[str, Any], int, int]"  # name, data, meta, bytes, and one of these

# A frozen dataclass sets its fields by way of object.__setattr__; setting the slots takes half the time, and an event
# of a fast stream has not many microseconds.
_new = object.__new__
_set_room, _set_name, _set_data, _set_seq, _set_prev, _set_ts, _set_sender, _set_id, _set_replay, _set_n = (
    vars(Event)[field.name].__set__ for field in fields(Event)
)


def event_of(room: str, name: str, data: Any, meta: Mapping[str, Any], replay: bool) -> Event:
    """Make an event from what the wire brought (docs/wire.md, "Events")."""
    get = meta.get
    sender = sender_of(get("from") or {})
    event = _new(Event)
    _set_room(event, room)
    _set_name(event, name)
    _set_data(event, data)
    _set_seq(event, get("seq"))
    _set_prev(event, get("prev"))
    _set_ts(event, get("ts", 0))
    _set_sender(event, sender)
    _set_id(event, get("id"))
    _set_replay(event, replay)
    _set_n(event, get("n"))
    return event


def notice_of(room: str, name: str, data: Any) -> Event:
    """Make an event from one of the hub's own, which are in no log."""
    return event_of(room, name, data, _of_hub(), replay=False)


def _of_hub() -> dict[str, Any]:
    return {"ts": int(time.time() * 1000), "from": {"kind": "hub"}}


class Inbox:
    """The queue of one room.

    Parameters
    ----------
    room : str
    handlers : Handlers
    progressed : callable
        Called on the executor when events have left the queue, and never otherwise: what it leads to may wake that.
    trimmed : callable
        Called on the loop with the data of each ``$trimmed``.
    max_events, max_bytes : int
        How much may wait for the handlers.
    """

    def __init__(
        self,
        room: str,
        handlers: Handlers,
        progressed: Callable[[], None],
        trimmed: Callable[[Mapping[str, Any]], None] = lambda data: None,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.started = False
        self.joined_at = 0
        self.seen = self.received = 0
        self.number: int | None = None  # that of the last event up to ``received``
        self._handled: tuple[Era, int, int | None] = NOWHERE
        self.handled_count = 0
        self.call_count = 0
        self._room = room
        self._handlers = handlers
        self._progressed = progressed
        self._trimmed = trimmed
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._items: deque[_Item] = deque()
        self._again: deque[tuple[Sequence[Event], concurrent.futures.Future[int]]] = deque()
        self._skipped = 0
        self._put_count = 0
        self._bytes_in = 0  # the loop's
        self._bytes_out = 0  # the executor's
        self._told = 0.0
        self.era = self._executor_era = NOWHERE.era

    # --- the loop's side

    def start_at(self, place: Place, head: int) -> None:
        """Begin after a position of the log. What comes up to ``head`` was missed."""
        self._handled, self.era, self._executor_era = place, place.era, place.era
        self.received = self.seen = place.seq
        self.number = place.n
        self.joined_at = head

    def turn(self, place: Place, name: str = "", data: Any = None, *, joined_at: int | None = None) -> None:
        """Go on after a position of another era; handlers of ``name`` are told in between.

        Where it is the same event in both, ``joined_at`` is the end of what was missed, in the new one. Without a name
        the log is the same, and what is behind here stays so.
        """
        self.era = place.era
        self.received = place.seq
        self.seen = place.seq if name else max(self.seen, place.seq)
        self.number = place.n
        if joined_at is not None:
            self.joined_at = joined_at
        self._mark_at(place, name, data)

    def drop_after(self, position: int) -> None:
        """Drop what waits of the present log beyond a position: the log has lost it."""
        kept: deque[_Item] = deque()
        epoch = self.era.epoch
        with suppress(IndexError):
            while True:  # the executor takes from the other end meanwhile: what was popped here is ours
                item = self._items.pop()
                place: Place | None = item[2].get("place") if item[4] == _MARK else None
                seq = item[2].get("seq") if place is None else place.seq
                if seq is None:
                    kept.appendleft(item)
                elif seq <= position or (place is not None and place.era.epoch != epoch):
                    kept.appendleft(item)
                    break
                elif place is None:
                    self._put_count -= 1
                    self._bytes_in -= item[3]
        self._items.extend(kept)
        self.received = self.seen = min(self.received, position)

    def pass_over(self, position: int) -> None:
        """Go on after a later position: nothing is held in between, and nobody knows how much was."""
        self.received = max(self.received, position)
        self.seen = max(self.seen, self.received)

    def live(self, args: list[Any], size: int) -> None:
        """Take an event of the wire: ``[name, data, meta, ...]``."""
        meta = args[2]
        seq = meta.get("seq")
        if seq is None:
            self._aside((args[0], args[1], meta, size, _LIVE))
            return
        if seq <= self.received:
            return
        self.seen = max(self.seen, seq)
        if meta.get("prev", 0) <= self.received and self._has_room(size):
            if self.number is not None and meta.get("n") == self.number + 1:
                self.number += 1
            else:
                meta = self._counted(args[0], seq, meta)
            self._put((args[0], args[1], meta, size, self._mark(seq) if "replay" in meta else _LIVE))
            self.received = seq
        else:
            self._skipped += 1

    def page(self, events: Sequence[Mapping[str, Any]], through: int, size: int, last: int | None = None) -> None:
        """Take a page of history read after ``received``; ``last``: the number of the last event up to ``through``."""
        for meta in events:
            if meta["seq"] > self.received:
                meta = self._counted(meta["event"], meta["seq"], meta)
                self._put((meta["event"], meta.get("data"), meta, size // len(events), self._mark(meta["seq"])))
                self.received = meta["seq"]
        if through >= self.received:
            self.received = through
            if last is not None and self.number is not None and last > self.number:
                self._announce(self.number + 1, last, through)
        if not self.behind:
            self._skipped = 0
        else:
            self._skipped = max(1, self._skipped - len(events))

    def trimmed(self, first: int, last: int, through: int) -> None:
        """Learn from the hub that the events of these numbers are gone, and so all that there was up to a position."""
        number = self.number
        if through > self.received and (number is None or first - 1 <= number < last):
            # Where more than these are missing here, reading them from the log tells.
            self.received, self.seen = through, max(self.seen, through)
            self._announce(first if number is None else number + 1, last, through)

    def _counted(self, name: str, seq: int, meta: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take note of the number of the event that is put in next, and tell of those that are gone before it."""
        number, n = self.number, meta.get("n") or None
        if name == CORRUPT:
            # The row is damaged, and so may be its number: the next event tells what is gone.
            self.number = None if number is None else number + 1
            return {**meta, "n": self.number}
        if n is not None and number is not None and n != number + 1:
            # A number that was there already is one of another room: the first was deleted, and this made since.
            first = number + 1 if n > number else 1
            if first < n:
                self._announce(first, n - 1, seq - 1)
        self.number = n
        return meta

    def _announce(self, first: int, last: int, position: int) -> None:
        self.number = last
        data = {"room": self._room, "count": last - first + 1, "first": first, "last": last}
        self._mark_at(Place(self.era, position, last), "$trimmed", data)
        self._trimmed(data)

    def _mark_at(self, place: Place, name: str, data: Any) -> None:
        self._items.append((name, data, {**_of_hub(), "place": place}, 0, _MARK))

    def notice(self, name: str, data: Any) -> None:
        """Put in one of the hub's own events."""
        self._aside((name, data, _of_hub(), 0, _LIVE))

    def _aside(self, item: _Item) -> None:
        """Put in what is in no log: it waits for nobody, and counts for nothing."""
        if self._handlers.matching(item[0]) and self._has_room(item[3]):
            self._bytes_in += item[3]
            self._items.append(item)

    def clear(self) -> None:
        """Drop what waits: somebody else gets it, or nobody."""
        self._items.clear()
        while self._again:
            self._again.popleft()[1].set_result(0)

    def replay(self, events: Sequence[Event]) -> concurrent.futures.Future[int]:
        """Have events handled again; the future gives their number once that is done."""
        done: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._again.append((events, done))
        return done

    def _mark(self, seq: int) -> int:
        return _MISSED if seq <= self.joined_at else _REPLAY

    def _put(self, item: _Item) -> None:
        self._put_count += 1
        self._bytes_in += item[3]
        self._items.append(item)

    def _has_room(self, size: int, share: float = 1.0) -> bool:
        used = self._bytes_in - self._bytes_out
        return len(self._items) < self._max_events * share and used + size <= self._max_bytes * share

    @property
    def handled(self) -> int:
        """Up to where the handlers have returned."""
        return self._handled[1]

    @property
    def place(self) -> Place:
        """The same, with the log that it is a position of. Any thread may ask."""
        return Place(*self._handled)

    @property
    def behind(self) -> bool:
        """Whether the log holds events that the queue does not."""
        return self.seen > self.received

    @property
    def hungry(self) -> bool:
        """Whether there is room for a page of history."""
        return self._has_room(0, share=0.5)

    @property
    def put_count(self) -> int:
        """How many events of the log ever got in, and so how many ``handled_count`` will be."""
        return self._put_count

    @property
    def waiting(self) -> int:
        """How many events are in the queue."""
        return len(self._items)

    @property
    def unread(self) -> int:
        """How many events are known to be in the log and not in the queue; at least one if there are any."""
        return max(1, self._skipped) if self.behind else 0

    # --- the executor's side

    def calls(self) -> Iterator[Call]:
        """Yield what is to be called for the events in the queue."""
        took = False
        try:
            while self.started:
                if self._again:
                    yield from self._replay(*self._again.popleft())
                try:
                    item = self._items.popleft()
                except IndexError:
                    if self._again:
                        continue
                    return
                took = True
                yield from self._calls(item)
        finally:
            if took:
                self._progressed()

    def _calls(self, item: _Item) -> Iterator[Call]:
        name, data, meta, size, mark = item
        seq = meta.get("seq")
        handlers = self._handlers.matching(name) if name and data is not UNREADABLE else ()
        if handlers:
            event = event_of(self._room, name, data, meta, mark in _READ_BACK)
            for handler in handlers:
                if handler.replay or mark != _MISSED:
                    yield Call(handler, (event,))
                    self.call_count += 1
        self._bytes_out += size
        if seq is not None:
            self.handled_count += 1
            self._handled = self._executor_era, seq, meta.get("n")
        elif mark == _MARK:
            self._handled = meta["place"]
            self._executor_era = self._handled[0]
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told > _TELL_EVERY:
            self._told = now
            self._progressed()

    def _replay(self, events: Sequence[Event], done: concurrent.futures.Future[int]) -> Iterator[Call]:
        handled = 0
        try:
            for event in events:
                for handler in self._handlers.matching(event.name):
                    if handler.replay:
                        yield Call(handler, (event,))
                handled += 1
        finally:  # also when the room is left meanwhile: somebody waits
            done.set_result(handled)
