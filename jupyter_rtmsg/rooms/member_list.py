"""The members of a room as people see them: a sequence with a short text and a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import overload

from jupyter_rtmsg.invisible import escaped

from .members import Member
from .names import Names

_NAMED = 10
_COLUMNS = ("who", "kind", "user", "notebook", "state")
_LEFT = 'style="text-align: left" dir="auto"'


class MemberList(Sequence[Member]):
    """Who is in a room, as it was when it was asked for.

    Parameters
    ----------
    members : iterable of Member
    total : int, optional
        How many there are: a large room's list is cut.
    me : str, optional
        The id of this client's own member.
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
        """Return the first ten by name, and how many more there are."""
        if not self._members:
            return "nobody is listed" if self.total else "nobody"
        names = Names(self._you, self._members)
        said = ", ".join(self._named(member, names) for member in self._members[:_NAMED])
        more = self.total - min(len(self._members), _NAMED)
        return f"{said} and {more} more" if more else said

    def _named(self, member: Member, names: Names) -> str:
        marks = ["this one"] if member.member == self._me else []
        marks += [member.state] if member.state != "here" else []
        return f"{names.of(member)} [{', '.join(marks)}]" if marks else names.of(member)

    def _repr_html_(self) -> str:
        """Return a table; everything that people wrote is escaped."""
        head = "".join(f"<th {_LEFT}>{column}</th>" for column in _COLUMNS)
        names = Names(self._you, self._members)
        body = "".join(self._row(member, names) for member in self._members)
        left_out = self.total - len(self)
        note = f"<p>{self.total:,} members; {left_out:,} are not listed.</p>" if left_out else ""
        return f"{note}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _row(self, member: Member, names: Names) -> str:
        told = (member.kind, member.user, member.notebook or "", member.state)
        cells = (self._named(member, names), *map(escaped, told))
        return "<tr>" + "".join(f"<td {_LEFT}>{escape(cell)}</td>" for cell in cells) + "</tr>"
