"""A look once a second at whatever may be stuck; no timer runs while there is nothing to look at."""

from __future__ import annotations

import asyncio
from typing import Protocol

EVERY = 1.0  # seconds
SLICE = 256  # members that are looked at before the loop does something else


class Watched(Protocol):
    """Something that may be stuck."""

    def check(self, now: float) -> bool:
        """Do what is due, at the loop's time ``now``; return whether to look again."""


class Watch:
    """Calls ``check`` of its members once a second for as long as they want that."""

    __slots__ = ("_members", "_timer")

    def __init__(self) -> None:
        self._members: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, member: Watched) -> None:
        """Look at a member from now on."""
        self._members[member] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._look)

    def close(self) -> None:
        """Forget everything."""
        self._members.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._look_at(list(self._members))

    def _look_at(self, members: list[Watched]) -> None:
        """Check some members in this turn of the loop, and the others in the next ones."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for member in members[:SLICE]:
            if not member.check(now):
                self._members.pop(member, None)
        if len(members) > SLICE:
            self._timer = loop.call_later(0, self._look_at, members[SLICE:])
        else:
            self._timer = loop.call_later(EVERY, self._look) if self._members else None
