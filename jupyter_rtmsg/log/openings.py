"""The openings of a log: which positions of readers are places in it, after whatever happened to its file.

A log that was opened goes on from the head that it finds. Where the file is an older copy of itself, or lost its end,
that head is one which readers have passed, and the positions behind it are given again, to other events. So each
opening has an id of its own, which is stored with the head that it began at, and a position is told with the opening
in which it was reached.

Only the process that made an opening writes events between its start and the start of the next one. So two files that
both hold an opening have the same events up to its start, and behind it up to where the first of the two goes on with
another opening. An opening that the file does not hold was made by a file that went another way. Its name tells with
which openings before it this one may have parted from it: those at distances of 1, 4, 16, 64 and 256.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import NamedTuple

KEPT = 1_000
"""Openings that are kept. With a position of an earlier one a reader begins anew, at the first event."""

_DISTANCES = (0, 1, 4, 16, 64, 256)
_LONGEST = 200  # characters of a name


class Opening(NamedTuple):
    """A row of table ``opening``.

    Attributes
    ----------
    number : int
        Counts the openings of a file, from 1.
    id : str
    start : int
        The log's head when it began.
    ts : int
        When it began, in ms since 1970.
    lost : int
        How many positions at the log's end were known to be lost then; 0 also where nobody knew.
    """

    number: int
    id: str
    start: int
    ts: int = 0
    lost: int = 0


class _Name(NamedTuple):
    """What the name of an opening tells; ``ids`` has its own id and those of openings before it, see `_DISTANCES`."""

    number: int
    start: int
    ids: tuple[str, ...]


class Openings:
    """The openings that a file holds.

    Parameters
    ----------
    rows : iterable of Opening
    """

    def __init__(self, rows: Iterable[Opening] = ()) -> None:
        self._rows = {row.number: row for row in rows}
        self._last = max(self._rows, default=0)
        self._name = self._name_of(self._last)

    @property
    def name(self) -> str:
        """The name of the last one: its number, its start, its id and those of some before it. Opaque for readers."""
        return self._name

    @property
    def number(self) -> int:
        """The number of the last one; 0 if there is none."""
        return self._last

    @property
    def id(self) -> str:
        """The id of the last one."""
        return self._rows[self._last].id

    @property
    def start(self) -> int:
        """Where the last one began; 0 if there is none."""
        return self._rows[self._last].start if self._last else 0

    def has(self, number: int, id: str) -> bool:
        """Whether an opening is one of these."""
        return number in self._rows and self._rows[number].id == id

    def next(self, start: int, ts: int, lost: int = 0) -> Opening:
        """Return the row of one more opening, to be stored and then added."""
        return Opening(self._last + 1, secrets.token_urlsafe(6), start, ts, lost)

    def add(self, row: Opening) -> None:
        """Add the next opening; rows up to its number less `KEPT` are to be removed."""
        self._rows[row.number] = row
        self._rows.pop(row.number - KEPT, None)
        self._last, self._name = row.number, self._name_of(row.number)

    def holds(self, name: str, position: int, head: int) -> bool:
        """Whether a position that was reached in an opening has the same events before it here."""
        return position <= self.cut(name, head)

    def cut(self, name: str, head: int) -> int:
        """Return up to which position the events that readers had in an opening are those of this log.

        Parameters
        ----------
        name : str
            As `name` was; empty for that of the last one. One that nobody here ever had shares nothing.
        head : int
            The log's.
        """
        if name in ("", self._name):
            return head
        told = _parse(name)
        return 0 if told is None else min(self._shared(told, head), head)

    def _shared(self, told: _Name, head: int) -> int:
        for distance, id in zip(_DISTANCES, told.ids, strict=False):
            row = self._rows.get(told.number - distance)
            if row is None or row.id != id:
                continue
            if distance == 0:
                return self._end(row, head)
            # Nobody here knows where the other file went on with the opening that followed, unless it is the named one.
            return min(self._end(row, head), told.start) if distance == 1 else row.start
        return 0

    def _end(self, row: Opening, head: int) -> int:
        if row.number == self._last:
            return head
        following = self._rows.get(row.number + 1)
        return following.start if following else row.start  # its row was damaged: nobody knows where it began

    def _name_of(self, number: int) -> str:
        rows = [self._rows.get(number - distance) for distance in _DISTANCES]
        if rows[0] is None:
            return ""
        return ".".join([str(number), str(rows[0].start), *(row.id for row in rows if row)])


def _parse(name: str) -> _Name | None:
    """Read what a reader told, which may be anything."""
    number, _, rest = name[: _LONGEST + 1].partition(".")
    start, _, ids = rest.partition(".")
    if len(name) > _LONGEST or not (number + start).isascii() or not (number.isdigit() and start.isdigit()):
        return None
    return _Name(int(number), int(start), tuple(ids.split(".")))
