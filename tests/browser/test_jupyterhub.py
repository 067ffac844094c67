"""The panel on a JupyterHub, through its proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from support.jupyterhub import JupyterHub, UserServer
from support.socketio_peer import connected

from browser.conftest import CONFIG, without_news
from browser.labpage import LabPage
from browser.test_connection import SHORT_REST, publish, states


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserServer]:
    """Return the server of a user, with JupyterLab."""
    home = tmp_path_factory.mktemp("hub")
    without_news(home / "ada" / "config")
    with JupyterHub(home, lab=True) as hub:
        hub.add_user("ada")
        with hub.server("ada", config=CONFIG) as server:
            yield server


def log_in(page: LabPage, hub: str) -> None:
    page.page.goto(f"{hub}hub/login")
    page.page.locator("#username_input").fill("ada")
    page.page.locator("#password_input").fill("any")
    page.page.locator("#login_submit").click()
    page.page.wait_for_url("**/user/ada/**")


def test_the_panel_of_a_user_who_is_logged_in_is_that_user_and_rests_while_nobody_sees_it(
    ada: UserServer, new_page: LabPage
) -> None:
    page, wire = new_page, new_page.wire
    page.page.add_init_script(SHORT_REST)
    log_in(page, ada.hub_url)
    page.open(ada).join("rest")
    with connected(ada, headers={"Authorization": f"token {ada.token}"}) as peer:
        publish(peer, "rest", 1)
        expect(page.events).to_have_count(1)
        (member,) = peer.command("presence", room="rest")["members"]
        assert (member["user"], member["kind"], member["name"]) == ("ada", "browser", "ada")
        expect(page.members).to_have_text("ada (you)")
        page.hide()
        wire.wait(lambda: not wire.open, "it rests")
        assert states(peer, "rest") == ["away"]
        publish(peer, "rest", 2)
        page.show()
        expect(page.events).to_have_count(3)
