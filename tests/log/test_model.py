"""Random sequences of appends, reads, follows, waits and openings, compared with a list."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support.logs import DEADLINE, Clock, until

from jupyter_rtmsg.errors import LogConflict
from jupyter_rtmsg.log import Appended, Draft, EventLog, Record, open_log
from jupyter_rtmsg.log.clock import stamp

T = TypeVar("T")

MEMORY = "/dev/shm"  # a file system without a disk, where there is one: durability is tested elsewhere
KEEP = 8
AGE = 1000
DAYS = 40 * 86_400
ROOMS = st.sampled_from(["a", "b", "c"])
NAMES = st.sampled_from(["x", "y"])
POSITIONS = st.integers(0, 60)
DRAFTS = st.builds(
    lambda room, name, i, expect: Draft(
        room, name, b"%d" % i, (b"part",) * (i % 3), client=None if i < 5 else "c", id=str(i), expect=expect, auto=True
    ),
    ROOMS, NAMES, st.integers(0, 12), st.none() | POSITIONS,
)  # fmt: skip


class AgainstAList(RuleBasedStateMachine):
    """The list holds every event ever stored; the log may have trimmed what is too old or too much."""

    url = "memory:"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock, self.monotonic = Clock(), Clock(0.0)
        self.stored_at: list[float] = []  # of the monotonic clock
        self.events: list[Record] = []
        self.ids: dict[tuple[str, str], int] = {}
        self.directory = tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, DEADLINE))

    @initialize()
    def open(self) -> None:
        url = self.url.format(Path(self.directory.name) / "log.sqlite3")
        options = {
            "clock": self.clock, "monotonic": self.monotonic, "ballast": 0, "max_events": KEEP, "max_age": AGE,
            "tail_events": 6,
        }  # fmt: skip
        self.log: EventLog = self.run(open_log(url, **options))

    @rule(drafts=st.lists(DRAFTS, max_size=6))
    def append(self, drafts: list[Draft]) -> None:
        async def gather() -> list[Appended | BaseException]:
            return await asyncio.gather(*map(self.log.append, drafts), return_exceptions=True)

        for draft, got in zip(drafts, self.run(gather()), strict=True):
            assert self.expected(draft) == (got if isinstance(got, Appended) else type(got))
        assert self.log.head == len(self.events)

    def expected(self, draft: Draft) -> Appended | type[Exception]:
        key = (draft.room, draft.id or "")
        if draft.client and key in self.ids:
            return Appended(self.ids[key], True)
        before = [event for event in self.events if event.room == draft.room]
        prev = (before[-1].seq or 0) if before else 0
        if draft.expect not in (None, prev):
            return LogConflict
        seq = len(self.events) + 1
        ts = stamp(int(self.clock.now * 1000), self.events[-1].ts if self.events else 0)
        self.stored_at.append(self.monotonic.now)
        what = (draft.name, draft.data, draft.attachments, b"{}", "", draft.id)
        self.events.append(Record(draft.room, seq, prev, ts, *what, n=len(before) + 1))
        if draft.client:
            self.ids[key] = seq
        return Appended(seq, False)

    @rule(
        room=ROOMS, after=POSITIONS, before=st.none() | POSITIONS, limit=st.integers(1, 12), name=st.none() | NAMES,
        last=st.none() | st.integers(0, 12), ago=st.none() | st.sampled_from([0, 1, AGE, DAYS, -DAYS]),
    )  # fmt: skip
    def read(
        self,
        room: str,
        after: int,
        before: int | None,
        limit: int,
        name: str | None,
        last: int | None,
        ago: int | None,
    ) -> None:
        since = None if ago is None else int((self.clock.now - ago) * 1000)
        page = self.run(self.log.read(room, after=after, before=before, limit=limit, name=name, last=last, since=since))
        end = len(self.events) if before is None else min(before - 1, len(self.events))
        wanted = [event for event in self.events if event.room == room and after < (event.seq or 0) <= end]
        wanted = [event for event in wanted if name in (None, event.name) and event.ts >= (since or 0)]
        if last is not None:
            wanted = wanted[max(0, len(wanted) - min(last, limit)) :]
        while wanted and self.may_be_trimmed(wanted[0]) and page.records[:1] != wanted[:1]:
            wanted.pop(0)
        assert page.records == wanted[:limit][: len(page.records)]
        assert page.more == (len(page.records) < len(wanted))
        assert page.through == (page.records[-1].seq if page.more else max(after, end))

    def may_be_trimmed(self, event: Record) -> bool:
        later = [each for each in self.events if each.room == event.room and (each.seq or 0) > (event.seq or 0)]
        return len(later) >= KEEP or self.stored_at[(event.seq or 0) - 1] < self.monotonic.now - AGE

    @rule(after=POSITIONS)
    def follow(self, after: int) -> None:
        self.append([Draft("last", "x", b"0")])  # new, so surely not trimmed: the end of what is to come
        head = len(self.events)
        if after >= head:
            return
        got: list[Record] = []

        async def take() -> None:
            async with aclosing(self.log.follow(after=after)) as batches:
                async for batch in batches:
                    got.extend(record for record in batch if record.seq is not None)
                    if batch[-1].seq == head:
                        return

        self.run(take())
        seqs = [event.seq or 0 for event in got]
        assert seqs == sorted(set(seqs))
        assert all(event == self.events[(event.seq or 0) - 1] for event in got)
        missing = set(range(after + 1, head + 1)) - set(seqs)
        assert all(self.may_be_trimmed(self.events[seq - 1]) for seq in missing)

    @rule(count=st.integers(1, 8))
    def announce(self, count: int) -> None:
        for _ in range(count):
            self.log.announce(Draft("a", "volatile", b"0"))

    @rule()
    def settle(self) -> None:
        async def trimmed() -> bool:
            return all(stats.count <= KEEP for stats in (await self.log.rooms()).values())

        self.run(until(trimmed))

    @rule(room=ROOMS)
    def stats(self, room: str) -> None:
        mine = [event for event in self.events if event.room == room]
        stats = self.run(self.log.stats(room))
        assert stats.head == (mine[-1].seq if mine else 0)
        assert all(self.may_be_trimmed(event) for event in mine[: len(mine) - stats.count])
        held = mine[len(mine) - stats.count :]
        assert stats.bytes == sum(len(event.data) + sum(map(len, event.attachments)) for event in held)
        if held:
            assert stats.first == held[0].seq

    @rule(seconds=st.sampled_from([1, AGE // 2, AGE + 1]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds
        self.monotonic.now += seconds

    @rule(
        wrong=st.sampled_from([DAYS, -DAYS, 10_800, -10_800]), drafts=st.lists(DRAFTS, max_size=3), there=st.booleans(),
        back=st.booleans(),
    )  # fmt: skip
    def be_wrong_for_a_moment(self, wrong: int, drafts: list[Draft], there: bool, back: bool) -> None:
        for jump, again, appended in ((wrong, there, drafts), (-wrong, back, [])):
            self.clock.now += jump
            if again:
                self.open_again()
            self.append(appended)

    @rule()
    def open_again(self) -> None:
        if self.url != "memory:":
            self.run(self.log.close())
            self.open()

    def teardown(self) -> None:
        self.run(self.log.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.directory.cleanup()


class FileAgainstAList(AgainstAList):
    url = "sqlite:///{}"


# About 1,000 steps each: more of them is a matter of the number here.
QUICK = settings(
    max_examples=30, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


@pytest.mark.parametrize("machine", [AgainstAList, FileAgainstAList])
def test_any_order_of_calls_agrees_with_a_list(machine: type[AgainstAList]) -> None:
    case = machine.TestCase
    case.settings = QUICK
    case("runTest").runTest()
