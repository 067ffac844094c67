"""Reading never stops while a handler runs, and what was received is handled."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import pytest
from support.webserver import queue_of
from support.wsclient import until

from jupyter_rtmsg.errors import ConnectionRefused, Disconnected, QueueFull
from jupyter_rtmsg.server import Socket, flow_control, timers
from jupyter_rtmsg.wire.websocket import TEXT, encode_frame


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at what may be stuck more often than once a second."""
    monkeypatch.setattr(timers, "CHECK_EVERY", 0.05)


COUNT = 10_200  # more than may wait; the rest fits into the buffers of the sockets, and the end of the stream behind it


def packets(*texts: str) -> bytes:
    return b"".join(encode_frame(TEXT, text.encode(), os.urandom(4)) for text in texts)


@pytest.mark.parametrize("behind", [200, 10_500, 100_000])
async def test_a_handler_gets_the_acknowledgement_that_comes_behind_other_events(serve: Any, behind: int):
    served = await serve()
    got: list[Any] = []
    seen: list[int] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("n", seen.append)

        @socket.on("start")
        async def start() -> None:
            got.append(await socket.timeout(30).emit_with_ack("q"))

    client = await served.enter()
    client.send('42["start"]')
    question = str(await client.receive())
    assert question.endswith('["q"]')
    client.write(packets(*[f'42["n",{n}]' for n in range(behind)], f"43{question[2:-5]}[7]"))
    await until(lambda: len(seen) == behind, 60)
    assert got == [7]
    assert seen == list(range(behind))
    assert served.io.engine.memory.used == 0


async def test_an_acknowledgement_asked_for_while_reading_pauses_is_read_too(serve: Any):
    served = await serve()
    gate = asyncio.Event()
    got: list[Any] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("start")
        async def start() -> None:
            await gate.wait()
            got.append(await socket.timeout(10).emit_with_ack("q"))

    client = await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    client.write(packets('42["start"]', *['42["n"]'] * 12_000))
    await until(lambda: socket.session.transport._unread)
    gate.set()
    question = str(await client.receive())
    client.send(f"43{question[2:-5]}[7]")
    await until(lambda: got)
    assert got == [7]


async def test_an_acknowledgement_behind_more_than_may_wait_fails_and_nothing_hangs(serve: Any, monkeypatch: Any):
    monkeypatch.setattr(flow_control, "MAX_BYTES", 10_000)
    served = await serve()
    outcome: list[Any] = []
    seen: list[str] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("n", lambda data: seen.append(data))

        @socket.on("start")
        async def start() -> None:
            try:
                outcome.append(await socket.timeout(30).emit_with_ack("q"))
            except QueueFull as error:
                outcome.append(error)

    client = await served.enter()
    client.write(packets('42["start"]', *['42["n","' + "x" * 1000 + '"]'] * 400))
    await until(lambda: len(seen) == 400)
    assert isinstance(outcome[0], QueueFull)
    assert "wait for their handlers" in str(outcome[0])


async def test_a_heartbeat_goes_on_while_a_handler_is_slow(serve: Any):
    served = await serve(ping_interval=0.2, ping_timeout=20)
    gate = asyncio.Event()
    reasons: list[str] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("slow", gate.wait)
        socket.on("disconnect", reasons.append)

    client = await served.enter()
    client.write(packets('42["slow"]', *['42["n"]'] * 5000))
    for _ in range(6):
        assert await client.receive() == "2"
        client.send("3")
    gate.set()
    assert reasons == []


@pytest.mark.parametrize("how", ["41", "close frame", "end of stream", "reset"])
async def test_events_sent_before_leaving_are_handled_before_disconnect(serve: Any, how: str):
    served = await serve()
    told: list[Any] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.join("lab")

        @socket.on("n")
        async def handle(n: int) -> None:
            await asyncio.sleep(0.05)
            told.append(n)

        @socket.on("disconnecting")
        async def disconnecting(reason: str) -> None:
            await asyncio.sleep(0.01)
            told.append(sorted(room for room in socket.rooms if room == "lab"))

        socket.on("disconnect", lambda reason: told.append((reason, socket.rooms)))

    client = await served.enter()
    client.write(packets('42["n",1]', '42["n",2]', '42["n",3]'))
    await until(lambda: told)
    if how == "41":
        client.send("41")
    elif how == "close frame":
        client.send_close()
    elif how == "reset":
        client.reset()
    else:
        await client.hang_up()
    await until(lambda: not served.io.sockets.sockets)
    assert told == [1] or told == [1, 2]  # it is out of the namespace before its events are through
    assert not list(served.io.sockets.adapter.names())
    await until(lambda: len(told) == 5)
    assert told[:4] == [1, 2, 3, ["lab"]]
    reason, rooms = told[4]
    assert reason == ("client namespace disconnect" if how == "41" else reason)
    assert rooms == frozenset()


