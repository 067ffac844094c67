"""After close nothing is left, on either side, however the client came to it; and close ends in bounded time."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import re
import socket as sockets
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer, free_port
from support.patience import eventually
from support.rest import Left
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.client.processes import close_all
from jupyter_rtmsg.errors import ConnectionRefused, Disconnected, NotJoined, RtmsgError, ServerUnreachable
from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.server import Server
from jupyter_rtmsg.wire.websocket import TEXT, Close, FrameParser, Message, accept_value, encode_frame

_ROOT = Path(__file__).parents[2]
OPEN = b'0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


async def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program."""
    command, environment = [sys.executable, "-W", "default", "-c", code], {"PYTHONPATH": str(_ROOT)}
    return await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60)


class Ground:
    """A hub on this very loop: what is left is counted for both sides at once."""

    def __init__(self, io: Server, port: int) -> None:
        self.io = io
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"

    async def nothing_left(self, before: Left) -> None:
        """Wait until this process holds no more than before."""
        await until(lambda: not self.io.engine.sessions)
        await Left.back_to(before, asyncio.get_running_loop())


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="test"))
    io, log = Server(), await open_log("memory:")
    io.of("/closed").use(refuse)
    hub = Hub(io, log)
    await hub.start()
    made = Ground(io, await io.listen())
    await socket_client(made.url)  # the server has a timer for its sessions from now on
    await until(lambda: not io.engine.sessions)
    yield made
    await hub.close()
    await io.close()
    await log.close()


def refuse(client: Any) -> None:
    raise ConnectionRefused("not you")


async def async_client(url: str) -> None:
    async with rt.AsyncClient(url) as hub:
        room = await hub.join("lab")
        room.on("n", print)


async def socket_client(url: str) -> None:
    socket = rt.SocketClient(url)
    socket.on("n", print)
    await socket.connect()
    await socket.disconnect()


def client(url: str) -> None:
    with rt.Client(url) as hub:
        hub.join("lab").on("n", print)


def socket(url: str) -> None:
    with rt.Socket(url) as plain:
        plain.on("n", print)
        plain.on_state(lambda state: None)


@pytest.mark.timeout(600)  # a thousand connections, on a busy machine as well
@pytest.mark.parametrize("life", [async_client, socket_client, client, socket])
async def test_connecting_and_closing_leaves_nothing_on_either_side(ground: Ground, life: Callable[[str], Any]) -> None:
    async def lives(number: int) -> None:
        for _ in range(number):
            if inspect.iscoroutinefunction(life):
                await life(ground.url)
            else:
                await asyncio.to_thread(life, ground.url)

    await lives(3)
    await until(lambda: not ground.io.engine.sessions)
    before = Left.now(asyncio.get_running_loop())
    await lives(250)
    await ground.nothing_left(before)


async def test_closing_is_a_disconnect_to_the_server(ground: Ground) -> None:
    reasons: list[str] = []
    ground.io.on("connection", lambda client: client.on("disconnect", lambda reason, *_: reasons.append(reason)))
    for life in (async_client, socket_client):
        await life(ground.url)
    for blocking in (client, socket):
        await asyncio.to_thread(blocking, ground.url)
    await until(lambda: len(reasons) == 4)
    assert set(reasons) == {"client namespace disconnect"}
    assert not ground.io.engine.sessions


