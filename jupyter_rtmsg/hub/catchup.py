"""Sends a new member the events that it missed, outside the room (docs/architecture.md, rule 2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from jupyter_rtmsg.errors import LogClosed
from jupyter_rtmsg.log import EventLog, Record
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.socketio import Encoded

from .encode import encode_record, encode_trimmed
from .follow import Follower
from .gaps import GapDetector
from .limits import Limits
from .ring import BufferedEvent
from .room import ActiveRoom, RoomMembership

logger = throttled_logger(__name__)


class CatchUp:
    """Brings a member from its cursor to the live events.

    Pages are written to that member alone, each after the one before has been drained: from the log until the room's
    ring covers the position, and then from the ring. The rest of the ring is written, and the member goes live, in one
    step of the event loop. So replayed and live events neither overlap nor leave a gap, whatever happens meanwhile.

    Parameters
    ----------
    membership : RoomMembership
    log : EventLog
    follower : Follower
    limits : Limits
    position : int
        Events after this position are sent.
    missed_through : int
        Events up to this position are marked as ``replay``.
    values : sequence of Encoded
        The retained values, which are sent first.
    number : int, optional
        The number of the room's last event up to ``position``, if it is known. With it ``$trimmed`` is sent in place of
        events that are gone.

    Attributes
    ----------
    _position : int
        Everything up to here has been written.
    _written : bool
        Whether anything has been written.
    _cancelled : bool
        Whether the membership has ended, or the log has been replaced.
    _task : asyncio.Task or None
        Runs while the backlog is not written in one step.
    """

    __slots__ = (
        "_cancelled", "_follower", "_gaps", "_limits", "_log", "_membership", "_missed_through", "_position", "_task",
        "_values", "_written",
    )  # fmt: skip

    def __init__(
        self,
        membership: RoomMembership,
        log: EventLog,
        follower: Follower,
        limits: Limits,
        *,
        position: int,
        missed_through: int,
        values: Sequence[Encoded] = (),
        number: int | None = None,
    ) -> None:
        self._values = values
        self._membership = membership
        self._log = log
        self._follower = follower
        self._limits = limits
        self._position = position
        self._missed_through = missed_through
        self._gaps = GapDetector(number)
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._written = False

    def begin(self) -> None:
        """Write the missed events. If the ring has them, and they fit on a page, the member is live at once."""
        # The ring covers nearly every join, and no task is needed for it.
        if self._over:
            return
        self._write(self._values)
        self._values = ()
        if not self._from_ring():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        """Write nothing more, and do not go live."""
        self._cancelled = True
        if self._task:
            self._task.cancel()

    @property
    def _room(self) -> ActiveRoom:
        return self._membership.room

    @property
    def _over(self) -> bool:
        return self._cancelled or not self._membership.participant.socket.connected

    async def _run(self) -> None:
        try:
            while not self._over:
                # One page waits in the member's queue at a time, however long the backlog is.
                await self._membership.participant.socket.drained()
                if self._over or self._from_ring():
                    return
                if self._room.ring.covers(self._position):
                    # The log may be ahead of what the room was handed: going live now would deliver events twice.
                    await self._follower.reached(self._position)
                else:
                    await self._from_log()
        except LogClosed:
            pass  # the server is shutting down, and disconnects everybody
        except Exception:
            # Going live now would hide the gap from the member. Its client connects again, and catches up then.
            logger.exception("a member of room %r could not catch up, and is disconnected", self._room.name)
            self._membership.participant.socket.session.close()

    def _from_ring(self) -> bool:
        """Write the next page of the ring if it covers the position; return whether the member is live now."""
        ring = self._room.ring
        # A page of the log may reach beyond the follower. The ring does not have everything after it then.
        if self._follower.position < self._position or not ring.covers(self._position):
            return False
        events, complete = ring.page(self._position, self._log.log_time(), max_bytes=self._limits.page_bytes)
        self._write([each for event in events for each in self._with_gap(event.record, self._from_event(event))])
        if events:
            self._position = events[-1].seq
        if complete:
            # No await from here to go_live: no event can be delivered to the room in between.
            here = self._follower.position
            self._write(self._trimmed(self._gaps.missing_until(self._room.number_at(here)), here))
            self._membership.go_live(here, replayed=self._written)
        return complete

    async def _from_log(self) -> None:
        """Read the next page from the log, and write it."""
        page = await self._log.read(
            self._room.name,
            after=self._position,
            limit=self._limits.page_events,
            max_bytes=self._limits.page_bytes,
            max_attachments=self._limits.attachments,
        )
        if self._over:  # the connection ended, or the log was replaced, during the read
            return
        self._write([each for record in page.records for each in self._with_gap(record, self._from_record(record))])
        self._position = page.through

    def _with_gap(self, record: Record, encoded: Encoded) -> Iterator[Encoded]:
        """Yield an event, preceded by ``$trimmed`` if events before it are gone."""
        yield from self._trimmed(self._gaps.missing_before(record), (record.seq or 1) - 1)
        yield encoded

    def _trimmed(self, numbers: range, through: int) -> Sequence[Encoded]:
        return [encode_trimmed(self._room.name, numbers, through)] if numbers else []

    def _write(self, page: Sequence[Encoded]) -> None:
        if page:
            self._written = True
            self._membership.participant.socket.write(page)

    def _from_event(self, event: BufferedEvent) -> Encoded:
        return event.replayed if event.seq <= self._missed_through else event.live

    def _from_record(self, record: Record) -> Encoded:
        return encode_record(record, replay=(record.seq or 0) <= self._missed_through)
