"""Emitting from any thread; everything else is refused there, with words."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg.errors import NotJSON, TooLarge
from jupyter_rtmsg.server import Server, Socket


async def in_thread(function: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, function)


@pytest.mark.parametrize("recovery", [False, True])
async def test_events_emitted_from_a_thread_arrive_in_order(serve: Any, recovery: bool):
    served = await serve(recovery=recovery)
    client = await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    socket.join("lab")

    def work() -> None:
        for n in range(100):
            served.io.emit("e", n, 0)
            socket.emit("e", n, 1)
            served.io.to("lab").emit("e", n, 2)
            served.io.of("/").volatile.emit("e", n, 3)
            socket.send(n, b"binary")

    async def receive() -> str:
        while str(message := await client.receive()).startswith('42["$offset",'):
            assert recovery
        return str(message)

    await in_thread(work)
    for n in range(100):
        for kind in range(4):
            assert (await receive()).startswith(f'42["e",{n},{kind}')
        assert (await receive()).startswith(f'451-["message",{n},{{')
        assert await receive() == str(b"binary")
    served.io.emit("end")
    assert await receive() == '42["end"]'


async def test_data_that_cannot_be_sent_are_refused_on_the_emitting_thread(serve: Any):
    served = await serve(max_queue=10_000)
    await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    for emit in (served.io.emit, socket.emit):
        with pytest.raises(NotJSON):
            await in_thread(lambda emit=emit: emit("e", {1, 2}))
        with pytest.raises(ValueError, match="own events"):
            await in_thread(lambda emit=emit: emit("connect"))
        with pytest.raises(TooLarge):
            await in_thread(lambda emit=emit: emit("e", "x" * 20_000))


async def test_a_change_of_the_data_after_an_emit_on_a_thread_is_not_sent(serve: Any):
    served = await serve()
    client = await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    data = {"loss": 1}

    def work() -> None:
        socket.emit("e", data)
        data["loss"] = 2
        served.io.emit("e", data)
        data["loss"] = 3

    await in_thread(work)
    assert await client.receive() == '42["e",{"loss":1}]'
    assert await client.receive() == '42["e",{"loss":2}]'


async def test_threads_and_the_loop_may_emit_at_once(serve: Any):
    served = await serve()
    client = await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    threads = [threading.Thread(target=lambda k=k: [socket.emit("e", k, n) for n in range(200)]) for k in range(4)]
    for thread in threads:
        thread.start()
    for n in range(200):
        socket.emit("e", 4, n)
        await asyncio.sleep(0)
    await until(lambda: not any(thread.is_alive() for thread in threads))
    got: dict[int, list[int]] = {}
    for _ in range(1000):
        _, k, n = json.loads(str(await client.receive())[2:])
        got.setdefault(k, []).append(n)
    assert got == {k: list(range(200)) for k in range(5)}


async def test_an_engine_sends_from_any_thread(serve: Any):
    served = await serve()
    client = await served.open()
    (session,) = served.io.engine.sessions.values()
    await in_thread(lambda: [session.send("text"), session.send(bytearray(b"bytes"))])
    assert await client.receive() == "4text"
    assert await client.receive() == b"bytes"


CALLS: dict[str, Callable[[Server, Socket], Any]] = {
    "join": lambda io, socket: socket.join("a"),
    "leave": lambda io, socket: socket.leave("a"),
    "disconnect": lambda io, socket: socket.disconnect(),
    "sockets_join": lambda io, socket: io.sockets_join("a"),
    "disconnect_sockets": lambda io, socket: io.disconnect_sockets(),
    "fetch_sockets": lambda io, socket: asyncio.run(io.fetch_sockets()),  # type: ignore[arg-type]
    "emit_with_ack": lambda io, socket: asyncio.run(socket.emit_with_ack("q")),
    "broadcast with ack": lambda io, socket: asyncio.run(io.timeout(1).emit_with_ack("q")),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_anything_else_is_refused_on_another_thread_and_says_how(
    serve: Any, call: Callable[[Server, Socket], Any]
):
    served = await serve()
    client = await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
        await in_thread(lambda: call(served.io, socket))
    await client.quiet()
    assert socket.rooms == {socket.id}
