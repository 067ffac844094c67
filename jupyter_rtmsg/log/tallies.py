"""How much each principal holds in each room, so that space is shared fairly.

The tallies are in memory, and change with each commit. Table ``tally`` has them as they were at the position
``tallied`` of table ``meta``. It is written with each deletion of events, and otherwise once in `STORE_EVERY` events,
so that a commit need not write one more page. Events after that position are counted when the log is opened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Any

import msgspec

from .schema import SIZE, USER

EVENT_OVERHEAD = 200
"""Bytes that an event takes beside its payload: keys, names, sender, index."""

STORE_EVERY = 10_000
"""Events after which the tallies are stored."""

_ROOM, _USER, _SIZE = 1, 8, 10  # columns of table ``event``
_NO_END = 2**63

DeletedTally = tuple[int, str, int, int]
"""Deleted events: the key of their room, their principal, their number, their bytes."""


class Tally(msgspec.Struct, gc=False):
    """The events of one principal in one room: their number, their bytes, and a seq before which there is none."""

    count: int = 0
    bytes: int = 0
    first: int = 0

    @property
    def cost(self) -> int:
        """Bytes that count towards the limit of the log."""
        return self.bytes + EVENT_OVERHEAD * self.count


class Tallies:
    """The tallies of a log. Owned by the writer's thread.

    Attributes
    ----------
    unsaved : int
        Events since the tallies were stored.
    """

    # `_rooms` and `_users` share each `Tally`, by room and by principal. `_costs` is the sum of each principal.
    # `_changed` has the pairs of room and principal whose row in the file is out of date.

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.unsaved = 0
        self._rooms: dict[int, dict[str, Tally]] = {}
        self._users: dict[str, dict[int, Tally]] = {}
        self._costs: dict[str, int] = {}
        self._changed: set[tuple[int, str]] = set()

    # --- counting

    def grow(self, events: Sequence[Sequence[Any]]) -> None:
        """Count events that were stored, given as rows of table ``event``."""
        grown: dict[tuple[int, str], list[int]] = {}
        for row in events:
            sizes = grown.get(pair := (row[_ROOM], row[_USER]))
            if sizes is None:
                grown[pair] = [row[_SIZE]]
            else:
                sizes.append(row[_SIZE])
        for (room, user), sizes in grown.items():
            self.add(room, user, len(sizes), sum(sizes))
        self.unsaved += len(events)

    def add(self, room: int, user: str, count: int, size: int) -> None:
        """Add events of a principal in a room, or remove them with negative numbers."""
        tally = self._rooms.setdefault(room, {}).get(user)
        if tally is None:
            tally = self._rooms[room][user] = self._users.setdefault(user, {})[room] = Tally()
            self._costs.setdefault(user, 0)
        tally.count += count
        tally.bytes += size
        self._costs[user] += size + EVENT_OVERHEAD * count
        self._changed.add((room, user))
        if not tally.count:
            self._forget(room, user)

    def _forget(self, room: int, user: str) -> None:
        del self._rooms[room][user], self._users[user][room]
        if not self._rooms[room]:
            del self._rooms[room]
        if not self._users[user]:
            del self._users[user], self._costs[user]

    # --- shares

    def in_room(self, room: int) -> Mapping[str, Tally]:
        """Return the tallies of a room by principal."""
        return self._rooms.get(room, {})

    def of(self, user: str) -> Mapping[int, Tally]:
        """Return the tallies of a principal by room."""
        return self._users.get(user, {})

    def heaviest(self) -> tuple[str, int] | None:
        """Return the principal with most bytes, and its lead over the next one; None if there is only one."""
        return _largest_and_lead(self._costs)

    def heaviest_in(self, room: int, *, by_bytes: bool = False) -> tuple[str, int] | None:
        """Return the principal with most events (or bytes) in a room, and its lead; None if there is only one."""
        held = self.in_room(room).items()
        return _largest_and_lead({user: tally.bytes if by_bytes else tally.count for user, tally in held})

    def costs(self) -> Mapping[str, int]:
        """Return the bytes that each principal holds."""
        return self._costs

    # --- in the file

    def save(self, connection: sqlite3.Connection, head: int, deleted: Sequence[DeletedTally] = ()) -> None:
        """Store the changed tallies, minus the events that this transaction deletes; call `saved` after the commit."""
        less = {(room, user): (count, size) for room, user, count, size in deleted}
        kept: list[DeletedTally] = []
        gone: list[tuple[int, str]] = []
        for room, user in self._changed | less.keys():
            tally = self.in_room(room).get(user) or Tally()
            count, size = less.get((room, user), (0, 0))
            if tally.count > count:
                kept.append((room, user, tally.count - count, tally.bytes - size))
            else:
                gone.append((room, user))
        connection.executemany("DELETE FROM tally WHERE room = ? AND user = ?", gone)
        connection.executemany("INSERT OR REPLACE INTO tally VALUES(?, ?, ?, ?)", kept)
        connection.execute("INSERT OR REPLACE INTO meta VALUES('tallied', ?)", (head,))

    def saved(self, deleted: Sequence[DeletedTally] = ()) -> None:
        """Record that the transaction of `save` is committed: the deleted events are no longer counted."""
        for room, user, count, size in deleted:
            self.add(room, user, -count, -size)
        self._changed.clear()
        self.unsaved = 0

    def load(self, connection: sqlite3.Connection) -> None:
        """Load the stored tallies, and count the events after their position."""
        self._clear()
        row = connection.execute("SELECT v FROM meta WHERE k = 'tallied'").fetchone()
        position = row[0] if row and type(row[0]) is int else 0
        if position:
            self._count(connection.execute("SELECT room, user, count, bytes FROM tally"))
            self.saved()
        else:
            connection.execute("DELETE FROM tally")
        later = connection.execute(
            f"SELECT room, {USER}, count(*), total({SIZE}) FROM event NOT INDEXED WHERE seq > ? GROUP BY 1, 2",  # noqa: S608
            (position,),
        )
        self.unsaved = self._count(later)

    def _count(self, rows: Iterable[tuple[int, str, int, int]]) -> int:
        number = 0
        users: dict[str, str] = {}  # one str object per principal, however many rooms it is in
        for room, user, count, size in rows:
            self.add(room, users.setdefault(user, user), count, int(size))
            number += count
        return number

    # --- the oldest events

    def oldest(
        self, connection: sqlite3.Connection, user: str, rooms: Mapping[int, Tally], most: int
    ) -> Iterator[tuple[int, int, int]]:
        """Yield (seq, room, size) of a principal's events in some of its rooms, oldest first, to be deleted.

        At most ``most`` entries of the rooms' indices are read. ``Tally.first`` keeps how far each room was searched,
        so that no entry is read twice; see `search_again`.
        """
        heap = [(tally.first, room) for room, tally in rooms.items()]
        heapify(heap)
        while heap and most > 0:
            room = heap[0][1]
            tally, until = rooms[room], min((first for first, _ in heap[1:3]), default=_NO_END)
            found, looked = False, tally.first
            for seq, size, owner in self._entries(connection, room, tally.first, most):
                most, looked = most - 1, seq
                if owner in (None, user):
                    found = True
                    tally.first = seq
                    if seq > until:
                        break
                    yield seq, room, size
            tally.first = looked + (not found or looked <= until)
            if found or most == 0:
                heapreplace(heap, (tally.first, room))
            else:
                heappop(heap)

    def _entries(self, connection: sqlite3.Connection, room: int, first: int, most: int) -> sqlite3.Cursor:
        """Return (seq, size, principal) of a room's events in order; the principal is None if the room has only one."""
        owner = "NULL" if len(self.in_room(room)) == 1 else USER
        return connection.execute(
            f"SELECT seq, {SIZE}, {owner} FROM event INDEXED BY event_room WHERE room = ? AND seq >= ? ORDER BY seq LIMIT ?",  # noqa: S608, E501 -- fixed text
            (room, first, most),
        )

    def search_again(self, user: str) -> None:
        """Search for a principal's oldest events from the start, since those that were found were not deleted."""
        for tally in self.of(user).values():
            tally.first = 0


def _largest_and_lead(amounts: Mapping[str, int]) -> tuple[str, int] | None:
    if len(amounts) < 2:
        return None
    user = max(amounts, key=amounts.__getitem__)
    others = list(amounts.values())
    others.remove(amounts[user])
    return user, amounts[user] - max(others)
