"""The server's API, with the real Python client of python-socketio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio

from jupyter_rtmsg.errors import AckTimeout, ConnectionRefused, NotJSON
from jupyter_rtmsg.server import Server, Socket


class Client(socketio.AsyncClient):
    """Collects every event that it gets."""

    def __init__(self) -> None:
        super().__init__(reconnection=False)
        self.events: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.on("*", self._collect)

    async def _collect(self, *args: Any) -> None:
        self.events.put_nowait(args)

    async def next(self) -> tuple[Any, ...]:
        return await asyncio.wait_for(self.events.get(), 10)


Join = Callable[..., Awaitable[Client]]


@asynccontextmanager
async def serving(io: Server) -> AsyncIterator[Join]:
    port = await io.listen()
    clients: list[Client] = []

    async def join(auth: Any = None, namespace: str = "/") -> Client:
        client = Client()
        clients.append(client)
        await client.connect(f"http://127.0.0.1:{port}", auth=auth, transports=["websocket"], namespaces=[namespace])
        return client

    try:
        yield join
    finally:
        for client in clients:
            await client.disconnect()
        await io.close()


async def test_what_a_handler_returns_is_the_acknowledgement():
    io = Server()

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("one", lambda: 1)
        socket.on("many", lambda: (1, 2))
        socket.on("nothing", lambda: None)
        socket.on("bytes", lambda data: {"back": data["x"] + b"!"})

    async with serving(io) as join:
        client = await join()
        assert await client.call("one") == 1
        assert await client.call("many") == (1, 2)
        assert await client.call("nothing") is None
        assert await client.call("bytes", {"x": b"\x00\xff"}) == {"back": b"\x00\xff!"}


async def test_coroutine_handlers_of_one_socket_run_in_order_of_arrival():
    io = Server()
    seen: list[int] = []
    gate = asyncio.Event()

    @io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("n")
        async def n(value: int) -> int:
            if value == 0:
                await gate.wait()
            seen.append(value)
            return value

    async with serving(io) as join:
        client = await join()
        calls = [asyncio.ensure_future(client.call("n", i)) for i in range(50)]
        other = await join()
        assert await other.call("n", 99) == 99  # sockets do not wait for each other
        assert seen == [99]
        gate.set()
        assert await asyncio.gather(*calls) == list(range(50))
        assert seen == [99, *range(50)]


async def test_a_handler_that_returns_a_future_lets_the_next_start():
    io = Server()
    futures: list[asyncio.Future[int]] = []

    @io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("n")
        def n(value: int) -> asyncio.Future[int]:
            futures.append(asyncio.get_running_loop().create_future())
            if len(futures) == 3:
                for i, future in enumerate(futures):
                    future.set_result(i * 10)
            return futures[-1]

    async with serving(io) as join:
        client = await join()
        assert await asyncio.gather(*(client.call("n", i) for i in range(3))) == [0, 10, 20]


async def test_a_handler_that_raises_answers_with_an_error_and_hurts_no_one(caplog: pytest.LogCaptureFixture):
    io = Server()

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("bad", lambda: 1 / 0)
        socket.on("unsendable", lambda: {1, 2})
        socket.on("good", lambda: "ok")

    async with serving(io) as join:
        client = await join()
        assert (await client.call("bad"))["error"]["code"] == "internal"
        assert (await client.call("unsendable"))["error"]["code"] == "internal"
        assert await client.call("good") == "ok"
    assert sum("ZeroDivisionError" in (r.exc_text or "") for r in caplog.records) == 1


async def test_a_connection_handler_may_wait_before_it_registers_handlers():
    io = Server()

    @io.on("connection")
    async def connected(socket: Socket) -> None:
        await asyncio.sleep(0)
        socket.on("early", lambda: "heard")

    async with serving(io) as join:
        client = await join()
        assert await client.call("early") == "heard"


async def test_middlewares_refuse_with_a_message_and_data():
    io = Server()

    @io.use
    async def check(socket: Socket) -> None:
        await asyncio.sleep(0)
        if socket.auth.get("token") != "secret":
            raise ConnectionRefused("no", {"code": "unauthorized"})
        socket.user = "alice"

    io.on("connection", lambda socket: socket.emit("hello", socket.user))
    async with serving(io) as join:
        with pytest.raises(socketio.exceptions.ConnectionError):
            await join(auth={"token": "wrong"})
        client = await join(auth={"token": "secret"})
        assert await client.next() == ("hello", "alice")


async def test_broadcasts_reach_the_union_of_rooms_but_neither_the_excluded_nor_the_sender():
    io = Server()
    sockets: dict[str, Socket] = {}

    @io.on("connection")
    def connected(socket: Socket) -> None:
        sockets[socket.auth["name"]] = socket

    async with serving(io) as join:
        clients = {name: await join({"name": name}) for name in "abc"}
        sockets["a"].join("x")
        sockets["b"].join("x", "y")
        sockets["c"].join("y")

        async def reached(send: Callable[[], None]) -> str:
            send()
            io.emit("end")
            names = ""
            for name, client in clients.items():
                while (await client.next())[0] != "end":
                    names += name
            return names

        assert await reached(lambda: io.to("x").emit("e")) == "ab"
        assert await reached(lambda: io.to("x").to("y").emit("e")) == "abc"
        assert await reached(lambda: io.to("x", "y").except_(sockets["b"].id).emit("e")) == "ac"
        assert await reached(lambda: io.except_("y").emit("e")) == "a"
        assert await reached(lambda: sockets["a"].broadcast.emit("e")) == "bc"
        assert await reached(lambda: sockets["a"].to("x").emit("e")) == "b"
        assert await reached(lambda: io.volatile.emit("e")) == "abc"
        assert await reached(lambda: sockets["a"].volatile.emit("e")) == "a"


async def test_acknowledgements_of_clients():
    io = Server()
    sockets: list[Socket] = []
    io.on("connection", sockets.append)
    async with serving(io) as join:
        one, two = await join(), await join()
        one.on("q", lambda x: x + 1)
        two.on("q", lambda x: x + 2)
        assert await sockets[0].timeout(5).emit_with_ack("q", 1) == 2
        assert sorted(await io.timeout(5).emit_with_ack("q", 1)) == [2, 3]
        silent, release = await join(), asyncio.Event()

        @silent.on("q")
        async def never(x: int) -> None:
            await release.wait()

        with pytest.raises(AckTimeout) as caught:
            await io.timeout(0.2).emit_with_ack("q", 1)
        assert sorted(caught.value.responses) == [2, 3]
        release.set()


async def test_what_is_not_json_is_refused_where_it_is_emitted():
    io = Server()
    async with serving(io) as join:
        client = await join()
        with pytest.raises(NotJSON, match="set"):
            io.emit("x", {1})
        with pytest.raises(ValueError, match="own events"):
            io.emit("disconnect")
        io.emit("x", "still here")
        assert await client.next() == ("x", "still here")


async def test_both_sides_learn_of_a_disconnect_and_its_reason():
    io = Server()
    reasons: asyncio.Queue[str] = asyncio.Queue()
    sockets: list[Socket] = []

    @io.on("connection")
    def connected(socket: Socket) -> None:
        sockets.append(socket)
        socket.join("room")
        socket.on("disconnect", reasons.put_nowait)

    async with serving(io) as join:
        client = await join()
        await client.disconnect()
        assert await asyncio.wait_for(reasons.get(), 10) in ("client namespace disconnect", "transport close")
        await join()
        sockets[1].disconnect()
        assert await asyncio.wait_for(reasons.get(), 10) == "server namespace disconnect"
        await join()
        await io.close()
        assert await asyncio.wait_for(reasons.get(), 10) == "server shutting down"
        assert not io.of("/").sockets
        assert not list(io.of("/").rooms.names())
