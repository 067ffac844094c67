"""Compares the events that were acknowledged with those that each reader got, and counts broken promises."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Got(NamedTuple):
    """An event that a reader got."""

    id: str
    seq: int


@dataclass
class Reader:
    """The events that one reader got, in order, and the losses that were reported to it.

    Attributes
    ----------
    name : str
    got : list of Got
    told : list of str
        The reasons of resets, and announcements of lost events.
    since : int
        The position at which it began: what came before is not its own.
    """

    name: str
    got: list[Got] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    since: int = 0

    def take(self, id: str | None, seq: int | None) -> None:
        """Record an event."""
        if id is not None and seq is not None:
            self.got.append(Got(id, seq))


@dataclass
class Account:
    """Acknowledged publishes, and what each reader got of them.

    Attributes
    ----------
    acked : dict
        The seq of each id that the hub acknowledged.
    refused : dict
        The error of each id that the hub refused by name: it may be stored all the same.
    readers : list of Reader
    """

    acked: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)

    def missing(self, reader: Reader) -> set[str]:
        """Return the acknowledged ids that a reader has not got."""
        return {id for id, seq in self.acked.items() if seq > reader.since} - {got.id for got in reader.got}

    @property
    def complete(self) -> bool:
        """Whether every reader has got everything that was acknowledged."""
        return not any(self.missing(reader) for reader in self.readers)

    def forget(self) -> None:
        """Forget everything."""
        self.acked.clear()
        for reader in self.readers:
            reader.got.clear()

    def verdict(self, log: Path | None) -> Verdict:
        """Compare; with a file, also its contents."""
        stored = read(log) if log else None
        verdict = Verdict(acked=len(self.acked))
        for reader in self.readers:
            verdict.lost += len(self.missing(reader))
            verdict.duplicated += sum(times - 1 for times in Counter(got.id for got in reader.got).values())
            verdict.disordered += disordered(reader)
        if stored is not None:
            at = {row.id: row.seq for row in stored}
            verdict.lost_stored = sum(at.get(id) is None for id in self.acked)
            verdict.moved = sum(at.get(id, seq) != seq for id, seq in self.acked.items())
            verdict.stored_twice = sum(times - 1 for times in Counter(row.id for row in stored).values())
            verdict.broken_chain = broken(stored)
        return verdict


@dataclass
class Verdict:
    """The number of times that each promise was broken.

    Attributes
    ----------
    acked : int
        Acknowledged publishes, of which the others speak.
    lost, duplicated, disordered : int
        Over all readers.
    lost_stored, stored_twice, moved : int
        Not in the file, there twice, under another seq than was acknowledged.
    broken_chain : int
        Events whose ``prev`` is not the seq of the room's event before.
    """

    acked: int = 0
    lost: int = 0
    duplicated: int = 0
    disordered: int = 0
    lost_stored: int = 0
    stored_twice: int = 0
    moved: int = 0
    broken_chain: int = 0

    @property
    def broken(self) -> dict[str, int]:
        """The broken promises, with their number."""
        return {name: count for name, count in vars(self).items() if name != "acked" and count}


class Row(NamedTuple):
    room: int
    seq: int
    prev: int
    id: str | None


def read(log: Path) -> list[Row]:
    """Return the events in a log's file, read over a separate connection."""
    connection = sqlite3.connect(f"file:{log}?mode=ro", uri=True)
    try:
        return [Row(*row) for row in connection.execute("SELECT room, seq, prev, id FROM event ORDER BY seq")]
    finally:
        connection.close()


def broken(rows: list[Row]) -> int:
    """Return how many events do not name the one before them in their room."""
    last: dict[int, int] = {}
    count = 0
    for row in rows:
        count += row.prev != last.get(row.room, row.prev)
        last[row.room] = row.seq
    return count


def disordered(reader: Reader) -> int:
    """Return how often a reader got an event for the first time after a later one."""
    newest = count = 0
    seen: set[str] = set()
    for got in reader.got:
        if got.id not in seen:
            seen.add(got.id)
            count += got.seq < newest
            newest = max(newest, got.seq)
    return count
