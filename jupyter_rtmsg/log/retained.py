"""The retained values of rooms: the last event under each key, kept whatever retention deletes.

Table ``retained`` has a copy of each such event, so that trimming need not know of them. The writer keeps their keys,
positions and sizes in memory (`RetainedValues`), and decides on those of one commit on top of it (`RetainedChanges`).
The values themselves are only on disk.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from jupyter_rtmsg.errors import LogLimit
from jupyter_rtmsg.logthrottle import throttled_logger

from .crc import event_crc
from .records import Draft, Record
from .tallies import EVENT_OVERHEAD

_COLUMNS = "room, key, seq, prev, ts, name, data, attachments, sender, user, id, size, n, expires, crc"
_SAVE = f"INSERT OR REPLACE INTO retained({_COLUMNS}) VALUES({','.join('?' * 15)})"
_REMOVE = "DELETE FROM retained WHERE room = ? AND key = ?"
_CLEAR = "DELETE FROM retained WHERE room = ?"
_OF_ROOM = (
    f"SELECT {_COLUMNS} FROM retained WHERE room = (SELECT id FROM room WHERE name = ?) "  # noqa: S608 -- constants
    "AND (expires = 0 OR expires > ?) ORDER BY seq"
)

logger = throttled_logger(__name__)


class Bounds(NamedTuple):
    """How much may be retained.

    Attributes
    ----------
    keys, bytes : int
        Keys of one room, and the bytes of their values.
    user_bytes, all_bytes : int
        Bytes of the values of one principal, and of all, including `EVENT_OVERHEAD` for each.
    """

    keys: int
    bytes: int
    user_bytes: int
    all_bytes: int


class Kept(NamedTuple):
    """A retained value without its data.

    Attributes
    ----------
    seq : int
        The position of its event.
    size : int
        Bytes of its data and attachments.
    user : str
        The principal that set it.
    expires : int
        The log time (ms) from which on it is gone; 0 for never.
    """

    seq: int
    size: int
    user: str
    expires: int = 0

    @property
    def cost(self) -> int:
        """The bytes that count towards the limit of the log."""
        return self.size + EVENT_OVERHEAD


@dataclass(slots=True)
class RetainedValues:
    """The retained values of a log, by the id of their room and by key. Owned by the writer's thread.

    Attributes
    ----------
    rooms : dict
    sizes : dict
        Bytes of the values of each room.
    users : Counter
        The cost of the values of each principal.
    cost : int
        The cost of all values.
    expiring : dict
        When those expire that do (ms of log time), by room and key.
    """

    rooms: dict[int, dict[str, Kept]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    users: Counter[str] = field(default_factory=Counter)
    cost: int = 0
    expiring: dict[tuple[int, str], int] = field(default_factory=dict)

    def of(self, room: int) -> Mapping[str, Kept]:
        """Return the values of a room by key."""
        return self.rooms.get(room, {})

    def count(self, room: int) -> int:
        """Return the number of values of a room."""
        return len(self.rooms.get(room, ()))

    def put(self, room: int, key: str, value: Kept | None) -> None:
        """Set a value, or remove it with None."""
        held = self.rooms.setdefault(room, {})
        before = held.pop(key, None)
        self.expiring.pop((room, key), None)
        if before is not None:
            self._count(room, before, -1)
        if value is not None:
            held[key] = value
            self._count(room, value, 1)
            if value.expires:
                self.expiring[room, key] = value.expires
        if not held:
            del self.rooms[room]
            self.sizes.pop(room, None)

    def clear(self, room: int) -> None:
        """Remove all values of a room."""
        for key in list(self.of(room)):
            self.put(room, key, None)

    def next_expiry(self) -> int | None:
        """Return the least log time (ms) at which a value expires; None if none does."""
        return min(self.expiring.values(), default=None)

    def expired(self, now: int) -> list[tuple[int, str, Kept]]:
        """Return the (room, key, value) that have expired at a log time."""
        due = [pair for pair, expires in self.expiring.items() if expires <= now]
        return [(room, key, self.rooms[room][key]) for room, key in due]

    def _count(self, room: int, value: Kept, sign: int) -> None:
        self.sizes[room] = self.sizes.get(room, 0) + sign * value.size
        self.cost += sign * value.cost
        self.users[value.user] += sign * value.cost
        if not self.users[value.user]:
            del self.users[value.user]


class _RoomChanges:
    """The changes of one room's values in a batch, and what the room has after them."""

    __slots__ = ("changed", "cleared", "count", "size")

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self.cleared = False
        self.changed: dict[str, Kept | None] = {}


