"""What the hub asks of its surroundings: who may do what in which room."""

from __future__ import annotations

from typing import Literal, Protocol

Action = Literal["read", "write"]


class Access(Protocol):
    """The rights of principals. Asked for every command and again from time to time, so it must answer at once."""

    def allows(self, principal: str, action: Action, room: str) -> bool:
        """Tell whether a principal may read (join, history, presence, lag) or write (publish) in a room."""


class Open:
    """The default: everybody may do everything, as in a server of one's own."""

    def allows(self, principal: str, action: Action, room: str) -> bool:
        """Return True."""
        return True
