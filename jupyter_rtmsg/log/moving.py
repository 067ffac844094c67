"""A log whose file cannot be had yet: in memory until it can, and then in the file.

Its states, in order:

1. In memory. A thread waits for the file's lock, or an attempt is made every few seconds where the place is wrong.
2. Moving, while the file is open and what is in memory is copied into it, in one transaction on a thread. Appends are
   held, and so is whoever joins as a subscription. If the copy fails, all of that goes on in memory.
3. In the file, for ever. Every `follow` ends with `EpochChanged`, and the first one swaps the logs in the same step of
   the loop: what follows the log sees no state in between. A table translates the positions that people still hold.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import msgspec

from jupyter_rtmsg.errors import EpochChanged, LogBusy, LogClosed
from jupyter_rtmsg.logthrottle import throttled_logger

from .beside import Gate, MovingNotes, MovingSubscriptions
from .eventlog import DELETED, Appended, Done, Draft, Fault, Lag, Page, Record, RoomStats, size_of
from .file import CannotServeError, HeldError, LogFile
from .memory import MemoryLog
from .move import move_events
from .moved import FIRST, Moved
from .options import Options
from .sqlite import SQLiteLog, settle_append
from .threads import on_thread

RETRY_AFTER = 10.0
"""Seconds until a place that could not be written is tried again."""

LOOK_AFTER = 30.0
"""Seconds after which it is looked again who has the file: the lock says when it is free, not who has it next."""

_LOCK_THREAD = "rtmsg-log-lock"
_LAST_CHANCE = 1.0  # seconds that another server, which may be stopped as well, has to give the file up at `close`
_FOLLOWED_WITHIN = 5.0  # seconds that who follows the log has to notice that it was moved

logger = throttled_logger(__name__)


class _Next(NamedTuple):
    """What the present log is about to be replaced by."""

    log: SQLiteLog
    moved: Moved
    notes: Sequence[tuple[str, bytes, float]]


class MovingLog:
    """An `EventLog` that is in memory until its file can be had. Made by `open_log`.

    Parameters
    ----------
    options : Options
    reason : str
        Why the file cannot be had now.
    open_file : callable
        Opens the file, or raises `CannotServeError`; with ``wait=True`` it blocks until no other server has it.
    over : callable
        Makes the log over an open file.
    """

    def __init__(
        self, options: Options, reason: str, open_file: Callable[..., LogFile], over: Callable[[LogFile], SQLiteLog]
    ) -> None:
        self._options = options
        self._open_file = open_file
        self._over = over
        self._memory = MemoryLog(options, _warning(reason), after=FIRST)
        self._log: SQLiteLog = self._memory
        self._moved: Moved | None = None
        self._next: _Next | None = None
        self._swapped = asyncio.Event()
        self._followers = 0
        self._held: deque[tuple[Draft, Done | None]] = deque()
        self._held_bytes = 0
        self._gate = Gate()
        self._subscriptions = MovingSubscriptions(lambda: self._log.subscriptions, self._gate)
        self._notes = MovingNotes(lambda: self._log.notes, self._gate)
        self._loop = asyncio.get_running_loop()
        self._moving = self._loop.create_task(self._run(), name="rtmsg log")
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
    def notes(self) -> MovingNotes:
        """See `EventLog.notes`."""
        return self._notes

    def now(self) -> int:
        """See `EventLog.now`."""
        return self._log.now()

    def locate(self, position: int, epoch: str | None = None, opening: str | None = None) -> int | None:
        """See `EventLog.locate`."""
        if self._moved and (epoch == self._moved.epoch or (position >= FIRST and epoch is None)):
            return self._moved.position(position)  # a log in memory is opened only once
        return self._log.locate(position, epoch, opening)

    def cut(self, opening: str) -> int:
        """See `EventLog.cut`."""
        if self._moved and opening == self._memory.opening:
            return self._moved.head
        return self._log.cut(opening)

    # --- appending

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        """See `EventLog.append`."""
        future: asyncio.Future[Appended] = self._loop.create_future()
        self.submit(draft, partial(settle_append, future))
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
        size = size_of(draft)
        if self._held and not self._has_room(size):
            raise LogBusy(f"{len(self._held)} appends wait while the log is moved into its file: try again")
        self._held.append((draft, done))
        self._held_bytes += size

    def _has_room(self, size: int) -> bool:
        options = self._options
        return len(self._held) < options.max_queue and self._held_bytes + size <= options.max_queue_bytes

    def _translated(self, draft: Draft) -> Draft:
        """Have an event expect the head that its publisher means."""
        if self._moved is None or draft.expect is None or draft.expect <= FIRST:
            return draft
        return msgspec.structs.replace(draft, expect=self._moved.event(draft.expect) or draft.expect)

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

    async def follow(self, *, after: int) -> AsyncIterator[Sequence[Record]]:
        """See `EventLog.follow`."""
        log = self._log
        self._followers += 1
        try:
            async for batch in log.follow(after=self._position(after)):
                yield batch
        finally:
            self._followers -= 1
        self._swap()
        if self._moved and log is self._memory:
            raise EpochChanged("moved", self._moved.head)

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

    def _position(self, position: int) -> int:
        located = self.locate(position)
        return position if located is None else located

    async def close(self) -> None:
        """See `EventLog.close`."""
        self._closing = True
        if self._waiting and self._memory.head > FIRST:
            await asyncio.wait([self._moving], timeout=_LAST_CHANCE)
        if not self._gate.closed:
            self._moving.cancel()
        await asyncio.wait([self._moving])
        await self._log.close()

    # --- moving

    async def _run(self) -> None:
        while True:
            try:
                await self._move(await self._file())
                return
            except CannotServeError as error:
                self._memory.warning = _warning(str(error))
                logger.debug("%s", error)
            except Exception:
                logger.exception("the log could not be moved from memory into its file, it will be tried again")
            await asyncio.sleep(RETRY_AFTER)

    async def _file(self) -> LogFile:
        """Wait for the file, on a thread that nobody waits for: another server may have it for days."""
        waiting = self._waiting = _open_on_thread(partial(self._open_file, wait=True), self._loop)
        try:
            while not (await asyncio.wait([waiting], timeout=LOOK_AFTER))[0]:
                with suppress(HeldError):
                    return await self._look()
            return await waiting
        finally:
            waiting.cancel()
            self._waiting = None

    async def _look(self) -> LogFile:
        """Return the file if it is free; else say who has it now, and raise `HeldError`."""
        try:
            return await _open_on_thread(self._open_file, self._loop)
        except HeldError as error:
            self._memory.warning = _warning(str(error))
            raise

    async def _move(self, file: LogFile) -> None:
        self._gate.close()
        try:
            self._next = await self._copy(file)
        except BaseException:
            await on_thread(partial(file.close, True), self._loop)
            self._stay()
            raise
        self._memory.retire()
        if self._followers:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._swapped.wait(), _FOLLOWED_WITHIN)
        self._swap()
        await self._memory.close()

    async def _copy(self, file: LogFile) -> _Next:
        memory = self._memory
        await memory.settle()
        notes = await memory.notes.all()
        moved = await on_thread(partial(move_events, memory.store, memory.epoch, memory.head, file), self._loop)
        return _Next(self._over(file), moved, notes)

    def _swap(self) -> None:
        """Go on in the file, if it is time."""
        if self._next is None:
            return
        (self._log, self._moved, notes), self._next = self._next, None
        self._subscriptions.take_over(self._memory.subscriptions, self._log.epoch, self._moved)
        self._notes.take_over(notes)
        logger.warning("what was in memory is in the log %s now (%d events)", self.url, self._moved.count)
        self._go_on()
        self._swapped.set()

    def _stay(self) -> None:
        """Go on in memory, since the file cannot be had after all."""
        self._notes.stay()
        self._go_on()

    def _go_on(self) -> None:
        self._gate.open()
        held, self._held, self._held_bytes = self._held, deque(), 0
        for draft, done in held:
            if done is None:
                self._log.announce(draft)
            else:
                self._log.submit(self._translated(draft), done)


def _open_on_thread(open_file: Callable[[], LogFile], loop: asyncio.AbstractEventLoop) -> asyncio.Future[LogFile]:
    """Open a file on a thread of its own; once the future is cancelled, a file that opens all the same is closed."""
    opened: asyncio.Future[LogFile] = loop.create_future()

    def run() -> None:
        try:
            file = open_file()
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(fail, error)
            return
        try:
            loop.call_soon_threadsafe(deliver, file)
        except RuntimeError:
            file.close(True)

    def deliver(file: LogFile) -> None:
        if opened.done():
            threading.Thread(target=file.close, args=(True,), name=_LOCK_THREAD).start()
        else:
            opened.set_result(file)

    def fail(error: Exception) -> None:
        if not opened.done():
            opened.set_exception(error)

    threading.Thread(target=run, name=_LOCK_THREAD, daemon=True).start()
    return opened


def _warning(reason: str) -> str:
    return (
        f"{reason}. Until then events are kept in memory only, and would be lost with this server. The hub tries again "
        "by itself, and stores in the log what is in memory as soon as it can"
    )
