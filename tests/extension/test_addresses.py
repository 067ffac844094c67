from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.jupyter import JupyterServer
from support.socketio_peer import connected


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost with its key."""
    path = tmp_path / "localhost.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    made = subprocess.run([*command, "-keyout", "-", "-out", "-"], check=True, capture_output=True)
    path.write_bytes(made.stdout)
    return path


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
