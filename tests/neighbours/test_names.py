"""Who is who where several people work on one server, beside jupyter-collaboration."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from support import neighbours
from support.jupyter import JupyterServer
from support.socketio_peer import connected


def browser(server: JupyterServer) -> dict[str, str]:
    """Return the headers of a page that a new browser got from the server."""
    answer = server.request("GET", "api/me")
    cookie = next(value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []) if "username" in value)
    return {"Cookie": cookie, "Origin": f"http://127.0.0.1:{server.port}"}


def person(server: JupyterServer, **credentials: Any) -> dict[str, Any]:
    """Connect, and return the member that the hub takes the peer for."""
    with connected(server, **credentials) as peer:
        reply = peer.command("join", room="who")
        return next(dict(member) for member in reply["members"] if member["member"] == reply["member"])


def identity(server: JupyterServer, headers: dict[str, str]) -> tuple[str, str]:
    me = server.request("GET", "api/me", token=None, headers=headers).json()["identity"]
    return me["username"], me["display_name"]


def test_beside_jupyter_collaboration_every_browser_is_a_user_with_the_name_that_others_see(tmp_path: Path) -> None:
    config = neighbours.extensions("jupyter_server_fileid", "jupyter_server_ydoc")
    with JupyterServer(tmp_path, python=neighbours.PYTHON, config=config) as server:
        pages = browser(server), browser(server)
        people = [person(server, headers=page) for page in pages]
        assert [(one["user"], one["name"]) for one in people] == [identity(server, page) for page in pages]
        assert people[0]["user"] != people[1]["user"]
        assert person(server, auth={"token": server.rtmsg_token})["user"] == "token:kernel"


def test_where_collaboration_is_installed_and_not_enabled_a_server_has_one_user(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, python=neighbours.PYTHON, config=neighbours.extensions()) as server:
        people = [person(server, headers=browser(server)), person(server, auth={"token": server.rtmsg_token})]
        assert [(one["user"], one["name"]) for one in people] == [(getpass.getuser(), getpass.getuser())] * 2
