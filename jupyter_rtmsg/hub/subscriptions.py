"""Named cursors and who owns them."""

from __future__ import annotations

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.log.eventlog import Cursor, CursorKey, Cursors

from .limits import Limits
from .room import Membership


class Subscriptions:
    """One owner per subscription: the last who came.

    Parameters
    ----------
    cursors : Cursors
    limits : Limits
    """

    def __init__(self, cursors: Cursors, limits: Limits) -> None:
        self._cursors = cursors
        self._limits = limits
        self._owners: dict[CursorKey, Membership] = {}

    async def cursor(self, key: CursorKey) -> Cursor | None:
        """Return where a subscription is, or None if it never was.

        Raises
        ------
        LimitExceeded
            If it would be one too many of its user in its room.
        """
        cursor = await self._cursors.get(key)
        if cursor is None and await self._cursors.count(key.user, key.room) >= self._limits.subscriptions:
            raise LimitExceeded(
                f"{key.user} has {self._limits.subscriptions} subscriptions in room {key.room!r}: use one of them"
            )
        return cursor

    async def find(self, key: CursorKey) -> Cursor | None:
        """Return where a subscription is, or None if it never was."""
        return await self._cursors.get(key)

    def take(self, membership: Membership) -> Membership | None:
        """Make a membership the owner of its subscription, and return the one that was it before."""
        if membership.key is None:
            return None
        previous = self._owners.get(membership.key)
        self._owners[membership.key] = membership
        return previous if previous is not membership else None

    def release(self, membership: Membership) -> None:
        """Its owner has gone."""
        if membership.key is not None and self._owners.get(membership.key) is membership:
            del self._owners[membership.key]

    def move(self, key: CursorKey, position: int) -> None:
        """Set the position of a subscription."""
        self._cursors.move(key, position)

    def named(self, name: str) -> list[Membership]:
        """Return the owners of all subscriptions of a name, of whatever user and room."""
        return [membership for key, membership in self._owners.items() if key.name == name]

    async def rename(self, old: str, new: str) -> None:
        """Give the subscriptions of a name another one."""
        await self._cursors.rename(old, new)
