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

from .eventlog import Record, RoomStats
from .ledger import Batch, Entry, Ledger, Result, dedup_key
from .options import Options
from .retention import Retention
from .store import Store

_MAX_BATCH = 1_000  # events in a transaction: more do not make it faster, but let the first one wait
_MAX_BATCH_BYTES = 8 << 20
_QUIET = 0.05  # seconds without appends after which there is time for housekeeping
_IDLE = 60.0  # seconds between looks for what has grown too old
_RELIEVE_EVERY = 1.0

log = logging.getLogger(__name__)


class Change(NamedTuple):
    """Work for a transaction beside the events: ``apply`` runs on the writer's thread, ``done`` on the loop's."""

    apply: Callable[[sqlite3.Connection], None]
    done: Callable[[Exception | None], None]


class Outcome(NamedTuple):
    """What came of a batch, for the loop: events that are now out, what their appends came to, rooms that changed."""

    records: Sequence[Record] = ()
    results: Sequence[Result] = ()
    rooms: Mapping[str, RoomStats] = MappingProxyType({})
    head: int = 0
    changes: Sequence[Change] = ()
    error: Exception | None = None
    appends: int = 0
    bytes: int = 0


Item = Entry | Change


class Writer:
    """Runs the store on a thread of its own.

    Parameters
    ----------
    store, ledger, retention
        All of them belong to this thread from now on.
    publish : callable
        Called on ``loop`` with every `Outcome`, in order.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        retention: Retention,
        options: Options,
        loop: asyncio.AbstractEventLoop,
        publish: Callable[[Outcome], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._retention = retention
        self._options = options
        self._loop = loop
        self._publish = publish
        self._queue: queue.SimpleQueue[Sequence[Item] | None] = queue.SimpleQueue()
        self._waiting: deque[Item] = deque()
        self._stopping = False
        self._relieved = 0.0
        self._failing = False
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
            elif self._stopping:
                break
            else:
                self._keep(quiet=True)
        self._call(self._finish)

    def _finish(self) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)

    def _patience(self) -> float:
        """Return how long to wait for work, in seconds."""
        if self._waiting or self._stopping:
            return 0.0
        return _QUIET if self._retention.busy else _IDLE

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

    def _batch(self) -> tuple[list[Entry], list[Change]]:
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
        return entries, changes

    def _commit(self, work: tuple[list[Entry], list[Change]]) -> None:
        entries, changes = work
        batch: Batch | None = None
        try:
            batch = self._decide(entries)
            self._write(batch, changes)
            outcome = self._stored(batch, changes)
        except Exception as error:  # noqa: BLE001 -- whatever it was, this thread goes on
            outcome = self._failed(batch, entries, changes, self._explain(error))
        appends = [entry.size for entry in entries]
        self._call(self._publish, outcome._replace(appends=len(appends), bytes=sum(appends)))

    def _decide(self, entries: Sequence[Entry]) -> Batch:
        now = int(self._options.clock() * 1000)
        keys = [dedup_key(entry.draft) if entry.future else None for entry in entries]
        wanted = [key for key in keys if key is not None]
        known = self._store.known(wanted, now - int(self._options.dedup_age * 1000)) if wanted else {}
        batch = Batch(self._ledger, known, now)
        for entry, key in zip(entries, keys, strict=True):
            batch.add(entry, key)
        return batch

    def _write(self, batch: Batch, changes: Sequence[Change]) -> None:
        if not batch.events and not changes:
            return
        with self._store.transaction() as connection:
            self._store.insert(batch)
            for change in changes:
                change.apply(connection)

    def _stored(self, batch: Batch, changes: Sequence[Change]) -> Outcome:
        self._ledger.accept(batch)
        self._retention.grown(batch)
        self._failing = False
        rooms = {name: room.stats() for name, room in batch.rooms.items()}
        return Outcome(batch.records, batch.results, rooms, batch.head, changes)

    def _failed(
        self, batch: Batch | None, entries: Sequence[Entry], changes: Sequence[Change], error: LogError
    ) -> Outcome:
        results = [Result(entry.future, error) for entry in entries if entry.future is not None]
        volatile = [record for record in batch.records if record.seq is None] if batch else []
        return Outcome(volatile, results, {}, self._ledger.head, changes, error)

    def _explain(self, error: Exception) -> LogError:
        """Return the error that callers get, log it once, and make room if that is what is missing."""
        full = is_full(error)
        answer = LogFull(f"the disk is full: {error}") if full else LogError(f"the log could not store: {error}")
        if not self._failing:
            self._failing = True
            log.error("%s; appends are refused until this is repaired, everything else goes on", answer,
                      exc_info=None if full else error)  # fmt: skip
        if full and time.monotonic() - self._relieved >= _RELIEVE_EVERY:
            self._relieved = time.monotonic()
            self._tell(self._retention.relieve())
        return answer

    def _keep(self, quiet: bool) -> None:
        """Do a slice of housekeeping, if any is due."""
        try:
            self._tell(self._retention.step(quiet))
        except sqlite3.Error as error:
            self._retention.give_up()
            log.warning("old events could not be trimmed, it will be tried again: %s", error)

    def _tell(self, rooms: dict[str, RoomStats]) -> None:
        if rooms:
            self._call(self._publish, Outcome(rooms=rooms, head=self._ledger.head))

    def _call(self, function: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody is left to hear it
            log.debug("the event loop ended before the log was closed")


def is_full(error: Exception) -> bool:
    """Whether SQLite ran out of room (SQLITE_FULL; the code has a name from Python 3.11 on only)."""
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)
