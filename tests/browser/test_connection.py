"""When a page is connected to the hub: while somebody needs it; under JupyterHub not much longer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from browser.conftest import MakeLab
from browser.labpage import LabPage
from playwright.sync_api import Page, Response, WebSocket, expect
from support.jupyter import DEADLINE, JupyterServer, wait_until
from support.socketio_peer import Peer, connected

BEATS = {"RtmsgApp": {"ping_interval": 0.3, "ping_timeout": 60.0}}
# What a server of JupyterHub tells JupyterLab.
UNDER_JUPYTERHUB = {"ServerApp": {"tornado_settings": {"hub_prefix": "/hub/", "hub_host": "", "user": "ada"}}}
# Ten minutes pass in a second.
SHORT_REST = """
const setTimeout = window.setTimeout;
window.setTimeout = (run, after, ...rest) => setTimeout(run, after === 600_000 ? 1_000 : after, ...rest);
"""
# Another extension asks for the hub.
JOIN = """async () => {
    const { pluginRegistry } = window.jupyterapp;
    const token = [...pluginRegistry._services.keys()].find(({ name }) => name === 'jupyter-rtmsg:IRtmsg');
    const hub = await window.jupyterapp.resolveRequiredService(token);
    window.followed = hub.join('followed');
}"""

# What a browser tells a page whose tab is behind others.
TURN_AWAY = """hidden => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""


class Wire:
    """What a page does to reach the hub."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sockets: list[WebSocket] = []
        self.asked = 0
        self.pongs = 0
        page.on("websocket", self._opened)
        page.on("request", self._requested)

    @property
    def open(self) -> list[WebSocket]:
        return [socket for socket in self.sockets if not socket.is_closed()]

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait, and let the page's events be seen meanwhile."""
        for _ in range(int(DEADLINE / 0.05)):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"not within {DEADLINE:g} s: {what}")

    def beat(self) -> None:
        """Wait for as many heartbeats as there are in a rest, and some more."""
        until = self.pongs + 8
        self.wait(lambda: self.pongs >= until, "heartbeats")

    def _opened(self, socket: WebSocket) -> None:
        if "/socket.io/" in socket.url:
            self.sockets.append(socket)
            socket.on("framesent", self._sent)

    def _sent(self, frame: str | bytes) -> None:
        self.pongs += frame == "3"

    def _requested(self, request: object) -> None:
        self.asked += "/rtmsg/api/status" in request.url  # type: ignore[attr-defined]


@pytest.fixture
def wire(page: LabPage) -> Wire:
    page.page.add_init_script(SHORT_REST)
    return Wire(page.page)


@pytest.fixture(scope="module")
def hub_lab(make_lab: MakeLab) -> JupyterServer:
    """Return a JupyterLab that takes itself for one of JupyterHub's."""
    return make_lab(**BEATS, **UNDER_JUPYTERHUB).start()


@pytest.fixture
def peer(hub_lab: JupyterServer) -> Iterator[Peer]:
    with connected(hub_lab, auth={"token": hub_lab.token}) as peer:
        yield peer


def states(peer: Peer, room: str) -> list[str]:
    """Return how the browsers in a room are doing."""
    members = peer.command("presence", room=room)["members"]
    return [member["state"] for member in members if member["kind"] == "browser"]


def publish(peer: Peer, room: str, number: int) -> None:
    for data in range(number):
        assert peer.command("publish", room=room, event="tick", data=data)["ok"]


def test_a_page_connects_when_the_panel_is_seen_and_stays_connected(
    make_lab: MakeLab, page: LabPage, wire: Wire
) -> None:
    page.open(make_lab(**BEATS).start(), panel=False)
    assert (wire.sockets, wire.asked) == ([], 0)
    page.show()
    expect(page.state).to_have_text("Connected")
    page.hide()
    wire.beat()
    assert len(wire.open) == len(wire.sockets) == wire.asked == 1


def saves_an_open_panel(response: Response) -> bool:
    """Tell whether JupyterLab has saved a layout with the right side bar open."""
    if "/lab/api/workspaces/" not in response.url or response.request.method != "PUT":
        return False
    return json.loads(response.request.post_data)["data"]["layout-restorer:data"]["right"]["collapsed"] is False


def test_a_panel_that_was_open_before_a_reload_connects_again(
    hub_lab: JupyterServer, page: LabPage, wire: Wire
) -> None:
    page.open(hub_lab)
    expect(page.state).to_have_text("Connected")
    workspace = page.page.url.partition("?")[0]
    with page.page.expect_response(saves_an_open_panel):  # JupyterLab does a moment after a change
        page.command("application:toggle-left-area")
    page.page.goto(workspace)
    expect(page.panel).to_be_visible()
    expect(page.state).to_have_text("Connected")
    assert len(wire.sockets) == 2


def test_under_jupyterhub_a_panel_that_nobody_sees_rests_and_catches_up(
    hub_lab: JupyterServer, page: LabPage, wire: Wire, peer: Peer
) -> None:
    page.open(hub_lab).join("rest")
    publish(peer, "rest", 1)
    expect(page.events).to_have_count(1)
    wire.beat()
    assert wire.open, "it is seen"
    page.hide()
    wire.wait(lambda: not wire.open, "it rests")
    assert states(peer, "rest") == ["away"]
    publish(peer, "rest", 3)
    page.show()
    expect(page.events).to_have_count(4)
    expect(page.panel.get_by_role("log")).to_contain_text("3 events while there was no connection")
    wait_until(lambda: states(peer, "rest") == ["here"], "it is back")
    assert len(wire.sockets) == 2


def test_under_jupyterhub_a_panel_in_a_tab_behind_others_rests_too(
    hub_lab: JupyterServer, page: LabPage, wire: Wire, peer: Peer
) -> None:
    page.open(hub_lab).join("behind")
    page.page.evaluate(TURN_AWAY, True)
    wire.wait(lambda: not wire.open, "it rests")
    publish(peer, "behind", 2)
    page.page.evaluate(TURN_AWAY, False)
    expect(page.events).to_have_count(2)
    assert len(wire.open) == 1


def test_after_a_rest_with_more_events_than_it_holds_the_panel_counts_them_and_shows_the_latest(
    hub_lab: JupyterServer, page: LabPage, wire: Wire, peer: Peer
) -> None:
    page.open(hub_lab).join("flood")
    publish(peer, "flood", 1)
    expect(page.events).to_have_count(1)
    page.hide()
    wire.wait(lambda: not wire.open, "it rests")
    publish(peer, "flood", 501)
    page.show()
    expect(page.panel.get_by_role("log")).to_contain_text("501 events while there was no connection")
    expect(page.events).to_have_count(1 + 50)
    expect(page.events.last).to_contain_text("500")


def test_under_jupyterhub_a_page_stays_connected_for_a_room_that_is_followed(
    hub_lab: JupyterServer, page: LabPage, wire: Wire, peer: Peer
) -> None:
    page.open(hub_lab, panel=False)
    assert wire.sockets == []
    page.page.evaluate(JOIN)
    wait_until(lambda: page.page.wait_for_timeout(20) or states(peer, "followed") == ["here"], "it connects and joins")
    page.show()
    page.hide()
    wire.beat()
    assert len(wire.open) == 1
    page.page.evaluate("() => window.followed.leave()")
    wire.wait(lambda: not wire.open, "nothing is followed any more")