class RetainedChanges:
    """The retained values that a batch sets, removes or clears.

    Parameters
    ----------
    values : RetainedValues
        Those before. They are not changed.
    bounds : Bounds or None
        None to accept any number: the events were accepted before.
    now : int
        Log time (ms). A value that has expired counts as removed, although it may still be stored.

    Attributes
    ----------
    refused : bool
        Whether an event was refused.
    """

    # `_rooms` has the rooms that the batch touches. `_rows` has the row of each value that is set; a later value of the
    # same key replaces it. `store` writes all of it, `accept` applies it to the values after the commit.

    def __init__(self, values: RetainedValues, bounds: Bounds | None, now: int) -> None:
        self._values = values
        self._bounds = bounds
        self._now = now
        self._rooms: dict[int, _RoomChanges] = {}
        self._rows: dict[tuple[int, str], tuple[Any, ...]] = {}
        self._costs: Counter[str] = Counter()
        self._cost = 0
        self.refused = False

    def seq(self, room: int | None, key: str) -> int:
        """Return the position of the event that has a key's value; 0 if there is none."""
        kept = self._kept(room, key)
        return kept.seq if kept is not None and not 0 < kept.expires <= self._now else 0

    def count(self, room: int) -> int:
        """Return the number of values that a room has after these changes."""
        changes = self._rooms.get(room)
        return self._values.count(room) if changes is None else changes.count

    def check(self, room: int | None, draft: Draft, size: int) -> None:
        """Raise `LogLimit` if a value exceeds a bound."""
        bounds, key = self._bounds, draft.retain
        if bounds is None or key is None or removes(draft):
            return
        before = self._kept(room, key)
        changes = self._rooms.get(room) if room is not None else None
        count = 0 if room is None else self.count(room)
        held = changes.size if changes else self._values.sizes.get(room or 0, 0)
        held += size - (before.size if before else 0)
        if count + (before is None) > bounds.keys or held > bounds.bytes:
            self.refused = True
            raise LogLimit(
                f"room {draft.room!r} retains {count} keys, and would have {held} bytes with {key!r:.80}. A room has "
                f"at most {bounds.keys} keys and {bounds.bytes} bytes of retained values: delete keys, or emit it "
                "without `retain`"
            )
        added = Kept(0, size, draft.user).cost
        freed = before.cost if before else 0
        mine = self._values.users[draft.user] + self._costs[draft.user] + added
        mine -= freed if before and before.user == draft.user else 0
        total = self._values.cost + self._cost + added - freed
        if mine > bounds.user_bytes or total > bounds.all_bytes:
            self.refused = True
            raise LogLimit(
                f"the retained values of {draft.user} would take {mine} bytes (at most {bounds.user_bytes}), and those "
                f"of all users {total} (at most {bounds.all_bytes}): delete keys that are not needed any more"
            )

    def put(self, room: int, key: str, record: Record, size: int, *, gone: bool) -> None:
        """Set the value of a key to an event, or remove it (``gone``)."""
        kept = None if gone else Kept(record.seq or 0, size, record.user, record.expires)
        self._change(room, key, kept)
        if kept is None:
            self._rows.pop((room, key), None)
        else:
            self._rows[room, key] = _row(room, record, size)

    def clear(self, room: int) -> None:
        """Remove all values of a room, which is deleted."""
        changes = self._touch(room)
        for key in {*changes.changed, *(() if changes.cleared else self._values.of(room))}:
            self._change(room, key, None)
            self._rows.pop((room, key), None)
        changes.cleared = True
        changes.changed.clear()

    def store(self, connection: sqlite3.Connection) -> None:
        """Write the changes, in a transaction."""
        for room, changes in self._rooms.items():
            if changes.cleared:
                connection.execute(_CLEAR, (room,))
            gone = [(room, key) for key, kept in changes.changed.items() if kept is None]
            connection.executemany(_REMOVE, gone)
        connection.executemany(_SAVE, list(self._rows.values()))

    def accept(self, values: RetainedValues) -> None:
        """Apply the changes after the commit."""
        for room, changes in self._rooms.items():
            if changes.cleared:
                values.clear(room)
            for key, kept in changes.changed.items():
                values.put(room, key, kept)

    def _kept(self, room: int | None, key: str) -> Kept | None:
        if room is None:
            return None
        changes = self._rooms.get(room)
        if changes is not None and (changes.cleared or key in changes.changed):
            return changes.changed.get(key)
        return self._values.of(room).get(key)

    def _touch(self, room: int) -> _RoomChanges:
        changes = self._rooms.get(room)
        if changes is None:
            changes = self._rooms[room] = _RoomChanges(self._values.count(room), self._values.sizes.get(room, 0))
        return changes

    def _change(self, room: int, key: str, kept: Kept | None) -> None:
        changes, before = self._touch(room), self._kept(room, key)
        changes.changed[key] = kept
        for value, sign in ((before, -1), (kept, 1)):
            if value is not None:
                changes.count += sign
                changes.size += sign * value.size
                self._cost += sign * value.cost
                self._costs[value.user] += sign * value.cost