async def test_the_last_word_of_a_client_is_a_close_frame() -> None:
    lasts: list[Message] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.partition(": ")[2] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_value(key).encode() + b"\r\n\r\n" + encode_frame(TEXT, OPEN)
        )
        parser, messages = FrameParser(masked=True, max_size=1 << 20), list[Message]()
        while data := await reader.read(1 << 16):
            messages += parser.feed(data)
            if messages[0] == messages[-1]:  # CONNECT
                writer.write(encode_frame(TEXT, b'40{"sid":"b"}'))
            elif (hello := re.match(r'42(\d+)\["hello"', str(messages[-1]))) is not None:
                writer.write(encode_frame(TEXT, b'43%b[{"ok":true}]' % hello[1].encode()))
        lasts.append(messages[-1])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    for kind in (rt.AsyncClient, rt.SocketClient):
        awaited: Any = kind(url, transports=["websocket"])
        await awaited.connect()
        await (awaited.close() if kind is rt.AsyncClient else awaited.disconnect())

    def live(kind: Any) -> None:
        with kind(url, transports=["websocket"]):
            pass

    for kind in (rt.Client, rt.Socket):
        await asyncio.to_thread(live, kind)
    await until(lambda: len(lasts) == 4)
    assert lasts == [Close(1000)] * 4
    server.close()


# --- a first connection that fails


async def test_a_failed_first_connection_leaves_nothing(ground: Ground) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/"

    def blocking() -> None:
        for kind in (quick_client, quick_socket):
            with pytest.raises(ServerUnreachable):
                kind(nowhere)

    def quick_client(url: str) -> None:
        with rt.Client(url, timeout=0.1):
            pass

    def quick_socket(url: str) -> None:
        plain = rt.Socket(url)
        try:
            plain.connect(0.1)
        finally:
            plain.close()

    before = Left.now(asyncio.get_running_loop())
    for kind in (rt.AsyncClient(nowhere, timeout=0.1), rt.SocketClient(nowhere)):
        with pytest.raises(ServerUnreachable):
            await (kind.connect() if isinstance(kind, rt.AsyncClient) else kind.connect(0.1))
    await asyncio.to_thread(blocking)
    await ground.nothing_left(before)


async def test_a_refused_client_leaves_nothing(ground: Ground) -> None:
    def blocking() -> None:
        with pytest.raises(ConnectionRefused), rt.Socket(ground.url, namespace="/closed"):
            pass

    before = Left.now(asyncio.get_running_loop())
    with pytest.raises(ConnectionRefused):
        await rt.SocketClient(ground.url, namespace="/closed").connect()
    await asyncio.to_thread(blocking)
    await ground.nothing_left(before)


