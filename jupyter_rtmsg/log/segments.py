"""Dedup keys that are no longer in memory, in segments of thousands. A segment is written once and dropped as a whole.

The keys of a segment are divided by their hash into parts, each a row, so that a lookup reads one row. An index in
memory has three bytes per key, in a bucket chosen by the first bits of its hash: the last two bytes of the hash, and
the number of the segment. So the lookup of a new key rarely reads the file.

In the file a segment is a row of table ``run``, and its parts are rows of table ``settled``.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar
from zlib import crc32

import msgspec

from jupyter_rtmsg.logthrottle import throttled_logger

from .store import Store

MAX_SEGMENTS = 255
"""Limit of segments: the index has one byte for their number."""

_PARTS = 256  # of a segment
_BUCKETS = 1 << 14  # not more, since each takes 33 bytes beside its contents
_SHIFT = 32 - 14  # from a hash to its bucket
_STEP = 512  # keys between two pauses of `add`
_ROWS = 32  # parts written in a transaction

_encode = msgspec.msgpack.Encoder().encode
_keys = msgspec.msgpack.Decoder(dict[bytes, int]).decode
_commits = msgspec.msgpack.Decoder(tuple[list[int], list[int]]).decode
_NO_COMMITS: tuple[list[int], list[int]] = ([], [])

Value = TypeVar("Value")

logger = throttled_logger(__name__)


class Segment(msgspec.Struct, frozen=True):
    """A segment: its number, the log time (ms) of its last key, and the number of its keys."""

    number: int
    ts: int
    count: int


class DedupSegments:
    """The segments of a log. Owned by the writer's thread.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._segments: dict[int, Segment] = {}  # by number, oldest first
        self._next = 0  # number of the next segment
        self._buckets = [b""] * _BUCKETS
        execute = store.connection.execute
        for number, ts, count, hashes in execute("SELECT number, ts, count, hashes FROM run ORDER BY number"):
            self._index(number, array("I", hashes[: len(hashes) // 4 * 4]))
            self._admit(Segment(number, ts, count))
        execute("DELETE FROM settled WHERE part >= ?", (self._next * _PARTS,))  # parts of an unfinished segment

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        """Iterate over the segments, oldest first."""
        return iter(self._segments.values())

    def find(self, keys: Iterable[bytes], since: int) -> dict[bytes, int]:
        """Return the seqs of the keys that are in a segment and were stored at a log time (ms) or later."""
        found: dict[bytes, int] = {}
        if not self._segments:
            return found
        buckets = self._buckets
        for key in keys:
            h = crc32(key)
            if (h & 0xFFFF).to_bytes(2, "little") in buckets[h >> _SHIFT] and (seq := self._look(key, h, since)):
                found[key] = seq
        return found

    def add(self, keys: Mapping[bytes, int], until: int) -> Iterator[None]:
        """Make a segment of the keys that table ``known`` has up to a position, a slice each time it is resumed.

        The segment exists only after the last slice. Until then `find` does not find its keys.
        """
        number = self._next
        hashes = array("I")
        parts: list[dict[bytes, int]] = [{} for _ in range(_PARTS)]
        for key, seq in keys.items():
            h = crc32(key)
            hashes.append(h)
            parts[h % _PARTS][key] = seq
            if len(hashes) % _STEP == 0:
                self._index(number, hashes[-_STEP:])
                yield
        self._index(number, hashes[len(hashes) // _STEP * _STEP :])
        rows = [(number * _PARTS + i, encode_keys(part)) for i, part in enumerate(parts) if part]
        for at in range(0, len(rows), _ROWS):
            with self._store.transaction():
                self._store.insert_rows("INSERT OR REPLACE INTO settled VALUES", rows[at : at + _ROWS])
            yield
        with self._store.transaction() as connection:
            commits = connection.execute(
                "SELECT last, ts FROM known WHERE last <= ? ORDER BY last", (until,)
            ).fetchall()
            segment = Segment(number, commits[-1][1], len(keys))
            values = (number, segment.ts, segment.count, hashes.tobytes(), _encode(tuple(zip(*commits, strict=True))))
            connection.execute("INSERT INTO run VALUES(?, ?, ?, ?, ?)", values)
            connection.execute("DELETE FROM known WHERE last <= ?", (until,))
        self._admit(segment)

    def drop(self) -> Segment:
        """Forget the keys of the oldest segment, and return it."""
        segment = next(iter(self))
        first = segment.number * _PARTS
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM run WHERE number = ?", (segment.number,))
            connection.execute("DELETE FROM settled WHERE part >= ? AND part < ?", (first, first + _PARTS))
        del self._segments[segment.number]
        dropped = segment.number & 0xFF
        for i, bucket in enumerate(self._buckets):
            while bucket and bucket[2] == dropped:  # the oldest entries come first
                bucket = self._buckets[i] = bucket[3:]
        return segment

    def _admit(self, segment: Segment) -> None:
        self._segments[segment.number] = segment
        self._next = segment.number + 1

    def _index(self, number: int, hashes: Sequence[int]) -> None:
        buckets, byte = self._buckets, (number & 0xFF) << 16
        for h in hashes:
            buckets[h >> _SHIFT] += (h & 0xFFFF | byte).to_bytes(3, "little")

    def _look(self, key: bytes, h: int, since: int) -> int:
        """Return a key's newest seq in the segments that the index names; 0 if none has it."""
        bucket, low, seq = self._buckets[h >> _SHIFT], h & 0xFFFF, 0
        for at in range(0, len(bucket), 3):
            if int.from_bytes(bucket[at : at + 2], "little") == low:
                number = self._next - (self._next - bucket[at + 2] & 0xFF)
                if number in self._segments:
                    seq = max(seq, self._seq(key, h, number, since))
        return seq

    def _seq(self, key: bytes, h: int, number: int, since: int) -> int:
        execute = self._store.connection.execute
        row = execute("SELECT keys FROM settled WHERE part = ?", (number * _PARTS + h % _PARTS,)).fetchone()
        seq = decode_keys(row[0]).get(key) if row else None
        if seq is None:
            return 0
        (commits,) = execute("SELECT commits FROM run WHERE number = ?", (number,)).fetchone()
        lasts, times = _decoded(_commits, commits, _NO_COMMITS)
        at = bisect_left(lasts, seq)
        return seq if at < len(times) and times[at] >= since else 0


def encode_keys(keys: Mapping[bytes, int]) -> bytes:
    """Encode keys and their seqs."""
    return _encode(keys)


def decode_keys(keys: bytes, *, quiet: bool = False) -> dict[bytes, int]:
    """Decode the result of `encode_keys`. Damaged keys are logged, and give an empty dict."""
    return _decoded(_keys, keys, {}, quiet=quiet)


def _decoded(decode: Callable[[bytes], Value], encoded: bytes, damaged: Value, *, quiet: bool = False) -> Value:
    try:
        return decode(encoded)
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError) as error:
        if not quiet:
            logger.warning(
                "the ids of some appends are damaged in the log; if one is sent again, it is stored again: %s", error
            )
        return damaged
