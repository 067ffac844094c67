"""The view of missed events, over a real hub; its browser is the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.jupyter import wait_until
from support.views import Browser

from jupyter_rtmsg import Client, Event, Room
from jupyter_rtmsg.widgets import MissedView, missedview

Show = Callable[[Room], tuple[MissedView, Browser]]


@pytest.fixture
def show() -> Iterator[Show]:
    views: list[MissedView] = []

    def make(room: Room) -> tuple[MissedView, Browser]:
        view = MissedView(room)
        views.append(view)
        wait_until(lambda: view._block is not None, "they were counted")
        return view, Browser(view)

    yield make
    for view in views:
        view.close()


def missed(mine: Client, other: Client, lab: str, *names: str) -> Room:
    """Return a room in which events were missed."""
    with mine.join(lab, as_="me"):
        pass
    room = other.join(lab)
    for name in names:
        room.emit(name)
    return mine.join(lab, as_="me")


def answer(browser: Browser, kind: str, **fields: object) -> dict[str, object]:
    id = browser.request(kind, **fields)
    return wait_until(lambda: browser.outcome(id), "the browser has an answer")


def test_what_was_missed_is_counted_by_name(mine: Client, other: Client, show: Show, lab: str) -> None:
    view, _ = show(missed(mine, other, lab, "a", "a", "b"))
    wait_until(lambda: view.missed, "it is shown")
    assert (view.missed["count"], view.missed["byEvent"], view.missed["others"]) == (3, [["a", 2], ["b", 1]], 0)
    assert view.missed["from"] <= view.missed["to"]


def test_of_many_the_hub_counts_the_names(
    mine: Client, other: Client, show: Show, lab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missedview, "MAX_READ", 2)
    view, _ = show(missed(mine, other, lab, "a", "a", "b"))
    wait_until(lambda: view.missed, "it is shown")
    assert (view.missed["count"], view.missed["byEvent"]) == (3, [["a", 2], ["b", 1]])


def test_nothing_missed_is_nothing(mine: Client, show: Show, lab: str) -> None:
    view, _ = show(mine.join(lab))
    assert view.missed is None
    assert view.no_skip.startswith("No place is kept for this reader")


def test_looking_moves_nothing(mine: Client, other: Client, show: Show, lab: str) -> None:
    room = missed(mine, other, lab, "a", "b")
    show(room)
    assert room.lag == 2


def test_they_are_replayed_to_the_handlers(mine: Client, other: Client, show: Show, lab: str) -> None:
    room, handled = missed(mine, other, lab, "a", "b"), []
    room.on("*", handled.append)
    wait_until(lambda: len(handled) == 2, "the handlers have had them")
    view, browser = show(room)
    assert answer(browser, "play", speed=0)["ok"]
    wait_until(lambda: view.replay and view.replay["state"] == "done", "it is done")
    assert (view.replay["done"], view.replay["total"]) == (2, 2)
    assert [event.replay for event in handled[2:]] == [True, True]


def test_a_replay_is_paused_resumed_and_stopped(mine: Client, other: Client, show: Show, lab: str) -> None:
    room = missed(mine, other, lab, "a", "b")
    view, browser = show(room)
    assert "Press Replay first" in str(answer(browser, "pause")["text"])
    answer(browser, "play", speed=1e-6)
    for kind, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        assert answer(browser, kind)["ok"]
        wait_until(lambda state=state: view.replay and view.replay["state"] == state, f"it is {state}")


def test_a_skip_moves_to_the_end_and_is_undone(mine: Client, other: Client, show: Show, lab: str) -> None:
    room = missed(mine, other, lab, "a", "b")
    view, browser = show(room)
    assert "nothing was skipped" in str(answer(browser, "undo")["text"])
    assert answer(browser, "skip")["ok"]
    wait_until(lambda: (view.missed, view.skipped) == (None, 2), "it is shown")
    assert room.lag == 0
    assert answer(browser, "undo")["ok"]
    wait_until(lambda: view.missed and view.skipped == 0, "it is shown")
    handled: list[Event] = []
    room.on("*", handled.append)
    wait_until(lambda: [event.name for event in handled] == ["a", "b"], "they are handled after all")


def test_a_reader_without_a_place_cannot_skip_and_is_told_why(mine: Client, show: Show, lab: str) -> None:
    _, browser = show(mine.join(lab))
    outcome = answer(browser, "skip")
    assert not outcome["ok"]
    assert "no place is kept" in str(outcome["text"])
