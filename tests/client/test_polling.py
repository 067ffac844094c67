"""The client's long-polling, against our server, and against a peer whose responses are written by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.httppeer import HttpPeer, Request, http_peer, ok
from support.hub import TOKEN, HubServer
from support.nginx import nginx
from support.rest import PING_INTERVAL, Beats, Left, wakes
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg import SocketClient
from jupyter_rtmsg.errors import Disconnected, ServerUnreachable, TooLarge
from jupyter_rtmsg.server import Server
from jupyter_rtmsg.wire.engineio import OpenPacket

QUICK: dict[str, Any] = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.02}
POLLING: dict[str, Any] = {"transports": ["polling"], **QUICK}


@pytest.fixture
async def io() -> AsyncIterator[Server]:
    server = Server(ping_interval=0.3, ping_timeout=5)

    @server.on("connection")
    def connected(client: Any) -> None:
        client.on("echo", lambda *args: args)
        client.on("sum", lambda a, b: a + b)
        client.on("leave", lambda: client.disconnect(close=True))

        @client.on("ask")
        async def ask(question: Any) -> Any:
            return await client.timeout(5).emit_with_ack("question", question)

    server.port = await server.listen()  # type: ignore[attr-defined]
    yield server
    await server.close()


def url(io: Server) -> str:
    return f"http://127.0.0.1:{io.port}/"  # type: ignore[attr-defined]


@asynccontextmanager
async def connected(where: str, **options: Any) -> AsyncIterator[SocketClient]:
    client = SocketClient(where, **{**POLLING, **options})
    await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()


def transport(client: SocketClient) -> str:
    """Return the name of a client's present transport."""
    assert client.io.session
    assert client.io.session.transport
    return client.io.session.transport.name


# --- against our server


async def test_acks_and_bytes_go_both_ways(io: Server) -> None:
    async with connected(url(io)) as client:
        client.on("question", lambda question: (question, b"\xff"))
        assert transport(client) == "polling"
        assert await client.emit_with_ack("sum", 1, 2) == 3
        assert await client.emit_with_ack("echo", b"\x00\x01", {"a": [b"", "ü\x1e🎉"]}) == [
            b"\x00\x01", {"a": [b"", "ü\x1e🎉"]}
        ]  # fmt: skip
        assert await client.emit_with_ack("ask", b"why") == [b"why", b"\xff"]


async def test_events_come_in_order_both_ways(io: Server) -> None:
    seen: list[int] = []
    got: list[int] = []
    io.on("connection", lambda client: client.on("n", got.append))
    async with connected(url(io)) as client:
        client.on("n", seen.append)
        for number in range(2_000):
            io.emit("n", number)
            client.emit("n", number)
            if number % 100 == 0:
                await asyncio.sleep(0.001)
        await until(lambda: len(seen) == len(got) == 2_000)
        assert seen == got == list(range(2_000))


async def test_pings_are_answered(io: Server) -> None:
    reasons: list[str] = []
    async with connected(url(io)) as client:
        client.on("disconnect", reasons.append)
        heard: list[float] = []
        assert client.io.session
        session, received = client.io.session, client.io.session.received

        def listen(packets: Any) -> None:
            if "2" in packets:
                heard.append(asyncio.get_running_loop().time())
            received(packets)

        session.received = listen  # type: ignore[method-assign]
        await until(lambda: len(heard) == 3)
        assert await client.emit_with_ack("sum", 1, 1) == 2
        assert not reasons


async def test_the_last_events_are_sent_before_the_close(io: Server) -> None:
    got: list[Any] = []
    io.on("connection", lambda client: client.on("last", got.append))
    io.on("connection", lambda client: client.on("disconnect", got.append))
    async with connected(url(io)) as client:
        client.emit("last", "words")
    await until(lambda: len(got) == 2)
    assert got == ["words", "client namespace disconnect"]
    assert not io.engine.sessions


