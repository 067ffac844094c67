from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_rtmsg.log.openings import KEPT, Opening, Openings


@dataclass
class File:
    """A model of a log's file: the list of all openings and events that were written to it."""

    written: list[Opening | int] = field(default_factory=list)

    @property
    def events(self) -> list[int]:
        return [entry for entry in self.written if isinstance(entry, int)]

    @property
    def head(self) -> int:
        return len(self.events)

    def openings(self) -> Openings:
        return Openings(entry for entry in self.written if isinstance(entry, Opening))

    def open(self) -> Openings:
        openings = self.openings()
        self.written.append(openings.next(self.head, ts=0))
        openings.add(self.written[-1])
        return openings


@dataclass
class Reader:
    name: str = ""
    seen: list[int] = field(default_factory=list)

    def join(self, file: File, openings: Openings, as_far_as: int) -> None:
        """Come back with a position, as the rules have it, and read on."""
        position = len(self.seen)
        if not openings.holds(self.name, position, file.head):
            position = openings.cut(self.name, file.head)
        assert position <= len(self.seen), "a reader is never sent behind what it has seen"
        assert file.events[:position] == self.seen[:position], "what is before its position is what it has seen"
        self.seen = file.events[: max(position, as_far_as)]
        self.name = openings.name


STEPS = st.tuples(
    st.sampled_from(["append", "append", "copy", "restart", "restore", "restore", "lose the end"]),
    st.integers(0, 9),  # how much, or which
    st.integers(0, 15),  # the readers who are there then, as bits
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=30, max_size=60))
def test_a_reader_misses_no_event_and_confuses_none_whatever_happens_to_the_file(
    steps: list[tuple[str, int, int]],
) -> None:
    file = File()
    openings = file.open()
    copies: list[File] = []
    readers = [Reader(openings.name) for _ in range(4)]
    number = 0
    for step, which, present in steps:
        if step == "append":
            for _ in range(which):
                file.written.append(number := number + 1)
        elif step == "copy":
            copies.append(File(file.written.copy()))
        else:
            if step == "restore" and copies:
                copies.append(file)  # it may come back
                file = File(copies[which % len(copies)].written.copy())
            elif step == "lose the end":
                del file.written[max(len(file.written) - which, 0) :]
            openings = file.open()
        for bit, reader in enumerate(readers):
            if present & 1 << bit:
                reader.join(file, openings, file.head - bit)


def opened(*starts: int) -> File:
    """A file that was opened at these heads, and holds ten events more."""
    file = File()
    for start in starts:
        file.written += range(file.head, start)
        file.open()
    file.written += range(file.head, file.head + 10)
    return file


def test_a_position_holds_up_to_the_next_start() -> None:
    file = opened(0, 20)
    before = file.openings().name
    openings = file.open()
    assert openings.holds(before, 30, file.head)
    file.written += range(100, 105)
    assert openings.holds(before, 30, file.head)
    assert not openings.holds(before, 31, file.head)
    assert openings.cut(before, file.head) == 30
    assert openings.holds(openings.name, 35, file.head)


def test_a_position_before_the_start_of_its_opening_holds() -> None:
    file = opened(0, 20)
    assert file.openings().holds(file.openings().name, 5, file.head)


def test_a_cursor_without_an_opening_counts_as_one_of_the_last() -> None:
    file = opened(0, 20)
    assert file.openings().holds("", 30, file.head)
    assert not file.openings().holds("", 31, file.head)
    assert file.openings().cut("", file.head) == 30


@pytest.mark.parametrize("later", [1, 2, 5, 40])
def test_after_an_older_copy_came_back_readers_go_on_near_the_place_where_it_was_made(later: int) -> None:
    file = opened(*range(0, 1_000, 10))
    copy = File(file.written.copy())
    for _ in range(later):
        file.open()
        file.written += range(2_000, 2_010)
    name = file.openings().name
    openings = copy.open()
    cut = openings.cut(name, copy.head)
    assert cut <= copy.head
    assert cut == copy.head if later == 1 else cut >= copy.head - 10 * 3 * later


def test_the_opening_of_a_file_that_went_on_elsewhere_is_cut_where_that_began() -> None:
    file = opened(0, 20)
    other = File(file.written[:15])
    stranger = other.open()
    other.written += range(500, 600)
    assert file.openings().cut(stranger.name, file.head) == 14


def test_where_the_row_of_the_next_opening_is_damaged_a_reader_gets_events_again_rather_than_none() -> None:
    file = opened(0, 20)
    before = file.openings().name
    file.open()
    file.written += range(100, 105)
    last = file.open()
    rows = [row for row in last._rows.values() if row.number != last.number - 1]
    assert Openings(rows).cut(before, file.head) == 20


@pytest.mark.parametrize("name", ["1", "1.", "1.0", "1.0.", "1.0.x", "x", "-1.0.x", "²." * 2, "1.0." * 200, "9" * 5_000,
                                  "1.0.x.x.x.x.x.x.x.x.x.x", "\0", "1.0.\ud800"])  # fmt: skip
def test_a_name_that_nobody_here_had_shares_nothing(name: str) -> None:
    file = opened(0, 20)
    assert file.openings().cut(name, file.head) == 0
    assert file.openings().holds(name, 0, file.head)


def test_as_many_openings_are_kept_as_told_and_a_reader_of_an_earlier_one_begins_anew() -> None:
    openings = Openings()
    names = []
    for number in range(KEPT + 2):
        openings.add(openings.next(number, ts=0))
        names.append(openings.name)
    assert [openings.cut(name, KEPT + 5) for name in names[:3]] == [0, 0, 3]


def test_a_name_is_short_however_often_the_log_was_opened() -> None:
    openings = Openings(Opening(number, "x" * 8, number * 10**9) for number in range(999_000, 1_000_000))
    assert len(openings.name) < 90
