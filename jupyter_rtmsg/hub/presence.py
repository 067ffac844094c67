"""Who is in a room: states and what the others were told of them. No timers and no I/O in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from .identity import Identity

HERE, AWAY, LEFT = "here", "away", "left"


class View(NamedTuple):
    """A member as others see it; ``notebook`` is for its own user only, unless it is ``public``."""

    member: str
    user: str
    kind: str
    name: str
    state: str
    notebook: str | None
    public: bool

    def shown_to(self, principal: str | None) -> dict[str, Any]:
        """Return what a principal may see of it (None: what everybody may)."""
        shown = {"member": self.member, "user": self.user, "kind": self.kind, "name": self.name, "state": self.state}
        if self.notebook is not None and (self.public or principal == self.user):
            shown["notebook"] = self.notebook
        return shown


@dataclass(slots=True)
class _Member:
    identity: Identity
    connections: int = 0
    state: str = HERE
    told: View | None = None  # what everybody in the room knows of it
    seen: bool = False  # somebody may know something else: tell everybody, whatever was told last

    def view(self) -> View:
        who = self.identity
        return View(
            who.member, who.principal, who.kind, who.name or who.principal, self.state, who.notebook, who.public
        )


class Presence:
    """The members of one room.

    A member is a client, however many connections it has and however often it comes back.
    """

    __slots__ = ("_changed", "_members")

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._changed: dict[str, _Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    @property
    def changed(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._changed)

    def arrive(self, identity: Identity) -> None:
        """Count a connection of a member, which has joined."""
        member = self._members.get(identity.member)
        if member is None:
            # One that has left, and whom nobody was told of yet, is the same as before.
            member = self._changed.get(identity.member) or _Member(identity)
            self._members[identity.member] = member
        member.connections += 1
        member.state = HERE
        self._update(member, identity)

    def describe(self, identity: Identity) -> None:
        """Take a new description of a member."""
        member = self._members.get(identity.member)
        if member is not None:
            self._update(member, identity)

    def depart(self, key: str, *, lost: bool) -> bool:
        """Count a connection of a member as gone.

        Parameters
        ----------
        key : str
            Of the member.
        lost : bool
            It broke, and may come back.

        Returns
        -------
        bool
            Whether the member is away now: the caller is to `expire` it after the grace time.
        """
        member = self._members.get(key)
        if member is None:
            return False
        member.connections -= 1
        if member.connections > 0:
            return False
        if lost:
            member.state = AWAY
            self._changed[key] = member
        else:
            self._leave(key, member)
        return lost

    def expire(self, key: str) -> None:
        """Count a member as left, whose grace time is over, unless it came back."""
        member = self._members.get(key)
        if member is not None and member.state == AWAY:
            self._leave(key, member)

    def listing(self, principal: str, limit: int) -> list[dict[str, Any]]:
        """Return the members, in the order in which they came, as a principal may see them."""
        members = list(self._members.values())[:limit]
        for member in members:
            member.seen = member.seen or member.identity.member in self._changed
        return [member.view().shown_to(principal) for member in members]

    def take_changes(self, limit: int) -> list[View]:
        """Return the members that are not as everybody was told, and count them as told."""
        changes: list[View] = []
        while self._changed and len(changes) < limit:
            key = next(iter(self._changed))
            member = self._changed.pop(key)
            view = member.view()
            if member.seen or (view != member.told and (member.told or view.state != LEFT)):
                changes.append(view)
            member.told, member.seen = view, False
        return changes

    def _update(self, member: _Member, identity: Identity) -> None:
        member.identity = identity
        self._changed[identity.member] = member

    def _leave(self, key: str, member: _Member) -> None:
        member.state = LEFT
        del self._members[key]
        self._changed[key] = member
