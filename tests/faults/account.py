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
class Handled:
    """The events that the workers of a group handled.

    Attributes
    ----------
    begun, ended : list of Got
        Calls of the handler, and those that returned.
    dead, trimmed : set of str
        The ids of dead letters, and of events that the group has counted as trimmed.
    since : int
        The position at which the group begins.
    """

    begun: list[Got] = field(default_factory=list)
    ended: list[Got] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    trimmed: set[str] = field(default_factory=set)
    since: int = 0

    def missing(self, acked: dict[str, int]) -> set[str]:
        """Return the acknowledged ids whose handler has not returned, and that are not known to be dead or trimmed."""
        wanted = {id for id, seq in acked.items() if seq > self.since}
        return wanted - {got.id for got in self.ended} - self.dead - self.trimmed

    def twice(self) -> int:
        """Return how many handlers returned for an event that another one had handled."""
        return sum(times - 1 for times in Counter(got.id for got in self.ended).values())

    def disordered(self) -> int:
        """Return how many events began, for the first time, after a later one of their key had begun."""
        newest: dict[int, int] = {}
        seen: set[str] = set()
        count = 0
        for got in self.begun:
            if got.id not in seen:
                seen.add(got.id)
                key = key_of(got.id)
                count += got.seq < newest.get(key, 0)
                newest[key] = max(newest.get(key, 0), got.seq)
        return count


def key_of(id: str) -> int:
    """Return the key of an event in a group."""
    return int(id[1:]) % 8 if id[1:].isdigit() else -1


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
    groups : list of Handled
    """

    acked: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)
    groups: list[Handled] = field(default_factory=list)

    def missing(self, reader: Reader) -> set[str]:
        """Return the acknowledged ids that a reader has not got."""
        return {id for id, seq in self.acked.items() if seq > reader.since} - {got.id for got in reader.got}

    @property
    def complete(self) -> bool:
        """Whether every reader has got everything that was acknowledged, and every group has handled it."""
        unhandled = any(group.missing(self.acked) for group in self.groups)
        return not unhandled and not any(self.missing(reader) for reader in self.readers)

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
        for group in self.groups:
            verdict.unhandled += len(group.missing(self.acked))
            verdict.handled_twice += group.twice()
            verdict.key_disordered += group.disordered()
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
    unhandled, handled_twice, key_disordered : int
        By the workers of groups: no handler returned, several did, not in the order of the log for their key.
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
    unhandled: int = 0
    handled_twice: int = 0
    key_disordered: int = 0

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
