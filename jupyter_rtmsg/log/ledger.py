"""What the log decides before anything is written: positions, order, duplicates, conflicts. No I/O in here.

The one writer of a log keeps a `Ledger` in memory. A `Batch` is filled on top of it, written in one transaction, and
only then accepted: a transaction that fails leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from hashlib import blake2b

import msgspec

from jupyter_rtmsg.errors import LogConflict, LogError, LogIdConflict

from .clock import MINUTE, stamp
from .crc import event_crc
from .eventlog import DELETED, Appended, Done, Draft, Record, RoomStats
from .tallies import Tallies

FORGOTTEN_AFTER = 86_400_000  # ms of log time after which an empty room is nobody's any more
_LONG = 32  # bytes from which on an id is told by its digest


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An append in the queue, or with no ``done`` an announcement; ``size`` is that of its payload in bytes."""

    draft: Draft
    done: Done | None
    size: int


class Result(msgspec.Struct, frozen=True, gc=False):
    """What an append came to."""

    done: Done
    value: Appended | Exception


# The columns of table ``event``: seq, room, prev, ts, name, data, attachments, sender, user, id, size, crc, n.
EventRow = tuple[int, int, int, int, str, bytes, int, bytes, str, str | None, int, int, int]


class Room(msgspec.Struct, gc=False):
    """A room as the writer knows it.

    ``id`` is its key in the file, ``n`` the number of its last event, ``maker`` the principal that made it, and
    ``used`` when (ms of log time) it was used last. What is not after position ``since`` was deleted.
    """

    id: int
    first: int = 0
    head: int = 0
    count: int = 0
    bytes: int = 0
    n: int = 0
    maker: str = ""
    used: int = 0
    since: int = 0

    def copy(self) -> Room:
        """Return the same again, to be changed apart."""
        return Room(self.id, self.first, self.head, self.count, self.bytes, self.n, self.maker, self.used, self.since)

    def stats(self) -> RoomStats:
        """Return what outsiders see: a room that lost all its events holds nothing before ``head + 1``."""
        first = self.first if self.count else self.head + (self.head > 0)
        return RoomStats(first, self.head, self.count, self.bytes, self.maker, self.n)


