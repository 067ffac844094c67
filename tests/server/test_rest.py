"""An idle server runs nothing, and what has left it leaves nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from support.pollclient import PollClient
from support.rest import PING_INTERVAL, Beats, Left, apart, sleeps, wakes
from support.wsclient import RawClient, until, upgrade_request

from jupyter_rtmsg.client.loop_thread import LoopThread
from jupyter_rtmsg.server import Server
from jupyter_rtmsg.server.session import Session


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread("test server")
    yield thread
    thread.stop()


@pytest.fixture
async def beats() -> AsyncIterator[Beats]:
    """The pings of another server, on the loop of the test."""
    io = Server(ping_interval=PING_INTERVAL)
    async with Beats.of(await io.listen()) as beats:
        yield beats
    await io.close()


async def upgraded(port: int) -> tuple[PollClient, RawClient]:
    poll = await PollClient.open(port)
    ws = await RawClient.dial(port)
    ws.write(upgrade_request(f"EIO=4&transport=websocket&sid={poll.sid}"))
    assert (await ws.response()).status == 101
    ws.send("2probe")
    assert await ws.receive() == "3probe"
    ws.send("5")
    await ws.enter()
    return poll, ws


async def test_a_server_with_idle_sessions_does_not_wake(thread: LoopThread, beats: Beats) -> None:
    io = Server(ping_interval=600)
    port = await apart(thread, io.listen())
    kept: list[Any] = [await RawClient.open(port) for _ in range(20)]
    for client in kept[:10]:
        await client.enter()
    waiting = [await PollClient.open(port) for _ in range(5)]
    kept += [await poll.start(query=poll.query) for poll in waiting]  # a GET that waits for an event
    kept.append(await upgraded(port))
    await until(lambda: len(io.engine.sessions) == 26)
    assert await sleeps(thread.loop, beats)
    for client in kept[:20]:
        client.writer.close()
    for poll in waiting:
        poll.close()
    kept[-1][1].writer.close()
    await apart(thread, io.close())


async def test_a_ping_wakes_a_server_for_itself_and_for_its_answer(thread: LoopThread) -> None:
    io = Server(ping_interval=PING_INTERVAL, ping_timeout=60)
    port = await apart(thread, io.listen())
    clients = [await RawClient.open(port) for _ in range(20)]
    each = [Beats(client) for client in clients]
    await asyncio.gather(*(one.pass_(1) for one in each))
    with wakes(thread.loop) as (counted,):
        await asyncio.gather(*(one.pass_(5) for one in each))
    assert counted.count <= 100 * 4  # the deadline, its write, the answer, and one more
    for client in clients:
        client.writer.close()
    await apart(thread, io.close())


async def say_goodbye(client: RawClient) -> None:
    client.send("41")
    client.send_close()
    client.writer.close()


async def hang_up(client: RawClient) -> None:
    client.writer.close()


async def reset(client: RawClient) -> None:
    client.reset()


async def test_a_thousand_sessions_leave_nothing_however_they_end() -> None:
    io = Server()
    io.on("connection", lambda client: client.join("lab"))
    port = await io.listen()
    ends = [say_goodbye, hang_up, reset]

    async def live(number: int) -> None:
        client = await RawClient.open(port)
        if number % 2:
            await client.enter()
        await ends[number % 3](client)

    async def poll(number: int) -> None:
        client = await PollClient.open(port)
        await client.post("1" if number % 2 else "40")
        if not number % 2:
            await client.post("1")
        client.close()

    async def lives(count: int) -> None:
        for number in range(0, count, 20):
            await asyncio.gather(*(live(each) for each in range(number, number + 15)))
            await asyncio.gather(*(poll(each) for each in range(5)))
        await until(lambda: not io.engine.sessions)

    loop = asyncio.get_running_loop()
    await lives(20)
    before = Left.now(loop)
    await lives(1000)
    await Left.back_to(before, loop)
    assert not io.sockets.sockets
    await io.close()


async def test_sessions_that_are_over_are_not_kept_until_their_ping_would_be_due() -> None:
    io = Server()
    port = await io.listen()
    kept = await RawClient.open(port)
    for _ in range(20):
        clients = [await RawClient.open(port) for _ in range(25)]
        for client in clients:
            client.writer.close()
    await until(lambda: len(io.engine.sessions) == 1)
    gc.collect()
    assert sum(type(one) is Session for one in gc.get_objects()) <= 70
    kept.writer.close()
    await io.close()


async def test_a_server_that_was_closed_leaves_nothing() -> None:
    loop = asyncio.get_running_loop()
    before = Left.now(loop)
    for _ in range(20):
        io = Server()
        port = await io.listen()
        clients = [await RawClient.open(port) for _ in range(3)]
        await io.close()
        for client in clients:
            await client.closing()
            client.writer.close()
    await Left.back_to(before, loop)
