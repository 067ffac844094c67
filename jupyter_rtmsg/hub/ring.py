"""The latest events of an active room, already encoded."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import islice
from operator import attrgetter

from jupyter_rtmsg.log.eventlog import Record
from jupyter_rtmsg.wire.socketio import Encoded

from .encode import encode_record


class Entry:
    """An event in a ring.

    Attributes
    ----------
    record : Record
    seq : int
    live : Encoded
        As the members got it.
    size : int
        Bytes of its packet, attachments included.
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
        """The same, marked as read back: encoded once for all who come back."""
        if self._replayed is None:
            self._replayed = encode_record(self.record, replay=True)
        return self._replayed


class Ring:
    """All events of a room after a position, as far as they fit.

    Parameters
    ----------
    start : int
        The position that the hub had reached when the ring began.
    max_events, max_bytes : int

    Attributes
    ----------
    start : int
        Every event of the room after this position, up to where the hub has followed the log, is in the ring.
    """

    __slots__ = ("_dropped", "_dropped_n", "_entries", "_max_bytes", "_max_events", "_size", "start")

    def __init__(self, start: int, *, max_events: int, max_bytes: int) -> None:
        self.start = start
        self._entries: deque[Entry] = deque()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._size = 0
        self._dropped = 0  # the seq of the latest event that did not fit any more ...
        self._dropped_n: int | None = None  # ... and its number

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def last(self) -> int:
        """The seq of the latest event, 0 if there is none."""
        return self._entries[-1].seq if self._entries else 0

    def append(self, entry: Entry) -> None:
        """Add the next event, and let go of the oldest where there are too many."""
        entries = self._entries
        entries.append(entry)
        self._size += entry.size
        while entries and (len(entries) > self._max_events or self._size > self._max_bytes):
            oldest = entries.popleft()
            self._size -= oldest.size
            self.start = self._dropped = oldest.seq
            self._dropped_n = oldest.record.n

    def covers(self, position: int) -> bool:
        """Tell whether every event after a position is here."""
        return position >= self.start

    def count(self, after: int) -> int:
        """Return how many events there are after a position."""
        return len(self._entries) - self._index(after)

    def page(self, after: int, *, max_bytes: int) -> tuple[list[Entry], bool]:
        """Return the events after a position, up to a size (at least one), and whether these are all."""
        page: list[Entry] = []
        size = 0
        for entry in islice(self._entries, self._index(after), None):
            size += entry.size
            if page and size > max_bytes:
                return page, False
            page.append(entry)
        return page, True

    def last_until(self, position: int) -> int:
        """Return the seq of the last event up to a position, 0 if none came that late since the ring began."""
        index = self._index(position)
        return self._entries[index - 1].seq if index else min(self._dropped, position)

    def number_until(self, position: int) -> int | None:
        """Return the number of the last event up to a position; None if that is not known here."""
        index = self._index(position)
        if index:
            return self._entries[index - 1].record.n
        return self._dropped_n if self._dropped <= position else None

    def position_of_last(self, number: int) -> int | None:
        """Return the position after which there are so many events, or None if the ring holds fewer."""
        if number > len(self._entries):
            return None
        return self._entries[-number].seq - 1 if number else self.last or None

    def _index(self, after: int) -> int:
        return bisect_right(self._entries, after, key=attrgetter("seq"))
