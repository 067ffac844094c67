"""Jupyter's own settings decide which pages get in, behind a proxy that ends TLS too."""

from __future__ import annotations

import ssl
import urllib.request
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.jupyter import JupyterServer
from support.nginx import Nginx, proxy
from support.node_peer import NodePeer
from support.patience import eventually

pytestmark = [pytest.mark.needs_nginx, pytest.mark.needs_openssl]

LISTED = "https://page.lab.example"
SETTINGS = {"allow_origin_pat": r"https://\w+\.lab\.example", "trust_xheaders": True}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with JupyterServer(tmp_path_factory.mktemp("jupyter"), config={"ServerApp": SETTINGS}) as server:
        yield server


@pytest.fixture(scope="module")
def front(server: JupyterServer) -> Iterator[Nginx]:
    with proxy(server.port) as front:
        yield front


@pytest.fixture
def page(server: JupyterServer, front: Nginx, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that connects as a page would whose visitor is logged in."""
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(front.certificate))
    request = urllib.request.Request(f"{front.tls_url}api/me", headers={"Authorization": f"token {server.token}"})
    trusting = ssl.create_default_context(cafile=str(front.certificate))
    with urllib.request.urlopen(request, context=trusting) as answer:  # the name of Jupyter's cookie has the host
        (login,) = [value.split(";")[0] for value in answer.headers.get_all("Set-Cookie") if "username" in value]
    peers: list[NodePeer] = []

    def connect(origin: str, *transports: str) -> NodePeer:
        headers = {"Cookie": login, "Origin": origin}
        where = SimpleNamespace(url=front.tls_url)
        peers.append(NodePeer(where, None, transports=transports, extraHeaders=headers, reconnection=False))  # type: ignore[arg-type]
        return peers[-1]

    yield connect
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
@pytest.mark.parametrize("own", [True, False])
def test_its_own_pages_and_those_that_jupyter_allows_get_in(
    front: Nginx, page: Any, own: bool, transports: Any
) -> None:
    peer = page(f"https://localhost:{front.tls_port}" if own else LISTED, *transports)
    peer.wait_for("connected")
    if len(transports) > 1:
        assert peer.wait_for("upgraded") == "websocket"
    assert peer.command("join", room=f"room-{uuid.uuid4().hex}")["ok"]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_other_pages_do_not_and_the_log_has_the_clients_address(
    server: JupyterServer, page: Any, transport: str
) -> None:
    peer = page("https://evil.example", transport)
    assert "error" in peer.wait_for("refused")["message"]
    eventually(lambda: "rtmsg: refused 127.0.0.1: A page of another origin may not use" in server.log_text())


def test_the_address_that_the_proxy_tells_is_believed_where_jupyter_trusts_it(server: JupyterServer) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7"}
    assert server.request("GET", "socket.io/?EIO=4&transport=polling&token=x", headers=headers).status == 403
    assert "rtmsg: refused 203.0.113.7" in server.log_text()
