"""Random interleavings of two servers' appends, moves, reads and restarts of one file, compared with a list."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.logs import DEADLINE, read_all, until

from jupyter_rtmsg.errors import EpochChanged
from jupyter_rtmsg.log import Appended, Draft, EventLog, Record, open_log

T = TypeVar("T")

MEMORY = "/dev/shm"
ROOMS = ("a", "b")
# Both servers get the same ids, as from clients that were at the first before they came to the second.
EVENTS = st.lists(st.tuples(st.sampled_from(ROOMS), st.none() | st.integers(1, 15)), min_size=1, max_size=6)


class TwoServers(RuleBasedStateMachine):
    """``first`` has the file, until it ends; ``second`` is in memory until then."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.threads = set(threading.enumerate())
        self.directory = tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None)
        self.file: list[int] = []  # the data of every event in the file, or on its way there
        self.known: set[tuple[str, int]] = set()
        self.next = 0
        self.rooms: dict[int, str] = {}
        self.first: EventLog | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, DEADLINE))

    @initialize()
    def open(self) -> None:
        url = f"sqlite:///{Path(self.directory.name) / 'log.sqlite3'}"
        self.first = self.run(open_log(url, ballast=0))
        self.second = self.run(open_log(url, ballast=0, tail_events=8))
        assert (self.first.durable, self.second.durable) == (True, False)
        self.mine: list[tuple[int, asyncio.Future[Appended], bool]] = []  # data, outcome, whether the file had the id
        self.heard: list[Record] = []
        self.following = self.loop.create_task(self.follow())

    async def follow(self) -> None:
        """Follow as a hub does."""
        position = self.second.head
        while True:
            try:
                async for batch in self.second.follow(after=position):
                    self.heard += batch
                    position = batch[-1].seq or position
                return
            except EpochChanged as change:
                position = change.position or 0

    def drafts(self, events: list[tuple[str, int | None]]) -> list[tuple[Draft, bool]]:
        """Make events; each with whether its id was known to the file."""
        made = []
        for room, id in events:
            known = id is not None and (room, id) in self.known
            made.append(
                (Draft(room, "n", b"%d" % self.next, user="u", client=id and "c", id=id and f"i{id}", auto=True), known)
            )
            if id:
                self.known.add((room, id))
            if not (id and known):
                self.file.append(self.next)
            self.rooms[self.next] = room
            self.next += 1
        return made

    @precondition(lambda self: self.first and not self.mine)
    @rule(events=EVENTS)
    def append_to_the_first(self, events: list[tuple[str, int | None]]) -> None:
        first = self.first
        assert first

        async def append() -> None:
            await asyncio.gather(*(first.append(draft) for draft, _ in self.drafts(events)))

        self.run(append())

    @rule(events=EVENTS, wait=st.booleans())
    def append(self, events: list[tuple[str, int | None]], wait: bool) -> None:
        async def append() -> None:
            for draft, known in self.drafts(events):
                self.mine.append((int(draft.data), self.second.append(draft), known))
            if wait:
                await asyncio.gather(*(future for _, future, _ in self.mine))

        self.run(append())

    @precondition(lambda self: self.first)
    @rule(pause=st.sampled_from([0, 1, 3]))
    def end_the_first(self, pause: int) -> None:
        first, self.first = self.first, None
        assert first

        async def end() -> None:
            await first.close()
            for _ in range(pause):
                await asyncio.sleep(0)

        self.run(end())

    @rule(room=st.sampled_from(ROOMS), at=st.integers(0, 100))
    def read_on(self, room: str, at: int) -> None:
        """Read on from where an event was when it was stored, whatever happened since."""
        stored = [(data, future.result()) for data, future, known in self.mine if future.done() and not known]
        stored = [(data, outcome) for data, outcome in stored if not outcome.duplicate]
        if not stored:
            return
        data, outcome = stored[at % len(stored)]
        got = [int(record.data) for record in self.run(read_all(self.second, room, after=outcome.seq))]
        later = [each for each, _ in stored if each > data and self.rooms[each] == room]
        assert got == sorted(got)
        assert set(later) <= set(got) <= set(range(data + 1, self.next))

    @rule()
    def settle(self) -> None:
        if self.first is None:
            self.run(until(lambda: self.second.durable))
            self.check()

    @precondition(lambda self: self.first is None)
    @rule(kill=st.booleans())
    def start_again(self, kill: bool) -> None:
        self.settle()
        self.run(self.second.close())
        self.run(asyncio.wait_for(self.following, DEADLINE))
        self.open()
        self.check_file(self.first)

    def lock_threads(self) -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name == "rtmsg-log-lock"} - self.threads

    def check(self) -> None:
        outcomes = [(data, self.run(_result(future)), known) for data, future, known in self.mine]
        self.check_file(self.second)
        new = [data for data, outcome, _ in outcomes if not outcome.duplicate]
        self.run(until(lambda: len(self.heard) >= len(new)))
        assert [int(record.data) for record in self.heard] == new, "each was heard once, in order"
        by_seq = {record.seq: int(record.data) for record in self.stored(self.second)}
        for data, outcome, known in outcomes:
            if not known:
                assert by_seq[self.second.locate(outcome.seq)] == data

    def stored(self, log: EventLog | None) -> list[Record]:
        assert log
        records = [record for room in ROOMS for record in self.run(read_all(log, room))]
        return sorted(records, key=lambda record: record.seq or 0)

    def check_file(self, log: EventLog | None) -> None:
        records = self.stored(log)
        assert [int(record.data) for record in records] == self.file
        for room in ROOMS:
            mine = [record for record in records if record.room == room]
            assert [record.prev for record in mine] == [0, *(record.seq for record in mine)][: len(mine)]

    def teardown(self) -> None:
        for log in (self.second, self.first):
            if log:
                self.run(log.close())
        self.run(asyncio.wait_for(self.following, DEADLINE))
        # The second may get the lock only now, since nobody waits for the thread that does; and another gives it back.
        for _ in ("the lock", "the file"):
            self.run(until(lambda: not self.lock_threads()))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.directory.cleanup()


async def _result(future: asyncio.Future[Appended]) -> Appended:
    return await future


def test_any_interleaving_of_two_servers_agrees_with_a_list() -> None:
    case = TwoServers.TestCase
    case.settings = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    case("runTest").runTest()
