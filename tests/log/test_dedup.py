from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_rtmsg.log.dedup import Dedup
from jupyter_rtmsg.log.ledger import Batch, Ledger
from jupyter_rtmsg.log.options import Options
from jupyter_rtmsg.log.schema import connect, prepare
from jupyter_rtmsg.log.store import Store

FRESH, STEP, KEPT, AGE = 8, 3, 20, 100  # AGE in seconds


def key(number: int) -> bytes:
    return bytes([number * 97 % 256]) * 16


class Keys:
    """A table of keys in a file, and beside it what must be known."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self.now = 1_000.0
        self.seq = 0
        self.commits: list[tuple[float, dict[bytes, int]]] = []  # the window: when, and the seqs by key
        self.open()

    def open(self) -> None:
        connection = connect(self.path)
        prepare(connection)
        self.store = Store(connection)
        options = Options(dedup_count=KEPT, dedup_age=AGE, clock=lambda: self.now)
        self.dedup = Dedup(self.store, options, fresh=FRESH, step=STEP)

    def close(self) -> None:
        self.store.connection.close()

    def add(self, *numbers: int) -> None:
        """Store keys with one commit."""
        batch = Batch(Ledger(), {}, int(self.now * 1000))
        for number in numbers:
            self.seq += 1
            batch.keys[key(number)] = self.seq
        batch.head = self.seq
        with self.store.transaction():
            self.dedup.insert(batch)
        self.dedup.grown(batch)
        self.commits.append((self.now, batch.keys))

    def forget(self) -> None:
        self.dedup.forget()
        while self.commits and (self.commits[0][0] < self.now - AGE or self.excess() >= len(self.commits[0][1])):
            del self.commits[0]

    def excess(self) -> int:
        return sum(len(keys) for _, keys in self.commits) - KEPT

    def expected(self) -> dict[bytes, int]:
        return {name: seq for when, keys in self.commits if when >= self.now - AGE for name, seq in keys.items()}

    def found(self) -> dict[bytes, int]:
        return self.dedup.find([key(number) for number in range(256)], int(self.now * 1000))

    def number(self, query: str) -> int:
        (number,) = self.store.connection.execute(query).fetchone()
        return int(number)

    def settled(self) -> int:
        return self.number("SELECT count(*) FROM settled")


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    keys = Keys(tmp_path / "keys.sqlite3")
    yield keys
    keys.close()


def sweep(keys: Keys) -> None:
    while keys.dedup.settle():
        pass


def test_keys_move_from_memory_to_the_file_and_stay_known(keys: Keys) -> None:
    for number in range(FRESH):
        assert not keys.dedup.settle()
        keys.add(number)
    sweep(keys)
    assert (keys.dedup.fresh, keys.settled()) == (0, FRESH)
    assert keys.found() == keys.expected()


def test_a_log_opened_again_reads_only_the_keys_that_were_not_settled(keys: Keys) -> None:
    for number in range(FRESH + 3):
        keys.add(number)
        if number == FRESH - 1:
            sweep(keys)
    keys.close()
    keys.open()
    assert keys.dedup.fresh == 3
    assert keys.found() == keys.expected()


def test_a_sweep_that_a_crash_cut_off_loses_no_key(keys: Keys) -> None:
    for number in range(FRESH):
        keys.add(number)
    assert keys.dedup.settle()
    assert keys.settled() == STEP
    keys.close()
    keys.open()
    assert keys.found() == keys.expected()
    sweep(keys)
    assert keys.found() == keys.expected()


def test_a_slice_that_fails_changes_nothing(keys: Keys) -> None:
    for number in range(FRESH):
        keys.add(number)
    keys.store.connection.execute(
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON settled BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    with pytest.raises(sqlite3.IntegrityError):
        keys.dedup.settle()
    assert (keys.dedup.fresh, keys.settled()) == (FRESH, 0)
    keys.store.connection.execute("DROP TRIGGER broken")
    sweep(keys)
    assert keys.found() == keys.expected()


def test_what_is_forgotten_leaves_the_file(keys: Keys) -> None:
    for number in range(KEPT):
        keys.add(number)
        keys.dedup.settle()
    keys.now += AGE + 1
    while keys.dedup.forget():
        pass
    assert keys.found() == {}
    assert (keys.dedup.fresh, keys.settled(), keys.number("SELECT count(*) FROM known")) == (0, 0, 0)


def test_a_key_can_be_forgotten_while_it_waits_to_be_moved(keys: Keys) -> None:
    for number in range(FRESH):
        keys.add(number)
    assert keys.dedup.settle()
    keys.now += AGE + 1
    keys.add(100)
    while keys.dedup.forget():
        pass
    sweep(keys)
    assert (keys.dedup.fresh, keys.settled()) == (1, 0)
    assert keys.found() == {key(100): FRESH + 1}


def test_the_keys_of_a_commit_are_forgotten_together_and_not_one_too_early(keys: Keys) -> None:
    keys.add(*range(100, 105))
    keys.add(*range(KEPT - 1))
    while keys.dedup.forget():
        pass
    assert len(keys.found()) == KEPT + 4
    keys.add(200)
    while keys.dedup.forget():
        pass
    assert len(keys.found()) == KEPT


def test_keys_that_were_damaged_are_as_good_as_forgotten(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    keys.add(1, 2)
    keys.add(3)
    keys.store.connection.execute("UPDATE known SET keys = x'82a1' WHERE last = 2")
    keys.close()
    keys.open()
    assert keys.found() == {key(3): 3}
    assert "damaged" in caplog.text
    keys.now += AGE + 1
    assert keys.dedup.forget()
    assert keys.number("SELECT count(*) FROM known") == 0


def test_a_busy_log_settles_as_fast_as_keys_come(keys: Keys) -> None:
    worst = 0
    for number in range(250):
        keys.add(number)
        keys.dedup.keep_up()
        worst = max(worst, keys.dedup.fresh)
    assert worst <= FRESH * 2
    assert keys.number("SELECT sum(count) FROM known") <= KEPT * 21 // 20 + 1


STEPS = st.lists(
    st.one_of(
        st.integers(0, 40).map(lambda number: ("add", number)),
        st.integers(0, 40).map(lambda number: ("add two", number)),
        st.sampled_from(["settle", "forget", "reopen"]).map(lambda step: (step, 0)),
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
            elif step == "settle":
                keys.dedup.settle()
            elif step == "forget":
                keys.forget()
            elif step == "wait":
                keys.now += value
            else:
                keys.close()
                keys.open()
            assert keys.found() == keys.expected()
    finally:
        keys.close()
