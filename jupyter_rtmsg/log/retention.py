"""What is kept, for how long: trimming in slices between the group commits, so that an append never waits long."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from itertools import accumulate

from .clock import LogClock
from .dedup import Dedup
from .disk import Disk
from .eventlog import RoomStats
from .ledger import Batch, Ledger, Room
from .options import MIB, Options
from .store import Store
from .stretches import FORGET, first_stored, stored_first

EVENT_OVERHEAD = 200  # bytes that an event takes beside its payload: keys, names, sender, index
_SLICE = 1_000  # rows deleted in one transaction, about 10 ms
_VACUUM_PAGES = 200
_FREE_PAGES = 1_024  # left in the file for the events to come

log = logging.getLogger(__name__)


class Retention:
    """Keeps a log within its limits; belongs to the writer's thread.

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
        self._shrunk = False
        self.busy = True

    def grown(self, batch: Batch) -> None:
        """Take note of what was stored."""
        self.busy = True
        self._debt += len(batch.events)
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
        """Make room on a full disk: with the ballast gone, trim what may be trimmed, and give the space back."""
        changed: dict[str, RoomStats] = {}
        self._disk.release()
        try:
            self._checkpoint()
            while trimmed := self._trim(0):
                changed |= trimmed
                self._checkpoint()
            # What stays free within the file is no help to its write-ahead log.
            while self._vacuum(keep=0):
                self._checkpoint()
        except sqlite3.Error as error:
            log.debug("no more room could be made on the full disk: %s", error)
        self._disk.reserve()
        return changed

    def step(self, quiet: bool) -> dict[str, RoomStats]:
        """Do a slice of work, and return the rooms that it changed."""
        if not quiet:
            return self._keep_up()
        changed = self._trim(0)
        if not changed:
            self.busy = self._dedup.forget(self._clock.time) or self._dedup.settle() or self._shrink()
            self._disk.reserve()
        return changed

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
        if self._expired():
            return self._trim_expired()
        if self._size() > self._options.max_bytes * (21 if slack else 20) // 20:
            return self._trim_oldest()
        for name in self._over:
            if self._ledger.rooms[name].count > self._options.max_events + slack:
                return self._trim_room(name)
        return {}

    def _size(self) -> int:
        return self._ledger.bytes + EVENT_OVERHEAD * self._ledger.count

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

    def _trim_oldest(self) -> dict[str, RoomStats]:
        excess = self._size() - self._options.max_bytes
        rows = self._store.connection.execute("SELECT seq, size FROM event ORDER BY seq LIMIT ?", (_SLICE,)).fetchall()
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
        room = self._ledger.rooms[name]
        excess = room.count - self._options.max_events
        row = self._store.connection.execute(
            "SELECT max(seq) FROM (SELECT seq FROM event WHERE room = ? ORDER BY seq LIMIT ?)",
            (room.id, min(excess, _SLICE)),
        ).fetchone()
        changed = self._delete("room = ? AND seq <= ?", (room.id, row[0]))
        if room.count <= self._options.max_events:
            self._over.discard(name)
        return changed

    def _delete(self, condition: str, values: Sequence[int]) -> dict[str, RoomStats]:
        """Delete events, and bring rooms and ledger into line."""
        which = f"FROM event WHERE {condition}"
        execute = self._store.connection.execute
        lost = execute(f"SELECT room, count(*), sum(size) {which} GROUP BY room", values).fetchall()
        rooms = {key: (name := self._ledger.names[key], self._ledger.rooms[name]) for key, _, _ in lost}
        firsts: dict[int, int | None] = {}
        with self._store.transaction():
            attached = f"SELECT seq {which} AND attachments > 0"
            execute(f"DELETE FROM attachment WHERE seq IN ({attached})", values)  # noqa: S608 -- two fixed texts
            execute(f"DELETE {which}", values)
            execute(FORGET)
            self._store.save_rooms(rooms.values())  # the events were the only place that knew the head and its number
            for key in rooms:
                firsts[key] = execute("SELECT min(seq) FROM event WHERE room = ?", (key,)).fetchone()[0]
        for key, count, size in lost:
            self._shorten(rooms[key][1], firsts[key] or 0, count, size)
        return {name: room.stats() for name, room in rooms.values()}

    def _shorten(self, room: Room, first: int, count: int, size: int) -> None:
        room.first = first
        room.count -= count
        room.bytes -= size
        self._debt -= count
        self._ledger.count -= count
        self._ledger.bytes -= size

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
