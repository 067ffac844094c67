"""What the rooms are doing, over a real hub."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from support.hub import TOKEN, HubServer
from support.jupyter import wait_until

from jupyter_rtmsg import Client, Room
from jupyter_rtmsg.rooms import overview as overview_module
from jupyter_rtmsg.rooms.overview import RoomOverview, RoomsOverview


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with HubServer() as server, Client(server.url, TOKEN) as made:
        yield made


@pytest.fixture
def room(client: Client) -> Room:
    return client.join(f"lab-{uuid4().hex}")


def of(rooms: RoomsOverview, room: Room) -> RoomOverview:
    return next(each for each in rooms if each.room == room.name)


def test_events_are_counted_since_an_earlier_look(client: Client, room: Room) -> None:
    room.emit("a")
    first = client.overview()
    assert of(first, room).rate is None
    for _ in range(3):
        room.emit("b")
    second = client.overview(first)
    assert of(second, room).rate == pytest.approx(3 / (second.asked - first.asked))
    assert of(client.overview(second), room).rate == 0


def test_worker_groups_and_their_dead_letters_are_counted(client: Client, room: Room) -> None:
    room.worker("resize")(lambda event: event.reject("no"))
    room.emit("image")
    wait_until(lambda: of(client.overview(), room).dead == 1, "it is a dead letter")
    assert (of(client.overview(), room).groups, of(client.overview(), room).lag) == (1, 0)


def test_rooms_in_which_nothing_has_changed_keep_their_numbers(client: Client, room: Room) -> None:
    room.worker("resize")(lambda event: None)
    room.emit("image")
    wait_until(lambda: of(client.overview(), room).lag == 0, "it is handled")
    first = client.overview()
    assert of(client.overview(first), room).groups == of(first, room).groups == 1


def test_groups_are_asked_for_in_the_rooms_that_were_active_last(
    client: Client, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_module, "MOST_ASKED", 0)
    room.worker("resize")(lambda event: None)
    room.emit("image")
    assert of(client.overview(), room).groups == 0


def test_it_is_shown_as_a_table(client: Client, room: Room) -> None:
    room.emit("a")
    assert room.name in repr(client.overview())
    assert "events/s" in client.overview()._repr_html_()
