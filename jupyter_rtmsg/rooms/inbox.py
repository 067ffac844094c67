"""A room's events on their way to the handlers: each one once, in order, without a gap.

The I/O loop puts events in, the executor takes them out. Three positions (seqs of the log, see docs/wire.md) say how
far each step is:

``seen``
    the newest event that the room is known to hold;
``received``
    all events up to here are in the queue, or were. An event is the next one exactly when its ``prev <= received``. An
    event that is not the next, or that the queue has no capacity for, is left out: the log keeps it. `has_gap` is then
    true, and the event is read from the log before any later event is put in;
``handled``
    the handlers of all events up to here have returned. A subscription acknowledges this position.

The events of a room are numbered without a gap. If the next event has a larger number, the events in between are gone,
trimmed or deleted. The handlers of ``$trimmed`` are told so once, in the place of these events.

A position belongs to an era: a log, and one opening of it. The loop changes the era when the hub says so. For the
executor a marker in the queue changes it, so that events queued before it never count as handled in the new era.

It belongs to a generation of the subscription, too, which a seek begins: the queue is emptied, and a marker sets the
new position. The event that its handlers have at that moment counts for the generation before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jupyter_rtmsg.client.executor import Call, Failed
from jupyter_rtmsg.client.handlers import Handlers
from jupyter_rtmsg.event import CORRUPT, Event

from .decoding import NO_POSITION, Era, Position, event_of, hub_meta
from .parts import PartsLoader
from .queues import LIVE, MARKER, MISSED, REPLAY, VALUE, Item, ItemQueue, ReplayQueue

MAX_EVENTS = 50_000
MAX_BYTES = 32 * 1024 * 1024
_REPORT_EVERY = 0.05  # seconds between two calls of ``progressed`` while events are handled

UNREADABLE: Any = object()  # stands for the data of an event that could not be decoded

_READ_BACK = (REPLAY, MISSED)


class Inbox:
    """The queue of one room, between the I/O loop and the executor of its handlers.

    The loop owns the fields of "the loop's side", the executor those of "the executor's side". Each counter has one
    writer, and the other side only reads it.

    Parameters
    ----------
    room : str
    handlers : Handlers
    progressed : callable
        Called by the executor after events have left the queue, and never otherwise: it may wake the executor.
    trimmed : callable
        Called on the loop with the data of each ``$trimmed``.
    max_events, max_bytes : int
        The capacity of the queue.
    failed : callable, optional
        Called by the executor with each call that raised, and what it raised.
    loader : PartsLoader, optional

    Attributes
    ----------
    started : bool
        Whether events are passed to the handlers. Before, they wait, so that the first handler does not get them alone.
    joined_at : int
        The end of what was missed before the join; events up to here are replays.
    era : Era
        That of ``received``.
    number : int or None
        The number of the last event up to ``received``; None if it is not known.
    generation : int or None
        That of the subscription, for ``received``.
    replays : ReplayQueue
        Stored events that are to be handled again.
    handled_count, call_count : int
        How many events were handled, and how many calls of handlers were made, since the client joined.
    """

    def __init__(
        self,
        room: str,
        handlers: Handlers,
        progressed: Callable[[], None],
        trimmed: Callable[[Mapping[str, Any]], None] = lambda data: None,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        failed: Failed | None = None,
        loader: PartsLoader | None = None,
    ) -> None:
        self._room, self._handlers = room, handlers
        self._progressed, self._trimmed = progressed, trimmed
        self._items = ItemQueue(max_events, max_bytes)
        self.replays = ReplayQueue(handlers, failed)
        self._failed, self._loader = failed, loader
        # the loop's side
        self.started = False
        self.joined_at = 0
        self.seen = self.received = 0
        self.era = NO_POSITION.era
        self.number: int | None = None
        self.generation: int | None = None
        self._skipped = 0
        # the executor's side
        self.handled_count = self.call_count = 0
        self._handled: tuple[Era, int, int | None, int | None] = NO_POSITION
        self._handled_era = NO_POSITION.era
        self._handled_generation: int | None = None
        self._begun: tuple[Era, int] = NO_POSITION[:2]
        self._reported_at = 0.0

    # --- the loop's side

    def start_at(self, position: Position, head: int) -> None:
        """Start after a position of the log. Events up to ``head`` were missed."""
        self._handled, self.era, self._handled_era = position, position.era, position.era
        self.generation = self._handled_generation = position.generation
        self.received = self.seen = position.seq
        self.number = position.n
        self.joined_at = head

    def turn(self, position: Position, name: str = "", data: Any = None, *, joined_at: int | None = None) -> None:
        """Continue after a position of another era, and call the handlers of ``name`` in between.

        With ``joined_at``, the position is that of the same event in both logs, and ``joined_at`` the new end of what
        was missed. Without a name it is the same log, so a gap stays a gap.
        """
        self.era, self.received = position.era, position.seq
        self.generation = self.generation if position.generation is None else position.generation
        self.seen = position.seq if name else max(self.seen, position.seq)
        self.number = position.n
        if joined_at is not None:
            self.joined_at = joined_at
        self._mark(position, name, data)

    def seek(self, position: Position, data: Any) -> None:
        """Continue after a position of another generation, without what is queued. Handlers of ``$seek`` get ``data``.

        Handlers with ``replay=False`` do not get again what handlers got already.
        """
        self.begin_generation(position.generation)
        era, seq = self._begun
        if era == position.era:
            self.joined_at = max(self.joined_at, seq)
        self.turn(position, "$seek", data)
        if not self.started:  # otherwise the executor takes the position from the marker
            self._handled = position._replace(generation=self.generation)

    def begin_generation(self, generation: int | None) -> None:
        """Drop the queued events; those that come now are of another generation."""
        self.generation = generation
        self._items.drop(lambda item: item[4] != MARKER and item[2].get("seq") is not None)
        self._skipped = 0

    def drop_after(self, seq: int) -> None:
        """Drop the queued events of the present log beyond a position: the log has lost them."""
        epoch = self.era.epoch

        def is_lost(item: Item) -> bool | None:
            position: Position | None = item[2].get("position") if item[4] == MARKER else None
            item_seq = item[2].get("seq") if position is None else position.seq
            if item_seq is None:
                return False
            return None if item_seq <= seq or (position is not None and position.era.epoch != epoch) else True

        self._items.drop(is_lost)
        self.received = self.seen = min(self.received, seq)

    def pass_over(self, seq: int) -> None:
        """Continue after a later position: the log holds nothing in between, and it is not known how much it held."""
        self.received = max(self.received, seq)
        self.seen = max(self.seen, self.received)

    def learn_head(self, seq: int) -> None:
        """Learn that the log holds events up to a position."""
        self.seen = max(self.seen, seq)

    def learn_number(self, number: int | None) -> None:
        """Learn the number of the last event up to ``received``, if it is not known."""
        if self.number is None:
            self.number = number

    def missed_until(self, seq: int) -> None:
        """Learn where the end of what was missed is in the present log."""
        self.joined_at = seq

    def start(self) -> None:
        """Pass events to the handlers from now on."""
        self.started = True

    def live(self, args: list[Any], size: int) -> None:
        """Take an event as the wire brings it: ``[name, data, meta, ...]``."""
        meta = args[2]
        seq = meta.get("seq")
        if seq is None:
            self._put_unlogged((args[0], args[1], meta, size, LIVE))
            return
        if seq <= self.received:
            return
        self.seen = max(self.seen, seq)
        if meta.get("prev", 0) <= self.received and self._items.fits(size):
            if self.number is not None and meta.get("n") == self.number + 1:
                self.number += 1
            else:
                meta = self._counted(args[0], seq, meta)
            self._items.put(
                (
                    args[0],
                    args[1],
                    meta,
                    size,
                    LIVE if "replay" not in meta else MISSED if seq <= self.joined_at else REPLAY,
                )
            )
            self.received = seq
        else:
            self._skipped += 1

    def page(self, events: Sequence[Mapping[str, Any]], through: int, size: int, last: int | None = None) -> None:
        """Take a page of history that was read after ``received``.

        Parameters
        ----------
        events : sequence of mapping
        through : int
            The position up to which the page has all events.
        size : int
            Bytes.
        last : int, optional
            The number of the last event up to ``through``.
        """
        for meta in events:
            if meta["seq"] > self.received:
                meta = self._counted(meta["event"], meta["seq"], meta)
                kind = MISSED if meta["seq"] <= self.joined_at else REPLAY
                self._items.put((meta["event"], meta.get("data"), meta, size // len(events), kind))
                self.received = meta["seq"]
        if through >= self.received:
            self.received = through
            if last is not None and self.number is not None and last > self.number:
                self._announce_trimmed(self.number + 1, last, through)
        if not self.has_gap:  # `_skipped` is an estimate for `lag`: events that were deleted are not read
            self._skipped = 0
        else:
            self._skipped = max(1, self._skipped - len(events))

    def trimmed(self, first: int, last: int, through: int) -> None:
        """Learn that the events with these numbers are gone, and so all events up to the position ``through``."""
        number = self.number
        if through > self.received and (number is None or first - 1 <= number < last):
            # if more events are missing here, reading them from the log tells so
            self.received, self.seen = through, max(self.seen, through)
            self._announce_trimmed(first if number is None else number + 1, last, through)

    def _counted(self, name: str, seq: int, meta: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take the number of the event that is put in next, and announce the events that are gone before it."""
        number, n = self.number, meta.get("n") or None
        if name == CORRUPT:
            # The row is damaged, perhaps with its number. The next event's number shows what is gone.
            self.number = None if number is None else number + 1
            return {**meta, "n": self.number}
        if n is not None and number is not None and n != number + 1:
            # A smaller number is that of a new room: the former one of this name was deleted.
            first = number + 1 if n > number else 1
            if first < n:
                self._announce_trimmed(first, n - 1, seq - 1)
        self.number = n
        return meta

    def _announce_trimmed(self, first: int, last: int, seq: int) -> None:
        self.number = last
        data = {"room": self._room, "count": last - first + 1, "first": first, "last": last}
        self._mark(Position(self.era, seq, last), "$trimmed", data)
        self._trimmed(data)

    def _mark(self, position: Position, name: str, data: Any) -> None:
        position = position._replace(generation=self.generation)
        self._items.put_uncounted((name, data, {**hub_meta(), "position": position}, 0, MARKER))

    def notice(self, name: str, data: Any) -> None:
        """Put in an event of the hub itself."""
        self._put_unlogged((name, data, hub_meta(), 0, LIVE))

    def _put_unlogged(self, item: Item) -> None:
        """Put in an event that is in no log. Without a handler or capacity it is dropped, and it is never counted."""
        if self._handlers.matching(item[0]) and self._items.fits(item[3]):
            self._items.put_uncounted(item)

    def retained(self, event: Event, size: int) -> None:
        """Put in a value that the room has. It is not counted, and handlers that come later get it, too."""
        if self._items.fits(size):
            self._items.put_uncounted((event.name, event, {}, size, VALUE))

    def value(self, name: str, event: Event) -> None:
        """Call the handlers of a name with an event, in its turn."""
        self._put_unlogged((name, event, {}, 0, VALUE))

    def clear(self) -> None:
        """Drop the queue: another connection gets these events, or nobody does."""
        self._items.clear()
        self.replays.clear()

    # --- asked by either side

    @property
    def handled(self) -> int:
        """The seq up to which the handlers have returned."""
        return self._handled[1]

    @property
    def position(self) -> Position:
        """The position up to which the handlers have returned."""
        return Position(*self._handled)

    @property
    def has_gap(self) -> bool:
        """Whether the log holds events that the queue did not get."""
        return self.seen > self.received

    @property
    def has_capacity(self) -> bool:
        """Whether there is capacity for a page of history."""
        return self._items.fits(0, share=0.5)

    @property
    def put_count(self) -> int:
        """How many events of the log were put in, and so the final value of ``handled_count``."""
        return self._items.put_count

    @property
    def waiting(self) -> int:
        """How many events are queued."""
        return len(self._items)

    @property
    def unread(self) -> int:
        """How many events of the log are known not to be in the queue; if there is a gap, at least 1."""
        return max(1, self._skipped) if self.has_gap else 0

    @property
    def unhandled(self) -> int:
        """How many known events of the log are not handled yet."""
        return max(0, self.put_count - self.handled_count) + self.unread

    # --- the executor's side

    def calls(self) -> Iterator[Call]:
        """Yield the calls of handlers for the queued events."""
        took = False
        try:
            while self.started:
                try:
                    item = self._items.take()
                except IndexError:
                    if not self.replays:
                        return
                    yield from self.replays.calls()  # for one event: live ones go first
                    continue
                took = True
                yield from self._calls(item)
        finally:  # also if the executor stops between two calls: events that were handled are acknowledged
            self.replays.finish()
            if took:
                self._progressed()

    def _calls(self, item: Item) -> Iterator[Call]:
        name, data, meta, size, kind = item
        seq = meta.get("seq")
        if seq is not None:
            self._begun = self._handled_era, seq
        handlers = self._handlers.matching(name) if name and data is not UNREADABLE else ()
        if handlers:
            if self._loader is not None and "parts" in meta and kind != VALUE:
                data = yield from self._loader.calls(data, meta, self._handled_era)
            event = data if kind == VALUE else event_of(self._room, name, data, meta, kind in _READ_BACK)
            for handler in handlers:
                if handler.replay or not (kind == MISSED or event.retained):
                    yield Call(handler, (event,), None, self._failed)
                    self.call_count += 1
        # The generator goes on when the handlers have returned, so `_handled` is never ahead of them.
        self._items.release(size)
        if seq is not None:
            self.handled_count += 1
            self._handled = self._handled_era, seq, meta.get("n"), self._handled_generation
        elif kind == MARKER:
            self._handled = meta["position"]
            self._handled_era, self._handled_generation = self._handled[0], self._handled[3]
        self._report()

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported_at > _REPORT_EVERY:
            self._reported_at = now
            self._progressed()
