"""The part of a room's events that a worker group has loaded. No clock and no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.hub.gaps import GapDetector
from jupyter_rtmsg.log import GroupSettings, Ranges, Record

from .job import Job
from .keys import KeyQueues
from .selector import Selector

MAX_RANGES = 10_000
"""Settled ranges above the floor from which on no further events are loaded."""
LOOK_AHEAD = 10_000
"""Events of shed keys that are passed at most in search of others. Each settled event allows one more."""
SAVE_EVERY = 10_000
"""Positions that may be settled as not the group's before that is stored."""


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """How far a group has read the events of its room.

    Attributes
    ----------
    position : int
    number : int or None
        The number of the room's last event up to there; None if it is unknown.
    unsettled : int
        The number of events up to there that are not settled.
    """

    position: int
    number: int | None = None
    unsettled: int = 0


class GroupWindow:
    """The events of a group that are loaded and not settled, and those that are settled.

    Events are loaded in log order. The window may read a part of the log *again*: after a restart, and when events were
    shed or the settings have changed. Then `_again` is the position that it had reached, and events up to it are only
    loaded if they are neither settled nor loaded. Missing events are counted as trimmed: in new parts by the numbers of
    the events, and in parts that are read again by the number of events that were not settled.

    Parameters
    ----------
    settings : GroupSettings
    settled : Ranges
        The settled positions. The window owns it.
    reached : ReadPosition
        How far the group has read before.
    trim : callable
        Called with a number of trimmed events.
    has_room : callable
        Tells for a size (bytes) of the loaded events whether more may be loaded.

    Attributes
    ----------
    jobs : dict of int to Job
        By seq.
    read : int
        All events up to this position are settled, loaded or shed.
    size : int
        Bytes of the loaded events.
    """

    # `_expected` counts the unsettled events between `read` and `_again` that must still come; `_found` has those of
    # the present page. `_restored` has the events that were loaded from their copies: the log may have them no more.

    __slots__ = (
        "_again", "_credit", "_expected", "_found", "_gaps", "_has_room", "_keys", "_number", "_redriven", "_restored",
        "_saved", "_selector", "_trim", "jobs", "read", "settled", "size",
    )  # fmt: skip

    def __init__(
        self,
        settings: GroupSettings,
        settled: Ranges,
        reached: ReadPosition,
        trim: Callable[[int], None],
        has_room: Callable[[int], bool],
    ) -> None:
        self.settled = settled
        self.jobs: dict[int, Job] = {}
        self.size = 0
        self.read = settled.floor
        self._saved = settled.floor
        self._selector = Selector(settings)
        self._keys = KeyQueues()
        self._trim = trim
        self._has_room = has_room
        self._restored: set[int] = set()
        self._redriven = 0
        self._credit = LOOK_AHEAD
        self._gaps = GapDetector()
        self._found: set[int] = set()
        self._begin_again(reached)

    def _begin_again(self, reached: ReadPosition) -> None:
        self._again, self._number, self._expected = reached.position, reached.number, reached.unsettled
        self._gaps = GapDetector(reached.number)
        self._found.clear()

    @property
    def reached(self) -> ReadPosition:
        """How far it has read, to be stored."""
        return ReadPosition(max(self.read, self._again), self._number, self.unsettled)

    @property
    def unsettled(self) -> int:
        """The number of unsettled events up to `read`, or up to where it had read before."""
        loaded = len(self.jobs) - self._redriven + self._keys.shed
        if self.read >= self._again:
            return loaded - sum(seq > self.read for seq in self._restored)
        ahead = sum(job.seq > self.read and not job.redriven for job in self.jobs.values())
        return loaded - ahead + self._expected

    @property
    def redriven(self) -> int:
        """The number of events that were dead letters before; `unsettled` does not count them."""
        return self._redriven

    @property
    def behind(self) -> bool:
        """Whether it reads a part of the log again."""
        return self.read < self._again

    @property
    def is_stretched(self) -> bool:
        """Whether too many ranges are settled above the floor, it has looked too far ahead, or it has no memory."""
        if len(self.settled) >= MAX_RANGES or not self._has_room(self.size):
            return True
        return self._credit <= 0 and self._keys.shed > 0

    def may_shed(self, window: int) -> bool:
        """Tell whether at least half of a window waits, and `shed` would let it look ahead by as much as a window."""
        return self._keys.waiting * 2 >= window and self._credit >= min(window, LOOK_AHEAD)

    @property
    def needs_saving(self) -> bool:
        """Whether so many positions were settled, without an event of the group, that this should be stored."""
        if self.settled.floor - self._saved < SAVE_EVERY:
            return False
        self._saved = self.settled.floor
        return True

    # --- loading

    def load(self, record: Record) -> Job | None:
        """Take the next event of the room; return it if it may be given, or is damaged."""
        seq = record.seq
        if seq is None or seq <= self.read:
            return None
        if self.read < self._again:
            if seq <= self._again:
                return self._load_again(record, seq)
            self._end_page(self._again)
        missing = len(self._gaps.missing_before(record))
        if missing or seq - 1 > self.read:
            self._pass(seq - 1, missing)
        self.read, self._number = seq, record.n
        return None if seq in self.jobs or seq in self.settled else self._admit(record, seq)

    def skip(self, through: int, number: int | None = None) -> None:
        """Note that the room has no further events up to a position. ``number``: that of its last event there."""
        if through > self.read and self.read < self._again:
            self._end_page(min(through, self._again))
        if through > self.read or number is not None:
            self._pass(through, len(self._gaps.missing_until(number)))
            self.read, self._number = max(through, self.read), number or self._number

    def _admit(self, record: Record, seq: int) -> Job | None:
        if record.name == CORRUPT:
            return self._take(Job(record))
        if not self._selector.matches(record.name):
            self.settled.add(seq - 1, seq)
            return None
        key = self._selector.key_of(record)
        if key is not None and self._keys.skips(key):
            self._credit -= 1
            return None
        job = self._take(Job(record))
        return job if key is None or self._keys.enter(job, key) else None

    def _take(self, job: Job) -> Job:
        self.jobs[job.seq] = job
        self.size += job.size
        return job

    def _pass(self, through: int, missing: int) -> None:
        """Settle the positions after `read`. Events that are missing there were trimmed, unless they were restored."""
        after = self.read
        if not missing and not self._restored:  # most events
            self.settled.add(after, through)
            return
        inside = sorted(seq for seq in self._restored if after < seq <= through)
        if missing > len(inside):
            self._trim(missing - len(inside))
        self._settle_around(inside, after, through)

    def _settle_around(self, kept: list[int], after: int, through: int) -> None:
        for seq in kept:
            self.settled.add(after, seq - 1)
            after = seq
        self.settled.add(after, through)

    # --- reading again

    def _load_again(self, record: Record, seq: int) -> Job | None:
        if seq in self.settled:
            return None
        self._found.add(seq)
        self._expected -= 1
        return None if seq in self.jobs else self._admit(record, seq)

    def _end_page(self, through: int) -> None:
        """Settle what is neither loaded nor was found in a part that was read again."""
        loaded = {job.seq for job in self.jobs.values() if self.read < job.seq <= through and not job.redriven}
        self._expected -= len(loaded - self._found)  # trimmed, but loaded before
        kept = sorted(loaded.union(seq for seq in self._found if seq not in self.settled))
        self._settle_around(kept, self.read, through)
        self._found.clear()
        self.read = through
        if through >= self._again and self._expected > 0:
            self._trim(self._expected)

    def read_again(self, after: int) -> None:
        """Go back to a position, and load the events behind it that are neither settled nor loaded."""
        reached = self.reached
        before = sum(job.seq <= after and not job.redriven for job in self.jobs.values())
        self._keys.read_again()
        self.read = min(self.read, after)
        self._begin_again(ReadPosition(reached.position, reached.number, max(0, reached.unsettled - before)))

    def configure(self, settings: GroupSettings, kept: Callable[[Job], bool]) -> None:
        """Begin again at the floor with other settings. Only some of the loaded events stay."""
        reached = self.reached
        self._selector = Selector(settings)
        for job in [job for job in self.jobs.values() if not kept(job)]:
            del self.jobs[job.seq]
            self.size -= job.size
        self._keys = KeyQueues()
        for job in sorted(self.jobs.values(), key=lambda job: job.seq):
            if not job.redriven:
                self._keys.restore(job, self._selector.key_of(job.record))
        self.read = self.settled.floor
        self._begin_again(reached)

    # --- copies, and settling

    def restore(self, job: Job) -> bool:
        """Take an event from its copy, in log order, before any other; return whether it may be given."""
        self._take(job)
        if job.redriven:
            self._redriven += 1
            job.lead(None)
            return True
        self._restored.add(job.seq)
        return self._keys.enter(job, self._selector.key_of(job.record))

    def load_ahead(self, record: Record) -> Job | None:
        """Take an event that is with a worker before the window has read up to it; None if it is not the group's."""
        if not self._selector.matches(record.name):
            return None
        job = self._take(Job(record))
        self._restored.add(job.seq)
        self._keys.restore(job, self._selector.key_of(record))
        return job

    def settle(self, jobs: Iterable[Job]) -> list[Job]:
        """Forget settled events; return the events of their keys that may be given now."""
        following: list[Job] = []
        after = through = 0  # positions in a row are settled together
        for job in jobs:
            seq = job.seq
            del self.jobs[seq]
            self.size -= job.size
            self._credit += self._credit < LOOK_AHEAD
            if job.redriven:
                self._redriven -= 1
            else:
                if seq != through + 1:
                    self.settled.add(after, through)
                    after = seq - 1
                through = seq
                self._restored.discard(seq)
                if self.read < seq <= self._again and seq not in self._found:
                    self._expected -= 1
            if job.leads:
                following += self._follow(job)
        self.settled.add(after, through)
        return following

    def _follow(self, job: Job) -> Iterator[Job]:
        """Yield the event that waited for one of its key."""
        following, shed = self._keys.leave(job)
        if shed is not None:
            self.read_again(shed - 1)
        if following is not None:
            yield following

    def shed(self, kept: int) -> None:
        """Forget events that wait for others of their key, except for the first ones. They are read again in time."""
        for job in self._keys.shed_after(kept, self.read):
            del self.jobs[job.seq]
            self.size -= job.size

    def jump_queue(self, job: Job) -> None:
        """Note that a waiting event is given out of turn, since its worker has had it since before."""
        self._keys.jump_queue(job)
