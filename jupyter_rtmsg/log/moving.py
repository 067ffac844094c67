"""A log whose file cannot be opened yet. It is in memory until the file can be opened, and then moves into the file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import msgspec

from jupyter_rtmsg.errors import EpochChanged, LogBusy, LogClosed
from jupyter_rtmsg.futures import settle
from jupyter_rtmsg.logthrottle import throttled_logger

from .file import CannotServeError, HeldError, LogFile
from .memory import MemoryLog
from .move import PositionMap, move_events
from .moving_groups import GroupContents, MovingGroups, read_groups
from .moving_stores import Gate, MovingKeyValueStore, MovingParts, MovingSubscriptions, PresentStore, warning_of
from .options import Options
from .policy import RoomPolicies, limits_of
from .records import DELETED, Appended, Done, Draft, Fault, Lag, Page, Record, RoomStats, Take, size_of
from .schema import MEMORY_START
from .sqlite import SQLiteLog
from .threads import run_on_thread

RETRY_AFTER = 10.0
"""Seconds after which a place that cannot be written is tried again."""

LOOK_AFTER = 30.0
"""Seconds after which the warning is updated with the present holder of the file, which may have changed."""

_LAST_CHANCE = 1.0  # seconds at `close` in which another server, which may be stopped as well, can release the file
_FOLLOWERS_TIMEOUT = 5.0  # seconds in which the followers of the log have to notice that it was moved

logger = throttled_logger(__name__)


class _Replacement(NamedTuple):
    """The log in the file, which replaces the present one with the next swap."""

    log: SQLiteLog
    positions: PositionMap
    values: Sequence[tuple[str, bytes, float]]
    groups: Sequence[GroupContents]


class MovingLog:
    """An `EventLog` that is in memory until its file can be opened. Made by `open_log`.

    Parameters
    ----------
    options : Options
    reason : str
        Why the file cannot be opened now.
    open_file : callable
        Opens the file, or raises `CannotServeError`. With ``wait=True`` it blocks while another server has the file.
    over : callable
        Makes the log for an open file.
    """

    # States:
    # 1. In memory. A thread waits for the lock of the file; or, if the place is wrong, it is tried every ten seconds.
    # 2. Moving: the gate is closed. The file is open, and a thread copies the events in memory into it, in one
    #    transaction. Appends are held in `_held`, and joins that need a subscription wait. If the copy fails, all of
    #    them continue in memory, in state 1.
    # 3. In the file, for ever. `_replacement` is set, and every `follow` of the memory log ends with `EpochChanged`.
    #    The first of them swaps the logs, in the same step of the loop: no follower sees a state in between.
    #    `_positions` translates positions of the memory log.
    #
    # `_log` is the present log, `_memory` the one that was first. All fields belong to the loop. `_task` runs the steps
    # from 1 to 3; `_waiting` is the file that it waits for.

    def __init__(
        self, options: Options, reason: str, open_file: Callable[..., LogFile], over: Callable[[LogFile], SQLiteLog]
    ) -> None:
        self._options = options
        self._open_file = open_file
        self._over = over
        self._memory = MemoryLog(options, warning_of(reason), after=MEMORY_START)
        self._log: SQLiteLog = self._memory
        self._positions: PositionMap | None = None
        self._replacement: _Replacement | None = None
        self._swapped = asyncio.Event()
        self._followers = 0
        self._held: deque[tuple[Draft, Done | None]] = deque()
        self._held_bytes = 0
        self._gate = Gate()
        self._subscriptions = MovingSubscriptions(PresentStore(lambda: self._log.subscriptions, self._gate))
        self.key_values = MovingKeyValueStore(PresentStore(lambda: self._log.key_values, self._gate))
        self.parts = MovingParts(PresentStore(lambda: self._log.parts, self._gate))
        self._policies = RoomPolicies(lambda: self._log.policies.all(), self.append, limits_of(options))
        self._groups = MovingGroups(lambda: self._log.groups, self._gate)
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="rtmsg log")
        self._waiting: asyncio.Future[LogFile] | None = None
        self._closing = False

    @property
    def id(self) -> str:
        """See `EventLog`."""
        return self._log.id

    @property
    def epoch(self) -> str:
        """See `EventLog`."""
        return self._log.epoch

    @property
    def opening(self) -> str:
        """See `EventLog`."""
        return self._log.opening

    @property
    def url(self) -> str:
        """See `EventLog`."""
        return self._log.url

    @property
    def durable(self) -> bool:
        """See `EventLog`."""
        return self._log.durable

    @property
    def warning(self) -> str | None:
        """See `EventLog`."""
        return self._log.warning

    @property
    def failing(self) -> Fault | None:
        """See `EventLog.failing`."""
        return self._log.failing

    @property
    def head(self) -> int:
        """See `EventLog.head`."""
        return self._log.head

    @property
    def subscriptions(self) -> MovingSubscriptions:
        """See `EventLog.subscriptions`."""
        return self._subscriptions

    @property
    def policies(self) -> RoomPolicies:
        """See `EventLog.policies`."""
        return self._policies

    @property
    def groups(self) -> MovingGroups:
        """See `EventLog.groups`."""
        return self._groups

    def now(self) -> int:
        """See `EventLog.now`."""
        return self._log.now()

    def log_time(self) -> int:
        """See `EventLog.log_time`."""
        return self._log.log_time()

    def locate(self, position: int, epoch: str | None = None, opening: str | None = None) -> int | None:
        """See `EventLog.locate`."""
        moved = self._positions
        if moved and (epoch == moved.epoch or (position >= MEMORY_START and epoch is None)):
            return moved.position(position)  # a log in memory has only one opening
        return self._log.locate(position, epoch, opening)

    def cut(self, opening: str) -> int:
        """See `EventLog.cut`."""
        if self._positions and opening == self._memory.opening:
            return self._positions.head
        return self._log.cut(opening)

    # --- appending

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        """See `EventLog.append`."""
        future: asyncio.Future[Appended] = self._loop.create_future()
        self.submit(draft, partial(settle, future))
        return future

    def submit(self, draft: Draft, done: Done) -> None:
        """See `EventLog.submit`."""
        if self._closing:
            raise LogClosed(f"the log {self.url} is closed")
        if self._gate.closed:
            self._hold(draft, done)
        else:
            self._log.submit(self._translated(draft), done)

    def delete(self, room: str) -> asyncio.Future[Appended]:
        """See `EventLog.delete`."""
        return self.append(Draft(room, DELETED, b"null"))

    def announce(self, draft: Draft) -> None:
        """See `EventLog.announce`."""
        if not self._gate.closed:
            self._log.announce(draft)
        elif self._has_room(size_of(draft)):
            self._hold(draft, None)

    def _hold(self, draft: Draft, done: Done | None) -> None:
        """Keep an append, or with no ``done`` an announcement, until the move is over."""
        size = size_of(draft)
        if self._held and not self._has_room(size):
            raise LogBusy(f"{len(self._held)} appends wait while the log is moved into its file: try again")
        self._held.append((draft, done))
        self._held_bytes += size

    def _has_room(self, size: int) -> bool:
        options = self._options
        return len(self._held) < options.max_queue and self._held_bytes + size <= options.max_queue_bytes

    def _translated(self, draft: Draft) -> Draft:
        """Translate the head that an event expects, if it is a position of the log in memory."""
        if self._positions is None or draft.expect is None or draft.expect <= MEMORY_START:
            return draft
        return msgspec.structs.replace(draft, expect=self._positions.event(draft.expect) or draft.expect)

    # --- reading

    async def read(
        self,
        room: str,
        *,
        after: int = 0,
        before: int | None = None,
        last: int | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 500,
        max_bytes: int = 500_000,
        max_attachments: int = 10,
        name: str | None = None,
        user: str | None = None,
        sender: str | None = None,
    ) -> Page:
        """See `EventLog.read`."""
        if before is not None:
            before = self._position(before - 1) + 1
        return await self._log.read(
            room, after=self._position(after), before=before, last=last, since=since, until=until, limit=limit,
            max_bytes=max_bytes, max_attachments=max_attachments, name=name, user=user, sender=sender,
        )  # fmt: skip

    async def follow(self, *, after: int, take: Take | None = None) -> AsyncIterator[Sequence[Record]]:
        """See `EventLog.follow`."""
        log = self._log
        self._followers += 1
        try:
            async for batch in log.follow(after=self._position(after), take=take):
                yield batch
        finally:
            self._followers -= 1
        # The memory log was retired: this follower has all its events, and nobody has one of the new log yet.
        self._swap()
        if self._positions and log is self._memory:
            raise EpochChanged("moved", self._positions.head)

    async def retained(self, room: str) -> Sequence[Record]:
        """See `EventLog.retained`."""
        return await self._log.retained(room)

    async def stats(self, room: str) -> RoomStats:
        """See `EventLog.stats`."""
        return await self._log.stats(room)

    async def rooms(self) -> Mapping[str, RoomStats]:
        """See `EventLog.rooms`."""
        return await self._log.rooms()

    async def lag(self, room: str, after: int) -> Lag:
        """See `EventLog.lag`."""
        return await self._log.lag(room, self._position(after))

    async def before_last(self, room: str, number: int) -> int:
        """See `EventLog.before_last`."""
        return await self._log.before_last(room, number)

    async def position_of(self, room: str, after: int, number: int) -> int:
        """See `EventLog.position_of`."""
        return await self._log.position_of(room, self._position(after), number)

    def _position(self, position: int) -> int:
        located = self.locate(position)
        return position if located is None else located

    async def close(self) -> None:
        """See `EventLog.close`."""
        self._closing = True
        # The server that holds the file may be stopping, too. Then the events in memory can still be saved.
        if self._waiting and self._memory.head > MEMORY_START:
            await asyncio.wait([self._task], timeout=_LAST_CHANCE)
        if not self._gate.closed:  # a move that has begun is completed
            self._task.cancel()
        await asyncio.wait([self._task])
        await self._log.close()

    # --- moving

    async def _run(self) -> None:
        """Try to move the log until it succeeds."""
        while True:
            try:
                await self._move(await self._file())
                return
            except CannotServeError as error:
                self._memory.warn(warning_of(str(error)))
                logger.debug("%s", error)
            except Exception:
                logger.exception("the log could not be moved from memory into its file; it will be tried again")
            await asyncio.sleep(RETRY_AFTER)

    async def _file(self) -> LogFile:
        """Wait for the file. A daemon thread waits for its lock, since another server may hold it for days."""
        waiting = self._waiting = self._opening_file(partial(self._open_file, wait=True))
        try:
            while not (await asyncio.wait([waiting], timeout=LOOK_AFTER))[0]:
                with suppress(HeldError):
                    return await self._look()
            return await waiting
        finally:
            waiting.cancel()
            self._waiting = None

    async def _look(self) -> LogFile:
        """Return the file if it is free; otherwise name its holder in the warning, and raise `HeldError`."""
        try:
            return await self._opening_file(self._open_file)
        except HeldError as error:
            self._memory.warn(warning_of(str(error)))
            raise

    def _opening_file(self, open_file: Callable[[], LogFile]) -> asyncio.Future[LogFile]:
        """Open the file on a thread. If the future is cancelled, and the file opens all the same, it is closed."""
        return run_on_thread(open_file, self._loop, name="rtmsg-log-lock", discard=lambda file: file.close(True))

    async def _move(self, file: LogFile) -> None:
        self._gate.close()
        try:
            self._replacement = await self._copy(file)
        except BaseException:
            await run_on_thread(partial(file.close, True), self._loop)
            self._stay()
            raise
        self._memory.retire()
        if self._followers:
            with suppress(asyncio.TimeoutError):  # a follower that hangs must not stop the move
                await asyncio.wait_for(self._swapped.wait(), _FOLLOWERS_TIMEOUT)
        self._swap()
        await self._memory.close()

    async def _copy(self, file: LogFile) -> _Replacement:
        memory = self._memory
        await memory.flush()  # the gate is closed, so nothing is appended after this
        values, groups = await memory.key_values.all(), await read_groups(memory.groups)
        moving = partial(move_events, memory.store, memory.epoch, memory.head, file)
        positions = await run_on_thread(moving, self._loop)
        return _Replacement(self._over(file), positions, values, groups)

    def _swap(self) -> None:
        """Continue in the file, if the events were copied and the logs not swapped yet."""
        if self._replacement is None:
            return
        (self._log, self._positions, values, groups), self._replacement = self._replacement, None
        self._subscriptions.take_over(self._memory.subscriptions, self._log.epoch, self._positions)
        self.key_values.take_over(values)
        self._groups.take_over(groups, self._positions)
        logger.warning("the events in memory were moved into the log %s (%d events)", self.url, self._positions.count)
        self._resume()
        self._swapped.set()

    def _stay(self) -> None:
        """Continue in memory, since the move failed."""
        self.key_values.stay()
        self._groups.stay()
        self._resume()

    def _resume(self) -> None:
        """Open the gate, and submit the appends that were held."""
        # No await in here: appends of now must come after those that were held.
        self._gate.open()
        held, self._held, self._held_bytes = self._held, deque(), 0
        for draft, done in held:
            if done is None:
                self._log.announce(draft)
            else:
                self._log.submit(self._translated(draft), done)
