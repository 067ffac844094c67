"""Finds out which missed events a join has to send, and whether some of them are gone."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_rtmsg.errors import BadRequest
from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.log import Cursor, EventLog, Record, StoredSubscription

from .follow import Follower
from .limits import Limits
from .request import Request, flag, optional_count, optional_text
from .room import ActiveRoom

_MAX_AHEAD = 60_000  # ms that the ts of an event may be ahead of a right clock (`log.clock.stamp`)
_WRONG_CLOCK = 3_600_000  # ms: a `since` that is more than this in the future means that the clock here is wrong

TRIMMED, EPOCH, LIMIT, ROLLBACK = "trimmed", "epoch", "limit", "rollback"
"""The reasons for which a join is not ``recovered`` (docs/wire.md)."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Where a client asks to start. At most one of ``after``, ``last``, ``since`` and ``first`` is set.

    Attributes
    ----------
    after : Cursor or None
        The position that it has reached. The epoch is empty if it gave none, as it may with position 0.
    last : int or None
        A number of events.
    since : int or None
        In ms since 1970.
    number : int or None
        The number of the room's last event up to ``after``, if the client knows it.
    first : bool
        Start with the oldest event, unless the subscription exists already.
    generation : int or None
        The generation of the subscription in which the client reached ``after``, if it tells.
    """

    after: Cursor | None = None
    last: int | None = None
    since: int | None = None
    number: int | None = None
    first: bool = False
    generation: int | None = None

    @classmethod
    def of(cls, request: Request, limits: Limits) -> StartRequest:
        """Read the fields of a ``join``.

        Raises
        ------
        BadRequest
            If a field is invalid, ``epoch`` is missing, or there is more than one start.
        """
        after, last, since = (optional_count(request, key) for key in ("after", "last", "since"))
        epoch = optional_text(request, "epoch", longest=limits.identifier)
        opening = optional_text(request, "opening", longest=limits.identifier)
        first = flag(request, "first")
        if (after is not None) + (last is not None) + (since is not None) + first > 1:
            raise BadRequest(
                "a join starts `after` a position, with the `last` events, `since` a time, or with the `first` event: "
                "give one of them"
            )
        if after and epoch is None:
            raise BadRequest("`epoch` is missing: send the epoch that came with the position `after`")
        cursor = None if after is None else Cursor(epoch or "", after, opening or "")
        generation = optional_count(request, "generation")
        return cls(cursor, last, since, optional_count(request, "n"), first, generation)

    def is_before_seek(self, saved: StoredSubscription | None) -> bool:
        """Tell whether the client reached its position before a subscription was moved by a seek."""
        return saved is not None and self.generation not in (None, saved.generation)


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """Which missed events a join sends.

    Attributes
    ----------
    cursor : int
        The missed events are those after this position.
    head : int
        The seq of the room's last event, which is the last missed one.
    missed : int or None
        The number of missed events; None if the join names no start in the past.
    reason : str or None
        Why some events after the requested start are gone, or are not sent; None if there are no such events.
    cursor_n, head_n : int or None
        The numbers of the room's last events up to ``cursor`` and ``head``; None if unknown.
    """

    cursor: int
    head: int
    missed: int | None
    reason: str | None = None
    cursor_n: int | None = None
    head_n: int | None = None

    @property
    def position(self) -> int:
        """The position after which events are sent. If too many were missed, only new ones are."""
        return self.head if self.reason == LIMIT else self.cursor

    @property
    def number(self) -> int | None:
        """The number of the room's last event up to `position`."""
        return self.head_n if self.reason == LIMIT else self.cursor_n


