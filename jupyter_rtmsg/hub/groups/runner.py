"""Runs one worker group: reads its events from the log, writes deliveries to workers, and stores what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from jupyter_rtmsg.errors import LogClosed
from jupyter_rtmsg.hub.follow import Follower
from jupyter_rtmsg.hub.limits import Limits
from jupyter_rtmsg.hub.room import Participant
from jupyter_rtmsg.log import DeadLetter, EventLog, GroupSettings, Page, Ranges, Record, StoredFailure, StoredGroup
from jupyter_rtmsg.logthrottle import throttled_logger

from .attendance import Attendance
from .changes import Burial, GroupLimits
from .dead_letters import DeadLetters
from .group import Group
from .job import Job, JobState
from .memory import MemoryShare, WindowMemory
from .messages import work_messages
from .window import ReadPosition
from .workers import Worker

RETRY_AFTER = 1.0
"""Seconds after which the log is read again when that has failed."""
_LOOK_AGAIN = 8 << 10  # bytes of loaded events after which the limits are looked at again
_PAGE = 100  # events that are read at once at least: some may be settled already, or not be the group's

logger = throttled_logger(__name__)


class GroupHost(NamedTuple):
    """What all runners share.

    Attributes
    ----------
    log : EventLog
    follower : Follower
    limits : Limits
    clock : callable
        Monotonic seconds.
    random : callable
        From 0 to 1, for the jitter of pauses.
    alarm : callable
        ``alarm(runner, time)`` has `GroupRunner.wake` called at a time, or at none.
    idle : callable
        ``idle(runner)`` is called when it has no workers any more.
    buried : callable
        ``buried(runner)`` is called when there are new dead letters.
    attendance : Attendance
        Who works for which group, as it is stored.
    memory : WindowMemory
    """

    log: EventLog
    follower: Follower
    limits: Limits
    clock: Callable[[], float]
    random: Callable[[], float]
    alarm: Callable[[GroupRunner, float | None], None]
    idle: Callable[[GroupRunner], None]
    buried: Callable[[GroupRunner], None]
    attendance: Attendance
    memory: WindowMemory


class GroupRunner:
    """A group that has workers.

    Parameters
    ----------
    host : GroupHost
    stored : StoredGroup
    held_until : float
        Until when workers may claim events that they had when the hub was started.
    attempts : int
        See `Group`.

    Attributes
    ----------
    group : Group
        The state machine. Call `changed` after calls of its methods.
    letters : DeadLetters
    """

    # `ready` is done when the failures are loaded. After that, `_pass` runs once per pass of the loop in which
    # something has changed: it gives events to workers, stores, sets the alarm, and reads on.
    #
    # Events come from the log, in pages (`_reading` runs), or from the follower (`_live`: everything that the follower
    # has handed on was loaded). While a page is read, new events are kept in `_late`; None: they were too many, so that
    # another page is needed. `_joins` counts the workers that are about to come. `_closed`: nothing more happens.

    def __init__(self, host: GroupHost, stored: StoredGroup, held_until: float = 0.0, attempts: int = 0) -> None:
        self._host = host
        self.stored = stored
        self.letters = DeadLetters(host.log.groups, stored, host.limits)
        self._share = MemoryShare(host.memory, stored.maker, self.changed)
        self.group = self._machine(held_until, attempts)
        self._live = False
        self._late: list[Record] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._scheduled = self._closed = False
        self._joins = 0
        self.ready: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._load())

    def _machine(self, held_until: float, attempts: int) -> Group:
        stored, limits = self.stored, self._host.limits
        return Group(
            stored.settings,
            Ranges(stored.floor, stored.ranges),
            GroupLimits(limits.group_window, limits.group_bytes, limits.retry_pause, limits.retry_pause_most),
            self._host.random,
            reached=ReadPosition(stored.read, stored.number, stored.unsettled),
            sent=min(stored.sent, self._host.log.head),
            held_until=held_until,
            attempts=attempts,
            paused=stored.paused,
            has_room=self._share.has_room,
        )

    async def _load(self) -> None:
        states, now = self._host.log.groups, self._host.clock()
        failures = await states.failures(self.stored)
        await self.letters.load()
        for failure in failures:
            self.group.restore(self._job(failure, now), now)
        self.changed()

    async def begin_join(self) -> None:
        """Wait until a worker may come. Until `end_join` the runner is kept, though it has no worker."""
        self._joins += 1
        try:
            await asyncio.shield(self.ready)
        except BaseException:
            self.end_join()
            raise

    def end_join(self) -> None:
        """End what `begin_join` began."""
        self._joins -= 1
        self.changed()

    # --- events

    def offer(self, record: Record) -> None:
        """Take an event from the follower."""
        if self._reading is not None:
            if self._late is not None:
                self._late.append(record)
                if len(self._late) > self._host.limits.page_events:
                    self._late = None
        elif self._live and self.group.wants_events and not self.group.window.behind:
            self.group.load(record, self._host.clock())
            self.changed()
        else:
            self._live = False

    def _read_on(self) -> None:
        """Read further events from the log, if the group wants some and they do not come by themselves."""
        self._live = self._live and not self.group.window.behind
        if self._live or self._reading or self._closed:
            return
        if self.group.wants_page:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while self.group.wants_page and not self._live and not self._closed:
                await self._read_page()
        except LogClosed:
            return
        except Exception:  # if it ended here, the group would stand still
            logger.exception("the events of group %r in room %r could not be read; it will be tried again",
                             self.stored.name, self.stored.room)  # fmt: skip
            await asyncio.sleep(RETRY_AFTER)
        finally:
            self._reading = None
            self.changed()

    async def _read_page(self) -> None:
        host, limits, group = self._host, self._host.limits, self.group
        self._late, after = [], group.window.read
        limit = min(limits.page_events, max(group.loading.capacity, _PAGE))
        page = await host.log.read(
            self.stored.room, after=after, limit=limit, max_bytes=limits.page_bytes, max_attachments=limit
        )
        stats = await host.log.stats(self.stored.room)
        if self._closed or group is not self.group or group.window.read != after:
            return  # the window went back during the read: what is between there and this page was not read
        now = host.clock()
        last, room, size = group.window.read, 0, 0
        for record in page.records:
            if not room or group.window.size > size:
                room, size = group.loading.capacity if group.wants_events else 0, group.window.size + _LOOK_AGAIN
                if not room:
                    group.window.skip(last)
                    break
            room -= 1
            group.load(record, now)
            last = record.seq or last
        else:
            known = not page.more and stats.head <= page.through
            group.window.skip(page.through, stats.n if known else None)
            self._go_live(page, now)
        self.changed()

    def _go_live(self, page: Page, now: float) -> None:
        """If the page was the last one, load the events that came meanwhile. Further ones come from the follower."""
        late, self._late = self._late, None
        if page.more or late is None:
            return
        self._live = True
        for record in late:
            if (record.seq or 0) > self.group.window.read:
                if not self.group.wants_events:
                    self._live = False
                    return
                self.group.load(record, now)

    async def fetch(self, seqs: Iterable[int]) -> dict[int, Record]:
        """Return those of some events that the log has, by seq."""
        found: dict[int, Record] = {}
        for seq in seqs:
            page = await self._host.log.read(self.stored.room, after=seq - 1, before=seq + 1, limit=1)
            found.update((seq, record) for record in page.records)
        return found

    def configure(self, settings: GroupSettings) -> None:
        """Replace the settings of the group."""
        self.stored.configure(settings)
        self.group.configure(settings)
        self._live = False
        self.store()
        self._host.log.groups.save(self.stored)
        self.changed()

    def release_held(self) -> None:
        """Hold back no more events that may be with workers of before: all of these are accounted for."""
        self.group.release_held(self._host.clock())
        self.changed()

    def restart(self, attempts: int) -> dict[str, Worker]:
        """Continue after the log was moved or replaced; return the workers, which keep their events, by key."""
        before, now, locate = self.group, self._host.clock(), self._host.log.locate
        self.group = after = self._machine(0.0, attempts)
        self._live, self._late = False, None
        workers: dict[str, Worker] = {}
        for worker in before.workers:
            workers[worker.key] = after.join(worker.key, worker.name, worker.connection, worker.places, worker.batches)
            if worker.away_until is not None:
                after.workers.lose(workers[worker.key], worker.away_until)
        held = {job: workers[worker.key] for worker in before.workers for job in worker.held.values()}
        kept = [job for job in before.window.jobs.values() if job.copied or job in held]
        for job in sorted(kept, key=lambda job: job.seq):
            here = locate(job.seq)
            if here is not None and (job.redriven or here not in after.window.settled):
                job.move(here)
                after.adopt(job, held.get(job), now)
        self.changed()
        return workers

    # --- a pass

    def changed(self) -> None:
        """Dispatch, store and read on in the next pass of the event loop."""
        if not self._scheduled and not self._closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pass)

    @property
    def is_ready(self) -> bool:
        """Whether the failures are loaded."""
        return self.ready.done()

    def counts(self) -> dict[str, int]:
        """Return the numbers of events that are given to workers, and that are delayed."""
        delayed = sum(job.state is JobState.DELAYED for job in self.group.window.jobs.values())
        return {"in_flight": sum(len(worker.held) for worker in self.group.workers), "delayed": delayed}

    def wake(self) -> None:
        """Do what is due."""
        self.changed()

    def _pass(self) -> None:
        self._scheduled = False
        if self._closed or not self.ready.done():
            return
        now = self._host.clock()
        self.group.tick(now)
        self._write(self.group.dispatch(now, self._host.log.groups.now()))
        self.store()
        self._share.note(self.group.window.size)
        self._host.alarm(self, self.group.due)
        self._read_on()
        if not self._joins:
            self._host.attendance.keep_only(self.stored, self.group.workers)
            if not len(self.group.workers):
                self._host.idle(self)

    def _write(self, given: Sequence[tuple[Worker, Job]]) -> None:
        """Write deliveries: those of one worker in one go."""
        jobs: dict[Worker, list[Job]] = {}
        for worker, job in given:
            jobs.setdefault(worker, []).append(job)
        for worker, its in jobs.items():
            participant: Participant = worker.connection
            messages = work_messages(self.stored.room, self.stored.name, its, batches=worker.batches)
            participant.socket.write(messages)

    # --- storing

    def store(self) -> None:
        """Hand what has changed to the log."""
        changes = self.group.take_changes()
        if changes is None:
            return
        states, stored, now = self._host.log.groups, self.stored, self._host.clock()
        self._note_progress()
        stored.count(changes.done, changes.trimmed, changes.error)
        for seq, job in changes.copies.items():
            if job is None:
                states.drop(stored, seq)
            else:
                states.keep(stored, self._failure(job, now))
        if changes.copies:
            stored.copied(sum(job.size for job in self.group.window.jobs.values() if job.copied))
        for burial in changes.burials:
            self.letters.bury(self._letter(burial, now))
        states.save(stored)
        if changes.burials:
            self._host.buried(self)

    def _note_progress(self) -> None:
        window = self.group.window
        reached = window.reached
        self.stored.settle(window.settled, self.group.sent)
        self.stored.reach(reached.position, reached.number, reached.unsettled)

    def close(self) -> None:
        """Stop, and store exactly up to where events were given."""
        if self._closed:
            return
        self.store()
        self._closed = True
        self._share.close()
        self._host.alarm(self, None)
        self.ready.cancel()
        if self._reading:
            self._reading.cancel()
        self.group.give_no_more()
        self._note_progress()
        self._host.log.groups.save(self.stored)

    # --- times: of this process, and as they are stored

    def _stamp(self, time: float | None, now: float) -> int:
        """Return a time of this process in ms since 1970."""
        return self._host.log.now() - int((now - (now if time is None else time)) * 1000)

    def _job(self, failure: StoredFailure, now: float) -> Job:
        ahead, stamp = self._host.log.groups.now(), self._host.log.now()
        job = Job(failure.record)
        due = now + max(0.0, (failure.due - ahead) / 1000)
        job.restore(failure, due, now - (stamp - failure.first) / 1000, now - (stamp - failure.last) / 1000)
        return job

    def _failure(self, job: Job, now: float) -> StoredFailure:
        due = self._host.log.groups.now() + int(max(0.0, job.due - now) * 1000)
        return StoredFailure(
            job.record, job.attempt, job.tries, job.deliveries, due, self._stamp(job.first, now),
            self._stamp(job.last, now), job.error, job.message, job.worker, job.redriven, job.suspect,
        )  # fmt: skip

    def _letter(self, burial: Burial, now: float) -> DeadLetter:
        job = burial.job
        letter = DeadLetter(
            0, job.record, burial.reason, burial.message, burial.error, job.worker, job.deliveries,
            self._stamp(job.first, now), self._stamp(burial.when, now), job.attempt,
        )  # fmt: skip
        return letter.numbered(self.stored.bury(letter.size))
