"""A view of a room, over a real hub; its browser is the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support.cells import Shell
from support.hub import HubServer
from support.jupyter import wait_until
from support.views import Browser

from jupyter_rtmsg import Client, Event, Room, Sender
from jupyter_rtmsg.errors import NotJoined
from jupyter_rtmsg.widgets import RoomView
from jupyter_rtmsg.widgets.event_buffer import LIMIT

Show = Callable[..., tuple[RoomView, Browser]]


@pytest.fixture
def show() -> Iterator[Show]:
    """Return a function that shows a room, once what was before has been read."""
    views: list[RoomView] = []

    def make(room: Room | str, client: Client | None = None, **options: int) -> tuple[RoomView, Browser]:
        view = RoomView(room, client, **options)
        views.append(view)
        browser = Browser(view)
        browser.say(kind="recent")
        wait_until(lambda: browser.stretches, "the browser has a picture")
        return view, browser

    yield make
    for view in views:
        view.close()


def test_events_are_shown_as_they_happen(mine: Client, other: Client, show: Show, lab: str) -> None:
    _, browser = show(mine.join(lab))
    room = other.join(lab)
    seq = room.emit("metric", {"loss": 0.5, "raw": b"123"})
    wait_until(lambda: "metric" in browser.shown, "it is shown")
    event = browser.stretches[-1]["events"][-1]
    assert event["data"] == '{"loss": 0.5, "raw": <3 bytes>}'
    assert (event["sender"], event["user"], event["seq"], event["replay"]) == ("other", "you", seq, False)


def test_earlier_events_are_shown_first_and_marked(mine: Client, other: Client, show: Show, lab: str) -> None:
    room = other.join(lab)
    for number in range(5):
        room.emit("old", number)
    _, browser = show(mine.join(lab), last=2)
    room.emit("new")
    wait_until(lambda: "new" in browser.shown, "the new one is shown")
    picture = browser.stretches[0]
    assert [(event["data"], event["replay"]) for event in picture["events"]] == [("3", True), ("4", True)]
    assert picture["whole"]


def test_nothing_of_before_is_shown_where_none_is_asked_for(mine: Client, other: Client, show: Show, lab: str) -> None:
    other.join(lab).emit("old")
    _, browser = show(mine.join(lab), last=0)
    assert browser.stretches[0]["events"] == []


def test_a_view_whose_cell_is_run_again_looks_no_more_and_says_why(
    mine: Client, other: Client, show: Show, lab: str
) -> None:
    shell = Shell.begin()
    try:
        shell.user_ns.update(show=show, room=mine.join(lab))
        for name in ("one", "two"):
            shell.cell(f"{name} = show(room)", "the cell of the view")
        (view, first), (_, second) = shell.user_ns["one"], shell.user_ns["two"]
    finally:
        shell.end()
    wait_until(lambda: view.problem == "its cell was run again", "the first one says why")
    other.join(lab).emit("new")
    wait_until(lambda: "new" in second.shown, "the second one shows it")
    assert "new" not in first.shown


def test_a_room_may_be_given_by_its_name(mine: Client, show: Show, lab: str) -> None:
    view, _ = show(lab, mine)
    assert view.room_name == lab
    assert view.state == "connected"


def test_a_shown_member_is_renamed_once_another_notebook_has_the_same_name(mine: Client, show: Show, lab: str) -> None:
    room = mine.join(lab)
    view, browser = show(room)
    assert room.me
    for seq, folder in enumerate("ab", start=1):
        sender = Sender(room.me.user, "kernel", "hw1", f"member {folder}", f"{folder}/hw1.ipynb")
        view._watch(Event(lab, f"from {folder}", None, seq, seq - 1, 0, sender))  # as the client's thread does
        wait_until(lambda folder=folder: f"from {folder}" in browser.shown, "it is shown")
    first, second = (event for stretch in browser.stretches for event in stretch["events"])
    assert (first["sender"], second["sender"]) == ("hw1", "b/hw1")
    assert view.labels == {first["who"]: "a/hw1", second["who"]: "b/hw1"}


def test_the_members_of_the_room_are_shown_and_updated(mine: Client, other: Client, show: Show, lab: str) -> None:
    view, _ = show(mine.join(lab))

    def labels() -> list[str]:
        return sorted(member["label"] for member in view.members)

    wait_until(lambda: labels() == ["mine (you)"], "I am in it")
    room = other.join(lab)
    wait_until(lambda: labels() == ["mine (you)", "other (you)"], "the other one has come")
    room.leave()
    wait_until(lambda: labels() == ["mine (you)"], "the other one has left")


def test_how_many_were_missed_is_shown(hub: HubServer, mine: Client, other: Client, show: Show, lab: str) -> None:
    with mine.join(lab, as_="me"):
        pass
    for _ in range(3):
        other.join(lab).emit("tick")
    view, _ = show(mine.join(lab, as_="me"))
    assert view.missed == 3


def test_a_view_leaves_the_missed_to_the_handlers_of_a_later_cell(
    mine: Client, other: Client, show: Show, lab: str
) -> None:
    with mine.join(lab, as_="me"):
        pass
    for number in range(3):
        other.join(lab).emit("tick", number)
    room, handled = mine.join(lab, as_="me"), []
    _, browser = show(room)
    wait_until(lambda: browser.shown == ["tick"] * 3, "the view has shown them")
    assert room.lag >= 3
    room.on("tick", lambda event: handled.append(event.data))
    wait_until(lambda: handled == [0, 1, 2], "the handler has had them")


def test_several_views_and_the_handlers_all_see_everything(mine: Client, show: Show, lab: str) -> None:
    room, handled = mine.join(lab), []
    room.on("tick", handled.append)
    browsers = [show(room)[1] for _ in range(2)]
    room.emit("tick")
    wait_until(lambda: len(handled) == 1 and all("tick" in browser.shown for browser in browsers), "all have seen it")


def test_emitting_from_the_browser_reaches_the_others(mine: Client, other: Client, show: Show, lab: str) -> None:
    received: list[Event] = []
    other.join(lab).on("hello", received.append)
    _, browser = show(mine.join(lab))
    id = browser.emit("hello", '{"big": 12345678901234567890}')
    outcome = wait_until(lambda: browser.outcome(id), "the browser has an answer")
    wait_until(lambda: received, "the other one has it")
    assert received[0].data == {"big": 12345678901234567890}
    assert outcome["ok"]
    assert str(received[0].seq) in outcome["text"]


def test_no_text_means_no_data(mine: Client, show: Show, lab: str) -> None:
    room = mine.join(lab)
    _, browser = show(room)
    id = browser.emit("hello")
    assert wait_until(lambda: browser.outcome(id), "the browser has an answer")["ok"]
    assert room.history(last=1)[0].data is None


@pytest.mark.parametrize(
    ("event", "data", "reason"),
    [
        ("hello", "{", "Not JSON"),
        ("hello", "[" * 100_000, "too deeply"),
        ("hello", "NaN", "nan is not JSON"),
        ("$hello", "", "belongs to the hub"),
        ("connect", "", "belongs to Socket.IO"),
        ("", "", "1 to 128 characters"),
    ],
)
def test_the_browser_is_told_what_is_wrong(
    mine: Client, show: Show, event: str, data: str, reason: str, lab: str
) -> None:
    room = mine.join(lab)
    _, browser = show(room)
    id = browser.emit(event, data)
    outcome = wait_until(lambda: browser.outcome(id), "the browser has an answer")
    assert not outcome["ok"]
    assert reason in outcome["text"]
    assert len(room.history()) == 0


def test_emitting_offline_does_not_hold_up_the_cells(hub: HubServer, mine: Client, show: Show, lab: str) -> None:
    view, browser = show(mine.join(lab))
    hub.kill()
    wait_until(lambda: view.state == "offline", "the view says so")
    id = browser.emit("hello")
    assert browser.outcome(id) is None
    hub.start()
    assert wait_until(lambda: browser.outcome(id), "it is stored after all")["ok"]
    wait_until(lambda: view.state == "connected", "the view says so")


def test_events_of_a_new_log_are_shown_although_their_numbers_start_anew(
    hub: HubServer, mine: Client, show: Show, lab: str
) -> None:
    room = mine.join(lab)
    view, browser = show(room)
    for _ in range(3):
        room.emit("old")
    wait_until(lambda: browser.shown == ["old"] * 3, "they are shown")
    hub.restart()
    wait_until(lambda: view.state == "connected" and room.emit("new"), "it is back")
    wait_until(lambda: browser.shown[-1] == "new", "what is in the new log is shown")


def test_a_room_that_was_left_is_shown_as_closed_with_the_reason(mine: Client, show: Show, lab: str) -> None:
    room = mine.join(lab)
    view, _ = show(room)
    room.leave()
    wait_until(lambda: view.state == "closed", "the view says so")
    assert "was left" in view.problem
    with pytest.raises(NotJoined):
        RoomView(room)


def test_a_stream_comes_in_few_messages_and_ends_with_the_latest(
    mine: Client, other: Client, show: Show, lab: str
) -> None:
    _, browser = show(mine.join(lab))
    before, started = len(browser.messages), time.monotonic()
    receipts = [other.join(lab).emit("tick", number, wait=False) for number in range(2_000)]
    receipts[-1].result(60)
    wait_until(lambda: "1999" in [event["data"] for event in browser.stretches[-1]["events"]], "the latest is shown")
    assert len(browser.messages) - before <= (time.monotonic() - started) / 0.05 + 2
    assert max(len(stretch["events"]) for stretch in browser.stretches) <= LIMIT


def test_the_parts_that_are_sent_follow_one_another_without_a_gap(
    mine: Client, other: Client, show: Show, lab: str
) -> None:
    _, browser = show(mine.join(lab))
    for number in range(30):
        other.join(lab).emit("tick", number)
    wait_until(lambda: len(browser.shown) == 30, "all are shown")
    ends = [stretch["first"] + len(stretch["events"]) for stretch in browser.stretches]
    assert [stretch["first"] for stretch in browser.stretches[1:]] == ends[:-1]


def test_a_page_that_opens_later_gets_the_whole_picture_with_the_state(mine: Client, show: Show, lab: str) -> None:
    room = mine.join(lab)
    view, browser = show(room)
    room.emit("tick")
    wait_until(lambda: "tick" in browser.shown, "it is shown")
    assert [event["name"] for event in view.get_state("recent")["recent"]["events"]] == ["tick"]


def test_a_view_that_is_closed_sees_no_more_and_ends_its_thread(mine: Client, lab: str) -> None:
    def threads() -> int:
        return sum(thread.name == "rtmsg-view" for thread in threading.enumerate())

    room, before = mine.join(lab), threads()
    view = RoomView(room)
    browser = Browser(view)
    wait_until(lambda: threads() == before + 1, "it has a thread")
    view.close()
    wait_until(lambda: threads() == before, "the thread has ended")
    seen: list[Event] = []
    room.watch(seen.append)
    room.emit("tick")
    wait_until(lambda: "tick" in [event.name for event in seen], "others see it")
    assert view.buffer.recent().events == browser.shown == []