ANSWERS = {
    "a refused token": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "a drop while connecting": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a drop amid the answer": b"HTTP/1.1 101 Switching Protocols\r\nUpg",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_connection_that_does_not_come_about_leaves_nothing(ground: Ground, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    before = Left.now(asyncio.get_running_loop())

    def blocking() -> None:
        plain = rt.Socket(url)
        with pytest.raises(RtmsgError):
            plain.connect(0.2)
        plain.close()
        with pytest.raises(RtmsgError):
            rt.Client(url, timeout=0.2).connect()

    with pytest.raises(RtmsgError):
        await rt.AsyncClient(url, timeout=0.2).connect()
    with pytest.raises(RtmsgError):
        await rt.SocketClient(url).connect(0.2)
    await asyncio.to_thread(blocking)
    await ground.nothing_left(before)
    server.close()


async def test_closing_while_connecting_leaves_nothing(ground: Ground) -> None:
    """The server takes the connection and never answers."""
    before = Left.now(asyncio.get_running_loop())
    with sockets.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        one, plain = rt.AsyncClient(url), rt.SocketClient(url)
        connecting = [asyncio.ensure_future(one.connect()), asyncio.ensure_future(plain.connect())]
        await until(lambda: one.socket.io._task and plain.io._task)
        await one.close()
        await plain.disconnect()
        for task in connecting:
            task.cancel()
        await asyncio.wait(connecting)
        blocking = rt.Socket(url)

        def connect() -> None:
            with pytest.raises(RtmsgError):
                blocking.connect()

        thread = threading.Thread(target=connect)
        thread.start()
        await until(lambda: blocking.io._task)
        await asyncio.to_thread(blocking.close)
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
    await ground.nothing_left(before)


async def test_closing_while_it_comes_back_leaves_nothing(ground: Ground) -> None:
    before = Left.now(asyncio.get_running_loop())
    one, plain = rt.AsyncClient(ground.url), rt.SocketClient(ground.url)
    blocking = await asyncio.to_thread(lambda: rt.Client(ground.url).connect())
    await one.connect()
    await plain.connect()
    for each in (one.socket, plain):
        each.drop()
    await asyncio.to_thread(blocking.socket.drop)
    await until(lambda: {one.state, plain.state, blocking.state} == {"offline"})
    await one.close()
    await plain.disconnect()
    await asyncio.to_thread(blocking.close)
    await ground.nothing_left(before)


async def test_closing_an_unconnected_client_leaves_nothing(ground: Ground) -> None:
    before = Left.now(asyncio.get_running_loop())
    await rt.AsyncClient(ground.url).close()
    await rt.SocketClient(ground.url).disconnect()
    rt.Client(ground.url).close()
    rt.Socket(ground.url).close()
    await ground.nothing_left(before)


async def test_closing_while_frozen_leaves_nothing(ground: Ground) -> None:
    before = Left.now(asyncio.get_running_loop())
    socket = rt.SocketClient(ground.url)
    await socket.connect()
    socket.freeze(600)
    await socket.disconnect()
    await ground.nothing_left(before)


async def test_closing_twice_is_closing_once(ground: Ground) -> None:
    before = Left.now(asyncio.get_running_loop())
    one = await rt.AsyncClient(ground.url).connect()
    await one.join("lab")
    await asyncio.gather(one.close(), one.close())
    await one.close()
    for kind in (rt.Client, rt.Socket):
        blocking: Any = kind(ground.url)
        await asyncio.to_thread(blocking.connect)
        await asyncio.gather(asyncio.to_thread(blocking.close), asyncio.to_thread(blocking.close))
        blocking.close()
    await ground.nothing_left(before)


async def test_leaving_and_disconnecting_after_close_do_nothing_and_all_else_says_it_was_closed(ground: Ground) -> None:
    def live() -> None:
        hub = rt.Client(ground.url).connect()
        room = hub.join("lab")
        plain = rt.Socket(ground.url)
        plain.connect()
        for each in (hub, plain):
            each.close()
        room.leave()
        plain.disconnect()
        for call in (
            lambda: plain.emit("n"), lambda: plain.emit_with_ack("n"), plain.connect, lambda: plain.ready(1),
            hub.rooms, room.history, lambda: hub.join("lab"), hub.connect,
        ):  # fmt: skip
            with pytest.raises(Disconnected, match="was closed"):
                call()
        with pytest.raises(NotJoined):
            room.emit("n")

    before = Left.now(asyncio.get_running_loop())
    await asyncio.to_thread(live)
    await ground.nothing_left(before)


async def test_closing_takes_bounded_time_when_the_server_has_stopped() -> None:
    with HubServer() as server:
        hub = await rt.AsyncClient(server.url, TOKEN).connect()
        room = await hub.join("lab", as_="reader")
        room.on("n", lambda event: None)
        await room.emit("n", 1)
        server.freeze()
        start = time.monotonic()
        await hub.close()
        assert time.monotonic() - start < 10  # the timeout of one command; it asks for two
        server.thaw()


# --- a client that nobody holds


async def test_an_unreferenced_blocking_client_without_handlers_is_closed(ground: Ground) -> None:
    before = Left.now(asyncio.get_running_loop())

    def forget() -> None:
        hub = rt.Client(ground.url).connect()
        hub.join("lab").emit("n", 1)
        rt.Socket(ground.url).connect()
        rt.Socket(ground.url)

    await asyncio.to_thread(forget)
    gc.collect()
    await ground.nothing_left(before)


async def test_a_client_lives_on_with_any_of_its_parts_or_handlers(ground: Ground) -> None:
    before = Left.now(asyncio.get_running_loop())
    heard: list[Any] = []

    def keep() -> tuple[Any, ...]:
        room = rt.Client(ground.url).connect().join("lab")
        plain = rt.Client(ground.url).connect().socket
        rt.Client(ground.url).connect().join("lab").on("n", heard.append)
        return room, plain

    room, plain = await asyncio.to_thread(keep)
    gc.collect()
    await asyncio.to_thread(room.emit, "n", 1)
    assert (await asyncio.to_thread(plain.emit_with_ack, "rooms", {}))["ok"]
    await until(lambda: heard)
    assert len(ground.io.engine.sessions) == 3
    await asyncio.to_thread(close_all)
    await ground.nothing_left(before)


async def test_the_end_of_asyncio_run_closes_the_connection(ground: Ground) -> None:
    code = f"""
import asyncio, jupyter_rtmsg as rt
async def main():
    hub = await rt.AsyncClient({ground.url!r}).connect()
    await (await hub.join("lab")).emit("n", 1)
asyncio.run(main())
"""
    done = await run(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    await until(lambda: not ground.io.engine.sessions)


async def test_a_loop_that_ends_with_close_has_no_task_left(ground: Ground) -> None:
    code = f"""
import asyncio, gc, jupyter_rtmsg as rt
async def main():
    async with rt.AsyncClient({ground.url!r}) as hub:
        room = await hub.join("lab", as_="reader")
        room.on("n", lambda event: None)
        await room.emit("n", 1)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
print([task.get_name() for task in asyncio.all_tasks(loop)])
loop.close()
gc.collect()
"""
    done = await run(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


# --- handlers, when the client is closed


async def test_received_events_are_handled_before_the_client_is_closed(ground: Ground) -> None:
    seen: list[Any] = []
    other = await (await rt.AsyncClient(ground.url).connect()).join("lab")
    async with rt.AsyncClient(ground.url) as hub:
        room = await hub.join("lab", as_="reader")

        @room.on("n")
        async def slow(event: rt.Event) -> None:
            await asyncio.sleep(0.01)
            seen.append(event.data)

        for number in range(20):
            await other.emit("n", number)
        await until(lambda: room.head == other.head)
    assert seen == list(range(20))
    again = await (await rt.AsyncClient(ground.url).connect()).join("lab", as_="reader")
    assert again.missed_count == 0  # what was handled last was acknowledged, too
    await again.client.close()
    await other.client.close()


async def test_a_blocking_client_handles_received_events_before_it_is_closed(ground: Ground) -> None:
    seen: list[Any] = []
    plain: list[Any] = []

    def live() -> None:
        with rt.Client(ground.url) as hub:
            room = hub.join("lab")
            room.on("n", lambda event: (time.sleep(0.01), seen.append(event.data)))
            hub.socket.on("greeting", lambda number: (time.sleep(0.01), plain.append(number)))

            @room.on("n")
            async def slow(event: rt.Event) -> None:
                await asyncio.sleep(0.01)
                seen.append(-event.data)

            for number in range(1, 11):
                loop.call_soon_threadsafe(ground.io.emit, "greeting", number)
                room.emit("n", number)

    loop = asyncio.get_running_loop()
    before = Left.now(asyncio.get_running_loop())
    await asyncio.to_thread(live)
    assert seen == [sign * number for number in range(1, 11) for sign in (1, -1)]
    assert plain == list(range(1, 11))
    await ground.nothing_left(before)


async def test_a_loop_over_events_gets_the_events_before_the_close_and_ends(ground: Ground) -> None:
    hub = await rt.AsyncClient(ground.url).connect()
    room = await hub.join("lab")
    awaited = room.events()
    for number in range(2_000):  # more than a stream holds while nobody takes them
        await room.emit("n", number, wait=False)
    await hub.outbox.flush(30)
    await until(lambda: room.membership.inbox.put_count == 2_000)
    await hub.close()
    assert [event.data async for event in awaited] == list(range(2_000))

    def live() -> list[Any]:
        with rt.Client(ground.url) as hub:
            room = hub.join("other")
            blocking = room.events()
            for number in range(2_000):
                room.emit("n", number, wait=False)
            eventually(lambda: room._async.membership.inbox.put_count == 2_000)
        return [event.data for event in blocking]

    assert await asyncio.to_thread(live) == list(range(2_000))


async def test_a_handler_that_hangs_does_not_keep_close_from_ending(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    before = Left.now(asyncio.get_running_loop())
    cancelled: list[str] = []

    begun: set[str] = set()

    async def hang(kind: str) -> None:
        begun.add(kind)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(kind)

    one = await rt.AsyncClient(ground.url).connect()
    room = await one.join("lab")
    room.on("n", lambda event: hang("room"))
    one.socket.on("ask", lambda: hang("socket"))
    ground.io.emit("ask")
    await room.emit("n", 1)
    await until(lambda: begun == {"room", "socket"})
    with caplog.at_level(logging.WARNING, "jupyter_rtmsg"):
        await one.close(timeout=0.1)
    assert cancelled == ["room", "socket"]
    assert "a handler had not returned 0.1 s after" in caplog.text

    gate = threading.Event()
    entered = threading.Event()

    def live() -> None:
        hub = rt.Client(ground.url).connect()
        blocked, waiting = hub.join("one"), hub.join("two")
        blocked.on("n", lambda event: (entered.set(), gate.wait()))
        waiting.on("n", lambda event: hang("async handler"))
        blocked.emit("n", 1)
        waiting.emit("n", 1)
        entered.wait()
        eventually(lambda: "async handler" in begun)
        hub.close(timeout=0.1)

    await asyncio.to_thread(live)
    assert cancelled == ["room", "socket", "async handler"]
    gate.set()  # only that handler's own thread was left
    await ground.nothing_left(before)


async def test_the_end_of_a_process_takes_no_longer_for_many_clients_than_for_one(ground: Ground) -> None:
    gates = [threading.Event() for _ in range(5)]
    entered: list[int] = []

    def live() -> float:
        for number, gate in enumerate(gates):
            room = rt.Client(ground.url).connect().join(f"room{number}")
            room.on("n", lambda event, gate=gate: (entered.append(1), gate.wait()))
            room.emit("n")
        eventually(lambda: len(entered) == len(gates))
        start = time.monotonic()
        close_all(timeout=2.0)
        return time.monotonic() - start

    before = Left.now(asyncio.get_running_loop())
    assert await asyncio.to_thread(live) < 5 * 2.0
    for gate in gates:
        gate.set()
    await ground.nothing_left(before)


async def test_a_client_keeps_nothing_of_commands_and_rooms_that_are_over(ground: Ground) -> None:
    async with rt.AsyncClient(ground.url) as hub:
        for number in range(20):
            await (await hub.join(f"room{number}")).leave()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(hub.commands.ask("rooms", {}), 0)
        assert not hub.socket._link.acks._pending
        assert not hub._joining
        assert not hub._hub.memberships
        assert not hub._rooms


async def test_a_handler_may_close_its_client(ground: Ground) -> None:
    before = Left.now(asyncio.get_running_loop())
    done: list[str] = []
    one = await rt.AsyncClient(ground.url).connect()
    room = await one.join("lab")

    @room.on("n")
    async def close(event: rt.Event) -> None:
        await one.close(timeout=60)
        done.append("awaited")

    await room.emit("n", 1)
    await until(lambda: done)

    def live(asynchronous: bool) -> None:
        hub = rt.Client(ground.url).connect()
        room = hub.join("lab")

        def close(event: rt.Event) -> None:
            hub.close(timeout=60)
            done.append("blocking")

        async def close_in_async_handler(event: rt.Event) -> None:
            close(event)

        room.on("n", close_in_async_handler if asynchronous else close)
        room.emit("n", 1)

    await asyncio.to_thread(live, False)
    await until(lambda: len(done) == 2)
    await asyncio.to_thread(live, True)
    await until(lambda: len(done) == 3)
    await ground.nothing_left(before)
