"""What JupyterHub hears of activity: its idle culler stops servers by it."""

from __future__ import annotations

import time

from support.jupyter import wait_until
from support.jupyterhub import UserServer
from support.socketio_peer import Peer, connected

import jupyter_rtmsg as rt


def quiet(server: UserServer) -> str:
    """Return the last activity of a server once its latest report has come."""
    latest = server.request("GET", "api/status").json()["last_activity"]
    # JupyterHub's times have as many digits as those of the server.
    wait_until(lambda: server.last_activity() >= latest, "the report has come")
    return server.last_activity()


def publish(peer: Peer) -> None:
    assert peer.command("publish", room="busy", event="tick")["ok"]


def test_a_connection_that_is_idle_is_no_activity_and_publishing_is(ada: UserServer) -> None:
    with (
        rt.Client(ada.url, ada.token) as client,
        connected(ada, headers={"Authorization": f"token {ada.token}"}) as peer,
    ):
        client.join("busy")
        peer.command("join", room="busy")
        before = quiet(ada)
        end = time.monotonic() + 3  # heartbeats come twice a second, reports every second
        while time.monotonic() < end:
            assert ada.last_activity() == before
            time.sleep(0.2)

        def moved() -> bool:
            publish(peer)
            return ada.last_activity() > before

        wait_until(moved, "publishing is reported")
