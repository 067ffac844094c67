"""Where a join begins: what was missed, and whether something of it is gone."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_rtmsg.errors import BadRequest
from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.log.eventlog import Cursor, EventLog
from jupyter_rtmsg.log.kept import Subscription

from .follow import Follower
from .limits import Limits
from .request import Request, optional_count, optional_text
from .room import Room

_AHEAD = 60_000  # ms that a ts may be ahead of the clock without being wrong (`log.clock.stamp`)
_ELSEWHEN = 3_600_000  # ms from which on a time to come says that the clock here is wrong

TRIMMED, EPOCH, LIMIT, ROLLBACK = "trimmed", "epoch", "limit", "rollback"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a client wants to start; at most one is not None.

    Attributes
    ----------
    after : Cursor or None
        Its epoch is empty when the client gave none, which it may for position 0.
    last : int or None
        So many events.
    since : int or None
        In ms since 1970.
    number : int or None
        That of the room's last event up to ``after``, where the client knows it.
    """

    after: Cursor | None = None
    last: int | None = None
    since: int | None = None
    number: int | None = None

    @classmethod
    def of(cls, request: Request, limits: Limits) -> Wanted:
        """Read a request.

        Raises
        ------
        BadRequest
            Also if it names more than one start.
        """
        after, last, since = (optional_count(request, key) for key in ("after", "last", "since"))
        epoch = optional_text(request, "epoch", longest=limits.identifier)
        opening = optional_text(request, "opening", longest=limits.identifier)
        if (after is not None) + (last is not None) + (since is not None) > 1:
            raise BadRequest("a join starts `after` a position, with the `last` events, or `since` a time: give one")
        if after and epoch is None:
            raise BadRequest("`epoch` is missing: a position means nothing without the epoch that it came with")
        cursor = None if after is None else Cursor(epoch or "", after, opening or "")
        return cls(cursor, last, since, optional_count(request, "n"))


@dataclass(frozen=True, slots=True)
class Start:
    """Where a join begins.

    Attributes
    ----------
    cursor : int
        The missed events are those after this position.
    head : int
        The room's last event: the last one missed.
    missed : int or None
        How many; None when the join names no past.
    reason : str or None
        Why something between the wanted start and the head is gone, or not sent.
    cursor_n, head_n : int or None
        The numbers of the room's last events up to both; None where that is not known.
    """

    cursor: int
    head: int
    missed: int | None
    reason: str | None = None
    cursor_n: int | None = None
    head_n: int | None = None

    @property
    def position(self) -> int:
        """After which events are sent: with too many missed, only new ones."""
        return self.head if self.reason == LIMIT else self.cursor

    @property
    def number(self) -> int | None:
        """The number of the room's last event up to there."""
        return self.head_n if self.reason == LIMIT else self.cursor_n


class StartFinder:
    """Finds where a join begins, in memory where the ring goes back far enough.

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

    async def find(self, room: Room, wanted: Wanted, saved: Subscription | None, *, named: bool) -> Start:
        """Return the start of a join.

        Parameters
        ----------
        room : Room
        wanted : Wanted
        saved : Subscription or None
            Where there is one already.
        named : bool
            Whether it is a subscription at all.
        """
        await self._settle(room)
        if wanted.after is not None:
            return await self._after(room, wanted.after, wanted.number)
        if wanted.since is not None:
            return await self._since(room, wanted.since)
        if wanted.last is not None:
            return await self._last(room, wanted.last)
        if saved is not None:
            return await self._after(room, Cursor(saved.epoch, saved.position, saved.opening), saved.n)
        return self._now(room, 0 if named else None)

    def _now(self, room: Room, missed: int | None, reason: str | None = None) -> Start:
        head, number = room.head_at(self._follower.position), room.number_at(self._follower.position)
        return Start(head, head, missed, reason, number, number)

    async def _settle(self, room: Room) -> None:
        """Wait until the room's ring has what the log had when the room became active."""
        if not room.base:
            stats = await self._log.stats(room.name)
            await self._follower.reached(stats.head)
            room.settled(stats.head, stats.n)

    async def _after(self, room: Room, cursor: Cursor, number: int | None) -> Start:
        position = self._log.locate(cursor.position, cursor.epoch or None, cursor.opening or None)
        if position is None and cursor.opening and cursor.epoch == self._log.epoch:
            return await self._from(room, self._log.cut(cursor.opening), ROLLBACK)
        if position is None:
            return await self._from(room, 0, EPOCH)
        return await self._from(room, position, number=number if position == cursor.position else None)

    async def _since(self, room: Room, since: int) -> Start:
        stats = await self._log.stats(room.name)
        # Events that a wrong clock stamped with a time to come would bring everything after them along.
        now = self._log.now()
        until = now + _AHEAD if since <= now + _ELSEWHEN else None
        page = await self._log.read(room.name, since=since, until=until, limit=1)
        if not page.records:
            return self._now(room, 0, TRIMMED if stats.head and not stats.count else None)
        first = page.records[0]
        assert first.seq is not None
        # Nobody knows how old the events were that are gone: they may have been wanted.
        return await self._from(room, first.seq - 1, TRIMMED if first.prev and first.seq <= stats.first else None)

    async def _last(self, room: Room, number: int) -> Start:
        position = room.ring.position_of_last(number)
        if position is not None:
            return await self._from(room, position)
        stats = await self._log.stats(room.name)
        if number >= stats.count:
            return await self._from(room, max(stats.first - 1, 0))
        if number > self._limits.replay:
            return self._now(room, number, LIMIT)
        return await self._from(room, await self._log.before_last(room.name, number))

    async def _from(self, room: Room, position: int, reason: str | None = None, number: int | None = None) -> Start:
        """Count what comes after a position of this epoch, and what is gone of it."""
        await self._follower.reached(position)
        gone = False
        if number is None:
            number, gone = await self._number_at(room, position)
        if room.ring.covers(position):
            through, missed = self._follower.position, room.ring.count(position)
        else:
            through = self._log.head  # what the log counts up to
            missed = (await self._log.lag(room.name, position)).missed
            await self._follower.reached(through)
        head, head_n = room.head_at(through), room.number_at(through)
        if number is not None and head_n is not None:
            gone = head_n > number + missed
        if missed > self._limits.replay:
            reason = LIMIT
        return Start(position, head, missed, reason or (TRIMMED if gone else None), number, head_n)

    async def _number_at(self, room: Room, position: int) -> tuple[int | None, bool]:
        """Return the number of a room's last event up to a position, and whether what came next is gone.

        None where nobody knows: the event itself is gone as well, or the next one is damaged.
        """
        if not position or room.ring.covers(position):
            return room.number_at(position) if position else 0, False
        page = await self._log.read(room.name, after=position, limit=1, max_bytes=0, max_attachments=0)
        if not page.records:
            stats = await self._log.stats(room.name)
            return (stats.n, False) if stats.head <= position else (None, True)
        first = page.records[0]
        if first.name == CORRUPT or not first.n:
            return None, False
        return (first.n - 1, False) if (first.prev or 0) <= position else (None, True)
