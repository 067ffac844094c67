"""The real socket.io-client's ``retries``: it sends until it is answered (docs/protocol.md#socketio-client)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.jupyter import JupyterServer
from support.node_peer import NodePeer
from support.webserver import WebServer

from jupyter_rtmsg.server import Socket


class HardOfHearing(WebServer):
    """Acknowledges an event when it comes for the third time."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []

    def _connected(self, socket: Socket) -> None:
        socket.on("news", self._hear)

    def _hear(self, data: Any) -> Any:
        self.heard.append(data)
        never = asyncio.get_running_loop().create_future()
        return {"ok": True} if len(self.heard) == 3 else never


@pytest.fixture
def server() -> Iterator[HardOfHearing]:
    server = HardOfHearing()
    server.start()
    yield server
    server.stop()


def test_an_event_that_was_not_acknowledged_comes_again_until_it_is(server: HardOfHearing) -> None:
    place = cast(JupyterServer, SimpleNamespace(url=server.url + "/"))
    with closing(NodePeer(place, None, retries=5, ackTimeout=200)) as peer:
        peer.wait_for("connected")
        assert peer.command("news", n=1) == {"ok": True}
    assert server.heard == [{"n": 1}] * 3
