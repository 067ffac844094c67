"""Loops and threads mixed as people mix them in cells: it works, or says at once what is wrong."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg import listening
from jupyter_rtmsg.server import Server


def on_a_loop_of_its_own(coroutine: Any) -> Any:
    """Run a coroutine as asyncio.run does, in this thread, and keep the loop open."""
    loop = asyncio.new_event_loop()
    try:
        return loop, loop.run_until_complete(coroutine)
    except BaseException:
        loop.close()
        raise


USES: dict[str, Callable[[rt.AsyncClient, rt.AsyncRoom], Any]] = {
    "emit": lambda hub, room: room.emit("n", 1),
    "history": lambda hub, room: room.history(),
    "replay": lambda hub, room: room.replay([]),
    "leave": lambda hub, room: room.leave(),
    "join": lambda hub, room: hub.join("another"),
    "rooms": lambda hub, room: hub.rooms(),
    "close": lambda hub, room: hub.close(),
    "connect": lambda hub, room: hub.connect(),
    "plain emit": lambda hub, room: later(hub.socket.emit, "n"),
    "plain ack": lambda hub, room: hub.socket.emit_with_ack("rooms", {}),
    "ready": lambda hub, room: hub.socket.ready(1),
    "disconnect": lambda hub, room: hub.socket.disconnect(),
    "iterator": lambda hub, room: later(room.events),
}


async def later(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


@pytest.mark.parametrize("ended", [False, True], ids=["first loop stopped", "first loop closed"])
def test_an_async_client_on_a_second_loop_says_so_at_once(shared_hub: HubServer, room_name: str, ended: bool) -> None:
    hub = rt.AsyncClient(shared_hub.url, TOKEN)

    async def first() -> rt.AsyncRoom:
        await hub.connect()
        return await hub.join(room_name)

    loop, room = on_a_loop_of_its_own(first())
    if ended:
        asyncio.set_event_loop(None)
        loop.run_until_complete(hub_tasks_end())
        loop.close()
    for name, use in USES.items():
        words = "has ended" if ended else "is not this one"
        with pytest.raises(RuntimeError, match=rf"on an event loop that {words}.*or use the blocking Client") as caught:
            asyncio.run(asyncio.wait_for(use(hub, room), 5))
        assert caught.type is RuntimeError, name
    if not ended:
        loop.run_until_complete(hub.close())
        loop.close()


async def hub_tasks_end() -> None:
    """Do as asyncio.run does at its end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_an_emit_of_an_async_socket_from_a_thread_says_so(shared_hub: HubServer) -> None:
    async def main() -> None:
        socket = rt.SocketClient(shared_hub.url, TOKEN)
        await socket.connect()
        with pytest.raises(RuntimeError, match="blocking Client or Socket, which any thread may use"):
            await asyncio.to_thread(socket.emit, "n")
        await socket.disconnect()

    asyncio.run(main())


def test_a_client_that_has_left_its_loop_may_connect_on_another(shared_hub: HubServer) -> None:
    socket = rt.SocketClient(shared_hub.url, TOKEN)

    async def once() -> bool:
        await socket.connect()
        try:
            return bool((await socket.emit_with_ack("rooms", {}))["ok"])
        finally:
            await socket.disconnect()

    assert [asyncio.run(once()) for _ in range(2)] == [True, True]


# --- a blocking client and a server on the loop that it blocks


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "localhost"])
@pytest.mark.parametrize("kind", [rt.Socket, rt.Client])
async def test_a_blocking_client_of_a_server_on_this_loop_says_so_at_once(kind: type[Any], address: str) -> None:
    io = Server()
    port = await io.listen(address=address)
    for host in ("127.0.0.1", "localhost"):
        client = kind(f"http://{host}:{port}/")
        with pytest.raises(RuntimeError, match=r"the event loop of this thread, which this call would block"):
            client.connect()
        client.close()
    await io.close()


async def test_every_call_that_waits_for_the_server_says_so() -> None:
    io = Server()
    io.on("connection", lambda client: client.on("sum", lambda a, b: a + b))
    port = await io.listen()
    socket = rt.Socket(f"http://127.0.0.1:{port}/")
    await asyncio.to_thread(socket.connect)
    assert await asyncio.to_thread(socket.emit_with_ack, "sum", 1, 2) == 3
    for call in (lambda: socket.emit_with_ack("sum", 1, 2), lambda: socket.ready(5), socket.connect):
        with pytest.raises(RuntimeError, match=r"await asyncio\.to_thread"):
            call()
    socket.emit("sum", 1, 2)  # waits for nothing
    socket.close()
    await io.close()


async def test_another_server_on_the_same_port_elsewhere_is_not_meant() -> None:
    io = Server()
    port = await io.listen()
    listening.check_blocking("192.0.2.1", port)
    listening.check_blocking("127.0.0.1", port + 1)
    listening.check_blocking("example.org", port)
    await io.close()
    listening.check_blocking("127.0.0.1", port)


async def test_a_server_on_another_loop_can_be_waited_for() -> None:
    ready, done = threading.Event(), threading.Event()
    ports: list[int] = []

    def serve() -> None:
        async def main() -> None:
            io = Server()
            io.on("connection", lambda client: client.on("sum", lambda a, b: a + b))
            ports.append(await io.listen())
            ready.set()
            await asyncio.to_thread(done.wait)
            await io.close()

        asyncio.run(main())

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    with rt.Socket(f"http://127.0.0.1:{ports[0]}/") as socket:
        assert socket.emit_with_ack("sum", 1, 2) == 3
    done.set()
    thread.join(10)


def test_a_server_whose_loop_does_not_run_is_said_to_be_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_GRACE", 0.05)
    io = Server()
    loop, port = on_a_loop_of_its_own(io.listen())
    with pytest.raises(RuntimeError, match="could never answer"), rt.Socket(f"http://127.0.0.1:{port}/"):
        pass
    loop.run_until_complete(io.close())
    loop.close()


def test_a_loop_that_is_gone_listens_nowhere() -> None:
    io = Server()
    loop, port = on_a_loop_of_its_own(io.listen())
    loop.close()
    listening.check_blocking("127.0.0.1", port)
    del loop, io
    gc.collect()
    listening.check_blocking("127.0.0.1", port)
