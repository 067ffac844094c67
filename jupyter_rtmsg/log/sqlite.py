"""The log in SQLite: the loop's side of it.

An append goes into a list, which goes to the `Writer` once per turn of the loop; what comes back goes through
`_publish`, and from the `Tail` to everybody who follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from jupyter_rtmsg.errors import EpochChanged, LogBusy, LogClosed
from jupyter_rtmsg.logthrottle import throttled_logger

from .clock import LogClock, stamp
from .dedup import Dedup
from .disk import Disk
from .eventlog import (
    DELETED,
    Appended,
    Done,
    Draft,
    Fault,
    Lag,
    Page,
    Record,
    RoomStats,
    size_of,
)
from .guard import Guard
from .kept import Notes, Subscription, Subscriptions
from .ledger import Entry, Ledger, Result, announced
from .notes import SQLiteNotes
from .openings import Openings
from .options import Options
from .reader import Query, Reader
from .readers import Readers
from .retention import Retention
from .store import Store
from .subscriptions import SQLiteSubscriptions
from .tail import Tail, last_seq
from .threads import on_thread
from .work import Change, Item, Outcome
from .writer import Writer

logger = throttled_logger(__name__)

_PATIENCE = 4.0  # seconds that closing may take: a server has to end in five, also when its disk hangs
_NO_ROOM = RoomStats(0, 0, 0, 0)


class SQLiteLog:
    """An `EventLog` in one SQLite database. Made by `open_log`.

    Parameters
    ----------
    store : Store
        Open, its tables made.
    ledger : Ledger
    dedup : Dedup
    readers : Readers
    id, url, epoch : str
    durable : bool
        Whether it outlives the process.
    warning : str or None
        What its users should know.
    openings : Openings
        This one is their last.
    subscriptions : iterable of Subscription
        What the file holds.
    disk : Disk
    options : Options
    release : callable
        Called last, on a thread: with whether the file was found whole, gives it free.
    guard : Guard or None
        Looks after the file, if there is one.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        dedup: Dedup,
        readers: Readers,
        *,
        id: str,
        url: str,
        epoch: str,
        durable: bool,
        warning: str | None,
        openings: Openings,
        disk: Disk,
        subscriptions: Iterable[Subscription] = (),
        options: Options,
        release: Callable[[bool], None],
        guard: Guard | None = None,
    ) -> None:
        self.id, self.url, self.epoch, self.durable, self.warning = id, url, epoch, durable, warning
        self._openings = openings
        self._options = options
        self._readers = readers
        self._release = release
        self._guard = guard
        self._loop = asyncio.get_running_loop()
        self._head, self._ts = ledger.head, ledger.ts
        self._rooms = {name: room.stats() for name, room in ledger.rooms.items()}
        self._tail = Tail(ledger.head, options.tail_events, options.tail_bytes)
        self._pending: list[Item] = []
        self._queued = self._queued_bytes = 0
        self._closing: asyncio.Task[None] | None = None
        clock = LogClock(
            options.clock, options.monotonic, ledger.time, store.get("clock"), ts=ledger.ts, usual=options.max_age
        )
        retention = Retention(store, ledger, dedup, options, clock, disk)
        self._writer = Writer(store, ledger, dedup, retention, disk, clock, self._loop, self._publish, guard)
        self._subscriptions = SQLiteSubscriptions(subscriptions, self._submit, clock, self._loop)
        self._notes = SQLiteNotes(self._submit, self._read, clock)

    @property
    def head(self) -> int:
        """See `EventLog.head`."""
        return self._head

    @property
    def opening(self) -> str:
        """See `EventLog.opening`."""
        return self._openings.name

    @property
    def subscriptions(self) -> Subscriptions:
        """See `EventLog.subscriptions`."""
        return self._subscriptions

    @property
    def notes(self) -> Notes:
        """See `EventLog.notes`."""
        return self._notes

    @property
    def failing(self) -> Fault | None:
        """See `EventLog.failing`."""
        return self._writer.failing or self._readers.failing

    def now(self) -> int:
        """See `EventLog.now`."""
        return stamp(int(self._options.clock() * 1000), self._ts)

    def locate(self, position: int, epoch: str | None = None, opening: str | None = None) -> int | None:
        """See `EventLog.locate`."""
        return position if epoch in (None, self.epoch) and position <= self.cut(opening or "") else None

    def cut(self, opening: str) -> int:
        """See `EventLog.cut`."""
        return self._openings.cut(opening, self._head)

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        """See `EventLog.append`."""
        future: asyncio.Future[Appended] = self._loop.create_future()
        self.submit(draft, partial(settle_append, future))
        return future

    def submit(self, draft: Draft, done: Done) -> None:
        """See `EventLog.submit`."""
        self._check_open()
        size = size_of(draft)
        if self._queued and not self._has_room(size):  # a large one may pass through an empty queue
            raise self._busy()
        self._queue(Entry(draft, done, size))

    def delete(self, room: str) -> asyncio.Future[Appended]:
        """See `EventLog.delete`."""
        return self.append(Draft(room, DELETED, b"null"))

    def announce(self, draft: Draft) -> None:
        """See `EventLog.announce`."""
        self._check_open()
        size = size_of(draft)
        if not self._queued:
            self._ts = self.now()
            self._tail.push([announced(draft, self._ts)])
        elif self._has_room(size):
            self._queue(Entry(draft, None, size))

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
        query = Query(
            room, after, before, last, since, until, limit, max_bytes, max_attachments, name, user, sender, self._head
        )
        page: Page = await self._read(Reader.page, query)
        return page

    async def follow(self, *, after: int) -> AsyncIterator[Sequence[Record]]:
        """See `EventLog.follow`."""
        if after > self._head:
            raise EpochChanged(f"position {after} is beyond the log's head {self._head}: it belongs to another epoch")
        position, number = after, None
        while True:
            if number is None and (number := self._tail.find(position)) is None:
                if self._tail.closed:
                    return
                try:
                    records, position = await self._readers(Reader.scan, position, self._head)
                except LogClosed:
                    return
            else:
                try:
                    batch = self._tail.get(number)
                except LookupError:  # fell behind what memory holds: go on from the file
                    number = None
                    continue
                if batch is None:
                    if self._tail.closed:
                        return
                    await self._tail.more()
                    continue
                number += 1
                records = _after(batch, position)
                position = last_seq(batch, position)
            if records:
                yield records

    async def stats(self, room: str) -> RoomStats:
        """See `EventLog.stats`."""
        return self._rooms.get(room, _NO_ROOM)

    async def rooms(self) -> Mapping[str, RoomStats]:
        """See `EventLog.rooms`."""
        return {name: stats for name, stats in self._rooms.items() if stats.count}

    async def lag(self, room: str, after: int) -> Lag:
        """See `EventLog.lag`."""
        lag: Lag = await self._read(Reader.lag, room, after, self._head)
        return lag

    async def before_last(self, room: str, number: int) -> int:
        """See `EventLog.before_last`."""
        position: int = await self._readers(Reader.before_last, room, number, self._head)
        return position

    async def _read(self, work: Callable[..., Any], *args: Any) -> Any:
        """Await a method of `Reader`; before, see now and then whether the file is still at its path."""
        if self._guard and self._guard.is_due() and not await on_thread(self._guard.is_there, self._loop):
            await self._committed()  # the writer puts it back
        return await self._readers(work, *args)

    async def settle(self) -> None:
        """Wait until everything that was appended, and every cursor that was moved, is stored."""
        self._subscriptions.flush()
        await self._committed()

    async def _committed(self) -> None:
        """Wait for a commit behind everything that waits now."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._submit(Change(lambda _: None, partial(_done, done)))
        await done

    def retire(self) -> None:
        """End every `follow` after what came so far, since another log takes over; it can be read until `close`."""
        self._tail.close()

    async def close(self) -> None:
        """See `EventLog.close`."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        deadline = self._loop.time() + _PATIENCE
        self._subscriptions.flush()
        self._flush()
        self._writer.stop()
        ended = await self._writer.ended(_PATIENCE)
        if not ended:
            logger.error(
                "the disk of the log %s does not answer: %d appends are given up, which nobody was told are stored",
                self.url, self._queued,
            )  # fmt: skip
        self._tail.close()
        ended = await self._readers.close(deadline - self._loop.time()) and ended
        if ended:  # else what is still under way may need the connection
            whole = not (self._readers.damaged or self._writer.damaged)
            release = on_thread(partial(self._release, whole), self._loop)
            await asyncio.wait([release], timeout=deadline - self._loop.time())

    def _check_open(self) -> None:
        if self._closing is not None:
            raise LogClosed(f"the log {self.url} is closed")

    def _has_room(self, size: int) -> bool:
        options = self._options
        return self._queued < options.max_queue and self._queued_bytes + size <= options.max_queue_bytes

    def _busy(self) -> LogBusy:
        options = self._options
        return LogBusy(
            f"{self._queued} appends of {self._queued_bytes} bytes wait for the disk (at most {options.max_queue} "
            f"and {options.max_queue_bytes} bytes may): try again"
        )

    def _queue(self, entry: Entry) -> None:
        self._queued += 1
        self._queued_bytes += entry.size
        self._submit(entry)

    def _submit(self, item: Item) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(item)

    def _flush(self) -> None:
        """Hand everything of this turn of the loop to the writer, waking it once."""
        if self._pending:
            items, self._pending = self._pending, []
            self._writer.put(items)

    def _publish(self, outcome: Outcome) -> None:
        self._queued -= len(outcome.work.entries)
        self._queued_bytes -= outcome.work.size
        self._head = max(self._head, outcome.head)
        self._rooms.update(outcome.rooms)
        for name, stats in outcome.rooms.items():
            if not stats.head:  # forgotten
                del self._rooms[name]
        if outcome.warning:
            self.warning = outcome.warning
            self._readers.renew()
        if outcome.anew:
            self._tail.restart(outcome.head)
        if outcome.records:
            self._ts = stamp(outcome.records[-1].ts, self._ts)
            self._tail.push(outcome.records)
        if outcome.results:
            self._loop.call_soon(_tell, outcome.results)  # behind those who follow, who are awake now
        for change in outcome.work.changes:
            _contained(change.done, outcome.error)


def _tell(results: Sequence[Result]) -> None:
    for result in results:
        _contained(result.done, result.value)


def _contained(done: Callable[..., None], value: object) -> None:
    try:
        done(value)
    except Exception:
        logger.exception("who had something stored failed at hearing what came of it")


def _done(future: asyncio.Future[None], _: Exception | None) -> None:
    if not future.done():
        future.set_result(None)


def settle_append(future: asyncio.Future[Appended], value: Appended | Exception) -> None:
    """Give the outcome of an append to who waits for it."""
    if future.done():
        return
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)


def _after(records: Sequence[Record], position: int) -> Sequence[Record]:
    """Return the events of a batch after a position; the batch itself where that is all of them."""
    first = next((record.seq for record in records if record.seq is not None), None)
    if first is None or first > position:
        return records
    return [record for record in records if record.seq is not None and record.seq > position]
