"""Our plain client against the reference server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from support.node_server import NodeServer
from support.patience import eventually
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import AckTimeout, ConnectionRefused, Disconnected

Make = Callable[..., Any]
QUICK = {"reconnection_delay": 0.05}


@pytest.fixture(scope="module")
def shared() -> Iterator[NodeServer]:
    server = NodeServer()
    yield server
    server.kill()


@pytest.fixture
def own() -> Iterator[NodeServer]:
    """A server of one test, which may kill it."""
    server = NodeServer()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def recovering() -> Iterator[NodeServer]:
    server = NodeServer(recovery=True)
    yield server
    server.kill()


@pytest.fixture
async def client() -> AsyncIterator[Make]:
    """Makes connected clients."""
    clients: list[rt.SocketClient] = []

    async def make(server: NodeServer, **options: Any) -> rt.SocketClient:
        clients.append(rt.SocketClient(server.url, **{**QUICK, **options}))
        await clients[-1].connect()
        return clients[-1]

    yield make
    for one in clients:
        for socket in list(one.io.sockets.values()):
            await socket.disconnect()


async def test_acks_go_both_ways_with_bytes_inside(shared: NodeServer, client: Make) -> None:
    socket = await client(shared)
    socket.on("question", lambda question: {"answer": question, "raw": b"\xff"})
    assert await socket.emit_with_ack("sum", 1, 2) == 3
    assert await socket.emit_with_ack("echo", b"\x00\x01", {"deep": [b"", "ü"]}) == [b"\x00\x01", {"deep": [b"", "ü"]}]
    assert await socket.emit_with_ack("echo") is None
    assert await socket.timeout(5).emit_with_ack("ask", b"why") == {"answer": b"why", "raw": b"\xff"}
    with pytest.raises(AckTimeout):
        await socket.timeout(0.05).emit_with_ack("silence")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_half_an_emoji_costs_one_character(shared: NodeServer, client: Make, transport: str) -> None:
    socket = await client(shared, transports=[transport])
    seen: list[Any] = []
    for event in ("text", "disconnect"):
        socket.on(event, seen.append)
    socket.emit("poison")
    await until(lambda: len(seen) == 2)
    assert seen == ["hello \ufffd", "next"]


async def test_namespaces_share_a_connection_and_are_refused_alone(shared: NodeServer, client: Make) -> None:
    root = await client(shared, query={"from": "here & there"})
    tokens = iter(["wrong", "secret"])

    async def auth() -> dict[str, str]:
        return {"token": next(tokens)}

    admin = root.of("/admin", auth=auth)
    assert root.of("/admin") is admin
    seen: list[Any] = []
    admin.on("welcome", seen.append)
    admin.on("connect_error", lambda error: seen.append((error.message, error.data)))
    with pytest.raises(ConnectionRefused, match="not authorized") as caught:
        await admin.connect()
    assert caught.value.data == {"code": "E_TOKEN"}
    assert not admin.active
    await admin.connect()
    await until(lambda: len(seen) == 2)
    assert seen == [("not authorized", {"code": "E_TOKEN"}), {"token": "secret"}]
    assert await admin.emit_with_ack("who") == ["admin", "here & there"]
    assert await root.emit_with_ack("sum", 2, 2) == 4
    assert admin.id != root.id
    await admin.disconnect()
    assert await root.emit_with_ack("sum", 3, 3) == 6
    with pytest.raises(ConnectionRefused, match="Invalid namespace"):
        await root.of("/nowhere").connect()


async def test_a_socket_that_the_server_disconnects_does_not_come_back_by_itself(
    shared: NodeServer, client: Make
) -> None:
    socket = await client(shared)
    reasons: list[str] = []
    socket.on("disconnect", reasons.append)
    socket.emit("kick")
    await until(lambda: reasons)
    assert reasons == ["io server disconnect"]
    assert (socket.active, socket.connected, socket.id, socket.state) == (False, False, None, "closed")
    await socket.connect()
    assert await socket.emit_with_ack("sum", 1, 1) == 2


async def test_a_connection_that_ends_is_made_again(shared: NodeServer, client: Make) -> None:
    socket = await client(shared)
    seen: list[Any] = []
    for name in ("disconnect", "connect"):
        socket.on(name, lambda *args, name=name: seen.append((name, *args)))
    for name in ("close", "reconnect_attempt", "reconnect"):
        socket.io.on(name, lambda *args, name=name: seen.append((name, *args)))
    socket.emit("cut")
    await until(lambda: ("connect",) in seen and ("reconnect", 1) in seen)
    assert [one for one in seen if one[0] in ("disconnect", "connect")] == [
        ("disconnect", "transport close"),
        ("connect",),
    ]
    assert [one for one in seen if one[0] not in ("disconnect", "connect")] == [
        ("close", "transport close"), ("reconnect_attempt", 1), ("reconnect", 1)
    ]  # fmt: skip
    assert socket.active


async def test_events_emitted_offline_are_sent_later_in_order_except_volatile_ones(
    own: NodeServer, client: Make
) -> None:
    socket = await client(own)
    states: list[str] = []
    socket.on_state(states.append)
    own.kill()
    await until(lambda: states == ["offline"])
    for number in range(50):
        socket.emit("note", number)
        socket.volatile.emit("note", "volatile")
    answer = asyncio.ensure_future(socket.timeout(20).emit_with_ack("noted"))
    with pytest.raises(AckTimeout):
        await socket.timeout(0.05).emit_with_ack("sum", 1, 1)
    own.start()
    assert await answer == list(range(50))


async def test_an_event_is_sent_again_until_it_is_acknowledged(shared: NodeServer, client: Make) -> None:
    socket = await client(shared, retries=3, ack_timeout=0.5)
    sent: list[str] = []
    socket.on_any_outgoing(lambda name, *args: sent.append(name))
    answers = await asyncio.gather(socket.emit_with_ack("third time", "a"), socket.emit_with_ack("sum", 1, 2))
    # On a busy machine an answer may come too late for the time that it was asked for.
    assert answers[0] in (3, 4)
    assert answers[1] == 3
    assert sent.count("third time") in (3, 4)
    assert sent == ["third time"] * sent.count("third time") + ["sum"] * sent.count("sum")  # one at a time
    with pytest.raises(AckTimeout):
        await socket.emit_with_ack("silence")
    await until(lambda: sent.count("silence") == 4)


async def test_retries_survive_a_server_that_is_killed(own: NodeServer, client: Make) -> None:
    socket = await client(own, retries=5, ack_timeout=5)
    assert await socket.emit_with_ack("sum", 0, 0) == 0
    own.kill()
    answers = [asyncio.ensure_future(socket.emit_with_ack("sum", n, n)) for n in range(5)]
    own.start()
    assert await asyncio.gather(*answers) == [0, 2, 4, 6, 8]


async def test_a_dropped_connection_is_recovered_with_the_missed_events(recovering: NodeServer, client: Make) -> None:
    socket = await client(recovering)
    seen: list[Any] = []
    socket.on("told", lambda value: seen.append(value))  # no room for the offset
    socket.on("missed", lambda *args: seen.append(args))  # room for it
    socket.on("connect", lambda: seen.append("connect"))
    await socket.emit_with_ack("join", "lab")
    socket.emit("tell", "told", "before")
    await until(lambda: seen)
    first = socket.id
    for _ in range(2):
        seen.clear()
        socket.drop()
        await until(lambda: "connect" in seen)
        assert socket.recovered
        assert socket.id == first
        assert [one[:2] for one in seen[:-1]] == [({"n": n, "bytes": bytes([n])}, "transport close") for n in (1, 2, 3)]
        assert all(type(one[2]) is str for one in seen[:-1])
    seen.clear()
    socket.emit("tell", "told", "after")  # the rooms are as they were
    await until(lambda: seen)
    assert seen == ["after"]


async def test_a_frozen_client_is_given_up_by_the_server_and_recovers(recovering: NodeServer, client: Make) -> None:
    socket, other = await client(recovering), await client(recovering)
    seen: list[Any] = []
    reasons: list[str] = []
    await socket.emit_with_ack("join", "lab")
    await other.emit_with_ack("join", "lab")
    other.on("missed", lambda data, reason: reasons.append(reason))
    socket.on("told", seen.append)
    socket.emit("tell", "told", 0)
    await until(lambda: seen == [0])
    socket.freeze(4)
    await until(lambda: reasons)
    assert reasons[0] == "ping timeout"
    other.emit("tell", "told", 1)
    await until(lambda: len(seen) == 2)
    assert seen == [0, 1]
    assert socket.recovered


async def test_a_disconnected_client_fails_its_pending_acknowledgements(shared: NodeServer, client: Make) -> None:
    socket = await client(shared)
    waiting = asyncio.ensure_future(socket.emit_with_ack("silence"))
    await asyncio.sleep(0)
    await socket.disconnect()
    with pytest.raises(Disconnected):
        await waiting


def test_the_facade_does_the_same_without_awaiting(shared: NodeServer) -> None:
    seen: list[Any] = []
    with rt.Socket(shared.url, **QUICK) as socket:
        socket.on("question", lambda question: question * 2)
        socket.on("disconnect", seen.append)
        assert socket.timeout(5).emit_with_ack("ask", "ab") == "abab"
        assert socket.emit_with_ack("message", "x") == "message x"
        socket.send("x")
        socket.volatile.emit("note", 1)
        with pytest.raises(ConnectionRefused, match="Invalid namespace"):
            socket.of("/nowhere").connect()
        admin = socket.of("/admin", auth=lambda: {"token": "secret"})
        admin.connect()
        assert admin.compress(False).emit_with_ack("who")[0] == "admin"
        socket.drop()
        eventually(lambda: seen and socket.connected and admin.connected)
        assert seen == ["transport close"]
        socket.disconnect()
        assert admin.emit_with_ack("who")[0] == "admin"
        admin.disconnect()
        socket.connect()
        assert socket.emit_with_ack("sum", 1, 2) == 3
    eventually(lambda: len(seen) == 3)
    assert seen[1:] == ["io client disconnect"] * 2
    with pytest.raises(Disconnected, match="closed"):
        socket.emit("note", 2)
