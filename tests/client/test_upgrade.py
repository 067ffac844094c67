"""The client's upgrade from long-polling to WebSocket: nothing is lost or reordered, and it may fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.httppeer import Request, http_peer, ok
from support.proxies import Hindering, Opening, running, switching
from support.wsclient import until

from jupyter_rtmsg import SocketClient
from jupyter_rtmsg.client import opening
from jupyter_rtmsg.client.opening import Strategy
from jupyter_rtmsg.server import Server
from jupyter_rtmsg.wire.engineio import OpenPacket
from jupyter_rtmsg.wire.websocket import TEXT, encode_close, encode_frame

ORDER: dict[str, Any] = {"transports": ["polling", "websocket"], "reconnection_delay": 0.01}


@pytest.fixture
async def io() -> AsyncIterator[Server]:
    server = Server()

    @server.on("connection")
    def connected(client: Any) -> None:
        client.on("sum", lambda a, b: a + b)
        client.on("echo", lambda *args: args)

    server.port = await server.listen()  # type: ignore[attr-defined]
    yield server
    await server.close()


def transport(client: SocketClient) -> str:
    assert client.io.session
    assert client.io.session.transport
    return client.io.session.transport.name


async def test_a_session_goes_on_over_a_websocket(io: Server) -> None:
    client = SocketClient(f"http://127.0.0.1:{io.port}/", **ORDER)  # type: ignore[attr-defined]
    seen: list[Any] = []
    for name in ("connect", "disconnect"):
        client.on(name, lambda *args, name=name: seen.append(name))
    await client.connect()
    first = client.id
    await until(lambda: transport(client) == "websocket")
    assert await client.emit_with_ack("echo", b"x", {"a": 1}) == [b"x", {"a": 1}]
    assert client.id == first
    assert len(io.engine.sessions) == 1
    assert len(client.descriptors) == 1
    assert client.io.session
    assert client.io.session.fits(client.max_payload, [b"x" * client.max_payload])
    await until(lambda: not any("polling" in task.get_name() for task in asyncio.all_tasks()))
    await client.disconnect()
    await until(lambda: not io.engine.sessions)
    assert seen == ["connect", "disconnect"]


@pytest.mark.parametrize("round_", range(5))
async def test_an_upgrade_neither_loses_nor_reorders_events(io: Server, round_: int) -> None:
    got: list[Any] = []
    seen: list[Any] = []
    io.on("connection", lambda client: client.on("n", lambda *args: got.append(args)))
    client = SocketClient(f"http://127.0.0.1:{io.port}/", **ORDER)  # type: ignore[attr-defined]
    client.on("n", lambda *args: seen.append(args))
    await client.connect()
    number = 0
    while transport(client) == "polling" or number < 1_000:
        for _ in range(3):
            attachments = (bytes([number % 256]),) if number % 7 == 0 else ()
            client.emit("n", number, *attachments)
            io.emit("n", number, *attachments)
            number += 1
        await asyncio.sleep(0.0002 * round_)
    await until(lambda: len(got) == len(seen) == number)
    assert [args[0] for args in got] == [args[0] for args in seen] == list(range(number))
    assert got == seen
    assert got[7] == (7, b"\x07")
    await client.disconnect()


async def test_a_large_backlog_that_waits_for_a_slow_post_goes_over_the_websocket(io: Server) -> None:
    got: list[int] = []
    io.on("connection", lambda client: client.on("n", lambda number, _: got.append(number)))
    client = SocketClient(f"http://127.0.0.1:{io.port}/", **ORDER)  # type: ignore[attr-defined]
    await client.connect()
    for number in range(40):
        client.emit("n", number, "x" * 100_000)
    await until(lambda: len(got) == 40 and transport(client) == "websocket")
    assert got == list(range(40))
    await client.disconnect()


@pytest.mark.parametrize(
    ("frames", "hang_up"),
    [
        (b"", True),
        (b"", False),
        (encode_frame(TEXT, b"3probe"), True),
        (encode_frame(TEXT, b"3nonsense"), False),
        (encode_close(1011), False),
        (b"\xff\xff\xff", False),
    ],
    ids=["hangs up", "silent", "answers and hangs up", "nonsense", "closes", "no frames"],
)
async def test_a_failed_upgrade_leaves_the_session_on_polling(
    io: Server, frames: bytes, hang_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_UPGRADE_TIMEOUT", 0.3)
    async with running(Opening(io.port, frames, hang_up=hang_up)) as proxy:  # type: ignore[attr-defined]
        client = SocketClient(proxy.url, **ORDER)
        reasons: list[str] = []
        seen: list[int] = []
        client.on("disconnect", reasons.append)
        client.on("n", seen.append)
        await client.connect()
        for number in range(20):
            io.emit("n", number)
            assert await client.emit_with_ack("sum", number, 1) == number + 1
            await asyncio.sleep(0.03)
        await until(lambda: not Strategy(["websocket", "polling"]).tries_websocket(proxy.url))
        await until(lambda: len(seen) == 20)
        assert seen == list(range(20))
        assert transport(client) == "polling"
        assert await client.emit_with_ack("sum", 1, 2) == 3
        assert not reasons
        await client.disconnect()
        await until(lambda: not io.engine.sessions)


async def test_a_server_that_never_ends_the_get_that_waits_keeps_the_session_on_polling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "_UPGRADE_TIMEOUT", 0.3)
    gets: asyncio.Queue[bytes] = asyncio.Queue()
    upgraded, waits = asyncio.Event(), asyncio.Event()

    said: list[str] = []

    async def answer(request: Request) -> bytes:
        if request.is_upgrade:
            await waits.wait()
            upgraded.set()
            return switching(request.headers["sec-websocket-key"]) + encode_frame(TEXT, b"3probe")
        if "sid=" not in request.target:
            return ok(OpenPacket("s", 25, 20, 1_000, ("websocket",)).encode())
        if request.method == "GET":
            if '40{"sid"' in "".join(said):
                waits.set()
            said.append((await gets.get()).decode())
            return said[-1].encode()
        if request.body == b"40":
            gets.put_nowait(ok('40{"sid":"x"}'))
        return ok("ok")

    async with http_peer(answer) as peer:
        client = SocketClient(peer.url, **ORDER)
        seen: list[int] = []
        client.on("n", seen.append)
        await client.connect()
        await upgraded.wait()
        client.emit("n", 1)
        await until(lambda: not Strategy(["websocket", "polling"]).tries_websocket(peer.url))  # it was given up
        await until(lambda: any("42" in body for body in peer.bodies()))
        gets.put_nowait(ok('42["n",2]'))
        await until(lambda: seen == [2])
        assert transport(client) == "polling"
        assert peer.bodies() == ["40", '42["n",1]']
        await client.disconnect()


async def test_one_noop_before_the_answer_to_the_probe_is_enough() -> None:
    """No further GET may begin after it: it would wait until the next ping of a server that sends no other NOOP."""
    gets: asyncio.Queue[bytes] = asyncio.Queue()
    idle = asyncio.Event()
    numbers: list[int] = []

    async def answer(request: Request) -> bytes:
        if request.is_upgrade:
            await idle.wait()
            gets.put_nowait(ok("6"))
            await until(gets.empty)
            numbers.append(sum(one.method == "GET" for one in peer.requests))
            return switching(request.headers["sec-websocket-key"]) + encode_frame(TEXT, b"3probe")
        if "sid=" not in request.target:
            return ok(OpenPacket("s", 25, 20, 1_000, ("websocket",)).encode())
        if request.method == "POST":
            gets.put_nowait(ok('40{"sid":"x"}'))
            return ok("ok")
        if client.connected:
            idle.set()
        return await gets.get()

    async with http_peer(answer) as peer:
        client = SocketClient(peer.url, **ORDER)
        await client.connect()
        await until(lambda: transport(client) == "websocket")
        assert sum(one.method == "GET" for one in peer.requests) == numbers[0]
        await client.disconnect()


async def test_events_are_sent_while_the_server_ends_the_last_get_late() -> None:
    gets: asyncio.Queue[bytes] = asyncio.Queue()
    idle = asyncio.Event()

    async def answer(request: Request) -> bytes:
        if request.is_upgrade:
            await idle.wait()
            return switching(request.headers["sec-websocket-key"]) + encode_frame(TEXT, b"3probe")
        if "sid=" not in request.target:
            return ok(OpenPacket("s", 25, 20, 1_000, ("websocket",)).encode())
        if request.method == "POST":
            if request.body == b"40":
                gets.put_nowait(ok('40{"sid":"x"}'))
            return ok("ok")
        if client.connected:
            idle.set()
        return await gets.get()

    async with http_peer(answer) as peer:
        client = SocketClient(peer.url, **ORDER)
        await client.connect()
        await until(lambda: any(one.is_upgrade for one in peer.requests) and idle.is_set())
        for number in range(3):
            client.emit("n", number)
            await until(lambda number=number: f'42["n",{number}]' in peer.bodies())
        assert transport(client) == "polling"
        gets.put_nowait(ok("6"))
        await until(lambda: transport(client) == "websocket")
        await client.disconnect()


async def test_disconnecting_during_an_upgrade_ends_everything(io: Server) -> None:
    for turns in range(0, 40, 2):
        client = SocketClient(f"http://127.0.0.1:{io.port}/", **ORDER)  # type: ignore[attr-defined]
        await client.connect()
        client.emit("n", turns)
        for _ in range(turns):
            await asyncio.sleep(0)
        await client.disconnect()
        assert not client.descriptors
    await until(lambda: not io.engine.sessions)
    await until(lambda: not any("rtmsg" in task.get_name() for task in asyncio.all_tasks()))


async def test_a_server_without_upgrades_is_not_probed() -> None:
    io = Server(transports=["polling"])
    async with running(Hindering(await io.listen())) as proxy:
        client = SocketClient(proxy.url, **ORDER)
        await client.connect()
        assert transport(client) == "polling"
        assert proxy.upgrades == 0
        await client.disconnect()
    await io.close()
