"""Several handlers of one event, and handlers that cannot take what it brings."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg.server import Socket


async def none() -> None:
    await asyncio.sleep(0)


async def late() -> str:
    await asyncio.sleep(0)
    return "late"


def fail() -> None:
    raise RuntimeError("no")


@pytest.mark.parametrize(
    ("handlers", "answer"),
    [
        ([lambda: None, lambda: 1, lambda: 2], "430[1]"),
        ([lambda: 1, lambda: 2], "430[1]"),
        ([lambda: None, lambda: None], "430[]"),
        ([lambda: 0, lambda: 1], "430[0]"),
        ([none, lambda: 1], "430[1]"),
        ([lambda: None, late], '430["late"]'),
        ([late, lambda: 1], '430["late"]'),
        ([none, late, lambda: 1], '430["late"]'),
        ([none, none], "430[]"),
        ([lambda: None, lambda: ("two", "values")], '430["two","values"]'),
        ([lambda: None, fail], '430[{"error":{"code":"internal","message":"the handler failed"}}]'),
    ],
)
async def test_the_first_result_that_is_not_none_is_the_acknowledgement(serve: Any, handlers: Any, answer: str) -> None:
    served = await serve()
    called: list[int] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        for at, handler in enumerate(handlers):
            socket.on("q", counted(at, handler))

    def counted(at: int, handler: Any) -> Any:
        if asyncio.iscoroutinefunction(handler):

            async def call_later() -> Any:
                called.append(at)
                return await handler()

            return call_later

        def call() -> Any:
            called.append(at)
            return handler()

        return call

    client = await served.enter()
    client.send('420["q"]')
    assert await client.receive() == answer
    assert sorted(called) == list(range(len(handlers)))  # all of them are called, whoever answers


async def test_a_handler_that_raises_keeps_none_behind_it_from_being_called(serve: Any) -> None:
    served = await serve()
    heard: list[str] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("x", lambda: fail())
        socket.on("x", lambda: heard.append("behind"))

    client = await served.enter()
    client.send('42["x"]')
    await until(lambda: heard)


async def test_later_events_wait_until_the_result_of_several_handlers_is_known(serve: Any) -> None:
    served = await serve()
    go = asyncio.Event()
    order: list[str] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("q", lambda: None)

        @socket.on("q")
        async def slow() -> int:
            await go.wait()
            order.append("q")
            return 1

        socket.on("next", lambda: order.append("next"))

    client = await served.enter()
    client.send('420["q"]', '421["next"]')
    await client.quiet()
    assert order == []
    go.set()
    assert [await client.receive(), await client.receive()] == ["430[1]", "431[]"]
    assert order == ["q", "next"]


async def test_a_concurrent_handler_among_several_holds_up_nothing(serve: Any) -> None:
    served = await serve()
    go = asyncio.Event()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("q", concurrent=True)
        async def slow() -> int:
            await go.wait()
            return 1

        socket.on("q", lambda: None)
        socket.on("next", lambda: 2)

    client = await served.enter()
    client.send('420["q"]', '421["next"]')
    assert await client.receive() == "431[2]"
    go.set()
    assert await client.receive() == "430[1]"


# --- a wrong number of arguments


@pytest.mark.parametrize("many", [False, True])
async def test_an_event_that_a_handler_cannot_take_is_told_to_its_author_only(
    serve: Any, caplog: pytest.LogCaptureFixture, many: bool
) -> None:
    served = await serve()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("sum")
        def add(a: int, b: int) -> int:
            return a + b

        if many:
            socket.on("sum", lambda *args: None)

    client = await served.enter()
    client.send('420["sum",1,2,3]')
    assert await client.receive() == '430[{"error":{"code":"internal","message":"the handler failed"}}]'
    assert "handler add(a: 'int', b: 'int') -> 'int' of 'sum' takes 2 arguments, the event brought 3: [1, 2, 3]" in (
        caplog.text
    )


async def test_so_it_is_for_coroutine_functions_and_the_servers_own_events(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve()
    served.io.on("connection", lambda: None)

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("wait")
        async def wait() -> None:
            pass

        socket.on("disconnect", lambda: None)

    client = await served.enter()
    client.send('420["wait",1]')
    await client.receive()
    client.reset()
    await until(lambda: "'disconnect'" in caplog.text)
    for said in (
        "handler <lambda>() of 'connection' takes no arguments, the event brought 1: [<Socket",
        "handler wait() -> 'None' of 'wait' takes no arguments, the event brought 1: [1]",
        "handler <lambda>() of 'disconnect' takes no arguments, the event brought 1: ['transport",
    ):
        assert said in caplog.text


async def test_a_handler_that_takes_any_number_or_has_defaults_is_called(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("any", lambda *args: len(args))
        socket.on("some", lambda a, b=5: [a, b])

    client = await served.enter()
    client.send('420["any",1,2,3]', '421["some",1]')
    assert [await client.receive(), await client.receive()] == ["430[3]", "431[[1,5]]"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# --- names of events of a namespace


async def test_connect_is_another_name_of_connection(serve: Any) -> None:
    served = await serve()
    seen: list[str] = []
    first = served.io.on("connect", lambda socket: seen.append("on"))
    served.io.once("connect", lambda socket: seen.append("once"))
    served.io.of("/other").on("connect", lambda socket: seen.append("other"))
    await served.enter()
    await served.enter("/other")
    assert served.io.of("/").listeners("connection") == served.io.of("/").listeners("connect") == [first]
    served.io.off("connect", first)
    await served.enter()
    assert seen == ["on", "once", "other"]


async def test_a_namespace_refuses_events_of_a_socket(serve: Any) -> None:
    served = await serve()
    for listen in (served.io.on, served.io.once, served.io.off):
        with pytest.raises(ValueError, match="has the events connection, new_namespace, not 'sum'"):
            listen("sum", print)
