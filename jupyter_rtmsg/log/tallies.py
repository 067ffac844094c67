"""What each principal holds in each room, so that space is shared fairly.

All of it is in memory, and changes with each commit. Table ``tally`` has it as it was at the position that ``meta``
calls ``tallied``: it is written along with what is trimmed, and else once in `STORE_EVERY` events, so that a commit
need not touch one page more. What came after that position is counted at opening.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Any

import msgspec

from .rows import SIZE, USER

EVENT_OVERHEAD = 200  # bytes that an event takes beside its payload: keys, names, sender, index
STORE_EVERY = 10_000

_ROOM, _USER, _SIZE = 1, 8, 10  # columns of table ``event``

Lost = tuple[int, str, int, int]
"""A room's key, a principal, and how many of its events, of how many bytes."""


class Tally(msgspec.Struct, gc=False):
    """The events of one principal in one room; none of them is older than ``first`` (a seq)."""

    count: int = 0
    bytes: int = 0
    first: int = 0

    @property
    def cost(self) -> int:
        """What counts towards the log's size."""
        return self.bytes + EVENT_OVERHEAD * self.count


class Tallies:
    """The tallies of a log; belongs to the writer's thread.

    Attributes
    ----------
    unsaved : int
        Events since the tallies were stored.
    """

    def __init__(self) -> None:
        self.unsaved = 0
        self._rooms: dict[int, dict[str, Tally]] = {}
        self._users: dict[str, dict[int, Tally]] = {}
        self._costs: dict[str, int] = {}
        self._changed: set[tuple[int, str]] = set()

    # --- what changes them

    def grow(self, events: Sequence[Sequence[Any]]) -> None:
        """Count rows of table ``event`` that were stored."""
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
        """Count so many events more, or less, of a principal in a room."""
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

    # --- who holds what

    def in_room(self, room: int) -> Mapping[str, Tally]:
        """Return the tallies of a room by principal."""
        return self._rooms.get(room, {})

    def of(self, user: str) -> Mapping[int, Tally]:
        """Return the tallies of a principal by room."""
        return self._users.get(user, {})

    def heaviest(self) -> tuple[str, int] | None:
        """Return who holds most, and by how many bytes more than anybody else; None where one principal holds all."""
        return _first_and_lead(self._costs)

    def heaviest_in(self, room: int) -> tuple[str, int] | None:
        """Return who has most events in a room, and by how many; None where one principal has all."""
        return _first_and_lead({user: tally.count for user, tally in self.in_room(room).items()})

    def costs(self) -> Mapping[str, int]:
        """Return the bytes that each principal holds."""
        return self._costs

    # --- in the file

    def save(self, connection: sqlite3.Connection, head: int, lost: Sequence[Lost] = ()) -> None:
        """Store what changed, less what is deleted in the same transaction; `saved` says that it was committed."""
        less = {(room, user): (count, size) for room, user, count, size in lost}
        kept: list[Lost] = []
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

    def saved(self, lost: Sequence[Lost] = ()) -> None:
        """Take note that what `save` was given is stored."""
        for room, user, count, size in lost:
            self.add(room, user, -count, -size)
        self._changed.clear()
        self.unsaved = 0

    # --- the oldest events

    def oldest(
        self, connection: sqlite3.Connection, user: str, rooms: Mapping[int, Tally], most: int
    ) -> Iterator[tuple[int, int, int]]:
        """Give (seq, room, size) of a principal's events in some of its rooms, the oldest first, to be deleted.

        Looks at ``most`` entries of the room's indices at most. Where a room was looked at without finding anything is
        kept in ``Tally.first``, so that nothing is looked at twice; see `look_again`.
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
        """Return (seq, size, principal) of a room's events in order; None for the principal where there is only one."""
        owner = "NULL" if len(self.in_room(room)) == 1 else USER
        return connection.execute(
            f"SELECT seq, {SIZE}, {owner} FROM event INDEXED BY event_room WHERE room = ? AND seq >= ? ORDER BY seq LIMIT ?",  # noqa: S608, E501 -- fixed text
            (room, first, most),
        )

    def look_again(self, user: str) -> None:
        """Look for a principal's oldest events from the start: what was found was not deleted after all."""
        for tally in self.of(user).values():
            tally.first = 0


_NO_END = 2**63


def _first_and_lead(amounts: Mapping[str, int]) -> tuple[str, int] | None:
    if len(amounts) < 2:
        return None
    user = max(amounts, key=amounts.__getitem__)
    others = list(amounts.values())
    others.remove(amounts[user])
    return user, amounts[user] - max(others)


def load_tallies(connection: sqlite3.Connection) -> Tallies:
    """Return the tallies of a file."""
    tallies = Tallies()
    row = connection.execute("SELECT v FROM meta WHERE k = 'tallied'").fetchone()
    position = row[0] if row and type(row[0]) is int else 0
    if position:
        _load(tallies, connection.execute("SELECT room, user, count, bytes FROM tally"))
        tallies.saved()
    else:
        connection.execute("DELETE FROM tally")
    later = connection.execute(
        f"SELECT room, {USER}, count(*), total({SIZE}) FROM event NOT INDEXED WHERE seq > ? GROUP BY 1, 2",  # noqa: S608
        (position,),
    )
    tallies.unsaved = _load(tallies, later)
    return tallies


def _load(tallies: Tallies, rows: Iterable[tuple[int, str, int, int]]) -> int:
    number = 0
    users: dict[str, str] = {}  # one text of each, in however many rooms
    for room, user, count, size in rows:
        tallies.add(room, users.setdefault(user, user), count, int(size))
        number += count
    return number
