from __future__ import annotations

from typing import Any

import pytest
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerWebApplication
from support.jupyter import JupyterServer

from jupyter_rtmsg.extension.handlers import SocketHandler, StatusHandler


class Undecorated(JupyterHandler):
    def get(self) -> None:
        """Forget to say who may come."""


def undecorated(handler: Any) -> list[str]:
    """Ask Jupyter which methods of a handler do not say whether they need a user."""
    found: list[str] = ServerWebApplication._check_handler_auth(None, ".*", handler)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("handler", [SocketHandler, StatusHandler])
def test_every_endpoint_says_whether_it_needs_a_user(handler: Any) -> None:
    assert undecorated(handler) == []
    assert undecorated(Undecorated) != []


def test_status_needs_a_user(jupyter: JupyterServer) -> None:
    assert jupyter.request("GET", "rtmsg/api/status", token=None).status == 403


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("socket.io/?EIO=4&transport=websocket", {}, 400),
        ("socket.io/?EIO=3&transport=websocket", {}, 400),
        ("socket.io/", {}, 400),
        ("socket.io", {}, 400),
    ],
)
def test_a_request_that_is_not_a_handshake_is_refused_with_a_reason(
    jupyter: JupyterServer, path: str, headers: dict[str, str], status: int
) -> None:
    answer = jupyter.request("GET", path, headers=headers)
    assert answer.status == status
    assert answer.json()["message"]
