from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.log.dedup import Dedup
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
        self.model: dict[int, tuple[int, bytes, float]] = {}  # the window: seq -> (seq, key, time)
        self.open()

    def open(self) -> None:
        connection = connect(self.path)
        prepare(connection)
        self.store = Store(connection)
        options = Options(dedup_count=KEPT, dedup_age=AGE, clock=lambda: self.now)
        self.dedup = Dedup(self.store, options, fresh=FRESH, step=STEP)

    def close(self) -> None:
        self.store.connection.close()

    def add(self, number: int) -> None:
        self.seq += 1
        with self.store.transaction() as connection:
            connection.execute("INSERT INTO dedup VALUES(?, ?, ?)", (self.seq, key(number), int(self.now * 1000)))
        self.dedup.grown(1)
        self.model[self.seq] = (self.seq, key(number), self.now)

    def forget(self) -> None:
        self.dedup.forget()
        newest = [entry for entry in self.model.values() if entry[2] >= self.now - AGE][-KEPT:]
        self.model = {entry[0]: entry for entry in newest}

    def expected(self) -> dict[bytes, int]:
        return {name: seq for seq, name, when in self.model.values() if when >= self.now - AGE}

    def found(self) -> dict[bytes, int]:
        return self.dedup.find([key(number) for number in range(256)], int(self.now * 1000))

    def count(self, table: str) -> int:
        row = self.store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(row[0])


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
    assert (keys.count("fresh"), keys.count("settled")) == (0, FRESH)
    assert keys.found() == keys.expected()


def test_a_log_opened_again_reads_only_the_keys_that_were_not_settled(keys: Keys) -> None:
    for number in range(FRESH + 3):
        keys.add(number)
        if number == FRESH - 1:
            sweep(keys)
    keys.close()
    keys.open()
    assert keys.count("fresh") == 3
    assert keys.found() == keys.expected()


def test_a_sweep_that_a_crash_cut_off_loses_no_key(keys: Keys) -> None:
    for number in range(FRESH):
        keys.add(number)
    assert keys.dedup.settle()
    assert keys.count("settled") == STEP
    keys.close()
    keys.open()
    assert keys.found() == keys.expected()
    sweep(keys)
    assert keys.found() == keys.expected()


def test_a_slice_that_fails_changes_nothing(keys: Keys) -> None:
    for number in range(FRESH):
        keys.add(number)
    keys.store.connection.execute(
        "CREATE TEMP TRIGGER broken BEFORE DELETE ON fresh BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    with pytest.raises(sqlite3.IntegrityError):
        keys.dedup.settle()
    assert (keys.count("fresh"), keys.count("settled")) == (FRESH, 0)
    keys.store.connection.execute("DROP TRIGGER broken")
    sweep(keys)
    assert keys.found() == keys.expected()


def test_what_was_forgotten_leaves_the_file_with_the_next_sweep(keys: Keys) -> None:
    for number in range(KEPT):
        keys.add(number)
        keys.dedup.settle()
    keys.now += AGE + 1
    while keys.dedup.forget():
        pass
    assert keys.found() == {}
    for number in range(100, 100 + FRESH):
        keys.add(number)
    sweep(keys)
    sweep(keys)
    assert keys.count("settled") + keys.count("fresh") == FRESH


def test_a_busy_log_settles_as_fast_as_keys_come(keys: Keys) -> None:
    worst = 0
    for number in range(250):
        keys.add(number)
        keys.dedup.keep_up()
        worst = max(worst, keys.count("fresh"))
    assert worst <= FRESH * 2
    assert keys.count("dedup") <= KEPT * 21 // 20 + 1


STEPS = st.lists(
    st.one_of(
        st.integers(0, 40).map(lambda number: ("add", number)),
        st.sampled_from(["settle", "forget", "reopen"]).map(lambda step: (step, 0)),
        st.integers(1, AGE).map(lambda seconds: ("wait", seconds)),
    ),
    max_size=80,
)


@given(STEPS)
def test_exactly_the_keys_of_the_window_are_known_whatever_happens_in_between(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys.sqlite3")
    try:
        for step, value in steps:
            if step == "add":
                keys.add(value)
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
