from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_rtmsg.log.batch import Batch
from jupyter_rtmsg.log.dedup import Dedup
from jupyter_rtmsg.log.options import Options
from jupyter_rtmsg.log.schema import connect, prepare
from jupyter_rtmsg.log.state import LogState
from jupyter_rtmsg.log.store import Store

FRESH, KEPT, AGE = 8, 20, 100  # AGE in seconds


def key(number: int) -> bytes:
    return bytes([number * 97 % 256]) * 16


class Keys:
    """Dedup keys in a file, and a model of the keys that must be known."""

    def __init__(self, path: Path, fresh: int = FRESH, kept: int = KEPT) -> None:
        self.path = str(path)
        self.fresh, self.kept = fresh, kept
        self.now = 1_000.0
        self.seq = 0
        self.commits: list[tuple[float, dict[bytes, int]]] = []  # the window: when, and the seqs by key
        self.open()

    def open(self) -> None:
        connection = connect(self.path)
        prepare(connection)
        self.store = Store(connection)
        options = Options(dedup_count=self.kept, dedup_age=AGE)
        self.dedup = Dedup(self.store, options, fresh=self.fresh)

    def open_again(self) -> None:
        self.close()
        self.open()

    @property
    def ms(self) -> int:
        """Log time."""
        return int(self.now * 1000)

    def close(self) -> None:
        self.store.connection.close()

    def add(self, *numbers: int) -> None:
        """Store keys with one commit."""
        self.add_keys(map(key, numbers))

    def add_keys(self, keys: Iterable[bytes]) -> None:
        batch = Batch(LogState(), {}, self.ms)
        for each in keys:
            self.seq += 1
            batch.keys[each] = self.seq
        batch.head = self.seq
        with self.store.transaction():
            self.dedup.insert(batch)
        self.dedup.grown(batch)
        self.commits.append((self.now, batch.keys))

    def forget(self) -> None:
        while self.dedup.forget(self.ms):
            pass

    def recent(self) -> dict[bytes, int]:
        """What is not too old."""
        return {name: seq for when, keys in self.commits if when >= self.now - AGE for name, seq in keys.items()}

    def needed(self) -> dict[bytes, int]:
        """What is neither too old nor too many."""
        newest = dict(list(self.recent().items())[-KEPT:])
        return {name: seq for name, seq in newest.items() if seq > self.seq - KEPT}

    def check(self) -> None:
        found = self.found()
        assert self.needed().items() <= found.items() <= self.recent().items()

    def found(self) -> dict[bytes, int]:
        return self.dedup.find([key(number) for number in range(256)], self.ms)

    def number(self, query: str) -> int:
        (number,) = self.store.connection.execute(query).fetchone()
        return int(number)

    def parts(self, *numbers: int) -> int:
        """In how many parts of a run keys lie."""
        return len({crc32(key(number)) % 256 for number in numbers})

    def seal(self) -> None:
        while self.dedup.seal():
            pass

    def rows(self) -> tuple[int, ...]:
        """How many rows there are of commits, runs and parts of runs."""
        return tuple(self.number(f"SELECT count(*) FROM {table}") for table in ("known", "run", "settled"))


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    keys = Keys(tmp_path / "keys.sqlite3")
    yield keys
    keys.close()


def test_keys_move_from_memory_to_the_file_and_stay_known(keys: Keys) -> None:
    for number in range(FRESH):
        assert not keys.dedup.seal()
        keys.add(number)
    while keys.dedup.seal():
        assert keys.found() == keys.recent()
    assert keys.dedup.fresh == 0
    assert keys.rows() == (0, 1, keys.parts(*range(FRESH)))
    assert keys.found() == keys.recent()


def test_a_log_opened_again_reads_only_the_keys_that_are_in_no_run(keys: Keys) -> None:
    for number in range(FRESH + 3):
        keys.add(number)
        if number == FRESH - 1:
            keys.seal()
    keys.open_again()
    assert keys.dedup.fresh == 3
    assert keys.found() == keys.recent()
    for number in range(100, 100 + FRESH):
        keys.add(number)
    keys.seal()
    assert keys.rows()[1] == 2
    assert keys.found() == keys.recent()


def test_log_time_goes_on_even_if_only_old_keys_tell_it(keys: Keys) -> None:
    keys.add(1)
    assert keys.store.load().time == 1_000_000
    keys.now += 1
    for number in range(FRESH):
        keys.add(number)
    keys.seal()
    assert keys.rows()[:2] == (0, 1)
    assert keys.store.load().time == 1_001_000


def test_a_move_that_a_crash_cut_off_loses_no_key(keys: Keys) -> None:
    for number in range(FRESH):
        keys.add(number)
    assert keys.dedup.seal()
    assert keys.rows() == (FRESH, 0, keys.parts(*range(FRESH)))
    keys.open_again()
    assert keys.rows() == (FRESH, 0, 0)
    assert keys.found() == keys.recent()
    keys.seal()
    assert keys.found() == keys.recent()


@pytest.mark.parametrize("table", ["settled", "run"])
def test_a_slice_that_fails_changes_nothing(keys: Keys, table: str) -> None:
    for number in range(FRESH):
        keys.add(number)
    broken = f"CREATE TEMP TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'x'); END"
    keys.store.connection.execute(broken)
    with pytest.raises(sqlite3.IntegrityError):
        keys.seal()
    keys.add(200)
    assert keys.dedup.fresh == FRESH + 1
    assert keys.rows()[:2] == (FRESH + 1, 0)
    assert keys.found() == keys.recent()
    keys.store.connection.execute("DROP TRIGGER broken")
    keys.seal()
    assert keys.rows() == (0, 1, keys.parts(200, *range(FRESH)))
    assert keys.found() == keys.recent()


