"""Members of a room, as a view shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from jupyter_rtmsg.client.members import Member


class Label(TypedDict):
    """What the browser is sent of a member."""

    member: str
    label: str
    title: str
    state: str


def called(member: Member) -> str:
    """Return what to call somebody: the notebook where it is known, else the name given, else the user."""
    notebook = (member.notebook or "").rpartition("/")[2]
    return notebook or member.name or member.user


def labels(members: Iterable[Member]) -> list[Label]:
    """Return what is shown of the members."""
    return [
        {"member": member.member, "label": called(member), "title": _title(member), "state": member.state}
        for member in members
    ]


def _title(member: Member) -> str:
    return " · ".join(filter(None, (member.kind, member.user, member.notebook)))