async def test_a_client_that_leaves_while_it_is_not_read_is_noticed(serve: Any, quick_checks: None):
    served = await serve()
    gate = asyncio.Event()
    seen: list[int] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("n")
        async def handle(n: int) -> None:
            await gate.wait()
            seen.append(n)

    client = await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    client.write(packets(*[f'42["n",{n}]' for n in range(COUNT)]))
    await until(lambda: socket.session.transport._unread)
    await client.writer.drain()
    await client.hang_up()
    await until(lambda: not served.io.sockets.sockets)
    gate.set()
    await until(lambda: len(seen) == COUNT)
    assert seen == list(range(COUNT))
    assert served.io.engine.memory.used == 0


async def test_waiting_events_are_dropped_and_counted_when_the_server_disconnects(serve: Any):
    served = await serve()
    gate = asyncio.Event()
    told: list[Any] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("slow", gate.wait)
        socket.on("n", told.append)
        socket.on("disconnect", told.append)

    client = await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    client.write(packets('42["slow"]', *['42["n",1]'] * 10))
    await until(lambda: (queue := queue_of(socket)) is not None and len(queue.events) == 10)
    socket.disconnect()
    assert told == ["server namespace disconnect"]  # at once, whatever runs
    gate.set()
    await until(lambda: not served.io.sockets._tasks)
    assert told == ["server namespace disconnect"]
    assert served.io.engine.dropped == 10
    assert served.io.engine.memory.used == 0


async def test_close_waits_for_handlers_under_way_and_then_for_no_more(serve: Any):
    served = await serve()
    done: list[str] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("quick")
        async def quick() -> None:
            await asyncio.sleep(0.2)
            done.append("quick")

        @socket.on("endless", concurrent=True)
        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                done.append("cancelled")
                raise

    client, other = await served.enter(), await served.enter()
    client.send('42["quick"]')
    other.send('42["endless"]')
    await until(lambda: sum(len(namespace._tasks) for namespace in served.io.namespaces) == 2)
    await served.io.close(timeout=1)
    assert done == ["quick", "cancelled"]


async def test_a_handler_may_close_its_server(serve: Any):
    served = await serve()
    done = asyncio.Event()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("stop")
        async def stop() -> None:
            await served.io.close()
            done.set()

    client = await served.enter()
    client.send('42["stop"]')
    await asyncio.wait_for(done.wait(), 4)  # it does not wait for itself


async def test_a_room_entered_in_a_middleware_is_entered_when_the_client_is_let_in(serve: Any):
    served = await serve()

    @served.io.use
    async def place(socket: Socket) -> None:
        socket.join("red", "blue")
        socket.leave("blue")
        await asyncio.sleep(0)
        if socket.auth.get("refuse"):
            raise ConnectionRefused("no")

    rooms: list[frozenset[str]] = []
    served.io.on("connection", lambda socket: rooms.append(socket.rooms - {socket.id}))
    client = await served.enter()
    refused = await served.open()
    refused.send('40{"refuse":true}')
    assert str(await refused.receive()).startswith("44")
    assert rooms == [{"red"}]
    served.io.to("red").emit("hello")
    assert await client.receive() == '42["hello"]'
    assert len(served.io.sockets.adapter.members("red")) == 1


async def test_a_handler_that_holds_up_later_events_is_named(
    serve: Any, monkeypatch: Any, caplog: Any, quick_checks: None
):
    monkeypatch.setattr(flow_control, "TOO_LONG", 0.1)
    served = await serve()
    gate = asyncio.Event()
    seen: list[int] = []

    @served.io.on("connection")
    async def connected(socket: Socket) -> None:
        socket.on("n", seen.append)
        await gate.wait()

    client = await served.enter()
    with caplog.at_level(logging.WARNING):
        client.write(packets('42["n",1]', '42["n",2]'))
        await until(lambda: caplog.records)
        assert "a handler of 'connection' has run for" in caplog.text
        assert "2 later events of its client wait for it" in caplog.text
    gate.set()
    await until(lambda: seen == [1, 2])
    await until(lambda: not served.io.engine.watch._members)  # nothing runs at rest
    assert served.io.engine.watch._timer is None
    assert len(caplog.records) == 1


async def test_concurrent_handlers_let_later_events_pass(serve: Any):
    served = await serve()
    gate = asyncio.Event()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("slow", concurrent=True)
        async def slow() -> str:
            await gate.wait()
            return "slow"

        socket.on("quick", lambda: "quick", concurrent=True)
        assert socket.listeners("slow") == [slow]

    client = await served.enter()
    client.send('420["slow"]', '421["quick"]')
    assert await client.receive() == '431["quick"]'
    gate.set()
    assert await client.receive() == '430["slow"]'
    (socket,) = served.io.sockets.sockets.values()
    socket.off("slow", socket.listeners("slow")[0])
    assert socket.listeners("slow") == []


async def test_one_that_is_asked_and_leaves_is_told_apart_from_one_that_is_silent(serve: Any):
    served = await serve()
    client = await served.enter()
    (socket,) = served.io.sockets.sockets.values()
    answer = asyncio.ensure_future(socket.timeout(10).emit_with_ack("q"))
    assert str(await client.receive()).endswith('["q"]')
    client.send("41")
    with pytest.raises(Disconnected):
        await answer
