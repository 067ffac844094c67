"""The dead letters of all worker groups: to redrive and to discard some, and how large all of them may be."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from jupyter_rtmsg.errors import LimitExceeded, LogError
from jupyter_rtmsg.hub.limits import Limits
from jupyter_rtmsg.log import DeadLetter, GroupStates, StoredGroup
from jupyter_rtmsg.logthrottle import throttled_logger

from .dead_letters import DeadLetters
from .runner import GroupRunner

logger = throttled_logger(__name__)


class AllDeadLetters:
    """The dead letters of all groups.

    If they are too large together, the oldest ones of the user who has most are discarded: of those groups that this
    user has made, the one that has most. So nobody's letters make place for those of somebody who has more.

    Parameters
    ----------
    states : GroupStates
    limits : Limits
    runner : callable
        Returns the runner of a group that has workers; else None.
    groups : callable
        Returns all groups.
    """

    def __init__(
        self,
        states: GroupStates,
        limits: Limits,
        runner: Callable[[StoredGroup], GroupRunner | None],
        groups: Callable[[], Collection[StoredGroup]],
    ) -> None:
        self._states, self._limits = states, limits
        self._runner, self._groups = runner, groups
        self._discarding: asyncio.Task[None] | None = None

    async def redrive(self, group: StoredGroup, numbers: list[int] | None) -> int:
        """Give dead letters to workers again: some, or all; return how many there were.

        Raises
        ------
        LimitExceeded
            If too many that were redriven before are not settled.
        """
        letters, redriven = await self._of(group), 0
        wanted = letters.numbers(numbers)
        while wanted:
            if group.copy_bytes >= self._limits.dead_letter_bytes:
                if redriven:
                    break
                raise LimitExceeded(
                    f"{group.copy_bytes} bytes of group {group.name!r} in room {group.room!r} were redriven or have "
                    f"failed, and wait for a worker (at most {self._limits.dead_letter_bytes} may): let workers "
                    "handle them first"
                )
            taken = await letters.take(wanted)
            self._give_again(group, taken)
            redriven += len(taken)
            last = taken[-1].number if taken else wanted[0]
            wanted = [number for number in wanted if number > last]
        await self._states.stored()
        return redriven

    def _give_again(self, group: StoredGroup, letters: Iterable[DeadLetter]) -> None:
        runner = self._runner(group)
        for letter in letters:
            group.copied(group.copy_bytes + letter.size)
            if runner is not None and runner.is_ready:
                runner.group.redrive(letter.record, letter.deliveries, letter.next_attempt)
            else:
                self._states.keep(group, letter.redriven(self._states.now()))
        if runner is not None and runner.is_ready:
            runner.store()
            runner.changed()
        else:
            self._states.save(group)

    async def discard(self, group: StoredGroup, numbers: list[int] | None) -> int:
        """Delete dead letters: some, or all; return how many there were."""
        letters = await self._of(group)
        discarded = letters.remove(letters.numbers(numbers), discarded=True)
        await self._states.stored()
        return discarded

    async def _of(self, group: StoredGroup) -> DeadLetters:
        """Return the dead letters of a group, when their numbers are loaded."""
        runner = self._runner(group)
        if runner is not None:
            await asyncio.shield(runner.ready)
            return runner.letters
        letters = DeadLetters(self._states, group, self._limits)
        await letters.load()
        return letters

    # --- how large all of them may be

    def bound(self) -> None:
        """Discard letters if all of them together are too large. Called when there are new ones."""
        if self._discarding is None and self._excess > 0:
            self._discarding = asyncio.get_running_loop().create_task(self._discard_excess())

    def close(self) -> None:
        """Discard no more."""
        if self._discarding is not None:
            self._discarding.cancel()

    @property
    def _excess(self) -> int:
        return sum(group.letter_bytes for group in self._groups()) - self._limits.dead_letter_bytes_in_all

    async def _discard_excess(self) -> None:
        try:
            while (excess := self._excess) > 0:
                letters = await self._of(self._heaviest())
                if not letters.discard_oldest(excess):
                    return  # the letters of this group are damaged on disk
        except LogError as error:
            logger.warning("dead letters could not be discarded, though they are too large together: %s", error)
        finally:
            self._discarding = None

    def _heaviest(self) -> StoredGroup:
        """Return the group with most of the user who has most."""
        sizes: Counter[str] = Counter()
        for group in self._groups():
            sizes[group.maker] += group.letter_bytes
        [(user, _)] = sizes.most_common(1)
        return max((group for group in self._groups() if group.maker == user), key=lambda group: group.letter_bytes)
