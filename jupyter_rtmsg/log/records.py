"""The values that go into an event log, and those that come out of it.

Data stay encoded here. A log stores JSON with placeholders (``{"_placeholder": true, "num": i}``) and the binary
attachments beside it, and returns both unchanged, so that nothing between a publisher's packet and the members' frames
has to decode them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

DELETED = "$deleted"
"""Name of the draft that deletes its room, in order with the appends."""

EXPIRED = "$expired"
"""Name of the announcement that retained values of a room have expired."""

LISTED_NAMES = 20
"""Number of event names that a `Lag` lists."""


class Parts(msgspec.Struct, frozen=True, gc=False):
    """The parts of an event that is too large for a message. They are stored before it, and belong to it alone.

    Attributes
    ----------
    key : int
        What they are stored under; see `PartStore`.
    count : int
        Number of parts, from 1 on.
    size : int
        Bytes of all of them.
    """

    key: int
    count: int
    size: int


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event to be appended.

    Attributes
    ----------
    room, name : str
        Valid names: the hub has checked them.
    data : bytes
        UTF-8 JSON with a placeholder for every attachment.
    attachments : tuple of bytes
        In the order of their placeholders' ``num``.
    sender : bytes
        The ``from`` object as JSON, returned unchanged.
    user : str
        The principal. The ``sender`` filter of `EventLog.read` compares it.
    client : str or None
    id : str or None
        An event with an id is stored at most once per (room, user, id) within the window of ids, whichever client sends
        it. The same id with another name or other data is refused with `LogIdConflict`.
    auto : bool
        Whether the client made the id up. Then the event is stored at most once per (room, user, client, id), in a
        window of its own. Without a client, such an id is only returned.
    expect : int or None
        Store the event only if the room's head is this seq. With ``retain``, the seq of that key's value (0: none).
        Checked after dedup.
    retain : str or None
        A key, whose value the event becomes, or removes if its data are null.
    expire : int or None
        The ms of log time after which the event, and the value that it is, are gone.
    keep : bool
        Whether only the event expires, and the value stays.
    parts : Parts or None
        The parts of the event. Its data say what they are, see docs/wire.md.
    """

    room: str
    name: str
    data: bytes
    attachments: tuple[bytes, ...] = ()
    sender: bytes = b"{}"
    user: str = ""
    client: str | None = None
    id: str | None = None
    expect: int | None = None
    auto: bool = False
    retain: str | None = None
    expire: int | None = None
    keep: bool = False
    parts: Parts | None = None


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event from the log.

    Attributes
    ----------
    room, name, data, attachments, sender, user, id
        As in `Draft`.
    seq : int or None
        Its position; None if it was announced, not stored.
    prev : int or None
        The position of the room's event before it (0: none); None if it was announced.
    ts : int
        The time of the wall clock (ms since 1970). It does not go back by a correction of up to a minute, but does if
        the clock was wrong by more: the order of events is that of ``seq``.
    n : int or None
        Its number in the room; None if it was announced. The room's next event has ``n + 1``, also after a restart, and
        after trimming. If the next event that a reader gets has a larger number, those in between are gone.
    key : str or None
        The key whose value it is, or removed.
    expires : int
        The log time (ms) from which on it is gone; 0 for never.
    parts : Parts or None
    """

    room: str
    seq: int | None
    prev: int | None
    ts: int
    name: str
    data: bytes
    attachments: tuple[bytes, ...]
    sender: bytes
    user: str
    id: str | None
    n: int | None = None
    key: str | None = None
    expires: int = 0
    parts: Parts | None = None

    def is_expired(self, now: int) -> bool:
        """Tell whether it is gone at a log time (ms)."""
        return 0 < self.expires <= now


def size_of(event: Draft | Record) -> int:
    """Return the bytes of an event's data and attachments, which are in memory with it."""
    return len(event.data) + sum(map(len, event.attachments)) if event.attachments else len(event.data)


def stored_size(event: Draft | Record) -> int:
    """Return the bytes that an event takes in the log, those of its parts included."""
    return size_of(event) if event.parts is None else size_of(event) + event.parts.size


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The outcome of an append: the seq of the event, and whether it had been stored before."""

    seq: int
    duplicate: bool


Take = Callable[[Sequence["Record"]], None]
"""A function that takes the events that come out of a log, in batches."""

Done = Callable[[Appended | Exception], None]
"""The callback of an append."""


class Page(NamedTuple):
    """Events of one room in order of seq.

    Attributes
    ----------
    records : list of Record
    through : int
        The last position scanned. The next page is after it.
    more : bool
        Whether the room had more events when the page was read.
    """

    records: list[Record]
    through: int
    more: bool


class RoomStats(msgspec.Struct, frozen=True, gc=False):
    """The size of a room.

    Attributes
    ----------
    first : int
        The seq of its oldest event; ``head + 1`` if all were trimmed; 0 if it never had one.
    head : int
        The seq of its newest event, trimmed or not; 0 if it never had one.
    count, bytes : int
        Number of its events, and the bytes of their data and attachments.
    maker : str
        The principal that made it.
    n : int
        The number of the event at ``head``.
    retained : int
        Number of its retained values.
    """

    first: int
    head: int
    count: int
    bytes: int
    maker: str = ""
    n: int = 0
    retained: int = 0


class Lag(NamedTuple):
    """The events of a room after a position.

    Attributes
    ----------
    missed, bytes : int
        Their number, and the bytes of their data and attachments.
    oldest : int or None
        The least ts (ms).
    by_event : mapping of str to int
        Number of events by name, for the `LISTED_NAMES` most frequent names, most frequent first.
    names : int
        Number of different names.
    """

    missed: int
    bytes: int
    oldest: int | None
    by_event: Mapping[str, int]
    names: int


class Fault(NamedTuple):
    """A failure of a log: its error, since when it lasts (seconds since 1970), and the number of failed operations."""

    error: str
    since: float
    failures: int


class Cursor(NamedTuple):
    """A position in the log of an epoch, and the opening in which it was reached.

    An empty ``opening`` counts as the last opening of the log: version 0.1.0 did not send it.
    """

    epoch: str
    position: int
    opening: str = ""
