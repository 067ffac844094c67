"""Members of a room, as a view shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from jupyter_rtmsg.rooms.members import Member
from jupyter_rtmsg.rooms.names import Names, title


class Label(TypedDict):
    """What the browser is sent of a member."""

    member: str
    label: str
    title: str
    state: str


def labels(members: Iterable[Member], names: Names) -> list[Label]:
    """Return what is shown of the members."""
    return [
        {"member": member.member, "label": names.of(member), "title": title(member), "state": member.state}
        for member in members
    ]
