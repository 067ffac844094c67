"""The plain Socket.IO client, against our server and python-socketio's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import socketio
import tornado.httpserver
import tornado.netutil
import tornado.web
from support.wsclient import until

from jupyter_rtmsg import SocketClient
from jupyter_rtmsg.errors import AckTimeout, ConnectionRefused, Disconnected, NotJSON, TooLarge
from jupyter_rtmsg.server import Server


def _serve(io: Any) -> None:
    @io.on("connection")
    def connected(client: Any) -> None:
        client.on("sum", lambda a, b: a + b)
        client.on("pair", lambda: (1, 2))
        client.on("nothing", lambda: None)
        client.on("echo", lambda value: value)
        client.on("silence", lambda: asyncio.get_running_loop().create_future())
        client.on("leave", lambda: client.conn.close())

        @client.on("ask")
        async def ask(question: Any) -> Any:
            return await client.timeout(5).emit_with_ack("question", question)


@pytest.fixture
async def io() -> AsyncIterator[Server]:
    server = Server(max_payload=500_000)
    _serve(server)

    @server.use
    def authenticate(client: Any) -> None:
        if client.auth.get("token") == "wrong":
            raise ConnectionRefused("no", {"code": "unauthorized"})

    server.port = await server.listen()  # type: ignore[attr-defined]
    yield server
    await server.close()


@pytest.fixture
async def socketio_url() -> AsyncIterator[str]:
    """A server of python-socketio, over Tornado."""
    server = socketio.AsyncServer(async_mode="tornado")
    server.on("sum", lambda sid, a, b: a + b)
    server.on("echo", lambda sid, value: value)

    async def ask(sid: str, question: Any) -> Any:
        return await server.call("question", question, to=sid)

    server.on("ask", ask)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    http = tornado.httpserver.HTTPServer(
        tornado.web.Application([(r"/socket.io/", socketio.get_tornado_handler(server))])
    )
    http.add_sockets(sockets)
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
    http.stop()


@pytest.fixture
async def connect(io: Server) -> AsyncIterator[Callable[..., Any]]:
    clients: list[SocketClient] = []

    async def make(**options: Any) -> SocketClient:
        clients.append(SocketClient(f"http://127.0.0.1:{io.port}/", **options))  # type: ignore[attr-defined]
        await clients[-1].connect()
        return clients[-1]

    yield make
    for client in clients:
        await client.disconnect()


async def test_the_result_of_an_ack_is_none_one_value_or_a_list(connect: Any) -> None:
    client = await connect()
    assert client.max_payload == 500_000
    assert await client.emit_with_ack("sum", 1, 2) == 3
    assert await client.emit_with_ack("pair") == [1, 2]
    assert await client.emit_with_ack("nothing") is None
    assert await client.emit_with_ack("echo", {"b": [b"x", {"c": b"y"}]}) == {"b": [b"x", {"c": b"y"}]}


async def test_the_server_may_request_acks(connect: Any) -> None:
    client = await connect()

    @client.on("question")
    def answer(question: str) -> tuple[str, bytes]:
        return question.upper(), b"bytes"

    assert await client.emit_with_ack("ask", "who") == ["WHO", b"bytes"]


async def test_async_handlers_answer_too(connect: Any) -> None:
    client = await connect()

    @client.on("question")
    async def answer(question: str) -> str:
        await asyncio.sleep(0)
        return question * 2

    assert await client.emit_with_ack("ask", "ab") == "abab"


async def nothing(question: str) -> None:
    await asyncio.sleep(0)


async def late(question: str) -> str:
    await asyncio.sleep(0)
    return "late"


@pytest.mark.parametrize(
    ("handlers", "answer"),
    [
        ([lambda question: None, lambda question: 1, lambda question: 2], 1),
        ([lambda question: 0, lambda question: 1], 0),
        ([nothing, late, lambda question: 1], "late"),
        ([lambda question: None, nothing], None),
    ],
)
async def test_of_several_handlers_the_first_result_that_is_not_none_is_the_answer(
    connect: Any, handlers: list[Callable[..., Any]], answer: Any
) -> None:
    client = await connect()
    for handler in handlers:
        client.on("question", handler)
    assert await client.emit_with_ack("ask", "who") == answer


async def test_events_come_in_order(connect: Any, io: Server) -> None:
    client = await connect()
    seen: list[int] = []
    client.on("n", seen.append)
    for number in range(500):
        io.emit("n", number)
    await until(lambda: len(seen) == 500)
    assert seen == list(range(500))


async def test_auth_goes_with_connect_and_may_be_refused(connect: Any, io: Server) -> None:
    auths: list[Any] = []
    io.on("connection", lambda client: auths.append(client.auth))
    await connect(auth={"token": "right", "more": [1]})
    assert auths == [{"token": "right", "more": [1]}]
    with pytest.raises(ConnectionRefused, match="no") as caught:
        await connect(auth={"token": "wrong"})
    assert caught.value.data == {"code": "unauthorized"}


async def test_no_answer_is_a_timeout(connect: Any) -> None:
    client = await connect()
    with pytest.raises(AckTimeout, match=r"'silence' within 0.1 s"):
        await client.emit_with_ack("silence", timeout=0.1)
    assert await client.emit_with_ack("sum", 1, 1) == 2


async def test_a_lost_connection_fails_pending_acks_and_is_made_again(connect: Any) -> None:
    client = await connect()
    states: list[str] = []
    client.on_state(states.append)
    first = client.id
    waiting = asyncio.ensure_future(client.emit_with_ack("silence"))
    await asyncio.sleep(0)
    client.emit("leave")
    with pytest.raises(Disconnected, match="lost"):
        await waiting
    with pytest.raises(Disconnected, match="no connection"):
        await client.ready(0)
    await client.ready(10)
    assert client.id not in (None, first)
    await until(lambda: states == ["offline", "connected"])


async def test_data_that_cannot_be_encoded_are_refused_by_emit(connect: Any) -> None:
    client = await connect()
    with pytest.raises(NotJSON):
        client.emit("n", {1, 2})
    with pytest.raises(ValueError, match=r"reserved|own events"):
        client.emit("connect")
    assert await client.emit_with_ack("sum", 1, 1) == 2


async def test_a_too_large_event_is_refused_by_emit_and_ends_no_connection(connect: Any) -> None:
    client = await connect()
    for data in ("x" * 1_000_000, b"x" * 1_000_001, [b"small", b"x" * 1_000_001]):
        with pytest.raises(TooLarge, match="takes messages of 500,000"):
            client.emit("n", data)
        with pytest.raises(TooLarge):
            await client.emit_with_ack("sum", data)
    assert await client.emit_with_ack("sum", 1, 1) == 2


async def test_a_too_large_event_that_waited_fails_alone(connect: Any) -> None:
    client = await connect()
    client.drop()
    lost = asyncio.ensure_future(client.emit_with_ack("sum", "x" * 1_000_000, timeout=30))
    kept = asyncio.ensure_future(client.emit_with_ack("sum", 1, 1, timeout=30))
    assert await kept == 2
    with pytest.raises(TooLarge):
        await lost


async def test_disconnect_is_final_until_connect(connect: Any, io: Server) -> None:
    reasons: list[str] = []
    io.on("connection", lambda client: client.on("disconnect", reasons.append))
    client = await connect()
    await client.disconnect()
    await until(lambda: reasons)
    assert reasons == ["client namespace disconnect"]
    assert client.state == "closed"
    with pytest.raises(Disconnected, match="closed"):
        await client.ready(5)
    await client.connect()
    assert await client.emit_with_ack("sum", 1, 2) == 3


async def test_python_socketio_understands_us(socketio_url: str) -> None:
    client = SocketClient(socketio_url)
    await client.connect()
    client.on("question", lambda question: {"answer": question})
    assert await client.emit_with_ack("sum", 2, 3) == 5
    assert await client.emit_with_ack("echo", [b"\x00", {"a": b"\x01"}]) == [b"\x00", {"a": b"\x01"}]
    assert await client.emit_with_ack("ask", b"why") == {"answer": b"why"}
    await client.disconnect()
