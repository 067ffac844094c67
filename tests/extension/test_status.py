from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from support.jupyter import JupyterServer
from support.socketio_peer import connected


def test_status_has_the_version_the_log_and_the_members(jupyter: JupyterServer) -> None:
    with connected(jupyter, auth={"token": jupyter.token}) as peer:
        peer.command("join", room="lab")
        peer.command("publish", room="lab", event="tick", data=1)
        status = jupyter.status()
    assert set(status) == {"version", "epoch", "log", "sessions", "rooms", "url"}
    assert status["log"]["durable"] is True
    assert status["log"]["warning"] is None
    assert status["log"]["url"].endswith("/rtmsg/log.sqlite3")
    assert status["sessions"] == 1
    assert status["url"] == jupyter.url


def test_kernels_find_the_hub_in_their_environment(jupyter: JupyterServer) -> None:
    kernel = jupyter.start_kernel()
    found = jupyter.execute(kernel, "import os; print(os.environ['RTMSG_URL'], os.environ['RTMSG_TOKEN'])").text
    assert found.split() == [jupyter.url, jupyter.rtmsg_token]


def test_the_url_for_kernels_can_be_set(tmp_path: Path) -> None:
    url = "https://hub.example.org/user/alice/"
    with JupyterServer(tmp_path, config={"RtmsgApp": {"url": url}}) as server:
        kernel = server.start_kernel()
        assert server.execute(kernel, "import os; print(os.environ['RTMSG_URL'])").text.strip() == url
        assert server.status()["url"] == url


def warning_of(server: JupyterServer) -> str:
    """Return the warning of a status, which must be in the server's log too."""
    log = server.status()["log"]
    assert log["warning"] in server.log_text()
    return str(log["warning"])


def test_events_are_served_from_memory_where_the_directory_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rtmsg").write_text("a file where the directory should be")
    with JupyterServer(tmp_path) as server:
        assert str(tmp_path / "data" / "rtmsg") in warning_of(server)
        assert server.status()["log"]["durable"] is False
        assert "the token cannot be stored" in server.log_text()
        kernel = server.start_kernel()
        token = server.execute(kernel, "import os; print(os.environ['RTMSG_TOKEN'])").text.strip()
        with connected(server, auth={"token": token}) as peer:
            assert peer.command("publish", room="lab", event="tick")["ok"]


def test_a_corrupt_log_is_renamed_aside_and_the_server_starts(tmp_path: Path) -> None:
    log = tmp_path / "data" / "rtmsg" / "log.sqlite3"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"this is no database " * 1000)
    with JupyterServer(tmp_path) as server:
        warning = warning_of(server)
        aside = [path for path in log.parent.iterdir() if path.read_bytes().startswith(b"this is no database")]
        assert len(aside) == 1
        assert aside[0].name in warning
        assert server.status()["log"]["durable"] is True


def test_a_log_of_a_newer_version_is_renamed_aside(tmp_path: Path) -> None:
    with JupyterServer(tmp_path) as server:
        epoch = server.status()["epoch"]
    database = sqlite3.connect(tmp_path / "data" / "rtmsg" / "log.sqlite3")
    database.execute("PRAGMA user_version = 9999")
    database.close()
    with JupyterServer(tmp_path) as server:
        assert "newer" in warning_of(server)
        assert server.status()["epoch"] != epoch


def test_a_second_server_on_the_same_log_says_that_it_serves_from_memory(tmp_path: Path) -> None:
    log = {"RtmsgApp": {"log_url": f"sqlite:///{tmp_path / 'shared.sqlite3'}"}}
    with JupyterServer(tmp_path / "a", config=log) as first, JupyterServer(tmp_path / "b", config=log) as second:
        assert first.status()["log"]["durable"] is True
        assert "memory" in warning_of(second)


def test_a_log_that_cannot_be_opened_is_answered_with_the_reason(tmp_path: Path) -> None:
    config = {"RtmsgApp": {"log_url": "carrier-pigeon://ada:seeds@loft"}}
    with JupyterServer(tmp_path, config=config) as server:
        answer = server.request("GET", "rtmsg/api/status")
        assert answer.status == 503
        assert "carrier-pigeon" in json.loads(answer.text)["message"]
        assert "carrier-pigeon" in server.log_text()
        assert server.request("GET", "api/status").status == 200
