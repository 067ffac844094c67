"""What the hub asks of its surroundings: who may do what in which room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

Action = Literal["read", "write", "manage"]

Permits = Callable[[str], bool]
"""Tells whether the subscriptions of a principal may be moved or ended."""


def anybody(principal: str) -> bool:
    """Permit it for every principal."""
    return True


def nobody(principal: str) -> bool:
    """Permit it for no principal."""
    return False


class Access(Protocol):
    """The rights of credentials. Asked for every command and again from time to time, so it must answer at once."""

    def allows(self, credential: str, action: Action, room: str) -> bool:
        """Tell whether a connection may act in a room.

        Parameters
        ----------
        credential : str
            What the connection showed to come in (`Identity.credential`): of two tokens of one user, one may read only.
        action : str
            ``"read"`` (join, history, presence, lag), ``"write"`` (publish) or ``"manage"`` (delete).
        room : str
        """


class Open:
    """The default: everybody may read and write, and manage the rooms that they made."""

    def allows(self, credential: str, action: Action, room: str) -> bool:
        """Tell whether it is reading or writing."""
        return action != "manage"
