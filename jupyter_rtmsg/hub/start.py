"""Where a join begins: what was missed, and whether something of it is gone."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_rtmsg.errors import BadRequest
from jupyter_rtmsg.log.eventlog import Cursor, EventLog

from .follow import Follower
from .limits import Limits
from .request import Request, optional_count, optional_text
from .room import Room

_AHEAD = 60_000  # ms that a ts may be ahead of the clock without being wrong (`log.clock.stamp`)
_ELSEWHEN = 3_600_000  # ms from which on a time to come says that the clock here is wrong

TRIMMED, EPOCH, LIMIT = "trimmed", "epoch", "limit"


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
    """

    after: Cursor | None = None
    last: int | None = None
    since: int | None = None

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
        if (after is not None) + (last is not None) + (since is not None) > 1:
            raise BadRequest("a join starts `after` a position, with the `last` events, or `since` a time: give one")
        if after and epoch is None:
            raise BadRequest("`epoch` is missing: a position means nothing without the epoch that it came with")
        return cls(None if after is None else Cursor(epoch or "", after), last, since)


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
    """

    cursor: int
    head: int
    missed: int | None
    reason: str | None = None

    @property
    def position(self) -> int:
        """After which events are sent: with too many missed, only new ones."""
        return self.head if self.reason == LIMIT else self.cursor


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

    async def find(self, room: Room, wanted: Wanted, saved: Cursor | None, *, named: bool) -> Start:
        """Return the start of a join.

        Parameters
        ----------
        room : Room
        wanted : Wanted
        saved : Cursor or None
            The subscription's, if it has one yet.
        named : bool
            Whether it is a subscription at all.
        """
        await self._settle(room)
        after = wanted.after or (saved if wanted.last is None and wanted.since is None else None)
        if after is not None:
            return await self._after(room, after)
        if wanted.since is not None:
            return await self._since(room, wanted.since)
        if wanted.last is not None:
            return await self._last(room, wanted.last)
        head = room.head_at(self._follower.position)
        return Start(head, head, 0 if named else None)

    async def _settle(self, room: Room) -> None:
        """Wait until the room's ring has what the log had when the room became active."""
        if not room.base:
            head = (await self._log.stats(room.name)).head
            await self._follower.reached(head)
            room.base = max(room.base, head)

    async def _after(self, room: Room, cursor: Cursor) -> Start:
        position = self._log.locate(cursor.position, cursor.epoch or None)
        if position is None:
            return await self._from(room, 0, EPOCH)
        return await self._from(room, position)

    async def _since(self, room: Room, since: int) -> Start:
        stats = await self._log.stats(room.name)
        # Events that a wrong clock stamped with a time to come would bring everything after them along.
        now = self._log.now()
        until = now + _AHEAD if since <= now + _ELSEWHEN else None
        page = await self._log.read(room.name, since=since, until=until, limit=1)
        if not page.records:
            head = room.head_at(self._follower.position)
            return Start(head, head, 0, TRIMMED if head and not stats.count else None)
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
            head = room.head_at(self._follower.position)
            return Start(head, head, number, LIMIT)
        return await self._from(room, await self._log.before_last(room.name, number))

    async def _from(self, room: Room, position: int, reason: str | None = None) -> Start:
        """Count what comes after a position of this epoch."""
        await self._follower.reached(position)
        ring = room.ring
        if ring.covers(position):
            head = room.head_at(self._follower.position)
            missed = ring.count(position)
        else:
            through = self._log.head  # what the log counts up to
            missed = (await self._log.lag(room.name, position)).missed
            await self._follower.reached(through)
            head = room.head_at(through)
            reason = reason or await self._trimmed(room.name, position)
        if missed > self._limits.replay:
            reason = LIMIT
        return Start(position, head, missed, reason)

    async def _trimmed(self, name: str, position: int) -> str | None:
        """Return the reason if events after a position are gone."""
        stats = await self._log.stats(name)
        if not stats.count:
            return TRIMMED if stats.head > position else None
        if stats.first <= position:
            return None
        page = await self._log.read(name, after=position, limit=1, max_bytes=0, max_attachments=0)
        return TRIMMED if page.records and (page.records[0].prev or 0) > position else None
