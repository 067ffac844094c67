"""When a page is connected to the hub: while somebody needs it; under JupyterHub not much longer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Response, expect
from support.jupyter import JupyterServer, wait_until
from support.socketio_peer import Peer, connected

from browser.conftest import BEATS, MakeLab, SharedPage
from browser.labpage import LabPage

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


@pytest.fixture(scope="module")
def hub_lab(make_lab: MakeLab) -> JupyterServer:
    """Return a JupyterLab that takes itself for one of JupyterHub's."""
    return make_lab(**BEATS, **UNDER_JUPYTERHUB).start()


@pytest.fixture(scope="module")
def _hub_page(browser: Browser, hub_lab: JupyterServer) -> Iterator[SharedPage]:
    shared = SharedPage(browser, SHORT_REST)
    yield shared
    shared.close()


@pytest.fixture
def hub_page(_hub_page: SharedPage, hub_lab: JupyterServer, request: pytest.FixtureRequest) -> Iterator[LabPage]:
    """Return a page of that JupyterLab, which rests: the panel is folded away."""
    with _hub_page.lent(request) as page:
        page.open(hub_lab, panel=False)
        if page.panel.is_visible():
            page.hide()
        page.wire.wait(lambda: not page.wire.open, "it rests")
        page.wire.forget()
        yield page


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


def test_a_page_connects_when_the_panel_is_seen_and_stays_connected(lab: JupyterServer, new_page: LabPage) -> None:
    new_page.page.add_init_script(SHORT_REST)
    wire = new_page.wire
    new_page.open(lab, panel=False)
    assert (wire.sockets, wire.asked) == ([], 0)
    new_page.show()
    expect(new_page.state).to_have_text("Connected")
    new_page.hide()
    wire.beat()
    assert len(wire.open) == len(wire.sockets) == wire.asked == 1


def saves_an_open_panel(response: Response) -> bool:
    """Tell whether JupyterLab has saved a layout with the right side bar open."""
    if "/lab/api/workspaces/" not in response.url or response.request.method != "PUT":
        return False
    return json.loads(response.request.post_data)["data"]["layout-restorer:data"]["right"]["collapsed"] is False


def test_a_panel_that_was_open_before_a_reload_connects_again(lab: JupyterServer, page: LabPage) -> None:
    page.open(lab)
    expect(page.state).to_have_text("Connected")
    workspace = page.page.url.partition("?")[0]
    with page.page.expect_response(saves_an_open_panel):  # JupyterLab does a moment after a change
        page.command("application:toggle-left-area")
    page.wire.forget()
    page.page.goto(workspace)
    expect(page.panel).to_be_visible()
    expect(page.state).to_have_text("Connected")
    assert len(page.wire.sockets) == 1


def test_under_jupyterhub_a_panel_that_nobody_sees_rests_and_catches_up(
    hub_lab: JupyterServer, hub_page: LabPage, peer: Peer
) -> None:
    wire = hub_page.wire
    hub_page.show()
    hub_page.join("rest")
    publish(peer, "rest", 1)
    expect(hub_page.events).to_have_count(1)
    wire.beat()
    assert wire.open, "it is seen"
    hub_page.hide()
    wire.wait(lambda: not wire.open, "it rests")
    assert states(peer, "rest") == ["away"]
    publish(peer, "rest", 3)
    hub_page.show()
    expect(hub_page.events).to_have_count(4)
    expect(hub_page.panel.get_by_role("log")).to_contain_text("3 events while there was no connection")
    wait_until(lambda: states(peer, "rest") == ["here"], "it is back")
    assert len(wire.sockets) == 2


def test_under_jupyterhub_a_panel_in_a_tab_behind_others_rests_too(hub_page: LabPage, peer: Peer) -> None:
    wire = hub_page.wire
    hub_page.show()
    hub_page.join("behind")
    hub_page.page.evaluate(TURN_AWAY, True)
    wire.wait(lambda: not wire.open, "it rests")
    publish(peer, "behind", 2)
    hub_page.page.evaluate(TURN_AWAY, False)
    expect(hub_page.events).to_have_count(2)
    assert len(wire.open) == 1


def test_after_a_rest_with_more_events_than_it_holds_the_panel_counts_them_and_shows_the_latest(
    hub_page: LabPage, peer: Peer
) -> None:
    wire = hub_page.wire
    hub_page.show()
    hub_page.join("flood")
    publish(peer, "flood", 1)
    expect(hub_page.events).to_have_count(1)
    hub_page.hide()
    wire.wait(lambda: not wire.open, "it rests")
    publish(peer, "flood", 501)
    hub_page.show()
    expect(hub_page.events.last).to_contain_text("500")
    hub_page.panel.get_by_role("listbox").press("Home")
    expect(hub_page.panel.get_by_role("log")).to_contain_text("501 events while there was no connection")


def test_under_jupyterhub_a_page_stays_connected_for_a_room_that_is_followed(hub_page: LabPage, peer: Peer) -> None:
    wire = hub_page.wire
    assert wire.sockets == []
    hub_page.page.evaluate(JOIN)
    wire.wait(lambda: states(peer, "followed") == ["here"], "it connects and joins")
    hub_page.show()
    hub_page.hide()
    wire.beat()
    assert len(wire.open) == 1
    hub_page.page.evaluate("() => window.followed.leave()")
    wire.wait(lambda: not wire.open, "nothing is followed any more")
