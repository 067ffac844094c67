"""Tells the members of a room who comes and goes: ``$presence``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jupyter_rtmsg.wire.socketio import Encoded, encode_event

from .limits import Limits
from .presence import MemberView
from .room import ActiveRoom

FIRST_DELAY = 0.02
"""Seconds that the first change waits for others: members often come in groups."""


class PresenceBroadcaster:
    """Gathers the changes of each room's `Presence`, and sends them at most once an interval.

    Parameters
    ----------
    limits : Limits
    settle : callable
        Called with a room from whose presence a member has left after its grace time.
    lost : callable
        Called with the room and the id of such a member.

    Attributes
    ----------
    _timers : dict
        By room: the timer of the next ``$presence``.
    _last : dict
        By room: the loop's time of the last one.
    _away : dict
        By room and member: the timer that ends the grace time.
    """

    def __init__(self, limits: Limits, settle: Callable[[ActiveRoom], None], lost: Callable[[str, str], None]) -> None:
        self._limits = limits
        self._settle = settle
        self._lost = lost
        self._timers: dict[ActiveRoom, asyncio.TimerHandle] = {}
        self._last: dict[ActiveRoom, float] = {}
        self._away: dict[tuple[ActiveRoom, str], asyncio.TimerHandle] = {}

    def changed(self, room: ActiveRoom) -> None:
        """Send the changes of a room's presence when the interval is over."""
        if room in self._timers or not room.presence.changed or not room.members:
            return
        loop = asyncio.get_running_loop()
        due = self._last.get(room, float("-inf")) + self._limits.presence_interval
        self._timers[room] = loop.call_at(max(due, loop.time() + FIRST_DELAY), self._flush, room)

    def away(self, room: ActiveRoom, member: str) -> None:
        """Begin the grace time of a member whose connection broke; unless it comes back, it has left after that."""

        def expire() -> None:
            del self._away[room, member]
            if room.presence.expire(member):
                self._lost(room.name, member)
            self.changed(room)
            self._settle(room)

        earlier = self._away.pop((room, member), None)
        if earlier:
            earlier.cancel()
        self._away[room, member] = asyncio.get_running_loop().call_later(self._limits.grace, expire)

    def forget(self, room: ActiveRoom) -> None:
        """Forget a room that has become idle."""
        self._last.pop(room, None)
        timer = self._timers.pop(room, None)
        if timer:
            timer.cancel()

    def close(self) -> None:
        """Send nothing more."""
        for timer in (*self._timers.values(), *self._away.values()):
            timer.cancel()
        self._timers.clear()
        self._away.clear()

    def _flush(self, room: ActiveRoom) -> None:
        del self._timers[room]
        changes = room.presence.take_changes(self._limits.listed)
        if changes:
            self._last[room] = asyncio.get_running_loop().time()
            self._send(room, changes)
        self.changed(room)

    def _send(self, room: ActiveRoom, changes: list[MemberView]) -> None:
        """Write changes to all members. Users who alone may see a notebook's path get an encoding of their own."""
        users = {change.user for change in changes if change.notebook is not None and not change.public}
        encoded: dict[str | None, Encoded] = {}
        for participant in room.members:
            principal = participant.identity.principal
            key = principal if principal in users else None
            if key not in encoded:
                encoded[key] = self._encode(room, changes, key)
            participant.socket.write((encoded[key],))

    @staticmethod
    def _encode(room: ActiveRoom, changes: list[MemberView], principal: str | None) -> Encoded:
        shown = [change.shown_to(principal) for change in changes]
        return encode_event(["$presence", {"room": room.name, "changes": shown, "count": len(room.presence)}])
