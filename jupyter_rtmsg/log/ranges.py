"""A set of positions that are settled: all up to a floor, and ranges above it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """Positions up to ``floor``, and ranges ``(after, through]`` above it, which neither touch nor overlap.

    Parameters
    ----------
    floor : int
    ranges : iterable of (int, int)

    Attributes
    ----------
    floor : int
        All positions up to here are in the set.
    """

    __slots__ = ("_ends", "_starts", "floor")

    def __init__(self, floor: int = 0, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self.floor = floor
        self._starts: list[int] = []
        self._ends: list[int] = []
        for after, through in ranges:
            self.add(after, through)

    def __contains__(self, position: int) -> bool:
        if position <= self.floor:
            return True
        at = bisect_left(self._starts, position) - 1
        return at >= 0 and position <= self._ends[at]

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    @property
    def end(self) -> int:
        """The last position of the set."""
        return self._ends[-1] if self._ends else self.floor

    def add(self, after: int, through: int) -> None:
        """Add the positions of ``(after, through]``."""
        if through <= self.floor or through <= after:
            return
        starts, ends = self._starts, self._ends
        if after <= self.floor:
            joined = bisect_right(starts, through)  # ranges that the floor reaches now
            self.floor = max(through, ends[joined - 1]) if joined else through
            del starts[:joined], ends[:joined]
            return
        first, last = bisect_left(ends, after), bisect_right(starts, through)
        if first < last:
            after, through = min(after, starts[first]), max(through, ends[last - 1])
        starts[first:last] = [after]
        ends[first:last] = [through]
