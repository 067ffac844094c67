"""The view of worker groups, over a real hub; its browser is the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.hub import HubServer
from support.jupyter import wait_until
from support.views import Browser

from jupyter_rtmsg import Client, Event, Room
from jupyter_rtmsg.widgets import QueueView, queueview

Show = Callable[[Room], tuple[QueueView, Browser]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Iterator[Show]:
    monkeypatch.setattr(queueview, "_INTERVAL", 0.05)
    views: list[QueueView] = []

    def make(room: Room) -> tuple[QueueView, Browser]:
        view = QueueView(room)
        views.append(view)
        wait_until(lambda: view.groups is not None, "the hub has answered")
        return view, Browser(view)

    yield make
    for view in views:
        view.close()


def group(view: QueueView) -> dict[str, Any]:
    return view.groups[0] if view.groups else {}


def reject(event: Event) -> None:
    event.reject("no such file")


def done(browser: Browser, id: str) -> str:
    outcome = wait_until(lambda: browser.outcome(id), "the browser has an answer")
    assert outcome["ok"], outcome["text"]
    return str(outcome["text"])


def test_a_room_without_groups_has_none(mine: Client, show: Show, lab: str) -> None:
    view, _ = show(mine.join(lab))
    assert view.groups == []
    assert view.problem == ""


def test_a_group_is_told_in_numbers_with_its_workers(mine: Client, other: Client, show: Show, lab: str) -> None:
    view, _ = show(mine.join(lab))
    room = other.join(lab)
    room.worker("resize", event="image.*", max_in_flight=2)(lambda event: None)
    room.emit("image.new")
    wait_until(lambda: group(view).get("done") == 1, "it is handled, and shown")
    shown = group(view)
    assert (shown["name"], shown["event"], shown["lag"], shown["workerCount"]) == ("resize", "image.*", 0, 1)
    assert [(w["label"], w["maxInFlight"]) for w in shown["workers"]] == [("other (you)", 2)] or shown["workers"]


def test_a_group_is_paused_and_resumed(mine: Client, show: Show, lab: str) -> None:
    room, handled = mine.join(lab), []
    room.worker("resize")(handled.append)
    view, browser = show(room)
    assert done(browser, browser.request("pause", group="resize")) == "Paused."
    wait_until(lambda: group(view)["paused"], "it is shown")
    room.emit("image")
    wait_until(lambda: group(view)["lag"] == 1, "what waits is shown")
    assert handled == []
    done(browser, browser.request("resume", group="resize"))
    wait_until(lambda: len(handled) == 1 and group(view)["lag"] == 0, "it is handled, and shown")


def test_dead_letters_are_shown_redriven_and_discarded(mine: Client, show: Show, lab: str) -> None:
    room = mine.join(lab)
    room.worker("resize")(reject)
    view, browser = show(room)
    room.emit("image", {"path": "a.png"})
    room.emit("image", {"path": "b" * 24_000})
    wait_until(lambda: group(view).get("dead") == 2, "both are dead letters")
    browser.say(kind="open", group="resize")
    wait_until(lambda: view.letters, "they are shown")
    first, second = view.letters["items"]
    assert (first["data"], first["reason"], first["message"]) == ('{"path": "a.png"}', "rejected", "no such file")
    assert len(second["data"]) <= 501
    text = done(browser, browser.request("discard", group="resize", numbers=[second["number"]]))
    assert text == "1 dead letter deleted."
    room.off()
    handled: list[Event] = []
    room.worker("resize")(handled.append)
    assert done(browser, browser.request("redrive", group="resize", numbers=None)).startswith("1 dead letter given")
    wait_until(lambda: handled and view.letters["count"] == 0, "it is handled, and gone")
    browser.say(kind="open", group=None)
    wait_until(lambda: view.letters is None, "they are closed")


def test_what_is_refused_is_told(mine: Client, show: Show, lab: str) -> None:
    _, browser = show(mine.join(lab))
    id = browser.request("pause", group="none")
    outcome = wait_until(lambda: browser.outcome(id), "an answer")
    assert not outcome["ok"]
    assert "no group 'none'" in outcome["text"]


def test_what_is_shown_is_said_to_be_old_while_the_hub_is_away(
    hub: HubServer, mine: Client, show: Show, lab: str
) -> None:
    room = mine.join(lab)
    room.worker("resize")(lambda event: None)
    view, _ = show(room)
    wait_until(lambda: group(view), "the group is shown")
    hub.kill()
    try:
        wait_until(lambda: "Offline" in view.problem, "it is said")
        assert group(view)
    finally:
        hub.start()
    wait_until(lambda: view.problem == "", "it is back")


def test_a_room_that_was_left_is_said_to_be(mine: Client, show: Show, lab: str) -> None:
    room = mine.join(lab)
    view, _ = show(room)
    room.leave()
    wait_until(lambda: "was left" in view.problem, "it is said")


def test_at_rest_the_hub_is_not_asked(mine: Client, show: Show, lab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room = mine.join(lab)
    room.worker("resize")(lambda event: None)
    view, _ = show(room)
    room.emit("image")
    wait_until(lambda: group(view).get("done") == 1, "it is handled, and shown")
    wait_until(lambda: view._link._throttle._due is None, "no look is due")
