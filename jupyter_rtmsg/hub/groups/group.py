"""A worker group as a state machine: which worker gets which event, and when. No clock and no I/O.

Times are passed in (monotonic seconds). Events are loaded in log order. What has to be stored is collected until
`take_changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.log import GroupSettings, HandlerError, Ranges, Record

from .changes import BROKEN, LOST, REJECTED, TRIES, Burial, Changes, GroupLimits
from .job import Job, JobState
from .loading import LoadLimit
from .ready import ReadyJobs
from .times import HeldEvents, Timetable
from .window import GroupWindow, ReadPosition
from .workers import Worker, Workers

RESERVED = 10_000
"""Positions ahead of the events that were given which are stored as possibly given, so that few writes are needed."""


class Group:
    """The events, workers and deliveries of one group.

    Parameters
    ----------
    settings : GroupSettings
    settled : Ranges
        The settled positions. The group owns it.
    limits : GroupLimits
    random : callable
        Returns a number from 0 to 1, for the jitter of pauses.
    reached : ReadPosition
        How far the group has read before.
    sent : int
        Events up to this position may have been given before this group was made.
    held_until : float
        Until when a worker may still claim such an event. They are delayed until then.
    attempts : int
        Attempts begin after this number.
    has_room : callable
        See `GroupWindow`.
    paused : bool

    Attributes
    ----------
    window : GroupWindow
        The loaded events.
    workers : Workers
    loading : LoadLimit
    sent : int
        Events up to this position may have been given; stored ahead, see `RESERVED`.
    buried : int
        The number of events that have become dead letters.
    """

    # A job is in `window.jobs` until it is settled. While it is ready, `_ready` has it; while it is delayed, or given
    # with a deadline, `_times` has it, and while it is given, `Worker.held`.
    # `_high` is the last position of all that were ever given, `_attempts` see the parameters.
    # `_held` tells which events may be with workers that have not come back yet.

    def __init__(
        self,
        settings: GroupSettings,
        settled: Ranges,
        limits: GroupLimits,
        random: Callable[[], float],
        *,
        reached: ReadPosition | None = None,
        sent: int = 0,
        held_until: float = 0.0,
        attempts: int = 0,
        paused: bool = False,
        has_room: Callable[[int], bool] = lambda size: True,
    ) -> None:
        self._changes = Changes()
        self.settings = settings
        reached = reached or ReadPosition(settled.floor)
        self.window = GroupWindow(settings, settled, reached, lambda number: self._changes.trim(number), has_room)
        self.workers = Workers()
        self.paused = paused
        self.sent = sent
        self.buried = 0
        self._limits, self._random = limits, random
        self._attempts = attempts
        self._held = HeldEvents(sent, held_until)
        self._times = Timetable(self.window.jobs)
        self._ready = ReadyJobs(self.window.jobs)
        self.loading = LoadLimit(self.window, self.workers, self._ready, limits)
        self._high = max(settled.floor, sent)

    @property
    def wants_events(self) -> bool:
        """Whether further events may be loaded."""
        return not self.paused and self.loading.capacity > 0

    @property
    def wants_page(self) -> bool:
        """Whether a page of events should be read. Events that wait for others of their key are shed for that."""
        if not self.wants_events:
            return self.loading.shed() and self.wants_events
        return self.loading.is_low

    def load(self, record: Record, now: float) -> None:
        """Take the next event of the room. One that was taken before is skipped."""
        job = self.window.load(record)
        if job is not None and record.name == CORRUPT:
            self._bury(job, BROKEN, "the event is damaged on disk", None, now)
        elif job is not None:
            self._hold_back(job, now)

    def restore(self, job: Job, now: float) -> None:
        """Take an event that has failed before, from its copy. Called in log order, before any other is loaded."""
        if self.window.restore(job):
            self._hold_back(job, now)

    def redrive(self, record: Record, deliveries: int, attempt: int) -> None:
        """Take an event that was a dead letter. Attempts begin after ``attempt``."""
        job = Job(record)
        job.redrive(deliveries, attempt)
        self.window.restore(job)
        self._changes.keep(job)
        self._ready.add(job)

    def _hold_back(self, job: Job, now: float = 0.0) -> None:
        """Make an event ready. Delay it if it is not due, or may be with a worker that has not come back."""
        due = self._held.hold(job)
        if due > now:
            self._times.delay(job, due)
        else:
            self._ready.add(job)

    def release_held(self, now: float) -> None:
        """Hold no event back any more: all workers that may have had one are accounted for."""
        for job in self._held.release(now, self.window.jobs):
            self._hold_back(job, now)

    def adopt(self, job: Job, worker: Worker | None, now: float) -> None:
        """Take an event from this group as it was before the log was moved, and leave it with its worker."""
        self.window.restore(job)
        if worker is None:
            self._hold_back(job, now)
        else:
            self.window.jump_queue(job)
            self._hand([job], worker, now, job.attempt)

    def configure(self, settings: GroupSettings) -> None:
        """Replace the settings. Events that are loaded, and were not given yet, are read again."""
        self.settings = settings
        self.window.configure(settings, lambda job: job.copied or job.state is JobState.GIVEN)

    def pause(self, paused: bool) -> None:
        """Give no further events, or give them again."""
        self.paused = paused

    # --- workers

    def join(self, key: str, name: str, connection: object, places: int, batches: bool = False) -> Worker:
        """Add a worker, or note that it is back, or wants another number of places. To lose one: `Workers.lose`."""
        return self.workers.join(key, name, connection, places, batches)

    def leave(self, worker: Worker, keep: Collection[tuple[int, int]] = ()) -> None:
        """Remove a worker when it holds nothing it keeps. The rest is given to others, and no try is charged."""
        self.give_back(worker, keep)
        self.workers.leave(worker)

    def give_back(self, worker: Worker, keep: Collection[tuple[int, int]]) -> None:
        """Take from a worker what it does not keep: others get it, and no try is charged."""
        for job in [job for job in worker.held.values() if (job.seq, job.attempt) not in keep]:
            self.workers.take(worker, [job.seq])
            job.come_back("its worker left", None, None, charge=False)
            self._ready.add(job)

    def _bury_worker(self, worker: Worker, now: float) -> None:
        """Remove a worker that did not come back. The only event that it had is charged a try."""
        held = list(worker.held.values())
        self.workers.remove(worker)
        for job in held:
            self.workers.take(worker, [job.seq])
            if len(held) == 1:
                message = f"its worker {worker.name} was lost, and had no other event"
                job.lose(worker.key)
                self._fail(job, LOST, message, None, now, pause=0.0)
            else:
                message = f"its worker {worker.name} was lost with {len(held)} events"
                job.come_back(message, None, now, charge=False)
                job.suspect_of_loss()
                self._ready.add(job)

    def needs_record(self, seq: int, now: float) -> bool:
        """Tell whether `claim` needs the record of an event: it may be with a worker, and is not loaded."""
        return self._held.may_have(seq, now) and seq not in self.window.jobs and seq not in self.window.settled

    def claim(self, worker: Worker, seq: int, attempt: int, now: float, record: Record | None = None) -> bool:
        """Return whether a delivery that a worker names when it comes back is its own."""
        job = self.window.jobs.get(seq)
        if job is None and record is not None and self.needs_record(seq, now):
            job = self.window.load_ahead(record)
        if job is None:
            return False
        if job.pardon(worker.key):
            self._changes.keep(job)
        if job.state is JobState.GIVEN or (job.holder is not None and not job.is_delivery(worker.key, attempt)):
            return job.is_delivery(worker.key, attempt)
        if job.holder is not None or (self._held.may_have(seq, now) and attempt >= job.attempt):
            self.window.jump_queue(job)
            job.note_redelivered()
            self._hand([job], worker, now, attempt)
        return job.is_delivery(worker.key, attempt)

    # --- deliveries

    def dispatch(self, now: float, log_time: int = 0) -> list[tuple[Worker, Job]]:
        """Give ready events to workers with free places, in log order. What has expired by log time (ms) is trimmed."""
        given: list[tuple[Worker, Job]] = []
        if self.paused:
            return given
        self._dispatch_suspects(given, now)
        while (worker := self.workers.best()) is not None:
            jobs = self._take_ready(self.workers.lead(worker), log_time)
            if not jobs:
                break
            self._hand(jobs, worker, now)
            given += [(worker, job) for job in jobs]
        if self._high > self.sent - RESERVED // 2:
            self.reserve(self._high)
        return given

    def _take_ready(self, number: int, log_time: int) -> list[Job]:
        while jobs := self._ready.take(number):
            for job in [job for job in jobs if job.record.expires and job.record.is_expired(log_time)]:
                self._settle(job)
                self._changes.expire(job)
                jobs.remove(job)
            if jobs:
                return jobs
        return []

    def reserve(self, position: int) -> None:
        """Note that events up to a position, and some behind it, may be given soon."""
        self.sent = position + RESERVED
        self._changes.touch()

    def give_no_more(self) -> None:
        """Note exactly up to which position events were given, as no more are."""
        self.sent = min(self.sent, self._high)

    def _dispatch_suspects(self, given: list[tuple[Worker, Job]], now: float) -> None:
        """Give events that were lost together, each to a worker that has no other event meanwhile."""
        while (job := self._ready.suspect) is not None:
            worker = self.workers.emptied()
            if worker is None:
                return
            self.workers.isolate(worker, True)
            self._hand([job], worker, now)
            given.append((worker, job))
        self.workers.release_empty()

    def _hand(self, jobs: Sequence[Job], worker: Worker, now: float, attempt: int | None = None) -> None:
        wait, attempts = self.settings.ack_wait, self._attempts
        for job in jobs:
            number = max(job.attempt, attempts) + 1 if attempt is None else attempt
            job.give(worker.key, worker.name, number, now, now + wait if wait else 0.0)
            if wait:
                self._times.add(job)
        self._high = max(self._high, *(job.seq for job in jobs))
        self.workers.hand(worker, jobs)

    def _delivery(self, worker: Worker, seq: int, attempt: int) -> Job | None:
        """Return the event of a delivery if it is still the worker's; None if its answer comes too late."""
        if worker.overdue:
            self.workers.answered(worker, seq, attempt)
        job = self.window.jobs.get(seq)
        return job if job is not None and job.is_delivery(worker.key, attempt) else None

    # --- answers of workers: `done` returns those that came too late, the others whether theirs came in time

    def done(self, worker: Worker, deliveries: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Settle events that were handled; return those deliveries that were not the worker's any more."""
        stale: list[tuple[int, int]] = []
        done: dict[int, Job] = {}
        for seq, attempt in deliveries:
            job = self._delivery(worker, seq, attempt)
            if job is None or seq in done:
                stale.append((seq, attempt))
            else:
                done[seq] = job
        self.workers.take(worker, [seq for seq, job in done.items() if job.state is JobState.GIVEN])
        self._forget(done.values())
        self._changes.finish(done.values())
        return stale

    def retry(
        self, worker: Worker, seq: int, attempt: int, now: float, *, after: float | None, error: HandlerError | None
    ) -> bool:
        """Give an event again later: with an error, a try has failed; without, the handler has asked for it."""
        job = self._delivery(worker, seq, attempt)
        if job is None or job.state is not JobState.GIVEN:  # it was sent before, or comes after ack_wait
            return False
        self._withdraw(job)
        job.clear_of_loss()
        if error is not None:
            self._fail(job, TRIES, error.line, error, now, pause=after)
        else:
            job.come_back("its worker asked for it", None, now, charge=False)
            pause = self._limits.pause(job.deliveries, self._random()) if after is None else after
            self._postpone(job, now + pause)
        return True

    def reject(
        self, worker: Worker, seq: int, attempt: int, now: float, *, reason: str, error: HandlerError | None
    ) -> bool:
        """Make an event a dead letter."""
        job = self._delivery(worker, seq, attempt)
        if job is not None:
            self._bury(job, REJECTED, reason, error, now)
        return job is not None

    def working(self, worker: Worker, seq: int, attempt: int, now: float) -> bool:
        """Renew the time by which an event has to be answered for."""
        job = self.window.jobs.get(seq)
        if job is None or job.state is not JobState.GIVEN or not job.is_delivery(worker.key, attempt):
            return False
        if self.settings.ack_wait:
            job.renew(now + self.settings.ack_wait)
        return True

    def _withdraw(self, job: Job) -> None:
        """Take an event from the worker that has it, if one has it."""
        worker = self.workers.get(job.holder) if job.state is JobState.GIVEN and job.holder else None
        if worker is not None and worker.held.get(job.seq) is job:
            self.workers.take(worker, [job.seq])

    def _settle(self, job: Job) -> None:
        self._withdraw(job)
        self._forget([job])

    def _forget(self, jobs: Iterable[Job]) -> None:
        for following in self.window.settle(jobs):
            self._hold_back(following)  # it was given before, if the hub was killed before its leader was stored

    def _bury(self, job: Job, reason: str, message: str, error: HandlerError | None, now: float) -> None:
        self._settle(job)
        self.buried += 1
        self._changes.bury(Burial(job, reason, message, error, now))

    def _fail(
        self, job: Job, reason: str, message: str, error: HandlerError | None, now: float, *, pause: float | None
    ) -> None:
        """Charge a try. After the last one, the event becomes a dead letter."""
        job.come_back(message, error, now, charge=True)
        if job.tries >= self.settings.tries:
            self._bury(job, reason, message, error, now)
        else:
            pause = self._limits.pause(job.tries, self._random()) if pause is None else pause
            self._postpone(job, now + pause)

    def _postpone(self, job: Job, due: float) -> None:
        self._times.delay(job, due)
        self._changes.keep(job)

    # --- time

    @property
    def due(self) -> float | None:
        """When `tick` has to be called; None if nothing is due."""
        times = [self._times.next, *(worker.away_until for worker in self.workers)]
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what is due: give events again after their pause, or after their worker did not answer or come back."""
        for worker in [each for each in self.workers if each.away_until is not None and each.away_until <= now]:
            self._bury_worker(worker, now)
        while (job := self._times.take(now)) is not None:
            if job.state is JobState.DELAYED:
                self._ready.add(job)
            else:
                self._expire(job, now)

    def _expire(self, job: Job, now: float) -> None:
        """Take an event from a worker that did not answer in time, and may still run it: its place stays in use."""
        worker = self.workers.get(job.holder or "")
        if worker is not None:
            self.workers.take(worker, [job.seq])
            self.workers.overdue(worker, job)
        message = f"its worker {job.worker} did not answer within {self.settings.ack_wait:g} s (ack_wait)"
        self._fail(job, TRIES, message, None, now, pause=None)

    # --- storing

    def take_changes(self) -> Changes | None:
        """Return what has to be stored since the last call; None if there is nothing."""
        if not self._changes.any and not self.window.needs_saving:
            return None
        changes, self._changes = self._changes, Changes()
        return changes
