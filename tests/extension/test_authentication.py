"""Who may come in, and as whom: DESIGN of identities is in docs/decisions/0004."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import passwd
from support.jupyter import Answer, JupyterServer, wait_until
from support.socketio_peer import connected, refusal

TESTS = Path(__file__).parents[1]
FOREIGN = {"Origin": "http://evil.example"}
HANDSHAKE = "socket.io/?EIO=4&transport=websocket"


def user_of(server: JupyterServer, **credentials: Any) -> str:
    """Connect and return the name under which the hub knows the peer."""
    with connected(server, **credentials) as peer:
        reply = peer.command("join", room="who")
        assert reply["ok"], reply
        mine = [m for m in reply["members"] if m["state"] == "here"]
        return str(mine[-1]["user"])


def person(server: JupyterServer, **credentials: Any) -> dict[str, Any]:
    """Connect, and return the member that the hub takes the peer for."""
    with connected(server, **credentials) as peer:
        reply = peer.command("join", room="who")
        return next(dict(member) for member in reply["members"] if member["member"] == reply["member"])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server of several users."""
    config = {"RtmsgApp": {"single_user": False}}
    with JupyterServer(tmp_path_factory.mktemp("shared"), config=config) as server:
        yield server


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def login(server: JupyterServer) -> dict[str, str]:
    """Return the cookie that a browser gets which opens the server with its token."""
    answer = server.request("GET", "api/me")
    cookies = [value.split(";")[0] for value in answer.headers.get_all("Set-Cookie", []) if "username" in value]
    return {"Cookie": cookies[0]}


def me_of(server: JupyterServer, cookie: dict[str, str]) -> dict[str, Any]:
    """Return whom Jupyter takes a browser for."""
    return dict(server.request("GET", "api/me", token=None, headers=cookie).json()["identity"])


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


def test_where_one_secret_is_all_that_a_server_knows_everybody_is_the_account_that_runs_it(
    jupyter: JupyterServer,
) -> None:
    account = getpass.getuser()
    page = {**login(jupyter), **own_origin(jupyter)}
    me = person(jupyter, headers=page)
    assert (me["user"], me["kind"], me["name"]) == (account, "browser", account)
    for token in (jupyter.token, jupyter.rtmsg_token):
        for given in ({"headers": bearer(token)}, {"auth": {"token": token}}):
            me = person(jupyter, **given)
            assert (me["user"], me["kind"], me["name"]) == (account, "script", account)


def test_a_page_with_the_servers_token_and_a_name_is_called_by_it(jupyter: JupyterServer) -> None:
    me = person(jupyter, auth={"token": jupyter.token, "name": "Anna"}, headers=FOREIGN)
    assert (me["user"], me["kind"], me["name"]) == (getpass.getuser(), "browser", "Anna")


def test_a_password_is_one_secret_too_and_a_name_that_its_user_chose_is_shown(tmp_path: Path) -> None:
    hashed = passwd("secret", "sha1")
    provider = {"hashed_password": hashed, "updatable_fields": ["display_name"]}
    with JupyterServer(tmp_path, config={"PasswordIdentityProvider": provider}) as server:
        page = {**login(server), **own_origin(server)}
        assert person(server, headers=page)["name"] == getpass.getuser()
        change = {"display_name": "Ada Lovelace"}
        answer = server.request("PATCH", "api/me", change, headers=page)
        assert answer.status == 200, answer.text
        page["Cookie"] = next(c.split(";")[0] for c in answer.headers.get_all("Set-Cookie", []) if "username" in c)
        me = person(server, headers=page)
        assert (me["user"], me["name"]) == (getpass.getuser(), "Ada Lovelace")


def test_a_server_with_an_external_identity_provider_has_several_users(tmp_path: Path) -> None:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    config = {"ServerApp": {"identity_provider_class": "support.authorizers.Directory"}}
    with JupyterServer(tmp_path, config=config, environment={"PYTHONPATH": path}) as server:
        me = person(server, headers={**bearer(server.token), **own_origin(server)})
        assert (me["user"], me["name"]) == ("u1234", "Ada Lovelace")
        assert user_of(server, auth={"token": server.rtmsg_token}) == "token:kernel"


def test_the_servers_token_has_one_principal_wherever_it_is_given(shared: JupyterServer) -> None:
    in_header = user_of(shared, headers=bearer(shared.token))
    again = user_of(shared, headers={"Authorization": f"token {shared.token}"})
    in_connect = user_of(shared, auth={"token": shared.token})
    assert in_header == again == in_connect == "token:server"


def test_the_scoped_token_is_the_kernels_principal(shared: JupyterServer) -> None:
    in_header = user_of(shared, headers=bearer(shared.rtmsg_token))
    in_connect = user_of(shared, auth={"token": shared.rtmsg_token})
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


def test_a_browser_is_the_user_of_its_cookie(shared: JupyterServer) -> None:
    cookie = login(shared)
    identity = me_of(shared, cookie)
    headers = {**cookie, **own_origin(shared)}
    assert user_of(shared, headers=headers) == user_of(shared, headers=headers) == identity["username"]
    assert person(shared, headers=headers, auth={"name": "root"})["name"] == identity["display_name"]


def test_a_cookie_with_the_servers_token_is_still_the_cookies_user(shared: JupyterServer) -> None:
    cookie = login(shared)
    assert user_of(shared, headers={**cookie, **bearer(shared.token)}) == user_of(shared, headers=cookie)


def test_a_foreign_page_may_not_use_the_cookie(jupyter: JupyterServer) -> None:
    answer = jupyter.request("GET", HANDSHAKE, token=None, headers={**login(jupyter), **FOREIGN})
    is_refused_in_one_line(answer, "cookie", "allow_origin")


def test_a_foreign_page_may_not_use_the_token_of_a_kernel(jupyter: JupyterServer) -> None:
    answer = jupyter.request("GET", HANDSHAKE, token=jupyter.rtmsg_token, headers=FOREIGN)
    is_refused_in_one_line(answer, "kernel")
    error = refusal(jupyter, auth={"token": jupyter.rtmsg_token}, headers=FOREIGN)
    assert error["data"] == {"code": "unauthorized"}


def test_a_foreign_page_that_was_given_the_servers_token_may_come_in(shared: JupyterServer) -> None:
    assert user_of(shared, auth={"token": shared.token}, headers=FOREIGN) == "token:server"


def test_an_origin_allowed_by_name_may_use_the_cookie(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, config={"ServerApp": {"allow_origin": FOREIGN["Origin"]}}) as server:
        cookie = login(server)
        assert user_of(server, headers={**cookie, **FOREIGN}) == user_of(server, headers=cookie)


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    config = {"ServerApp": {"allow_origin": "*"}, "RtmsgApp": {"single_user": False}}
    with JupyterServer(tmp_path_factory.mktemp("open"), config=config) as server:
        yield server


def test_allowing_every_origin_does_not_lend_it_the_cookie(open_to_all: JupyterServer) -> None:
    headers = {**login(open_to_all), **FOREIGN}
    assert refusal(open_to_all, headers=headers)["data"] == {"code": "unauthorized"}
    assert user_of(open_to_all, headers=headers, auth={"token": open_to_all.token}) == "token:server"


def test_with_authentication_switched_off_strangers_share_one_name(tmp_path: Path) -> None:
    with JupyterServer(tmp_path, token="", config={"RtmsgApp": {"single_user": False}}) as server:
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