async def test_the_client_reconnects_when_the_server_closes_the_session(io: Server) -> None:
    async with connected(url(io)) as client:
        first = client.id
        reasons: list[str] = []
        client.on("disconnect", reasons.append)
        client.drop()
        await client.ready(10)
        assert reasons == ["transport close"]
        assert client.id not in (None, first)
        assert transport(client) == "polling"


async def test_messages_of_the_largest_size_pass(io: Server) -> None:
    async with connected(url(io)) as client:
        text = "x" * (client.max_payload - 200)
        assert await client.emit_with_ack("echo", text) == text


async def test_a_frozen_polling_client_delivers_nothing_and_then_continues(io: Server) -> None:
    async with connected(url(io)) as client:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        client.on("n", lambda: times.append(loop.time()))
        start = loop.time()
        client.freeze(0.3)
        io.emit("n")
        await until(lambda: times)
        assert times[0] - start >= 0.3
        assert client.connected


async def test_unix_sockets(io: Server, tmp_path: Path) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection("127.0.0.1", io.port)  # type: ignore[attr-defined]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(1 << 16):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, upstream[1]), pump(upstream[0], writer), return_exceptions=True)

    where = "http+unix://" + str(tmp_path / "s").replace("/", "%2F") + "/"
    async with await asyncio.start_unix_server(pass_on, tmp_path / "s"), connected(where) as client:
        assert await client.emit_with_ack("sum", 1, 2) == 3


async def test_an_idle_hubs_client_runs_nothing() -> None:
    with HubServer(ping_interval=PING_INTERVAL, ping_timeout=20) as server:
        async with rt.AsyncClient(server.url, TOKEN, transports=["polling"]) as client:
            room = await client.join("lab", as_="reader")
            room.on("n", print)
            async with Beats.of(server.port) as beats:
                await beats.pass_(10)  # what follows from the join has happened, on a slow machine as well
                with wakes(asyncio.get_running_loop()) as (counted,):
                    await beats.pass_(4)
        assert counted.count <= 4 * 25


async def test_connecting_and_leaving_leaks_nothing(io: Server) -> None:
    loop = asyncio.get_running_loop()

    async def come_and_go(times: int) -> None:
        for number in range(times):
            async with connected(url(io), transports=["polling", "websocket"][: 1 + number % 2]) as client:
                assert await client.emit_with_ack("sum", number, 1) == number + 1
        await until(lambda: not io.engine.sessions)

    await come_and_go(5)
    before = Left.now(loop)
    await come_and_go(100)
    await until(lambda: all(now <= then for now, then in zip(Left.now(loop), before, strict=True)))


async def test_an_idle_client_has_one_pending_get(io: Server) -> None:
    async with connected(url(io)) as client:
        assert await client.emit_with_ack("sum", 1, 2) == 3
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert sum("polling" in name for name in names) == 1
        assert "rtmsg polling GET" in names


async def test_a_client_that_left_keeps_no_connection_and_no_task(io: Server) -> None:
    async with connected(url(io)) as client:
        assert await client.emit_with_ack("sum", 1, 2) == 3
        assert client.descriptors
    assert not client.descriptors
    await until(lambda: not any("rtmsg" in task.get_name() for task in asyncio.all_tasks()))


# --- against a peer whose answers are written by hand


class Engine:
    """What a server of Engine.IO answers. The test gives GETs their payloads, and POSTs their answers.

    Parameters
    ----------
    max_payload : int
    said : str
        The body of an answer to a POST.
    """

    def __init__(self, max_payload: int = 1_000, said: str = "ok") -> None:
        self.max_payload = max_payload
        self.said = said
        self.payloads: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.posted: Callable[[Request], Awaitable[bytes | None]] = self._ok
        self.sessions = 0
        self.waiting = 0

    async def answer(self, request: Request) -> bytes | None:
        if "sid=" not in request.target:
            self.sessions += 1
            self.payloads, self.waiting = asyncio.Queue(), 0  # a GET of the session before waits for ever
            return ok(OpenPacket(f"s{self.sessions}", 25, 20, self.max_payload).encode())
        if request.method == "POST":
            return await self.posted(request)
        self.waiting += 1
        answer = await self.payloads.get()
        self.waiting -= 1
        return answer

    async def _ok(self, request: Request) -> bytes:
        if request.body.startswith(b"40"):
            self.say('40{"sid":"x"}')
        return ok(self.said)

    def say(self, *packets: str) -> None:
        """Answer the GET that waits."""
        self.payloads.put_nowait(ok("\x1e".join(packets)))


