"""The subscriptions of this user that the hub keeps, as a list that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from typing import Any

from .commands import Commands

_COLUMNS = ("room", "name", "kind", "cursor", "head", "state", "last used")
_LEFT = 'style="text-align: left"'
_SHOWN = 100
_NONE = "No subscriptions."


@dataclass(frozen=True, slots=True)
class Subscription:
    """The cursor of a reader in a room, kept by the hub.

    Attributes
    ----------
    room, name : str
        ``name`` is the path of a notebook, or the ``as_`` of a join.
    kind : str
        ``"notebook"`` or ``"name"``.
    cursor, head : int
        The seq up to which events were handled, and the seq of the room's newest event.
    live : bool
        Whether a client uses it now.
    used : datetime
        The time of the last use.
    ended, expires : datetime or None
        When it ended, or when it will end if it is not used before.
    """

    room: str
    name: str
    kind: str
    cursor: int
    head: int
    live: bool
    used: datetime
    ended: datetime | None = None
    expires: datetime | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Subscription:
        """Make one from its fields on the wire."""
        room, name, kind = (str(fields.get(key) or "") for key in ("room", "as", "kind"))
        cursor, head = (int(fields.get(key) or 0) for key in ("cursor", "head"))
        used, ended, expires = (_time(fields.get(key)) for key in ("used", "ended", "expires"))
        return cls(room, name, kind, cursor, head, bool(fields.get("live")), used or _START, ended, expires)

    @property
    def state(self) -> str:
        """``"in use"``, ``"idle"`` or ``"ended"``."""
        return "ended" if self.ended else "in use" if self.live else "idle"


class Subscriptions(list[Subscription]):
    """A list of `Subscription`, the most recently used first."""

    def __repr__(self) -> str:
        if not self:
            return _NONE
        rows = [_COLUMNS, *map(_cells, self[:_SHOWN])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(line.rstrip() for line in [*lines, *self._left_out()])

    def _repr_html_(self) -> str:
        """Return a table. Text that people wrote is escaped."""
        if not self:
            return f"<p>{_NONE}</p>"
        head = "".join(f"<th {_LEFT}>{column}</th>" for column in _COLUMNS)
        body = "".join(_row(_cells(each)) for each in self[:_SHOWN])
        note = "".join(f"<p>{line}</p>" for line in self._left_out())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"

    def _left_out(self) -> list[str]:
        return [f"... and {len(self) - _SHOWN:,} more"] if len(self) > _SHOWN else []


async def read_subscriptions(commands: Commands, room: str | None) -> Subscriptions:
    """Ask the hub for this user's subscriptions."""
    reply = await commands.ask_patiently("subscriptions", {} if room is None else {"room": room})
    return Subscriptions(map(Subscription.of, reply["subscriptions"]))


_START = datetime.fromtimestamp(0, timezone.utc)


def _time(ms: Any) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, timezone.utc)


def _cells(each: Subscription) -> tuple[str, ...]:
    used = each.used.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return each.room, each.name, each.kind, str(each.cursor), str(each.head), each.state, used


def _row(cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<td {_LEFT}>{escape(cell)}</td>" for cell in cells) + "</tr>"
