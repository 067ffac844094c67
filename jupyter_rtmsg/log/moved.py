"""Where the events of a log in memory have gone when it was moved into a file."""

from __future__ import annotations

from bisect import bisect_right

FIRST = 10**12
"""The position that a log in memory begins after, where it stands in for a file.

No file gets that far, so a position tells by itself which log it belongs to, whoever sends it: an acknowledgement may
be under way while the log is moved.
"""


class Moved:
    """Translates positions of a log in memory to those of the file that it was moved into.

    The table has a row for each stretch of events that follow each other in both, so it is short.

    Parameters
    ----------
    epoch : str
        That of the log in memory.
    base : int
        The head of the file before the move.

    Attributes
    ----------
    head : int
        The head of the file after it.
    """

    def __init__(self, epoch: str, base: int) -> None:
        self.epoch = epoch
        self.head = base
        self._base = base
        self._last = FIRST
        self._starts: list[int] = []  # old position of a stretch's first event ...
        self._stretches: list[tuple[int, int]] = []  # ... the new one, and how many events it has
        self._known: dict[int, int] = {}

    @property
    def count(self) -> int:
        """How many events were appended."""
        return sum(count for _, count in self._stretches)

    def add(self, old: int, new: int, *, known: bool) -> None:
        """Note where an event is; in order. ``known``: the file had it already."""
        self._last = old
        if known:
            self._known[old] = new
            return
        self.head = new
        if self._stretches:
            first, count = self._stretches[-1]
            if (old - self._starts[-1], new - first) == (count, count):
                self._stretches[-1] = first, count + 1
                return
        self._starts.append(old)
        self._stretches.append((new, 1))

    def end(self, head: int) -> None:
        """Say what the head of the log in memory was."""
        self._last = max(self._last, head)

    def position(self, old: int) -> int | None:
        """Return the position in the file that has the same events before it; None beyond the old log's head.

        What the file held before the move comes before them all.
        """
        if old > self._last:
            return None
        index = bisect_right(self._starts, old) - 1
        if index < 0:
            return self._base
        new, count = self._stretches[index]
        return new + min(old - self._starts[index], count - 1)

    def event(self, old: int) -> int | None:
        """Return the position of an event; None if it was trimmed before the move."""
        if old in self._known:
            return self._known[old]
        index = bisect_right(self._starts, old) - 1
        if index < 0:
            return None
        new, count = self._stretches[index]
        at = old - self._starts[index]
        return new + at if at < count else None