@asynccontextmanager
async def handmade(
    max_payload: int = 1_000, said: str = "ok", **options: Any
) -> AsyncIterator[tuple[Engine, HttpPeer, SocketClient]]:
    engine = Engine(max_payload, said)
    async with http_peer(engine.answer) as peer:
        client = SocketClient(peer.url, **{**POLLING, **options})
        await client.connect()
        try:
            yield engine, peer, client
        finally:
            await client.disconnect()


async def test_one_connection_each_for_get_and_post() -> None:
    async with handmade() as (engine, peer, client):
        for number in range(5):
            client.emit("n", number)
            await until(lambda number=number: f'42["n",{number}]' in peer.bodies())
            engine.say("6")
            await until(lambda: engine.waiting)
        assert {(one.method, one.connection) for one in peer.requests} == {("GET", 0), ("POST", 1)}
        post = next(one for one in peer.requests if one.method == "POST")
        assert post.headers["content-type"] == "text/plain;charset=UTF-8"
        assert len({one.target for one in peer.requests}) == len(peer.requests)  # no cache may answer


async def test_events_of_one_tick_go_in_one_post() -> None:
    async with handmade() as (_, peer, client):
        for number in range(10):
            client.emit("n", number)
        await until(lambda: len(peer.bodies()) == 2)
        assert peer.bodies()[1] == "\x1e".join(f'42["n",{number}]' for number in range(10))


@pytest.mark.parametrize(("said", "most"), [("OK", 16), ("ok", 60)])
async def test_a_body_holds_16_packets_unless_the_server_accepts_any_number(said: str, most: int) -> None:
    async with handmade(said=said) as (_, peer, client):
        for number in range(60):
            client.emit("n", number)
        await until(lambda: "".join(peer.bodies()).count('"n"') == 60)
        assert max(len(body.split("\x1e")) for body in peer.bodies()) == most


async def test_bodies_respect_the_servers_limit() -> None:
    async with handmade(max_payload=100) as (_, peer, client):
        sizes = [30, 30, 30, 100, 30, 80]
        for size in sizes:
            client.emit("n", "x" * (size - len('42["n",""]')))
        client.emit("b", b"x" * 60)
        await until(lambda: sum(len(body.split("\x1e")) for body in peer.bodies()[1:]) == len(sizes) + 2)
        assert [[len(packet) for packet in body.split("\x1e")] for body in peer.bodies()[1:]] == [
            [30, 30, 30], [100], [30], [80], [39], [81],
        ]  # fmt: skip
        assert peer.bodies()[-1] == "b" + "eHh4" * 20


async def test_a_post_whose_connection_breaks_is_not_repeated_and_the_session_is_lost() -> None:
    reasons: list[str] = []
    async with handmade() as (engine, peer, client):
        client.on("disconnect", reasons.append)

        async def hang_up(request: Request) -> bytes | None:
            engine.posted = engine._ok
            return None

        engine.posted = hang_up
        client.emit("n", 1)
        await until(lambda: reasons)
        await client.ready(10)
        assert reasons == ["transport error"]
        assert engine.sessions == 2
        client.emit("n", 2)
        await until(lambda: '42["n",2]' in peer.bodies())
        assert sum('42["n",1]' in body for body in peer.bodies()) == 1


