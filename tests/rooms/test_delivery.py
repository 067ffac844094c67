"""A delivery: what the handler decides, how it ends, and what is told to the hub."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_rtmsg.errors import WrongCall
from jupyter_rtmsg.rooms.delivery import (
    LONGEST_DELAY,
    LONGEST_TEXT,
    LONGEST_TRACEBACK,
    State,
    WorkDelivery,
    error_fields,
    plain,
)


class Holder:
    """Notes what is renewed."""

    def __init__(self) -> None:
        self.renewed: list[WorkDelivery] = []

    def renew(self, delivery: WorkDelivery) -> None:
        self.renewed.append(delivery)


FROM = {"user": "ann", "kind": "script", "name": "ann", "member": "1"}


def delivery(**meta: Any) -> WorkDelivery:
    fields = {"room": "lab", "seq": 5, "prev": 0, "n": 1, "ts": 0, "from": FROM, "attempt": 1, **meta}
    return WorkDelivery("tick", {"a": 1}, fields, Holder())


def begun(**meta: Any) -> WorkDelivery:
    one = delivery(**meta)
    event = one.begin("lab")
    assert (event.name, event.data, event.seq) == ("tick", {"a": 1}, 5)
    return one


def outcome(one: WorkDelivery) -> tuple[str, dict[str, Any]]:
    assert one.outcome is not None
    return one.outcome.command, dict(one.outcome.fields)


def test_it_is_done_when_the_handler_returns_and_comes_again_when_it_raises() -> None:
    one, other = begun(), begun()
    one.returned()
    other.failed(ValueError("no"))
    assert outcome(one) == ("done", {})
    command, fields = outcome(other)
    assert (command, fields["error"]["type"], fields["error"]["message"]) == ("retry", "ValueError", "no")
    assert one.state is other.state is State.ENDED


def test_what_the_handler_decides_counts_whether_it_returns_or_raises() -> None:
    one, other = begun(), begun()
    one.retry(30)
    one.returned()
    other.reject("no such user")
    other.failed(ValueError("no"))
    assert outcome(one) == ("retry", {"after": 30})
    assert outcome(other) == ("reject", {"reason": "no such user"})


def test_a_handler_that_was_cut_off_is_not_charged() -> None:
    one = begun()
    one.give_back()
    assert outcome(one) == ("retry", {})


def test_after_its_end_nothing_can_be_decided_and_the_error_tells_how_it_ended() -> None:
    for end, how in ((WorkDelivery.returned, "done"), (WorkDelivery.give_back, "given back")):
        one = begun()
        end(one)
        for call in (lambda one: one.retry(None), lambda one: one.reject("x"), lambda one: one.working()):
            with pytest.raises(WrongCall, match=f"the event is {how}"):
                call(one)


@pytest.mark.parametrize("after", [-1, LONGEST_DELAY + 1, "30", True, float("nan")])
def test_a_wrong_delay_is_refused_and_decides_nothing(after: Any) -> None:
    one = begun()
    with pytest.raises(WrongCall, match="after="):
        one.retry(after)
    one.returned()
    assert outcome(one) == ("done", {})


def test_it_stands_for_the_last_ten_attempts_that_came_while_it_was_here() -> None:
    one = begun()
    for attempt in range(2, 20):
        one.adopt({"seq": 5, "attempt": attempt, "deliveries": attempt})
    assert one.name == [5, 19]
    assert one.names == [[5, attempt] for attempt in range(9, 20)]
    assert one.deliveries == 19


def test_one_that_was_given_to_another_stays_gone_when_its_handler_ends() -> None:
    one = begun()
    one.drop()
    assert one.working() is False
    one.returned()
    assert one.state is State.GONE


def test_texts_are_cut_and_can_be_sent() -> None:
    fields = error_fields(ValueError("x" * 10_000 + "\ud800"))
    assert len(fields["message"]) == LONGEST_TEXT
    assert len(fields["traceback"]) == LONGEST_TRACEBACK
    assert plain("a\ud800") == "a?"

    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert error_fields(Odd())["message"] == ""
