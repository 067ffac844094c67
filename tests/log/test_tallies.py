"""Tallies and fair trimming, compared with a model: the list of all events that are held."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.logs import Clock

from jupyter_rtmsg.log import Appended, Draft
from jupyter_rtmsg.log.batch import Batch
from jupyter_rtmsg.log.clock import LogClock
from jupyter_rtmsg.log.dedup import Dedup
from jupyter_rtmsg.log.disk import Disk
from jupyter_rtmsg.log.options import Options
from jupyter_rtmsg.log.retention import Retention
from jupyter_rtmsg.log.schema import connect, prepare
from jupyter_rtmsg.log.state import LogState
from jupyter_rtmsg.log.store import Store
from jupyter_rtmsg.log.tallies import EVENT_OVERHEAD, Tallies
from jupyter_rtmsg.log.work import Submission

USERS, ROOMS = st.sampled_from(["ann", "bob", "eve"]), st.sampled_from(["a", "b", "c"])
MAX_BYTES, MAX_EVENTS = 64 * 250, 12
UNEVEN = MAX_BYTES // 64
LARGEST = 400


def nobody(_: Appended | Exception) -> None:
    """Nobody waits."""


class Log:
    """The writer's side of a log, without its thread."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_events: int = MAX_EVENTS) -> None:
        self.connection = connect(":memory:")
        prepare(self.connection, "MEMORY")
        self.options = Options(max_bytes=max_bytes, max_events=max_events, clock=Clock(), monotonic=Clock(0.0))
        self.open()

    def open(self) -> None:
        self.store = Store(self.connection)
        self.state: LogState = self.store.load()
        clock = LogClock(self.options.clock, self.options.monotonic, 0, None)
        self.retention = Retention(
            self.store, self.state, Dedup(self.store, self.options), self.options, clock, Disk(None, 0)
        )

    def append(self, events: list[tuple[str, str, int]]) -> None:
        batch = Batch(self.state, {}, 1_800_000_000_000)
        for room, user, size in events:
            batch.add(Submission(Draft(room, "tick", b"x" * size, user=user), nobody, size), None)
        with self.store.transaction():
            self.store.insert(batch)
        self.state.accept(batch)
        self.retention.grown(batch)

    def tidy(self) -> None:
        while self.retention.busy:
            self.retention.step(quiet=True)

    @property
    def rows(self) -> list[tuple[int, str, str, int]]:
        return self.connection.execute(
            "SELECT seq, room.name, user, size FROM event JOIN room ON room.id = event.room ORDER BY seq"
        ).fetchall()

    def seqs(self, user: str) -> list[int]:
        return [seq for seq, _, owner, _ in self.rows if owner == user]