def test_forgotten_ids_leave_the_file(keys: Keys) -> None:
    for number in range(KEPT):
        keys.add(number)
        keys.seal()
    assert keys.rows()[:2] == (KEPT % FRESH, KEPT // FRESH)
    keys.now += AGE + 1
    keys.forget()
    assert keys.found() == {}
    assert keys.dedup.fresh == 0
    assert keys.rows() == (0, 0, 0)


def test_a_key_is_forgotten_at_its_age_also_in_a_run_with_younger_ones(keys: Keys) -> None:
    for number in range(FRESH):
        keys.add(number)
        keys.now += AGE / (FRESH - 1)
    keys.seal()
    keys.forget()
    assert keys.rows()[1] == 1
    assert set(keys.found()) == {key(number) for number in range(1, FRESH)}


def test_a_key_that_came_again_is_known_by_its_new_seq(keys: Keys) -> None:
    for number in (*range(FRESH), *range(100, 100 + FRESH)):
        keys.add(number)
        keys.seal()
        keys.now += 1
    keys.now += AGE - 2 * FRESH + 1
    assert key(0) not in keys.found()
    keys.add(0)
    assert keys.found()[key(0)] == keys.seq
    for number in range(200, 200 + FRESH):
        keys.add(number)
    keys.seal()
    assert keys.found()[key(0)] == 2 * FRESH + 1
    keys.forget()
    assert keys.found()[key(0)] == 2 * FRESH + 1


def test_ids_forgotten_while_a_segment_is_written_stay_forgotten(keys: Keys) -> None:
    for number in range(FRESH):
        keys.add(number)
    assert keys.dedup.seal()
    keys.now += AGE + 1
    keys.add(100)
    keys.forget()
    assert keys.found() == {key(100): FRESH + 1}
    assert keys.rows() == (1, 0, 0)


def test_the_keys_of_a_commit_are_forgotten_together_and_not_one_too_early(keys: Keys) -> None:
    keys.add(*range(100, 105))
    keys.add(*range(KEPT - 1))
    keys.forget()
    assert len(keys.found()) == KEPT + 4
    keys.add(200)
    keys.forget()
    assert len(keys.found()) == KEPT


def test_a_run_is_forgotten_when_all_of_it_is_too_many(keys: Keys) -> None:
    for number in range(KEPT + FRESH - 1):
        keys.add(number)
        keys.seal()
    keys.forget()
    assert keys.rows()[1] == 3
    keys.add(200)
    keys.forget()
    assert keys.rows()[1] == 2
    assert len(keys.found()) == KEPT


def test_no_more_segments_are_kept_than_can_be_numbered(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_rtmsg.log.dedup.MAX_SEGMENTS", 2)
    for number in range(3 * FRESH):
        keys.add(number)
        keys.seal()
    assert keys.rows()[1] == 2
    assert keys.found() == {key(number): number + 1 for number in range(FRESH, 3 * FRESH)}


def test_numbers_of_segments_wrap_around(keys: Keys) -> None:
    for number in range(300 * FRESH):
        keys.add(number % 256)
        keys.now += 1
        keys.dedup.keep_up(keys.ms)
        keys.forget()
    assert keys.number("SELECT max(number) FROM run") > 256
    keys.check()
    assert keys.rows()[1] <= 4


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE known SET keys = x'82a1'",
        "UPDATE settled SET keys = substr(keys, 1, 17)",
        "UPDATE settled SET keys = CAST(keys || x'00' AS BLOB)",
        "UPDATE settled SET keys = 5",
        "UPDATE run SET commits = x'92'",
        "UPDATE run SET hashes = x'010203'",
    ],
)
def test_keys_that_were_damaged_are_as_good_as_forgotten(keys: Keys, damage: str) -> None:
    for number in range(FRESH):
        keys.add(number)
    keys.seal()
    keys.add(100)
    keys.store.connection.execute(damage)
    keys.open_again()
    expected = range(FRESH) if "known" in damage else [100]
    assert set(keys.found()) == {key(number) for number in expected}
    keys.now += AGE + 1
    keys.forget()
    assert keys.rows() == (0, 0, 0)


def test_damage_is_told(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    keys.add(1)
    keys.store.connection.execute("UPDATE known SET keys = x'82a1'")
    keys.open_again()
    assert "damaged" in caplog.text


def test_a_busy_log_seals_as_fast_as_keys_come(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.sqlite3", fresh=1024, kept=10_000)
    worst = 0
    for number in range(0, 30_000, 10):
        keys.add_keys(b"%d" % i for i in range(number, number + 10))
        keys.dedup.keep_up(keys.ms)
        worst = max(worst, keys.dedup.fresh)
    assert worst <= 2 * 1024 + 10
    assert keys.number("SELECT sum(count) FROM run") <= 10_000 * 21 // 20 + 1024
    keys.close()


STEPS = st.lists(
    st.one_of(
        st.integers(0, 40).map(lambda number: ("add", number)),
        st.integers(0, 40).map(lambda number: ("add two", number)),
        st.sampled_from(["seal", "forget", "reopen"]).map(lambda step: (step, 0)),
        st.integers(1, AGE).map(lambda seconds: ("wait", seconds)),
    ),
    max_size=80,
)


@settings(max_examples=300)
@given(STEPS)
def test_exactly_the_keys_of_the_window_are_known_whatever_happens_in_between(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys.sqlite3")
    try:
        for step, value in steps:
            if step == "add":
                keys.add(value)
            elif step == "add two":
                keys.add(value, value + 1)
            elif step == "seal":
                keys.dedup.seal()
            elif step == "forget":
                keys.forget()
            elif step == "wait":
                keys.now += value
            else:
                keys.open_again()
            keys.check()
    finally:
        keys.close()