@dataclass(slots=True)
class Ledger:
    """The state of a log.

    Attributes
    ----------
    rooms, names : dict
        Rooms by name, and their names by id.
    head : int
    ts : int
        The last timestamp given (ms).
    time : int
        The log time of what was stored last (ms), see `LogClock`.
    ahead : int
        By how much log time was ahead of ts where the last stretch began (ms).
    next_room, count, bytes : int
    hidden : set of str
        Rooms that were deleted, and of which something is still in the file.
    tallies : Tallies
        What each principal holds in each room.
    """

    rooms: dict[str, Room] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    head: int = 0
    ts: int = 0
    time: int = 0
    ahead: int = 0
    next_room: int = 1
    count: int = 0
    bytes: int = 0
    hidden: set[str] = field(default_factory=set)
    tallies: Tallies = field(default_factory=Tallies, compare=False)

    def replace(self, other: Ledger) -> None:
        """Take over all of another state."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    def accept(self, batch: Batch) -> None:
        """Take over what a committed batch changed."""
        self.rooms.update(batch.rooms)
        self.names.update((batch.rooms[name].id, name) for name in batch.saved_rooms)
        self.head, self.next_room = batch.head, batch.next_room
        if batch.events:
            self.ts, self.time, self.ahead = batch.ts, batch.time, batch.ahead
        self.count += len(batch.events)
        self.bytes += batch.bytes
        self.tallies.grow(batch.events)
        self.hidden.update(batch.deleted)


def dedup_key(draft: Draft) -> bytes | None:
    """Return what names an append within the window of its id, or None if it asked for no dedup.

    The keys of one publisher stand together, and so do ids that were counted up: an index of them stays warm.
    """
    return client_key(draft) if draft.auto else _key(_principal, draft.id, draft.room, draft.user)


def client_key(draft: Draft) -> bytes | None:
    """Return the key of an id that a client made up; versions before 0.2 had only these."""
    return None if draft.client is None else _key(_publisher, draft.id, draft.room, draft.user, draft.client)


def _key(owner: Callable[..., bytes], id: str | None, *parts: str) -> bytes | None:
    if id is None:
        return None
    try:
        text = id.encode("utf-8", "surrogatepass")
        return owner(*parts) + (text if len(text) < _LONG else _digest(text, size=_LONG))
    except (AttributeError, TypeError):  # none of them is the str it should be: `Batch.add` refuses it alone
        return None


@lru_cache(maxsize=16_384)
def _publisher(room: str, user: str, client: str) -> bytes:
    # The lengths keep ("a", "bc") apart from ("ab", "c"), whatever characters a client puts into its names.
    text = f"{len(room)},{len(user)},{room}{user}{client}"
    return _digest(text.encode("utf-8", "surrogatepass"), size=16)


@lru_cache(maxsize=16_384)
def _principal(room: str, user: str) -> bytes:
    """Return the begin of the keys of a principal in a room; its first eight bytes name the principal."""
    return b"".join(_digest(text.encode("utf-8", "surrogatepass"), size=8) for text in (user, room))


def _digest(text: bytes, size: int) -> bytes:
    return blake2b(text, digest_size=size).digest()


class Batch:
    """Appends that share a transaction, and all that follows from them.

    Parameters
    ----------
    ledger : Ledger
        The state before; it is not changed.
    known : mapping
        The seq of every dedup key of this batch that is in the log already.
    now : int
        What the wall clock says, in ms since 1970; for the timestamps see `stamp`.
    time : int, optional
        Log time (ms); that of the wall clock without.
    ahead : int, optional
        By how much log time was ahead of ``now`` then (ms), for events that are older than this commit.
    complete : bool
        Whether ``known`` has the ids that publishers chose, too; see `Known`.
    """

    def __init__(
        self,
        ledger: Ledger,
        known: Mapping[bytes, int],
        now: int,
        time: int | None = None,
        *,
        ahead: int | None = None,
        complete: bool = True,
    ) -> None:
        self._ledger = ledger
        self._known = known
        self.complete = complete
        self.head = ledger.head
        self.ts = stamp(now, ledger.ts)
        self.time = now if time is None else time
        ahead = self.time - self.ts if ahead is None else ahead
        self.turns = self.ts < ledger.ts or abs(ahead - ledger.ahead) > MINUTE
        self.ahead = ahead if self.turns else ledger.ahead
        self.next_room = ledger.next_room
        self.rooms: dict[str, Room] = {}
        self.bytes = 0
        self.saved_rooms: dict[str, None] = {}
        self.records: list[Record] = []
        self.results: list[Result] = []
        self.events: list[EventRow] = []
        self.attachments: list[tuple[int, int, bytes]] = []
        self.keys: dict[bytes, int] = {}  # of ids that clients made up
        self.explicit: dict[bytes, int] = {}  # of those that publishers chose
        self._drafts: dict[bytes, Draft] = {}  # with an id of the latter kind
        self.deleted: dict[str, int] = {}

    @property
    def stretches(self) -> list[tuple[int, int]]:
        """The row for table ``stretch``, if one begins with this batch's first event."""
        return [(self.events[0][0], self.ahead)] if self.turns and self.events else []

    def take_over(self, entry: Entry, key: bytes | None, ts: int) -> None:
        """Do the same as `add` with an event that was stored elsewhere before, and keeps its ts."""
        self.ts = max(self.ts, ts)
        self.add(entry, key)

    def add(self, entry: Entry, key: bytes | None, *, differs: bool = False) -> None:
        """Decide on one entry; what is wrong with it is its own failure, not the batch's.

        ``differs``: the event that the log holds under its key has another name or other data.
        """
        draft, done = entry.draft, entry.done
        if done is None:
            self.records.append(announced(draft, self.ts))
            return
        value: Appended | Exception
        try:
            value = self._append(draft, entry.size, key, differs)
        except (LogError, AttributeError, TypeError, ValueError) as error:
            value = error
        self.results.append(Result(done, value))

    def _append(self, draft: Draft, size: int, key: bytes | None, differs: bool) -> Appended:
        if draft.name == DELETED:
            return self._delete(draft.room)
        if key is None and draft.id is not None and not (draft.auto and draft.client is None):
            raise TypeError("`room`, `user`, `client` and `id` must be str")
        room = self.rooms.get(draft.room)
        known = room or self._ledger.rooms.get(draft.room)
        earlier = None
        if key is not None:
            earlier = self.keys.get(key) or self.explicit.get(key) or self._known.get(key)
        if earlier is not None and (known is None or earlier > known.since):  # else the room was deleted since
            return self._again(draft, key, earlier, differs)
        prev = known.head if known else 0
        if draft.expect is not None and draft.expect != prev:
            raise LogConflict(f"the head of room {draft.room!r} is {prev}, not {draft.expect}")
        seq, n = self.head + 1, known.n + 1 if known else 1
        crc = event_crc(
            seq, prev, self.ts, n, draft.room, draft.name, draft.user, draft.id, draft.sender, draft.data,
            draft.attachments,
        )  # fmt: skip
        if room is None:
            # Only now, since nothing can fail any more: a room is made by its first event.
            room = self._touch(draft.room, known)
        if not room.count:
            self._begin(room, draft, seq)
        self.head = room.head = seq
        room.n, room.used = n, self.time
        room.count += 1
        room.bytes += size
        self.bytes += size
        self._store(draft, room, prev, size, crc)
        if key is not None and draft.auto:
            self.keys[key] = seq
        elif key is not None:
            self.explicit[key], self._drafts[key] = seq, draft
        return Appended(seq, False)

    def _again(self, draft: Draft, key: bytes | None, seq: int, differs: bool) -> Appended:
        """Return the outcome of an append whose id is known."""
        first = self._drafts.get(key) if key is not None else None
        if first is not None:
            differs = (first.name, first.data, first.attachments) != (draft.name, draft.data, draft.attachments)
        if differs:
            raise LogIdConflict(
                f"the id {draft.id!r} belongs to event {seq} of room {draft.room!r}, which has another name or other "
                "data: choose another id, or send the same event"
            )
        return Appended(seq, True)

    def _touch(self, name: str, known: Room | None) -> Room:
        """Return this batch's own copy of a room, or a new room."""
        if known is None:
            room = Room(self.next_room)
            self.next_room += 1
        else:
            room = known.copy()
        self.rooms[name] = room
        return room

    def _begin(self, room: Room, draft: Draft, seq: int) -> None:
        """Begin a room that holds nothing: whoever does makes it, if it is new, was deleted, or is forgotten."""
        room.first = seq
        if room.head <= room.since or self.time - room.used > FORGOTTEN_AFTER:
            room.maker = draft.user
            self.saved_rooms[draft.room] = None

    def _delete(self, name: str) -> Appended:
        """Delete what a room holds; the outcome has the position up to which it is gone."""
        known = self.rooms.get(name) or self._ledger.rooms.get(name)
        if known is not None:
            room = self.rooms[name] = known.copy()
            room.since, room.used = self.head, self.time
            room.first = room.count = room.bytes = 0
            self.deleted[name] = self.head
            self.saved_rooms[name] = None
        return Appended(self.head, False)

    def _store(self, draft: Draft, room: Room, prev: int, size: int, crc: int) -> None:
        name, data, attachments, sender, user, id = (
            draft.name, draft.data, draft.attachments, draft.sender, draft.user, draft.id
        )  # fmt: skip
        seq, n, ts = room.head, room.n, self.ts
        self.events.append((seq, room.id, prev, ts, name, data, len(attachments), sender, user, id, size, crc, n))
        if attachments:
            self.attachments += [(seq, num, part) for num, part in enumerate(attachments)]
        self.records.append(Record(draft.room, seq, prev, ts, name, data, attachments, sender, user, id, n))


def announced(draft: Draft, ts: int) -> Record:
    """Return an event that is not stored."""
    return Record(
        draft.room, None, None, ts, draft.name, draft.data, draft.attachments, draft.sender, draft.user, draft.id
    )
