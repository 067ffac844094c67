"""The interface of every event log, declared once; see docs/architecture.md.

Data stays encoded in here: the log stores JSON with placeholders (``{"_placeholder": true, "num": i}``) and the
binary attachments beside it, and hands both back as they came, so that nothing between a publisher's packet and the
members' frames has to decode them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from .kept import KeyValueStore, Subscriptions

DELETED = "$deleted"
"""Name of the draft that stands for the deletion of its room, in order with the appends."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into the log.

    Attributes
    ----------
    room, name : str
        Valid names: the hub has checked them.
    data : bytes
        UTF-8 JSON with a placeholder for every attachment.
    attachments : tuple of bytes
        In the order of their placeholders' ``num``.
    sender : bytes
        The ``from`` object as JSON, given back as it is.
    user : str
        The principal; the ``sender`` filter of `EventLog.read` compares it.
    client : str or None
    id : str or None
        With one, (room, user, id) is stored at most once within the window of ids, whichever client sends it; the same
        with another name or other data is a `LogIdConflict`.
    auto : bool
        Whether the client made the id up: then it is (room, user, client, id) that is stored at most once, in a window
        of its own; without a client the id is only given back.
    expect : int or None
        Store only if the room's head is this seq. Checked after dedup.
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


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event as the log holds it. ``seq``, ``prev`` and ``n`` are None when it was announced, not stored.

    ``n`` is dense: the room's next event has ``n + 1``, also after a restart, and whatever was trimmed. Where an event
    and the next one that a reader gets differ by more, so many less one are gone.

    ``ts`` is what the wall clock said (ms since 1970). It does not go back for a correction of up to a minute, but it
    does where the clock was wrong by more: the order of events is that of ``seq``.
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


def size_of(event: Draft | Record) -> int:
    """Return the bytes of an event's data and attachments."""
    return len(event.data) + sum(map(len, event.attachments)) if event.attachments else len(event.data)


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The outcome of an append: the event's seq, and whether it had been stored before."""

    seq: int
    duplicate: bool


Done = Callable[[Appended | Exception], None]
"""Is told what an append came to."""


class Page(NamedTuple):
    """Events of one room in order of seq.

    Attributes
    ----------
    records : list of Record
    through : int
        The position scanned: reading on from it misses nothing.
    more : bool
        Whether the room held more when the page was read.
    """

    records: list[Record]
    through: int
    more: bool


class RoomStats(msgspec.Struct, frozen=True, gc=False):
    """What is held of a room.

    Attributes
    ----------
    first : int
        The oldest seq still held; ``head + 1`` when everything was trimmed; 0 for a room that never was.
    head : int
        The seq of the newest event ever, trimmed or not (0: none).
    count, bytes : int
        Events held, and the bytes of their data and attachments.
    maker : str
        The principal that made it.
    n : int
        The number of the event at ``head``.
    """

    first: int
    head: int
    count: int
    bytes: int
    maker: str = ""
    n: int = 0


LISTED_NAMES = 20
"""Names of events of which a `Lag` tells how often they are there."""


class Lag(NamedTuple):
    """What a room holds after a position.

    Attributes
    ----------
    missed, bytes : int
        How many events, and their size.
    oldest : int or None
        The least ts, in ms.
    by_event : mapping of str to int
        How many of each name, for the `LISTED_NAMES` names with most events, which stand in this order.
    names : int
        How many names there are.
    """

    missed: int
    bytes: int
    oldest: int | None
    by_event: Mapping[str, int]
    names: int


class Fault(NamedTuple):
    """What does not work in a log: why, since when (seconds since 1970), and how often it failed."""

    error: str
    since: float
    failures: int


class Cursor(NamedTuple):
    """A position in the log of one epoch, and the opening in which it was reached.

    An empty ``opening`` was not told, as by version 0.1.0: it counts as the last one of the log.
    """

    epoch: str
    position: int
    opening: str = ""


