"""Which ids of appends are known: looked up by key, remembered within the window, forgotten after it.

Table ``dedup`` has the keys in order of seq: what is not in there is forgotten. Keys are random, so an index of them in
the file would write a page for nearly every event. New keys are therefore indexed in memory (``fresh``), and moved to
the index in the file (``settled``) in order of key, many to a page: a sweep goes through all keys, a slice at a time,
and clears what was forgotten on its way. So memory does not grow with the window, nor does the time to open the log.

Belongs to the writer's thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from .options import Options
from .store import Store, handfuls, with_marks

_FRESH = 65_536  # at about 60 bytes each
_STEP = 512
_FORGET = 1_000  # keys forgotten in a transaction
_BEYOND = b"\xff" * 17  # behind every key

_IN_FILE = "SELECT settled.key, seq FROM settled JOIN dedup USING (seq) WHERE ts >= ? AND settled.key IN"
_IN_MEMORY = "SELECT fresh.key, seq FROM fresh JOIN dedup USING (seq) WHERE ts >= ? AND fresh.key IN"
_FLOOR = "(SELECT coalesce(min(seq), 0) FROM dedup)"


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
        self._swept: bytes | None = None  # the key up to which the sweep has come
        self._until = 0  # the position up to which all keys are settled once it has come to its end
        self._debt = 0  # keys added for which no key was moved yet
        self._count = self._number("SELECT count(*) FROM dedup")
        self._any_settled = bool(self._number("SELECT EXISTS (SELECT 1 FROM settled)"))
        loaded = "INSERT OR REPLACE INTO fresh SELECT key, seq FROM dedup WHERE seq > ? ORDER BY seq"
        self._fresh = store.connection.execute(loaded, (store.get("settled") or 0,)).rowcount

    def find(self, keys: Sequence[bytes], now: int) -> dict[bytes, int]:
        """Return the seqs of those keys that are known at a time (ms since 1970)."""
        if not keys:
            return {}
        since = now - int(self._options.dedup_age * 1000)
        found: dict[bytes, int] = {}
        for statement in (_IN_FILE, _IN_MEMORY) if self._any_settled else (_IN_MEMORY,):
            for part in handfuls(keys):
                rows = self._store.connection.execute(with_marks(statement, 1, len(part)), (since, *part))
                found.update(rows.fetchall())
        return found

    def grown(self, count: int) -> None:
        """Take note of keys that were stored."""
        self._count += count
        self._fresh += count
        self._debt += count

    def keep_up(self) -> None:
        """Between the commits of a busy log: move two keys for each that came, and forget those that are too many."""
        while self._debt >= self._step // 2:
            self._debt -= self._step // 2
            self.settle()
        if self._count > self._options.dedup_count * 21 // 20:
            self.forget()

    def settle(self) -> bool:
        """Move a slice of the fresh keys into the file, if it is time; whether there is more to do."""
        if self._swept is None:
            if self._fresh < self._limit:
                return False
            self._swept, self._until = b"", self._number("SELECT coalesce(max(seq), 0) FROM dedup")
        self._swept, moved = self._move(self._swept)
        self._any_settled = True
        ended = self._swept is None
        # Counted anew, since a key that had grown too old and came again was counted twice.
        self._fresh = self._number("SELECT count(*) FROM fresh") if ended else self._fresh - moved
        return not ended

    def _number(self, query: str) -> int:
        number: int = self._store.connection.execute(query).fetchone()[0]
        return number

    def _move(self, start: bytes) -> tuple[bytes | None, int]:
        """Move the slice after a key; return its last key, None if that was the end, and how many keys it had."""
        slice_ = "SELECT max(key), count(*) FROM (SELECT key FROM fresh WHERE key > ? ORDER BY key LIMIT ?)"
        last, count = self._store.connection.execute(slice_, (start, self._step)).fetchone()
        ended = count < self._step
        part = (start, _BEYOND if ended else last)
        with self._store.transaction() as connection:
            connection.execute(f"DELETE FROM settled WHERE key > ? AND key <= ? AND seq < {_FLOOR}", part)  # noqa: S608 -- constants
            connection.execute(
                "INSERT OR REPLACE INTO settled SELECT key, seq FROM fresh "  # noqa: S608 -- constants
                f"WHERE key > ? AND key <= ? AND seq >= {_FLOOR} ORDER BY key",
                part,
            )
            connection.execute("DELETE FROM fresh WHERE key > ? AND key <= ?", part)
            if ended:
                self._store.put([("settled", self._until)])
        return None if ended else last, count

    def forget(self) -> bool:
        """Forget a slice of the keys that are too old or too many; whether there was one."""
        if not self._count:
            return False
        cutoff = int((self._options.clock() - self._options.dedup_age) * 1000)
        execute = self._store.connection.execute
        # Keys come in order of seq and of time: too many or too old are always the first ones.
        first = execute("SELECT seq, ts FROM dedup ORDER BY seq LIMIT ?", (_FORGET,)).fetchall()
        excess = self._count - self._options.dedup_count
        last = max((seq for i, (seq, ts) in enumerate(first) if i < excess or ts < cutoff), default=None)
        if last is None:
            return False
        with self._store.transaction():
            self._count -= execute("DELETE FROM dedup WHERE seq <= ?", (last,)).rowcount
        return True
