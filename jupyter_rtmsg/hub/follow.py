"""Hands the events of the log to the rooms: no event reaches the members in another way (docs/architecture.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_rtmsg.errors import EpochChanged, LogClosed
from jupyter_rtmsg.log import EXPIRED, EventLog, Record
from jupyter_rtmsg.logthrottle import throttled_logger
from jupyter_rtmsg.wire.socketio import Encoded

from .encode import encode_notice, encode_record, encode_trimmed
from .ring import BufferedEvent
from .rooms import RoomRegistry

logger = throttled_logger(__name__)

RETRY_AFTER = 1.0
"""Seconds after which the log is followed again when that has failed."""


class Follower:
    """Follows the log, encodes each event once, and hands it to its room.

    Parameters
    ----------
    log : EventLog
    rooms : RoomRegistry
    deliver : callable
        Called with each batch of (Socket.IO room, Encoded).
    reset : callable
        Called with the reason when the log has been replaced.

    Attributes
    ----------
    position : int
        The log position up to which every event was handed to its room.
    resets : int
        How often the log was replaced.
    """

    def __init__(
        self,
        log: EventLog,
        rooms: RoomRegistry,
        deliver: Callable[[Sequence[tuple[str, Encoded]]], None],
        reset: Callable[[str], None],
    ) -> None:
        self._log = log
        self._rooms = rooms
        self._deliver = deliver
        self._reset = reset
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._feed: Callable[[Sequence[Record]], None] | None = None
        self.position = log.head
        self.resets = 0

    def feed(self, take: Callable[[Sequence[Record]], None] | None) -> None:
        """Call a function with each batch, after its events were handed to their rooms. None: call it no more."""
        self._feed = take

    async def run(self) -> None:
        """Follow the log until it is closed."""
        while True:
            try:
                async for batch in self._log.follow(after=self.position, take=self.take):
                    self.take(batch)
                return
            except LogClosed:
                return
            except EpochChanged as change:
                self.position = self._log.head if change.position is None else change.position
                self.resets += 1
                self._reset(str(change))
                self._wake(everyone=True)  # they wait for positions of the old log, and must look again
            except Exception:  # if it ended here, nothing would be delivered any more
                logger.exception("following the log failed; it will be tried again from position %d", self.position)
                await asyncio.sleep(RETRY_AFTER)

    async def reached(self, position: int) -> None:
        """Wait until every event up to a position was handed to its room, or the log has been replaced."""
        if self.position < position:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((position, done))
            await done

    def take(self, batch: Sequence[Record]) -> None:
        """Hand a batch to the rooms, in one step of the event loop."""
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
                continue  # no member: it is read from the log if somebody joins
            expired = record.name == EXPIRED
            if expired or record.key is not None:
                room.values.changed()
            if expired:
                out.append((room.channel, encode_notice(record)))
                continue
            encoded = encode_record(record)
            if seq is None:
                encoded.make_volatile()  # it is not stored, so it is in no replay
            else:
                if gone := room.gaps.missing_before(record):  # trimmed before the hub had read them
                    out.append((room.channel, encode_trimmed(room.name, gone, seq - 1)))
                room.ring.append(BufferedEvent(record, seq, encoded))
            out.append((room.channel, encoded))
        self._deliver(out)
        if self._feed:
            self._feed(batch)
        self._rooms.watchers.changed()
        if self._waiting:
            self._wake()

    def _wake(self, *, everyone: bool = False) -> None:
        waiting, self._waiting = self._waiting, []
        for position, done in waiting:
            if position > self.position and not everyone:
                self._waiting.append((position, done))
            elif not done.done():
                done.set_result(None)


class LogAnnouncer:
    """Sends ``$log`` to everybody when the log has changed: its durability, its warning, or its opening.

    Parameters
    ----------
    log : EventLog
    emit : callable
        Sends an event to all clients.
    """

    def __init__(self, log: EventLog, emit: Callable[[str, dict[str, Any]], object]) -> None:
        self._log = log
        self._emit = emit
        self._announced = log.warning, log.opening

    def announce_change(self) -> None:
        """Announce the log's state if it has changed. Must precede the first event of another opening."""
        if (self._log.warning, self._log.opening) != self._announced:
            self.announce()

    def announce(self) -> None:
        """Announce the log's state."""
        log = self._log
        self._announced = log.warning, log.opening
        state = {"durable": log.durable, "warning": log.warning, "epoch": log.epoch, "opening": log.opening}
        self._emit("$log", state)
