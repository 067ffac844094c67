"""The dashboard, over a real hub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.hub import HubServer
from support.jupyter import wait_until

from jupyter_rtmsg import Client
from jupyter_rtmsg.widgets import Dashboard, dashboard


@pytest.fixture
def board(mine: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    monkeypatch.setattr(dashboard, "_INTERVAL", 0.05)
    made = Dashboard(mine)
    yield made
    made.close()


def shown(board: Dashboard, room: str) -> dict[str, object]:
    return next((each for each in board.rooms or () if each["name"] == room), {})


def test_rooms_are_shown_with_rates_groups_and_members(board: Dashboard, other: Client, lab: str) -> None:
    room = other.join(lab)
    room.worker("resize")(lambda event: event.reject("no"))
    room.emit("image")
    wait_until(lambda: shown(board, lab).get("dead") == 1, "its dead letter is shown")
    told = shown(board, lab)
    assert (told["groups"], told["count"], told["members"], told["lag"]) == (1, 1, 1, 0)
    room.emit("image")
    wait_until(lambda: shown(board, lab)["count"] == 2, "the next event is shown")
    assert any(point["lag"] > 0 for point in shown(board, lab)["history"])


def test_it_joins_nothing(board: Dashboard, other: Client, lab: str) -> None:
    room = other.join(lab)
    room.emit("tick")
    wait_until(lambda: shown(board, lab), "the room is shown")
    assert [member.name for member in room.members] == ["other"]


def test_while_the_hub_is_away_what_is_shown_is_said_to_be_old(board: Dashboard, hub: HubServer) -> None:
    wait_until(lambda: board.asked, "the hub has answered")
    hub.kill()
    try:
        wait_until(lambda: "Offline" in board.problem, "it is said")
    finally:
        hub.start()
    wait_until(lambda: board.problem == "", "it is back")
