"""What a view holds of a room."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_rtmsg.event import Event, Sender
from jupyter_rtmsg.widgets.event_buffer import EventBuffer, EventSlice


def _event(seq: int | None) -> Event:
    return Event("lab", "tick", None, seq, None, 0, Sender("alice", "kernel", "train", "m"))


def _filled(seqs: Iterable[int | None], limit: int = 5) -> EventBuffer:
    buffer = EventBuffer(limit)
    for seq in seqs:
        buffer.add(_event(seq))
    return buffer


def _seqs(part: EventSlice) -> list[int | None]:
    return [event.seq for event in part.events]


def test_each_event_is_taken_once_and_in_order() -> None:
    buffer = _filled([3, 7])
    assert _seqs(buffer.take()) == [3, 7]
    buffer.add(_event(8))
    assert _seqs(buffer.take()) == [8]
    assert _seqs(buffer.take()) == []


def test_only_the_latest_are_held() -> None:
    buffer = _filled(range(1, 13))
    assert _seqs(buffer.recent()) == [8, 9, 10, 11, 12]


def test_evicted_events_are_counted() -> None:
    buffer = _filled(range(1, 13))
    part = buffer.take()
    assert (part.first, len(part.events)) == (8, 5)


def test_consecutive_stretches_have_consecutive_numbers() -> None:
    buffer = _filled([10, 20, 30])
    one = buffer.take()
    buffer.add(_event(40))
    assert buffer.take().first == one.first + len(one.events) == 4


def test_an_event_that_comes_again_is_not_held_twice() -> None:
    buffer = _filled([1, 2])
    assert not buffer.add(_event(2))
    assert not buffer.add(_event(1))
    assert _seqs(buffer.recent()) == [1, 2]


def test_volatile_events_have_no_number_and_are_all_held() -> None:
    assert _seqs(_filled([1, None, None, 2]).recent()) == [1, None, None, 2]


def test_earlier_events_are_placed_before_those_that_arrived_meanwhile() -> None:
    buffer = _filled([5, 6], limit=10)
    buffer.precede([_event(seq) for seq in (3, 4, 5, 6)])
    assert _seqs(buffer.take()) == [3, 4, 5, 6]
    assert not buffer.add(_event(6))


def test_earlier_events_count_as_known_if_none_arrived_meanwhile() -> None:
    buffer = _filled([])
    buffer.precede([_event(3), _event(4)])
    assert not buffer.add(_event(4))
    assert buffer.add(_event(5))


def test_earlier_events_do_not_evict_those_that_arrived_meanwhile() -> None:
    buffer = _filled([6, 7, 8, 9], limit=5)
    buffer.precede([_event(seq) for seq in range(1, 6)])
    assert _seqs(buffer.recent()) == [5, 6, 7, 8, 9]


def test_after_a_reset_small_numbers_are_new_again() -> None:
    buffer = _filled([7])
    buffer.restart()
    assert buffer.add(_event(1))
    assert _seqs(buffer.recent()) == [7, 1]
