"""Rights belong to the credential that was shown, not to its user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.jupyter import JupyterServer
from support.socketio_peer import connected

TESTS = Path(__file__).parents[1]
ALL = {"Authorization": "token all-of-ada"}
READER = {"Authorization": "token reader-of-ada"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    classes = {"authorizer_class": "ByScope", "identity_provider_class": "TwoTokens"}
    config = {"ServerApp": {name: f"support.authorizers.{kind}" for name, kind in classes.items()}}
    home = tmp_path_factory.mktemp("jupyter")
    with JupyterServer(home, token="all-of-ada", config=config, environment={"PYTHONPATH": path}) as server:
        yield server


def test_a_token_for_reading_stays_one_while_its_user_is_connected_with_another(server: JupyterServer) -> None:
    with connected(server, headers=READER) as reader:
        assert reader.command("join", room="lab")["user"] == "ada"
        assert reader.command("publish", room="lab", event="a")["error"]["code"] == "forbidden"
        with connected(server, headers=ALL) as writer:
            assert writer.command("publish", room="lab", event="b")["ok"]
            assert reader.command("publish", room="lab", event="c")["error"]["code"] == "forbidden"
            with connected(server, headers=READER):
                assert writer.command("publish", room="lab", event="d")["ok"], "a reader takes no right away either"


def test_a_session_of_one_token_is_unknown_to_another_of_the_same_user(server: JupyterServer) -> None:
    poll = "socket.io/?EIO=4&transport=polling"
    opened = server.request("GET", poll, token=None, headers=ALL)
    sid = opened.text.split('"sid":"')[1].split('"')[0]
    answer = server.request("GET", f"{poll}&sid={sid}", token=None, headers=READER)
    assert (answer.status, answer.json()) == (400, {"code": 1, "message": "Session ID unknown"})
