"""The subscription of a room: where its reader is, how much is ahead of it, and how it is moved."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from jupyter_rtmsg.advice import SUBSCRIPTION, no_such_name, short
from jupyter_rtmsg.client.blocking import blocking
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.errors import RtmsgError, WrongCall
from jupyter_rtmsg.names import escaped

from .commands import Commands, Reply
from .decoding import Era
from .history import Events, milliseconds, read_history
from .membership import Membership
from .misuse import awaited

SeekTo: TypeAlias = "int | float | datetime | str"
"""A seq (int), a time (float, in seconds since 1970, or datetime), ``"first"`` or ``"end"``."""


@dataclass(frozen=True, slots=True)
class SubscriptionLag:
    """The stored events after the cursor of a subscription.

    Attributes
    ----------
    count, bytes : int
        How many there are, and the size of their data and attachments.
    oldest : datetime or None
        When the hub took the oldest of them.
    by_event : dict of str to int
        The numbers of the 20 most frequent event names.
    other_names, other_events : int
        How many further names there are, and how many events have them.
    """

    count: int
    bytes: int
    oldest: datetime | None
    by_event: Mapping[str, int]
    other_names: int = 0
    other_events: int = 0

    @classmethod
    def of(cls, reply: Reply) -> SubscriptionLag:
        """Make one from the reply of the command ``lag``."""
        oldest, rest = reply.get("oldest"), reply.get("rest") or {}
        time = None if oldest is None else datetime.fromtimestamp(oldest / 1000, timezone.utc)
        names, events = (int(rest.get(key) or 0) for key in ("names", "events"))
        return cls(int(reply["missed"]), int(reply["bytes"]), time, dict(reply.get("by_event") or {}), names, events)


class ReaderPlace:
    """Moves the subscription of a room, and looks at what is ahead of it. A room owns it.

    Parameters
    ----------
    membership : Membership
    commands : Commands
    """

    def __init__(self, membership: Membership, commands: Commands) -> None:
        self._membership = membership
        self._commands = commands

    @awaited
    async def seek(self, to: SeekTo) -> int:
        """Move the subscription: events after the new position are handled next, again or for the first time.

        What is queued is dropped. A handler that runs now is not interrupted.

        Parameters
        ----------
        to : int, float, datetime or str
            An int is a seq: events after it come next. A float (seconds since 1970) or a datetime is a time.
            ``"first"`` is before the oldest stored event, ``"end"`` after the newest.

        Returns
        -------
        int
            The position before, as a seq: a seek to it undoes this one.

        Raises
        ------
        WrongCall
            If the room has no subscription, or ``to`` is none of these.
        BadRequest
            If the seq is beyond the newest event.
        """
        return await self._seek(target(to, self._membership.inbox.era))

    @awaited
    async def skip(self, n: int | None = None) -> int:
        """Count the next events as handled: all that are stored, or ``n`` of them.

        Returns
        -------
        int
            The position before, as a seq: a seek to it undoes this.

        Raises
        ------
        WrongCall
            If the room has no subscription.
        """
        if n is not None and (type(n) is not int or n < 0):
            raise WrongCall(
                f"skip() takes the number of events to skip, not {short(n)}. Write lab.skip(10), or lab.skip()"
            )
        return await self._seek("end" if n is None else {"skip": n})

    @awaited
    async def peek(self, n: int = 10) -> Events:
        """Return the next ``n`` events after the handled ones. Nothing is moved, and no handler is called."""
        position = self._membership.inbox.position
        reading = self._commands.ask_patiently
        fields: dict[str, Any] = position.era.fields if position.era.epoch else {}
        you, room = self._membership.user, self._membership.room
        return await read_history(reading, room, after=position.seq, limit=n, you=you, **fields)

    async def lag(self) -> SubscriptionLag:
        """Count the stored events after the cursor that the hub has, by their names."""
        return SubscriptionLag.of(await self._commands.ask_patiently("lag", {"room": self._membership.room}))

    async def expires(self) -> datetime | None:
        """Return when the subscription ends if it is not used before; None if it does not."""
        reply = await self._commands.ask_patiently("subscriptions", {"room": self._membership.room})
        name = self._membership.subscription
        times = [each.get("expires") for each in reply["subscriptions"] if each.get("as") == name and each.get("live")]
        return datetime.fromtimestamp(times[0] / 1000, timezone.utc) if times and times[0] is not None else None

    async def delete(self) -> None:
        """Delete the subscription. This room keeps it until it is left; the next join begins a new one."""
        await self._commands.ask("unsubscribe", {"room": self._membership.room, "as": self._name()})

    @property
    def position(self) -> int:
        """The seq up to which events are handled here."""
        return self._membership.inbox.handled

    def _name(self) -> str:
        name = self._membership.subscription
        if name is None:
            raise WrongCall(
                f"no place is kept for this reader of room {self._membership.room!r}. Write "
                f'hub.join({self._membership.room!r}, as_="reader") to have one, or lab.replay(after=...) without one'
            )
        return name

    async def _seek(self, to: Any) -> int:
        self._membership.check()
        self._name()
        membership = self._membership
        reply = await self._commands.ask("seek", {"room": membership.room, "to": to}, then=membership.sought)
        with contextlib.suppress(RtmsgError):  # without a connection now, the next one joins
            await membership.rejoin()
        return int(reply["was"])


def target(to: object, era: Era) -> Any:
    """Return the field ``to`` of a ``seek``; raise `WrongCall` for what is no position."""
    if to in ("first", "end"):
        return to
    if type(to) is int:
        return {"seq": to, **(era.fields if era.epoch else {})}
    if isinstance(to, (float, datetime)):
        return {"ts": milliseconds(to)}
    raise WrongCall(
        f'a seek is to a seq (an int), a time (a float or datetime), "first" or "end", not to {short(to)}. '
        'Write lab.seek("first"), or lab.seek(event.seq)'
    )


class AsyncRoomSubscription(str):
    """A room's subscription: the str is its name, and its methods move it. `AsyncRoom.subscription` makes one."""

    _place: ReaderPlace

    def __new__(cls, name: str, place: ReaderPlace) -> AsyncRoomSubscription:
        """Make one for a subscription with this name now: a notebook may be renamed."""
        self = super().__new__(cls, name)
        self._place = place
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, SUBSCRIPTION, awaited=True)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)

    def _repr_html_(self) -> str:
        return _html(self, self.position)

    @property
    def name(self) -> str:
        """The name: that of the notebook, or the ``as_`` of the join."""
        return str(self)

    @property
    def position(self) -> int:
        """The seq up to which events are handled here. The hub learns of it within a tenth of a second."""
        return self._place.position

    @awaited
    async def seek(self, to: SeekTo) -> int:
        """Move the subscription; see `AsyncRoom.seek`."""
        return await self._place.seek(to)

    @awaited
    async def skip(self, n: int | None = None) -> int:
        """Count the next events as handled; see `AsyncRoom.skip`."""
        return await self._place.skip(n)

    @awaited
    async def lag(self) -> SubscriptionLag:
        """Return how many stored events are after the cursor that the hub has, by their names."""
        return await self._place.lag()

    @awaited
    async def expires(self) -> datetime | None:
        """Return when the subscription ends if it is not used before; None if it does not."""
        return await self._place.expires()

    @awaited
    async def delete(self) -> None:
        """Delete the subscription. The room keeps it until it is left; the next join begins a new one."""
        await self._place.delete()


