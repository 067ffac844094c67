"""The worker groups of a `MovingLog`: those of its present log, and how they move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from jupyter_rtmsg.futures import settle

from .groupstates import DeadLetter, GroupStates, StoredFailure, StoredGroup
from .move import PositionMap
from .moving_stores import Gate
from .ranges import Ranges
from .records import Record
from .schema import MEMORY_START

_ALL = 1 << 40


class GroupContents(NamedTuple):
    """A group with everything that is stored of it."""

    group: StoredGroup
    failures: Sequence[StoredFailure]
    letters: Sequence[DeadLetter]


async def read_groups(states: GroupStates) -> list[GroupContents]:
    """Return all groups of a log in memory, with their contents."""
    found: list[GroupContents] = []
    for group in list(states.all()):
        letters, _ = await states.letters(group, limit=_ALL, max_bytes=_ALL)
        found.append(GroupContents(group, await states.failures(group), letters))
    return found


class MovingGroups:
    """The `GroupStates` of a `MovingLog`.

    Parameters
    ----------
    current : callable
        Returns the groups of the present log.
    gate : Gate
    """

    # While the gate is closed the contents of the groups have been read already, so later changes of failures and dead
    # letters are kept in `_late`, to be made again in the file. Changes of the groups themselves are in their objects.

    def __init__(self, current: Callable[[], GroupStates], gate: Gate) -> None:
        self._current = current
        self._gate = gate
        self._late: list[Callable[[GroupStates, PositionMap], None]] = []

    async def ready(self) -> None:
        """See `GroupStates.ready`."""
        await self._gate.passed()

    def all(self) -> Collection[StoredGroup]:
        """See `GroupStates.all`."""
        return self._current().all()

    def now(self) -> int:
        """See `GroupStates.now`."""
        return self._current().now()

    def add(self, group: StoredGroup) -> None:
        """See `GroupStates.add`."""
        self._current().add(group)

    def save(self, group: StoredGroup) -> None:
        """See `GroupStates.save`."""
        self._current().save(group)

    def remove(self, group: StoredGroup) -> None:
        """See `GroupStates.remove`."""
        self._current().remove(group)

    def keep(self, group: StoredGroup, failure: StoredFailure) -> None:
        """See `GroupStates.keep`."""
        self._current().keep(group, failure)
        self._again(lambda states, positions: _keep(states, group, failure, positions))

    def drop(self, group: StoredGroup, seq: int) -> None:
        """See `GroupStates.drop`."""
        self._current().drop(group, seq)
        self._again(lambda states, positions: states.drop(group, positions.event(seq) or 0))

    def bury(self, group: StoredGroup, letter: DeadLetter) -> None:
        """See `GroupStates.bury`."""
        self._current().bury(group, letter)
        self._again(lambda states, positions: _bury(states, group, letter, positions))

    def unbury(self, group: StoredGroup, numbers: Iterable[int]) -> None:
        """See `GroupStates.unbury`."""
        numbers = list(numbers)
        self._current().unbury(group, numbers)
        self._again(lambda states, positions: states.unbury(group, numbers))

    def stored(self) -> asyncio.Future[None]:
        """See `GroupStates.stored`. While the log is being moved, changes are stored when they are in the file."""
        if not self._gate.closed:
            return self._current().stored()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(self._stored_later(done))
        done.add_done_callback(lambda _: waiting.cancel())
        return done

    async def _stored_later(self, done: asyncio.Future[None]) -> None:
        await self._gate.passed()
        try:
            await self._current().stored()
        except Exception as error:  # noqa: BLE001 -- whoever waits gets it
            settle(done, error)
        else:
            settle(done, None)

    async def failures(self, group: StoredGroup) -> Sequence[StoredFailure]:
        """See `GroupStates.failures`."""
        await self._gate.passed()
        return await self._current().failures(group)

    async def letters(
        self, group: StoredGroup, *, after: int = 0, limit: int, max_bytes: int
    ) -> tuple[Sequence[DeadLetter], bool]:
        """See `GroupStates.letters`."""
        await self._gate.passed()
        return await self._current().letters(group, after=after, limit=limit, max_bytes=max_bytes)

    async def letter_sizes(self, group: StoredGroup) -> Sequence[tuple[int, int]]:
        """See `GroupStates.letter_sizes`."""
        await self._gate.passed()
        return await self._current().letter_sizes(group)

    # --- moving

    def _again(self, change: Callable[[GroupStates, PositionMap], None]) -> None:
        if self._gate.closed:
            self._late.append(change)

    def stay(self) -> None:
        """Record that the move failed, so that the present log has all changes."""
        self._late.clear()

    def take_over(self, contents: Iterable[GroupContents], positions: PositionMap) -> None:
        """Add the groups of the log in memory to the present one. They stay the same objects.

        If the file has a group of the same name, its pending events, its dead letters and its counts are added to it.
        """
        now = self._current()
        present = {(group.room, group.name): group for group in now.all()}
        for group, failures, letters in contents:
            twin = present.get((group.room, group.name))
            _translate(group, positions, twin)
            if twin is not None:
                now.remove(twin)
            now.add(group)
            for failure in failures:
                _keep(now, group, failure, positions)
            for letter in letters:
                _bury(now, group, letter, positions)
        late, self._late = self._late, []
        for change in late:
            change(now, positions)


def _translate(group: StoredGroup, positions: PositionMap, twin: StoredGroup | None) -> None:
    """Replace the positions of a group by those in the file. ``twin``: the file's group of the same name."""
    settled = Ranges(twin.floor if twin else 0, twin.ranges if twin else ())
    base = _position(positions, MEMORY_START)
    if twin is None:
        settled.add(0, base)
    for after, through in [(MEMORY_START, group.floor), *group.ranges]:
        settled.add(_position(positions, after), _position(positions, through))
    group.settle(settled, _position(positions, group.sent))
    unsettled = group.unsettled + (twin.unsettled if twin else 0)
    group.reach(_position(positions, group.read), None, unsettled)


def _position(positions: PositionMap, old: int) -> int:
    here = positions.position(max(old, MEMORY_START))
    return positions.head if here is None else here


def _moved(record: Record, positions: PositionMap) -> Record:
    here = positions.event(record.seq or 0)
    return msgspec.structs.replace(record, seq=here if here is not None else record.seq)


def _keep(states: GroupStates, group: StoredGroup, failure: StoredFailure, positions: PositionMap) -> None:
    states.keep(group, msgspec.structs.replace(failure, record=_moved(failure.record, positions)))


def _bury(states: GroupStates, group: StoredGroup, letter: DeadLetter, positions: PositionMap) -> None:
    states.bury(group, msgspec.structs.replace(letter, record=_moved(letter.record, positions)))
