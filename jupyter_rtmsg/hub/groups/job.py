"""The events of a worker group that are not settled. No clock and no I/O."""

from __future__ import annotations

from enum import Enum

import msgspec
from msgspec.structs import replace

from jupyter_rtmsg.log import HandlerError, Record, StoredFailure, size_of
from jupyter_rtmsg.log.groupstates import ENVELOPE


class JobState(Enum):
    """The state of a `Job`."""

    WAITING = "waiting"
    READY = "ready"
    GIVEN = "given"
    DELAYED = "delayed"


class Job(msgspec.Struct, eq=False):
    """An event that a group has to handle.

    States: *waiting* (for an earlier event of its key), *ready*, *given* (to a worker), *delayed* (until ``due``).
    `Group` moves it from one to the next, and forgets it when it is settled.

    Parameters
    ----------
    record : Record
    key : bytes or None
        Events with the same key are given one after the other.

    Attributes
    ----------
    seq, size : int
        Its position, and the bytes that it counts as.
    state : JobState
    leads : bool
        Whether it is the one event of its key that does not wait.
    attempt : int
        The attempt that was given last; identifies the delivery together with ``seq``.
    tries : int
        The tries that failed.
    deliveries : int
        How often it was given.
    redelivered : bool
        Whether it may have been given before.
    holder : str or None
        The member to whom it was given last.
    worker : str
        The name of that member.
    lost_by : str or None
        The member for whose loss the last try was charged.
    due : float
        When it becomes ready, or when its worker has to answer at the latest.
    first, last : float or None
        The time of its first delivery, and of its last failure.
    error : HandlerError or None
    message : str
        Why it was given back.
    copied : bool
        Whether the log has a copy of it, as a failure.
    redriven : bool
        Whether it was a dead letter before; then it is exempt from the order of its key.
    suspect : bool
        Whether it was lost together with others; then it is given to a worker alone.
    """

    record: Record
    key: bytes | None = None
    seq: int = 0
    size: int = 0
    state: JobState = JobState.WAITING
    leads: bool = False
    attempt: int = 0
    tries: int = 0
    deliveries: int = 0
    redelivered: bool = False
    holder: str | None = None
    worker: str = ""
    lost_by: str | None = None
    due: float = 0.0
    first: float | None = None
    last: float | None = None
    error: HandlerError | None = None
    message: str = ""
    copied: bool = False
    redriven: bool = False
    suspect: bool = False

    def __post_init__(self) -> None:
        """Take the position from the record."""
        assert self.record.seq is not None
        self.seq = self.record.seq
        self.size = size_of(self.record) + ENVELOPE

    def restore(self, failure: StoredFailure, due: float, first: float, last: float) -> None:
        """Take what was stored of it, with times translated to those of this process."""
        self.attempt, self.tries, self.deliveries = failure.attempt, failure.tries, failure.deliveries
        self.error, self.message, self.worker = failure.error, failure.message, failure.worker
        self.redriven, self.suspect = failure.redriven, failure.suspect
        self.due, self.first, self.last = due, first, last
        self.copied = True
        self.redelivered = failure.deliveries > 0 or failure.redriven

    def lead(self, key: bytes | None) -> None:
        """Become the event of its key that does not wait, or be without a key."""
        self.key, self.leads = key, key is not None

    def wait(self, key: bytes) -> None:
        """Wait for an earlier event of its key."""
        self.key, self.leads, self.state = key, False, JobState.WAITING

    def make_ready(self) -> None:
        """May be given now."""
        self.state = JobState.READY

    def delay(self, due: float) -> None:
        """May be given at a time."""
        self.state, self.due = JobState.DELAYED, due

    def give(self, holder: str, worker: str, attempt: int, now: float, due: float) -> None:
        """Be given to a worker."""
        self.state, self.holder, self.worker, self.due = JobState.GIVEN, holder, worker, due
        self.deliveries += 1
        self.attempt = attempt
        if self.first is None:
            self.first = now

    def renew(self, due: float) -> None:
        """Postpone the time by which its worker has to answer."""
        self.due = due

    def come_back(self, message: str, error: HandlerError | None, now: float | None, *, charge: bool) -> None:
        """Be given back at a time. ``charge``: a try has failed."""
        self.redelivered = True
        self.message = message
        self.last = now or self.last
        self.due = 0.0
        if charge:
            self.tries += 1
            self.error = error

    def lose(self, holder: str) -> None:
        """Note that a try is charged since this member was lost."""
        self.lost_by = holder

    def pardon(self, holder: str) -> bool:
        """Take that try back if the member is alive after all, and still has the event; return whether it is."""
        if self.lost_by != holder:
            return False
        self.lost_by = None
        self.tries -= 1
        return True

    def is_delivery(self, holder: str, attempt: int) -> bool:
        """Tell whether the last delivery was this one."""
        return self.attempt == attempt and self.holder == holder

    def suspect_of_loss(self) -> None:
        """Be given to a worker alone from now on."""
        self.suspect = True

    def clear_of_loss(self) -> None:
        """Be given like others again: its worker has survived it."""
        self.suspect = False

    def note_redelivered(self) -> None:
        """Note that it may have been given before."""
        self.redelivered = True

    def keep_copy(self) -> None:
        """Note that the log has a copy of it."""
        self.copied = True

    def redrive(self, deliveries: int, attempt: int) -> None:
        """Begin again after it was a dead letter. Attempts begin after ``attempt``."""
        self.redriven = self.copied = self.redelivered = True
        self.deliveries, self.attempt = deliveries, attempt

    def move(self, seq: int) -> None:
        """Be at another position, since the log was moved. Its delivery is about to be counted again."""
        self.record = replace(self.record, seq=seq)
        self.seq = seq
        self.deliveries -= self.state is JobState.GIVEN

    @property
    def last_error(self) -> str | None:
        """Why it was given back last, in one line."""
        return self.error.line if self.error else self.message or None
