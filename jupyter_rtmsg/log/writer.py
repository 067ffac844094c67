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
from collections.abc import Callable, Sequence
from contextlib import suppress

from jupyter_rtmsg.errors import LogError, LogFull

from .clock import LogClock, encode_state
from .dedup import Dedup
from .disk import Disk
from .eventlog import Fault, RoomStats
from .explicit import IdRepeatedError
from .fault import Outage, diagnose, is_damage
from .guard import Guard
from .ledger import Batch, Entry, Ledger, Result, dedup_key
from .retention import Retention
from .store import Store
from .work import Change, Item, Outcome, Work

_MAX_BATCH = 1_000  # events in a transaction: more do not make it faster, but let the first one wait
_MAX_BATCH_BYTES = 1 << 20
_QUIET = 0.05  # seconds without appends after which there is time for housekeeping
_IDLE = 60.0  # seconds between looks for what has grown too old
_RELIEVE_EVERY = 1.0
_KEEP_AGAIN = 1.0  # seconds until housekeeping that failed is tried again, at first
_STUMBLE, _LONGEST_STUMBLE = 0.01, 1.0  # seconds that the thread pauses when it failed itself
_SLOW = 5.0  # seconds after which a commit counts as hanging

log = logging.getLogger(__name__)


class Writer:
    """Runs the store on a thread of its own.

    Parameters
    ----------
    store, ledger, dedup, retention, disk, guard
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
        disk: Disk,
        clock: LogClock,
        loop: asyncio.AbstractEventLoop,
        publish: Callable[[Outcome], None],
        guard: Guard | None = None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._dedup = dedup
        self._retention = retention
        self._disk = disk
        self._clock = clock
        self._loop = loop
        self._publish, self._guard = publish, guard
        self._queue: queue.SimpleQueue[Sequence[Item] | None] = queue.SimpleQueue()
        self._waiting: deque[Item] = deque()
        self._stopping = False
        self._relieved = -_RELIEVE_EVERY
        self._storing = Outage("events cannot be stored", "publishers are refused meanwhile, everything else goes on")
        self._keeping = Outage("the log cannot be tidied up", "nothing is trimmed meanwhile, everything else goes on")
        self._keep_at, self._keep_delay = 0.0, _KEEP_AGAIN
        self._under_way: list[Work] = []  # what is being stored, until it is answered; the last part is next
        self._began: float | None = None  # when that part began
        self._state_is_sure = True  # whether the ledger has what the file has
        self._state_is_wrong = False  # whether it surely has not
        self._stumbles = 0
        self._ended = False
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

    async def ended(self, timeout: float) -> bool:
        """Wait for the thread's end, for at most so many seconds; tell whether it came: a disk may hang."""
        done, _ = await asyncio.wait([self.stopped], timeout=timeout)
        return bool(done)

    @property
    def failing(self) -> Fault | None:
        """See `EventLog.failing`."""
        began = self._began
        if began is not None and (waited := time.monotonic() - began) > _SLOW:
            total = sum(work.total for work in tuple(self._under_way))
            return Fault(f"the disk has not answered for {waited:.0f} s", time.time() - waited, total)
        return self._storing.fault or self._keeping.fault

    def _run(self) -> None:
        while not self._ended:
            try:
                self._turn()
                self._stumbles = 0
            except BaseException as error:  # noqa: BLE001 -- a hub without this thread could store nothing until a restart
                self._stumbled(error)
        self._call(self._finish)

    def _turn(self) -> None:
        self._collect(self._patience())
        if self._waiting:
            self._commit(self._batch())
            self._keep(quiet=False)
            self._calm = False
        elif self._stopping:
            self._ended = True
            self._store_clock()
        else:
            self._calm = True
            self._clock.look()
            self._keep(quiet=True)

    def _stumbled(self, error: BaseException) -> None:
        """Contain what this thread itself failed at: answer the work under way, and go on a little later."""
        with suppress(BaseException):  # such as no memory even for this
            parts, self._under_way, self._began = self._under_way, [], None
            answer = diagnose(error)
            self._keeping.failed(answer, unexpected=error)
            for work in reversed(parts):
                self._call(self._publish, self._refused(None, work, answer))
        self._state_is_sure, self._state_is_wrong = False, True
        self._stumbles += 1
        time.sleep(min(_STUMBLE * 2 ** min(self._stumbles, 10), _LONGEST_STUMBLE))

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
        if self._keeping.fault:
            return max(0.0, self._keep_at - time.monotonic())
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
        """Store some work and tell what came of it; what can't be stored must not take the rest with it."""
        self._under_way = [work]
        while self._under_way:
            work, self._began = self._under_way[-1], time.monotonic()
            outcome = self._outcome(work)
            if outcome.error is not None and outcome.error.__cause__ and work.total > 1:
                self._under_way[-1:] = reversed(work.halves())
                continue
            self._note(outcome)
            self._under_way.pop()
            self._call(self._publish, outcome)
        self._began = None

    def _note(self, outcome: Outcome) -> None:
        """Begin or end an outage."""
        if outcome.error is not None:
            self._storing.failed(outcome.error, outcome.work.total, outcome.error.__cause__)
        elif outcome.rooms or outcome.work.changes:  # something was stored
            self._storing.ended()

    def _outcome(self, work: Work) -> Outcome:
        batch: Batch | None = None
        try:
            if self._guard and self._guard.failed:
                raise self._guard.failed
            if not self._state_is_sure:
                self._reload()
            batch = self._decide(work.entries)
            try:
                self._write(batch, work.changes)
            except IdRepeatedError:
                batch = self._decide(work.entries, complete=True)
                self._write(batch, work.changes)
        except Exception as error:  # noqa: BLE001 -- whatever it was, it is told, and this thread goes on
            return self._confirmed(self._refused(batch, work, self._explain(error)))
        return self._confirmed(self._stored(batch, work))

    def _confirmed(self, outcome: Outcome) -> Outcome:
        """Tell what was stored only once it is in the file at the log's path, which may have been taken away."""
        try:
            return outcome._replace(warning=self._guard.confirm() if self._guard else None)
        except LogError as error:  # the events come out all the same: they are in the log, and in its open file
            return outcome._replace(results=[Result(each.done, error) for each in outcome.results], error=error)

    def _reload(self) -> None:
        """Find out what the file holds, after a failure that leaves it open; the tail of the log begins anew."""
        if self._store.connection.in_transaction:
            self._store.connection.execute("ROLLBACK")
        (head,) = self._store.connection.execute("SELECT max(seq) FROM event").fetchone()
        if (head or 0) > self._ledger.head or self._state_is_wrong:
            self._ledger.replace(self._store.load())
            self._dedup.load()
            rooms = {name: room.stats() for name, room in self._ledger.rooms.items()}
            self._call(self._publish, Outcome(rooms=rooms, head=self._ledger.head, anew=True))
        self._state_is_sure, self._state_is_wrong = True, False

    def _decide(self, entries: Sequence[Entry], *, complete: bool = False) -> Batch:
        time = self._clock.look()
        drafts = [entry.draft for entry in entries]
        keys = [dedup_key(entry.draft) if entry.done else None for entry in entries]
        known = self._dedup.look_up(drafts, keys, time, complete=complete)
        batch = Batch(self._ledger, known.seqs, self._clock.wall, time, complete=known.complete)
        for entry, key in zip(entries, keys, strict=True):
            batch.add(entry, key, differs=id(entry.draft) in known.differing)
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
        try:
            self._ledger.accept(batch)
            self._retention.grown(batch)
        except BaseException as error:  # noqa: BLE001 -- it is on disk, and so it is told
            self._state_is_sure, self._state_is_wrong = False, True
            self._keeping.failed(diagnose(error), unexpected=error)
        rooms = {name: room.stats() for name, room in batch.rooms.items()}
        return Outcome(batch.records, batch.results, rooms, batch.head, work)

    def _refused(self, batch: Batch | None, work: Work, error: LogError) -> Outcome:
        results = [Result(entry.done, error) for entry in work.entries if entry.done is not None]
        volatile = [record for record in batch.records if record.seq is None] if batch else []
        return Outcome(volatile, results, {}, self._ledger.head, work, error)

    def _explain(self, error: Exception) -> LogError:
        """Return the error that callers get, and make room if that is what is missing.

        It has a cause where the work itself may be at fault, or a page of the file: the rest may be stored.
        """
        self._state_is_sure = False
        damaged = is_damage(error)
        self.damaged |= damaged
        answer = diagnose(error, self._disk.probe)
        if type(answer) is LogError or damaged:
            answer.__cause__ = error
        if isinstance(answer, LogFull):
            self._relieve()
        return answer

    def _relieve(self) -> None:
        """Make room on a full disk, but not again and again."""
        self._pressed = time.monotonic() - self._relieved < _RELIEVE_EVERY
        if not self._pressed:
            self._relieved = time.monotonic()
            try:
                self._tell(self._retention.relieve())
            except Exception as error:  # noqa: BLE001 -- it is tried again
                log.debug("no room could be made on the full disk: %s", error)

    def _keep(self, quiet: bool) -> None:
        """Do a slice of housekeeping, if any is due."""
        if quiet and self._pressed:
            self._relieve()
        if time.monotonic() < self._keep_at:
            return
        try:
            self._tell(self._retention.step(quiet))
        except Exception as error:  # noqa: BLE001 -- it is tried again
            self._postpone(error)
        else:
            self._keep_at, self._keep_delay = 0.0, _KEEP_AGAIN
            self._keeping.ended()

    def _postpone(self, error: Exception) -> None:
        """Try housekeeping again later: after a second, two, and so on up to a minute."""
        self._retention.give_up()
        answer = diagnose(error, self._disk.probe)
        self._keeping.failed(answer, unexpected=error if type(answer) is LogError else None)
        self._keep_at = time.monotonic() + self._keep_delay
        self._keep_delay = min(2 * self._keep_delay, _IDLE)
        if isinstance(answer, LogFull):
            self._relieve()

    def _tell(self, rooms: dict[str, RoomStats]) -> None:
        if rooms:
            self._call(self._publish, Outcome(rooms=rooms, head=self._ledger.head))

    def _call(self, function: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody is left to hear it
            log.debug("the event loop ended before the log was closed")
