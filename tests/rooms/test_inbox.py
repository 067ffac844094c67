"""The queue of a room against a simple model of a hub: whatever happens, every event once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_rtmsg.client.executor import Call
from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.event import Event, Sender
from jupyter_rtmsg.rooms.decoding import Era, Position
from jupyter_rtmsg.rooms.inbox import Inbox


def meta(seq: int | None, prev: int | None, **more: Any) -> dict[str, Any]:
    sender = {"user": "u", "kind": "script", "name": "s", "member": "m"}
    return {"room": "lab", "seq": seq, "prev": prev, "ts": 1, "from": sender, **more}


LOG = Era("a log")
STEPS = ["live", "lost", "again", "run", "page", "old page"]


class Reader:
    """An inbox, its handler, and what they saw."""

    def __init__(self, **limits: int) -> None:
        self.handlers = Handlers()
        self.seen: list[Event] = []
        self.handlers.add(Handler(self.seen.append))
        self.inbox = Inbox("lab", self.handlers, lambda: None, **limits)
        self.inbox.start()
        self._calls: Iterator[Call] = iter(())

    def run(self, most: int = 1_000_000) -> None:
        """Be the executor: call so many handlers. The last has returned when the next is asked for."""
        for _ in range(most):
            call = next(self._calls, None)
            if call is None:
                self._calls = self.inbox.calls()
                call = next(self._calls, None)
            if call is None:
                return
            call.handler.call(*call.args)

    @property
    def seqs(self) -> list[int | None]:
        return [event.seq for event in self.seen]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 5))))
def test_every_event_is_handled_once_and_in_order_whatever_is_lost_doubled_or_late(
    steps: list[tuple[str, int]],
) -> None:
    reader = Reader(max_events=6)
    inbox = reader.inbox
    inbox.start_at(Position(LOG, 10), 10)
    log: list[tuple[int, int]] = []
    old: list[tuple[int, int]] = []

    def page(entries: list[tuple[int, int]], through: int) -> None:
        events = [{**meta(seq, prev), "event": "n", "data": seq} for seq, prev in entries]
        inbox.page(events, through, 0)

    for what, number in steps:
        if what in ("live", "lost"):
            prev = log[-1][0] if log else 10
            log.append((prev + number, prev))  # not dense: other rooms share the counter
            if what == "live":
                inbox.live(["n", prev + number, meta(prev + number, prev)], 1)
        elif what == "again" and log:
            seq, prev = log[max(0, len(log) - number)]
            inbox.live(["n", seq, meta(seq, prev)], 1)
        elif what == "run":
            reader.run(number)
        elif what == "page" and inbox.has_gap:
            after = [entry for entry in log if entry[0] > inbox.received]
            page(after[:number], after[:number][-1][0])
            old = after
        elif what == "old page" and old:
            page(old, old[-1][0])
    reader.run()
    while inbox.has_gap or inbox._items:
        reader.run()
        after = [entry for entry in log if entry[0] > inbox.received]
        if inbox.has_gap:
            page(after, after[-1][0] if after else inbox.seen)
    seen = reader.seqs
    assert seen == [seq for seq, _ in log][: len(seen)]
    assert inbox.received == (seen[-1] if seen else 10)
    assert inbox.handled_count == inbox.put_count
    assert inbox.unread == 0


def test_a_gap_holds_back_later_events() -> None:
    reader = Reader()
    reader.inbox.start_at(Position(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 1)
    reader.inbox.live(["n", 5, meta(5, 3)], 1)
    reader.run()
    assert reader.seqs == [1]
    assert reader.inbox.has_gap
    events = [{**meta(3, 1), "event": "n", "data": 3}, {**meta(5, 3), "event": "n", "data": 5}]
    reader.inbox.page(events, 7, 0)
    reader.run()
    assert reader.seqs == [1, 3, 5]
    assert not reader.inbox.has_gap
    assert [event.replay for event in reader.seen] == [False, True, True]


def test_through_closes_a_gap_that_was_trimmed() -> None:
    reader = Reader()
    reader.inbox.start_at(Position(LOG, 0), 0)
    reader.inbox.live(["n", 9, meta(9, 8)], 1)
    reader.inbox.page([], 9, 0)
    assert not reader.inbox.has_gap
    reader.inbox.live(["n", 12, meta(12, 9)], 1)
    reader.run()
    assert reader.seqs == [12]


def test_too_many_bytes_stay_in_the_log() -> None:
    reader = Reader(max_bytes=100)
    reader.inbox.start_at(Position(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 90)
    reader.inbox.live(["n", 2, meta(2, 1)], 90)
    assert reader.inbox.has_gap
    assert reader.inbox.unread == 1
    assert not reader.inbox.has_capacity
    reader.run()
    assert reader.inbox.has_capacity


def test_an_event_without_a_handler_counts_as_handled() -> None:
    reader = Reader()
    reader.handlers.remove()
    reader.inbox.start_at(Position(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 1)
    reader.run()
    assert reader.inbox.handled == 1


def test_an_event_whose_handler_did_not_return_is_not_handled() -> None:
    reader = Reader()
    reader.inbox.start_at(Position(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 1)
    next(reader.inbox.calls())
    assert reader.inbox.handled == 0


def test_an_event_has_the_fields_of_the_wire() -> None:
    reader = Reader()
    reader.inbox.start_at(Position(LOG, 0), 0)
    reader.inbox.live(["n", {"a": 1}, meta(1, 0, id="x"), "1"], 1)
    reader.run()
    (event,) = reader.seen
    assert (event.room, event.name, event.data, event.id) == ("lab", "n", {"a": 1}, "x")
    assert (event.seq, event.prev, event.ts, event.replay) == (1, 0, 1, False)
    assert event.sender == Sender("u", "script", "s", "m")
    assert event == Event("lab", "n", {"a": 1}, 1, 0, 1, event.sender, "x", False)


# What is gone


class Numbered:
    """A room of a hub that trims anywhere, and a reader of it that may be slow, or away."""

    def __init__(self) -> None:
        self.reader = Reader(max_events=6)
        self.gone: list[Any] = []
        self.reader.handlers.add(Handler(self.gone.append, "$trimmed"))
        self.inbox = self.reader.inbox
        self.inbox.start_at(Position(LOG, 10, 0), 10)
        self.events: list[tuple[int, int, int]] = []  # seq, prev, n
        self.trimmed: set[int] = set()

    def publish(self, step: int, *, arrives: bool) -> None:
        prev = self.events[-1][0] if self.events else 10
        self.events.append((prev + step, prev, len(self.events) + 1))
        if arrives:
            self.receive(self.events[-1])

    def receive(self, event: tuple[int, int, int], **more: Any) -> None:
        seq, prev, n = event
        self.inbox.live(["n", n, meta(seq, prev, n=n, **more)], 1)

    def held(self) -> list[tuple[int, int, int]]:
        return [event for event in self.events if event[0] > self.inbox.received and event[2] not in self.trimmed]

    def page(self, most: int, *, complete: bool) -> None:
        held = self.held()
        part = held if complete else held[:most]
        head, _, last = self.events[-1] if self.events else (10, 0, 0)
        whole = len(part) == len(held)
        through = head if whole else part[-1][0]
        events = [{**meta(seq, prev, n=n), "event": "n", "data": n} for seq, prev, n in part]
        self.inbox.page(events, through, 0, last if whole else None)

    def come_back(self) -> None:
        """Be the hub's catch-up, from where the reader is: it tells what is gone, and then all live events arrive."""
        number = self.inbox.number or 0
        for seq, prev, n in self.held():
            if n > number + 1:
                self.inbox.trimmed(number + 1, n - 1, seq - 1)
            self.receive((seq, prev, n), replay=True)
            number = n
        if self.events and self.events[-1][2] > number:
            self.inbox.trimmed(number + 1, self.events[-1][2], self.events[-1][0])


