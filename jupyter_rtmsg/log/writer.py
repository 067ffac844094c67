"""The thread that writes. All items in its queue go into one transaction (group commit).

Only this thread uses the store's connection and the `LogState`. It reports each transaction to the event loop with one
call, whatever its size, and sleeps while there is nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from jupyter_rtmsg.errors import LogError, LogFull

from .batch import Batch
from .clock import LogClock, encode_state
from .dedup import Dedup, dedup_key
from .disk import Disk
from .explicit import IdRepeatedError
from .fault import Outage, diagnose, is_damage
from .guard import Guard
from .intake import Intake
from .parts import missing
from .records import Fault, RoomStats
from .retention import Retention
from .state import LogState
from .store import Store
from .work import Change, Completion, Item, Outcome, Submission, Work

_QUIET = 0.05  # seconds without appends after which housekeeping starts
_IDLE = 60.0  # seconds between two searches for expired events
_RELIEVE_EVERY = 1.0  # seconds between two attempts to make room on a full disk
_HOUSEKEEPING_RETRY = 1.0  # seconds until failed housekeeping is tried again, doubled each time up to `_IDLE`
_PAUSE, _MAX_PAUSE = 0.01, 1.0  # seconds that the thread pauses after an error of its own, doubled each time
_SLOW = 5.0  # seconds after which a commit counts as hanging

logger = logging.getLogger(__name__)


class Writer:
    """Runs the store on a thread of its own.

    Parameters
    ----------
    store : Store
    state : LogState
    dedup : Dedup
    retention : Retention
    disk : Disk
    clock : LogClock
    loop : asyncio.AbstractEventLoop
    publish : callable
        Called on ``loop`` with every `Outcome`, in order.
    guard : Guard or None

    Attributes
    ----------
    damaged : bool
        Whether a write found the file itself damaged.
    stopped : asyncio.Future
        Done when the thread has ended.
    """

    # Ownership: the thread owns all parameters except `loop`, and all fields. The loop calls `put`, `stop`, `ended` and
    # `failing`; the last reads `_in_progress`, `_began` and the two outages.
    #
    # One turn of the thread: collect items, then
    # - with items: commit a batch of them, then do a slice of housekeeping that keeps up with them;
    # - without: do a slice of housekeeping (`_housekeeping`: the next slice need not wait for quiet);
    # - without, and after `stop`: end.
    # `_poll_timeout` says how long to wait for items, depending on that, and on `_disk_pressure`: the disk is full, so
    # `Retention.relieve` is due again in a second.
    #
    # `_committed` is a batch that is in the file and not yet in the state: the loop is told of it first, and the state
    # is brought up to date while the loop wakes up.
    # After a failed transaction it is unknown whether it was committed: `_state_is_sure` is False, and the next work
    # begins with `_reload`. `_state_is_wrong`: the state surely differs from the file, and is loaded again.

    def __init__(
        self,
        store: Store,
        state: LogState,
        dedup: Dedup,
        retention: Retention,
        disk: Disk,
        clock: LogClock,
        loop: asyncio.AbstractEventLoop,
        publish: Callable[[Outcome], None],
        guard: Guard | None = None,
    ) -> None:
        self._store = store
        self._state = state
        self._dedup = dedup
        self._retention = retention
        self._disk = disk
        self._clock = clock
        self._loop = loop
        self._publish, self._guard = publish, guard
        self._intake = Intake()
        self._relieved = -_RELIEVE_EVERY
        self._storing = Outage("events cannot be stored", "appends are refused meanwhile, everything else goes on")
        self._trimming = Outage("the log cannot be trimmed", "nothing is deleted meanwhile, everything else goes on")
        self._trim_at, self._trim_delay = 0.0, _HOUSEKEEPING_RETRY
        self._in_progress: list[Work] = []  # work without an outcome yet; the last piece is stored next
        self._began: float | None = None  # when that began
        self._committed: Batch | None = None
        self._state_is_sure = True
        self._state_is_wrong = False
        self._errors = 0  # consecutive errors of the thread itself
        self._ended = self._disk_pressure = self._housekeeping = False
        self.damaged = False
        self.stopped: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._run, name="rtmsg-log", daemon=True)
        self._thread.start()

    def put(self, items: Sequence[Item]) -> None:
        """Add items to the queue. Called on the loop."""
        self._intake.put(items)

    def stop(self) -> None:
        """End after all items queued so far; then `stopped` is done."""
        self._intake.stop()

    async def ended(self, timeout: float) -> bool:
        """Return whether the thread ends within ``timeout`` seconds: a disk may hang."""
        done, _ = await asyncio.wait([self.stopped], timeout=timeout)
        return bool(done)

    @property
    def failing(self) -> Fault | None:
        """See `EventLog.failing`."""
        began = self._began
        if began is not None and (waited := time.monotonic() - began) > _SLOW:
            total = sum(work.total for work in tuple(self._in_progress))
            return Fault(f"the disk has not answered for {waited:.0f} s", time.time() - waited, total)
        return self._storing.fault or self._trimming.fault

    def _run(self) -> None:
        while not self._ended:
            try:
                self._turn()
                self._errors = 0
            except BaseException as error:  # noqa: BLE001 -- without this thread nothing is stored until a restart
                self._recover(error)
        self._call(self._finish)

    def _turn(self) -> None:
        intake = self._intake
        intake.collect(self._poll_timeout())
        if intake:
            self._commit(intake.take())
            if self._retention.due:
                self._keep_house(quiet=False)
            self._housekeeping = False
        elif intake.stopping:
            self._ended = True
            self._store_clock()
        else:
            self._housekeeping = True
            self._clock.look()
            self._keep_house(quiet=True)

    def _recover(self, error: BaseException) -> None:
        """Recover from an error of this thread itself: refuse the work in progress, and pause."""
        with suppress(BaseException):  # for example, if there is no memory for this either
            pieces, self._in_progress, self._began, self._committed = self._in_progress, [], None, None
            self._trimming.failed(answer := diagnose(error), unexpected=error)
            for work in reversed(pieces):
                self._call(self._publish, self._refused(None, work, answer))
        self._state_is_sure, self._state_is_wrong = False, True
        self._errors += 1
        time.sleep(min(_PAUSE * 2 ** min(self._errors, 10), _MAX_PAUSE))

    def _store_clock(self) -> None:
        """Store log time as the log is closed, since it may have been open long without an event."""
        self._clock.look()
        try:
            with self._store.transaction():
                self._store.put([("clock", encode_state(self._clock.state))])
        except (sqlite3.Error, LogError) as error:
            logger.debug("log time could not be stored; it will continue from the last event: %s", error)

    def _finish(self) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)

    def _poll_timeout(self) -> float:
        """Return how long to wait for items (seconds)."""
        if self._intake or self._intake.stopping:
            return 0.0
        if self._disk_pressure:
            return _RELIEVE_EVERY
        if self._trimming.fault:
            return max(0.0, self._trim_at - time.monotonic())
        if not self._retention.busy:
            return min(_IDLE, max(0.0, self._retention.wait))
        return 0.0 if self._housekeeping else _QUIET

    def _commit(self, work: Work) -> None:
        """Store work, and publish its outcome. If an item may be at fault, halve the work until that item is alone."""
        self._in_progress = [work]
        while self._in_progress:
            work, self._began = self._in_progress[-1], time.monotonic()
            outcome = self._outcome(work)
            if outcome.error is not None and outcome.error.__cause__ and work.total > 1:
                self._in_progress[-1:] = reversed(work.halves())
                continue
            self._note(outcome)
            self._in_progress.pop()
            self._call(self._publish, outcome)
            self._accept()
        self._began = None

    def _note(self, outcome: Outcome) -> None:
        """Begin or end the outage of storing."""
        if outcome.error is not None:
            self._storing.failed(outcome.error, outcome.work.total, outcome.error.__cause__)
        elif self._storing.fault and (outcome.rooms or outcome.work.changes):  # something was stored
            self._storing.ended()

    def _outcome(self, work: Work) -> Outcome:
        batch: Batch | None = None
        try:
            if self._guard and self._guard.failed:
                raise self._guard.failed
            if not self._state_is_sure:
                self._reload()
            batch = self._decide(work.submissions)
            try:
                self._write(batch, work.changes)
            except IdRepeatedError:
                batch = self._decide(work.submissions, complete=True)
                self._write(batch, work.changes)
        except Exception as error:  # noqa: BLE001 -- every error is answered, and this thread continues
            return self._confirmed(self._refused(batch, work, self._explain(error)))
        self._committed = batch
        rooms = {name: room.stats() for name, room in batch.rooms.items()}
        policies = self._state.policies_after(batch.policies.changed)
        return self._confirmed(Outcome(batch.records, batch.completions, rooms, batch.head, work, policies=policies))

    def _confirmed(self, outcome: Outcome) -> Outcome:
        """Confirm that the file is still at its path, before anybody learns that the events are stored.

        If it is not and cannot be put back, the appends fail. Their events come out all the same: they are in the log,
        and in the open file.
        """
        try:
            warning = self._guard.confirm() if self._guard else None
            return outcome._replace(warning=warning) if warning else outcome
        except LogError as error:
            failed = [Completion(each.done, error) for each in outcome.completions]
            return outcome._replace(completions=failed, error=error)

    def _reload(self) -> None:
        """After a failed transaction, load the state from the file again if that was committed after all."""
        if self._store.connection.in_transaction:
            self._store.connection.execute("ROLLBACK")
        (head,) = self._store.connection.execute("SELECT max(seq) FROM event").fetchone()
        if (head or 0) > self._state.head or self._state_is_wrong:
            self._state.replace(self._store.load())
            self._dedup.load()
            rooms = {name: room.stats() for name, room in self._state.rooms.items()}
            self._call(
                self._publish, Outcome(rooms=rooms, head=self._state.head, reset=True, policies=self._state.policies)
            )
        self._state_is_sure, self._state_is_wrong = True, False

    def _decide(self, submissions: Sequence[Submission], *, complete: bool = False) -> Batch:
        time = self._clock.look()
        drafts = [each.draft for each in submissions]
        keys = [dedup_key(each.draft) if each.done else None for each in submissions]
        known = self._dedup.look_up(drafts, keys, time, complete=complete)
        bounds = self._retention.bounds
        parted = [draft for draft in drafts if draft.parts is not None]
        lost = missing(self._store.connection, parted) if parted else ()
        now, complete = self._clock.wall, known.complete
        batch = Batch(self._state, known.seqs, now, time, complete=complete, bounds=bounds, lost=lost)
        for each, key in zip(submissions, keys, strict=True):
            batch.add(each, key, differs=bool(known.differing) and id(each.draft) in known.differing)
        return batch if batch.is_sure else self._decide(submissions, complete=True)

    def _write(self, batch: Batch, changes: Sequence[Change]) -> None:
        if batch.is_empty and not changes:
            return
        if self._retention.short_of_space:
            self._relieve()
            if (batch.events or any(each.size for each in changes)) and self._retention.short_of_space:
                raise LogFull("the disk is full: the remaining space is needed to trim the log. Make room there")
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

    def _accept(self) -> None:
        """Bring the state up to date with the batch that was committed."""
        batch, self._committed = self._committed, None
        if batch is None:
            return
        try:
            self._state.accept(batch)
            self._retention.grown(batch)
        except BaseException as error:  # noqa: BLE001 -- the events are on disk, and their appends succeeded
            self._state_is_sure, self._state_is_wrong = False, True
            self._trimming.failed(diagnose(error), unexpected=error)

    def _refused(self, batch: Batch | None, work: Work, error: LogError) -> Outcome:
        results = [Completion(each.done, error) for each in work.submissions if each.done is not None]
        volatile = [record for record in batch.records if record.seq is None] if batch else []
        return Outcome(volatile, results, {}, self._state.head, work, error)

    def _explain(self, error: Exception) -> LogError:
        """Return the error that callers get; on a full disk, make room.

        It has a cause if an item of the work or a page of the file may be at fault. Then the rest may be stored.
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
        """Make room on a full disk, at most once a second."""
        self._disk_pressure = time.monotonic() - self._relieved < _RELIEVE_EVERY
        if not self._disk_pressure:
            self._relieved = time.monotonic()
            try:
                self._publish_rooms(self._retention.relieve())
            except Exception as error:  # noqa: BLE001 -- it is tried again
                logger.debug("no room could be made on the full disk: %s", error)

    def _keep_house(self, quiet: bool) -> None:
        """Do a slice of housekeeping, if it is due."""
        if quiet and self._disk_pressure:
            self._relieve()
        if time.monotonic() < self._trim_at:
            return
        try:
            self._publish_rooms(self._retention.step(quiet))
        except Exception as error:  # noqa: BLE001 -- it is tried again
            self._postpone(error)
        else:
            self._trim_at, self._trim_delay = 0.0, _HOUSEKEEPING_RETRY
            if self._trimming.fault:
                self._trimming.ended()

    def _postpone(self, error: Exception) -> None:
        """Try housekeeping again later."""
        self._retention.give_up()
        answer = diagnose(error, self._disk.probe)
        self._trimming.failed(answer, unexpected=error if type(answer) is LogError else None)
        self._trim_at = time.monotonic() + self._trim_delay
        self._trim_delay = min(2 * self._trim_delay, _IDLE)
        if isinstance(answer, LogFull):
            self._relieve()

    def _publish_rooms(self, rooms: dict[str, RoomStats]) -> None:
        if rooms:
            announced, state = self._retention.expiry.take_announcements(), self._state
            self._call(self._publish, Outcome(announced, rooms=rooms, head=state.head, policies=state.policies))

    def _call(self, function: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed
            logger.debug("the event loop ended before the log was closed")
