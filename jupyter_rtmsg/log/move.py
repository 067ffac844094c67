"""Moving the events of a log in memory into its file, and translating the positions that readers hold.

The events are appended in one transaction: all of them are stored, or none.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from jupyter_rtmsg.errors import LogError

from .batch import Batch
from .fault import is_full
from .file import CannotServeError, LogFile
from .parts import move_parts
from .policy import move_policies
from .reader import Reader
from .records import Appended, Draft, Record, size_of
from .retained import read_values
from .schema import MEMORY_START
from .segments import decode_keys
from .store import Store
from .work import Submission

_MAX_BATCH = 1_000  # events


class PositionMap:
    """Translates positions of a log in memory to those of the file that it was moved into.

    The table has one row per run of events that are consecutive in both logs, so it is short.

    Parameters
    ----------
    epoch : str
        Epoch of the log in memory.
    base : int
        Head of the file before the move.

    Attributes
    ----------
    head : int
        Head of the file after the move.
    """

    # `add` is called for each event in order, then `end` once. From then on nothing changes.

    def __init__(self, epoch: str, base: int) -> None:
        self.epoch = epoch
        self.head = base
        self._base = base
        self._last = MEMORY_START  # the last position of the log in memory
        self._starts: list[int] = []  # of each run, the position of its first event in memory ...
        self._runs: list[tuple[int, int]] = []  # ... and its position in the file, and the number of events
        self._known: dict[int, int] = {}  # events that the file had before, with their position there

    @property
    def count(self) -> int:
        """The number of events that were appended to the file."""
        return sum(count for _, count in self._runs)

    def add(self, old: int, new: int, *, known: bool) -> None:
        """Add the positions of the next event. ``known``: the file had the event before."""
        self._last = old
        if known:
            self._known[old] = new
            return
        self.head = new
        if self._runs:
            first, count = self._runs[-1]
            if (old - self._starts[-1], new - first) == (count, count):
                self._runs[-1] = first, count + 1
                return
        self._starts.append(old)
        self._runs.append((new, 1))

    def end(self, head: int) -> None:
        """Set the head of the log in memory."""
        self._last = max(self._last, head)

    def position(self, old: int) -> int | None:
        """Return the position in the file with the same events before it; None for one beyond the head in memory.

        All events that the file had before the move come before them.
        """
        if old > self._last:
            return None
        index = bisect_right(self._starts, old) - 1
        if index < 0:
            return self._base
        new, count = self._runs[index]
        return new + min(old - self._starts[index], count - 1)

    def event(self, old: int) -> int | None:
        """Return the position of an event in the file; None if it was trimmed before the move."""
        if old in self._known:
            return self._known[old]
        index = bisect_right(self._starts, old) - 1
        if index < 0:
            return None
        new, count = self._runs[index]
        at = old - self._starts[index]
        return new + at if at < count else None


class _Keys(NamedTuple):
    """Dedup keys by position, and the positions of the retained values that do not expire."""

    automatic: dict[int, bytes]
    explicit: dict[int, bytes]
    lasting: frozenset[int]

    def of(self, seq: int) -> bytes | None:
        return self.automatic.get(seq) or self.explicit.get(seq)


def move_events(source: Store, epoch: str, head: int, file: LogFile) -> PositionMap:
    """Append the events of a log in memory to a file, where they get new positions. Blocks.

    Events keep their ``ts``. An event whose id the file knows is not stored again. After an error the file is
    unchanged, and must be closed: its state in memory is ahead of it.

    Parameters
    ----------
    source : Store
        Store of the log in memory. Nobody may append to it meanwhile.
    epoch : str
        Epoch of the log in memory.
    head : int
        Head of the log in memory.
    file : LogFile

    Returns
    -------
    PositionMap

    Raises
    ------
    CannotServeError
        If the file cannot be written, or is full.
    """
    positions = PositionMap(epoch, file.state.head)
    try:
        if file.state.head >= MEMORY_START:
            raise LogError(f"its positions have passed {MEMORY_START}")
        with file.store.transaction():
            keys = _keys(source)
            for page in _pages(source, head):
                for part in _parts(page):
                    _append(file, part, keys, positions)
            with source.lock:
                move_parts(source.connection, file.store.connection)
                file.state.set_policies(move_policies(source.connection, file.store.connection, file.state.time))
    except (sqlite3.Error, LogError, OSError) as error:
        what = "the disk is full. Make room there" if is_full(error) else f"{error}"
        raise CannotServeError(f"Events in memory could not be moved into the log {file.path}: {what}") from error
    positions.end(head)
    return positions


def _pages(source: Store, head: int) -> Iterator[list[Record]]:
    reader = Reader(lambda: source.connection, source.lock)
    after = MEMORY_START
    values = reader.run(_all_values)
    while after < head:
        start = after
        records, after = reader.run(Reader.scan, after, head, 0)
        there = {record.seq for record in records}
        # The events of some retained values are trimmed. They are stored again, in their order.
        gone = [each for each in values if start < (each.seq or 0) <= after and each.seq not in there]
        yield sorted((*records, *gone), key=lambda record: record.seq or 0) if gone else records


def _all_values(_: Reader, connection: sqlite3.Connection) -> list[Record]:
    """Return the retained values of all rooms."""
    names = connection.execute("SELECT name FROM room WHERE id IN (SELECT room FROM retained)").fetchall()
    return [value for (name,) in names for value in read_values(connection, name, 0)]


def _parts(page: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut a page into parts within which ``ts`` does not go back."""
    start = 0
    for end in range(1, len(page) + 1):
        if end == len(page) or end - start == _MAX_BATCH or page[end].ts < page[end - 1].ts:
            yield page[start:end]
            start = end


