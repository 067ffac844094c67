"""The rooms of a hub, as a table."""

from __future__ import annotations

from typing import Any

from .table import SHOWN, Table, TableList


def room_table(shown: int | None = SHOWN) -> Table[dict[str, Any]]:
    """Return how rooms are shown.

    Parameters
    ----------
    shown : int or None
        The rooms that are shown; None for all.
    """
    return Table(
        ("room", "events", "bytes", "members", "newest"),
        lambda room: (room["room"], room["count"], room["bytes"], room["members"], room["head"]),
        fields=("room", "count", "bytes", "members", "head"),
        record=dict,
        empty="No rooms.",
        shown=shown,
    )


class RoomList(TableList[dict[str, Any]]):
    """Dicts of ``room, head, first, count, bytes, members``; shown as a table."""

    _table = room_table()
