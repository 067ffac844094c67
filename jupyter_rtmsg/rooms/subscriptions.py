"""The subscriptions of this user that the hub keeps, as a list that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from jupyter_rtmsg.errors import RtmsgError, WrongCall

from .commands import Commands, Reply
from .decoding import NO_POSITION
from .subscription import SeekTo, target
from .table import Table, TableList


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
    _moves: SubscriptionMoves | None = field(default=None, repr=False, compare=False)
    _run: Callable[[Coroutine[Any, Any, Any]], Any] = field(default=lambda task: task, repr=False, compare=False)

    @classmethod
    def of(cls, fields: Mapping[str, Any], moves: SubscriptionMoves | None = None) -> Subscription:
        """Make one from its fields on the wire."""
        room, name, kind = (str(fields.get(key) or "") for key in ("room", "as", "kind"))
        cursor, head = (int(fields.get(key) or 0) for key in ("cursor", "head"))
        used, ended, expires = (_time(fields.get(key)) for key in ("used", "ended", "expires"))
        return cls(room, name, kind, cursor, head, bool(fields.get("live")), used or _START, ended, expires, moves)

    def blocking(self, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Subscription:
        """Return the same for code that does not await: ``run`` waits for a coroutine."""
        return replace(self, _run=run)

    def delete(self) -> Any:
        """Delete it (awaited, if an `AsyncClient` listed it). A client that uses it keeps it until it leaves."""
        return self._run(self._known().delete(self.room, self.name))

    def seek(self, to: SeekTo) -> Any:
        """Move it, also while another client uses it, and return the position before (awaited, as `delete`).

        Parameters
        ----------
        to : int, float, datetime or str
            As in `Room.seek`.
        """
        return self._run(self._known().seek(self.room, self.name, to))

    def _known(self) -> SubscriptionMoves:
        if self._moves is None:
            raise WrongCall("this subscription was not listed by a client. Write hub.subscriptions()[0].delete()")
        return self._moves

    @property
    def state(self) -> str:
        """``"in use"``, ``"idle"`` or ``"ended"``."""
        return "ended" if self.ended else "in use" if self.live else "idle"


_TABLE: Table[Subscription] = Table(
    ("room", "name", "kind", "cursor", "head", "state", "last used"),
    lambda each: (each.room, each.name, each.kind, each.cursor, each.head, each.state, each.used),
    fields=("room", "name", "kind", "cursor", "head", "state", "used", "ended", "expires"),
    times=("used", "ended", "expires"),
    empty="No subscriptions.",
)


class Subscriptions(TableList[Subscription]):
    """A list of `Subscription`, the most recently used first."""

    _table = _TABLE

    def blocking(self, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Subscriptions:
        """Return the same for code that does not await: ``run`` waits for a coroutine."""
        return Subscriptions(each.blocking(run) for each in self)


class SubscriptionMoves:
    """Moves and deletes subscriptions of this user by their names, also those that other clients use.

    Parameters
    ----------
    commands : Commands
    sought : callable
        Called with room, name and reply of a seek before anything else is read; returns what to await after it.
    """

    def __init__(
        self, commands: Commands, sought: Callable[[str, str, Reply], Callable[[], Awaitable[None]] | None]
    ) -> None:
        self._commands = commands
        self._sought = sought

    async def delete(self, room: str, name: str) -> None:
        """Delete one."""
        await self._commands.ask("unsubscribe", {"room": room, "as": name})

    async def seek(self, room: str, name: str, to: SeekTo) -> int:
        """Move one, and return the position before. If this client uses it, it continues from there."""
        after: list[Callable[[], Awaitable[None]] | None] = []
        request = {"room": room, "as": name, "to": target(to, NO_POSITION.era)}

        def take(reply: Reply) -> None:
            after.append(self._sought(room, name, reply))

        reply = await self._commands.ask("seek", request, then=take)
        for rejoin in filter(None, after):
            with suppress(RtmsgError):  # without a connection now, the next one joins
                await rejoin()
        return int(reply["was"])


async def read_subscriptions(commands: Commands, room: str | None, moves: SubscriptionMoves) -> Subscriptions:
    """Ask the hub for this user's subscriptions."""
    reply = await commands.ask_patiently("subscriptions", {} if room is None else {"room": room})
    return Subscriptions(Subscription.of(fields, moves) for fields in reply["subscriptions"])


_START = datetime.fromtimestamp(0, timezone.utc)


def _time(ms: Any) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, timezone.utc)
