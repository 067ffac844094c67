"""What looks on in a room has no effect on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.hub import TOKEN, HubServer
from support.jupyter import wait_until

from jupyter_rtmsg import Client, Event
from jupyter_rtmsg.errors import NotJoined
from jupyter_rtmsg.rooms.watchers import Watchers


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def client(hub: HubServer) -> Iterator[Client]:
    with Client(hub.url, TOKEN) as connected:
        yield connected


@pytest.fixture
def other(hub: HubServer) -> Iterator[Client]:
    with Client(hub.url, TOKEN) as connected:
        yield connected


def _names(events: list[Event]) -> list[str]:
    return [event.name for event in events if not event.name.startswith("$")]


def test_a_watcher_leaves_the_backlog_to_the_handlers_of_a_later_cell(client: Client, other: Client) -> None:
    room, seen, handled = client.join("lab", as_="me"), [], []
    room.watch(seen.append)
    other.join("lab").emit("first")
    wait_until(lambda: _names(seen) == ["first"], "the watcher has seen it")
    assert room.lag == 1

    room.on("first", handled.append)
    wait_until(lambda: _names(handled) == ["first"] and room.lag == 0, "the handler has had it, and it is acknowledged")


def test_several_watchers_see_everything_and_one_that_ends_sees_no_more(client: Client) -> None:
    room, stays, goes = client.join("lab"), [], []
    room.watch(stays.append)
    end = room.watch(goes.append)
    room.emit("first")
    wait_until(lambda: _names(goes) == ["first"], "the second has seen it")
    end()
    room.emit("second")
    wait_until(lambda: _names(stays) == ["first", "second"], "the first has seen both")
    assert _names(goes) == ["first"]


def test_a_watcher_that_raises_hurts_no_other(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    room, seen = client.join("lab"), []

    def broken(_: Event) -> None:
        raise RuntimeError("I am broken")

    room.watch(broken)
    room.watch(seen.append)
    room.emit("tick")
    wait_until(lambda: _names(seen) == ["tick"], "the other has seen it")
    assert "I am broken" in caplog.text


def test_a_watcher_hears_of_a_lost_connection_and_of_its_return(hub: HubServer, client: Client) -> None:
    room, states = client.join("lab"), []
    room.watch(lambda event: states.append(event.data["state"]) if event.name == "$state" else None)
    hub.kill()
    wait_until(lambda: states == ["offline"] and room.status == "offline", "it is offline")
    hub.start()
    wait_until(lambda: states == ["offline", "connected"] and room.status == "connected", "it is back")


def test_the_last_thing_a_watcher_hears_is_why_it_is_over(client: Client) -> None:
    room, seen = client.join("lab"), []
    room.watch(seen.append)
    room.leave()
    wait_until(lambda: seen and seen[-1].name == "$left", "it is told")
    assert "was left" in seen[-1].data["reason"]
    assert room.status == "closed"
    with pytest.raises(NotJoined):
        room.watch(seen.append)


def test_missed_count_is_the_length_of_missed(hub: HubServer, client: Client) -> None:
    with Client(hub.url, TOKEN) as before:
        room = before.join("lab", as_="me")
        assert room.missed_count == 0
    for number in range(3):
        client.join("lab").emit("tick", number)
    with Client(hub.url, TOKEN) as after:
        room = after.join("lab", as_="me")
        assert room.missed_count == len(room.missed()) == 3


def _wire(seq: int | None) -> list[object]:
    return ["tick", None, {"seq": seq, "ts": 0}]


def test_an_event_received_again_after_a_reconnect_is_shown_once() -> None:
    watchers, seen = Watchers("lab"), []
    watchers.add(lambda event: seen.append(event.seq))
    for seq in (1, 2, 1, 2, 3, None, None):
        watchers.live(_wire(seq))
    assert seen == [1, 2, 3, None, None]


def test_after_a_reset_numbers_start_anew() -> None:
    watchers, seen = Watchers("lab"), []
    watchers.add(lambda event: seen.append(event.seq))
    watchers.live(_wire(7))
    watchers.notice("$reset", {"room": "lab"})
    watchers.live(_wire(1))
    assert seen == [7, None, 1]
