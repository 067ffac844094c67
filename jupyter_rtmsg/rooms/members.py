"""The members of a room: one of them, the list that a client keeps, and the list that users see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from .names import Names
from .table import Displayed, Table

if TYPE_CHECKING:
    import pandas

_NAMED = 10  # members that a short text names


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a room.

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
        """Make a member from its fields on the wire."""
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
    """The members of a room, kept up to date by ``$presence``. Other threads may read it.

    Attributes
    ----------
    count : int
        The number of members; the hub does not list all of a large room.
    """

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self.count = 0

    def replace(self, members: Iterable[Mapping[str, Any]], count: int) -> None:
        """Take the list of a join's reply."""
        self._members = {member.member: member for member in map(Member.of, members)}
        self.count = count

    def change(self, changes: Iterable[Mapping[str, Any]], count: int) -> None:
        """Apply the changes of a ``$presence``."""
        members = dict(self._members)  # replaced as a whole, since other threads read it
        for member in map(Member.of, changes):
            if member.state == "left":
                members.pop(member.member, None)
            else:
                members[member.member] = member
        self._members = members
        self.count = count

    def get(self, member: str) -> Member | None:
        """Return the member with this id, or None if it is not listed."""
        return self._members.get(member)

    def find(self, member: str | None, user: str | None) -> Member | None:
        """Return the member with this id; in a large room that does not list it, what is known of it."""
        if member is None:
            return None
        return self.get(member) or Member(member, user or "", "", user or "")

    def all(self) -> list[Member]:
        """Return the listed members."""
        return list(self._members.values())


class MemberList(Sequence[Member]):
    """The members of a room at one moment.

    Parameters
    ----------
    members : iterable of Member
    total : int, optional
        The number of members; the list of a large room is cut.
    me : str, optional
        The id of this client's member.
    you : str, optional
        This client's user.
    """

    __slots__ = ("_me", "_members", "_you", "total")

    def __init__(
        self, members: Iterable[Member] = (), total: int = 0, me: str | None = None, you: str | None = None
    ) -> None:
        self._members = tuple(members)
        self._me = me
        self._you = you
        self.total = max(total, len(self._members))

    def __len__(self) -> int:
        return len(self._members)

    @overload
    def __getitem__(self, index: int) -> Member: ...
    @overload
    def __getitem__(self, index: slice) -> list[Member]: ...
    def __getitem__(self, index: int | slice) -> Member | list[Member]:
        return list(self._members[index]) if isinstance(index, slice) else self._members[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (MemberList, list, tuple)) and self._members == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        return f"<{self.total} {'member' if self.total == 1 else 'members'}: {self.summary()}>"

    def summary(self) -> str:
        """Return the names of the first ten members, and the number of the others."""
        if not self._members:
            return "nobody is listed" if self.total else "nobody"
        names = Names(self._you, self._members)
        listed = ", ".join(self._label(member, names) for member in self._members[:_NAMED])
        more = self.total - min(len(self._members), _NAMED)
        return f"{listed} and {more} more" if more else listed

    def _label(self, member: Member, names: Names) -> str:
        marks = ["this one"] if member.member == self._me else []
        marks += [member.state] if member.state != "here" else []
        return f"{names.of(member)} [{', '.join(marks)}]" if marks else names.of(member)

    def _repr_html_(self) -> str:
        """Return a table. Text that people wrote is escaped."""
        left_out = self.total - len(self)
        note = f"{self.total:,} members; {left_out:,} are not listed." if left_out else ""
        return self._table().html(self._members, note)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with a row per listed member.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return self._table().to_pandas(self._members)

    def _table(self) -> Table[Member]:
        names = Names(self._you, self._members)
        return Table(
            ("who", "kind", "user", "notebook", "state"),
            lambda each: (Displayed(self._label(each, names)), each.kind, each.user, each.notebook, each.state),
            fields=("name", "kind", "user", "notebook", "state", "member"),
            empty="Nobody is here.",
        )