class EventLog(Protocol):
    """Where events live. All methods are called on one event loop; none blocks it.

    An event that was damaged on disk is given back with the name ``$corrupt`` and null data, in its place.
    """

    @property
    def id(self) -> str:
        """Names the place where events are kept, for as long as it is: two servers with one id are one."""

    @property
    def epoch(self) -> str:
        """Names the log's identity. A position of another epoch means nothing here."""

    @property
    def opening(self) -> str:
        """Names this opening of the log: positions that readers reach now are told with it; see `cut`."""

    @property
    def url(self) -> str:
        """Where events are kept now."""

    @property
    def durable(self) -> bool:
        """Whether events outlive the process. A log that is not durable may become so; see `MovingLog`."""

    @property
    def warning(self) -> str | None:
        """What users should be told: that events are kept in memory only, or that an old log was set aside."""

    @property
    def failing(self) -> Fault | None:
        """What does not work now, such as storing on a broken disk. It is tried again until it does."""

    @property
    def head(self) -> int:
        """The position of the last event that came out of the log (0: none ever)."""

    @property
    def subscriptions(self) -> Subscriptions:
        """Where readers have come to."""

    @property
    def key_values(self) -> KeyValueStore:
        """Small values that are stored beside the events."""

    def now(self) -> int:
        """Return the ts (ms since 1970) that an event would get now."""

    def locate(self, position: int, epoch: str | None = None, opening: str | None = None) -> int | None:
        """Return the position of this epoch that has the same events before it; None if there is none.

        A position is told that somebody holds, perhaps of an epoch before: a log that was moved from memory into its
        file goes on understanding those of before (see `MovingLog`), by the epoch, or by the position itself. One that
        was reached in another opening is a place here as far as `cut` tells; without ``opening`` it counts as one of
        this opening.
        """

    def cut(self, opening: str) -> int:
        """Return up to which position the events of an opening are those of this log.

        The log's end may have been lost, or its file replaced by an older copy; then positions behind the cut are given
        again, to other events. A reader whose position does not hold goes on after the cut: it misses nothing, but may
        get events again where too little is known of its opening. What is no name of an opening gets 0.
        """

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        """Store an event; the future is done once that is as durable as the log promises.

        Call order is log order. The future fails with `LogConflict`, `LogIdConflict`, `LogFull` or `LogDiskError`.

        Raises
        ------
        LogBusy
            When the queue of appends is full.
        LogClosed
            After `close`.
        """

    def submit(self, draft: Draft, done: Done) -> None:
        """Do the same as `append`, but call a function with what came of it, after the event came out of `follow`.

        Without a future for each, thousands of them are answered in one step of the loop.
        """

    def delete(self, room: str) -> asyncio.Future[Appended]:
        """Delete what a room holds, in order with the appends; `Appended.seq` is the position up to which it is gone.

        It is hidden as soon as the future is done, and removed little by little. A room that is made again under the
        name goes on with its head and its numbers; publish ids of before are forgotten.
        """

    def announce(self, draft: Draft) -> None:
        """Send a volatile event out of every `follow`, in order with the appends made by this process, unstored."""

    async def read(
        self,
        room: str,
        *,
        after: int = 0,
        before: int | None = None,
        last: int | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 500,
        max_bytes: int = 500_000,
        max_attachments: int = 10,
        name: str | None = None,
        user: str | None = None,
        sender: str | None = None,
    ) -> Page:
        """Return events of a room with ``after < seq < before``.

        Parameters
        ----------
        room : str
        after, before : int
            Both exclusive. No ``before`` means to the end.
        last : int, optional
            The last so many of them, rather than the first ``limit``; at most ``limit`` are given.
        since, until : int, optional
            Only events with a ts of at least, and of at most, this, in ms since 1970. Where the wall clock was set back
            they need not stand together: ts is no order.
        limit, max_bytes, max_attachments : int
            Where the page ends, whichever comes first; it holds at least one event if there is one.
        name, user : str, optional
            Only events with this name, or of this principal.
        sender : str, optional
            Only events of a sender with this principal, or this ``name`` or ``notebook`` in the JSON of ``sender``.

        Returns
        -------
        Page
            ``through`` is the seq of the last record when ``more``, else the last position scanned: ``before - 1`` or
            the log's head.
        """

    def follow(self, *, after: int) -> AsyncIterator[Sequence[Record]]:
        """Yield the events of every room after a position, in order, in batches, for ever.

        A batch comes out after it is committed; an event never comes out before all earlier ones.
        Raises `EpochChanged` when the log was replaced, and ends when the log is closed. Where the log was moved, all
        of its events came out before.
        """

    async def stats(self, room: str) -> RoomStats:
        """Return what is held of a room; zeros for one that never was."""

    async def rooms(self) -> Mapping[str, RoomStats]:
        """Return the same for every room that holds events."""

    async def lag(self, room: str, after: int) -> Lag:
        """Count what a room holds after a position."""

    async def before_last(self, room: str, number: int) -> int:
        """Return the position before the last so many events of a room; the events themselves are not read."""

    async def close(self) -> None:
        """Commit what was appended, end every `follow`, and give the log free."""
