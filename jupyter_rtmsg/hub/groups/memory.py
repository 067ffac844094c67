"""The memory that the loaded events of all worker groups use, and its fair use. No clock and no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice

WOKEN = 8
"""Groups that are woken at once when memory becomes free."""


class WindowMemory:
    """The bytes of the loaded events of all groups, and of the groups that each user has made.

    The groups of a user load further events while they have less than what is free. So one user has at most a half, two
    have a third each, and something is always free for the next one.

    Parameters
    ----------
    most : int
        The bytes that all groups may use.
    """

    # A share that has no room is in `_waiting` until it is woken. Its group then looks again, and may wait again.

    __slots__ = ("_most", "_used", "_users", "_waiting")

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._users: Counter[str] = Counter()
        self._waiting: dict[MemoryShare, None] = {}

    @property
    def used(self) -> int:
        """The bytes of all loaded events."""
        return self._used

    def has_room(self, user: str, more: int) -> bool:
        """Tell whether a group of a user may load further events, beyond ``more`` bytes that were not counted yet."""
        return self._users[user] + more < self._most - self._used - more

    def change(self, user: str, by: int) -> None:
        """Count bytes of a user. If some became free, groups that wait for room look again."""
        self._used += by
        self._users[user] += by
        if not self._users[user]:
            del self._users[user]
        for share in list(islice(self._waiting, WOKEN)) if by < 0 else ():
            del self._waiting[share]
            share.wake()

    def wait(self, share: MemoryShare) -> None:
        """Wake a share when memory becomes free."""
        self._waiting[share] = None

    def forget(self, share: MemoryShare) -> None:
        """Wake a share no more."""
        self._waiting.pop(share, None)


class MemoryShare:
    """What one group uses of a `WindowMemory`.

    Parameters
    ----------
    memory : WindowMemory
    user : str
        Who has made the group.
    wake : callable
        Called when a group that had no room may have some.
    """

    __slots__ = ("_memory", "_size", "_user", "wake")

    def __init__(self, memory: WindowMemory, user: str, wake: Callable[[], None]) -> None:
        self._memory = memory
        self._user = user
        self._size = 0
        self.wake = wake

    def has_room(self, size: int) -> bool:
        """Tell whether the group may load further events, if it has loaded ``size`` bytes."""
        return self._memory.has_room(self._user, size - self._size)

    def note(self, size: int) -> None:
        """Count what the group has loaded. If it has no room for more, it is woken when there is."""
        if size != self._size:
            by, self._size = size - self._size, size
            self._memory.change(self._user, by)
        if not self.has_room(size):
            self._memory.wait(self)

    def close(self) -> None:
        """Count nothing any more, since the group has stopped."""
        self.note(0)
        self._memory.forget(self)
