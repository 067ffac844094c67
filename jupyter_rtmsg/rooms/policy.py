"""How much a room may hold: its policy, as users read and set it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Literal

from .commands import Commands
from .membership import Membership
from .misuse import awaited, explained, policy_like_this


class Unchanged(Enum):
    """The default of a field that is not set."""

    UNCHANGED = "unchanged"

    def __repr__(self) -> str:
        return self.value


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class RoomPolicy:
    """How much a room may hold. A limit that is None is that of the log.

    Attributes
    ----------
    room : str
    count : int or None
        Events.
    age : float or None
        Seconds for which an event is kept.
    bytes : int or None
        Bytes of data and attachments of all events together.
    discard : str
        ``"old"``: a full room deletes old events; ``"refuse"``: it refuses new ones, with `RoomFull`.
    maker : str or None
        The user who made the room; None while it is empty.
    limits : mapping
        ``count``, ``age`` and ``bytes`` of the log, which hold for every room.
    """

    room: str
    count: int | None = None
    age: float | None = None
    bytes: int | None = None
    discard: str = "old"
    maker: str | None = None
    limits: Mapping[str, float] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, room: str, reply: Mapping[str, Any]) -> RoomPolicy:
        """Make one from the reply of the hub."""
        count, age, bytes = (reply.get(name) for name in ("count", "age", "bytes"))
        maker, limits = reply.get("maker"), reply.get("limits")
        return cls(room, count, age, bytes, str(reply.get("discard") or "old"), maker, limits or {})


class Policies:
    """Reads and sets the policy of a room. A room owns it.

    Parameters
    ----------
    membership : Membership
    commands : Commands
    """

    def __init__(self, membership: Membership, commands: Commands) -> None:
        self._membership = membership
        self._commands = commands

    @awaited
    @explained(policy_like_this)
    async def policy(
        self,
        *,
        count: int | Unchanged | None = UNCHANGED,
        age: float | timedelta | Unchanged | None = UNCHANGED,
        bytes: int | Unchanged | None = UNCHANGED,
        discard: Literal["old", "refuse"] | Unchanged = UNCHANGED,
    ) -> RoomPolicy:
        """Return how much the room may hold, and set it if arguments are given. What is not given stays.

        The user who made the room may set it, and the owner of the server; in an empty room who joined it first.

        Parameters
        ----------
        count : int, optional
            Events. None removes the limit, so that only that of the log holds.
        age : float or timedelta, optional
            Seconds for which an event is kept, at least one.
        bytes : int, optional
            Bytes of data and attachments of all events together. A larger event is refused.
        discard : {"old", "refuse"}, optional
            What happens in a room that has ``count`` events or ``bytes``. ``"old"``: the oldest events of the user with
            most of them are deleted. ``"refuse"``: `emit` raises `RoomFull`.

        Returns
        -------
        RoomPolicy

        Raises
        ------
        Forbidden
            If this user may not set it.
        BadRequest
            If a value is wrong, or above the limit of the log.
        """
        seconds = age.total_seconds() if isinstance(age, timedelta) else age
        fields = {"count": count, "age": seconds, "bytes": bytes, "discard": discard}
        given = {name: value for name, value in fields.items() if value is not UNCHANGED}
        self._membership.check()
        ask = self._commands.ask if given else self._commands.ask_patiently
        room = self._membership.room
        return RoomPolicy.of(room, await ask("policy", {"room": room, **given}))
