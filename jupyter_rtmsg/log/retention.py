"""Retention: trimming in slices between the group commits, so that an append never waits long."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from .batch import Batch
from .clock import LogClock
from .dedup import Dedup
from .disk import Disk
from .expiry import Expiry
from .options import MIB, Options
from .policy import Policy, save_policies
from .records import RoomStats
from .room_limits import RoomLimits
from .schema import SIZE, USER
from .space import FileSpace
from .state import LogState, RoomState
from .store import Store
from .tallies import EVENT_OVERHEAD, STORE_EVERY, Tally
from .timeline import FORGET, first_stored, stored_first

_SLICE = 1_000  # rows deleted in one transaction, about 10 ms
_SLICE_BYTES = 16 << 20  # of deleted rooms, likewise
_KEPT_EMPTY = 10_000  # rooms without events whose head and number are kept
_ENTRIES = 10_000  # index entries read to find the events for one slice
_SHARE = MIB  # bytes of events deleted at once on a full disk, where the deletion itself has little space
_DUE, _DUE_COMMITS = 32, 16  # events, commits between two slices while appends come: one after each costs it a tenth
_UNEVEN = 64  # a principal may be trimmed below the next one by this part of a limit, so that each slice is large

logger = logging.getLogger(__name__)


class Retention:
    """Keeps a log within its limits. Owned by the writer's thread.

    Space is shared fairly: to meet the limit on bytes, or that on the events of a room, the oldest events of the
    principal that holds most are deleted. So events disappear from the middle of a room.

    While appends come, a limit may be exceeded by a twentieth (at most 1,000 events), so that events are trimmed in
    large slices. Once it is quiet the limits are met exactly, that of age to a minute. Age is in log time, as of the
    last `LogClock.look`.

    Parameters
    ----------
    store : Store
    state : LogState
    dedup : Dedup
    options : Options
    clock : LogClock
    disk : Disk

    Attributes
    ----------
    busy : bool
        Whether there may be work once it is quiet.
    bounds : Bounds
        How much may be retained.
    expiry : Expiry
        Knows what has expired.
    """

    # `grown` counts what was stored. Between commits `step` does one slice of work; `busy` ends when a slice finds
    # nothing to do, and `relieve` is called when the disk is full. All state that must survive is in `_state` and the
    # file; the fields here only say where to continue.

    def __init__(
        self, store: Store, state: LogState, dedup: Dedup, options: Options, clock: LogClock, disk: Disk
    ) -> None:
        self._store = store
        self._state = state
        self._dedup = dedup
        self._options = options
        self.bounds = options.bounds
        self._clock = clock
        self._disk = disk
        self._due = min(_DUE, options.max_events // 100), min(_SHARE, options.max_bytes // 100)
        self._space = FileSpace(store, disk)
        self._rooms = RoomLimits(state, options, lambda: store.connection, self)
        self.expiry = Expiry(store, state, clock)
        self._oldest = stored_first(store.connection)  # log time of the oldest event
        self._debt = 0  # events stored, minus events deleted, since the last step
        self._debt_bytes = self._commits = 0  # bytes stored, commits since the last step
        self._grown = _SHARE  # bytes stored since `relieve`
        self._rooms_checked = 0  # rooms there were when `_forget_rooms` found too few without events
        self.busy = True

    def grown(self, batch: Batch) -> None:
        """Count what a batch has stored."""
        self.busy = True
        self._debt += len(batch.events)
        self._debt_bytes += batch.bytes
        self._commits += 1
        self._grown += batch.bytes + EVENT_OVERHEAD * len(batch.events)
        self._dedup.grown(batch)
        if self._oldest is None and batch.events:
            self._oldest = batch.time
        self._rooms.grown(batch)

    @property
    def due(self) -> bool:
        """Whether enough was stored for a slice of work while appends come."""
        events, size = self._due
        return self._commits >= _DUE_COMMITS or self._debt >= events or self._debt_bytes >= size

    def give_up(self) -> None:
        """Stop housekeeping until the next batch, since a step failed."""
        self.busy = False

    @property
    def short_of_space(self) -> bool:
        """Whether the disk is too full to store events."""
        return self._disk.short

    def relieve(self) -> dict[str, RoomStats]:
        """Make room on a full disk: give up the ballast, trim what exceeds a limit, and shrink the file.

        If that is not enough and several principals hold events, the one that holds most loses events beyond an even
        share. So a principal that fills the disk cannot stop the others. If there is only one, it loses nothing, and
        its appends are refused.

        Returns
        -------
        dict
            The rooms that lost events.
        """
        changed: dict[str, RoomStats] = {}
        # Deleting needs space, too, for the write-ahead log. The ballast is what was set aside for that.
        self._disk.release()
        try:
            self._space.checkpoint()
            self._make_room(lambda: self._trim(), changed)
            self._disk.reserve()
            if self._disk.short or self._grown < _SHARE:  # otherwise the last call made enough room
                enough = self._cost - max(2 * _SHARE, 2 * self._options.ballast * self._disk.short)
                self._make_room(lambda: self._trim_share() if self._cost > enough else {}, changed)
        except sqlite3.Error as error:
            logger.debug("no more room could be made on the full disk: %s", error)
        self._disk.reserve()
        self._grown = 0
        return changed

    def _make_room(self, trim: Callable[[], dict[str, RoomStats]], changed: dict[str, RoomStats]) -> None:
        while trimmed := trim():
            changed |= trimmed
            self._space.checkpoint()
        # Free pages within the file do not help its write-ahead log.
        while self._space.vacuum(keep=0):
            self._space.checkpoint()

    def step(self, quiet: bool) -> dict[str, RoomStats]:
        """Do a slice of work, and return the rooms that it changed. ``quiet``: no append waits."""
        if self._state.tallies.unsaved >= STORE_EVERY:
            self._save_tallies()
        if not quiet:
            return self._keep_up()
        changed = self._trim() or self._forget_rooms()
        if not changed:
            self.busy = (
                self._over_a_limit()
                or self._dedup.forget(self._clock.time)
                or self._dedup.seal()
                or self._space.shrink()
                or self._forget_policies()
            )
            self._disk.reserve()
        return changed

    def _save_tallies(self) -> None:
        tallies = self._state.tallies
        with self._store.transaction() as connection:
            tallies.save(connection, self._state.head)
        tallies.saved()

    def _keep_up(self) -> dict[str, RoomStats]:
        """If a limit is exceeded, delete about as many events as were stored since the last step."""
        # Appends may be waiting, so a step deletes no more than was stored: the log stops growing, and they go on.
        changed: dict[str, RoomStats] = {}
        while self._debt > 0 and (trimmed := self._trim(busy=True)):
            changed |= trimmed
        self._debt = self._debt_bytes = self._commits = 0
        self._dedup.keep_up(self._clock.time)
        return changed

    def _trim(self, *, busy: bool = False) -> dict[str, RoomStats]:
        """Delete a slice of the events beyond a limit. ``busy``: limits may be exceeded somewhat."""
        # Deleted rooms first: users were told that they are gone, and their bytes count for nobody.
        if self._state.hidden:
            return self._remove_hidden()
        if self._state.next_expiry <= self._clock.time:
            return self._trim_due()
        if self._expired():
            return self._trim_expired()
        if self._excess() > (self._options.max_bytes // 20 if busy else 0):
            return self._trim_heaviest()
        return self._rooms.trim(self._clock.time, busy=busy)

    def _trim_due(self) -> dict[str, RoomStats]:
        """Delete a slice of the events that have expired, or else the values that have."""
        if due := self.expiry.due_events(_SLICE):
            return self.delete(f"seq IN ({','.join(map(str, due))})", ())
        changed = {name: self._state.rooms[name].stats() for name in self.expiry.remove_values()}
        self.expiry.plan()
        return changed

    def _remove_hidden(self) -> dict[str, RoomStats]:
        """Remove a slice of the events of a deleted room."""
        name = next(iter(self._state.hidden))
        room = self._state.rooms[name]
        last = self._last_of_slice(room)
        if last is None:
            self._state.hidden.discard(name)
            return {}
        return self.delete("room = ? AND seq <= ?", (room.id, last), hidden=True)

    def _last_of_slice(self, room: RoomState) -> int | None:
        """Return the position up to which to remove the events of a deleted room; None if it has no more."""
        rows = self._store.connection.execute(
            f"SELECT seq, {SIZE} FROM event WHERE room = ? AND seq <= ? ORDER BY seq LIMIT ?",  # noqa: S608 -- constants
            (room.id, room.since, _SLICE),
        ).fetchall()
        sizes = accumulate(size for _, size in rows)
        end = next((i for i, total in enumerate(sizes) if total > _SLICE_BYTES), len(rows) - 1)
        return rows[end][0] if rows else None

    def _forget_rooms(self) -> dict[str, RoomStats]:
        """Forget a slice of the rooms without events, if there are too many.

        The principal that made most of them loses those that were not used for longest.
        """
        rooms = self._state.rooms
        # The hidden events of a deleted room are still in the file, and would belong to no room.
        if self._state.hidden or len(rooms) < self._rooms_checked + _KEPT_EMPTY // 10:
            return {}
        # The room of the last event stays, since it has the log's head.
        head = self._state.head
        empty = [(room, name) for name, room in rooms.items() if not (room.count or room.retained or room.head == head)]
        excess = len(empty) - _KEPT_EMPTY
        if excess <= 0:
            self._rooms_checked = len(rooms)
            return {}
        ((maker, _),) = Counter(room.maker for room, _ in empty).most_common(1)
        mine = sorted((room.used, room.id, name) for room, name in empty if room.maker == maker)
        gone = mine[: min(excess, _SLICE)]
        with self._store.transaction() as connection:
            for table, key in (("room", "id"), ("deletion", "room")):
                connection.executemany(f"DELETE FROM {table} WHERE {key} = ?", [(each[1],) for each in gone])  # noqa: S608
            save_policies(connection, {name: None for *_, name in gone})
        self._state.set_policies({name: None for *_, name in gone})
        for _, _, name in gone:
            self._state.forget(name)
            self._rooms.forget(name)
        return {name: RoomStats(0, 0, 0, 0) for _, _, name in gone}

    def _forget_policies(self) -> bool:
        """Forget the policies of rooms that nobody uses, and return whether there were any."""
        gone: dict[str, Policy | None] = dict.fromkeys(self._rooms.forgotten(self._clock.time))
        if gone:
            with self._store.transaction() as connection:
                save_policies(connection, gone)
            self._state.set_policies(gone)
        return bool(gone)

    @property
    def wait(self) -> float:
        """Seconds of log time until events expire, by themselves or by the policy of a room; may be infinite."""
        return min(self._rooms.wait(self._clock.time), (self._state.next_expiry - self._clock.time) / 1000)

    def _over_a_limit(self) -> bool:
        """Tell whether a limit is still exceeded. Then the next slice continues the search of the last one."""
        return self._rooms.has_work(self._clock.time) or bool(self._state.hidden) or self._excess() > 0

    @property
    def _cost(self) -> int:
        """The bytes that all events and retained values take."""
        return self._state.bytes + EVENT_OVERHEAD * self._state.count + self._state.retained.cost

    def _excess(self) -> int:
        """Return by how many bytes the log exceeds its limit."""
        return self._cost - self._options.max_bytes

    def _cutoff(self) -> int:
        return self._clock.time - int(self._options.max_age * 1000)

    def _expired(self) -> bool:
        return self._oldest is not None and self._oldest < self._cutoff()

    def _trim_expired(self) -> dict[str, RoomStats]:
        end = first_stored(self._store.connection, self._cutoff(), self._state.head)
        row = self._store.connection.execute(
            "SELECT max(seq) FROM (SELECT seq FROM event WHERE seq < ? ORDER BY seq LIMIT ?)", (end, _SLICE)
        ).fetchone()
        return self._delete_until(row[0])

    def _trim_heaviest(self) -> dict[str, RoomStats]:
        """Delete the oldest events of the principal that holds most."""
        tallies, excess = self._state.tallies, self._excess()
        heaviest = tallies.heaviest()
        if heaviest is None:
            return self._trim_oldest(excess)
        user, lead = heaviest
        wanted = min(excess, lead + self._options.max_bytes // _UNEVEN)
        return self.delete_oldest(user, tallies.of(user), wanted, lambda size: size + EVENT_OVERHEAD)

    def _trim_share(self) -> dict[str, RoomStats]:
        """Delete events of the principal that holds most, if it has more than an even share."""
        tallies = self._state.tallies
        heaviest = tallies.heaviest()
        if heaviest is None:
            return {}
        user, lead = heaviest
        costs = tallies.costs()
        beyond = costs[user] - sum(costs.values()) // len(costs)
        wanted = min(beyond, lead + self._options.max_bytes // _UNEVEN, _SHARE)
        if wanted <= 0:
            return {}
        return self.delete_oldest(user, tallies.of(user), wanted, lambda size: size + EVENT_OVERHEAD)

    def delete_oldest(
        self, user: str, rooms: Mapping[int, Tally], wanted: int, worth: Callable[[int], int]
    ) -> dict[str, RoomStats]:
        """Delete a principal's oldest events in some rooms, until the sum of ``worth(size)`` is as wanted."""
        taken: list[int] = []
        for seq, _, size in self._state.tallies.oldest(self._store.connection, user, rooms, _ENTRIES):
            taken.append(seq)
            wanted -= worth(size)
            if wanted <= 0 or len(taken) == _SLICE:
                break
        try:
            changed = self.delete(f"seq IN ({','.join(map(str, taken))})", ()) if taken else {}
        except sqlite3.Error:
            self._state.tallies.search_again(user)  # it has moved past events that are still there
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
        """Delete all events up to a seq."""
        changed: dict[str, RoomStats] = {}
        if last is not None:
            changed = self.delete("seq <= ?", (last,))
        self._oldest = stored_first(self._store.connection)
        return changed

    def delete(self, condition: str, values: Sequence[int], *, hidden: bool = False) -> dict[str, RoomStats]:
        """Delete events, and subtract them from rooms and tallies. ``hidden``: their rooms do not count them."""
        which = f"FROM event WHERE {condition}"
        execute, tallies = self._store.connection.execute, self._state.tallies
        counted = f"SELECT room, {USER}, count(*), CAST(total({SIZE}) AS INTEGER) {which} GROUP BY 1, 2"
        lost = execute(counted, values).fetchall()
        names = {key: self._state.names[key] for key, *_ in lost if key in self._state.names}  # other keys are damaged
        rooms = {key: (name, self._state.rooms[name]) for key, name in names.items()}
        firsts: dict[int, int | None] = {}
        with self._store.transaction() as connection:
            attached = f"SELECT seq {which} AND attachments > 0"
            execute(f"DELETE FROM attachment WHERE seq IN ({attached})", values)  # noqa: S608 -- two fixed texts
            in_parts = f"SELECT -attachments {which} AND attachments < 0"
            execute(f"DELETE FROM part WHERE key IN ({in_parts})", values)  # noqa: S608 -- likewise
            execute(f"DELETE {which}", values)
            execute(FORGET)
            self._store.save_rooms(rooms.values())  # until now only the events had the head and its number
            for key in rooms:
                firsts[key] = execute("SELECT min(seq) FROM event WHERE room = ?", (key,)).fetchone()[0]
            tallies.save(connection, self._state.head, lost)
        # After the commit: a failed transaction must leave the numbers in memory as they were.
        tallies.saved(lost)
        for key, _, count, size in (each for each in lost if each[0] in rooms):
            self._debt -= count
            self._state.trimmed(count, size)
            if not hidden:
                room = rooms[key][1]
                room.hold(firsts[key] or 0, room.count - count, room.bytes - size)
        return {name: room.stats() for name, room in rooms.values()}
