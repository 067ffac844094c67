"""The limits of a worker group, and what has to be stored of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from jupyter_rtmsg.log import HandlerError

from .job import Job

TRIES, REJECTED, LOST, BROKEN = "tries", "rejected", "lost", "corrupt"
"""The reasons of dead letters (docs/wire.md)."""


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """The limits of one group. Times in seconds.

    Attributes
    ----------
    window : int
        Events that are loaded and not given.
    window_bytes : int
        Size of all loaded events.
    backoff, backoff_most : float
        Pause after the first failed try, and the longest. It is doubled from try to try.
    """

    window: int = 1_000
    window_bytes: int = 4 << 20
    backoff: float = 1.0
    backoff_most: float = 60.0

    def pause(self, tries: int, jitter: float) -> float:
        """Return the pause after a number of tries, up to a quarter shorter or longer by ``jitter`` from 0 to 1."""
        pause = self.backoff * 2.0 ** min(max(tries, 1) - 1, 30)
        return min(pause, self.backoff_most) * (0.75 + jitter / 2)


@dataclass(frozen=True, slots=True)
class Burial:
    """An event that has become a dead letter, and why."""

    job: Job
    reason: str
    message: str
    error: HandlerError | None
    when: float


@dataclass(slots=True)
class Changes:
    """What has to be stored of a group. Collected until `Group.take_changes`.

    Attributes
    ----------
    copies : dict of int to (Job or None)
        By seq: failures to store, or with None to delete.
    burials : list of Burial
    done, trimmed : int
        Events that were settled.
    error : str or None
        The error of the last failure.
    any : bool
        Whether there is anything to store.
    """

    copies: dict[int, Job | None] = field(default_factory=dict)
    burials: list[Burial] = field(default_factory=list)
    done: int = 0
    trimmed: int = 0
    error: str | None = None
    any: bool = False

    def keep(self, job: Job) -> None:
        """Store a copy of an event that failed."""
        job.keep_copy()
        self.copies[job.seq] = job
        self.error = job.last_error or self.error
        self.any = True

    def finish(self, jobs: Collection[Job]) -> None:
        """Count events that are done."""
        self.copies.update((job.seq, None) for job in jobs if job.copied)
        self.done += len(jobs)
        self.any = self.any or bool(jobs)

    def bury(self, burial: Burial) -> None:
        """Count an event that has become a dead letter."""
        job = burial.job
        if job.copied:
            self.copies[job.seq] = None
        self.burials.append(burial)
        self.error = burial.error.line if burial.error else burial.message
        self.any = True

    def expire(self, job: Job) -> None:
        """Count an event that has expired."""
        if job.copied:
            self.copies[job.seq] = None
        self.trim(1)

    def trim(self, number: int) -> None:
        """Count events that were trimmed before they were given."""
        self.trimmed += number
        self.any = True

    def touch(self) -> None:
        """Note that what is settled has to be stored."""
        self.any = True
