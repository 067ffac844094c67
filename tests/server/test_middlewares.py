"""Middlewares of a socket: each of its events is shown to them first."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.server import Socket

INTERNAL = [{"error": {"code": "internal", "message": "a middleware failed"}}]


async def connect(serve, set_up):
    """Serve, let a function set up every socket, and return a client."""
    served = await serve()
    served.io.on("connection", set_up)
    return await served.enter()


async def ask(client, *event: Any) -> Any:
    client.send("427" + json.dumps(event))
    answer = await client.receive()
    assert answer.startswith("437"), answer
    return json.loads(answer[3:])


async def test_they_are_called_in_order_before_the_handlers_and_may_change_the_arguments(serve):
    order: list[Any] = []

    def connected(socket: Socket) -> None:
        @socket.use
        def first(event: list[Any]) -> None:
            order.append(list(event))
            event[1] += 1

        @socket.use
        async def second(event: list[Any]) -> None:
            await asyncio.sleep(0)
            order.append(list(event))
            event.append("more")

        socket.use(lambda event: order.append("third"))
        socket.on("x", lambda *args: args)

    client = await connect(serve, connected)
    assert await ask(client, "x", 1) == [2, "more"]
    assert order == [["x", 1], ["x", 2], "third"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_middleware_that_raises_drops_the_event_and_the_error_handlers_get_the_exception(
    serve, is_async, caplog
):
    errors: list[Exception] = []
    handled: list[str] = []

    def connected(socket: Socket) -> None:
        def refuse(event: list[Any]) -> None:
            if event[0] == "bad":
                raise ValueError("secret")

        async def refuse_later(event: list[Any]) -> None:
            await asyncio.sleep(0)
            refuse(event)

        socket.use(refuse_later if is_async else refuse)
        socket.use(lambda event: handled.append("middleware"))
        socket.on("bad", lambda: handled.append("bad"))
        socket.on("good", lambda: "ok")
        socket.on("error", errors.append)

    client = await connect(serve, connected)
    assert await ask(client, "bad") == INTERNAL  # and nothing of the fault
    assert await ask(client, "good") == ["ok"]
    assert handled == ["middleware"]
    assert [str(error) for error in errors] == ["secret"]
    assert "secret" not in caplog.text


async def test_an_error_without_a_handler_is_logged(serve, caplog):
    client = await connect(serve, lambda socket: socket.use(lambda event: 1 / 0))
    assert await ask(client, "x") == INTERNAL
    assert "ZeroDivisionError" in caplog.text


async def test_a_refusal_is_sent_to_the_client_that_asked(serve, caplog):
    def connected(socket: Socket) -> None:
        @socket.use
        def limit(event: list[Any]) -> None:
            raise ConnectionRefused("slow down", {"retry": 5} if event[0] == "data" else None)

    client = await connect(serve, connected)
    assert await ask(client, "x") == [{"error": {"code": "refused", "message": "slow down"}}]
    assert await ask(client, "data") == [{"error": {"code": "refused", "message": "slow down", "data": {"retry": 5}}}]
    client.send('42["x"]')
    await client.quiet()  # who did not ask is not answered
    assert caplog.text == ""


async def test_events_wait_in_order_behind_one_that_a_middleware_looks_at(serve):
    gate, seen = asyncio.Event(), []

    def connected(socket: Socket) -> None:
        @socket.use
        async def wait(event: list[Any]) -> None:
            if event[1] == 0:
                await gate.wait()

        socket.on("n", seen.append)
        socket.on("n", lambda n: True if n == 0 else None)

    served = await serve()
    served.io.on("connection", connected)
    client, other = await served.enter(), await served.enter()
    client.send(*(f'42{n}["n",{n}]' for n in range(3)))
    other.send('425["n",5]')
    assert await other.receive() == "435[]"
    assert seen == [5]
    gate.set()
    assert await client.receive_many(3) == ["430[true]", "431[]", "432[]"]
    assert seen == [5, 0, 1, 2]


async def test_an_async_handler_behind_an_async_middleware_answers(serve):
    def connected(socket: Socket) -> None:
        @socket.use
        async def look(event: list[Any]) -> None:
            await asyncio.sleep(0)

        @socket.on("sum")
        async def add(a: int, b: int) -> int:
            await asyncio.sleep(0)
            return a + b

    assert await ask(await connect(serve, connected), "sum", 1, 2) == [3]


async def test_an_event_that_a_middleware_emptied_is_dropped(serve):
    def connected(socket: Socket) -> None:
        socket.use(lambda event: event.clear())
        socket.on("x", lambda: "handled")

    client = await connect(serve, connected)
    client.send('421["x"]')
    await client.quiet()


async def test_no_handler_runs_once_the_socket_is_gone(serve):
    gate, handled = asyncio.Event(), []

    def connected(socket: Socket) -> None:
        @socket.use
        async def wait(event: list[Any]) -> None:
            socket.disconnect()
            gate.set()

        socket.on("x", handled.append)

    client = await connect(serve, connected)
    client.send('421["x",1]')
    assert await client.receive() == "41"
    await client.quiet()
    assert gate.is_set()
    assert handled == []
