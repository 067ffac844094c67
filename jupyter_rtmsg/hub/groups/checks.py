"""What a new worker group must keep to, and what its workers must agree on."""

from __future__ import annotations

from collections.abc import Collection

from jupyter_rtmsg.errors import GroupConflict, LimitExceeded
from jupyter_rtmsg.hub.limits import Limits
from jupyter_rtmsg.log import GroupSettings, StoredGroup


def check_number(groups: Collection[StoredGroup], room: str, maker: str, limits: Limits, owner: str | None) -> None:
    """Raise `LimitExceeded` if a user may not make a further group in a room."""
    delete = "delete a group that is no longer needed"
    if len(groups) >= limits.groups:
        raise LimitExceeded(f"there are {len(groups)} groups, and the limit is {limits.groups}: {delete}")
    if (here := sum(group.room == room for group in groups)) >= limits.groups_per_room:
        raise LimitExceeded(f"room {room!r} has {here} groups, the limit for one room: {delete}")
    mine = sum(group.maker == maker for group in groups)
    if mine >= max(1, limits.groups // 10) and maker != owner:
        raise LimitExceeded(f"{maker} has made {mine} groups, the limit for one user: {delete}")


def check_agreement(group: StoredGroup, settings: GroupSettings, others: int) -> None:
    """Raise `GroupConflict` if a worker asks for other settings than the other workers of its group."""
    for field in settings.__struct_fields__ if others else ():
        theirs, mine = getattr(group.settings, field), getattr(settings, field)
        if theirs != mine:
            raise GroupConflict(
                f"`{field}` of group {group.name!r} in room {group.room!r} is {theirs!r}, not {mine!r}: ask for the "
                f"same, stop its other workers ({others}), or choose another name"
            )
