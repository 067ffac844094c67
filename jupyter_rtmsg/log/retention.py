"""What is kept, for how long: trimming in slices between the group commits, so that an append never waits long."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from .clock import LogClock
from .dedup import Dedup
from .deletion import hidden_slice
from .disk import Disk
from .eventlog import RoomStats
from .ledger import Batch, Ledger, Room
from .options import MIB, Options
from .rows import SIZE, USER
from .store import Store
from .stretches import FORGET, first_stored, stored_first
from .tallies import EVENT_OVERHEAD, STORE_EVERY, Tally

_SLICE = 1_000  # rows deleted in one transaction, about 10 ms
_KEPT_EMPTY = 10_000  # rooms that hold nothing, of which the head and the number are kept
_ENTRIES = 10_000  # entries of an index that are looked at for them
_SHARE = MIB  # bytes of events that are deleted at once on a full disk, where a deletion itself has little room
_UNEVEN = 64  # a principal may be trimmed below the next one by such a part of a limit, so that it goes by the handful
_VACUUM_PAGES = 200
_FREE_PAGES = 1_024  # left in the file for the events to come

log = logging.getLogger(__name__)


class Retention:
    """Keeps a log within its limits; belongs to the writer's thread.

    Space is shared fairly: what exceeds the limit on bytes, or that on the events of a room, is taken from the
    principal that holds most, its oldest events first. So events vanish from the middle of a room.

    While appends come, a limit may be exceeded by a twentieth (at most 1,000 events), so that trimming is done by
    the handful; once it is quiet the limits are met exactly, that of age to a minute. Age is of log time, as it was
    when the clock was looked at last.

    Attributes
    ----------
    busy : bool
        Whether there may be something to do once it is quiet.
    """

    def __init__(
        self, store: Store, ledger: Ledger, dedup: Dedup, options: Options, clock: LogClock, disk: Disk
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._dedup = dedup
        self._options = options
        self._clock = clock
        self._disk = disk
        self._slack = min(1_000, options.max_events // 20)
        self._over = {name for name, room in ledger.rooms.items() if room.count > options.max_events}
        self._oldest = stored_first(store.connection)
        self._debt = 0
        self._grown = _SHARE  # bytes stored since room was made on a full disk
        self._rooms_looked_at = 0
        self._shrunk = False
        self.busy = True

    def grown(self, batch: Batch) -> None:
        """Take note of what was stored."""
        self.busy = True
        self._debt += len(batch.events)
        self._grown += batch.bytes + EVENT_OVERHEAD * len(batch.events)
        self._dedup.grown(batch)
        if self._oldest is None and batch.events:
            self._oldest = batch.time
        for name, room in batch.rooms.items():
            if room.count > self._options.max_events:
                self._over.add(name)

    def give_up(self) -> None:
        """Leave the rest for later: it cannot be done now."""
        self.busy = False

    @property
    def short_of_space(self) -> bool:
        """Whether the disk is too full to store anything."""
        return self._disk.short

    def relieve(self) -> dict[str, RoomStats]:
        """Make room on a full disk: with the ballast gone, trim what may be trimmed, and give the space back.

        Where that is not enough and several principals hold events, the one that holds most loses some of what it has
        beyond an even share. So who filled the disk does not keep the others from writing; a principal that is alone
        loses nothing, and is refused.
        """
        changed: dict[str, RoomStats] = {}
        self._disk.release()
        try:
            self._checkpoint()
            self._make_room(lambda: self._trim(0), changed)
            self._disk.reserve()
            if self._disk.short or self._grown < _SHARE:  # else this was enough for some time
                enough = self._cost - max(2 * _SHARE, 2 * self._options.ballast * self._disk.short)
                self._make_room(lambda: self._trim_share() if self._cost > enough else {}, changed)
        except sqlite3.Error as error:
            log.debug("no more room could be made on the full disk: %s", error)
        self._disk.reserve()
        self._grown = 0
        return changed

    def _make_room(self, trim: Callable[[], dict[str, RoomStats]], changed: dict[str, RoomStats]) -> None:
        while trimmed := trim():
            changed |= trimmed
            self._checkpoint()
        # What stays free within the file is no help to its write-ahead log.
        while self._vacuum(keep=0):
            self._checkpoint()

    def step(self, quiet: bool) -> dict[str, RoomStats]:
        """Do a slice of work, and return the rooms that it changed."""
        if self._ledger.tallies.unsaved >= STORE_EVERY:
            self._save_tallies()
        if not quiet:
            return self._keep_up()
        changed = self._trim(0) or self._forget_rooms()
        if not changed:
            self.busy = (
                self._over_a_limit() or self._dedup.forget(self._clock.time) or self._dedup.settle() or self._shrink()
            )
            self._disk.reserve()
        return changed

    def _save_tallies(self) -> None:
        tallies = self._ledger.tallies
        with self._store.transaction() as connection:
            tallies.save(connection, self._ledger.head)
        tallies.saved()

    def _keep_up(self) -> dict[str, RoomStats]:
        """Delete about as much as was stored since, as far as a limit is exceeded."""
        changed: dict[str, RoomStats] = {}
        while self._debt > 0 and (trimmed := self._trim(self._slack)):
            changed |= trimmed
        self._debt = 0
        self._dedup.keep_up(self._clock.time)
        return changed

    def _trim(self, slack: int) -> dict[str, RoomStats]:
        """Delete a slice of the events over a limit."""
        if self._ledger.hidden:
            return self._remove_hidden()
        if self._expired():
            return self._trim_expired()
        if self._excess() > (self._options.max_bytes // 20 if slack else 0):
            return self._trim_heaviest()
        for name in self._over:
            if self._ledger.rooms[name].count > self._options.max_events + slack:
                return self._trim_room(name)
        return {}

    def _remove_hidden(self) -> dict[str, RoomStats]:
        """Remove a slice of what a deleted room held."""
        name = next(iter(self._ledger.hidden))
        room = self._ledger.rooms[name]
        last = hidden_slice(self._store.connection, room, _SLICE)
        if last is None:
            self._ledger.hidden.discard(name)
            return {}
        return self._delete("room = ? AND seq <= ?", (room.id, last), hidden=True)

    def _forget_rooms(self) -> dict[str, RoomStats]:
        """Forget a slice of the rooms that hold nothing, where there are too many of them.

        Those of the principal that made most of them go first, and of these the ones that were not used for longest.
        """
        rooms = self._ledger.rooms
        # What a deleted room held is in the file as long as it is hidden, and would belong to no room.
        if self._ledger.hidden or len(rooms) < self._rooms_looked_at + _KEPT_EMPTY // 10:
            return {}
        # The one with the last event of all stays: it tells the log's head.
        empty = [(room, name) for name, room in rooms.items() if not room.count and room.head != self._ledger.head]
        excess = len(empty) - _KEPT_EMPTY
        if excess <= 0:
            self._rooms_looked_at = len(rooms)
            return {}
        ((maker, _),) = Counter(room.maker for room, _ in empty).most_common(1)
        mine = sorted((room.used, room.id, name) for room, name in empty if room.maker == maker)
        gone = mine[: min(excess, _SLICE)]
        with self._store.transaction() as connection:
            for table, key in (("room", "id"), ("deletion", "room")):
                connection.executemany(f"DELETE FROM {table} WHERE {key} = ?", [(each[1],) for each in gone])  # noqa: S608
        for _, number, name in gone:
            del self._ledger.names[number], rooms[name]
            self._over.discard(name)
        return {name: RoomStats(0, 0, 0, 0) for _, _, name in gone}

    def _over_a_limit(self) -> bool:
        """Whether a slice found nothing in the entries that it looked at, and the next one is to look further."""
        rooms, most = self._ledger.rooms, self._options.max_events
        self._over = {name for name in self._over if rooms[name].count > most}
        return bool(self._over or self._ledger.hidden) or self._excess() > 0

    @property
    def _cost(self) -> int:
        """What all events together take, in bytes."""
        return self._ledger.bytes + EVENT_OVERHEAD * self._ledger.count

    def _excess(self) -> int:
        """Return by how many bytes the log is too large."""
        return self._cost - self._options.max_bytes

    def _cutoff(self) -> int:
        return self._clock.time - int(self._options.max_age * 1000)

    def _expired(self) -> bool:
        return self._oldest is not None and self._oldest < self._cutoff()

    def _trim_expired(self) -> dict[str, RoomStats]:
        end = first_stored(self._store.connection, self._cutoff(), self._ledger.head)
        row = self._store.connection.execute(
            "SELECT max(seq) FROM (SELECT seq FROM event WHERE seq < ? ORDER BY seq LIMIT ?)", (end, _SLICE)
        ).fetchone()
        return self._delete_until(row[0])

    def _trim_heaviest(self) -> dict[str, RoomStats]:
        """Delete the oldest events of the principal that holds most."""
        tallies, excess = self._ledger.tallies, self._excess()
        heaviest = tallies.heaviest()
        if heaviest is None:
            return self._trim_oldest(excess)
        user, lead = heaviest
        wanted = min(excess, lead + self._options.max_bytes // _UNEVEN)
        return self._delete_oldest(user, tallies.of(user), wanted, lambda size: size + EVENT_OVERHEAD)

    def _trim_share(self) -> dict[str, RoomStats]:
        """Delete some of what the principal that holds most has beyond an even share."""
        tallies = self._ledger.tallies
        heaviest = tallies.heaviest()
        if heaviest is None:
            return {}
        user, lead = heaviest
        costs = tallies.costs()
        beyond = costs[user] - sum(costs.values()) // len(costs)
        wanted = min(beyond, lead + self._options.max_bytes // _UNEVEN, _SHARE)
        if wanted <= 0:
            return {}
        return self._delete_oldest(user, tallies.of(user), wanted, lambda size: size + EVENT_OVERHEAD)

    def _delete_oldest(
        self, user: str, rooms: Mapping[int, Tally], wanted: int, worth: Callable[[int], int]
    ) -> dict[str, RoomStats]:
        """Delete a principal's oldest events in some rooms until they were worth as much as is wanted."""
        taken: list[int] = []
        for seq, _, size in self._ledger.tallies.oldest(self._store.connection, user, rooms, _ENTRIES):
            taken.append(seq)
            wanted -= worth(size)
            if wanted <= 0 or len(taken) == _SLICE:
                break
        try:
            changed = self._delete(f"seq IN ({','.join(map(str, taken))})", ()) if taken else {}
        except sqlite3.Error:
            self._ledger.tallies.look_again(user)
            raise
        self._oldest = stored_first(self._store.connection)
        return changed

    def _trim_oldest(self, excess: int) -> dict[str, RoomStats]:
        oldest = f"SELECT seq, {SIZE} FROM event ORDER BY seq LIMIT ?"  # noqa: S608 -- constants
        rows = self._store.connection.execute(oldest, (_SLICE,)).fetchall()
        freed = accumulate(size + EVENT_OVERHEAD for _, size in rows)
        enough = next((seq for (seq, _), bytes_ in zip(rows, freed, strict=True) if bytes_ >= excess), None)
        return self._delete_until(enough or (rows[-1][0] if rows else None))

    def _delete_until(self, last: int | None) -> dict[str, RoomStats]:
        """Delete the oldest events of all rooms, up to a seq."""
        changed: dict[str, RoomStats] = {}
        if last is not None:
            changed = self._delete("seq <= ?", (last,))
        self._oldest = stored_first(self._store.connection)
        return changed

    def _trim_room(self, name: str) -> dict[str, RoomStats]:
        """Delete the oldest events of the principal that has most in a room."""
        room, tallies = self._ledger.rooms[name], self._ledger.tallies
        excess = room.count - self._options.max_events
        heaviest = tallies.heaviest_in(room.id)
        if heaviest is None:
            changed = self._trim_start(room, excess)
        else:
            user, lead = heaviest
            wanted = min(excess, lead + self._options.max_events // _UNEVEN + 1)
            mine = {room.id: tallies.of(user)[room.id]}
            changed = self._delete_oldest(user, mine, wanted, lambda size: 1)
        return changed

    def _trim_start(self, room: Room, excess: int) -> dict[str, RoomStats]:
        row = self._store.connection.execute(
            "SELECT max(seq) FROM (SELECT seq FROM event WHERE room = ? ORDER BY seq LIMIT ?)",
            (room.id, min(excess, _SLICE)),
        ).fetchone()
        return self._delete("room = ? AND seq <= ?", (room.id, row[0]))

    def _delete(self, condition: str, values: Sequence[int], *, hidden: bool = False) -> dict[str, RoomStats]:
        """Delete events, and bring rooms and ledger into line; ``hidden``: their rooms do not count them any more."""
        which = f"FROM event WHERE {condition}"
        execute, tallies = self._store.connection.execute, self._ledger.tallies
        counted = f"SELECT room, {USER}, count(*), CAST(total({SIZE}) AS INTEGER) {which} GROUP BY 1, 2"
        lost = execute(counted, values).fetchall()
        names = {key: self._ledger.names[key] for key, *_ in lost if key in self._ledger.names}  # else it is damaged
        rooms = {key: (name, self._ledger.rooms[name]) for key, name in names.items()}
        firsts: dict[int, int | None] = {}
        with self._store.transaction() as connection:
            attached = f"SELECT seq {which} AND attachments > 0"
            execute(f"DELETE FROM attachment WHERE seq IN ({attached})", values)  # noqa: S608 -- two fixed texts
            execute(f"DELETE {which}", values)
            execute(FORGET)
            self._store.save_rooms(rooms.values())  # the events were the only place that knew the head and its number
            for key in rooms:
                firsts[key] = execute("SELECT min(seq) FROM event WHERE room = ?", (key,)).fetchone()[0]
            tallies.save(connection, self._ledger.head, lost)
        tallies.saved(lost)
        for key, _, count, size in (each for each in lost if each[0] in rooms):
            self._debt -= count
            self._ledger.count -= count
            self._ledger.bytes -= size
            if not hidden:
                room = rooms[key][1]
                room.first, room.count, room.bytes = firsts[key] or 0, room.count - count, room.bytes - size
        return {name: room.stats() for name, room in rooms.values()}

    def _shrink(self) -> bool:
        """Give space of the file back, a little at a time; whether there is more to give."""
        if self._vacuum(_FREE_PAGES):
            self._shrunk = True
            return True
        if self._shrunk or self._disk.wal_size() > MIB:
            # The file itself only shrinks now.
            self._shrunk = not self._checkpoint()
        return False

    def _vacuum(self, keep: int) -> bool:
        """Give some free pages back if there are many; whether it did."""
        execute = self._store.connection.execute
        free: int
        free, pages = execute("SELECT * FROM pragma_freelist_count, pragma_page_count").fetchone()
        if free <= max(keep, pages // 4 if keep else 0):
            return False
        # execute() would take one step of it, which is one page.
        self._store.connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
        left: int = execute("PRAGMA freelist_count").fetchone()[0]
        return left < free

    def _checkpoint(self) -> bool:
        """Bring the write-ahead log into the file, and empty it unless somebody reads; whether it is empty."""
        execute = self._store.connection.execute
        execute("PRAGMA busy_timeout=0")  # appends must not wait for a reader
        (busy, _, _) = execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        execute("PRAGMA busy_timeout=5000")
        return not busy
