"""The latest events of an active room, already encoded."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import islice
from operator import attrgetter

from jupyter_rtmsg.log import Record
from jupyter_rtmsg.wire.socketio import Encoded

from .encode import encode_record


class BufferedEvent:
    """An event in a ring.

    Attributes
    ----------
    record : Record
    seq : int
    live : Encoded
        The packet that the members got.
    size : int
        Bytes of the packet, attachments included.
    """

    __slots__ = ("_replayed", "live", "record", "seq", "size")

    def __init__(self, record: Record, seq: int, live: Encoded) -> None:
        self.record = record
        self.seq = seq
        self.live = live
        self.size = len(live.text)
        if record.attachments:
            self.size += sum(map(len, record.attachments))
        self._replayed: Encoded | None = None

    @property
    def replayed(self) -> Encoded:
        """The packet marked as a replay, encoded once for all members that catch up."""
        if self._replayed is None:
            self._replayed = encode_record(self.record, replay=True)
        return self._replayed


class Ring:
    """All events of a room after a position, up to a number and a size.

    Parameters
    ----------
    start : int
        The position up to which the hub has followed the log.
    max_events, max_bytes : int

    Attributes
    ----------
    start : int
        Every event of the room after this position, and up to the follower's, is in the ring. It grows when events
        are dropped.
    _dropped, _dropped_n : int, int or None
        Seq and number of the event that was dropped last.
    _expires : bool
        Whether an event that expires was ever in it.
    """

    __slots__ = ("_dropped", "_dropped_n", "_events", "_expires", "_max_bytes", "_max_events", "_size", "start")

    def __init__(self, start: int, *, max_events: int, max_bytes: int) -> None:
        self.start = start
        self._events: deque[BufferedEvent] = deque()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._size = 0
        self._dropped = 0
        self._dropped_n: int | None = None
        self._expires = False

    def __len__(self) -> int:
        return len(self._events)

    @property
    def last(self) -> int:
        """The seq of the latest event, 0 if there is none."""
        return self._events[-1].seq if self._events else 0

    def append(self, event: BufferedEvent) -> None:
        """Add the next event, and drop the oldest ones that exceed the limits."""
        events = self._events
        events.append(event)
        self._expires = self._expires or event.record.expires > 0
        self._size += event.size
        while events and (len(events) > self._max_events or self._size > self._max_bytes):
            self._drop()

    def drop_before(self, first: int) -> None:
        """Drop the events before the oldest one that the log still holds, so that nobody gets them any more."""
        while self._events and self._events[0].seq < first:
            self._drop()

    def _drop(self) -> None:
        oldest = self._events.popleft()
        self._size -= oldest.size
        self.start = self._dropped = oldest.seq
        self._dropped_n = oldest.record.n

    def covers(self, position: int) -> bool:
        """Tell whether the ring has every event after a position."""
        return position >= self.start

    def count(self, after: int, now: int = 0) -> int:
        """Return the number of events after a position that have not expired at a log time."""
        index = self._index(after)
        if not self._expires:
            return len(self._events) - index
        return sum(not event.record.is_expired(now) for event in islice(self._events, index, None))

    def page(self, after: int, now: int = 0, *, max_bytes: int) -> tuple[list[BufferedEvent], bool]:
        """Return the events after a position that have not expired at a log time.

        Returns
        -------
        page : list of BufferedEvent
            Up to ``max_bytes``, but at least one if there are any.
        complete : bool
            Whether these are all.
        """
        page: list[BufferedEvent] = []
        size = 0
        for event in islice(self._events, self._index(after), None):
            if self._expires and event.record.is_expired(now):
                continue
            size += event.size
            if page and size > max_bytes:
                return page, False
            page.append(event)
        return page, True

    def last_until(self, position: int) -> int:
        """Return the seq of the last event up to a position, as far as the ring knows; 0 if there is none."""
        index = self._index(position)
        return self._events[index - 1].seq if index else min(self._dropped, position)

    def number_until(self, position: int) -> int | None:
        """Return the number of the last event up to a position; None if the ring does not know it."""
        index = self._index(position)
        if index:
            return self._events[index - 1].record.n
        return self._dropped_n if self._dropped <= position else None

    def position_of_last(self, number: int) -> int | None:
        """Return the position after which there are ``number`` events; None if the ring has fewer."""
        if number > len(self._events) or self._expires:
            return None
        return self._events[-number].seq - 1 if number else self.last or None

    def _index(self, after: int) -> int:
        return bisect_right(self._events, after, key=attrgetter("seq"))
