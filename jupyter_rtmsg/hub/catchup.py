"""A joiner catches up outside the room (docs/architecture.md, rule 2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from jupyter_rtmsg.errors import LogClosed
from jupyter_rtmsg.log.eventlog import EventLog, Record
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.socketio import Encoded

from .encode import encode_record, encode_trimmed
from .follow import Follower
from .limits import Limits
from .numbers import Numbers
from .ring import Entry
from .room import Membership, Room

logger = throttled_logger(__name__)


class CatchUp:
    """Brings a member from its cursor to the live events.

    Pages are written to that member alone, each after the one before has gone out, from the log and then from the
    room's ring. In one step of the loop the rest of the ring is written and the member is put into the room: past and
    future neither overlap nor leave a gap, whatever happens meanwhile.

    Parameters
    ----------
    membership : Membership
    log : EventLog
    follower : Follower
    limits : Limits
    position : int
        What comes after it is sent.
    missed_through : int
        What comes up to here is marked as ``replay``.
    number : int or None
        That of the room's last event up to ``position``, if it is known: of what is gone since, the member is told.
    """

    __slots__ = (
        "_cancelled",
        "_follower",
        "_limits",
        "_log",
        "_membership",
        "_missed_through",
        "_numbers",
        "_position",
        "_task",
        "_written",
    )

    def __init__(
        self,
        membership: Membership,
        log: EventLog,
        follower: Follower,
        limits: Limits,
        *,
        position: int,
        missed_through: int,
        number: int | None = None,
    ) -> None:
        self._membership = membership
        self._log = log
        self._follower = follower
        self._limits = limits
        self._position = position
        self._missed_through = missed_through
        self._numbers = Numbers(number)
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._written = False  # whether there was anything to send

    def begin(self) -> None:
        """Start; who is nearly current is in the room when this returns."""
        if not self._over and not self._from_ring():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        """Send no more, and do not enter the room."""
        self._cancelled = True
        if self._task:
            self._task.cancel()

    @property
    def _room(self) -> Room:
        return self._membership.room

    @property
    def _over(self) -> bool:
        return self._cancelled or not self._membership.participant.socket.connected

    async def _run(self) -> None:
        try:
            while not self._over:
                await self._membership.participant.socket.drained()
                if self._over or self._from_ring():
                    return
                if self._room.ring.covers(self._position):
                    # What was read may be ahead of what the room was handed: entering now would bring it again.
                    await self._follower.reached(self._position)
                else:
                    await self._from_log()
        except LogClosed:
            pass  # the server is going down, and tells everybody
        except Exception:
            # Without its past the member must not get the present: it would believe that it missed nothing.
            logger.exception("a member of room %r could not catch up: disconnected", self._room.name)
            self._membership.participant.socket.session.close()  # its client comes back

    def _from_ring(self) -> bool:
        """Write the next page of the ring, if it goes back so far; return whether the member is in the room now."""
        ring = self._room.ring
        if self._follower.position < self._position or not ring.covers(self._position):
            return False
        entries, complete = ring.page(self._position, max_bytes=self._limits.page_bytes)
        self._write([each for entry in entries for each in self._with_gap(entry.record, self._from_entry(entry))])
        if entries:
            self._position = entries[-1].seq
        if complete:
            here = self._follower.position
            self._write(self._trimmed(self._numbers.until(self._room.number_at(here)), here))
            self._membership.go_live(here, replayed=self._written)
        return complete

    async def _from_log(self) -> None:
        page = await self._log.read(
            self._room.name,
            after=self._position,
            limit=self._limits.page_events,
            max_bytes=self._limits.page_bytes,
            max_attachments=self._limits.attachments,
        )
        if self._over:
            return
        self._write([each for record in page.records for each in self._with_gap(record, self._from_record(record))])
        self._position = page.through

    def _with_gap(self, record: Record, encoded: Encoded) -> Iterator[Encoded]:
        """Yield an event, and before it what is to be told of those that are gone."""
        yield from self._trimmed(self._numbers.before(record), (record.seq or 1) - 1)
        yield encoded

    def _trimmed(self, numbers: range, through: int) -> Sequence[Encoded]:
        return [encode_trimmed(self._room.name, numbers, through)] if numbers else []

    def _write(self, page: Sequence[Encoded]) -> None:
        if page:
            self._written = True
            self._membership.participant.socket.write(page)

    def _from_entry(self, entry: Entry) -> Encoded:
        return entry.replayed if entry.seq <= self._missed_through else entry.live

    def _from_record(self, record: Record) -> Encoded:
        return encode_record(record, replay=(record.seq or 0) <= self._missed_through)
