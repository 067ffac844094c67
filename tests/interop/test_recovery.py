"""Connection state recovery as the real socket.io-client speaks it, over the death of a Jupyter server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.jupyter import JupyterServer
from support.node_peer import NodePeer

import jupyter_rtmsg as rt


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JupyterServer]:
    with JupyterServer(tmp_path / "jupyter") as server:
        yield server


def take(peer: NodePeer, number: int) -> list[object]:
    """Return the data of the next events."""
    return [peer.take()[1][0] for _ in range(number)]


def test_a_browser_client_goes_on_where_it_was_after_the_server_was_killed(server: JupyterServer) -> None:
    with closing(NodePeer(server, server.token)) as peer, rt.connect(server.url, server.token) as hub:
        lab = hub.join("lab")
        first = peer.wait_for("connected")
        assert peer.command("join", room="lab")["ok"]
        for i in range(3):
            lab.emit("tick", i)
        assert take(peer, 3) == [0, 1, 2]
        server.kill()
        peer.wait_for("disconnected")
        server.restart()
        for i in range(3, 6):  # some before it is back, some after: it joins nothing again
            lab.emit("tick", i)
        assert peer.wait_for("connected") == first
        for i in range(6, 8):
            lab.emit("tick", i)
        assert take(peer, 5) == [3, 4, 5, 6, 7]