TURNS = ["live", "lost", "trim", "trim old", "run", "page", "come back"]


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(TURNS), st.integers(1, 5)), max_size=40))
def test_every_event_is_handled_or_told_to_be_gone_once(turns: list[tuple[str, int]]) -> None:
    room = Numbered()
    for what, number in turns:
        if what in ("live", "lost"):
            room.publish(number, arrives=what == "live")
        elif what == "trim" and len(room.events) >= number:
            room.trimmed.add(room.events[-number][2])  # of one sender, from the middle
        elif what == "trim old":
            room.trimmed.update(event[2] for event in room.events[: number * 3])
        elif what == "run":
            room.reader.run(number)
        elif what == "page" and room.inbox.has_gap:
            room.page(number, complete=False)
        elif what == "come back":
            room.come_back()
    room.publish(1, arrives=True)
    while room.inbox.has_gap or room.inbox.waiting:
        room.reader.run()
        if room.inbox.has_gap:
            room.page(3, complete=False)
    handled = [event.n for event in room.reader.seen]
    told = [n for event in room.gone for n in range(event.data["first"], event.data["last"] + 1)]
    assert sorted(handled + told) == list(range(1, len(room.events) + 1))
    assert handled == sorted(handled)
    assert all(event.data["count"] == event.data["last"] - event.data["first"] + 1 for event in room.gone)
    assert room.inbox.position == Position(LOG, room.events[-1][0], len(room.events))


