"""The queue of a room against a simple model of a hub: whatever happens, every event once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.client.inbox import Inbox
from jupyter_rtmsg.client.lane import Call
from jupyter_rtmsg.client.place import Era, Place
from jupyter_rtmsg.event import Event, Sender


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
        self.inbox.started = True
        self._calls: Iterator[Call] = iter(())

    def run(self, most: int = 1_000_000) -> None:
        """Be the lane: call so many handlers. The last has returned when the next is asked for."""
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
def test_every_event_once_and_in_order_whatever_is_lost_doubled_or_late(steps: list[tuple[str, int]]) -> None:
    reader = Reader(max_events=6)
    inbox = reader.inbox
    inbox.start_at(Place(LOG, 10), 10)
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
        elif what == "page" and inbox.behind:
            after = [entry for entry in log if entry[0] > inbox.received]
            page(after[:number], after[:number][-1][0])
            old = after
        elif what == "old page" and old:
            page(old, old[-1][0])
    reader.run()
    while inbox.behind or inbox._items:
        reader.run()
        after = [entry for entry in log if entry[0] > inbox.received]
        if inbox.behind:
            page(after, after[-1][0] if after else inbox.seen)
    seen = reader.seqs
    assert seen == [seq for seq, _ in log][: len(seen)]
    assert inbox.received == (seen[-1] if seen else 10)
    assert inbox.handled_count == inbox.put_count
    assert inbox.unread == 0


def test_a_gap_holds_back_what_is_later() -> None:
    reader = Reader()
    reader.inbox.start_at(Place(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 1)
    reader.inbox.live(["n", 5, meta(5, 3)], 1)
    reader.run()
    assert reader.seqs == [1]
    assert reader.inbox.behind
    events = [{**meta(3, 1), "event": "n", "data": 3}, {**meta(5, 3), "event": "n", "data": 5}]
    reader.inbox.page(events, 7, 0)
    reader.run()
    assert reader.seqs == [1, 3, 5]
    assert not reader.inbox.behind
    assert [event.replay for event in reader.seen] == [False, True, True]


def test_through_closes_a_gap_that_was_trimmed() -> None:
    reader = Reader()
    reader.inbox.start_at(Place(LOG, 0), 0)
    reader.inbox.live(["n", 9, meta(9, 8)], 1)
    reader.inbox.page([], 9, 0)
    assert not reader.inbox.behind
    reader.inbox.live(["n", 12, meta(12, 9)], 1)
    reader.run()
    assert reader.seqs == [12]


def test_too_many_bytes_stay_in_the_log() -> None:
    reader = Reader(max_bytes=100)
    reader.inbox.start_at(Place(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 90)
    reader.inbox.live(["n", 2, meta(2, 1)], 90)
    assert reader.inbox.behind
    assert reader.inbox.unread == 1
    assert not reader.inbox.hungry
    reader.run()
    assert reader.inbox.hungry


def test_an_event_without_a_handler_counts_as_handled() -> None:
    reader = Reader()
    reader.handlers.remove()
    reader.inbox.start_at(Place(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 1)
    reader.run()
    assert reader.inbox.handled == 1


def test_an_event_whose_handler_did_not_return_is_not_handled() -> None:
    reader = Reader()
    reader.inbox.start_at(Place(LOG, 0), 0)
    reader.inbox.live(["n", 1, meta(1, 0)], 1)
    next(reader.inbox.calls())
    assert reader.inbox.handled == 0


def test_an_event_is_what_the_wire_said() -> None:
    reader = Reader()
    reader.inbox.start_at(Place(LOG, 0), 0)
    reader.inbox.live(["n", {"a": 1}, meta(1, 0, id="x"), "1"], 1)
    reader.run()
    (event,) = reader.seen
    assert (event.room, event.name, event.data, event.id) == ("lab", "n", {"a": 1}, "x")
    assert (event.seq, event.prev, event.ts, event.replay) == (1, 0, 1, False)
    assert event.sender == Sender("u", "script", "s", "m")
    assert event == Event("lab", "n", {"a": 1}, 1, 0, 1, event.sender, "x", False)