def removes(draft: Draft) -> bool:
    """Tell whether an event removes the value of its key: its data are null."""
    return draft.data == b"null"


# --- rows of table ``retained``


def _row(room: int, record: Record, size: int) -> tuple[Any, ...]:
    attachments = msgspec.msgpack.encode(record.attachments) if record.attachments else b""
    return (room, record.key, record.seq, record.prev, record.ts, record.name, record.data, attachments,
            record.sender, record.user, record.id, size, record.n, record.expires, _crc(record))  # fmt: skip


def _crc(record: Record) -> int:
    return event_crc(
        record.seq or 0, record.prev or 0, record.ts, record.n or 0, record.room, record.name, record.user, record.id,
        record.sender, record.data, record.attachments, record.key, record.expires,
    )  # fmt: skip


def _record(room: str, row: tuple[Any, ...]) -> Record | None:
    """Return the event of a row; None if it is damaged."""
    _, key, seq, prev, ts, name, data, attachments, sender, user, id, size, n, expires, crc = row
    try:
        parts: tuple[bytes, ...] = msgspec.msgpack.decode(attachments, type=tuple[bytes, ...]) if attachments else ()
        record = Record(room, seq, prev, ts, name, data, parts, sender, user, id, n, key, expires)
        sound = _crc(record) == crc and size == len(data) + sum(map(len, parts)) and isinstance(key, str)
    except Exception:  # noqa: BLE001 -- a damaged row may have values of any type
        return None
    return record if sound else None


def read_values(connection: sqlite3.Connection, room: str, now: int) -> list[Record]:
    """Return the retained values of a room at a log time, in order of their positions; damaged ones are left out."""
    found = []
    for row in connection.execute(_OF_ROOM, (room, now)):
        record = _record(room, row)
        if record is None:
            logger.error("the value of key %r in room %r is damaged on disk, and left out", row[1], room)
        else:
            found.append(record)
    return found


def check_values(connection: sqlite3.Connection, names: Mapping[int, str]) -> Iterator[tuple[int, Any, Record | None]]:
    """Yield the (room, key, event) of all rows; the event is None if the row is damaged."""
    for row in connection.execute(f"SELECT {_COLUMNS} FROM retained"):  # noqa: S608 -- constants
        yield row[0], row[1], _record(names[row[0]], row) if row[0] in names else None


def load_values(connection: sqlite3.Connection, names: Mapping[int, str], values: RetainedValues) -> None:
    """Load the values of a file, within a transaction. Damaged rows are removed."""
    damaged: list[tuple[Any, Any]] = []
    for room, key, record in check_values(connection, names):
        if record is None:
            damaged.append((room, key))
            continue
        values.put(room, key, Kept(record.seq or 0, _size(record), record.user, record.expires))
    for room, key in damaged:
        logger.error("the value of key %r in room number %r is damaged on disk; it was removed", key, room)
        connection.execute(_REMOVE, (room, key))


def _size(record: Record) -> int:
    return len(record.data) + sum(map(len, record.attachments))


def remove_expired(connection: sqlite3.Connection, expired: Iterable[tuple[int, str, Kept]]) -> None:
    """Delete values that have expired, in a transaction."""
    connection.executemany(_REMOVE, [(room, key) for room, key, _ in expired])