async def test_a_post_on_a_connection_that_the_server_has_closed_meanwhile_is_sent_over_another() -> None:
    async with handmade() as (engine, peer, client):

        async def and_close(request: Request) -> bytes | None:
            return ok("ok", "Connection: close")

        engine.posted = and_close
        for number in range(3):
            client.emit("n", number)
            await until(lambda number=number: f'42["n",{number}]' in peer.bodies())
        assert len({one.connection for one in peer.requests if one.method == "POST"}) == 3
        assert engine.sessions == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ok('{"code":1,"message":"Session ID unknown"}', status="400 Bad Request"), "HTTP 400: .*Session ID unknown"),
        (ok("", status="502 Bad Gateway"), "HTTP 502"),
        (None, "closed the connection without a response"),
        (ok("9"), "protocol error: unknown Engine.IO packet"),
        (ok(""), "protocol error: an empty packet"),
        (ok(b"4\xff"), "protocol error: a payload must be UTF-8"),
        (ok("b!"), "protocol error: .* no base64"),
        (ok("1"), "the server closed the session"),
    ],
)
async def test_a_failed_get_ends_the_session_with_its_reason(answer: bytes | None, said: str) -> None:
    async with handmade() as (engine, _, client):
        asking = asyncio.ensure_future(client.emit_with_ack("question"))
        await asyncio.sleep(0)
        engine.payloads.put_nowait(answer)
        with pytest.raises(Disconnected, match=f"connection was lost: .*{said}"):
            await asking
        await client.ready(10)
        assert engine.sessions == 2


@pytest.mark.parametrize(("status", "said"), [("413 Payload Too Large", "HTTP 413"), ("400 Bad Request", "HTTP 400")])
async def test_a_refused_post_ends_the_session_with_its_reason(status: str, said: str) -> None:
    async with handmade() as (engine, _, client):

        async def refuse(request: Request) -> bytes | None:
            engine.posted = engine._ok
            return ok("", status=status)

        engine.posted = refuse
        with pytest.raises(Disconnected, match=said):
            await client.emit_with_ack("question")
        await client.ready(10)
        assert engine.sessions == 2


async def test_no_close_is_sent_after_the_server_closed_the_session() -> None:
    async with handmade(reconnection=False) as (engine, peer, client):
        engine.say('42["n",1]', "1")
        await until(lambda: client.state == "closed")
        assert "1" not in "\x1e".join(peer.bodies()).split("\x1e")


async def test_packets_before_a_close_are_handled() -> None:
    async with handmade(reconnection=False) as (engine, _, client):
        seen: list[Any] = []
        client.on("n", seen.append)
        engine.say('42["n",1]', "6", '42["n",2]', "1")
        await until(lambda: len(seen) == 2)
        assert seen == [1, 2]


async def test_an_exception_in_a_receiver_ends_the_session_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with handmade() as (engine, _, client):
        client.io._receivers["/"] = lambda packet, size: 1 // 0
        engine.say('42["n",1]')
        await until(lambda: client.state == "offline")
        client.io._receivers["/"] = client._link.packet
        await client.ready(10)
        assert engine.sessions == 2
    assert "ZeroDivisionError" in caplog.text


async def test_silence_ends_the_session() -> None:
    engine = Engine()

    async def answer(request: Request) -> bytes | None:
        if "sid=" not in request.target:
            return ok(OpenPacket("s", 0.1, 0.1, 1_000).encode())
        return await engine.answer(request)

    async with http_peer(answer) as peer:
        client = SocketClient(peer.url, **POLLING, reconnection=False)
        reasons: list[str] = []
        client.on("disconnect", reasons.append)
        await client.connect()
        await until(lambda: reasons)
        assert reasons == ["ping timeout"]
        await client.disconnect()


async def test_a_slow_server_makes_the_client_pause_and_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with handmade(max_payload=100_000) as (engine, peer, client):
        released = asyncio.Event()

        async def slow(request: Request) -> bytes | None:
            await released.wait()
            return ok("ok")

        engine.posted = slow
        told: list[bool] = []
        monkeypatch.setattr(client.io.session, "_on_writable", lambda: told.append(client.can_write))
        client.emit("n", "x" * 50_000)
        assert client.can_write
        client.emit("n", "x" * 50_000)
        assert not client.can_write
        client.volatile.emit("n", "volatile")
        released.set()
        await until(lambda: told)
        assert told == [True]
        assert "volatile" not in "".join(peer.bodies())


