"""Who is in a room now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a room.

    Attributes
    ----------
    member : str
        The id that events carry as ``event.sender.member``; the same across reconnects.
    user, kind, name : str
        The authenticated user; ``"browser"``, ``"kernel"``, ``"script"`` or ``"agent"``; the name, see `Sender`.
    state : str
        ``"here"``, or ``"away"`` when the connection was lost a moment ago.
    notebook : str or None
        The path of a kernel's notebook. None where it is another user's and not everybody may see it.
    """

    member: str
    user: str
    kind: str
    name: str
    state: str = "here"
    notebook: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Member:
        """Make one from what the wire brought."""
        member, user, kind, name = (str(fields.get(key) or "") for key in ("member", "user", "kind", "name"))
        return cls(
            member,
            user,
            "script" if kind == "client" else kind,
            name or user,
            str(fields.get("state") or "here"),
            fields.get("notebook"),
        )


class Members:
    """The members of a room, kept up to date by ``$presence``."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self.count = 0

    def replace(self, members: Iterable[Mapping[str, Any]], count: int) -> None:
        """Take the snapshot that a join answers with."""
        self._members = {member.member: member for member in map(Member.of, members)}
        self.count = count

    def change(self, changes: Iterable[Mapping[str, Any]], count: int) -> None:
        """Take what has changed since."""
        members = dict(self._members)  # replaced as a whole: other threads read it
        for member in map(Member.of, changes):
            if member.state == "left":
                members.pop(member.member, None)
            else:
                members[member.member] = member
        self._members = members
        self.count = count

    def get(self, member: str) -> Member | None:
        """Return the member with this id, if it is among those that are known."""
        return self._members.get(member)

    def all(self) -> list[Member]:
        """Return the members; a large room's list is cut, see ``count``."""
        return list(self._members.values())
