"""What a user reads from the log of a room: the missed events, and its history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .commands import Commands
from .history import Events, milliseconds, read_history
from .membership import Membership
from .misuse import awaited, explained, history_like_this


class Reading:
    """Reads the log of a room for its user. A room owns it; the missed events are read once, and kept.

    Parameters
    ----------
    membership : Membership
    commands : Commands
    """

    def __init__(self, membership: Membership, commands: Commands) -> None:
        self._membership = membership
        self._commands = commands
        self._missed: Events | None = None

    @awaited
    async def missed(self) -> Events:
        """Return the events that this reader missed while it was away.

        These are the events that the room held after the subscription's cursor when this client joined. They stay the
        same while the client is in the room; at the very first join there are none. Without a subscription (a script
        that passed no ``as_``) they are the events that the join asked for by ``last``, ``since`` or ``after``, or
        none. The attribute ``trimmed`` of the result counts missed events that the hub no longer holds.
        """
        resumption = self._membership.resumption
        if resumption.missed is None:
            return Events()
        if self._missed is None:
            after, head = resumption.missed
            events = await self._read(after=after, before=head + 1, **resumption.missed_era.fields)
            self._missed = Events(events, self._membership.user, resumption.trimmed(len(events)))
        return self._missed

    async def _read(self, **wanted: Any) -> Events:
        return await read_history(
            self._commands.ask_patiently, self._membership.room, you=self._membership.user, **wanted
        )

    @awaited
    @explained(history_like_this)
    async def history(
        self,
        *,
        last: int | None = None,
        after: int | None = None,
        before: int | None = None,
        since: float | datetime | None = None,
        event: str | None = None,
        sender: str | None = None,
        limit: int | None = None,
    ) -> Events:
        """Read events from the room's log. Reading neither calls handlers nor acknowledges.

        Parameters
        ----------
        last : int, optional
            This number of newest events.
        after, before : int, optional
            Events between these positions (seq), both exclusive.
        since : float or datetime, optional
            Events since this time; a float is in seconds since 1970.
        event : str, optional
            Only events of this name.
        sender : str, optional
            Only events whose sender has this name, user, or notebook path.
        limit : int, optional
            At most this number of events, from the oldest on. By default all that the hub holds.

        Returns
        -------
        Events
            In the order of the log.
        """
        wanted = {"after": after, "before": before, "since": milliseconds(since), "event": event, "sender": sender}
        return await self._read(last=last, limit=limit, **wanted)