class ReplayPlanner:
    """Plans replays: in memory if the room's ring goes back far enough, else from the log.

    Parameters
    ----------
    log : EventLog
    follower : Follower
    limits : Limits
    """

    def __init__(self, log: EventLog, follower: Follower, limits: Limits) -> None:
        self._log = log
        self._follower = follower
        self._limits = limits

    async def plan_replay(
        self, room: ActiveRoom, start: StartRequest, saved: StoredSubscription | None, *, named: bool
    ) -> ReplayPlan:
        """Return the plan for a join.

        Parameters
        ----------
        room : ActiveRoom
        start : StartRequest
        saved : StoredSubscription or None
            The subscription that the join continues, which says where to start if the request does not.
        named : bool
            Whether the join is for a subscription, existing or new.
        """
        await self._complete(room)
        if saved is not None and (start.first or start.is_before_seek(saved)):
            return await self._saved(room, saved)
        if start.first:
            return await self._from(room, max((await self._log.stats(room.name)).first - 1, 0))
        if start.after is not None:
            return await self._after(room, start.after, start.number)
        if start.since is not None:
            return await self._since(room, start.since)
        if start.last is not None:
            return await self._last(room, start.last)
        if saved is not None:
            return await self._saved(room, saved)
        return self._now(room, 0 if named else None)

    def _now(self, room: ActiveRoom, missed: int | None, reason: str | None = None) -> ReplayPlan:
        head, number = room.head_at(self._follower.position), room.number_at(self._follower.position)
        return ReplayPlan(head, head, missed, reason, number, number)

    async def _complete(self, room: ActiveRoom) -> None:
        """Wait until the room knows its last event: that of the log when it became active, or a later one.

        Events that the log has deleted since, by age or by the room's policy, leave the room's ring.
        """
        stats = await self._log.stats(room.name)
        room.ring.drop_before(stats.first)
        if not room.base:  # 0 as well for a room without events
            await self._follower.reached(stats.head)
            room.set_base(stats.head, stats.n)

    async def _after(self, room: ActiveRoom, cursor: Cursor, number: int | None) -> ReplayPlan:
        position = self._log.locate(cursor.position, cursor.epoch or None, cursor.opening or None)
        if position is None and cursor.opening and cursor.epoch == self._log.epoch:
            # The log went back since: up to the cut, the events that the client has are still those of the log.
            return await self._from(room, self._log.cut(cursor.opening), ROLLBACK)
        if position is None:
            return await self._from(room, 0, EPOCH)
        return await self._from(room, position, number=number if position == cursor.position else None)

    async def _saved(self, room: ActiveRoom, saved: StoredSubscription) -> ReplayPlan:
        return await self._after(room, Cursor(saved.epoch, saved.position, saved.opening), saved.n)

    async def _since(self, room: ActiveRoom, since: int) -> ReplayPlan:
        stats = await self._log.stats(room.name)
        first = await first_since(self._log, room.name, since)
        if first is None:
            return self._now(room, 0, TRIMMED if stats.head and not stats.count else None)
        assert first.seq is not None
        # The ts of trimmed events is unknown: some may be later than `since`.
        return await self._from(room, first.seq - 1, TRIMMED if first.prev and first.seq <= stats.first else None)

    async def _last(self, room: ActiveRoom, number: int) -> ReplayPlan:
        position = room.ring.position_of_last(number)
        if position is not None:
            return await self._from(room, position)
        stats = await self._log.stats(room.name)
        if number >= stats.count:
            return await self._from(room, max(stats.first - 1, 0))
        if number > self._limits.replay:
            return self._now(room, number, LIMIT)
        return await self._from(room, await self._log.before_last(room.name, number))

    async def _from(
        self, room: ActiveRoom, position: int, reason: str | None = None, number: int | None = None
    ) -> ReplayPlan:
        """Plan to send everything after a position of the present epoch.

        Parameters
        ----------
        room : ActiveRoom
        position : int
        reason : str, optional
            Why events after the requested start are gone, if that is known already.
        number : int, optional
            The number of the room's last event up to the position, if it is known.
        """
        await self._follower.reached(position)  # it may have been read from the log, ahead of the follower
        gone = False
        if number is None:
            number, gone = await self._number_at(room, position)
        if room.ring.covers(position):
            through, missed = self._follower.position, room.ring.count(position, self._log.log_time())
        else:
            through = self._log.head  # the log counts up to here
            missed = (await self._log.lag(room.name, position)).missed
            await self._follower.reached(through)  # `head_at` knows only what the ring was handed
        head, head_n = room.head_at(through), room.number_at(through)
        if number is not None and head_n is not None:
            # Numbers are dense: if there are more of them than stored events, some events are gone.
            gone = head_n > number + missed
        if missed > self._limits.replay:
            reason = LIMIT
        return ReplayPlan(position, head, missed, reason or (TRIMMED if gone else None), number, head_n)

    async def _number_at(self, room: ActiveRoom, position: int) -> tuple[int | None, bool]:
        """Find the number of a room's last event up to a position.

        Returns
        -------
        number : int or None
            None if it is unknown: that event is gone, and the next one is gone too, or damaged.
        gone : bool
            Whether events right after the position are gone.
        """
        if not position or room.ring.covers(position):
            return room.number_at(position) if position else 0, False
        return await number_at(self._log, room.name, position)


async def number_at(log: EventLog, room: str, position: int) -> tuple[int | None, bool]:
    """Find the number of a room's last event up to a position in the log; see `ReplayPlanner._number_at`."""
    page = await log.read(room, after=position, limit=1, max_bytes=0, max_attachments=0)
    if not page.records:
        stats = await log.stats(room)
        return (stats.n, False) if stats.head <= position else (None, True)
    first = page.records[0]
    if first.name == CORRUPT or not first.n:
        return None, False
    return (first.n - 1, False) if (first.prev or 0) <= position else (None, True)


async def first_since(log: EventLog, room: str, since: int) -> Record | None:
    """Return the first event of a room with at least a ts (ms since 1970), or None."""
    # An event with a ts in the future, from a wrong clock, would make all later events part of the replay.
    now = log.now()
    until = now + _MAX_AHEAD if since <= now + _WRONG_CLOCK else None
    page = await log.read(room, since=since, until=until, limit=1)
    return page.records[0] if page.records else None
