from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_rtmsg.client.discovery import find_server
from jupyter_rtmsg.errors import ServerNotFound

_RTMSG = {"RTMSG_URL": "http://127.0.0.1:1111/base/", "RTMSG_TOKEN": "scoped"}
_HUB = {"JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:2222/user/alice/", "JUPYTERHUB_API_TOKEN": "hub"}


@pytest.fixture
def running(tmp_path: Path) -> Any:
    """Write what a running server writes; return the directory."""

    def write(port: int, pid: int = os.getpid(), **fields: Any) -> Path:
        server = {"pid": pid, "port": port, "url": f"http://127.0.0.1:{port}/", "token": f"token-{port}", **fields}
        (tmp_path / f"jpserver-{port}.json").write_text(json.dumps(server))
        return tmp_path

    return write


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_arguments_come_first(tmp_path: Path) -> None:
    found = find_server("http://example.org:80/a", "t", environment={**_RTMSG, **_HUB}, runtime_dir=tmp_path)
    assert found[:2] == ("http://example.org:80/a/", "t")


def test_the_extension_of_the_kernels_server_comes_second(tmp_path: Path) -> None:
    assert find_server(environment={**_RTMSG, **_HUB}, runtime_dir=tmp_path)[:2] == (_RTMSG["RTMSG_URL"], "scoped")


def test_a_given_token_is_used_with_whatever_is_found(tmp_path: Path) -> None:
    assert find_server(token="mine", environment=_RTMSG, runtime_dir=tmp_path).token == "mine"


def test_jupyterhub_comes_third_at_an_address_that_can_be_reached(tmp_path: Path) -> None:
    found = find_server(environment=_HUB, runtime_dir=tmp_path)
    assert found[:2] == ("http://127.0.0.1:2222/user/alice/", "hub")


def test_the_server_that_started_this_process_comes_fourth(running: Any) -> None:
    running(1)
    directory = running(2, pid=os.getppid())
    environment = {"JPY_PARENT_PID": str(os.getppid())}
    assert find_server(environment=environment, runtime_dir=directory)[:2] == ("http://127.0.0.1:2/", "token-2")


def test_the_only_running_server_comes_last_and_dead_ones_do_not_count(running: Any) -> None:
    running(1, pid=dead_pid())
    directory = running(2)
    (directory / "jpserver-3.json").write_text("{half a fi")
    (directory / "jpserver-4.json").write_text("[]")
    assert find_server(environment={}, runtime_dir=directory)[:2] == ("http://127.0.0.1:2/", "token-2")


def test_an_error_names_everything_that_was_tried(running: Any) -> None:
    running(1)
    directory = running(2)
    with pytest.raises(ServerNotFound) as caught:
        find_server(environment={"JPY_PARENT_PID": "999999999"}, runtime_dir=directory)
    for what in (
        "RTMSG_URL",
        "JUPYTERHUB_SERVICE_URL",
        "JPY_PARENT_PID=999999999",
        "127.0.0.1:1/, ",
        "2 Jupyter servers",
    ):
        assert what in str(caught.value)
    assert "token-1" not in str(caught.value)


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(ServerNotFound, match="no Jupyter server is running"):
        find_server(environment={}, runtime_dir=tmp_path)


@pytest.mark.parametrize("url", ["http://localhost:7/", "http://127.0.0.1:7/", "http://127.0.0.1:7/lab/tree/a.ipynb"])
def test_the_token_of_a_server_of_ones_own_is_looked_up(running: Any, url: str) -> None:
    assert find_server(url, environment={}, runtime_dir=running(7)).token == "token-7"
    assert find_server("http://127.0.0.1:8/", environment={}, runtime_dir=running(7)).token is None
    assert find_server("http://example.org:7/", environment={}, runtime_dir=running(7)).token is None


def test_the_token_of_the_environment_goes_to_its_own_server_only(tmp_path: Path) -> None:
    assert find_server(_RTMSG["RTMSG_URL"], environment=_RTMSG, runtime_dir=tmp_path).token == "scoped"
    assert find_server("http://evil.example/base/", environment=_RTMSG, runtime_dir=tmp_path).token is None


def test_a_token_in_a_copied_address_is_taken_out_of_it(tmp_path: Path) -> None:
    found = find_server("http://127.0.0.1:5/lab?token=abc", environment={}, runtime_dir=tmp_path)
    assert found[:2] == ("http://127.0.0.1:5/", "abc")
