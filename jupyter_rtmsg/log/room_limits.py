"""Trimming rooms that hold more events, more bytes or older events than their policy, or the log, allows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import Protocol

from .batch import Batch
from .options import Options
from .policy import FORGOTTEN_AFTER, MOST, Policy
from .records import RoomStats
from .state import LogState, RoomState
from .tallies import Tally
from .timeline import first_stored, stored_at

_SLICE = 1_000  # rows deleted in one transaction
_UNEVEN = 64  # a principal may be trimmed below the next one by this part of a limit, so that each slice is large
_SLACK = 20  # while appends come, a limit may be exceeded by this part of it
_MAX_SLACK = 1_000  # events
_LOOKED_AT = 20  # rooms whose age one step looks at
_SOONEST, _LATEST = 1_000, 60_000  # ms between two trims of a room by age
_HOUR = 3_600_000
_IN_USE = float("inf")

Changed = dict[str, RoomStats]
"""The rooms that a slice has changed."""


class Deleter(Protocol):
    """Deletes events, as `Retention` does."""

    def delete(self, condition: str, values: tuple[int, ...]) -> Changed:
        """Delete the events that meet a condition in SQL."""

    def delete_oldest(self, user: str, rooms: Mapping[int, Tally], wanted: int, worth: Callable[[int], int]) -> Changed:
        """Delete a principal's oldest events in some rooms, until the sum of ``worth(size)`` is as wanted."""


