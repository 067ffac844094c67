"""Listeners of named, of any and of outgoing events, against our server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg import SocketClient
from jupyter_rtmsg.server import Server


@pytest.fixture
async def io() -> AsyncIterator[Server]:
    server = Server()

    @server.on("connection")
    def connected(client: Any) -> None:
        client.on("repeat", lambda number: [client.emit("n", value) for value in range(number)])
        client.on("echo", lambda *args: args)
        client.on("emit", client.emit)

    yield server
    await server.close()


@pytest.fixture
async def socket(io: Server) -> AsyncIterator[SocketClient]:
    client = SocketClient(f"http://127.0.0.1:{await io.listen()}/")
    await client.connect()
    yield client
    await client.disconnect()


async def test_once_is_called_once_for_events_that_come_together(socket: SocketClient) -> None:
    once: list[int] = []
    always: list[int] = []

    @socket.once("n")
    def first(value: int) -> None:
        once.append(value)

    socket.on("n", always.append)
    socket.emit("repeat", 5)
    await until(lambda: len(always) == 5)
    assert once == [0]
    socket.once("n", once.append)
    socket.emit("repeat", 2)
    await until(lambda: len(always) == 7)
    assert once == [0, 0]


async def test_off_removes_one_function_one_event_or_all(socket: SocketClient) -> None:
    seen: list[Any] = []

    def first(value: int) -> None:
        seen.append(("first", value))

    def second(value: int) -> None:
        seen.append(("second", value))

    for function in (first, second):
        socket.on("n", function)
    socket.off("n", first)
    socket.emit("repeat", 1)
    await socket.emit_with_ack("echo")
    await until(lambda: seen)
    socket.off("n")
    socket.emit("repeat", 1)
    await socket.emit_with_ack("echo")
    assert seen == [("second", 0)]
    socket.on("n", first)
    socket.off()
    socket.emit("repeat", 1)
    await socket.emit_with_ack("echo")
    assert seen == [("second", 0)]


async def test_functions_for_any_event_come_first_and_in_their_order(socket: SocketClient) -> None:
    seen: list[Any] = []

    def after(*args: Any) -> None:
        seen.append(("after", *args))

    def before(*args: Any) -> None:
        seen.append(("before", *args))

    socket.on("n", lambda value: seen.append(("n", value)))
    socket.on_any(after)
    socket.prepend_any(before)
    assert socket.listeners_any() == [before, after]
    socket.emit("repeat", 1)
    await until(lambda: len(seen) == 3)
    assert seen == [("before", "n", 0), ("after", "n", 0), ("n", 0)]
    socket.off_any(before)
    assert socket.listeners_any() == [after]
    socket.off_any()
    socket.emit("repeat", 1)
    await until(lambda: len(seen) == 4)
    assert seen[3:] == [("n", 0)]


async def test_outgoing_listeners_get_events_but_not_acks(socket: SocketClient) -> None:
    seen: list[Any] = []

    def look(*args: Any) -> None:
        seen.append(args)

    def look_first(*args: Any) -> None:
        seen.append(("first", *args))

    socket.on_any_outgoing(look)
    socket.prepend_any_outgoing(look_first)
    assert socket.listeners_any_outgoing() == [look_first, look]
    assert await socket.emit_with_ack("echo", 1, b"x") == [1, b"x"]
    socket.send("hello")
    await until(lambda: len(seen) == 4)
    assert seen[::2] == [("first", "echo", 1, b"x"), ("first", "message", "hello")]
    socket.off_any_outgoing(look_first)
    socket.off_any_outgoing()
    assert socket.listeners_any_outgoing() == []
    await socket.emit_with_ack("echo")
    assert len(seen) == 4


async def test_running_a_cell_again_replaces_its_listeners_of_any_event(socket: SocketClient) -> None:
    seen: list[str] = []
    for version in ("first", "second"):
        exec(
            "@socket.on_any\ndef show(*args): seen.append(version)",
            {"__name__": "__main__", "socket": socket, "seen": seen, "version": version},
        )
    socket.emit("repeat", 1)
    await until(lambda: seen)
    assert seen == ["second"]


async def test_a_handler_registered_in_a_connect_handler_exists_once_after_each_reconnect(socket: SocketClient) -> None:
    seen: list[Any] = []
    connected: list[str] = []

    @socket.on("connect")
    def connect() -> None:
        if not connected:
            socket.on("n", lambda value: seen.append("the first time only"))
        for number in range(2):
            socket.on("n", lambda value, number=number: seen.append(number))
        connected.append("connect")

    socket.on_state(lambda state: state == "connected" and socket.on("n", lambda value: seen.append(state)))
    for times in (1, 2, 3):
        socket.drop()
        await until(lambda times=times: len(connected) == times)
    await until(lambda: socket.connected)
    socket.emit("repeat", 1)
    await socket.emit_with_ack("echo")
    await until(lambda: len(seen) >= 4)
    assert sorted(map(str, seen)) == ["0", "1", "connected", "the first time only"]


async def test_each_call_of_a_handler_may_register_another_handler(socket: SocketClient) -> None:
    seen: list[Any] = []

    jobs: list[int] = []

    @socket.on("n")
    def job(value: int) -> None:
        socket.on("later", lambda: seen.append(value))
        jobs.append(value)

    socket.emit("repeat", 3)
    await until(lambda: len(jobs) == 3)
    socket.emit("emit", "later")
    await until(lambda: len(seen) == 3)
    assert seen == [0, 1, 2]


async def test_lifecycle_events_are_neither_sent_nor_delivered_to_any_listeners(socket: SocketClient) -> None:
    seen: list[Any] = []
    socket.on_any(lambda *args: seen.append(args))
    socket.on("connect", lambda: seen.append("connect"))
    socket.on("disconnect", seen.append)
    for name in ("connect", "connect_error", "disconnect"):
        with pytest.raises(ValueError, match="own events"):
            socket.emit(name)
    socket.drop()
    await until(lambda: len(seen) == 2)
    assert seen == ["transport close", "connect"]


async def test_a_result_that_cannot_be_encoded_is_reported_and_stops_nothing(
    socket: SocketClient, io: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    socket.on("bad", lambda: {1, 2})
    socket.on("good", lambda: "fine")
    (client,) = io.sockets.sockets.values()
    with pytest.raises(TimeoutError):
        await client.timeout(0.2).emit_with_ack("bad")
    assert await client.timeout(5).emit_with_ack("good") == "fine"
    assert "neither JSON nor bytes" in capfd.readouterr().err
