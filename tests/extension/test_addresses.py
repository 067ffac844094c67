from __future__ import annotations

import http.client
import json
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.jupyter import Answer, JupyterServer
from support.socketio_peer import connected

from jupyter_rtmsg import Client


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


class UnixJupyterServer(JupyterServer):
    """A Jupyter server on a UNIX socket."""

    def __init__(self, home: Path) -> None:
        # Not in `home`: the path of a socket may have about a hundred characters.
        self.path = Path(tempfile.mkdtemp()) / "jupyter.sock"
        super().__init__(home, config={"ServerApp": {"sock": str(self.path), "ip": None, "port": None}})
        self.url = f"http+unix://{quote(str(self.path), safe='')}/"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = UnixConnection(self.path)
        authorization = {"Authorization": f"token {token or self.token}"}
        connection.request(method, f"/{path}", None if body is None else json.dumps(body), authorization)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def test_the_hub_is_served_over_tls(tmp_path: Path, certificate: Path) -> None:
    with JupyterServer(tmp_path, certificate=certificate) as server:
        with connected(server, auth={"token": server.token}, ssl_verify=False) as peer:
            assert peer.command("join", room="lab")["ok"]
            assert peer.command("publish", room="lab", event="big", data=b"\x01" * 500_000)["ok"]
            assert peer.take()[1][0] == b"\x01" * 500_000
            assert server.status()["url"] == server.url
        assert server.stop() == 0


def test_the_hub_is_served_under_a_base_url_and_on_all_addresses(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, base_url="/user/x/", config={"ServerApp": {"ip": "0.0.0.0"}}) as server:
        with connected(server, auth={"token": server.token}) as peer:
            assert peer.command("rooms")["rooms"] == []
        assert server.status()["url"] == f"http://127.0.0.1:{server.port}/user/x/"


def test_a_kernel_finds_the_hub_over_tls(tmp_path: Path, certificate: Path) -> None:
    with JupyterServer(tmp_path, certificate=certificate) as server:
        kernel = server.start_kernel("secure.ipynb")
        server.execute(kernel, "import jupyter_rtmsg as rt; lab = rt.connect().join('lab')")
        emit = "print(lab.emit('tick', b'\\x01'), lab.subscription)"
        assert server.execute(kernel, emit).text.split() == ["1", "secure.ipynb"]


def test_the_hub_is_served_on_a_unix_socket(tmp_path: Path) -> None:
    with UnixJupyterServer(tmp_path) as server:
        with Client(server.url, server.token) as client:
            room = client.join("lab")
            seq = room.emit("tick", b"\x01" * 100_000)
            assert [event.seq for event in room.history()] == [seq]
        kernel = server.start_kernel("local.ipynb")
        emit = "import jupyter_rtmsg as rt; print(rt.connect().join('lab').emit('tick'))"
        assert server.execute(kernel, emit).text.split() == [str(seq + 1)]