class RoomSubscription(str):
    """A room's subscription: the str is its name, and its methods move it. `Room.subscription` makes one."""

    _async: AsyncRoomSubscription
    _bridge: Bridge

    def __new__(cls, inner: AsyncRoomSubscription, bridge: Bridge) -> RoomSubscription:
        """Make the facade of an `AsyncRoomSubscription`."""
        self = super().__new__(cls, str(inner))
        self._async, self._bridge = inner, bridge
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, SUBSCRIPTION)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)

    def _repr_html_(self) -> str:
        return _html(self, self.position)

    @property
    def name(self) -> str:
        """The name: that of the notebook, or the ``as_`` of the join."""
        return str(self)

    @property
    def position(self) -> int:
        """The seq up to which events are handled here. The hub learns of it within a tenth of a second."""
        return self._async.position

    @property
    def lag(self) -> SubscriptionLag:
        """How many stored events are after the cursor that the hub has, by their names. Asks the hub."""
        return self._bridge.ask(self._async.lag())

    @property
    def expires(self) -> datetime | None:
        """When the subscription ends if it is not used before; None if it does not. Asks the hub."""
        return self._bridge.ask(self._async.expires())

    seek = blocking(AsyncRoomSubscription.seek, "RoomSubscription")
    skip = blocking(AsyncRoomSubscription.skip, "RoomSubscription")
    delete = blocking(AsyncRoomSubscription.delete, "RoomSubscription")


def _html(name: str, position: int) -> str:
    return f"<div>Subscription <code><bdi>{escape(escaped(name))}</bdi></code>, handled up to seq {position}</div>"
