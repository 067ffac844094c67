"""A model of worker groups: a room, its group over storage that survives restarts, and what must hold at every step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from jupyter_rtmsg.hub.groups.changes import GroupLimits
from jupyter_rtmsg.hub.groups.group import Group
from jupyter_rtmsg.hub.groups.job import Job
from jupyter_rtmsg.hub.groups.window import ReadPosition
from jupyter_rtmsg.hub.groups.workers import Worker
from jupyter_rtmsg.log import DeadLetter, GroupSettings, HandlerError, Ranges, Record, StoredFailure

GRACE = 10.0
ERROR = HandlerError("ValueError", "no")


def record(seq: int, n: int, key: str | None = None, name: str = "job") -> Record:
    """Make an event of room ``lab``."""
    data = b'{"key":"%b"}' % key.encode() if key else b"{}"
    return Record("lab", seq, seq - 1, 0, name, data, (), b"{}", "ann", None, n)


@dataclass
class Stored:
    """What the file has of a group."""

    settled: tuple[int, list[tuple[int, int]]] = (0, [])
    reached: ReadPosition = field(default_factory=lambda: ReadPosition(0, 0))
    sent: int = 0
    failures: dict[int, StoredFailure] = field(default_factory=dict)


@dataclass
class Event:
    """An event as the model knows it.

    Attributes
    ----------
    fate : str or None
        ``done``, ``dead``, ``trimmed`` or ``other`` (not the group's); None while it is not settled.
    given : (str, int) or None
        Worker and attempt of the present delivery.
    last : (str, int) or None
        The last delivery that the hub knows.
    lost_by : str or None
        The worker for whose loss the last try was charged.
    charged : int
        Tries that must have been charged.
    redriven, copied : bool
    """

    record: Record
    key: str | None
    fate: str | None = None
    given: tuple[str, int] | None = None
    last: tuple[str, int] | None = None
    lost_by: str | None = None
    charged: int = 0
    redriven: bool = False
    copied: bool = False
    deliveries: int = 0


class World:
    """A room with a group, and the workers of the group."""

    def __init__(
        self, *, tries: int = 3, window: int = 6, key: str | None = "key", ack_wait: float | None = None
    ) -> None:
        self.settings = GroupSettings("job*", key, tries, ack_wait)
        self.limits = GroupLimits(window=window)
        self.now = 1000.0
        self.stored = Stored()
        self.events: dict[int, Event] = {}
        self.log: dict[int, Record] = {}
        self.head = self.number = 0
        self.names: set[str] = set()  # workers that are here
        self.places: Counter[str] = Counter()
        self.away: dict[str, float] = {}
        self.held: dict[str, dict[int, int]] = {}  # what each worker believes that it runs: seq to attempt
        self.past: list[tuple[str, int, int]] = []  # deliveries that workers had before they got the event again
        self.letters: dict[int, DeadLetter] = {}
        self.done = self.trimmed = 0
        self.claimable: set[int] = set()  # events that their workers had when the hub ended, until they claim them
        self.claimable_until = 0.0
        self.awaited: set[str] = set()  # workers of before the restart that are not accounted for
        self.unconfirmed: tuple[Stored, int, str, int, int] | None = None  # what was stored before the last `done`
        self.group = self._open(0.0)

    def _open(self, held_until: float) -> Group:
        stored = self.stored
        group = Group(
            self.settings, Ranges(*stored.settled), self.limits, lambda: 0.5, reached=stored.reached,
            sent=min(stored.sent, self.head), held_until=held_until,
        )  # fmt: skip
        for failure in sorted(stored.failures.values(), key=lambda failure: failure.record.seq or 0):
            job = Job(failure.record)
            job.restore(failure, float(failure.due), self.now, self.now)
            group.restore(job, self.now)
        return group

    # --- what happens

    def publish(self, key: str | None, name: str = "job", *, gap: int = 0) -> None:
        """Store an event; ``gap`` events of other rooms come before it."""
        self.head += gap + 1
        self.number += 1
        new = record(self.head, self.number, key, name)
        self.log[self.head] = new
        matches = name.startswith("job")
        keyed = key if self.settings.key else None
        self.events[self.head] = Event(new, keyed, None if matches else "other")
        self.step()

    def trim(self, count: int) -> None:
        """Trim the oldest events."""
        for seq in sorted(self.log)[:count]:
            del self.log[seq]
        self.step()

    def join(self, name: str, places: int) -> None:
        """Let a worker come, or come back."""
        worker = self.group.join(name, name, name, places)
        self.names.add(name)
        self.places[name] = places
        held = self.held.setdefault(name, {})
        self.away.pop(name, None)
        for seq, attempt in list(held.items()):
            mine = self.group.claim(worker, seq, attempt, self.now, self.log.get(seq))
            event = self.events[seq]
            self.claimable.discard(seq)
            assert not mine or event.fate is None, f"event {seq} is settled, and {name} may still hold it"
            if event.fate is None and event.lost_by == name:
                event.charged, event.lost_by = event.charged - 1, None
            if mine:
                event.given = event.last = (name, attempt)
        self._account_for(name)
        self.step()

    def end_awaited(self, number: int) -> None:
        """Learn that the process of a worker which is not back since the hub was started has ended."""
        if self.awaited:
            name = sorted(self.awaited)[number % len(self.awaited)]
            self.held.pop(name, None)
            self._account_for(name)
            self.step()

    def _account_for(self, name: str) -> None:
        if name in self.awaited:
            self.awaited.discard(name)
            if not self.awaited:
                self.group.release_held(self.now)
                self.claimable.clear()

    def end_lost(self, name: str) -> None:
        """Learn that the process of a worker which has lost its connection has ended."""
        if name in self.away:
            self.held.pop(name, None)
            self.away[name] = self.now
            self.group.workers.lose(self._worker(name), self.now)
            self.wait(0.0)

    def lose(self, name: str) -> None:
        """Cut the connection of a worker."""
        self.names.discard(name)
        self.away[name] = self.now + GRACE
        self.group.workers.lose(self._worker(name), self.now + GRACE)
        self.step()

    def leave(self, name: str) -> None:
        """Let a worker leave."""
        for seq in self._counted(name):
            self.events[seq].given = None
        self.group.leave(self._worker(name))
        self.names.discard(name)
        self.held.pop(name, None)
        self.step()

    def answer(self, name: str, seq: int, how: str) -> None:
        """Let a worker answer for an event that it runs."""
        attempt = self.held[name].pop(seq)
        event, worker = self.events[seq], self._worker(name)
        before = self.stored, self.trimmed
        # The worker that had it last may settle it, also late, as long as it was not given to another.
        mine = event.given if how in ("raise", "ask") else event.last
        counts = mine == (name, attempt) and event.fate is None
        if how == "done":
            taken = not self.group.done(worker, [(seq, attempt)])
        elif how == "reject":
            taken = self.group.reject(worker, seq, attempt, self.now, reason="no", error=None)
        else:
            error = ERROR if how == "raise" else None
            taken = self.group.retry(worker, seq, attempt, self.now, after=None, error=error)
        assert taken is counts, f"{how} of event {seq} by {name} (attempt {attempt}): taken {taken}, counts {counts}"
        if counts:
            event.given = None
            event.charged += how == "raise"
            event.copied |= how in ("raise", "ask")
            if how == "done":
                event.fate, self.done = "done", self.done + 1
            elif how == "reject" or event.charged >= self.settings.tries:
                event.fate = "dead"
        if event.fate is not None:
            assert self.group.done(worker, [(seq, attempt)] * 2), f"event {seq} was settled twice"
        self.step()
        if counts and how == "done":
            self.unconfirmed = (*before, name, seq, attempt)

    def answer_late(self, number: int) -> None:
        """Let a worker answer for a delivery of an event that it has got again since."""
        past = [each for each in self.past if each[0] in self.names]
        if past:
            name, seq, attempt = past[number % len(past)]
            assert not self.group.done(self._worker(name), seq, attempt), f"a late answer has settled event {seq}"
            self.step()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for name in [name for name, until in self.away.items() if until <= self.now]:
            counted = self._counted(name)
            for seq in counted:
                event = self.events[seq]
                event.given = None
                if len(counted) == 1:
                    event.charged, event.copied, event.lost_by = event.charged + 1, True, name
                if event.charged >= self.settings.tries:
                    event.fate = "dead"
            del self.away[name]
        self.step()

    def restart(self, *, clean: bool, writing: bool = False) -> None:
        """End the hub and start it again: cleanly or not. ``writing``: the last ``done`` was not stored yet."""
        self.store()
        if writing and not clean and self.unconfirmed is not None:
            self.stored, self.trimmed, name, seq, attempt = self.unconfirmed
            self.events[seq].fate, self.events[seq].given = None, (name, attempt)
            self.held[name][seq] = attempt
            self.done -= 1
        elif clean:
            self.group.give_no_more()
            self.stored.sent = self.group.sent
        self.awaited = self.names | set(self.away)
        self.names.clear()
        self.past.clear()  # attempts that are not stored begin again
        self.away.clear()
        self.claimable = {seq for seq, event in self.events.items() if event.given}
        self.claimable_until = self.now + GRACE
        for event in self.events.values():
            event.given = event.last = event.lost_by = None
        self.group = self._open(self.now + GRACE if self.awaited else 0.0)
        if not self.awaited:
            self.claimable.clear()
        self.step()

    def redrive(self) -> None:
        """Redrive all dead letters."""
        for seq, letter in self.letters.items():
            self.group.redrive(letter.record, letter.deliveries, letter.next_attempt)
            event = self.events[seq]
            event.fate, event.redriven, event.charged, event.copied = None, True, 0, True
            event.given = event.last = event.lost_by = None
        self.letters.clear()
        self.step()

    def pause(self, paused: bool) -> None:
        """Pause or resume the group."""
        self.group.pause(paused)
        self.step()

    # --- the hub's part, and what must hold

    def step(self) -> None:
        """Do a pass of the hub until nothing changes, and check it."""
        self.unconfirmed = None
        while True:
            self.group.tick(self.now)
            given = self.group.dispatch(self.now)
            for worker, job in given:
                self._given(worker, job)
            self.store()
            if not self.read() and not given:
                return

    def read(self) -> bool:
        """Load a page of events; return whether there were any, or positions without any."""
        group, before = self.group, self.group.window.read
        if not group.wants_page:
            return False
        page = [self.log[seq] for seq in sorted(self.log) if seq > before][:3]
        last = before
        for each in page:
            if not group.wants_events:
                group.window.skip(last)
                break
            group.load(each, self.now)
            last = each.seq or 0
        else:
            if len(page) == 3:
                group.window.skip(last)
            else:
                group.window.skip(self.head, self.number)
        return group.window.read != before

    def store(self) -> None:
        """Store what has changed, as a runner does."""
        changes = self.group.take_changes()
        if changes is None:
            return
        window = self.group.window
        self.stored = Stored(
            (window.settled.floor, list(window.settled)), window.reached, self.group.sent, dict(self.stored.failures)
        )
        self.trimmed += changes.trimmed
        for seq, job in changes.copies.items():
            self.stored.failures.pop(seq, None)
            if job is not None:
                self.stored.failures[seq] = StoredFailure(
                    job.record, job.attempt, job.tries, job.deliveries, int(job.due), 0, 0, job.error,
                    redriven=job.redriven, suspect=job.suspect,
                )  # fmt: skip
        for burial in changes.burials:
            event = self.events[burial.job.seq]
            assert event.fate == "dead", f"event {burial.job.seq} was buried: {burial}"
            assert burial.reason == "rejected" or burial.job.tries == event.charged == self.settings.tries
            job = burial.job
            self.letters[job.seq] = DeadLetter(
                0, job.record, burial.reason, "", None, job.worker, job.deliveries, 0, 0, job.attempt
            )

    def _given(self, worker: Worker, job: Job) -> None:
        event = self.events[job.seq]
        assert event.fate is None, f"event {job.seq} is {event.fate}, and was given again"
        assert event.given is None, f"event {job.seq} is with {event.given}, and was given to {worker.key}"
        assert worker.key in self.names, f"{worker.key} is not here"
        may_come = job.seq in self.claimable and self.now < self.claimable_until
        assert not may_come, f"event {job.seq} was given to {worker.key}, and its worker may still come back with it"
        assert not self.group.paused, "the group is paused"
        if event.key is not None and not event.redriven:
            earlier = [seq for seq, each in self.events.items() if seq < job.seq and self._blocks(each, event)]
            assert not earlier, f"event {job.seq} was given before {earlier} of its key"
        assert job.tries == event.charged, f"event {job.seq}: {job.tries} tries, and {event.charged} charged"
        event.given = event.last = (worker.key, job.attempt)
        event.deliveries += 1
        assert event.deliveries == 1 or job.redelivered, f"event {job.seq} was given before, and does not say so"
        held = self.held.setdefault(worker.key, {})
        if job.seq in held:
            self.past.append((worker.key, job.seq, held[job.seq]))
        held[job.seq] = job.attempt
        assert len(self._counted(worker.key)) <= self.places[worker.key]
        if job.suspect:
            assert self._counted(worker.key) == [job.seq], f"suspect {job.seq} is not alone"

    def _blocks(self, earlier: Event, later: Event) -> bool:
        known = earlier.record.seq in self.log or earlier.copied or earlier.given is not None
        return earlier.key == later.key and earlier.fate is None and not earlier.redriven and known

    def _counted(self, name: str) -> list[int]:
        """Return the events whose delivery to a worker counts."""
        return [seq for seq, event in self.events.items() if event.given and event.given[0] == name]

    def _worker(self, name: str) -> Worker:
        worker = self.group.workers.get(name)
        assert worker is not None
        return worker

    def drain(self) -> None:
        """Let a new worker do everything, and check that each event was settled exactly once."""
        self.pause(False)
        for name in list(self.names):
            self.leave(name)
        self.wait(1000.0)
        self.join("last", 3)
        for _ in range(10_000):
            running = list(self.held["last"])
            if not running:
                break
            self.answer("last", min(running), "done")
        for event in self.events.values():
            if event.fate is None and event.record.seq not in self.log:
                event.fate = "trimmed"
        open_ = [seq for seq, event in self.events.items() if event.fate is None]
        assert not open_, f"events {open_} were never settled"
        window = self.group.window
        assert not window.jobs
        assert window.unsettled == 0
        assert (window.settled.floor, len(window.settled)) == (self.head, 0)
        fates: Counter[Any] = Counter(event.fate for event in self.events.values())
        assert fates["dead"] == len(self.letters)
        others = sum(event.fate == "other" and seq not in self.log for seq, event in self.events.items())
        assert fates["trimmed"] <= self.trimmed <= fates["trimmed"] + others, (self.trimmed, fates)
        assert not self.stored.failures