def test_deleted_events_are_announced_in_their_place() -> None:
    room = Numbered()
    room.publish(1, arrives=True)
    room.publish(1, arrives=False)
    room.publish(1, arrives=False)
    room.trimmed.add(2)
    room.publish(1, arrives=True)
    room.page(9, complete=True)
    order: list[Any] = []
    room.reader.handlers.remove()
    for name in ("n", "$trimmed"):
        room.reader.handlers.add(Handler(lambda event: order.append(event.n or event.data), name))
    room.reader.run()
    assert order == [1, {"room": "lab", "count": 1, "first": 2, "last": 2}, 3, 4]


def test_events_of_a_hub_that_does_not_count_raise_no_alarm() -> None:
    reader = Reader()
    gone: list[Any] = []
    reader.handlers.add(Handler(gone.append, "$trimmed"))
    reader.inbox.start_at(Position(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 1)
    reader.inbox.live(["n", 5, meta(5, 1, n=9)], 1)  # the hub was updated meanwhile
    reader.inbox.live(["n", 6, meta(6, 5, n=10)], 1)
    reader.run()
    assert (reader.seqs, gone, reader.inbox.number) == ([1, 5, 6], [], 10)


def test_the_number_of_a_damaged_event_is_not_believed() -> None:
    reader = Reader()
    gone: list[Any] = []
    reader.handlers.add(Handler(gone.append, "$trimmed"))
    reader.inbox.start_at(Position(LOG, 0, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0, n=1)], 1)
    reader.inbox.live(["$corrupt", None, meta(2, 1, n=77)], 1)
    reader.inbox.live(["n", 3, meta(3, 2, n=3)], 1)
    reader.run()
    assert (gone, reader.inbox.position) == ([], Position(LOG, 3, 3))


def test_a_room_that_was_made_again_counts_from_one() -> None:
    reader = Reader()
    gone: list[Any] = []
    reader.handlers.add(Handler(lambda event: gone.append((event.data["first"], event.data["last"])), "$trimmed"))
    reader.inbox.start_at(Position(LOG, 50, 40), 50)
    reader.inbox.live(["n", 60, meta(60, 0, n=1)], 1)
    reader.inbox.live(["n", 61, meta(61, 60, n=2)], 1)
    assert gone == []
    other = Reader()
    other.handlers.add(Handler(lambda event: gone.append((event.data["first"], event.data["last"])), "$trimmed"))
    other.inbox.start_at(Position(LOG, 50, 40), 50)
    other.inbox.page([{**meta(63, 61, n=3), "event": "n", "data": 1}], 63, 0)
    other.run()
    assert (gone, other.seqs) == ([(1, 2)], [63])


def test_queued_events_beyond_a_cut_are_dropped_and_the_rest_is_handled() -> None:
    reader = Reader()
    reader.inbox.start_at(Position(LOG, 0, 0), 0)
    for seq in range(1, 6):
        reader.inbox.live(["n", seq, meta(seq, seq - 1, n=seq)], 1)
        reader.inbox.live(["n", "volatile", meta(None, None)], 1)
    cut = Position(LOG._replace(opening="second"), 3, 3)
    reader.inbox.drop_after(3)
    reader.inbox.turn(cut, "$reset", None)
    assert (reader.inbox.received, reader.inbox.put_count) == (3, 3)
    reader.inbox.live(["n", 4, meta(4, 3, n=4)], 1)
    reader.run()
    assert [seq for seq in reader.seqs if seq] == [1, 2, 3, 4]
    assert reader.seqs.count(None) == 5
    assert reader.inbox.position == Position(cut.era, 4, 4)
