"""The members of a room, their states, and the changes not broadcast yet. No timers and no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from .identity import Identity

HERE, AWAY, LEFT = "here", "away", "left"


class MemberView(NamedTuple):
    """A member as others see it. Unless it is ``public``, only its own user sees ``notebook``."""

    member: str
    user: str
    kind: str
    name: str
    state: str
    notebook: str | None
    public: bool

    def shown_to(self, principal: str | None) -> dict[str, Any]:
        """Return the fields that a principal may see; with None, those that everybody may see."""
        shown = {"member": self.member, "user": self.user, "kind": self.kind, "name": self.name, "state": self.state}
        if self.notebook is not None and (self.public or principal == self.user):
            shown["notebook"] = self.notebook
        return shown


@dataclass(slots=True)
class _Member:
    identity: Identity
    connections: int = 0
    state: str = HERE
    told: MemberView | None = None  # the view that was broadcast last
    seen: bool = False  # a listing may have shown another view than that: broadcast the next one in any case

    def view(self) -> MemberView:
        who = self.identity
        return MemberView(
            who.member, who.principal, who.kind, who.name or who.principal, self.state, who.notebook, who.public
        )


class Presence:
    """The members of one room.

    A member is one client, with any number of connections at once or one after the other. Its states: *here*, *away*
    (its last connection broke, and may come back), *left*. Changes are gathered until `take_changes`.
    """

    __slots__ = ("_changed", "_members")

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._changed: dict[str, _Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, key: str) -> bool:
        return key in self._members

    @property
    def changed(self) -> bool:
        """Whether there may be changes to broadcast."""
        return bool(self._changed)

    def arrive(self, identity: Identity) -> None:
        """Count a connection that has joined."""
        member = self._members.get(identity.member)
        if member is None:
            # If its leave has not been broadcast yet, it continues as the same member.
            member = self._changed.get(identity.member) or _Member(identity)
            self._members[identity.member] = member
        member.connections += 1
        member.state = HERE
        self._update(member, identity)

    def describe(self, identity: Identity) -> None:
        """Replace the identity of a member."""
        member = self._members.get(identity.member)
        if member is not None:
            self._update(member, identity)

    def depart(self, key: str, *, lost: bool) -> bool:
        """Count a connection as gone.

        Parameters
        ----------
        key : str
            The member's id.
        lost : bool
            Whether the connection broke, and may come back.

        Returns
        -------
        bool
            Whether the member is away now. Then the caller must call `expire` after the grace time.
        """
        member = self._members.get(key)
        if member is None:
            return False
        member.connections -= 1
        if member.connections > 0:
            return False  # the client is connected elsewhere, too
        if lost:
            member.state = AWAY
            self._changed[key] = member
        else:
            self._leave(key, member)
        return lost

    def expire(self, key: str) -> bool:
        """Change a member from away to left, after its grace time; return whether it was away."""
        member = self._members.get(key)
        if member is None or member.state != AWAY:
            return False
        self._leave(key, member)
        return True

    def listing(self, principal: str, limit: int) -> list[dict[str, Any]]:
        """Return the members as a principal may see them, in the order in which they came."""
        members = list(self._members.values())[:limit]
        for member in members:
            member.seen = member.seen or member.identity.member in self._changed
        return [member.view().shown_to(principal) for member in members]

    def take_changes(self, limit: int) -> list[MemberView]:
        """Return the members that have changed since the last broadcast, and count them as broadcast."""
        changes: list[MemberView] = []
        # The oldest changes first. Those beyond the limit stay for the next broadcast.
        while self._changed and len(changes) < limit:
            key = next(iter(self._changed))
            member = self._changed.pop(key)
            view = member.view()
            # A member that came and left between two broadcasts is not mentioned, unless a listing has shown it.
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
        self._changed[key] = member  # until the change is broadcast; `arrive` finds it here
