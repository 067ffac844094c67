"""Which ids of appends are known: looked up by key, remembered within the window, forgotten after it.

Table ``known`` has the keys of each commit in one row; they are in a dict too. Once these are many they become one of
the `Runs`, which lie in the file, but for a few bytes of each: memory hardly grows with the window, nor does the cost
of an append or the time to open the log.

Belongs to the writer's thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .eventlog import Draft
from .explicit import ExplicitIds
from .ledger import Batch, client_key
from .options import Options
from .runs import MOST, Runs, decode_keys, encode_keys
from .store import Store

_FRESH = 16_384  # at about 150 bytes each
_FORGET = 1_000  # commits forgotten in a transaction


class Known(NamedTuple):
    """What is known of some appends.

    Attributes
    ----------
    seqs : dict
        By their keys.
    differing : collection of int
        The `id()` of each draft that differs from the event that has its id.
    complete : bool
        Whether the ids that publishers chose were looked up; otherwise `Dedup.insert` finds out.
    """

    seqs: dict[bytes, int]
    differing: Collection[int] = frozenset()
    complete: bool = True


class Dedup:
    """The dedup keys of a log: those of ids that clients made up, and `ExplicitIds`.

    Parameters
    ----------
    store : Store
    options : Options
    fresh : int
        Keys in memory that make a run; as many again may come while it is written.
    """

    def __init__(self, store: Store, options: Options, *, fresh: int = _FRESH) -> None:
        self._store = store
        self._options = options
        self.explicit = ExplicitIds(store, options)
        self._limit = max(fresh, options.dedup_count // (MOST * 3 // 4))  # so that a fourth of the runs is to spare
        self.load()

    def load(self) -> None:
        """Begin with what the file has."""
        self.explicit.load()
        self._fresh: dict[bytes, int] = {}
        self._leaving: dict[bytes, int] = {}  # those that become a run now
        self._move: Iterator[None] | None = None
        self._debt = 0  # keys added for which no slice was moved yet
        self._last = 0  # the position of the last key
        self._runs = Runs(self._store)
        self._count = sum(run.count for run in self._runs)
        self._older_until = self._keys_of_older_versions_end()
        for last, count, keys in self._store.connection.execute("SELECT last, count, keys FROM known ORDER BY last"):
            self._fresh.update(decode_keys(keys))
            self._count += count
            self._last = last

    def _keys_of_older_versions_end(self) -> int:
        """Return the log time (ms) from which on no key of a version before 0.2 is in the window; see `client_key`."""
        (position,) = self._store.connection.execute("SELECT max(v) FROM meta WHERE k = 'crc_since'").fetchone()
        if not position:
            return 0
        (last,) = self._store.connection.execute(
            "SELECT max(ts) FROM (SELECT ts FROM known WHERE last <= ? UNION ALL SELECT ts FROM run)", (position,)
        ).fetchone()
        return 0 if last is None else int(last + self._options.dedup_age * 1000) + 1

    @property
    def fresh(self) -> int:
        """How many keys are in memory."""
        return len(self._fresh) + len(self._leaving)

    def look_up(
        self, drafts: Sequence[Draft], keys: Sequence[bytes | None], now: int, *, complete: bool = True
    ) -> Known:
        """Return what is known of appends at a log time (ms).

        Parameters
        ----------
        drafts : sequence of Draft
        keys : sequence of bytes or None
            Their keys, see `dedup_key`.
        now : int
        complete : bool
            Whether to look up the ids that publishers chose even if none of them is likely to be known, and no draft
            expects a head: a repeated one is answered before what it expects is looked at.
        """
        automatic = [key for draft, key in zip(drafts, keys, strict=True) if key is not None and draft.auto]
        seqs = self.find(automatic, now) if automatic else {}
        if len(automatic) == len(keys):
            return Known(seqs)
        chosen = [(draft, key) for draft, key in zip(drafts, keys, strict=True) if key is not None and not draft.auto]
        if now < self._older_until:
            # A client that was sending while the server was updated sends the same id again, which had another key.
            before = {old: key for draft, key in chosen if (old := client_key(draft))}
            seqs |= {before[old]: seq for old, seq in self.find(before, now).items()}
        complete = complete or self.explicit.repeats or any(draft.expect is not None for draft, _ in chosen)
        if complete:
            seqs |= self.explicit.find([key for _, key in chosen], now)
        hits = [(key, seqs[key], draft) for draft, key in chosen if key in seqs] if seqs else []
        differing = self.explicit.differing([(seq, draft) for _, seq, draft in hits]) if hits else ()
        differ = {id(draft) for (_, _, draft), differs in zip(hits, differing, strict=True) if differs}
        return Known(seqs, differ, complete)

    def find(self, keys: Iterable[bytes], now: int) -> dict[bytes, int]:
        """Return the seqs of those keys that are known at a log time (ms)."""
        fresh, leaving = self._fresh, self._leaving
        since = now - int(self._options.dedup_age * 1000)
        found: dict[bytes, int] = {}
        others: list[bytes] = []
        for key in keys:
            if (seq := fresh.get(key) or leaving.get(key)) is not None:
                found[key] = seq
            else:
                others.append(key)
        return {**self._runs.find(others, since), **self._recent(found, since)}

    def insert(self, batch: Batch) -> None:
        """Store the keys of a batch, within its transaction.

        Raises
        ------
        IdRepeatedError
            If not all were looked up, and one is in the file already.
        """
        self.explicit.insert(batch)
        if batch.keys:
            row = (batch.head, batch.time, len(batch.keys), encode_keys(batch.keys))
            self._store.connection.execute("INSERT INTO known VALUES(?, ?, ?, ?)", row)

    def grown(self, batch: Batch) -> None:
        """Take note of a batch that was stored."""
        self.explicit.grown(batch)
        if batch.keys:
            self._fresh.update(batch.keys)
            self._last = batch.head
            self._count += len(batch.keys)
            self._debt += len(batch.keys)

    def keep_up(self, now: int) -> None:
        """Between the commits of a busy log: move keys as fast as they come, and forget those that are too many."""
        pace = max(1, self._limit // 128)  # a run is finished before the next one is due
        while self._debt >= pace:
            self._debt -= pace
            self.settle()
        if self._count > self._options.dedup_count * 21 // 20:
            self.forget(now)
        self.explicit.keep_up(now)

    def settle(self) -> bool:
        """Move a slice of the fresh keys into a run, if it is time; whether there is more to do."""
        if self._move is None:
            if len(self._fresh) < self._limit:
                return False
            if len(self._runs) == MOST:  # of a log that had shorter runs, with other options
                self._drop()
            self._leaving, self._fresh = self._fresh, {}
            self._move = self._runs.add(self._leaving, self._last)
        try:
            next(self._move)
        except StopIteration:
            self._move, self._leaving = None, {}
        except BaseException:
            self._move, self._leaving, self._fresh = None, {}, {**self._leaving, **self._fresh}
            raise
        return self._move is not None

    def forget(self, now: int) -> bool:
        """Forget a slice of the keys that are too old at a log time (ms), or too many; whether there was one."""
        if self._move:
            self.settle()
            return True
        if self.explicit.forget(now):
            return True
        cutoff = now - int(self._options.dedup_age * 1000)
        excess = self._count - self._options.dedup_count
        oldest = next(iter(self._runs), None)
        if oldest is None:
            return self._forget_commits(cutoff, excess)
        if oldest.ts >= cutoff and oldest.count > excess:
            return False
        self._drop()
        return True

    def _drop(self) -> None:
        self._count -= self._runs.drop().count

    def _forget_commits(self, cutoff: int, excess: int) -> bool:
        execute = self._store.connection.execute
        until = count = 0
        keys: list[bytes] = []
        # Commits come in order of position and of log time: too many or too old are always the first ones.
        for last, ts, number, encoded in execute("SELECT * FROM known ORDER BY last LIMIT ?", (_FORGET,)).fetchall():
            if ts >= cutoff and count + number > excess:
                break
            until, count = last, count + number
            keys += decode_keys(encoded)
        if not until:
            return False
        with self._store.transaction():
            execute("DELETE FROM known WHERE last <= ?", (until,))
        self._count -= count
        for key in keys:
            if self._fresh.get(key, until + 1) <= until:  # else it came again
                del self._fresh[key]
        return True

    def _recent(self, found: Mapping[bytes, int], since: int) -> dict[bytes, int]:
        """Return those of the keys in memory that are not too old."""
        query = "SELECT ts >= ? FROM known WHERE last >= ? ORDER BY last LIMIT 1"
        execute = self._store.connection.execute
        return {key: seq for key, seq in found.items() if execute(query, (since, seq)).fetchone() == (1,)}
