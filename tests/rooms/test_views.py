"""Rooms make their views."""

from __future__ import annotations

import sys

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import WrongCall, WrongName


@pytest.mark.parametrize("name", ["view", "emit_form", "missed_view", "queue_view"])
def test_a_room_makes_its_views(name: str, hub_room: rt.Room) -> None:
    made = getattr(hub_room, name)()
    assert hub_room.name in repr(made)
    made.close()


def test_a_client_has_a_dashboard(hub_room: rt.Room) -> None:
    made = rt.dashboard(hub_room.client)
    assert "Dashboard" in repr(made)
    made.close()


def test_without_widgets_a_kernel_says_what_to_install(hub_room: rt.Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("jupyter_rtmsg.widgets")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(WrongCall, match="%pip install anywidget"):
        hub_room.view()


def test_wrong_places_tell_the_right_one(hub_room: rt.Room) -> None:
    with pytest.raises(WrongName, match=r"lab\.view"):
        hub_room.client.view  # noqa: B018
    with pytest.raises(WrongName, match=r"rt\.dashboard\(\)"):
        hub_room.client.dashboard  # noqa: B018
    with pytest.raises(AttributeError, match=r"lab\.view\(\)"):
        rt.RoomView  # noqa: B018


@pytest.fixture
def hub_room():
    with HubServer() as server, rt.Client(server.url, TOKEN) as client:
        yield client.join("lab")
