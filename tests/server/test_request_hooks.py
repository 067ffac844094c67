"""What an application may say about requests: `allow_request`, middlewares, headers, the cookie, and refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.frames import MASK, TEXT, frame
from support.pollclient import EIO, PollClient
from support.wsclient import Response, upgrade_request

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.server import Engine, Refused, RefusedRequest, Request


async def poll_as(served: Any, query: str = EIO, method: str = "GET", **headers: str | None) -> Response:
    body = b"" if method == "POST" else None
    return await (await PollClient(served.port).start(method, query, body, **headers)).answer()


async def upgrade_as(served: Any, query: str = "EIO=4&transport=websocket", **headers: str | None) -> Response:
    client = await served.dial()
    client.write(upgrade_request(query, **headers))
    return await client.response()


# -- allow_request


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (True, 200, None),
        (None, 200, None),
        (False, 403, "Forbidden"),
        (Refused(), 403, "Forbidden"),
        (Refused(message="not on Sundays"), 403, "not on Sundays"),
        (Refused(message="too many", status=429), 429, "too many"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_allow_request_admits_or_refuses_by_its_result(serve, answer, status, message, is_async):
    async def later(request: Request) -> Any:
        await asyncio.sleep(0)
        return answer

    served = await serve(allow_request=later if is_async else lambda request: answer)
    response = await poll_as(served)
    assert response.status == status
    assert status == 200 or response.json() == {"code": 4, "message": message}
    response = await upgrade_as(served)
    assert response.status == (101 if status == 200 else status)
    assert status == 200 or response.body.decode() == message


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (Refused(message="too many", status=429), 429, "too many"),
        (ConnectionRefused("not you"), 403, "not you"),
        (LookupError("the table is gone"), 403, "Forbidden"),
    ],
)
async def test_it_refuses_by_raising_and_a_fault_is_logged_not_told(serve, caplog, error, status, message):
    def check(request: Request) -> None:
        raise error

    response = await poll_as(await serve(allow_request=check))
    assert (response.status, response.json()["message"]) == (status, message)
    assert ("the table is gone" in caplog.text) is isinstance(error, LookupError)


async def test_it_is_asked_once_for_each_session_and_sees_the_request(serve, poll):
    asked: list[Request] = []
    served = await serve(allow_request=asked.append)
    client = await poll(served, query="&token=t", X_Key="k")
    await client.enter()
    await (await client.upgrade()).hang_up()
    (request,) = asked
    assert (request.query["token"], request.headers["X-Key"], request.address) == ("t", "k", "127.0.0.1")
    assert request.method == "GET"


async def test_a_client_that_goes_while_it_is_asked_leaves_nothing(serve):
    gate = asyncio.Event()
    served = await serve(allow_request=lambda request: gate.wait())
    going = [await PollClient(served.port).start(), await served.dial()]
    going[1].write(upgrade_request())
    await poll_as(served, EIO + "&sid=x")  # by now both are asked
    for client in going:
        client.reset()
    await asyncio.sleep(0.05)
    gate.set()
    for _ in range(200):
        if not served.io.engine.sessions:
            break
        await asyncio.sleep(0.01)
    assert len(served.io.engine.sessions) == 0


async def test_packets_that_arrive_during_authentication_are_not_lost(serve):
    gate = asyncio.Event()
    served = await serve(allow_request=lambda request: gate.wait())
    client = await served.dial()
    client.write(upgrade_request() + frame(TEXT, b"40", mask=MASK))
    await poll_as(served, EIO + "&sid=x")
    client.send("40/nowhere,")
    await poll_as(served, EIO + "&sid=x")
    gate.set()
    assert (await client.response()).status == 101
    await client.take_open()
    assert str(await client.receive()).startswith("40{")
    assert await client.receive() == '44/nowhere,{"message":"Invalid namespace"}'


async def test_a_client_is_refused_if_the_server_closes_during_its_authentication(serve):
    gate = asyncio.Event()
    served = await serve(allow_request=lambda request: gate.wait())
    asked = await PollClient(served.port).start()
    await poll_as(served, EIO + "&sid=x")
    await served.io.close()
    gate.set()
    answer = await asked.answer()
    assert (answer.status, answer.json()["message"]) == (503, "The server is shutting down")
    assert not served.io.engine.sessions


# -- middlewares


async def test_middlewares_run_in_order_for_every_request_and_set_headers(serve, poll):
    served = await serve()
    seen: list[str] = []

    @served.io.engine.use
    async def first(request: Request, headers: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        seen.append(request.method)
        headers["X-First"] = "1"

    @served.io.engine.use
    def second(request: Request, headers: dict[str, Any]) -> None:
        headers["X-Second"] = ["a", headers["X-First"]]

    client = await poll(served)
    posted = await client.post("40")
    polled = await (await client.poll()).answer()
    upgraded = await upgrade_as(served, f"EIO=4&transport=websocket&sid={client.sid}")
    refused = await poll_as(served, "EIO=4")
    for response in (posted, polled, upgraded, refused):
        assert (response.headers["x-first"], response.headers["x-second"]) in {("1", "a,1"), ("1", "1")}
    assert [posted.status, polled.status, upgraded.status, refused.status] == [200, 200, 101, 400]
    assert seen == ["GET", "POST", "GET", "GET", "GET"]


@pytest.mark.parametrize(
    ("result", "status", "code"),
    [
        (False, 400, 3),
        (LookupError("x"), 400, 3),
        (Refused(message="x", status=429), 429, 4),
        (ConnectionRefused("x"), 403, 4),
    ],
)
async def test_a_middleware_refuses_any_request(serve, poll, result, status, code):
    served = await serve()
    client = await poll(served)

    @served.io.engine.use
    def refuse(request: Request, headers: dict[str, Any]) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    for response in (
        await poll_as(served),
        await poll_as(served, client.query),
        await poll_as(served, client.query, "POST"),
    ):
        assert (response.status, response.json()["code"]) == (status, code)
    assert (await upgrade_as(served)).status == status
    assert len(served.io.engine.sessions) == 1


# -- headers


async def test_listeners_change_the_headers_of_the_first_and_of_every_response(serve, poll):
    served = await serve()
    engine = served.io.engine
    engine.on("initial_headers", lambda headers, request: headers.update({"X-Initial": request.query["transport"]}))
    engine.on("headers", lambda headers, request: headers.update({"X-All": request.query["transport"]}))
    client = await poll(served)
    opened, dialled = await poll_as(served), await upgrade_as(served)
    assert (opened.headers["x-initial"], opened.headers["x-all"]) == ("polling", "polling")
    assert (dialled.headers["x-initial"], dialled.headers["x-all"]) == ("websocket", "websocket")
    later = [await client.post("40"), await (await client.poll()).answer()]
    later.append(await upgrade_as(served, f"EIO=4&transport=websocket&sid={client.sid}"))
    assert [response.headers["x-all"] for response in later] == ["polling", "polling", "websocket"]
    assert not [response for response in later if "x-initial" in response.headers]
    assert "x-all" not in (await poll_as(served, EIO + "&sid=x")).headers


async def test_a_listener_that_raises_is_logged_and_the_request_goes_on(serve, caplog):
    served = await serve()
    served.io.engine.on("headers", lambda headers, request: headers["no such header"])
    assert (await poll_as(served)).status == 200
    assert "no such header" in caplog.text


async def test_no_header_can_be_injected(serve):
    served = await serve()
    served.io.engine.on("headers", lambda headers, request: headers.update({"X-Echo": "a\r\nX-Evil: 1"}))
    for response in (await poll_as(served), await upgrade_as(served)):
        assert response.status == 500
        assert "x-evil" not in response.headers


# -- the cookie


@pytest.mark.parametrize(
    ("cookie", "name", "attributes"),
    [
        (True, "io", {"HttpOnly", "Path=/", "SameSite=Lax"}),
        ("route", "route", {"HttpOnly", "Path=/", "SameSite=Lax"}),
        (
            {"name": "r", "samesite": "None", "secure": True, "max_age": 60},
            "r",
            {"HttpOnly", "Path=/", "SameSite=None", "Secure", "Max-Age=60"},
        ),
        ({"path": "/lab", "httponly": False}, "io", {"Path=/lab", "SameSite=Lax"}),
    ],
)
async def test_the_answer_that_opens_a_session_over_polling_sets_a_cookie(serve, cookie, name, attributes):
    served = await serve(cookie=cookie)
    response = await poll_as(served)
    value, *rest = response.headers["set-cookie"].split("; ")
    assert value == f"{name}={response.body[1:].decode().split(chr(34))[3]}"
    assert set(rest) == attributes
    (sid,) = served.io.engine.sessions
    assert "set-cookie" not in (await poll_as(served, f"{EIO}&sid={sid}", "POST")).headers
    assert "set-cookie" not in (await upgrade_as(served)).headers


async def test_no_cookie_is_set_unless_wanted(serve):
    assert "set-cookie" not in (await poll_as(await serve())).headers


def test_a_cookie_attribute_that_does_not_exist_is_refused_when_the_engine_is_made():
    with pytest.raises(Exception, match="colour"):
        Engine(cookie={"colour": "red"})


# -- ids


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_application_may_give_a_session_its_id(serve, poll, is_async):
    async def later(request: Request) -> str:
        await asyncio.sleep(0)
        return f"a-{request.query['n']}"

    served = await serve(generate_id=later if is_async else lambda request: f"a-{request.query['n']}")
    assert (await poll(served, query="&n=1")).sid == "a-1"
    client = await served.open(query="&n=2")
    assert client.opened.sid == "a-2"
    assert set(served.io.engine.sessions) == {"a-1", "a-2"}


@pytest.mark.parametrize("id", ["", "a b", "a&sid=x", "x" * 129, "\u00e9", 7, None, b"x"])
async def test_an_invalid_session_id_is_refused_and_logged(serve, caplog, id):
    served = await serve(generate_id=lambda request: id)
    told: list[RefusedRequest] = []
    served.io.engine.on("connection_error", told.append)
    assert (await poll_as(served)).json() == {"code": 3, "message": "Bad request"}
    assert told[0].context["name"] == "ID_GENERATION_ERROR"
    assert "a session id must be a str" in caplog.text


async def test_an_id_in_use_is_not_given_twice(serve):
    served = await serve(generate_id=lambda request: "same")
    assert [(await poll_as(served)).status for _ in range(2)] == [200, 400]
    assert len(served.io.engine.sessions) == 1


# -- connection_error


@pytest.mark.parametrize(
    ("query", "method", "code", "message", "context"),
    [
        ("EIO=4", "GET", 0, "Transport unknown", {"transport": ""}),
        ("EIO=4&transport=pigeon", "GET", 0, "Transport unknown", {"transport": "pigeon"}),
        (EIO + "&sid=x", "GET", 1, "Session ID unknown", {"sid": "x"}),
        (EIO, "POST", 2, "Bad handshake method", {"method": "POST"}),
        ("EIO=4&transport=websocket", "GET", 3, "Bad request", {"name": "TRANSPORT_HANDSHAKE_ERROR"}),
        ("EIO=3&transport=polling", "GET", 5, "Unsupported protocol version", {"protocol": "3"}),
    ],
)
async def test_each_refusal_is_told_to_the_application(serve, query, method, code, message, context):
    served = await serve()
    told: list[RefusedRequest] = []
    served.io.engine.on("connection_error", told.append)
    await poll_as(served, query, method)
    (error,) = told
    assert (error.code, error.message, error.context) == (code, message, context)
    assert error.req.url == f"/socket.io/?{query}"


async def test_a_request_that_does_not_fit_its_session_is_refused_with_the_state_of_the_session(serve, poll):
    served = await serve()
    told: list[RefusedRequest] = []
    served.io.engine.on("connection_error", told.append)
    client, polling = await served.open(), await poll(served)
    await poll_as(served, f"{EIO}&sid={client.opened.sid}")
    await poll_as(served, polling.query.replace("EIO=4", "EIO=3"))
    assert [error.context for error in told] == [
        {"name": "TRANSPORT_MISMATCH", "transport": "polling", "previous_transport": "websocket"},
        {"name": "PROTOCOL_MISMATCH", "protocol": "3", "previous_protocol": "4"},
    ]


async def test_refused_origins_and_applications_own_refusals_are_told_with_their_words(serve):
    served = await serve(allow_request=lambda request: Refused(message="not on Sundays"))
    told: list[RefusedRequest] = []
    served.io.engine.on("connection_error", told.append)
    await poll_as(served, Origin="https://evil.example")
    await upgrade_as(served)
    assert [(error.code, error.message) for error in told] == [(4, "Forbidden")] * 2
    assert "evil.example" in told[0].context["message"]
    assert told[1].context == {"message": "not on Sundays"}


async def test_the_order_of_checks_is_nodes(serve, poll):
    """The transport, the session, the method, the handshake, the application, and last the protocol version."""
    asked: list[Request] = []
    served = await serve(allow_request=lambda request: asked.append(request) or False)
    assert (await poll_as(served, "EIO=3&sid=x&transport=x", "POST")).json()["code"] == 0
    assert (await poll_as(served, "EIO=3&sid=x&transport=polling", "POST")).json()["code"] == 1
    assert (await poll_as(served, "EIO=3&transport=websocket", "POST")).json()["code"] == 2
    assert (await poll_as(served, "EIO=3&transport=websocket")).json()["code"] == 3
    assert not asked
    assert (await poll_as(served, "EIO=3&transport=polling")).json()["code"] == 4


# -- paths


@pytest.mark.parametrize("path", ["/socket.io/", "/socket.io", "/socket.io/x", "/socket.io/a/b/", "/socket.io//"])
async def test_every_path_below_the_engines_is_its(serve, path):
    served = await serve()
    assert (await (await PollClient(served.port).start(path=path)).answer()).status == 200
    client = await served.dial()
    client.write(upgrade_request(path=path))
    assert (await client.response()).status == 101


@pytest.mark.parametrize("path", ["/socket.iox", "/socket.io.js", "/socketXio/", "/x/socket.io/", "/"])
async def test_no_other_path_is(serve, path):
    served = await serve()
    assert (await (await PollClient(served.port).start(path=path)).answer()).status == 404


async def test_before_its_connect_a_client_may_bring_100_kilobytes_of_auth(serve, poll):
    served = await serve()
    client = await served.open()
    await client.enter("/", {"token": "x" * 100_000})
    polling = await poll(served)
    await polling.send('40{"token":"' + "x" * 100_000 + '"}')
    assert (await polling.get())[0].startswith("40{")
