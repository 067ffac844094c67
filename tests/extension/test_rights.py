from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.jupyter import JupyterServer, wait_until
from support.socketio_peer import connected, refusal

TESTS = Path(__file__).parents[1]


def guarded(home: Path, authorizer: str) -> JupyterServer:
    """Make a server with one of `support.authorizers`."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    config = {"ServerApp": {"authorizer_class": f"support.authorizers.{authorizer}"}}
    return JupyterServer(home, config=config, environment={"PYTHONPATH": path})


def test_a_user_who_may_only_read_can_join_but_not_publish(tmp_path: Path) -> None:
    with guarded(tmp_path, "ReadOnly") as server, connected(server, auth={"token": server.token}) as peer:
        assert peer.command("join", room="lab")["ok"]
        assert peer.command("publish", room="lab", event="tick")["error"]["code"] == "forbidden"


@pytest.mark.parametrize("authorizer", ["Nobody", "Broken"])
def test_a_user_without_any_right_is_not_admitted(tmp_path: Path, authorizer: str) -> None:
    with guarded(tmp_path, authorizer) as server:
        assert refusal(server, auth={"token": server.token})["data"] == {"code": "forbidden"}
        if authorizer == "Nobody":
            assert server.request("GET", "rtmsg/api/status").status == 403


def test_a_user_who_loses_the_right_is_stopped_within_a_minute(tmp_path: Path) -> None:
    with guarded(tmp_path, "Revocable") as server, connected(server, auth={"token": server.token}) as peer:
        assert peer.command("publish", room="lab", event="tick")["ok"]
        (server.data / "revoked").touch()
        wait_until(lambda: not peer.command("publish", room="lab", event="tick")["ok"], "publishing is refused")
