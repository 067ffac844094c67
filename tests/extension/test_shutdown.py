from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.jupyter import DEADLINE, JupyterServer
from support.socketio_peer import connected


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JupyterServer]:
    with JupyterServer(tmp_path) as server:
        yield server


def test_members_are_told_and_nothing_acknowledged_is_lost_when_the_server_stops(server: JupyterServer) -> None:
    with connected(server, auth={"token": server.token}) as peer:
        peer.command("join", room="lab")
        seqs = [peer.command("publish", room="lab", event="tick", data=n)["seq"] for n in range(20)]
        assert server.stop() == 0
        peer.closed.get(timeout=DEADLINE)
    assert "Traceback" not in server.log_text()
    server.start()
    with connected(server, auth={"token": server.token}) as peer:
        events = peer.command("history", room="lab")["events"]
        assert [(event["seq"], event["data"]) for event in events] == [(seq, n) for n, seq in enumerate(seqs)]


def test_the_scoped_token_and_the_epoch_survive_a_restart(server: JupyterServer) -> None:
    token, epoch = server.rtmsg_token, server.status()["epoch"]
    server.restart()
    assert (server.rtmsg_token, server.status()["epoch"]) == (token, epoch)
    with connected(server, auth={"token": token}) as peer:
        assert peer.command("rooms")["ok"]


def test_a_server_that_is_killed_keeps_its_token_and_its_log(server: JupyterServer) -> None:
    token, epoch = server.rtmsg_token, server.status()["epoch"]
    server.kill()
    server.start()
    assert (server.rtmsg_token, server.status()["epoch"]) == (token, epoch)
    assert server.status()["log"]["warning"] is None
