"""Servers behind jupyter-server-proxy: another Jupyter server, and one that a notebook has made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import neighbours
from support.jupyter import JupyterServer

import jupyter_rtmsg as rt

SERVE = """
from jupyter_rtmsg.server import Server
io = Server()
io.on("connection", lambda client: client.on("sum", lambda a, b: a + b))
print(await io.listen())
"""


@pytest.fixture(scope="module")
def outer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    config = neighbours.extensions("jupyter_server_proxy")
    home = tmp_path_factory.mktemp("outer")
    with JupyterServer(home, python=neighbours.PYTHON, config=config, base_url="/user/tree/") as server:
        yield server


def test_the_base_url_of_a_server_behind_the_proxy_is_asked_for(outer: JupyterServer, tmp_path: Path) -> None:
    with JupyterServer(tmp_path) as inner:
        url = f"{outer.url}proxy/{inner.port}/"
        with rt.connect(inner.url, inner.token) as hub:
            for page in ("", "lab/tree/lab/a.ipynb", "notebooks/a.ipynb"):
                with rt.Client(url + page, outer.token) as proxied:
                    assert proxied.url == url
                    assert proxied.join("lab").emit("x")
                    assert proxied.hello
                    assert hub.hello
                    assert proxied.hello.hub == hub.hello.hub
                assert rt.connect(url + page, inner.token) is hub  # one hub, one client


def test_a_server_that_a_notebook_made_is_reached_through_the_proxy(outer: JupyterServer) -> None:
    port = outer.execute(outer.start_kernel(), SERVE).text.strip()
    with rt.Socket(f"{outer.url}proxy/{port}/", outer.token) as socket:
        assert socket.emit_with_ack("sum", 1, 2) == 3
