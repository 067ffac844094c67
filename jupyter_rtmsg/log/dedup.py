"""Which ids of appends are known: looked up by key, remembered within the window, forgotten after it.

Table ``known`` has the keys of each commit in one row: what is not in there is forgotten. Keys come in any order, so
that an index of them in the file would write a page for nearly every event. New keys are therefore kept in a dict, and
moved to the index in the file (``settled``) by the thousand and in order of key, many to a page. So memory does not
grow with the window, nor does the time to open the log.

Belongs to the writer's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import closing

import msgspec

from .ledger import Batch
from .options import Options
from .store import Store, handfuls, with_marks

_FRESH = 16_384  # at about 150 bytes each
_STEP = 512
_FORGET = 1_000  # keys that make a transaction of their own

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[bytes, int]).decode

log = logging.getLogger(__name__)


class Dedup:
    """The dedup keys of a log.

    Parameters
    ----------
    store : Store
    options : Options
    fresh, step : int
        Keys in memory that make a sweep worth its writes; half as many more come while it goes on. Keys of a slice.
    """

    def __init__(self, store: Store, options: Options, *, fresh: int = _FRESH, step: int = _STEP) -> None:
        self._store = store
        self._options = options
        self._limit, self._step = fresh, step
        self._fresh: dict[bytes, int] = {}
        self._sweep: list[bytes] = []  # the keys that are still to be moved, backwards
        self._until = 0  # the position up to which all keys are settled once the sweep has come to its end
        self._debt = 0  # keys added for which no key was moved yet
        execute = store.connection.execute
        (self._count,) = execute("SELECT coalesce(sum(count), 0) FROM known").fetchone()
        (self._any_settled,) = execute("SELECT EXISTS (SELECT 1 FROM settled)").fetchone()
        mark = store.get("settled") or 0
        for (keys,) in execute("SELECT keys FROM known WHERE last > ? ORDER BY last", (mark,)):
            self._fresh.update(_decoded(keys))

    @property
    def fresh(self) -> int:
        """How many keys are in memory."""
        return len(self._fresh)

    def find(self, keys: Iterable[bytes], now: int) -> dict[bytes, int]:
        """Return the seqs of those keys that are known at a time (ms since 1970)."""
        fresh = self._fresh
        found: dict[bytes, int] = {}
        others: list[bytes] = []
        for key in keys:
            if (seq := fresh.get(key)) is not None:
                found[key] = seq
            else:
                others.append(key)
        if self._any_settled:
            for part in handfuls(others):
                text = with_marks("SELECT key, seq FROM settled WHERE key IN", 1, len(part))
                found.update(self._store.connection.execute(text, part).fetchall())
        return self._recent(found, now) if found else found

    def insert(self, batch: Batch) -> None:
        """Store the keys of a batch, within its transaction."""
        if batch.keys:
            row = (batch.head, batch.ts, len(batch.keys), _encode(batch.keys))
            self._store.connection.execute("INSERT INTO known VALUES(?, ?, ?, ?)", row)

    def grown(self, batch: Batch) -> None:
        """Take note of a batch that was stored."""
        self._fresh.update(batch.keys)
        self._count += len(batch.keys)
        self._debt += len(batch.keys)

    def keep_up(self) -> None:
        """Between the commits of a busy log: move two keys for each that came, and forget those that are too many."""
        while self._debt >= self._step // 2:
            self._debt -= self._step // 2
            self.settle()
        if self._count > self._options.dedup_count * 21 // 20:
            self.forget()

    def settle(self) -> bool:
        """Move a slice of the fresh keys into the file, if it is time; whether there is more to do."""
        if not self._sweep:
            if len(self._fresh) < self._limit:
                return False
            self._sweep = sorted(self._fresh, reverse=True)
            self._until = max(self._fresh.values())
        part = self._sweep[: -self._step - 1 : -1]
        rows = [(key, self._fresh[key]) for key in part if key in self._fresh]  # it may be forgotten by now
        with self._store.transaction():
            self._store.rows("INSERT OR REPLACE INTO settled VALUES", rows)
            if len(part) == len(self._sweep):
                self._store.put([("settled", self._until)])
        self._any_settled = True
        for key, _ in rows:
            del self._fresh[key]
        del self._sweep[-len(part) :]
        return bool(self._sweep)

    def forget(self) -> bool:
        """Forget a slice of the keys that are too old or too many; whether there was one."""
        last, keys, count = self._outdated()
        if last is None:
            return False
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM known WHERE last <= ?", (last,))
            if self._any_settled:
                for part in handfuls(sorted(keys)):
                    text = with_marks("DELETE FROM settled WHERE seq <= ? AND key IN", 1, len(part))
                    connection.execute(text, (last, *part))
        self._count -= count
        for key in keys:
            if self._fresh.get(key, last + 1) <= last:  # else it came again
                del self._fresh[key]
        return True

    def _outdated(self) -> tuple[int | None, list[bytes], int]:
        """Return the next keys to forget: the position up to which, the keys, and how many they were."""
        cutoff = int((self._options.clock() - self._options.dedup_age) * 1000)
        excess = self._count - self._options.dedup_count
        until: int | None = None
        keys: list[bytes] = []
        count = 0
        # Commits come in order of seq and of time: too many or too old are always the first ones.
        with closing(self._store.connection.execute("SELECT last, ts, count, keys FROM known ORDER BY last")) as rows:
            for last, ts, number, encoded in rows:
                if (ts >= cutoff and count + number > excess) or count >= _FORGET:
                    break
                until, count = last, count + number
                keys += _decoded(encoded)
        return until, keys, count

    def _recent(self, found: Mapping[bytes, int], now: int) -> dict[bytes, int]:
        """Return those keys that are not too old."""
        since = now - int(self._options.dedup_age * 1000)
        query = "SELECT ts >= ? FROM known WHERE last >= ? ORDER BY last LIMIT 1"
        execute = self._store.connection.execute
        return {key: seq for key, seq in found.items() if execute(query, (since, seq)).fetchone() == (1,)}


def _decoded(keys: bytes) -> dict[bytes, int]:
    try:
        return _decode(keys)
    except msgspec.DecodeError as error:
        log.warning("the ids of some appends are damaged in the log, they would be stored again if repeated: %s", error)
        return {}
