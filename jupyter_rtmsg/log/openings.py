"""The openings of a log: they tell whether a reader's position is still valid after the file was replaced.

A log that is opened continues at the head in its file. If the file is an older copy, or has lost its end, readers have
passed that head, and the positions after it are assigned again, to other events. So each opening has an id, stored with
the head at which it began, and a position is sent together with the opening in which it was reached.

Only the process that made an opening writes events between its start and the start of the next one. So two files that
both contain an opening have the same events up to its start, and after it up to where the first of the two begins
another opening. An opening that the file does not contain was made in another copy of it. Its name has the ids of the
openings 1, 4, 16, 64 and 256 before it, and so tells where the two copies may have diverged.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import NamedTuple

KEPT = 1_000
"""Openings that are kept. A reader whose position is of an earlier one starts again at the first event."""

_DISTANCES = (0, 1, 4, 16, 64, 256)
_MAX_NAME = 200  # characters


class Opening(NamedTuple):
    """A row of table ``opening``.

    Attributes
    ----------
    number : int
        Number of the opening in its file, from 1.
    id : str
    start : int
        The log's head when it began.
    ts : int
        When it began (ms since 1970).
    lost : int
        Number of events at the end of the log that were then found to be lost; 0 if none or unknown.
    """

    number: int
    id: str
    start: int
    ts: int = 0
    lost: int = 0


class _Name(NamedTuple):
    """The parts of an opening's name. ``ids`` has its own id and those of earlier openings, see `_DISTANCES`."""

    number: int
    start: int
    ids: tuple[str, ...]


class Openings:
    """The openings in a file.

    Parameters
    ----------
    rows : iterable of Opening

    Attributes
    ----------
    name : str
        The name of the last opening: its number, its start, its id and those of earlier ones. Opaque for readers.
    """

    def __init__(self, rows: Iterable[Opening] = ()) -> None:
        self._rows = {row.number: row for row in rows}
        self._last = max(self._rows, default=0)
        self.name = self._name_of(self._last)

    @property
    def number(self) -> int:
        """The number of the last opening; 0 if there is none."""
        return self._last

    @property
    def id(self) -> str:
        """The id of the last opening."""
        return self._rows[self._last].id

    @property
    def start(self) -> int:
        """The position at which the last opening began; 0 if there is none."""
        return self._rows[self._last].start if self._last else 0

    def has(self, number: int, id: str) -> bool:
        """Tell whether the file has this opening."""
        return number in self._rows and self._rows[number].id == id

    def next(self, start: int, ts: int, lost: int = 0) -> Opening:
        """Return a new opening, to be stored and then added.

        Parameters
        ----------
        start : int
            The head of the log.
        ts : int
            The time (ms since 1970).
        lost : int
            Number of events found to be lost.
        """
        return Opening(self._last + 1, secrets.token_urlsafe(6), start, ts, lost)

    def add(self, row: Opening) -> None:
        """Add the opening made by `next`. Rows up to its number minus `KEPT` must be removed from the file."""
        self._rows[row.number] = row
        self._rows.pop(row.number - KEPT, None)
        self._last, self.name = row.number, self._name_of(row.number)

    def holds(self, name: str, position: int, head: int) -> bool:
        """Tell whether a position that was reached in an opening has the same events before it in this log."""
        return position <= self.cut(name, head)

    def cut(self, name: str, head: int) -> int:
        """Return the position up to which the events of an opening are those of this log.

        Parameters
        ----------
        name : str
            The `name` of the opening; empty for the last one. The result is 0 for an opening of an unrelated log.
        head : int
            The head of this log.
        """
        if name in ("", self.name):
            return head
        parsed = _parse(name)
        return 0 if parsed is None else min(self._shared(parsed, head), head)

    def _shared(self, name: _Name, head: int) -> int:
        for distance, id in zip(_DISTANCES, name.ids, strict=False):
            row = self._rows.get(name.number - distance)
            if row is None or row.id != id:
                continue
            if distance == 0:
                return self._end(row, head)
            # The other copy began its next opening somewhere after `row.start`. The name tells where only if that next
            # opening is the named one.
            return min(self._end(row, head), name.start) if distance == 1 else row.start
        return 0

    def _end(self, row: Opening, head: int) -> int:
        if row.number == self._last:
            return head
        following = self._rows.get(row.number + 1)
        return following.start if following else row.start  # the row of the next one was damaged

    def _name_of(self, number: int) -> str:
        rows = [self._rows.get(number - distance) for distance in _DISTANCES]
        if rows[0] is None:
            return ""
        return ".".join([str(number), str(rows[0].start), *(row.id for row in rows if row)])


def _parse(name: str) -> _Name | None:
    """Parse a name sent by a reader; return None if it is no name of an opening."""
    number, _, rest = name[: _MAX_NAME + 1].partition(".")
    start, _, ids = rest.partition(".")
    if len(name) > _MAX_NAME or not (number + start).isascii() or not (number.isdigit() and start.isdigit()):
        return None
    return _Name(int(number), int(start), tuple(ids.split(".")))
