"""The card of a client, as a cell shows it: its hub, and the rooms that it has joined."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from jupyter_rtmsg.names import escaped

from .membership import Membership
from .table import Table

_ROOMS: Table[Membership] = Table(
    ("room", "members", "newest event", "to handle", "missed before the join", "position kept as"),
    lambda each: (
        each.room, each.members.count, each.head, each.inbox.unhandled, each.resumption.missed_count, each.subscription,
    ),
    fields=("room",),
    empty='No room is joined. Write lab = hub.join("lab")',
)  # fmt: skip


def html(url: str, state: str, user: str | None, kept: str, rooms: Sequence[Membership]) -> str:
    """Return a client as a card in HTML. Text that people wrote is escaped.

    Parameters
    ----------
    url : str
        The hub's server.
    state : str
        The state of the connection.
    user : str or None
        The user that it connected as.
    kept : str
        Where the hub keeps events; empty if it is not known.
    rooms : sequence of Membership
        The joined rooms.
    """
    who = f" as <bdi>{escape(escaped(user))}</bdi>" if user else ""
    where = f"<b>{escape(escaped(url))}</b>: {escape(state)}{who}"
    memory = f", {escape(kept)}" if kept and state == "connected" else ""
    return f"<div>{where}{memory}</div>{_ROOMS.html(rooms)}"