def costs(rows: list[tuple[int, str, str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for _, _, user, size in rows:
        total[user] += size + EVENT_OVERHEAD
    return total


class AgainstAList(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.events: list[tuple[int, str, str, int]] = []

    @initialize(every=st.sampled_from([1, 7, 10_000]), entries=st.sampled_from([1, 3, 10_000]))
    def tune(self, every: int, entries: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("jupyter_rtmsg.log.retention.STORE_EVERY", every)
        self.patch.setattr("jupyter_rtmsg.log.retention._ENTRIES", entries)

    @rule(events=st.lists(st.tuples(ROOMS, USERS, st.integers(0, LARGEST)), max_size=8))
    def append(self, events: list[tuple[str, str, int]]) -> None:
        seq = self.log.state.head
        self.log.append(events)
        self.events += [(seq + i, *event) for i, event in enumerate(events, 1)]

    @rule()
    def slice_(self) -> None:
        before = self.log.rows
        self.log.retention.step(quiet=False)
        self.lost(before)

    @rule()
    def tidy(self) -> None:
        self.log.retention.busy = True
        while self.log.retention.busy:
            before = self.log.rows
            self.log.retention.step(quiet=True)
            self.lost(before)
        assert costs(self.log.rows).total() <= MAX_BYTES
        assert all(room.count <= MAX_EVENTS for room in self.log.state.rooms.values())

    def lost(self, before: list[tuple[int, str, str, int]]) -> None:
        """What a step deleted were the oldest events of whoever held most."""
        after = self.log.rows
        gone = [row for row in before if row not in after]
        self.events = [row for row in self.events if row not in gone]
        kept = {(room, user): seq for seq, room, user, _ in reversed(after)}
        assert all(seq < kept.get((room, user), 1 << 60) for seq, room, user, _ in gone)
        over_rooms = {room for room, count in Counter(row[1] for row in before).items() if count > MAX_EVENTS}
        for user in {row[2] for row in gone if row[1] not in over_rooms}:
            mine, most = costs(after)[user], max(costs(after).values(), default=0)
            assert mine + UNEVEN + LARGEST + EVENT_OVERHEAD >= most

    @rule()
    def open_again(self) -> None:
        self.log.open()

    @invariant()
    def agrees(self) -> None:
        assert self.log.rows == self.events
        assert self.log.state.tallies.costs() == dict(costs(self.events))
        for name, room in self.log.state.rooms.items():
            mine = [event for event in self.events if event[1] == name]
            stats = room.stats()
            assert (stats.count, stats.bytes) == (len(mine), sum(event[3] for event in mine))
            assert stats.first == (mine[0][0] if mine else stats.head + 1)
            tally = self.log.state.tallies.in_room(room.id)
            assert {user: each.count for user, each in tally.items()} == Counter(event[2] for event in mine)

    def teardown(self) -> None:
        self.log.connection.close()
        self.patch.undo()


def test_any_order_of_commits_and_trims_agrees_with_a_list() -> None:
    case = AgainstAList.TestCase
    case.settings = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    case("runTest").runTest()


@pytest.fixture
def make_log() -> Callable[..., Log]:
    return Log


def test_one_writer_never_evicts_the_ids_of_another(make_log: Callable[..., Log]) -> None:
    log = make_log(max_bytes=100_000, max_events=10_000)
    log.append([("lab", "ann", 100)] * 50)
    mine = log.seqs("ann")
    for i in range(100):
        log.append([(f"r{i % 7}", "eve", 1000), ("lab", "eve", 1000)])
        log.retention.step(quiet=False)
    log.tidy()
    assert log.seqs("ann") == mine
    assert costs(log.rows).total() <= 100_000


def test_two_users_that_write_equally_keep_equal_shares(make_log: Callable[..., Log]) -> None:
    log = make_log(max_bytes=100_000, max_events=10_000)
    for i in range(300):
        log.append([("a", "ann", 100 + i % 50), ("a", "bob", 100 + i % 50)] * 2)
        log.retention.step(quiet=False)
    log.tidy()
    shares = costs(log.rows)
    assert abs(shares["ann"] - shares["bob"]) <= 100_000 // 64 + 350


def test_a_user_who_filled_the_log_and_stopped_loses_events_to_the_others(make_log: Callable[..., Log]) -> None:
    log = make_log(max_bytes=100_000, max_events=10_000)
    log.append([("a", "eve", 1000)] * 80)
    for _ in range(100):
        log.append([("a", "ann", 100)])
        log.retention.step(quiet=False)
    log.tidy()
    assert len(log.seqs("ann")) == 100
    assert 0 < len(log.seqs("eve")) < 80


def test_a_full_room_loses_events_of_the_user_with_most_in_it(make_log: Callable[..., Log]) -> None:
    log = make_log(max_bytes=10**8, max_events=100)
    log.append([("lab", "ann", 10)] * 20 + [("other", "ann", 10)] * 90)
    for _ in range(30):
        log.append([("lab", "eve", 10)] * 10)
        log.retention.step(quiet=False)
    log.tidy()
    counts = Counter((room, user) for _, room, user, _ in log.rows)
    assert counts == {("lab", "ann"): 20, ("other", "ann"): 90, ("lab", "eve"): 80}


def test_a_slice_looks_at_a_bounded_number_of_entries(
    make_log: Callable[..., Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(max_bytes=10**8)
    log.append([("lab", "ann", 1)] * 500 + [("lab", "eve", 1)] * 10)
    held, mine = log.state.tallies, log.state.tallies.of("eve")
    looks = 0
    while not (found := list(held.oldest(log.connection, "eve", mine, 100))):
        looks += 1
        assert looks < 10
    assert looks == 5  # 100 entries each, none of them twice
    assert [seq for seq, _, _ in found] == list(range(501, 511))


def test_events_whose_deletion_failed_are_found_again(make_log: Callable[..., Log]) -> None:
    log = make_log(max_bytes=1000)
    log.append([("a", "eve", 300)] * 3 + [("a", "ann", 1)])
    log.connection.execute("CREATE TRIGGER broken BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'no'); END")
    before = log.rows
    with pytest.raises(sqlite3.Error):
        log.retention.step(quiet=True)
    assert log.rows == before
    log.connection.execute("DROP TRIGGER broken")
    log.tidy()
    assert log.seqs("eve") == [3]


def loaded(connection: sqlite3.Connection) -> Tallies:
    tallies = Tallies()
    tallies.load(connection)
    return tallies


def test_a_file_without_tallies_is_counted_once(make_log: Callable[..., Log]) -> None:
    log = make_log()
    log.append([("a", "ann", 5), ("b", "bob", 6)])
    log.connection.execute("INSERT INTO tally VALUES(1, 'ann', 99, 99)")  # of a version that did not keep it up
    assert loaded(log.connection).costs() == log.state.tallies.costs()


def test_tallies_are_stored_once_in_many_events(make_log: Callable[..., Log], monkeypatch: pytest.MonkeyPatch) -> None:
    log = make_log()
    monkeypatch.setattr("jupyter_rtmsg.log.retention.STORE_EVERY", 10)
    log.append([("a", "ann", 1)] * 9)
    log.retention.step(quiet=False)
    assert log.connection.execute("SELECT count(*) FROM tally").fetchone() == (0,)
    log.append([("a", "ann", 1)])
    log.retention.step(quiet=False)
    assert log.connection.execute("SELECT * FROM tally").fetchall() == [(1, "ann", 10, 10)]
    assert loaded(log.connection).unsaved == 0


def test_a_principal_without_events_has_no_tally() -> None:
    held = Tallies()
    held.add(1, "ann", 2, 10)
    held.add(1, "ann", -2, -10)
    assert (held.costs(), held.of("ann"), held.in_room(1)) == ({}, {}, {})