def _keys(source: Store) -> _Keys:
    """Return the dedup keys of a log by position."""
    execute = source.connection.execute
    with source.lock:
        rows = execute("SELECT keys FROM settled").fetchall() + execute("SELECT keys FROM known").fetchall()
        explicit = execute("SELECT seq, key FROM explicit").fetchall()
    automatic = {seq: key for (keys,) in rows for key, seq in decode_keys(keys).items()}
    lasting = execute("SELECT seq FROM retained WHERE expires = 0").fetchall()
    return _Keys(automatic, {seq: bytes(key) for seq, key in explicit}, frozenset(seq for (seq,) in lasting))


def _append(file: LogFile, records: Sequence[Record], keys: _Keys, positions: PositionMap) -> None:
    state = file.state
    drafts = [_draft(record, keys) for record in records]
    mine = [keys.of(record.seq or 0) for record in records]
    time = max(state.time, records[0].ts + state.ahead)
    known = file.dedup.look_up(drafts, mine, time)
    batch = Batch(state, known.seqs, records[0].ts, time, ahead=state.ahead)
    for record, draft, key in zip(records, drafts, mine, strict=True):
        if id(draft) in known.differing:  # both events were acknowledged, so both are kept
            draft, key = msgspec.structs.replace(draft, auto=True), None
        batch.take_over(Submission(draft, _ignore, size_of(record)), key, record.ts)
    if batch.events:
        file.store.insert(batch)
        file.dedup.insert(batch)
    state.accept(batch)
    file.dedup.grown(batch)
    for record, result in zip(records, batch.completions, strict=True):
        if isinstance(result.value, Exception):
            raise result.value
        positions.add(record.seq or 0, result.value.seq, known=result.value.duplicate)


def _draft(record: Record, keys: _Keys) -> Draft:
    expire = max(1, record.expires - record.ts) if record.expires else None
    return Draft(
        record.room, record.name, record.data, record.attachments, record.sender, record.user, None, record.id,
        auto=record.seq not in keys.explicit, retain=record.key, expire=expire, keep=record.seq in keys.lasting,
        parts=record.parts,
    )  # fmt: skip


def _ignore(_: Appended | Exception) -> None:
    """Ignore the outcome: the publisher got its answer when the event was stored in memory."""
