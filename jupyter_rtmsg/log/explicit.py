"""Ids that publishers chose. Each identifies one event of a principal in a room, whatever client or process sends it.

They have a window of their own, a day and 100,000 ids for each principal, so that neither the ids that clients make up
nor other principals displace them. The key of their table begins with the principal and the room, so that the ids of
one publisher are close together.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from .batch import Batch
from .options import Options
from .records import Draft, stored_size
from .rows import COLUMNS, RecordDecoder
from .store import Store, chunks, with_placeholders

_SLICE = 1_000  # rows deleted in one transaction
_PRINCIPAL = 8  # bytes of a key that identify the principal
_LAST = b"\xff" * 64  # after every key with the same start
_READ = 2_000  # keys read in one slice, about 2 ms
_PACE = 250  # added ids per slice that is forgotten while the log is busy
_MAX_INTACT = 1_000  # events remembered as intact
_REPEATS = 64  # look-ups without a match after which ids are assumed to be new again
_EVENT = (
    f"SELECT {COLUMNS}, coalesce((SELECT name FROM room WHERE id = event.room), '') FROM event "  # noqa: S608
    "WHERE seq = ?"
)


class IdRepeatedError(Exception):
    """An id that was assumed to be new is in the file already. Its batch must be decided again, with a look-up."""


class ExplicitIds:
    """The ids of a log that publishers chose. Owned by the writer's thread.

    Nearly all of them are new. So they are inserted without a look-up, and the table's unique key finds a repeated one.
    After that, when a publisher comes back, the next ones are looked up first.

    Parameters
    ----------
    store : Store
    options : Options
    """

    # `_look_ups` counts the look-ups before ids are assumed to be new again.
    # `_counts` has the number of ids of each principal that added some since the log was opened, and `_over` those that
    # have too many. `_excess` is the deletion of the surplus of one of them, which is resumed slice by slice.

    def __init__(self, store: Store, options: Options) -> None:
        self._store = store
        self._options = options
        self.load()

    def load(self) -> None:
        """Load the ids in the file."""
        self._counts: dict[bytes, int] = {}
        self._over: set[bytes] = set()
        self._added = 0  # ids since `keep_up`
        self._look_ups = 0
        self._excess: Iterator[None] | None = None
        self._decoder = RecordDecoder()
        self._intact: set[int] = set()  # events whose checksum was found to match
        self._oldest = self._first_ts()  # log time (ms) of the oldest id; None if there is none

    @property
    def repeats(self) -> bool:
        """Whether ids are likely to be known, since one was repeated lately."""
        return self._look_ups > 0

    def find(self, keys: Collection[bytes], now: int) -> dict[bytes, int]:
        """Return the seqs of the keys that are known at a log time (ms)."""
        if self._oldest is None:
            return {}
        since = self._since(now)
        rows = self._select("SELECT key, seq, ts FROM explicit WHERE key IN", list(keys))
        found = {bytes(key): seq for key, seq, ts in rows if ts >= since}
        self._look_ups = _REPEATS if found else max(0, self._look_ups - 1)
        return found

    def differing(self, hits: Sequence[tuple[int, Draft]]) -> list[bool]:
        """Tell for each event's seq and draft whether name or data differ. Trimmed and damaged events do not differ."""
        rows = self._rows("seq, name, size", "event", {seq for seq, _ in hits})
        held: dict[int, tuple[str, int]] = {seq: (name, size) for seq, name, size in rows}
        alike = {seq for seq, draft in hits if held.get(seq) == (draft.name, stored_size(draft))}
        data = {seq: (bytes(data), count) for seq, data, count in self._rows("seq, data, attachments", "event", alike)}
        parts: dict[int, list[bytes]] = {}
        attached = {seq for seq, (_, count) in data.items() if count > 0}
        for seq, _, part in sorted(self._rows("seq, num, data", "attachment", attached)):
            parts.setdefault(seq, []).append(bytes(part))
        return [
            seq in held
            and (seq not in alike or data[seq][0] != draft.data or parts.get(seq, []) != list(draft.attachments))
            and self._is_intact(seq)
            for seq, draft in hits
        ]

    def _is_intact(self, seq: int) -> bool:
        """Tell whether an event matches its checksum. The result is cached, since a large event takes some ms."""
        if seq not in self._intact:
            *row, room = self._store.connection.execute(_EVENT, (seq,)).fetchone()
            if self._decoder.intact(self._store.connection, room, row) is None:
                return False
            if len(self._intact) >= _MAX_INTACT:
                self._intact.clear()
            self._intact.add(seq)
        return True

    def insert(self, batch: Batch) -> None:
        """Store the ids of a batch that has some, in its transaction; see `Dedup.insert`."""
        rows = [(seq, batch.time, key) for key, seq in batch.explicit.items()]
        if batch.complete:  # expired ids may still be in the table
            self._store.insert_rows("INSERT OR REPLACE INTO explicit VALUES", rows)
            return
        try:
            self._store.insert_rows("INSERT INTO explicit VALUES", rows)
        except sqlite3.IntegrityError as error:
            self._look_ups = _REPEATS
            raise IdRepeatedError from error

    def grown(self, batch: Batch) -> None:
        """Count the ids of a stored batch that has some."""
        self._added += len(batch.explicit)
        if self._oldest is None:
            self._oldest = batch.time
        for principal, count in Counter(key[:_PRINCIPAL] for key in batch.explicit).items():
            known = self._counts.get(principal)
            total = self._counts[principal] = self._count(principal) if known is None else known + count
            if total > self._options.explicit_count * 21 // 20:
                self._over.add(principal)

    def keep_up(self, now: int) -> None:
        """Forget ids about as fast as they are added. Called between the commits of a busy log."""
        slices, self._added = 1 + self._added // _PACE, 0
        while slices and self.forget(now):
            slices -= 1

    def forget(self, now: int) -> bool:
        """Forget a slice of the ids that are surplus of a principal, or too old; return whether there was one."""
        return self._forget_excess() or self._forget_old(now)

    def _forget_excess(self) -> bool:
        if not self._over:
            return False
        principal = next(iter(self._over))
        self._excess = self._excess or self._delete_surplus(principal)
        try:
            next(self._excess)
        except StopIteration:
            self._over.discard(principal)
            self._excess = None
        except BaseException:
            self._excess = None
            raise
        return True

    def _delete_surplus(self, principal: bytes) -> Iterator[None]:
        """Delete the oldest ids of a principal that are surplus, a slice each time it is resumed.

        No index has them in order of position, so all ids of the principal are read first.
        """
        execute, options = self._store.connection.execute, self._options
        excess = self._counts[principal] - options.explicit_count
        oldest: list[int] = []
        key, count = principal, 0
        keys = "SELECT key, seq FROM explicit WHERE key > ? AND key < ? ORDER BY key LIMIT ?"
        while rows := execute(keys, (key, principal + _LAST, _READ)).fetchall():
            key, count = bytes(rows[-1][0]), count + len(rows)
            oldest = sorted([*oldest, *(seq for _, seq in rows)])[:excess]
            yield
        self._counts[principal] = count
        del oldest[max(count - options.explicit_count, 0) :]
        for at in range(0, len(oldest), _SLICE):
            gone = oldest[at : at + _SLICE]
            with self._store.transaction() as connection:
                connection.executemany("DELETE FROM explicit WHERE seq = ?", [(seq,) for seq in gone])
            self._counts[principal] -= len(gone)
            yield

    def _forget_old(self, now: int) -> bool:
        since = self._since(now)
        if self._oldest is None or self._oldest >= since:
            return False
        execute = self._store.connection.execute
        rows = execute("SELECT seq, ts, key FROM explicit ORDER BY seq LIMIT ?", (_SLICE,)).fetchall()
        old = [(seq, bytes(key)) for seq, ts, key in rows if ts < since]
        if old:
            with self._store.transaction():
                execute("DELETE FROM explicit WHERE seq <= ?", (old[-1][0],))
        for principal, count in Counter(key[:_PRINCIPAL] for _, key in old).items():
            if principal in self._counts:
                self._counts[principal] -= count
        self._oldest = self._first_ts()
        return bool(old)

    def _since(self, now: int) -> int:
        return now - int(self._options.explicit_age * 1000)

    def _first_ts(self) -> int | None:
        row = self._store.connection.execute("SELECT ts FROM explicit ORDER BY seq LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def _count(self, principal: bytes) -> int:
        count: int = self._store.connection.execute(
            "SELECT count(*) FROM explicit WHERE key BETWEEN ? AND ?", (principal, principal + _LAST)
        ).fetchone()[0]
        return count

    def _rows(self, columns: str, table: str, seqs: Collection[int]) -> Iterator[tuple[Any, ...]]:
        return self._select(f"SELECT {columns} FROM {table} WHERE seq IN", list(seqs))  # noqa: S608 -- fixed texts

    def _select(self, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        for part in chunks(values):
            yield from self._store.connection.execute(with_placeholders(statement, 1, len(part)), part)