class RoomLimits:
    """Finds the rooms that exceed a limit, and trims them in slices. Owned by the writer's thread.

    Space within a room is shared fairly: the oldest events of the principal that holds most of it are deleted.

    Parameters
    ----------
    state : LogState
    options : Options
        The limits of rooms without a policy, and the most that a policy gives.
    connection : callable
        Returns the connection that writes.
    deleter : Deleter
    """

    # `_over` has the rooms that may exceed a limit on events or bytes; `has_work` takes out those that do not any more.
    # `_due` tells at which log time a room whose policy has an age is looked at again. `_heap` has the same times in
    # order; an entry that differs from `_due` counts for nothing. All of this is found again by `__init__`.

    def __init__(
        self, state: LogState, options: Options, connection: Callable[[], sqlite3.Connection], deleter: Deleter
    ) -> None:
        self._state = state
        self._options = options
        self._connection = connection
        self._deleter = deleter
        self._over: set[str] = set()
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        self._forgotten_at = 0  # log time of the last search for policies that are forgotten
        for name in state.rooms:
            self._look(name)

    def grown(self, batch: Batch) -> None:
        """Look at the rooms that a batch has changed."""
        for name in batch.rooms:
            self._look(name)
        for name in batch.policies.changed:
            self._due.pop(name, None)
            self._look(name)

    def _look(self, name: str) -> None:
        """Note whether a room exceeds a limit, and when its oldest event expires."""
        room = self._state.rooms.get(name)
        if room is None or not room.count:
            return
        if self._exceeds(name, room, 0):
            self._over.add(name)
        policy = self._state.policies.get(name)
        if policy is not None and policy.age is not None and name not in self._due:
            self._look_again(name, self._expiry(room, policy))

    def _look_again(self, name: str, time: int) -> None:
        self._due[name] = time
        heappush(self._heap, (time, name))

    def forget(self, name: str) -> None:
        """Forget a room that does not exist any more."""
        self._over.discard(name)
        self._due.pop(name, None)

    # --- limits

    def _policy(self, name: str) -> Policy | None:
        """Return the policy of a room if it deletes old events by number or bytes."""
        policy = self._state.policies.get(name)
        return None if policy is None or policy.refuse else policy

    def _most(self, policy: Policy | None) -> int:
        limit = self._options.max_events
        return limit if policy is None or policy.count is None else min(limit, policy.count)

    def _exceeds(self, name: str, room: RoomState, slack: int) -> bool:
        policy = self._policy(name)
        most = self._most(policy)
        if room.count > most + min(slack, most // _SLACK):
            return True
        if policy is None or policy.bytes is None:
            return False
        return room.bytes > policy.bytes + (policy.bytes // _SLACK if slack else 0)

    def _age(self, policy: Policy) -> int:
        return int((policy.age or 0.0) * 1000)

    def _expiry(self, room: RoomState, policy: Policy) -> int:
        """Return the log time (ms) at which the oldest event of a room expires."""
        return (stored_at(self._connection(), room.first) or 0) + self._age(policy)

    # --- trimming

    def has_work(self, time: int) -> bool:
        """Return whether a room exceeds a limit at a log time (ms)."""
        rooms = self._state.rooms
        self._over = {name for name in self._over if name in rooms and self._exceeds(name, rooms[name], 0)}
        return bool(self._over) or self.wait(time) <= 0

    def wait(self, time: int) -> float:
        """Return the seconds from a log time (ms) until `trim` has to look at the age of a room; may be infinite."""
        return (self._heap[0][0] - time) / 1000 if self._heap else float("inf")

    def trim(self, time: int, *, busy: bool) -> Changed:
        """Delete a slice of events beyond a limit, at a log time (ms). ``busy``: limits may be exceeded somewhat."""
        for _ in range(_LOOKED_AT):
            if self.wait(time) > 0:
                break
            if changed := self._expire(*heappop(self._heap), time):
                return changed
        for name in self._over:
            room = self._state.rooms.get(name)
            if room is not None and self._exceeds(name, room, _MAX_SLACK if busy else 0):
                return self._trim(name, room)
        return {}

    def _expire(self, due: int, name: str, time: int) -> Changed:
        """Delete a slice of a room's events that are older than its policy allows, and note when to go on."""
        if self._due.get(name) != due:
            return {}
        del self._due[name]
        room, policy = self._state.rooms.get(name), self._state.policies.get(name)
        if room is None or not room.count or policy is None or policy.age is None:
            return {}
        self._look_again(name, time + min(max(self._age(policy) // _SLACK, _SOONEST), _LATEST))
        end = first_stored(self._connection(), time - self._age(policy), self._state.head)
        seqs = (
            self._connection()
            .execute("SELECT seq FROM event WHERE room = ? AND seq < ? ORDER BY seq LIMIT ?", (room.id, end, _SLICE))
            .fetchall()
        )
        changed = self._deleter.delete("room = ? AND seq <= ?", (room.id, seqs[-1][0])) if seqs else {}
        if len(seqs) == _SLICE:
            self._look_again(name, time)
        elif room.count:
            self._look_again(name, max(self._due[name], self._expiry(room, policy)))
        else:
            del self._due[name]
        return changed

    def _trim(self, name: str, room: RoomState) -> Changed:
        """Delete the oldest events of the principal that has most of a room, by events or else by bytes."""
        policy = self._policy(name)
        most = self._most(policy)
        if room.count > most:
            return self._trim_heaviest(room, room.count - most, most, by_bytes=False)
        most = policy.bytes if policy and policy.bytes is not None else self._options.max_bytes
        return self._trim_heaviest(room, room.bytes - most, most, by_bytes=True)

    def _trim_heaviest(self, room: RoomState, excess: int, most: int, *, by_bytes: bool) -> Changed:
        tallies = self._state.tallies
        heaviest = tallies.heaviest_in(room.id, by_bytes=by_bytes)
        if heaviest is not None:
            user, lead = heaviest
            excess = min(excess, lead + most // _UNEVEN + 1)
        else:
            user = next(iter(tallies.in_room(room.id)), "")
        tally = tallies.of(user).get(room.id)
        if tally is None:
            return {}
        return self._deleter.delete_oldest(user, {room.id: tally}, excess, (lambda size: size) if by_bytes else _one)

    # --- policies

    def forgotten(self, time: int) -> list[str]:
        """Return rooms without events that nobody used for a day, and whose policies end; looks once in an hour."""
        policies, rooms = self._state.policies, self._state.rooms
        excess = len(policies) - MOST
        if excess <= 0 and time - self._forgotten_at < _HOUR:
            return []
        self._forgotten_at = time
        used = {name: _used(policy, rooms.get(name)) for name, policy in policies.items()}
        empty = sorted((name for name in used if used[name] < _IN_USE), key=used.__getitem__)
        return [name for at, name in enumerate(empty) if at < excess or time - used[name] > FORGOTTEN_AFTER]


def _used(policy: Policy, room: RoomState | None) -> float:
    if room is None:
        return policy.used
    return _IN_USE if room.count else max(policy.used, room.used)


def _one(_: int) -> int:
    return 1
