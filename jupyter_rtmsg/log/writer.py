"""The thread that writes: everything that waits goes into one transaction (group commit).

Only this thread touches the store's connection and the ledger. It tells the event loop what came of a batch with one
call, however many events it held, and sleeps while there is nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from jupyter_rtmsg.errors import LogError, LogFull

from .clock import LogClock, encode_state
from .dedup import Dedup
from .eventlog import Record, RoomStats
from .ledger import Batch, Entry, Ledger, Result, dedup_key
from .retention import Retention
from .store import Store, is_damage, is_full

_MAX_BATCH = 1_000  # events in a transaction: more do not make it faster, but let the first one wait
_MAX_BATCH_BYTES = 1 << 20
_QUIET = 0.05  # seconds without appends after which there is time for housekeeping
_IDLE = 60.0  # seconds between looks for what has grown too old
_RELIEVE_EVERY = 1.0

log = logging.getLogger(__name__)


class Change(NamedTuple):
    """Work for a transaction beside the events: ``apply`` runs on the writer's thread, ``done`` on the loop's."""

    apply: Callable[[sqlite3.Connection], None]
    done: Callable[[Exception | None], None]


class Work(NamedTuple):
    """What shares a transaction; ``size`` is that of the payloads in bytes."""

    entries: Sequence[Entry] = ()
    changes: Sequence[Change] = ()
    size: int = 0


class Outcome(NamedTuple):
    """What came of some work, for the loop: events that are now out, what their appends came to, rooms that changed."""

    records: Sequence[Record] = ()
    results: Sequence[Result] = ()
    rooms: Mapping[str, RoomStats] = MappingProxyType({})
    head: int = 0
    work: Work = Work()
    error: Exception | None = None


Item = Entry | Change


class Writer:
    """Runs the store on a thread of its own.

    Parameters
    ----------
    store, ledger, dedup, retention
        All of them belong to this thread from now on.
    clock : LogClock
    publish : callable
        Called on ``loop`` with every `Outcome`, in order.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        dedup: Dedup,
        retention: Retention,
        clock: LogClock,
        loop: asyncio.AbstractEventLoop,
        publish: Callable[[Outcome], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._dedup = dedup
        self._retention = retention
        self._clock = clock
        self._loop = loop
        self._publish = publish
        self._queue: queue.SimpleQueue[Sequence[Item] | None] = queue.SimpleQueue()
        self._waiting: deque[Item] = deque()
        self._stopping = False
        self._relieved = -_RELIEVE_EVERY
        self._failing = False
        self._pressed = False
        self._calm = False  # whether housekeeping is under way, so that its next slice need not wait for quiet
        self.damaged = False  # whether a write found the file itself broken
        self.stopped: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._run, name="rtmsg-log", daemon=True)
        self._thread.start()

    def put(self, items: Sequence[Item]) -> None:
        """Queue work; called on the loop."""
        self._queue.put(items)

    def stop(self) -> None:
        """End after everything queued so far; `stopped` is done then."""
        self._queue.put(None)

    def join(self) -> None:
        """Wait for the thread's end."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._collect(self._patience())
            if self._waiting:
                self._commit(self._batch())
                self._keep(quiet=False)
                self._calm = False
            elif self._stopping:
                break
            else:
                self._calm = True
                self._clock.look()
                self._keep(quiet=True)
        self._store_clock()
        self._call(self._finish)

    def _store_clock(self) -> None:
        """Store for how long the log was open, however few events came."""
        self._clock.look()
        try:
            with self._store.transaction():
                self._store.put([("clock", encode_state(self._clock.state))])
        except (sqlite3.Error, LogError) as error:
            log.debug("log time could not be stored, it will go on from the last event: %s", error)

    def _finish(self) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)

    def _patience(self) -> float:
        """Return how long to wait for work, in seconds."""
        if self._waiting or self._stopping:
            return 0.0
        if self._pressed:
            return _RELIEVE_EVERY
        if not self._retention.busy:
            return _IDLE
        return 0.0 if self._calm else _QUIET

    def _collect(self, patience: float) -> None:
        try:
            items = self._queue.get(timeout=patience) if patience else self._queue.get_nowait()
            while True:
                if items is None:
                    self._stopping = True
                else:
                    self._waiting.extend(items)
                items = self._queue.get_nowait()
        except queue.Empty:
            pass

    def _batch(self) -> Work:
        """Take what fits into one transaction."""
        entries: list[Entry] = []
        changes: list[Change] = []
        size = 0
        while self._waiting and len(entries) < _MAX_BATCH and size < _MAX_BATCH_BYTES:
            item = self._waiting.popleft()
            if isinstance(item, Change):
                changes.append(item)
            else:
                entries.append(item)
                size += item.size
        return Work(entries, changes, size)

    def _commit(self, work: Work) -> None:
        batch: Batch | None = None
        try:
            batch = self._decide(work.entries)
            self._write(batch, work.changes)
            outcome = self._stored(batch, work)
        except Exception as error:  # noqa: BLE001 -- whatever it was, this thread goes on
            outcome = self._failed(batch, work, self._explain(error))
        self._call(self._publish, outcome)

    def _decide(self, entries: Sequence[Entry]) -> Batch:
        time = self._clock.look()
        keys = [dedup_key(entry.draft) if entry.done else None for entry in entries]
        wanted = [key for key in keys if key is not None]
        batch = Batch(self._ledger, self._dedup.find(wanted, time), self._clock.wall, time)
        for entry, key in zip(entries, keys, strict=True):
            batch.add(entry, key)
        return batch

    def _write(self, batch: Batch, changes: Sequence[Change]) -> None:
        if not batch.events and not batch.deleted and not changes:
            return
        if self._retention.short_of_space:
            self._relieve()
            if batch.events and self._retention.short_of_space:
                raise LogFull("the disk is full: what is left on it is needed to trim the log")
        state = self._clock.state if self._clock.stale else None
        with self._store.transaction() as connection:
            self._store.insert(batch)
            self._dedup.insert(batch)
            for change in changes:
                change.apply(connection)
            if state is not None:
                self._store.put([("clock", encode_state(state))])
        if state is not None:
            self._clock.stored(state)

    def _stored(self, batch: Batch, work: Work) -> Outcome:
        self._ledger.accept(batch)
        self._retention.grown(batch)
        self._failing = False
        rooms = {name: room.stats() for name, room in batch.rooms.items()}
        return Outcome(batch.records, batch.results, rooms, batch.head, work)

    def _failed(self, batch: Batch | None, work: Work, error: LogError) -> Outcome:
        results = [Result(entry.done, error) for entry in work.entries if entry.done is not None]
        volatile = [record for record in batch.records if record.seq is None] if batch else []
        return Outcome(volatile, results, {}, self._ledger.head, work, error)

    def _explain(self, error: Exception) -> LogError:
        """Return the error that callers get, log it once, and make room if that is what is missing."""
        answer, unexpected = error, None
        if is_full(error):
            answer = LogFull(f"the disk is full ({error})")
            self._relieve()
        elif not isinstance(error, LogError):
            answer, unexpected = LogError(f"the log could not store: {error}"), error
            self.damaged |= is_damage(error)
        if not self._failing:
            self._failing = True
            log.error("%s; appends are refused until that is repaired, everything else goes on", answer,
                      exc_info=unexpected)  # fmt: skip
        assert isinstance(answer, LogError)
        return answer

    def _relieve(self) -> None:
        """Make room on a full disk, but not again and again."""
        self._pressed = time.monotonic() - self._relieved < _RELIEVE_EVERY
        if not self._pressed:
            self._relieved = time.monotonic()
            self._tell(self._retention.relieve())

    def _keep(self, quiet: bool) -> None:
        """Do a slice of housekeeping, if any is due."""
        try:
            if quiet and self._pressed:
                self._relieve()
            self._tell(self._retention.step(quiet))
        except sqlite3.Error as error:
            self._retention.give_up()
            log.warning("old events could not be trimmed, it will be tried again: %s", error)
            if is_full(error):
                self._relieve()

    def _tell(self, rooms: dict[str, RoomStats]) -> None:
        if rooms:
            self._call(self._publish, Outcome(rooms=rooms, head=self._ledger.head))

    def _call(self, function: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody is left to hear it
            log.debug("the event loop ended before the log was closed")
