"""When something has to happen to the events of a worker group. No clock and no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class HeldEvents:
    """Events that may be with workers which have not come back since the hub was started.

    They are held back until the grace time is over. A worker that comes back names those that it has.

    Attributes
    ----------
    through : int
        Events up to this position may have been given before.
    until : float
        When the grace time is over.
    """

    through: int
    until: float

    def may_have(self, seq: int, now: float) -> bool:
        """Tell whether a worker may still claim an event."""
        return seq <= self.through and now < self.until

    def until_when(self, job: Job) -> float | None:
        """Return until when an event is held back; None if it was never given before."""
        return self.until if job.seq <= self.through else None
