from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp

from jupyter_rtmsg.extension.environment import KernelEnvironment, certificate_of, kernel_url


@pytest.mark.parametrize(
    ("traits", "url"),
    [
        ({"ip": "localhost"}, "http://localhost:8765/"),
        ({"ip": "127.0.0.1", "base_url": "/user/x/"}, "http://127.0.0.1:8765/user/x/"),
        ({"ip": ""}, "http://127.0.0.1:8765/"),
        ({"ip": "0.0.0.0"}, "http://127.0.0.1:8765/"),
        ({"ip": "::"}, "http://[::1]:8765/"),
        ({"ip": "::1"}, "http://[::1]:8765/"),
        ({"ip": "localhost", "certfile": "/c.pem"}, "https://localhost:8765/"),
        ({"ip": "0.0.0.0", "certfile": "/c.pem"}, f"https://{socket.gethostname()}:8765/"),
        ({"sock": "/run/j.sock"}, "http+unix://%2Frun%2Fj.sock/"),
    ],
)
def test_kernels_are_given_an_address_they_can_reach(traits: dict[str, Any], url: str) -> None:
    assert kernel_url(ServerApp(port=8765, **traits)) == url


def test_kernels_are_told_the_file_of_a_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert certificate_of(ServerApp(certfile="server.pem")) == {"RTMSG_CAFILE": str(tmp_path / "server.pem")}
    assert certificate_of(ServerApp()) == {}


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RTMSG_URL", raising=False)
    monkeypatch.delenv("RTMSG_TOKEN", raising=False)
    environment = KernelEnvironment()
    environment.set({"RTMSG_URL": "http://a/", "RTMSG_TOKEN": "t"})
    assert os.environ["RTMSG_URL"] == "http://a/"
    environment.clear()
    assert not {"RTMSG_URL", "RTMSG_TOKEN"} & set(os.environ)


def test_a_variable_changed_by_other_code_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTMSG_URL", "before")
    environment = KernelEnvironment()
    environment.set({"RTMSG_URL": "ours"})
    os.environ["RTMSG_URL"] = "theirs"
    environment.clear()
    assert os.environ["RTMSG_URL"] == "theirs"
