"""The dead letters of one worker group: at most so many and so large, the oldest are discarded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence

from jupyter_rtmsg.hub.limits import Limits
from jupyter_rtmsg.log import DeadLetter, GroupStates, StoredGroup

PAGE_BYTES = 4 << 20
"""Size of the dead letters that are read at once to be redriven."""


class DeadLetters:
    """The dead letters of a group. They are in the log; their numbers and sizes are in memory while the group works.

    Parameters
    ----------
    states : GroupStates
    group : StoredGroup
    limits : Limits
    """

    __slots__ = ("_group", "_limits", "_sizes", "_states")

    def __init__(self, states: GroupStates, group: StoredGroup, limits: Limits) -> None:
        self._states = states
        self._group = group
        self._limits = limits
        self._sizes: OrderedDict[int, int] = OrderedDict()

    async def load(self) -> None:
        """Read the sizes from the log."""
        known = dict(await self._states.letter_sizes(self._group))
        self._sizes = OrderedDict(sorted({**known, **self._sizes}.items()))

    def bury(self, letter: DeadLetter) -> None:
        """Store a dead letter that the group has numbered. The oldest ones that exceed the limits are discarded."""
        self._sizes[letter.number] = letter.size
        self._states.bury(self._group, letter)
        excess: list[int] = []
        count, size = len(self._sizes), sum(self._sizes.values())
        for number, each in self._sizes.items():
            if (count <= self._limits.dead_letters and size <= self._limits.dead_letter_bytes) or count == 1:
                break
            excess.append(number)
            count, size = count - 1, size - each
        self.remove(excess, discarded=True)

    def discard_oldest(self, size: int) -> int:
        """Discard the oldest letters, until they had this size together; return how many."""
        gone: list[int] = []
        for number, each in self._sizes.items():
            if size <= 0:
                break
            gone.append(number)
            size -= each
        return self.remove(gone, discarded=True)

    async def page(self, after: int, limit: int, max_bytes: int) -> tuple[Sequence[DeadLetter], bool]:
        """Return a page of letters with a number after ``after``, and whether there are more."""
        return await self._states.letters(self._group, after=after, limit=limit, max_bytes=max_bytes)

    def remove(self, numbers: Collection[int], *, discarded: bool) -> int:
        """Remove letters, and return how many there were."""
        found = [number for number in numbers if number in self._sizes]
        if found:
            self._group.unbury([self._sizes.pop(number) for number in found], discarded=discarded)
            self._states.unbury(self._group, found)
            self._states.save(self._group)
        return len(found)

    def numbers(self, wanted: Collection[int] | None) -> list[int]:
        """Return the numbers of the wanted letters that exist; of all without a wish."""
        if wanted is None:
            return list(self._sizes)
        return sorted(set(wanted) & self._sizes.keys())

    async def take(self, numbers: Sequence[int]) -> Sequence[DeadLetter]:
        """Remove some of the wanted letters, at least the first one, and return them."""
        letters, _ = await self.page(numbers[0] - 1, len(numbers), PAGE_BYTES)
        wanted = set(numbers) & self._sizes.keys()  # another request may have removed some during the read
        taken = [letter for letter in letters if letter.number in wanted]
        self.remove([letter.number for letter in taken], discarded=False)
        self.remove(numbers[:1], discarded=True)  # if it is still there, it is damaged on disk
        return taken