async def test_a_response_that_opens_no_session_is_described() -> None:
    async def answer(request: Request) -> bytes | None:
        return ok("<html>hello</html>")

    async with http_peer(answer) as peer:
        client = SocketClient(peer.url, **POLLING)
        with pytest.raises(ServerUnreachable, match=r"127\.0.* the response is not Engine\.IO: unknown .* in .<html>"):
            await client.connect(0.5)


async def test_the_token_is_in_a_header_of_every_request() -> None:
    engine = Engine()
    async with http_peer(engine.answer) as peer:
        client = SocketClient(peer.url, "s3cret", **POLLING, headers={"X-Who": "me"}, query={"a": "b c"})
        await client.connect()
        assert {one.headers["authorization"] for one in peer.requests} == {"token s3cret"}
        assert {one.headers["x-who"] for one in peer.requests} == {"me"}
        assert all("a=b+c" in one.target and "s3cret" not in one.target for one in peer.requests)
        await client.disconnect()


async def test_a_load_balancers_cookie_leads_back_to_the_server_that_has_the_session() -> None:
    """Two servers behind one address, chosen by a cookie, else in turn: HAProxy, AWS and Traefik do that."""
    engines = [Engine(), Engine()]
    turn = iter(range(100))

    async def balance(request: Request) -> bytes | None:
        cookie = request.headers.get("cookie", "")
        number = int(cookie.partition("route=")[2]) if "route=" in cookie else next(turn) % 2
        answer = await engines[number].answer(request)
        return answer and answer.replace(b"\r\n", f"\r\nSet-Cookie: route={number}; Path=/\r\n".encode(), 1)

    async with http_peer(balance) as peer:
        client = SocketClient(peer.url, **POLLING, reconnection=False)
        await client.connect()
        client.emit("n", 1)
        await until(lambda: '42["n",1]' in peer.bodies())
        assert engines[0].sessions == 1
        assert engines[1].sessions == 0
        await client.disconnect()


async def test_a_hubs_event_that_would_not_fit_as_base64_goes_in_parts_or_is_refused_where_it_is_emitted() -> None:
    with HubServer() as server:
        async with rt.AsyncClient(server.url, TOKEN, transports=["polling"]) as client:
            lab = await client.join("lab")
            with pytest.raises(
                TooLarge, match=r"760,\d+ bytes; a message may have 1,000,000 \(fewer over long-polling"
            ):
                await lab.emit("n", b"x" * 760_000, volatile=True)
            assert await lab.emit("n", b"x" * 760_000)
            assert await lab.emit("n", b"x" * 740_000)
            assert await lab.emit("n", "x" * 990_000)
        async with rt.AsyncClient(server.url, TOKEN, transports=["websocket"]) as client:
            assert await (await client.join("lab")).emit("n", b"x" * 760_000)


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
async def test_bodies_shrink_for_a_proxy_with_a_lower_limit_than_the_server() -> None:
    """nginx accepts 1 MiB, unless `client_max_body_size` is set."""
    block = "server { listen 127.0.0.1:PORT; client_max_body_size 20k; location / { proxy_pass http://127.0.0.1:%d; } }"
    with HubServer() as server, nginx(block % server.port) as front:
        async with rt.AsyncClient(front.url, TOKEN, transports=["polling"]) as client:
            lab = await client.join("lab")
            states: list[str] = []
            client.on_state(states.append)
            receipts = [await lab.emit("n", "x" * 1_000, wait=False) for _ in range(200)]
            seqs = [await receipt for receipt in receipts]
            assert seqs == sorted(set(seqs))
            assert 0 < states.count("offline") < 6
            states.clear()
            assert await lab.emit("n", "x" * 30_000, timeout=60)  # it goes in parts, which become smaller
            assert 0 < states.count("offline") < 6
            assert (await lab.history(last=1)).data == ["x" * 30_000]
            assert await lab.emit("n", "x" * 10_000)
