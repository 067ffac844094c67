"""Deduplication of appends by their ids, within a window of time and number.

Table ``known`` has the keys of each commit in one row; they are also in a dict. When the dict is large enough, it is
sealed: its keys become a segment of `DedupSegments`, of which only a few bytes per key stay in memory. So the window
hardly affects the memory, the cost of an append, or the time to open the log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from .batch import Batch
from .explicit import ExplicitIds
from .options import Options
from .records import Draft
from .segments import MAX_SEGMENTS, DedupSegments, decode_keys, encode_keys
from .store import Store

_FRESH = 16_384  # keys in memory, at about 150 bytes each
_FORGET = 1_000  # commits forgotten in a transaction
_LONG = 32  # bytes from which on an id is replaced by its digest


class Matches(NamedTuple):
    """The appends whose id is known.

    Attributes
    ----------
    seqs : dict
        Seqs of the stored events, by key.
    differing : collection of int
        `id()` of each draft that differs from the stored event with its id.
    complete : bool
        Whether the ids that publishers chose were looked up. Otherwise `Dedup.insert` checks them.
    """

    seqs: dict[bytes, int]
    differing: Collection[int] = frozenset()
    complete: bool = True


class Dedup:
    """The dedup keys of a log: those of ids that clients made up, and `ExplicitIds`. Owned by the writer's thread.

    Parameters
    ----------
    store : Store
    options : Options
    fresh : int
        Keys in memory that become a segment. As many again may be added while it is written.

    Attributes
    ----------
    explicit : ExplicitIds
    """

    # A key is in exactly one place: in `_fresh`; in `_sealing` while `_seal` writes it, slice by slice, into a segment;
    # then in `_segments`. If `_seal` fails, its keys return to `_fresh`.
    # `_debt` counts the keys that were added since the last slice, so that sealing keeps up with appends.

    def __init__(self, store: Store, options: Options, *, fresh: int = _FRESH) -> None:
        self._store = store
        self._options = options
        self.explicit = ExplicitIds(store, options)
        self._limit = max(fresh, options.dedup_count // (MAX_SEGMENTS * 3 // 4))  # a fourth of the segments is spare
        self.load()

    def load(self) -> None:
        """Load the keys in the file."""
        self.explicit.load()
        self._fresh: dict[bytes, int] = {}
        self._sealing: dict[bytes, int] = {}
        self._seal: Iterator[None] | None = None
        self._debt = 0
        self._last = 0  # the position of the last key
        self._segments = DedupSegments(self._store)
        self._count = sum(segment.count for segment in self._segments)
        self._older_until = self._keys_of_older_versions_end()
        for last, count, keys in self._store.connection.execute("SELECT last, count, keys FROM known ORDER BY last"):
            self._fresh.update(decode_keys(keys))
            self._count += count
            self._last = last

    def _keys_of_older_versions_end(self) -> int:
        """Return the log time (ms) at which the last key of `client_key` for a chosen id leaves the window."""
        (position,) = self._store.connection.execute("SELECT max(v) FROM meta WHERE k = 'crc_since'").fetchone()
        if not position:
            return 0
        (last,) = self._store.connection.execute(
            "SELECT max(ts) FROM (SELECT ts FROM known WHERE last <= ? UNION ALL SELECT ts FROM run)", (position,)
        ).fetchone()
        return 0 if last is None else int(last + self._options.dedup_age * 1000) + 1

    @property
    def fresh(self) -> int:
        """The number of keys in memory."""
        return len(self._fresh) + len(self._sealing)

    def look_up(
        self, drafts: Sequence[Draft], keys: Sequence[bytes | None], now: int, *, complete: bool = True
    ) -> Matches:
        """Return the drafts whose key is known.

        Parameters
        ----------
        drafts : sequence of Draft
        keys : sequence of bytes or None
            Their keys, see `dedup_key`.
        now : int
            Log time (ms).
        complete : bool
            Whether to look up the ids that publishers chose. They are looked up anyway if one was repeated lately, or
            if a draft expects a head, since a repeated draft is answered before its expectation is checked.
        """
        automatic = [key for draft, key in zip(drafts, keys, strict=True) if key is not None and draft.auto]
        seqs = self.find(automatic, now) if automatic else {}
        if len(automatic) == len(keys):
            return Matches(seqs)
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
        return Matches(seqs, differ, complete)

    def find(self, keys: Iterable[bytes], now: int) -> dict[bytes, int]:
        """Return the seqs of the keys that are known at a log time (ms)."""
        fresh, sealing = self._fresh, self._sealing
        since = now - int(self._options.dedup_age * 1000)
        found: dict[bytes, int] = {}
        others: list[bytes] = []
        for key in keys:
            if (seq := fresh.get(key) or sealing.get(key)) is not None:
                found[key] = seq
            else:
                others.append(key)
        older = self._segments.find(others, since)
        return {**older, **self._recent(found, since)} if found else older

    def insert(self, batch: Batch) -> None:
        """Store the keys of a batch, in its transaction.

        Raises
        ------
        IdRepeatedError
            If not all keys were looked up, and one of them is in the file already.
        """
        if batch.explicit:
            self.explicit.insert(batch)
        if batch.keys:
            row = (batch.head, batch.time, len(batch.keys), encode_keys(batch.keys))
            self._store.connection.execute("INSERT INTO known VALUES(?, ?, ?, ?)", row)

    def grown(self, batch: Batch) -> None:
        """Count the keys of a stored batch."""
        if batch.explicit:
            self.explicit.grown(batch)
        if batch.keys:
            self._fresh.update(batch.keys)
            self._last = batch.head
            self._count += len(batch.keys)
            self._debt += len(batch.keys)

    def keep_up(self, now: int) -> None:
        """Seal keys as fast as they are added, and forget surplus ones. Called between the commits of a busy log."""
        pace = max(1, self._limit // 128)  # a segment is finished before the next one is due
        while self._debt >= pace:
            self._debt -= pace
            self.seal()
        if self._count > self._options.dedup_count * 21 // 20:
            self.forget(now)
        self.explicit.keep_up(now)

    def seal(self) -> bool:
        """Write a slice of the fresh keys into a segment, if there are enough; return whether more is to be written."""
        if self._seal is None:
            if len(self._fresh) < self._limit:
                return False
            if len(self._segments) == MAX_SEGMENTS:  # with other options before, segments were smaller
                self._drop()
            self._sealing, self._fresh = self._fresh, {}
            self._seal = self._segments.add(self._sealing, self._last)
        try:
            next(self._seal)
        except StopIteration:
            self._seal, self._sealing = None, {}
        except BaseException:
            self._seal, self._sealing, self._fresh = None, {}, {**self._sealing, **self._fresh}
            raise
        return self._seal is not None

    def forget(self, now: int) -> bool:
        """Forget a slice of the keys that are too old at a log time (ms), or surplus; return whether there was one."""
        if self._seal:
            self.seal()
            return True
        if self.explicit.forget(now):
            return True
        cutoff = now - int(self._options.dedup_age * 1000)
        excess = self._count - self._options.dedup_count
        oldest = next(iter(self._segments), None)
        if oldest is None:
            return self._forget_commits(cutoff, excess)
        if oldest.ts >= cutoff and oldest.count > excess:
            return False
        self._drop()
        return True

    def _drop(self) -> None:
        self._count -= self._segments.drop().count

    def _forget_commits(self, cutoff: int, excess: int) -> bool:
        execute = self._store.connection.execute
        until = count = 0
        keys: list[bytes] = []
        # Commits are in order of position and of log time: old and surplus ones come first.
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
            if self._fresh.get(key, until + 1) <= until:  # else it was added again
                del self._fresh[key]
        return True

    def _recent(self, found: Mapping[bytes, int], since: int) -> dict[bytes, int]:
        """Return the keys in memory that are not too old."""
        query = "SELECT ts >= ? FROM known WHERE last >= ? ORDER BY last LIMIT 1"
        execute = self._store.connection.execute
        return {key: seq for key, seq in found.items() if execute(query, (since, seq)).fetchone() == (1,)}


def dedup_key(draft: Draft) -> bytes | None:
    """Return the key that identifies an append within the window of its id; None if it needs no dedup.

    The keys of one publisher begin alike, and so do those of consecutive ids: the index pages they are on stay cached.
    """
    if not draft.auto:
        return _key(_principal, draft.id, draft.room, draft.user)
    return None if draft.client is None else _key(_publisher, draft.id, draft.room, draft.user, draft.client)


def client_key(draft: Draft) -> bytes | None:
    """Return the key for an id that a client made up. Versions before 0.2 used it for all ids."""
    return None if draft.client is None else _key(_publisher, draft.id, draft.room, draft.user, draft.client)


def _key(owner: Callable[..., bytes], id: str | None, *parts: str) -> bytes | None:
    if id is None:
        return None
    try:
        text = id.encode("utf-8", "surrogatepass")
        return owner(*parts) + (text if len(text) < _LONG else _digest(text, size=_LONG))
    except (AttributeError, TypeError):  # one of them is not a str: `Batch.add` refuses this append alone
        return None


@lru_cache(maxsize=16_384)
def _publisher(room: str, user: str, client: str) -> bytes:
    # With the lengths, ("a", "bc") and ("ab", "c") differ, whatever characters a client puts into its names.
    text = f"{len(room)},{len(user)},{room}{user}{client}"
    return _digest(text.encode("utf-8", "surrogatepass"), size=16)


@lru_cache(maxsize=16_384)
def _principal(room: str, user: str) -> bytes:
    """Return the start of the keys of a principal in a room. Its first eight bytes identify the principal."""
    return b"".join(_digest(text.encode("utf-8", "surrogatepass"), size=8) for text in (user, room))


def _digest(text: bytes, size: int) -> bytes:
    return blake2b(text, digest_size=size).digest()
