"""The server's API, with the real Python client of python-socketio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
import tornado.httpclient
import tornado.httpserver
import tornado.netutil
import tornado.web
from support.pollclient import PollClient
from support.wsclient import RawClient, until

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


async def test_the_result_of_a_handler_is_the_acknowledgement():
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


async def test_a_value_that_is_not_json_is_refused_by_emit():
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


async def test_a_disconnecting_socket_is_still_in_its_rooms():
    io = Server()
    seen: asyncio.Queue[Any] = asyncio.Queue()
    sockets: list[Socket] = []

    @io.on("connection")
    def connected(socket: Socket) -> None:
        sockets.append(socket)
        socket.join("room")
        socket.on("disconnect", lambda reason: seen.put_nowait((reason, socket.rooms)))

        @socket.on("disconnecting")
        def disconnecting(reason: str) -> None:
            seen.put_nowait((reason, socket.rooms))
            socket.to("room").emit("left", socket.auth["name"])

    async with serving(io) as join:
        one, two = await join({"name": "one"}), await join({"name": "two"})
        await one.disconnect()
        assert await two.next() == ("left", "one")
        reason, rooms = await asyncio.wait_for(seen.get(), 10)
        assert reason in ("client namespace disconnect", "transport close")
        assert rooms == {sockets[0].id, "room"}
        assert seen.get_nowait() == (reason, frozenset())


@pytest.mark.parametrize("close", [False, True])
async def test_a_handler_of_disconnecting_may_disconnect(close: bool):
    io = Server()
    reasons: list[str] = []
    sockets: list[Socket] = []

    @io.on("connection")
    def connected(socket: Socket) -> None:
        sockets.append(socket)
        socket.on("disconnecting", lambda reason: socket.disconnect(close))
        socket.on("disconnect", reasons.append)

    async with serving(io) as join:
        await join()
        sockets[0].disconnect()
        assert len(reasons) == 1
        assert not io.of("/").sockets


async def test_the_connection_beneath_a_socket_and_its_upgrade_can_be_seen():
    io = Server()
    seen: list[str] = []

    @io.on("connection")
    def connected(socket: Socket) -> None:
        assert socket.conn is socket.session
        assert socket.request.query["EIO"] == "4"
        assert socket.conn.transport
        seen.append(socket.conn.transport.name)
        socket.conn.on("upgrade", seen.append)

    client = await PollClient.open(await io.listen())
    await client.enter()
    candidate = await client.upgrade()
    candidate.send("2probe", "5")
    assert await candidate.receive() == "3probe"
    await until(lambda: seen == ["polling", "websocket"])
    client.close()
    candidate.writer.close()
    await io.close()


async def test_a_server_may_listen_on_several_ports_and_closes_all_of_them():
    io = Server()
    ports = [await io.listen(), await io.listen()]
    for port in ports:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
    await io.close()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_closed_server_may_listen_again_with_its_handlers_and_its_heartbeat():
    io = Server(ping_interval=0.05)
    reasons: list[str] = []

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("sum", lambda a, b: a + b)
        socket.on("disconnect", reasons.append)

    port = 0
    for _ in range(3):
        port = await io.listen(port)
        client = await RawClient.open(port)
        await client.enter()
        client.send('420["sum",1,2]')
        assert {await client.receive(), await client.receive()} == {"2", "430[3]"}
        await io.close()
        client.writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    assert reasons == ["server shutting down"] * 3


def test_a_closed_server_may_listen_again_on_another_event_loop():
    io = Server()
    io.on("connection", lambda socket: socket.emit("hello"))

    async def serve() -> None:
        client = await RawClient.open(await io.listen())
        await client.enter()
        assert await client.receive() == '42["hello"]'
        client.writer.close()
        await io.close()

    asyncio.run(serve())
    asyncio.run(serve())


@asynccontextmanager
async def application(io: Server, path: str = "/socket.io/", **options: Any) -> AsyncIterator[int]:
    """Serve in a Tornado application that has a page of its own, too."""

    class Page(tornado.web.RequestHandler):
        def get(self) -> None:
            self.write("a page")

    xheaders = options.pop("xheaders", False)
    app = tornado.web.Application([("/page", Page)], **options)
    io.attach(app, path)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    http = tornado.httpserver.HTTPServer(app, xheaders=xheaders)
    http.add_sockets(sockets)
    yield int(sockets[0].getsockname()[1])
    await io.close()
    http.stop()


async def test_any_tornado_application_can_serve_it_beside_its_own_pages():
    io = Server()
    io.on("connection", lambda socket: socket.emit("hello"))
    async with application(io, "/rt/socket.io/") as port:
        client = Client()
        await client.connect(f"http://127.0.0.1:{port}", socketio_path="/rt/socket.io")
        assert await client.next() == ("hello",)
        page = await tornado.httpclient.AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/page")
        assert page.body == b"a page"
        await client.disconnect()


async def test_polling_works_in_an_application_that_checks_xsrf_cookies():
    io = Server()
    io.on("connection", lambda socket: socket.on("q", lambda: "answer"))
    async with application(io, xsrf_cookies=True, cookie_secret="secret") as port:
        client = await PollClient.open(port)
        await client.enter()
        await client.send('427["q"]')
        assert await client.get() == ['437["answer"]']
        client.close()


async def test_the_address_is_that_of_the_client_behind_a_proxy():
    io = Server()
    sockets: list[Socket] = []
    io.on("connection", sockets.append)
    async with application(io, xheaders=True) as port:
        client = await PollClient.open(port, X_Forwarded_For="203.0.113.7")
        await client.enter()
        assert sockets[0].handshake.address == "203.0.113.7"
        client.close()
