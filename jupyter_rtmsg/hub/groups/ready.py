"""The events of a worker group that may be given now, in log order. No clock and no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush

from .job import Job, JobState


class ReadyJobs:
    """The events that are ready; suspects, which are to be alone with their worker, apart from the others.

    Parameters
    ----------
    jobs : mapping of int to Job
        The events by seq.
    """

    # Both heaps have the seqs. An entry whose job is not ready any more is skipped. A seq may be there twice, if its
    # event was loaded again.

    __slots__ = ("_jobs", "_others", "_suspects")

    def __init__(self, jobs: Mapping[int, Job]) -> None:
        self._jobs = jobs
        self._others: list[int] = []
        self._suspects: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._others)

    def add(self, job: Job) -> None:
        """Make an event ready."""
        job.make_ready()
        heappush(self._suspects if job.suspect else self._others, job.seq)

    def take(self, number: int) -> list[Job]:
        """Remove and return the first events that are no suspects, at most ``number`` of them."""
        jobs, others = self._jobs, self._others
        taken: list[Job] = []
        while others and len(taken) < number:
            job = jobs.get(heappop(others))
            if job is not None and job.state is JobState.READY and not job.suspect and job not in taken[-1:]:
                taken.append(job)
        return taken

    @property
    def suspect(self) -> Job | None:
        """The first suspect; None if there is none."""
        while self._suspects:
            job = self._jobs.get(self._suspects[0])
            if job is not None and job.state is JobState.READY and job.suspect:
                return job
            heappop(self._suspects)
        return None
