"""Long-polling in Jupyter: each request by itself must show whose session it is."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.jupyter import JupyterServer

from jupyter_rtmsg.server.bundle import NAMES, STATIC

EIO = "EIO=4&transport=polling"
FOREIGN = {"Origin": "http://evil.example"}


class Reply:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def code(self) -> int | None:
        """Engine.IO's."""
        return json.loads(self.text)["code"] if self.text.startswith("{") else None


def ask(server: JupyterServer, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
    """Send a request with these headers alone; ``_`` in their names stands for ``-``."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        fields.setdefault("Content-Type", "text/plain;charset=UTF-8")
    base = server.url.split(str(server.port), 1)[1]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, base + path, None if body is None else body.encode(), fields)
        return Reply(connection.getresponse())
    finally:
        connection.close()


def opened(server: JupyterServer, **headers: str) -> str:
    """Open a session and return its path."""
    reply = ask(server, "GET", f"socket.io/?{EIO}", **headers)
    assert reply.status == 200, reply.text
    return f"socket.io/?{EIO}&sid={json.loads(reply.text[1:])['sid']}"


def token(server: JupyterServer) -> dict[str, str]:
    return {"Authorization": f"token {server.token}"}


def own(server: JupyterServer) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{server.port}"}


def page(server: JupyterServer) -> tuple[dict[str, str], str]:
    """Return the cookies that a browser has with a page of the server, and the token its scripts send."""
    cookies = {}
    for method, path in (("GET", "api/me"), ("GET", "login")):
        answer = server.request(method, path, headers={"Cookie": "; ".join(cookies.values())} if cookies else {})
        for value in answer.headers.get_all("Set-Cookie", []):
            cookies[value.split("=")[0]] = value.split(";")[0]
    return {"Cookie": "; ".join(cookies.values())}, cookies["_xsrf"].split("=", 1)[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server below a base URL, as JupyterHub's are."""
    with JupyterServer(tmp_path_factory.mktemp("jupyter"), base_url="/user/zoe/") as server:
        yield server


# --- whose session it is


def test_the_owner_of_a_session_connects_polls_and_closes(server: JupyterServer) -> None:
    session = opened(server, **token(server))
    assert ask(server, "POST", session, "40", **token(server)).text == "ok"
    assert ask(server, "GET", session, **token(server)).text.startswith("40{")
    assert ask(server, "POST", session, "1", **token(server)).text == "ok"
    assert ask(server, "GET", session, **token(server)).code == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_knowing_a_sid_is_not_enough(server: JupyterServer, method: str) -> None:
    cookies, _ = page(server)
    body = "40" if method == "POST" else None
    session = opened(server, **token(server))
    strangers: list[dict[str, str]] = [{}, {"Authorization": f"token {server.rtmsg_token}"}, {**cookies, **own(server)}]
    for stranger in strangers:
        reply = ask(server, method, session, body, **stranger)
        assert (reply.status, reply.code) == (400, 1)
    assert ask(server, "POST", session, "40", **token(server)).text == "ok"


def test_a_wrong_token_is_refused_on_every_request(server: JupyterServer) -> None:
    session = opened(server, **token(server))
    for method, body in (("GET", None), ("POST", "40")):
        reply = ask(server, method, session, body, Authorization="token wrong")
        assert reply.status == 403
        assert reply.text.count("\n") == 1


@pytest.mark.parametrize("right", [False, True])
def test_a_session_without_credentials_is_let_in_by_no_token_in_connect(server: JupyterServer, right: bool) -> None:
    """It would need a WebSocket: here the id of the session is all that later requests show."""
    session = opened(server)
    auth = {"token": server.token if right else "wrong"}
    assert ask(server, "POST", session, "40" + json.dumps(auth)).text == "ok"
    refused = ask(server, "GET", session).text
    assert '"unauthorized"' in refused
    assert ("needs a WebSocket" in refused) is right


def test_the_scoped_token_polls_but_not_from_a_foreign_page(server: JupyterServer) -> None:
    kernel = {"Authorization": f"Bearer {server.rtmsg_token}"}
    session = opened(server, **kernel)
    assert ask(server, "POST", session, "40", **kernel).text == "ok"
    assert ask(server, "POST", session, "3", **kernel, **FOREIGN).status == 403
    assert ask(server, "GET", session, **kernel).text.startswith("40{")


def test_a_token_in_the_url_is_refused(server: JupyterServer) -> None:
    session = opened(server)
    reply = ask(server, "POST", f"{session}&token={server.token}", "40")
    assert reply.status == 403
    assert "URL" in reply.text


def test_no_login_is_given_away_on_the_wire(server: JupyterServer) -> None:
    """A client with a cookie jar would be somebody else at its next request."""
    reply = ask(server, "GET", f"socket.io/?{EIO}", **token(server))
    assert [c for c in reply.headers.get_all("Set-Cookie", []) if "username" in c] == []


# --- requests that a foreign page makes a browser send


def test_a_cookie_posts_with_the_servers_own_origin(server: JupyterServer) -> None:
    cookies, _ = page(server)
    session = opened(server, **cookies)
    assert ask(server, "POST", session, "40", **cookies, **own(server)).text == "ok"
    assert ask(server, "GET", session, **cookies).text.startswith("40{")


def test_a_cookie_posts_with_the_xsrf_token(server: JupyterServer) -> None:
    cookies, xsrf = page(server)
    session = opened(server, **cookies)
    assert ask(server, "POST", session, "40", **cookies, X_XSRFToken=xsrf).text == "ok"


@pytest.mark.parametrize("headers", [{}, {"X_XSRFToken": "wrong"}, FOREIGN, {"Origin": "null"}, {"Origin": ""}])
def test_a_cookie_posts_with_nothing_less(server: JupyterServer, headers: dict[str, str]) -> None:
    cookies, _ = page(server)
    session = opened(server, **cookies)
    reply = ask(server, "POST", session, "40", **cookies, **headers)
    assert reply.status == 403, reply.text
    assert ask(server, "POST", session, "40", **cookies, **own(server)).text == "ok"


def test_a_foreign_page_may_not_open_a_session_with_the_cookie(server: JupyterServer) -> None:
    cookies, _ = page(server)
    assert ask(server, "GET", f"socket.io/?{EIO}", **cookies, **FOREIGN).status == 403


def test_a_token_in_the_header_needs_no_xsrf_token(server: JupyterServer) -> None:
    session = opened(server, **token(server))
    assert ask(server, "POST", session, "40", **token(server)).text == "ok"


# --- bodies and methods


@pytest.mark.parametrize("size", [64 * 1024 + 1, 2_000_000])
def test_strangers_send_small_bodies_and_others_up_to_the_limit(server: JupyterServer, size: int) -> None:
    session = opened(server)
    assert ask(server, "POST", session, "4" * size).status == 413
    session = opened(server, **token(server))
    assert ask(server, "POST", session, "40", **token(server)).text == "ok"
    assert ask(server, "GET", session, **token(server)).text.startswith("40{")
    assert ask(server, "POST", session, "3" + "\x1e3" * 200_000, **token(server)).text == "ok"


def test_other_methods_and_errors_are_engine_io_s(server: JupyterServer) -> None:
    session = opened(server, **token(server))
    assert ask(server, "PUT", session, "40", **token(server)).status == 500
    assert ask(server, "OPTIONS", f"socket.io/?{EIO}").code == 2
    assert ask(server, "POST", f"socket.io/?{EIO}", "").code == 2
    assert ask(server, "GET", "socket.io/?EIO=3&transport=polling", **token(server)).code == 5
    assert ask(server, "GET", "socket.io/?EIO=4", **token(server)).code == 0
    assert ask(server, "GET", f"socket.io/?{EIO}&sid=__proto__").code == 1


def test_no_session_id_is_in_the_log(server: JupyterServer) -> None:
    session = opened(server, **token(server))
    assert ask(server, "GET", session).code == 1
    assert ask(server, "POST", session, "abc", **token(server)).status == 400
    assert session.split("sid=")[1] not in server.log_text()


# --- origins that are allowed by name


def test_a_page_of_an_allowed_origin_polls_with_its_cookie(tmp_path: Path) -> None:
    friend = {"Origin": "https://lab.example"}
    settings: dict[str, Any] = {"allow_origin": "https://lab.example", "allow_credentials": True}
    with JupyterServer(tmp_path, config={"ServerApp": settings}) as server:
        cookies, _ = page(server)
        session = opened(server, **cookies, **friend)
        reply = ask(server, "POST", session, "40", **cookies, **friend)
        assert (reply.text, reply.headers["Access-Control-Allow-Origin"]) == ("ok", "https://lab.example")
        assert ask(server, "OPTIONS", session, **friend, Access_Control_Request_Method="POST").status == 204
        assert ask(server, "POST", session, "3", **cookies, **FOREIGN).status == 403


def test_every_path_below_the_wires_is_the_wire(server: JupyterServer) -> None:
    for path in ("socket.io", "socket.io/", "socket.io/any/thing", "socket.io/socket.io.js/"):
        assert ask(server, "GET", f"{path}?{EIO}", **token(server)).text.startswith("0{")
    assert ask(server, "GET", f"socket.iox?{EIO}", **token(server)).status == 404


# --- the browser's client


@pytest.mark.parametrize("name", NAMES)
def test_the_client_is_served_to_everyone(server: JupyterServer, name: str) -> None:
    reply = ask(server, "GET", f"socket.io/{name}")
    assert reply.status == 200
    assert reply.headers["Content-Type"].split("; ")[1] == "charset=utf-8"
    assert reply.text == (STATIC / name).read_text()
    assert ask(server, "GET", f"socket.io/{name}", If_None_Match=f"W/{reply.headers['Etag']}").status == 304


def test_nothing_else_is_served_beside_it(server: JupyterServer) -> None:
    reply = ask(server, "GET", "socket.io/version", **token(server))  # like any path below it, for the engine
    assert (reply.status, reply.code) == (400, 0)
