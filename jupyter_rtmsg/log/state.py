"""The state of a log, as the writer keeps it in memory. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Protocol

import msgspec

from jupyter_rtmsg.errors import LogRoomFull

from .policy import FORGOTTEN_AFTER, Policy
from .records import RoomStats
from .retained import RetainedChanges, RetainedValues
from .tallies import Tallies


class RoomState(msgspec.Struct, gc=False):
    """A room, as the writer knows it.

    Attributes
    ----------
    id : int
        Its key in the file.
    first, head : int
        Positions of its oldest event that is held, and of its newest one ever.
    count, bytes : int
        Number of its events that are held, and the bytes of their data and attachments.
    n : int
        The number of its newest event.
    maker : str
        The principal that made it.
    used : int
        Last use (ms of log time).
    since : int
        Position up to which it was deleted; 0 if it never was.
    retained : int
        Number of its retained values.
    """

    id: int
    first: int = 0
    head: int = 0
    count: int = 0
    bytes: int = 0
    n: int = 0
    maker: str = ""
    used: int = 0
    since: int = 0
    retained: int = 0

    def copy(self) -> RoomState:
        """Return a copy that can be changed independently."""
        return RoomState(
            self.id, self.first, self.head, self.count, self.bytes, self.n, self.maker, self.used, self.since,
            self.retained,
        )  # fmt: skip

    def stats(self) -> RoomStats:
        """Return the size of the room. ``first`` of a room without events is ``head + 1``."""
        first = self.first if self.count else self.head + (self.head > 0)
        return RoomStats(first, self.head, self.count, self.bytes, self.maker, self.n, self.retained)

    def hold(self, first: int, count: int, size: int) -> None:
        """Set its oldest event, the number of its events, and their bytes."""
        self.first, self.count, self.bytes = first, count, size

    def advance(self, head: int, n: int) -> None:
        """Set its newest event, unless that was an earlier one."""
        self.head, self.n = max(self.head, head), max(self.n, n)

    def touch(self, time: int) -> None:
        """Record a use at a log time (ms), unless it was used later."""
        self.used = max(self.used, time)

    def retain(self, count: int) -> None:
        """Set the number of its retained values."""
        self.retained = count

    def delete_until(self, since: int) -> None:
        """Record its deletion up to a position."""
        self.since = since


class PolicyChanges:
    """The policies of rooms as a batch sees them: those of the log, and those that the batch changes.

    Parameters
    ----------
    policies : mapping of str to Policy
        Those before the batch.

    Attributes
    ----------
    changed : dict
        The new policy of each room that gets another one; None if it has none any more.
    refused : bool
        Whether an event was refused.
    """

    __slots__ = ("_before", "_lifted", "changed", "refused")

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._before = policies
        self._lifted = False
        self.refused = False
        self.changed: dict[str, Policy | None] = {}

    def of(self, room: str) -> Policy | None:
        """Return the policy of a room."""
        return self.changed[room] if room in self.changed else self._before.get(room)

    def set(self, room: str, data: bytes, time: int) -> None:
        """Set the policy in the data of a draft (`POLICY`), as of a log time (ms)."""
        policy = msgspec.json.decode(data, type=Policy)
        self.changed[room] = None if policy.is_empty else msgspec.structs.replace(policy, used=time)

    def drop(self, room: str) -> None:
        """Remove the policy of a room, which was deleted."""
        if self.of(room) is not None:
            self.changed[room] = None

    def forget(self, room: str, time: int) -> None:
        """Remove the policy of an empty room that was not used for a day, and gets a new maker at a log time (ms)."""
        policy = self.of(room)
        if policy is not None and time - policy.used > FORGOTTEN_AFTER:
            self.changed[room] = None

    def lift(self) -> None:
        """Admit every event of this batch, since all of them were acknowledged before."""
        self._lifted = True

    def admit(self, name: str, room: RoomState | None, size: int) -> None:
        """Raise `LogRoomFull` if a room does not take an event with this size in bytes."""
        if not (self._before or self.changed) or self._lifted:
            return
        policy = self.of(name)
        fault = None if policy is None else _fault(name, policy, room, size)
        if fault is not None:
            self.refused = True
            raise LogRoomFull(fault)


def _fault(name: str, policy: Policy, room: RoomState | None, size: int) -> str | None:
    """Return why a room does not take an event, or None."""
    count, held = (room.count, room.bytes) if room else (0, 0)
    if policy.bytes is not None and size > policy.bytes:
        return (
            f"the event has {size:,} bytes, and room {name!r} holds at most {policy.bytes:,} in all, by its policy: "
            "send it in parts, or let the room's maker raise the limit"
        )
    if policy.refuse and policy.count is not None and count >= policy.count:
        return _full(name, f"{count:,} of at most {policy.count:,} events")
    if policy.refuse and policy.bytes is not None and held + size > policy.bytes:
        return _full(name, f"{held:,} of at most {policy.bytes:,} bytes, and the event has {size:,}")
    return None


def _full(room: str, held: str) -> str:
    return (
        f"room {room!r} holds {held}; its policy refuses more: let the room's maker delete it or raise the limit, or "
        "use another room"
    )


class Accepted(Protocol):
    """A committed `Batch`, as far as the state of the log changes by it."""

    head: int
    ts: int
    time: int
    ahead: int
    next_room: int
    bytes: int

    @property
    def rooms(self) -> Mapping[str, RoomState]:
        """The rooms that changed."""

    @property
    def saved_rooms(self) -> Mapping[str, None]:
        """The names of those that may be new."""

    @property
    def deleted(self) -> Mapping[str, int]:
        """Positions up to which rooms were deleted."""

    @property
    def policies(self) -> PolicyChanges:
        """The policies that changed."""

    @property
    def events(self) -> Sequence[Sequence[Any]]:
        """The rows of the new events."""

    @property
    def expiring(self) -> Sequence[int]:
        """When events of it expire (ms of log time)."""

    @property
    def retained(self) -> RetainedChanges | None:
        """The retained values that changed."""


@dataclass(slots=True)
class LogState:
    """The state of a log.

    Attributes
    ----------
    rooms, names : dict
        Rooms by name, and their names by id.
    head : int
        The position of the last event.
    ts : int
        The last timestamp (ms).
    time : int
        Log time of the last stored event (ms), see `LogClock`.
    ahead : int
        By how much log time was ahead of ts (ms) at the start of the present time span, see timeline.py.
    next_room : int
        The id of the next room.
    count, bytes : int
        Number of all events, and the bytes of their data and attachments.
    hidden : set of str
        Rooms that were deleted, and whose events are still in the file.
    tallies : Tallies
        The number of events of each principal in each room.
    policies : dict
        The policies of rooms by name, also of rooms without events.
    retained : RetainedValues
        The last event under each key of each room.
    next_expiry : float
        The log time (ms) at which the next event or value expires, or earlier.
    """

    # Owned by the writer's thread, which changes it by `accept` after each commit, and by `trimmed` and `forget` when
    # `Retention` has deleted rows. `loading.load_state` fills it from the file.

    rooms: dict[str, RoomState] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    head: int = 0
    ts: int = 0
    time: int = 0
    ahead: int = 0
    next_room: int = 1
    count: int = 0
    bytes: int = 0
    hidden: set[str] = field(default_factory=set)
    tallies: Tallies = field(default_factory=Tallies, compare=False)
    policies: dict[str, Policy] = field(default_factory=dict)
    retained: RetainedValues = field(default_factory=RetainedValues)
    next_expiry: float = field(default=inf, compare=False)

    def replace(self, other: LogState) -> None:
        """Become equal to another state."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    def accept(self, batch: Accepted) -> None:
        """Apply a committed batch."""
        self.rooms.update(batch.rooms)
        self.names.update((batch.rooms[name].id, name) for name in batch.saved_rooms)
        self.head, self.next_room = batch.head, batch.next_room
        if batch.events:
            self.ts, self.time, self.ahead = batch.ts, batch.time, batch.ahead
        self.count += len(batch.events)
        self.bytes += batch.bytes
        self.tallies.grow(batch.events)
        self.hidden.update(batch.deleted)
        if batch.policies.changed:
            self.set_policies(batch.policies.changed)
        if batch.retained is not None:
            batch.retained.accept(self.retained)
        if batch.expiring:
            self.expire_at(min(self.next_expiry, *batch.expiring))

    def expire_at(self, time: float) -> None:
        """Set when the next event or value expires."""
        self.next_expiry = time

    def trimmed(self, count: int, size: int) -> None:
        """Subtract deleted events."""
        self.count -= count
        self.bytes -= size

    def set_policies(self, changed: Mapping[str, Policy | None]) -> None:
        """Apply changes of policies; None removes one."""
        self.policies = self.policies_after(changed)

    def policies_after(self, changed: Mapping[str, Policy | None]) -> dict[str, Policy]:
        """Return the policies after changes."""
        if not changed:
            return self.policies
        merged = {**self.policies, **changed}  # a new dict, since the event loop reads the one before
        return {room: policy for room, policy in merged.items() if policy is not None}

    def forget(self, room: str) -> None:
        """Forget a room without events."""
        del self.names[self.rooms.pop(room).id]

    # --- for loading

    def add_room(self, name: str, room: RoomState) -> None:
        """Add a room of the file."""
        self.names[room.id] = name
        self.rooms[name] = room
        self.next_room = max(self.next_room, room.id + 1)

    def add_events(self, count: int, size: int) -> None:
        """Count events of the file."""
        self.count += count
        self.bytes += size

    def start_at(self, head: int) -> None:
        """Set the head, unless it is further."""
        self.head = max(self.head, head)

    def set_times(self, *, ts: int, time: int, ahead: int) -> None:
        """Set the times of the last stored event."""
        self.ts, self.time, self.ahead = ts, time, ahead
