"""Named cursors of users in rooms: their owners, their names, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import NoReturn

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.log import EventLog, StoredSubscription

from .application import Permits
from .limits import Limits
from .names import SubscriptionName
from .room import RoomMembership
from .subscription_index import SubscriptionIndex, weight

_ENDED_PER_STEP = 500  # subscriptions that one step of the event loop ends
DAY = 86_400_000  # ms
LISTED = DAY
"""Time (ms) for which a subscription that has ended is still listed. It is remembered longer, to tell its reader."""


class SubscriptionRegistry:
    """The subscriptions of all users.

    A subscription *goes on* from `begin` to `end`, is listed for a day more, and forgotten when it has been over for as
    long as one may be idle. While it goes on
    it may have one owner, the membership that joined last. The log stores it: each change is handed to
    ``log.subscriptions``. Everything happens on the hub's event loop, so what was found stays true until the next
    ``await``.

    Parameters
    ----------
    log : EventLog
    limits : Limits

    Attributes
    ----------
    _owners : dict of StoredSubscription to RoomMembership
    _begun : set of StoredSubscription
        Those that began or were moved by a seek, and may not be stored so yet.
    _index : SubscriptionIndex
        Finds them by name, user and path.
    """

    def __init__(self, log: EventLog, limits: Limits) -> None:
        self._log = log
        self._limits = limits
        self._owners: dict[StoredSubscription, RoomMembership] = {}
        self._begun: set[StoredSubscription] = set()
        self._index = SubscriptionIndex()
        self.reload()

    def reload(self) -> None:
        """Read all subscriptions from the log again, because the log has been replaced."""
        self._index = SubscriptionIndex(self._log.subscriptions.all())

    # --- joining

    def find(self, user: str, room: str, name: SubscriptionName) -> StoredSubscription | None:
        """Return a subscription that goes on, or None. One that was idle for too long ends now."""
        found = self._index.get(user, room, name.key)
        if found and self._expired(found):  # the sweep is rare, so the age is checked here as well
            self.end(found)
            return None
        return found

    def inherited(self, users: Iterable[str], room: str, name: SubscriptionName) -> StoredSubscription | None:
        """Return the subscription that version 0.1.0 kept, by its label, for one of some principals."""
        candidates = (self._index.get(user, room, name.label) for user in users)
        return next((each for each in candidates if each and each.inherited), None)

    def labelled(self, user: str, room: str, label: str) -> StoredSubscription | None:
        """Return a user's subscription that goes on under the name that people see, or None."""
        return next((row for row in self._index.of(user) if (row.room, row.label) == (room, label)), None)

    def last_ended(self, user: str, room: str, name: SubscriptionName) -> StoredSubscription | None:
        """Return the last subscription of that name that ended because it was not used, or for lack of place."""
        age = self._limits.subscription_age * 1000
        for row in reversed(self._index.ended_of(user)):
            if (row.room, row.key) == (room, name.key) and row.ended is not None:
                # That of a notebook ends with the notebook as well, and the next notebook there is another reader.
                return row if row.path is None or 0 < age <= row.ended - row.used else None
        return None

    def of_others(self, users: Iterable[str], room: str, name: SubscriptionName) -> StoredSubscription | None:
        """Return a notebook's subscription that one of some principals has; None for a name that a client chose."""
        found = (self._index.get(user, room, name.key) for user in users) if name.path is not None else ()
        return next((each for each in found if each), None)

    def begin(self, user: str, room: str, name: SubscriptionName, position: int, n: int | None) -> StoredSubscription:
        """Begin a subscription.

        If the user has too many, the one that was idle longest ends.

        Parameters
        ----------
        user, room : str
        name : SubscriptionName
        position : int
            Everything up to this position of the log counts as handled.
        n : int or None
            The number of the room's last event up to there.

        Raises
        ------
        LimitExceeded
            If all of the user's subscriptions are in use.
        """
        self._make_place(user, weight(user, room, name.key, name.label, name.path))
        log = self._log
        row = StoredSubscription(user, room, name.key, name.label, name.path, used=self._now())
        row.move_to(log.epoch, log.opening, position, n)
        self._log.subscriptions.add(row)
        self._index.add(row)
        self._begun.add(row)
        return row

    async def began(self, row: StoredSubscription) -> bool:
        """Wait until a new subscription, or a seek, is stored, as a join must before it is answered.

        Returns
        -------
        bool
            Whether there was anything to wait for.

        Raises
        ------
        LogDiskError, LogFull
            If it cannot be stored.
        """
        if row not in self._begun:
            return False
        await self._log.subscriptions.stored()
        self._begun.discard(row)
        return True

    def use(self, row: StoredSubscription, user: str, name: SubscriptionName) -> None:
        """Note that a subscription is used now, and by which user and under which name."""
        # An inherited one had another user or key; a notebook under another root has another label.
        if (row.user, row.key, row.label) != (user, name.key, name.label):
            self._index.discard(row)
            row.rename(user, name.key, name.label)
            self._index.add(row)
        row.adopt()
        self._index.relocate(row, name.path)
        self._touch(row)

    def cursor(self, row: StoredSubscription) -> int:
        """Return the position of the present log up to which everything was handled."""
        log = self._log
        here = log.locate(row.position, row.epoch, row.opening)
        if here is None:
            # After a rollback everything up to the cut is handled, and in another epoch nothing.
            return min(row.position, log.cut(row.opening)) if row.epoch == log.epoch else 0
        return here

    def is_news(self, row: StoredSubscription, position: int) -> bool:
        """Tell whether moving a subscription to a position would change it."""
        return position > self.cursor(row) or (row.epoch, row.opening) != (self._log.epoch, self._log.opening)

    def move(self, row: StoredSubscription, position: int, n: int | None = None) -> None:
        """Count everything up to a position as handled. A cursor never moves back."""
        here = self.cursor(row)
        if position < here:
            position, n = here, row.n if here == row.position else None
        row.move_to(self._log.epoch, self._log.opening, position, n)
        self._touch(row)

    def seek(self, row: StoredSubscription, position: int, n: int | None) -> None:
        """Move a subscription to any position, in a new generation. `began` waits until that is stored."""
        row.move_to(self._log.epoch, self._log.opening, position, n)
        row.begin_generation(row.generation)
        self._begun.add(row)
        self._touch(row)

    # --- owners

    def owner(self, row: StoredSubscription) -> RoomMembership | None:
        """Return the owner of a subscription, or None."""
        return self._owners.get(row)

    def take(self, membership: RoomMembership) -> RoomMembership | None:
        """Make a membership the owner of its subscription, and return the previous owner."""
        row = membership.subscription
        if row is None:
            return None
        previous = self._owners.get(row)
        self._owners[row] = membership
        return previous if previous is not membership else None

    def release(self, membership: RoomMembership) -> None:
        """Stop being the owner: a membership has ended."""
        row = membership.subscription
        if row is not None and self._owners.get(row) is membership:
            del self._owners[row]
            self._touch(row)

    # --- notebooks that are moved or deleted

    def move_path(self, old: str, new: str, label: str, *, was: str | None, permits: Permits) -> None:
        """Change the path of a notebook's subscriptions, or of those of all notebooks in a directory.

        Parameters
        ----------
        old, new : str
            Real paths of the notebook or directory.
        label : str
            The new path relative to the server's root.
        was : str or None
            If given, only subscriptions whose label began with this path.
        permits : callable
            Tells for each principal whether its subscriptions are to be changed.
        """
        for row in self._beneath(old, permits):
            assert row.path is not None
            rest = row.path[len(old) :]
            if was is not None and row.label != was + rest:
                continue
            name = SubscriptionName.of_notebook(new + rest, label + rest)
            replaced = self._index.get(row.user, row.room, name.key)
            if replaced and replaced is not row:  # the notebook at the new path was overwritten
                self.end(replaced)
            self._index.discard(row)
            row.rename(row.user, name.key, name.label)
            row.relocate(name.path)
            self._index.add(row)
            self._log.subscriptions.save(row)
        self._log.subscriptions.flush()

    def end_path(self, path: str, permits: Permits) -> None:
        """End the subscriptions of a deleted notebook, or of all notebooks in a deleted directory."""
        for row in self._beneath(path, permits):
            self.end(row)
        self._log.subscriptions.flush()

    def _beneath(self, path: str, permits: Permits) -> list[StoredSubscription]:
        return [row for row in self._index.beneath(path) if permits(row.user)]

    # --- ending

    def end(self, row: StoredSubscription) -> None:
        """End a subscription: no join finds it any more. Its owner keeps it until it leaves."""
        self._index.discard(row)
        row.end(self._now())
        self._log.subscriptions.save(row)
        ended = self._index.end(row)
        if len(ended) > self._limits.subscriptions:  # a loop of joins must not fill the log with ended ones
            self._forget(ended[0])

    def in_room(self, room: str) -> list[StoredSubscription]:
        """Return all subscriptions of a room that go on."""
        return [row for row in self._log.subscriptions.all() if row.room == room and row.ended is None]

    async def end_slowly(self, rows: Iterable[StoredSubscription]) -> None:
        """End those of some subscriptions that have no owner, with pauses for other tasks."""
        for i, row in enumerate(rows, 1):
            if row.ended is None and row not in self._owners:  # a member of a new room of that name may own it now
                self.end(row)
            if i % _ENDED_PER_STEP == 0:
                await asyncio.sleep(0)

    async def delete(self, user: str, room: str, name: str) -> int:
        """Forget the subscriptions that a user has under a label in a room.

        Returns
        -------
        int
            How many there were. Their removal is stored.
        """
        rows = [row for row in self.of(user) if row.room == room and row.label == name]
        for row in rows:
            self._forget(row)
        if rows:
            await self._log.subscriptions.stored()
        return len(rows)

    def sweep(self) -> None:
        """End idle subscriptions, forget those that ended long ago, and store that others are in use."""
        now, remembered = self._now(), max(LISTED, int(self._limits.subscription_age * 1000))
        for row in list(self._log.subscriptions.all()):
            if row.ended is not None:
                if row.ended + remembered <= now:
                    self._forget(row)
            elif self._expired(row):
                self.end(row)
            elif row in self._owners and row.used + DAY <= now:
                self._touch(row)  # its time of use must not look old if the server is killed

    def _expired(self, row: StoredSubscription) -> bool:
        age = self._limits.subscription_age
        return age > 0 and row not in self._owners and row.used + age * 1000 <= self._now()

    def _make_place(self, user: str, size: int) -> None:
        """Make place for a subscription of a user, with a size in bytes."""
        index, limits = self._index, self._limits
        if len(index.of(user)) >= limits.subscriptions and not self._end_idle(user):
            self._refuse(user, f"{len(index.of(user))} subscriptions, the limit is {limits.subscriptions}")
        while index.bytes(user) + size > limits.subscription_bytes:
            if not self._forget_one(user):
                most = limits.subscription_bytes
                self._refuse(user, f"subscriptions of {index.bytes(user)} bytes, the limit is {most}")
        # If nothing can be forgotten, the new one is kept all the same: the bound of each user holds.
        while index.bytes() + size > limits.subscription_bytes_in_all and self._forget_one(index.heaviest()):
            pass

    def _refuse(self, user: str, usage: str) -> NoReturn:
        raise LimitExceeded(
            f"{user} has {usage}, and all of them are in use: leave a room, close another client, or join without a "
            "subscription"
        )

    def _forget_one(self, user: str) -> bool:
        """Forget the subscription that ended longest ago, or else was idle longest; return whether there was one."""
        if not self._index.ended_of(user) and not self._end_idle(user):
            return False
        self._forget(self._index.ended_of(user)[0])
        return True

    def _end_idle(self, user: str) -> bool:
        """End the subscription of a user that was idle longest; return whether there was one."""
        idle = [row for row in self._index.of(user) if row not in self._owners]
        if idle:
            self.end(min(idle, key=lambda row: (row.used, row.id)))
        return bool(idle)

    def _forget(self, row: StoredSubscription) -> None:
        self._index.discard(row)
        self._index.forget(row)
        self._begun.discard(row)
        self._log.subscriptions.remove(row)

    # --- listing

    def of(self, user: str) -> Iterator[StoredSubscription]:
        """Yield the subscriptions of a user, with those that ended within a day at the end."""
        yield from self._index.of(user)
        now = self._now()
        yield from (row for row in self._index.ended_of(user) if row.ended is None or now < row.ended + LISTED)

    def ended_at(self, row: StoredSubscription) -> int | None:
        """Return when a subscription ended, in ms since 1970 by the wall clock; None if it goes on."""
        return None if row.ended is None else row.ended - self._now() + self._log.now()

    def _touch(self, row: StoredSubscription) -> None:
        row.touch(self._now())
        self._log.subscriptions.save(row)

    def _now(self) -> int:
        return self._log.subscriptions.now()
