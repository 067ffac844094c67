from __future__ import annotations

import pytest

from jupyter_rtmsg.hub.encode import encode_record
from jupyter_rtmsg.hub.ring import BufferedEvent, Ring
from jupyter_rtmsg.log import Record


def entry(seq: int, data: bytes = b"1") -> BufferedEvent:
    record = Record("lab", seq, 0, 0, "tick", data, (), b"{}", "", None)
    return BufferedEvent(record, seq, encode_record(record))


def ring(*seqs: int, start: int = 10, max_events: int = 3, max_bytes: int = 10_000) -> Ring:
    made = Ring(start, max_events=max_events, max_bytes=max_bytes)
    for seq in seqs:
        made.append(entry(seq))
    return made


def seqs(entries: list[BufferedEvent]) -> list[int]:
    return [entry.seq for entry in entries]


def test_a_ring_covers_the_events_since_it_began() -> None:
    assert ring(12).covers(10)
    assert not ring(12).covers(9)


def test_the_oldest_give_way_and_are_no_longer_covered() -> None:
    full = ring(12, 15, 20, 21)
    assert (full.start, len(full)) == (12, 3)
    assert full.covers(12)
    assert not full.covers(11)


@pytest.mark.parametrize(("first", "left"), [(0, [12, 15, 20]), (12, [12, 15, 20]), (16, [20]), (30, [])])
def test_events_that_the_log_no_longer_holds_are_dropped(first: int, left: list[int]) -> None:
    trimmed = ring(12, 15, 20)
    trimmed.drop_before(first)
    assert seqs(trimmed.page(0, max_bytes=10_000)[0]) == left
    assert trimmed.start == {3: 10, 1: 15, 0: 20}[len(left)]
    trimmed.append(entry(40))
    assert trimmed.covers(trimmed.start)
    assert not trimmed.covers(trimmed.start - 1)


def test_a_ring_is_limited_in_bytes_too() -> None:
    small = Ring(0, max_events=100, max_bytes=1000)
    for seq in range(1, 21):
        small.append(entry(seq, b"%0100d" % seq))
    assert sum(e.size for e in small.page(small.start, max_bytes=10_000)[0]) <= 1000
    assert small.last == 20


@pytest.mark.parametrize(("after", "count"), [(10, 3), (12, 2), (13, 2), (15, 1), (20, 0), (99, 0)])
def test_events_after_a_position_are_counted(after: int, count: int) -> None:
    assert ring(12, 15, 20).count(after) == count


def test_a_page_ends_at_its_size_and_says_whether_it_was_the_last() -> None:
    events = ring(12, 15, 20)
    size = entry(12).size
    assert (seqs(events.page(10, max_bytes=2 * size)[0]), events.page(10, max_bytes=2 * size)[1]) == ([12, 15], False)
    assert seqs(events.page(15, max_bytes=1)[0]) == [20]
    assert events.page(15, max_bytes=1)[1]
    assert events.page(20, max_bytes=1) == ([], True)


@pytest.mark.parametrize(("number", "position"), [(1, 19), (2, 14), (3, 11), (4, None), (0, 20)])
def test_the_position_before_the_last_few(number: int, position: int | None) -> None:
    assert ring(12, 15, 20).position_of_last(number) == position


@pytest.mark.parametrize(("position", "last"), [(11, 0), (12, 12), (14, 12), (20, 20), (30, 20)])
def test_the_last_event_until_a_position(position: int, last: int) -> None:
    assert ring(12, 15, 20).last_until(position) == last


def test_a_replayed_form_is_made_once() -> None:
    one = entry(1)
    assert b'"replay":true' in one.replayed.text
    assert one.replayed is one.replayed
    assert b"replay" not in one.live.text
