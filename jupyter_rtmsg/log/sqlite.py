"""The log in SQLite, as the event loop sees it.

Appends are collected in a list, which goes to the `Writer` once per iteration of the loop. The writer's outcomes come
back through `_publish`, and reach followers through the `Tail`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from jupyter_rtmsg.errors import EpochChanged, LogBusy, LogClosed
from jupyter_rtmsg.futures import settle
from jupyter_rtmsg.logthrottle import throttled_logger

from .batch import announced
from .clock import LogClock, stamp
from .completions import CompletionQueue
from .dedup import Dedup
from .disk import Disk
from .eventlog import KeyValueStore, StoredSubscription, SubscriptionStore
from .groups import SQLiteGroups
from .groupstates import GroupStates, StoredGroup
from .guard import Guard
from .keyvalue import SQLiteKeyValueStore
from .openings import Openings
from .options import Options
from .parts import SQLitePartStore
from .partstore import PartStore
from .policy import Policy, RoomPolicies, limits_of
from .reader import Query, Reader
from .reader_pool import ReaderPool
from .records import DELETED, Appended, Done, Draft, Fault, Lag, Page, Record, RoomStats, Take, size_of
from .retention import Retention
from .state import LogState
from .store import Store
from .subscriptions import SQLiteSubscriptions
from .tail import Tail, after_position, last_seq
from .threads import run_on_thread
from .work import Change, Changed, Item, Outcome, Submission
from .writer import Writer

logger = throttled_logger(__name__)

_CLOSE_TIMEOUT = 4.0  # seconds: a server must end within five, also when its disk hangs
_NO_ROOM = RoomStats(0, 0, 0, 0)


class SQLiteLog:
    """An `EventLog` in one SQLite database. Made by `open_log`.

    Parameters
    ----------
    store : Store
        Open, with its tables.
    state : LogState
    dedup : Dedup
    readers : ReaderPool
    id, url, epoch : str
    durable : bool
        Whether events outlive the process.
    warning : str or None
        A text for the users of the log.
    openings : Openings
        The last one is the present one.
    subscriptions : iterable of StoredSubscription
        Those in the file.
    groups : iterable of StoredGroup
        Those in the file.
    disk : Disk
    options : Options
    release : callable
        ``release(intact)`` closes the file, on a thread of its own. Called last.
    guard : Guard or None
        Checks that the file stays at its path; None for a log in memory.
    """

    # Ownership: the loop owns the fields here. `store`, `state`, `dedup`, `disk` and `clock` belong to the writer's
    # thread as soon as `Writer` is made; `_head`, `_ts` and `_rooms` are the loop's copies, updated by `_publish`.
    #
    # States: open (`_closing` is None), then closing (a task), then closed (the task is done).
    # `_pending` holds items of this iteration of the loop. `_queued` counts the appends that have no outcome yet, in
    # `_pending` or with the writer; `_queued_bytes` has their bytes and those of changes.

    def __init__(
        self,
        store: Store,
        state: LogState,
        dedup: Dedup,
        readers: ReaderPool,
        *,
        id: str,
        url: str,
        epoch: str,
        durable: bool,
        warning: str | None,
        openings: Openings,
        disk: Disk,
        subscriptions: Iterable[StoredSubscription] = (),
        groups: Iterable[StoredGroup] = (),
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
        self._head, self._ts = state.head, state.ts
        self._rooms = {name: room.stats() for name, room in state.rooms.items()}
        self._room_policies: Mapping[str, Policy] = state.policies
        self._tail = Tail(state.head, options.tail_events, options.tail_bytes)
        self._pending: list[Item] = []
        self._queued = self._queued_bytes = 0
        self._completions = CompletionQueue(self._loop)
        self._closing: asyncio.Task[None] | None = None
        clock = self._clock = LogClock(
            options.clock, options.monotonic, state.time, store.get("clock"), ts=state.ts, usual=options.max_age
        )
        retention = Retention(store, state, dedup, options, clock, disk)
        self._writer = Writer(store, state, dedup, retention, disk, clock, self._loop, self._publish, guard)
        self._subscriptions = SQLiteSubscriptions(subscriptions, self._submit, clock, self._loop)
        self.key_values: KeyValueStore = SQLiteKeyValueStore(self._submit, self._read, clock)
        self.parts: PartStore = SQLitePartStore(self._submit, self._read)
        self.policies = RoomPolicies(lambda: self._room_policies, self.append, limits_of(options))
        self._groups = SQLiteGroups(groups, self._submit, self._read, clock, self._loop)

    @property
    def head(self) -> int:
        """See `EventLog.head`."""
        return self._head

    @property
    def opening(self) -> str:
        """See `EventLog.opening`."""
        return self._openings.name

    @property
    def subscriptions(self) -> SubscriptionStore:
        """See `EventLog.subscriptions`."""
        return self._subscriptions

    @property
    def groups(self) -> GroupStates:
        """See `EventLog.groups`."""
        return self._groups

    @property
    def failing(self) -> Fault | None:
        """See `EventLog.failing`."""
        return self._writer.failing or self._readers.failing

    def now(self) -> int:
        """See `EventLog.now`."""
        return stamp(int(self._options.clock() * 1000), self._ts)

    def log_time(self) -> int:
        """See `EventLog.log_time`."""
        return self._clock.look()

    def locate(self, position: int, epoch: str | None = None, opening: str | None = None) -> int | None:
        """See `EventLog.locate`."""
        return position if epoch in (None, self.epoch) and position <= self.cut(opening or "") else None

    def cut(self, opening: str) -> int:
        """See `EventLog.cut`."""
        return self._openings.cut(opening, self._head)

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        """See `EventLog.append`."""
        future: asyncio.Future[Appended] = self._loop.create_future()
        self.submit(draft, partial(settle, future))
        return future

    def submit(self, draft: Draft, done: Done) -> None:
        """See `EventLog.submit`."""
        if self._closing is not None:
            self._check_open()
        size = size_of(draft)
        if self._queued and not self._has_room(size):  # an empty queue takes an event of any size
            raise self._busy()
        self._queued += 1
        self._submit(Submission(draft, done, size))

    def delete(self, room: str) -> asyncio.Future[Appended]:
        """See `EventLog.delete`."""
        return self.append(Draft(room, DELETED, b"null"))

    def announce(self, draft: Draft) -> None:
        """See `EventLog.announce`."""
        self._check_open()
        size = size_of(draft)
        if not self._queued:  # it can overtake no append, so it need not pass through the writer
            self._ts = self.now()
            self._tail.push([announced(draft, self._ts)])
        elif self._has_room(size):
            self._queued += 1
            self._submit(Submission(draft, None, size))

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
            room, after, before, last, since, until, limit, max_bytes, max_attachments, name, user, sender,
            self._head, self.log_time(),
        )  # fmt: skip
        page: Page = await self._read(Reader.page, query)
        return page

    async def follow(self, *, after: int, take: Take | None = None) -> AsyncIterator[Sequence[Record]]:
        """See `EventLog.follow`."""
        if after > self._head:
            raise EpochChanged(f"position {after} is beyond the log's head {self._head}: it belongs to another epoch")
        # `number` is the next batch of the tail. None: the tail does not go back to `position`, so the file is read.
        position, number = after, None
        while True:
            if number is None and (number := self._tail.find(position)) is None:
                if self._tail.closed:
                    return
                try:
                    records, position = await self._readers(Reader.scan, position, self._head, self.log_time())
                except LogClosed:
                    return
            else:
                try:
                    batch = self._tail.get(number)
                except LookupError:  # it was dropped from memory: go on from the file
                    number = None
                    continue
                if batch is None:
                    if self._tail.closed:
                        return
                    position, number = await self._tail.proceed(take, position, number)
                    continue
                number += 1
                records = after_position(batch, position)  # the file may have been read into the middle of this batch
                position = last_seq(batch, position)
            if records:
                yield records

    async def retained(self, room: str) -> Sequence[Record]:
        """See `EventLog.retained`."""
        values: list[Record] = await self._read(Reader.retained, room, self.log_time())
        return values

    async def stats(self, room: str) -> RoomStats:
        """See `EventLog.stats`."""
        return self._rooms.get(room, _NO_ROOM)

    async def rooms(self) -> Mapping[str, RoomStats]:
        """See `EventLog.rooms`."""
        return {name: stats for name, stats in self._rooms.items() if stats.count or stats.retained}

    async def lag(self, room: str, after: int) -> Lag:
        """See `EventLog.lag`."""
        lag: Lag = await self._read(Reader.lag, room, after, self._head, self.log_time())
        return lag

    async def before_last(self, room: str, number: int) -> int:
        """See `EventLog.before_last`."""
        position: int = await self._readers(Reader.before_last, room, number, self._head, self.log_time())
        return position

    async def position_of(self, room: str, after: int, number: int) -> int:
        """See `EventLog.position_of`."""
        position: int = await self._readers(Reader.position_of, room, after, number, self._head)
        return position

    async def _read(self, work: Callable[..., Any], *args: Any) -> Any:
        """Await a method of `Reader`. About once a second, check before that the file is still at its path."""
        if self._guard and self._guard.is_due() and not await run_on_thread(self._guard.is_there, self._loop):
            await self._committed()  # the writer puts the file back
        return await self._readers(work, *args)

    async def flush(self) -> None:
        """Wait until all appends and all changes of subscriptions and groups are stored."""
        self._subscriptions.flush()
        self._groups.flush()
        await self._committed()

    async def _committed(self) -> None:
        """Wait for a commit that includes everything queued now, whether it succeeds or fails."""
        # Outcomes come in the order of the items. A change without content is done when all items before it are.
        done: asyncio.Future[None] = self._loop.create_future()
        self._submit(Change(lambda _: None, lambda _: settle(done, None)))
        await done

    def retire(self) -> None:
        """End every `follow` after the events so far, since another log takes over. Reads work until `close`."""
        self._tail.close()

    def warn(self, warning: str) -> None:
        """Replace the text for the users of the log."""
        self.warning = warning

    async def close(self) -> None:
        """See `EventLog.close`."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)  # a caller that is cancelled must not stop it: others wait for it, too

    async def _close(self) -> None:
        # In the direction of the data: from the loop to the writer, then the followers, the readers, and last the file.
        deadline = self._loop.time() + _CLOSE_TIMEOUT
        self._subscriptions.flush()
        self._groups.flush()
        self._hand_over()
        self._writer.stop()
        ended = await self._writer.ended(_CLOSE_TIMEOUT)
        if not ended:
            logger.error(
                "the disk of the log %s does not answer: %d appends are abandoned; none of them was acknowledged",
                self.url, self._queued,
            )  # fmt: skip
        self._completions.drain()
        self._tail.close()
        ended = await self._readers.close(deadline - self._loop.time()) and ended
        if ended:  # else a thread may still use the connection
            intact = not (self._readers.damaged or self._writer.damaged)
            release = run_on_thread(partial(self._release, intact), self._loop)
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
            f"{self._queued} appends of {self._queued_bytes} bytes wait for the disk (limits: {options.max_queue} "
            f"appends, {options.max_queue_bytes} bytes): try again"
        )

    def _submit(self, item: Item) -> None:
        if not self._pending:
            self._loop.call_soon(self._hand_over)
        self._pending.append(item)
        self._queued_bytes += item.size

    def _hand_over(self) -> None:
        """Give the items of this iteration of the loop to the writer, which wakes it once."""
        if self._pending:
            items, self._pending = self._pending, []
            self._writer.put(items)

    def _publish(self, outcome: Outcome) -> None:
        """Bring the loop's side up to date with an outcome of the writer. Called on the loop, in commit order."""
        # The loop's copies change before any callback runs: a callback may submit or read.
        self._queued -= len(outcome.work.submissions)
        self._queued_bytes -= outcome.work.size
        self._head = max(self._head, outcome.head)
        self._rooms.update(outcome.rooms)
        for name, stats in outcome.rooms.items():
            if not stats.head:  # forgotten
                del self._rooms[name]
        if outcome.policies is not None:
            self._room_policies = outcome.policies
        if outcome.warning:
            self.warn(outcome.warning)
            self._readers.renew()
        if outcome.reset:
            self._tail.restart(outcome.head)
        if outcome.records:
            self._ts = stamp(outcome.records[-1].ts, self._ts)
            self._tail.push(outcome.records)
        # A task that waits in `follow` gets the batch in a later step, and must have it before the append is answered.
        changed = [Changed(each.done, outcome.error) for each in outcome.work.changes]
        self._completions.add([*outcome.completions, *changed], later=self._tail.awaited)
