"""The real socket.io-client in a Jupyter server over each transport, however it shows who it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.jupyter import JupyterServer
from support.node_peer import NodePeer, node_connected

WAYS = {
    "polling": {"transports": ["polling"]},
    "websocket": {"transports": ["websocket"]},
    "upgrade": {"transports": ["polling", "websocket"]},
}

SEVERAL_USERS = {"RtmsgApp": {"single_user": False}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server below a base URL, as JupyterHub's are."""
    with JupyterServer(tmp_path_factory.mktemp("jupyter"), base_url="/user/zoe/", config=SEVERAL_USERS) as server:
        yield server


def cookie(server: JupyterServer) -> dict[str, str]:
    """Return the headers of a page that a browser got from the server."""
    answer = server.request("GET", "api/me")
    login = [value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []) if "username" in value]
    return {"Cookie": login[0], "Origin": f"http://127.0.0.1:{server.port}"}


def header(server: JupyterServer) -> dict[str, str]:
    """Return the headers of a client that shows its token in one."""
    return {"Authorization": f"token {server.token}"}


@contextmanager
def entered(server: JupyterServer, how: str, way: str) -> Iterator[NodePeer]:
    """Connect in one of the ways to show who one is, over one of the ways to transport."""
    headers = {"cookie": cookie, "header": header}
    options: dict[str, Any] = dict(WAYS[way])
    if how in headers:
        options["extraHeaders"] = headers[how](server)
    with node_connected(server, server.token if how == "auth" else None, **options) as peer:
        if way == "upgrade":
            assert peer.wait_for("upgraded") == "websocket"
        yield peer


# A token in CONNECT lets nobody in over polling alone: tests/security/test_newcomers.py.
@pytest.mark.parametrize(
    ("how", "way"),
    [(how, way) for how in ("cookie", "header", "auth") for way in WAYS if (how, way) != ("auth", "polling")],
)
def test_it_joins_publishes_and_receives(server: JupyterServer, how: str, way: str) -> None:
    room = f"room-{uuid.uuid4().hex}"
    data = {"image": b"\x00\xff" * 100, "text": "Zoë\x1e", "n": [1, 2.5, None]}
    with entered(server, how, way) as peer:
        assert peer.command("join", room=room)["ok"]
        seqs = []
        for _ in range(5):
            reply = peer.command("publish", room=room, event="metric", data=data)
            assert reply["ok"], reply
            seqs.append(reply["seq"])
        received = [peer.take()[1] for _ in seqs]
        assert [args[0] for args in received] == [data] * 5
        assert [args[1]["seq"] for args in received] == seqs
        user = received[0][1]["from"]["user"]
        assert (user == "token:server") == (how != "cookie")


def test_a_cookie_jar_makes_nobody_someone_else(server: JupyterServer) -> None:
    """A client with a token in its header and a jar for cookies: it shows both from its second request on."""
    headers = {"Authorization": f"token {server.token}"}
    with node_connected(server, None, transports=["polling"], withCredentials=True, extraHeaders=headers) as peer:
        room = f"room-{uuid.uuid4().hex}"
        assert peer.command("join", room=room)["ok"]
        assert peer.command("publish", room=room, event="e", data=1)["ok"]


@pytest.mark.parametrize("way", ["polling", "upgrade"])
def test_a_long_past_and_the_present_arrive_once_and_in_order(server: JupyterServer, way: str) -> None:
    room = f"room-{uuid.uuid4().hex}"
    with node_connected(server, server.token) as writer:
        seqs = [writer.command("publish", room=room, event="tick", data="x" * 2000)["seq"] for _ in range(1200)]
        epoch = writer.command("history", room=room)["epoch"]
        with entered(server, "header", way) as reader:
            reply = reader.command("join", room=room, after=seqs[0], epoch=epoch)
            assert reply["missed"] == len(seqs) - 1
            seqs += [writer.command("publish", room=room, event="tick", data="now")["seq"] for _ in range(50)]
            assert [reader.take()[1][1]["seq"] for _ in seqs[1:]] == seqs[1:]


def test_a_client_on_polling_comes_back_when_the_server_was_restarted(tmp_path: Path) -> None:
    with JupyterServer(tmp_path) as server, entered(server, "header", "polling") as peer:
        seq = peer.command("publish", room="lab", event="tick", data="before")["seq"]
        epoch = peer.command("history", room="lab")["epoch"]
        server.restart()
        peer.wait_for("connected")
        peer.command("publish", room="lab", event="tick", data="after")
        reply = peer.command("join", room="lab", after=seq, epoch=epoch)
        assert (reply["missed"], reply["recovered"]) == (1, True)
        assert peer.take()[1][0] == "after"
