"""Named cursors: who owns them, what they are called, and when they end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import NoReturn

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.log.eventlog import EventLog
from jupyter_rtmsg.log.kept import Subscription

from .access import Permits
from .limits import Limits
from .names import SubscriptionName
from .room import Membership
from .subscription_index import SubscriptionIndex, weight

_AT_ONCE = 500
DAY = 86_400_000  # ms
LISTED = DAY
"""For how long (ms) a subscription that has ended is still listed."""


class Subscriptions:
    """One owner per subscription: the last who came.

    All of it happens on the hub's loop, between two awaits: what is found stays true until the next.

    Parameters
    ----------
    log : EventLog
        Keeps them.
    limits : Limits
    """

    def __init__(self, log: EventLog, limits: Limits) -> None:
        self._log = log
        self._limits = limits
        self._owners: dict[Subscription, Membership] = {}
        self._begun: set[Subscription] = set()  # not known to be stored
        self._index = SubscriptionIndex()
        self.reload()

    def reload(self) -> None:
        """Read anew what the log keeps."""
        self._index = SubscriptionIndex(self._log.subscriptions.all())

    # --- for those who join

    def find(self, user: str, room: str, name: SubscriptionName) -> Subscription | None:
        """Return a subscription that goes on, or None: there was none, or it was idle for too long."""
        found = self._index.get(user, room, name.key)
        if found and self._expired(found):
            self.end(found)
            return None
        return found

    def inherited(self, users: Iterable[str], room: str, name: SubscriptionName) -> Subscription | None:
        """Return what version 0.1.0 kept under what people see as a name, for one of these principals."""
        candidates = (self._index.get(user, room, name.label) for user in users)
        return next((each for each in candidates if each and each.inherited), None)

    def of_others(self, users: Iterable[str], room: str, name: SubscriptionName) -> Subscription | None:
        """Return a notebook's subscription that one of these principals has; nothing for a name that a client chose."""
        found = (self._index.get(user, room, name.key) for user in users) if name.path is not None else ()
        return next((each for each in found if each), None)

    def begin(self, user: str, room: str, name: SubscriptionName, position: int, n: int | None) -> Subscription:
        """Begin a subscription at a position, with its number.

        Where there are too many, the one that was idle longest makes place.

        Raises
        ------
        LimitExceeded
            If all of the user's are in use.
        """
        self._make_place(user, weight(user, room, name.key, name.label, name.path))
        log = self._log
        row = Subscription(user, room, name.key, name.label, name.path, log.epoch, position, self._now())
        row.opening, row.n = log.opening, n
        self._log.subscriptions.add(row)
        self._index.add(row)
        self._begun.add(row)
        return row

    async def began(self, row: Subscription) -> bool:
        """Wait until a subscription that has just begun is stored; return whether that took any time.

        A join is answered after that: from its answer on, its client relies on the subscription.

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

    def use(self, row: Subscription, user: str, name: SubscriptionName) -> None:
        """Take note that a subscription is used, by this user and under this name."""
        if (row.user, row.key, row.label) != (user, name.key, name.label):
            self._index.discard(row)
            row.user, row.key, row.label = user, name.key, name.label
            self._index.add(row)
        row.inherited = False
        self._index.locate(row, name.path)
        self._touch(row)

    def cursor(self, row: Subscription) -> int:
        """Return up to which position of the present log everything was handled."""
        log = self._log
        here = log.locate(row.position, row.epoch, row.opening)
        if here is None:
            return min(row.position, log.cut(row.opening)) if row.epoch == log.epoch else 0
        return here

    def is_news(self, row: Subscription, position: int) -> bool:
        """Tell whether a position is another place than a subscription has."""
        return position > self.cursor(row) or (row.epoch, row.opening) != (self._log.epoch, self._log.opening)

    def move(self, row: Subscription, position: int, n: int | None = None) -> None:
        """Count everything up to a position as handled; what is handled already stays so."""
        here = self.cursor(row)
        if position >= here:
            row.position, row.n = position, n
        else:
            row.position, row.n = here, row.n if here == row.position else None
        row.epoch, row.opening = self._log.epoch, self._log.opening
        self._touch(row)

    # --- owners

    def owner(self, row: Subscription) -> Membership | None:
        """Return who owns a subscription."""
        return self._owners.get(row)

    def take(self, membership: Membership) -> Membership | None:
        """Make a membership the owner of its subscription, and return the one that was it before."""
        row = membership.subscription
        if row is None:
            return None
        previous = self._owners.get(row)
        self._owners[row] = membership
        return previous if previous is not membership else None

    def release(self, membership: Membership) -> None:
        """Its owner has gone."""
        row = membership.subscription
        if row is not None and self._owners.get(row) is membership:
            del self._owners[row]
            self._touch(row)

    # --- what happens to notebooks

    def move_path(self, old: str, new: str, label: str, *, was: str | None, permits: Permits) -> None:
        """Follow a notebook, or a directory with all beneath it, to another real path.

        Parameters
        ----------
        old, new : str
            Real paths.
        label : str
            How people see the new one.
        was : str or None
            Only those that people saw as this, or beneath it.
        permits : callable
        """
        for row in self._beneath(old, permits):
            assert row.path is not None
            rest = row.path[len(old) :]
            if was is not None and row.label != was + rest:
                continue
            name = SubscriptionName.of_notebook(new + rest, label + rest)
            replaced = self._index.get(row.user, row.room, name.key)
            if replaced and replaced is not row:
                self.end(replaced)
            self._index.discard(row)
            row.key, row.label, row.path = name.key, name.label, name.path
            self._index.add(row)
            self._log.subscriptions.save(row)
        self._log.subscriptions.flush()

    def end_path(self, path: str, permits: Permits) -> None:
        """End the subscriptions of a notebook that was deleted, or of all beneath a directory."""
        for row in self._beneath(path, permits):
            self.end(row)
        self._log.subscriptions.flush()

    def _beneath(self, path: str, permits: Permits) -> list[Subscription]:
        return [row for row in self._index.beneath(path) if permits(row.user)]

    # --- the end

    def end(self, row: Subscription) -> None:
        """End a subscription: nobody finds it any more. Who owns it still may go on until it leaves."""
        self._index.discard(row)
        row.ended = self._now()
        self._log.subscriptions.save(row)
        ended = self._index.end(row)
        if len(ended) > self._limits.subscriptions:
            self._forget(ended[0])

    def in_room(self, room: str) -> list[Subscription]:
        """Return the subscriptions of a room that go on, whoever has them."""
        return [row for row in self._log.subscriptions.all() if row.room == room and row.ended is None]

    async def end_slowly(self, rows: Iterable[Subscription]) -> None:
        """End subscriptions, some at a time."""
        for i, row in enumerate(rows, 1):
            if row.ended is None and row not in self._owners:
                self.end(row)
            if i % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def delete(self, user: str, room: str, name: str) -> int:
        """Forget the subscriptions that a user has under a name in a room, and return how many there were.

        They do not come back: it returns when that is stored.
        """
        rows = [row for row in self.of(user) if row.room == room and row.label == name]
        for row in rows:
            self._forget(row)
        if rows:
            await self._log.subscriptions.stored()
        return len(rows)

    def sweep(self) -> None:
        """End what was idle for too long, forget what ended long ago, and remember what is in use."""
        now = self._now()
        for row in list(self._log.subscriptions.all()):
            if row.ended is not None:
                if row.ended + LISTED <= now:
                    self._forget(row)
            elif self._expired(row):
                self.end(row)
            elif row in self._owners and row.used + DAY <= now:
                self._touch(row)

    def _expired(self, row: Subscription) -> bool:
        age = self._limits.subscription_age
        return age > 0 and row not in self._owners and row.used + age * 1000 <= self._now()

    def _make_place(self, user: str, size: int) -> None:
        """Make place for a subscription of a user that takes so many bytes."""
        index, limits = self._index, self._limits
        if len(index.of(user)) >= limits.subscriptions and not self._end_idle(user):
            self._refuse(user, f"{len(index.of(user))} subscriptions, no more than {limits.subscriptions} may be")
        while index.bytes(user) + size > limits.subscription_bytes:
            if not self._forget_one(user):
                most = limits.subscription_bytes
                self._refuse(user, f"subscriptions of {index.bytes(user)} bytes, no more than {most} may be")
        while index.bytes() + size > limits.subscription_bytes_in_all and self._forget_one(index.heaviest()):
            pass

    def _refuse(self, user: str, much: str) -> NoReturn:
        raise LimitExceeded(
            f"{user} has {much}, and all of them are in use: leave a room, close another client, or join without a "
            "subscription"
        )

    def _forget_one(self, user: str) -> bool:
        """Forget the subscription of a user that ended longest ago, or else was idle longest; whether there is one."""
        if not self._index.ended_of(user) and not self._end_idle(user):
            return False
        self._forget(self._index.ended_of(user)[0])
        return True

    def _end_idle(self, user: str) -> bool:
        """End the subscription of a user that was idle longest; whether there is one."""
        idle = [row for row in self._index.of(user) if row not in self._owners]
        if idle:
            self.end(min(idle, key=lambda row: (row.used, row.id)))
        return bool(idle)

    def _forget(self, row: Subscription) -> None:
        self._index.discard(row)
        self._index.forget(row)
        self._begun.discard(row)
        self._log.subscriptions.remove(row)

    # --- for those who look

    def of(self, user: str) -> Iterator[Subscription]:
        """Return the subscriptions of a user, those that have ended last."""
        yield from self._index.of(user)
        yield from self._index.ended_of(user)

    def _touch(self, row: Subscription) -> None:
        row.used = self._now()
        self._log.subscriptions.save(row)

    def _now(self) -> int:
        return self._log.subscriptions.now()
