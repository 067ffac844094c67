"""What all rooms are doing: how many events a second, how much worker groups have to do, and dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_rtmsg.errors import CommandError

from .commands import Commands
from .groups import Groups, read_groups
from .table import Table, TableList

MOST_ASKED = 50
"""Rooms whose worker groups one look asks for: those that were active last."""


@dataclass(frozen=True, slots=True)
class RoomOverview:
    """What a room is doing.

    Attributes
    ----------
    room : str
    rate : float or None
        Stored events a second since the earlier look; None without one.
    head : int
        The seq of the newest event.
    count, bytes : int
        The stored events that are held, and the size of their data and attachments.
    members : int
    groups, lag, dead : int
        The number of worker groups, the events that they have to do, and their dead letters.
    problem : str or None
        Why this user is not told of the groups.
    """

    room: str
    rate: float | None
    head: int
    count: int
    bytes: int
    members: int
    groups: int
    lag: int
    dead: int
    problem: str | None = None


_TABLE: Table[RoomOverview] = Table(
    ("room", "events/s", "lag", "dead letters", "members", "held", "bytes", "problem"),
    lambda each: (
        each.room, None if each.rate is None else f"{each.rate:,.1f}", each.lag, each.dead, each.members, each.count,
        each.bytes, each.problem,
    ),
    fields=("room", "rate", "lag", "dead", "groups", "members", "count", "bytes", "head", "problem"),
    empty="No rooms.",
)  # fmt: skip


class RoomsOverview(TableList[RoomOverview]):
    """A list of `RoomOverview`, by name.

    Attributes
    ----------
    asked : float
        When the hub was asked, in seconds of a clock that is never set back.
    """

    _table = _TABLE

    def __init__(self, rooms: Iterable[RoomOverview] = (), asked: float = 0.0) -> None:
        super().__init__(rooms)
        self.asked = asked


async def read_overview(
    commands: Commands, rooms: Iterable[Mapping[str, Any]], since: RoomsOverview | None
) -> RoomsOverview:
    """Ask the hub what rooms are doing.

    Parameters
    ----------
    commands : Commands
    rooms : iterable of dict
        As the command ``rooms`` lists them.
    since : RoomsOverview or None
        An earlier look, since which events are counted. Rooms in which nothing has changed are not asked again.
    """
    now = time.monotonic()
    before = {each.room: each for each in since or ()}
    seconds = max(now - since.asked, 1e-3) if since else 0.0
    latest = sorted(rooms, key=lambda each: int(each["head"]), reverse=True)
    found = []
    for at, fields in enumerate(latest):
        look = _Look(commands, fields, before.get(fields["room"]), seconds)
        found.append(await look.read(asks=at < MOST_ASKED))
    return RoomsOverview(sorted(found, key=lambda each: each.room), now)


class _Look:
    """One look at a room."""

    def __init__(
        self, commands: Commands, fields: Mapping[str, Any], before: RoomOverview | None, seconds: float
    ) -> None:
        self._commands = commands
        self._fields = fields
        self._before = before
        self._seconds = seconds

    async def read(self, *, asks: bool) -> RoomOverview:
        fields, problem = self._fields, None
        groups = Groups()
        try:
            rate = await self._rate()
            if asks and self._is_new():
                groups = await read_groups(self._commands, fields["room"])
        except CommandError as error:  # deleted meanwhile, or a right that was revoked: the others are shown
            rate, problem = None, error.message
        numbers = self._numbers(groups, asks=asks)
        held = {key: int(fields[key]) for key in ("head", "count", "bytes", "members")}
        return RoomOverview(room=fields["room"], rate=rate, problem=problem, **held, **numbers)

    def _is_new(self) -> bool:
        """Whether the groups may have changed: a worker comes as a member, and work as an event."""
        before = self._before
        if before is None or before.lag or before.dead:
            return True
        return (before.head, before.members) != (self._fields["head"], self._fields["members"])

    def _numbers(self, groups: Groups, *, asks: bool) -> dict[str, int]:
        before = self._before
        if before is not None and not (asks and self._is_new()):
            return {"groups": before.groups, "lag": before.lag, "dead": before.dead}
        return {
            "groups": len(groups),
            "lag": sum(group.lag for group in groups),
            "dead": sum(group.dead for group in groups),
        }

    async def _rate(self) -> float | None:
        """Return the stored events a second since the earlier look. A seq is no number of events: they are counted."""
        head, before = int(self._fields["head"]), self._before
        if not self._seconds:
            return None
        if before is not None and before.head >= head:
            return 0.0
        after = before.head if before is not None else 0
        reply = await self._commands.ask_patiently("lag", {"room": self._fields["room"], "after": after})
        return float(reply["missed"]) / self._seconds
