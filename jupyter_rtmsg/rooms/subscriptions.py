"""The subscriptions of this user that the hub keeps, as a list that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .commands import Commands
from .table import Table

if TYPE_CHECKING:
    import pandas


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
        return _TABLE.text(self)

    def _repr_html_(self) -> str:
        """Return a table. Text that people wrote is escaped."""
        return _TABLE.html(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with a row per subscription: its attributes, and its ``state``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return _TABLE.to_pandas(self)


async def read_subscriptions(commands: Commands, room: str | None) -> Subscriptions:
    """Ask the hub for this user's subscriptions."""
    reply = await commands.ask_patiently("subscriptions", {} if room is None else {"room": room})
    return Subscriptions(map(Subscription.of, reply["subscriptions"]))


_START = datetime.fromtimestamp(0, timezone.utc)


def _time(ms: Any) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, timezone.utc)


_TABLE: Table[Subscription] = Table(
    ("room", "name", "kind", "cursor", "head", "state", "last used"),
    lambda each: (each.room, each.name, each.kind, each.cursor, each.head, each.state, each.used),
    fields=("room", "name", "kind", "cursor", "head", "state", "used", "ended", "expires"),
    times=("used", "ended", "expires"),
    empty="No subscriptions.",
)
