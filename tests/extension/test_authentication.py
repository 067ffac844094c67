"""Who may come in, and as whom: DESIGN of identities is in docs/decisions/0004."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.jupyter import Answer, JupyterServer, wait_until
from support.socketio_peer import connected, refusal

FOREIGN = {"Origin": "http://evil.example"}
HANDSHAKE = "socket.io/?EIO=4&transport=websocket"


def user_of(server: JupyterServer, **credentials: Any) -> str:
    """Connect and return the name under which the hub knows the peer."""
    with connected(server, **credentials) as peer:
        reply = peer.command("join", room="who")
        assert reply["ok"], reply
        mine = [m for m in reply["members"] if m["state"] == "here"]
        return str(mine[-1]["user"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def login(server: JupyterServer) -> dict[str, str]:
    """Return the cookie that a browser gets which opens the server with its token."""
    answer = server.request("GET", "api/me")
    cookies = [value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []) if "username" in value]
    return {"Cookie": cookies[0]}


def own_origin(server: JupyterServer) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{server.port}"}


def is_refused_in_one_line(answer: Answer, *words: str) -> None:
    assert answer.status == 403
    assert answer.text.count("\n") == 1, answer.text
    for word in words:
        assert word in answer.text


# --- tokens


@pytest.mark.parametrize("auth", [None, {}, {"token": None}, {"token": ""}, {"token": 7}, {"token": ["x"]}])
def test_without_a_token_a_connect_is_refused_and_told_how(jupyter: JupyterServer, auth: Any) -> None:
    error = refusal(jupyter, auth=auth)
    assert error["data"] == {"code": "unauthorized"}
    assert "jupyter server list" in error["message"]


@pytest.mark.parametrize("token", ["wrong", "ünï", "a-token-for-test", "a-token-for-tests "])
def test_a_wrong_token_in_connect_is_refused(jupyter: JupyterServer, token: str) -> None:
    assert refusal(jupyter, auth={"token": token})["data"] == {"code": "unauthorized"}


def test_a_wrong_token_in_the_header_is_refused_before_the_handshake(jupyter: JupyterServer) -> None:
    is_refused_in_one_line(jupyter.request("GET", HANDSHAKE, token="wrong"), "wrong", "jupyter server list")


def test_a_token_in_the_url_is_refused(jupyter: JupyterServer) -> None:
    answer = jupyter.request("GET", f"{HANDSHAKE}&token={jupyter.token}", token=None)
    is_refused_in_one_line(answer, "URL", "Authorization")


def test_the_servers_token_has_one_principal_wherever_it_is_given(jupyter: JupyterServer) -> None:
    in_header = user_of(jupyter, headers=bearer(jupyter.token))
    again = user_of(jupyter, headers={"Authorization": f"token {jupyter.token}"})
    in_connect = user_of(jupyter, auth={"token": jupyter.token})
    assert in_header == again == in_connect == "token:server"


def test_the_scoped_token_is_the_kernels_principal(jupyter: JupyterServer) -> None:
    in_header = user_of(jupyter, headers=bearer(jupyter.rtmsg_token))
    in_connect = user_of(jupyter, auth={"token": jupyter.rtmsg_token})
    assert in_header == in_connect == "token:kernel"


@pytest.mark.parametrize("path", ["api/contents", "api/kernels", "api/me", "api/sessions", "rtmsg/api/status"])
def test_the_scoped_token_opens_no_other_api(jupyter: JupyterServer, path: str) -> None:
    assert jupyter.request("GET", path, token=jupyter.rtmsg_token).status == 403
    assert jupyter.request("GET", path).status == 200


def test_the_scoped_token_starts_no_kernel(jupyter: JupyterServer) -> None:
    assert jupyter.request("POST", "api/kernels", {}, token=jupyter.rtmsg_token).status == 403
    assert jupyter.request("GET", "api/kernels").json() == []


def test_under_jupyterhub_the_tokens_of_a_server_are_its_users(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, environment={"JUPYTERHUB_USER": "alice"}) as server:
        assert user_of(server, auth={"token": server.rtmsg_token}) == "alice"
        assert user_of(server, auth={"token": server.token}) == "alice"


# --- cookies and origins


def test_a_browser_is_the_user_of_its_cookie(jupyter: JupyterServer) -> None:
    cookie = login(jupyter)
    me = jupyter.request("GET", "api/me", token=None, headers=cookie).json()["identity"]["username"]
    headers = {**cookie, **own_origin(jupyter)}
    assert user_of(jupyter, headers=headers) == user_of(jupyter, headers=headers) == me


def test_a_cookie_with_the_servers_token_is_still_the_cookies_user(jupyter: JupyterServer) -> None:
    cookie = login(jupyter)
    assert user_of(jupyter, headers={**cookie, **bearer(jupyter.token)}) == user_of(jupyter, headers=cookie)


def test_a_foreign_page_may_not_use_the_cookie(jupyter: JupyterServer) -> None:
    answer = jupyter.request("GET", HANDSHAKE, token=None, headers={**login(jupyter), **FOREIGN})
    is_refused_in_one_line(answer, "cookie", "allow_origin")


def test_a_foreign_page_may_not_use_the_token_of_a_kernel(jupyter: JupyterServer) -> None:
    answer = jupyter.request("GET", HANDSHAKE, token=jupyter.rtmsg_token, headers=FOREIGN)
    is_refused_in_one_line(answer, "kernel")
    error = refusal(jupyter, auth={"token": jupyter.rtmsg_token}, headers=FOREIGN)
    assert error["data"] == {"code": "unauthorized"}


def test_a_foreign_page_that_was_given_the_servers_token_may_come_in(jupyter: JupyterServer) -> None:
    assert user_of(jupyter, auth={"token": jupyter.token}, headers=FOREIGN) == "token:server"


def test_an_origin_allowed_by_name_may_use_the_cookie(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, config={"ServerApp": {"allow_origin": FOREIGN["Origin"]}}) as server:
        cookie = login(server)
        assert user_of(server, headers={**cookie, **FOREIGN}) == user_of(server, headers=cookie)


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    config = {"ServerApp": {"allow_origin": "*"}}
    with JupyterServer(tmp_path_factory.mktemp("open"), config=config) as server:
        yield server


def test_allowing_every_origin_does_not_lend_it_the_cookie(open_to_all: JupyterServer) -> None:
    headers = {**login(open_to_all), **FOREIGN}
    assert refusal(open_to_all, headers=headers)["data"] == {"code": "unauthorized"}
    assert user_of(open_to_all, headers=headers, auth={"token": open_to_all.token}) == "token:server"


def test_with_authentication_switched_off_strangers_share_one_name(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, token="") as server:
        assert user_of(server) == user_of(server) == "anonymous"
        answer = server.request("GET", HANDSHAKE, token=None, headers=FOREIGN)
        is_refused_in_one_line(answer, "another origin")


# --- what must not leak


def test_no_token_and_no_session_id_is_in_the_servers_log(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, config={"ServerApp": {"log_level": "DEBUG"}}) as server:
        user_of(server, auth={"token": server.rtmsg_token})
        server.request("GET", f"{HANDSHAKE}&token={server.rtmsg_token}", token=None)
        server.request("GET", "socket.io/?EIO=4&transport=polling&sid=secretsid", token=None)
        wait_until(lambda: "sid=[secret]" in server.log_text(), "the last request is logged")
        assert server.rtmsg_token not in server.log_text()
        assert "secretsid" not in server.log_text()
