"""Moving the events of a log in memory into a file: in one transaction, so that all of them are there or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from jupyter_rtmsg.errors import LogError

from .eventlog import Appended, Draft, Record, size_of
from .file import CannotServeError, LogFile
from .ledger import Batch, Entry
from .moved import FIRST, Moved
from .reader import Reader
from .runs import decode_keys
from .store import Store, is_full

_MOST = 1_000  # events that are decided on together


class _Keys(NamedTuple):
    """Dedup keys by position."""

    automatic: dict[int, bytes]
    explicit: dict[int, bytes]

    def of(self, seq: int) -> bytes | None:
        return self.automatic.get(seq) or self.explicit.get(seq)


def move_events(source: Store, epoch: str, head: int, file: LogFile) -> Moved:
    """Append what a log in memory holds to a file, where it gets new positions; blocks.

    Events keep their ``ts``. One whose id the file knows is not stored again. If it fails the file is as it was, and is
    to be closed: what is in memory of it is ahead.

    Parameters
    ----------
    source : Store
        Of the log in memory, which nobody appends to meanwhile.
    epoch : str
        Its epoch.
    head : int
        Its head.
    file : LogFile

    Raises
    ------
    CannotServeError
        If the file cannot be written, or is full.
    """
    moved = Moved(epoch, file.ledger.head)
    try:
        if file.ledger.head >= FIRST:
            raise LogError(f"its positions have passed {FIRST}")
        with file.store.transaction():
            keys = _keys(source)
            for page in _pages(source, head):
                for part in _parts(file, page):
                    _append(file, part, keys, moved)
    except (sqlite3.Error, LogError, OSError) as error:
        what = "the disk is full. Make room there" if is_full(error) else f"{error}"
        raise CannotServeError(f"What is in memory could not be moved into the log {file.path}: {what}") from error
    moved.end(head)
    return moved


def _pages(source: Store, head: int) -> Iterator[list[Record]]:
    reader = Reader(lambda: source.connection, source.lock)
    after = FIRST
    while after < head:
        records, after = reader.run(Reader.scan, after, head)
        yield records


def _parts(file: LogFile, page: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut a page where ts goes back."""
    start = 0
    for end in range(1, len(page) + 1):
        if end == len(page) or end - start == _MOST or page[end].ts < page[end - 1].ts:
            yield page[start:end]
            start = end


def _keys(source: Store) -> _Keys:
    """Return the dedup keys of a log by their positions: of ids that clients made up, and of those that were chosen."""
    execute = source.connection.execute
    with source.lock:
        rows = execute("SELECT keys FROM settled").fetchall() + execute("SELECT keys FROM known").fetchall()
        explicit = execute("SELECT seq, key FROM explicit").fetchall()
    automatic = {seq: key for (keys,) in rows for key, seq in decode_keys(keys).items()}
    return _Keys(automatic, {seq: bytes(key) for seq, key in explicit})


def _append(file: LogFile, records: Sequence[Record], keys: _Keys, moved: Moved) -> None:
    ledger = file.ledger
    drafts = [_draft(record, auto=record.seq not in keys.explicit) for record in records]
    mine = [keys.of(record.seq or 0) for record in records]
    time = max(ledger.time, records[0].ts + ledger.ahead)
    known = file.dedup.look_up(drafts, mine, time)
    batch = Batch(ledger, known.seqs, records[0].ts, time, ahead=ledger.ahead)
    for record, draft, key in zip(records, drafts, mine, strict=True):
        if id(draft) in known.differing:  # both were acknowledged: both are kept
            draft, key = msgspec.structs.replace(draft, auto=True), None
        batch.take_over(Entry(draft, _nobody, size_of(record)), key, record.ts)
    if batch.events:
        file.store.insert(batch)
        file.dedup.insert(batch)
    ledger.accept(batch)
    file.dedup.grown(batch)
    for record, result in zip(records, batch.results, strict=True):
        if isinstance(result.value, Exception):
            raise result.value
        moved.add(record.seq or 0, result.value.seq, known=result.value.duplicate)


def _draft(record: Record, *, auto: bool) -> Draft:
    return Draft(
        record.room, record.name, record.data, record.attachments, record.sender, record.user, None, record.id,
        auto=auto,
    )  # fmt: skip


def _nobody(_: Appended | Exception) -> None:
    """Nobody waits for an append that was answered long ago."""
