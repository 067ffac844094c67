"""Which pages may send requests and read the answers, by each transport (docs/protocol.md#engineio-limits)."""

from __future__ import annotations

from typing import Any

import pytest
from support.pollclient import EIO, PollClient
from support.wsclient import Response, upgrade_request

FOREIGN = "https://evil.example"
FRIEND = "https://lab.example"


async def ask(served: Any, method: str = "GET", query: str = EIO, **headers: str) -> Response:
    body = b"40" if method == "POST" else None
    return await (await PollClient(served.port).start(method, query, body, **headers)).answer()


@pytest.mark.parametrize(
    "origin",
    [FOREIGN, "null", "", "ftp://localhost", "http://localhost:1", "http://localhost.evil.example", FRIEND + ".evil"],
)
@pytest.mark.parametrize("options", [{}, {"origins": [FRIEND]}])
async def test_a_foreign_page_may_neither_open_poll_nor_post(serve, poll, origin, options):
    served = await serve(**options)
    client = await poll(served)
    for method, query in (("GET", EIO), ("GET", client.query), ("POST", client.query)):
        response = await ask(served, method, query, Origin=origin)
        assert (response.status, response.json()["code"]) == (403, 4)
        assert "access-control-allow-origin" not in response.headers
    await client.enter()
    assert len(served.io.engine.sessions) == 1


async def test_the_own_page_needs_no_permission_and_gets_no_header(serve, poll):
    served = await serve()
    response = await ask(served, Origin="http://localhost")
    assert response.status == 200
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_an_allowed_page_may_read_every_answer_and_use_cookies(serve, poll):
    served = await serve(origins=[FRIEND])
    client = await poll(served)
    refused = EIO + "&sid=x"
    for method, query in (("GET", EIO), ("GET", refused), ("POST", refused), ("POST", client.query)):
        response = await ask(served, method, query, Origin=FRIEND)
        assert response.headers["access-control-allow-origin"] == FRIEND
        assert response.headers["access-control-allow-credentials"] == "true"
        assert response.headers["vary"] == "Origin"
    assert (await ask(served)).headers["vary"] == "Origin"  # a cache must know it, whoever asks first


async def test_any_page_may_read_where_all_are_allowed_but_not_with_cookies(serve, poll):
    served = await serve(origins="*")
    for origin in (FOREIGN, "null"):
        response = await ask(served, Origin=origin)
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers


async def test_a_preflight_is_answered_where_cors_is_configured(serve):
    served = await serve(origins=[FRIEND])
    headers = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "x-token"}
    response = await ask(served, "OPTIONS", Origin=FRIEND, **headers)
    assert (response.status, response.body) == (204, b"")
    assert response.headers["access-control-allow-origin"] == FRIEND
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == "x-token"
    response = await ask(served, "OPTIONS", Origin=FOREIGN, **headers)
    assert "access-control-allow-origin" not in response.headers


async def test_a_preflight_without_cors_is_a_bad_handshake(serve):
    served = await serve()
    response = await ask(served, "OPTIONS", Origin=FRIEND, Access_Control_Request_Method="POST")
    assert (response.status, response.json()) == (400, {"code": 2, "message": "Bad handshake method"})


@pytest.mark.parametrize("origin", [FOREIGN, "null", ""])
async def test_a_foreign_page_may_not_upgrade_a_session(serve, poll, origin):
    served = await serve(origins=[FRIEND])
    client = await poll(served)
    candidate = await client.dial()
    candidate.write(upgrade_request(f"EIO=4&transport=websocket&sid={client.sid}", Origin=origin))
    assert (await candidate.response()).status == 403
    await (await client.upgrade(Origin=FRIEND)).hang_up()


async def test_an_origin_with_a_line_end_injects_no_header(serve):
    served = await serve(origins=[FRIEND])
    exchange = await PollClient(served.port).start(Origin=f"{FRIEND}\r\n X-Evil: 1", Connection="close")
    head, _, _ = (await exchange.rest()).partition(b"\r\n\r\n")  # the body of a 403 names the origin
    assert b"x-evil" not in head.lower()
