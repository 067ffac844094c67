"""From the log to the members: the only way of a stored event (docs/architecture.md, rule 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from jupyter_rtmsg.errors import EpochChanged, LogClosed
from jupyter_rtmsg.log.eventlog import EventLog, Record
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.socketio import Encoded

from .encode import encode_record, encode_trimmed
from .ring import Entry
from .rooms import Rooms

logger = throttled_logger(__name__)

RETRY_AFTER = 1.0
"""Seconds until the log is followed again after a fault."""


class Follower:
    """Follows the log and hands its events to the rooms.

    Parameters
    ----------
    log : EventLog
    rooms : Rooms
    deliver : callable
        Takes a batch of (Socket.IO room, Encoded).
    reset : callable
        Called with the reason when the log was replaced.

    Attributes
    ----------
    position : int
        Every event up to here was handed to its room.
    resets : int
        How often the log was replaced: what was found out before the last time is void.
    """

    def __init__(
        self,
        log: EventLog,
        rooms: Rooms,
        deliver: Callable[[Sequence[tuple[str, Encoded]]], None],
        reset: Callable[[str], None],
    ) -> None:
        self._log = log
        self._rooms = rooms
        self._deliver = deliver
        self._reset = reset
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.position = log.head
        self.resets = 0

    async def run(self) -> None:
        """Follow until the log is closed."""
        while True:
            try:
                async for batch in self._log.follow(after=self.position):
                    self.take(batch)
                return
            except LogClosed:
                return
            except EpochChanged as change:
                self.position = self._log.head if change.position is None else change.position
                self.resets += 1
                self._reset(str(change))
                self._wake(everybody=True)
            except Exception:  # a hub that has stopped following would be dead without anybody noticing
                logger.exception("following the log failed; trying again from position %d", self.position)
                await asyncio.sleep(RETRY_AFTER)

    async def reached(self, position: int) -> None:
        """Wait until every event up to a position was handed to its room, or the log was replaced."""
        if self.position < position:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((position, done))
            await done

    def take(self, batch: Sequence[Record]) -> None:
        """Hand a batch to the rooms, in one step of the loop."""
        active, quota = self._rooms.active, self._rooms.quota
        out: list[tuple[str, Encoded]] = []
        for record in batch:
            seq = record.seq
            if seq is not None:
                self.position = seq
                if record.room not in quota.makers:
                    quota.made(record.room, record.user)
            room = active.get(record.room)
            if room is None:
                continue
            encoded = encode_record(record)
            if seq is None:
                encoded.volatile = True
            else:
                if gone := room.numbers.before(record):  # the hub itself was too slow
                    out.append((room.channel, encode_trimmed(room.name, gone, seq - 1)))
                room.ring.append(Entry(record, seq, encoded))
            out.append((room.channel, encoded))
        self._deliver(out)
        self._rooms.watchers.changed()
        if self._waiting:
            self._wake()

    def _wake(self, *, everybody: bool = False) -> None:
        waiting, self._waiting = self._waiting, []
        for position, done in waiting:
            if position > self.position and not everybody:
                self._waiting.append((position, done))
            elif not done.done():
                done.set_result(None)
