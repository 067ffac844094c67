"""A look once a second at whatever may be stuck; no timer runs while there is nothing to look at."""

from __future__ import annotations

import asyncio
from typing import Protocol

EVERY = 1.0  # seconds


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
        loop = asyncio.get_running_loop()
        now = loop.time()
        for member in list(self._members):
            if not member.check(now):
                self._members.pop(member, None)
        self._timer = loop.call_later(EVERY, self._look) if self._members else None
