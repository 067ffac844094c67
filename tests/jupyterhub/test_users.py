"""Servers of JupyterHub's users, through its proxy: who is let in, as whom, and what survives a stop."""

from __future__ import annotations

import pytest
from support.jupyter import wait_until
from support.jupyterhub import JupyterHub, UserServer
from support.socketio_peer import connected

import jupyter_rtmsg as rt


def test_a_kernel_is_its_notebook_and_its_user(ada: UserServer) -> None:
    kernel = ada.start_kernel("a.ipynb")
    cell = "import jupyter_rtmsg as rt; room = rt.connect().join('kernel'); print(room.me.user, room.subscription)"
    assert ada.execute(kernel, cell).text.split() == ["ada", "a.ipynb"]


def test_events_of_notebooks_with_one_name_are_distinguished(ada: UserServer) -> None:
    for notebook in ("a/hw1.ipynb", "b/hw1.ipynb"):
        kernel = ada.start_kernel(notebook)
        ada.execute(kernel, "import jupyter_rtmsg as rt; rt.connect().join('homework').emit('done')")
    with rt.Client(ada.url, ada.token) as client:
        events = client.join("homework").history()
        assert [(event.sender.user, event.sender.name) for event in events] == [("ada", "hw1")] * 2
        for name in ("a/hw1 (you)", "b/hw1 (you)"):
            assert f">{name}<" in events._repr_html_()


def test_a_script_with_a_token_of_the_user_is_the_user_and_hears_kernels(ada: UserServer) -> None:
    kernel = ada.start_kernel("b.ipynb")
    with rt.Client(ada.url, ada.token) as client:
        room = client.join("script")
        events = room.events("hello", timeout=60)
        ada.execute(kernel, "import jupyter_rtmsg as rt; rt.connect().join('script').emit('hello', 1)")
        assert next(iter(events)).data == 1
        assert room.me is not None
        assert room.me.user == "ada"


@pytest.mark.parametrize(
    ("user", "scopes"), [("bob", None), ("ada", ["read:users:name!user"])], ids=["of another user", "without access"]
)
def test_other_tokens_are_refused(hub: JupyterHub, ada: UserServer, user: str, scopes: list[str] | None) -> None:
    token = hub.token(user, **({"scopes": scopes} if scopes else {}))
    with pytest.raises(rt.errors.AccessDenied), rt.Client(ada.url, token):
        pass


def test_a_browser_that_is_logged_in_is_its_user_and_a_foreign_page_is_not(hub: JupyterHub, ada: UserServer) -> None:
    cookies = hub.login("ada", ada)
    own = {"Cookie": cookies, "Origin": f"http://127.0.0.1:{hub.port}"}
    with connected(ada, headers=own) as peer:
        assert peer.command("join", room="browser")["user"] == "ada"
        assert peer.command("publish", room="browser", event="hello")["ok"]
        sender = peer.command("history", room="browser")["events"][-1]["from"]
        assert (sender["user"], sender["kind"], sender["name"]) == ("ada", "browser", "ada")
    poll = "socket.io/?EIO=4&transport=polling"
    assert ada.request("GET", poll, token=None, headers=own).status == 200
    foreign = own | {"Origin": "http://evil.example"}
    assert ada.request("GET", poll, token=None, headers=foreign).status == 403


def test_a_named_server_beside_the_first_works_and_says_which_parts_it_shares(hub: JupyterHub, ada: UserServer) -> None:
    with hub.server("ada", "two", token=ada.token) as second, rt.Client(second.url, ada.token) as client:
        assert second.status()["log"]["warning"]
        assert ada.status()["log"]["warning"] is None
        with pytest.warns(rt.NotDurable, match="do not share rooms"):
            room = client.join("named")
        assert room.me is not None
        assert room.me.user == "ada"
        room.emit("here", 1)
        assert [event.data for event in room.history()] == [1]


def test_a_script_comes_back_after_the_server_was_stopped_and_started(ada: UserServer) -> None:
    with rt.Client(ada.url, ada.token) as client:
        room = client.join("again", as_="watch")
        first = room.emit("n", 1)
        ada.stop()
        wait_until(lambda: client.state != "connected", "the connection is lost")
        ada.start()
        wait_until(lambda: client.state == "connected", "the client is back")
        assert room.emit("n", 2, timeout=60) > first
        assert [event.data for event in room.history()] == [1, 2]
