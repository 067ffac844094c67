"""When something has to happen to the events of a worker group. No clock and no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush

from .job import Job, JobState


class Timetable:
    """The events that are delayed, and those that have to be answered for in time, by the time at which they are due.

    Parameters
    ----------
    jobs : mapping of int to Job
        The events by seq. The time of each is `Job.due`.
    """

    # An entry whose time is not that of its job any more is skipped. A job whose time was postponed gets a new one.

    __slots__ = ("_entries", "_jobs")

    def __init__(self, jobs: Mapping[int, Job]) -> None:
        self._jobs = jobs
        self._entries: list[tuple[float, int]] = []

    def delay(self, job: Job, due: float) -> None:
        """Delay an event; at its time, `take` returns it."""
        job.delay(due)
        self.add(job)

    def add(self, job: Job) -> None:
        """Add an event; at its time, `take` returns it."""
        heappush(self._entries, (job.due, job.seq))

    @property
    def next(self) -> float | None:
        """The time of the first event; None if there is none."""
        entries = self._entries
        while entries:
            due, seq = entries[0]
            job = self._jobs.get(seq)
            if job is not None and job.due == due and job.state in (JobState.DELAYED, JobState.GIVEN):
                return due
            heappop(entries)
            if job is not None and job.due > due and job.state is JobState.GIVEN:
                heappush(entries, (job.due, seq))
        return None

    def take(self, now: float) -> Job | None:
        """Remove and return the next event that is due; None if there is none."""
        due = self.next
        if due is None or due > now:
            return None
        return self._jobs[heappop(self._entries)[1]]


class HeldEvents:
    """Events that may be with workers which have not come back since the hub was started.

    They are held back until all workers of before are accounted for, or the grace time is over. A worker that comes
    back names those that it has.

    Parameters
    ----------
    through : int
        Events up to this position may have been given before.
    until : float
        When the grace time is over.
    """

    # `_own` has the times at which the events that are held back are due by themselves, by seq.

    __slots__ = ("_own", "_through", "_until")

    def __init__(self, through: int, until: float) -> None:
        self._through = through
        self._until = until
        self._own: dict[int, float] = {}

    def may_have(self, seq: int, now: float) -> bool:
        """Tell whether a worker may still claim an event."""
        return seq <= self._through and now < self._until

    def hold(self, job: Job) -> float:
        """Return when an event is due. One that may have been given before is so marked, and due later."""
        if job.seq > self._through:
            return job.due
        job.note_redelivered()
        if job.due < self._until:
            self._own[job.seq] = job.due
        return max(job.due, self._until)

    def release(self, now: float, jobs: Mapping[int, Job]) -> list[Job]:
        """Hold nothing back any more; return the events that were, due when they are by themselves."""
        until, self._until = self._until, min(self._until, now)
        own, self._own = self._own, {}
        held = [jobs[seq] for seq in own if seq in jobs]
        held = [job for job in held if job.state is JobState.DELAYED and job.due == until]
        for job in held:
            job.renew(own[job.seq])
        return held
