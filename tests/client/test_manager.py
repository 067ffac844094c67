"""The manager: attempts to connect, giving up, and events that are emitted meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.ports import free_port
from support.wsclient import until

from jupyter_rtmsg import AsyncClient, SocketClient
from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.errors import AccessDenied, ConnectionRefused, QueueFull, ServerUnreachable
from jupyter_rtmsg.server import Server
from jupyter_rtmsg.wire.socketio import encode_event
from jupyter_rtmsg.wire.websocket import TEXT, accept_value, encode_frame


async def test_attempts_are_counted_reported_and_given_up() -> None:
    socket = SocketClient(
        f"http://127.0.0.1:{free_port()}/",
        reconnection_attempts=2,
        reconnection_delay=0.01,
        reconnection_delay_max=0.01,
    )
    seen: list[Any] = []
    socket.on("connect_error", lambda error: seen.append("connect_error"))
    socket.io.on("error", lambda error: seen.append("error"))
    socket.io.on("reconnect_attempt", lambda number: seen.append(("attempt", number)))
    socket.io.on("reconnect_error", lambda error: seen.append("reconnect_error"))
    socket.io.on("reconnect_failed", lambda: seen.append("failed"))
    with pytest.raises(ServerUnreachable, match=r"was not reached: .*Connect"):
        await socket.connect()
    await until(lambda: "failed" in seen)
    assert [one for one in seen if one != "connect_error"] == [
        "error", ("attempt", 1), "error", "reconnect_error", ("attempt", 2), "error", "reconnect_error", "failed",
    ]  # fmt: skip
    assert seen.count("connect_error") == 3
    assert (socket.active, socket.state) == (False, "closed")


async def test_a_connect_that_times_out_does_not_end_the_attempts() -> None:
    io = Server()
    port = await io.listen()
    socket = SocketClient(f"http://127.0.0.1:{port}/", reconnection_delay=0.05, reconnection_delay_max=0.05)
    await socket.connect()
    await io.close()
    await until(lambda: socket.state == "offline")
    both = await asyncio.gather(socket.connect(0.05), socket.connect(0.2), return_exceptions=True)
    assert [type(error) for error in both] == [ServerUnreachable, ServerUnreachable]
    assert socket.active
    io = Server()
    await io.listen(port)
    await socket.connect()
    assert socket.connected
    await socket.disconnect()
    await io.close()


async def test_without_reconnection_a_lost_connection_stays_lost_until_connect() -> None:
    io = Server()
    socket = SocketClient(f"http://127.0.0.1:{await io.listen()}/", reconnection=False)
    await socket.connect()
    reasons: list[str] = []
    socket.on("disconnect", reasons.append)
    socket.drop()
    await until(lambda: socket.state == "closed" and reasons)
    assert reasons == ["transport close"]
    assert not socket.active
    await socket.connect()
    assert socket.connected
    await socket.disconnect()
    await io.close()


async def test_events_emitted_before_connect_wait() -> None:
    io = Server()
    seen: list[Any] = []
    io.on("connection", lambda client: client.on("n", lambda value: seen.append(value)))
    socket = SocketClient(f"http://127.0.0.1:{await io.listen()}/")
    for number in range(3):
        socket.emit("n", number)
    await socket.connect()
    await until(lambda: len(seen) == 3)
    assert seen == [0, 1, 2]
    await socket.disconnect()
    await io.close()


async def test_the_buffer_is_bounded_and_drops_events_whose_ack_timed_out() -> None:
    socket = SocketClient(f"http://127.0.0.1:{free_port()}/")
    asking = asyncio.ensure_future(socket.emit_with_ack("question"))
    await asyncio.sleep(0)
    for number in range(9_999):
        socket.emit("n", number)
    with pytest.raises(QueueFull, match=r"10,000 events .* wait for a connection"):
        socket.emit("n", 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    socket.emit("n", 1)
    with pytest.raises(QueueFull, match="67,108,864 bytes"):
        SocketClient("http://127.0.0.1:1/").emit("n", b"x" * (64 * 1024 * 1024))


async def test_auth_is_called_for_every_connection_and_its_exception_is_reported() -> None:
    io = Server()
    auths: list[Any] = []
    io.on("connection", lambda client: auths.append(client.auth))
    numbers = iter([1, 2])
    socket = SocketClient(
        f"http://127.0.0.1:{await io.listen()}/", auth=lambda: {"number": next(numbers)}, reconnection_delay=0.01
    )
    errors: list[BaseException] = []
    socket.on("connect_error", errors.append)
    await socket.connect()
    socket.drop()
    await until(lambda: len(auths) == 2)
    assert auths == [{"number": 1}, {"number": 2}]
    socket.drop()
    await until(lambda: errors)
    assert socket.state == "closed"
    await io.close()


async def test_a_second_namespace_uses_the_existing_connection() -> None:
    io = Server()
    io.of("/b")
    sessions: set[Any] = set()
    for namespace in (io.sockets, io.of("/b")):
        namespace.on("connection", lambda client: sessions.add(client.conn))
    root = SocketClient(f"http://127.0.0.1:{await io.listen()}/")
    other = root.of("/b")
    await other.connect()
    await root.connect()
    await until(lambda: len(io.sockets.sockets) == 1)
    assert len(sessions) == 1
    await root.disconnect()
    assert other.connected
    await other.disconnect()
    await until(lambda: not io.of("/b").sockets)
    await io.close()


async def test_a_namespace_begins_with_a_slash() -> None:
    with pytest.raises(ValueError, match="begins with a slash"):
        SocketClient("http://127.0.0.1:1/", namespace="b")
    with pytest.raises(ValueError, match="no comma"):
        SocketClient("http://127.0.0.1:1/").of("/a,b")


async def test_a_frozen_client_reads_nothing_and_then_continues() -> None:
    io = Server()
    socket = SocketClient(f"http://127.0.0.1:{await io.listen()}/")
    await socket.connect()
    loop = asyncio.get_running_loop()
    times: list[float] = []
    socket.on("n", lambda: times.append(loop.time()))
    start = loop.time()
    socket.freeze(0.3)
    io.emit("n")
    await until(lambda: times)
    assert times[0] - start >= 0.3
    assert socket.connected
    await socket.disconnect()
    await io.close()


async def test_headers_query_and_path_go_with_the_request() -> None:
    io = Server()
    seen: list[Any] = []
    io.on("connection", lambda client: seen.append((client.handshake.headers.get("X-Who"), client.handshake.query)))
    port = await io.listen()
    socket = SocketClient(f"http://127.0.0.1:{port}/", headers={"X-Who": "me"}, query={"a": "b c"}, path="/socket.io/")
    await socket.connect()
    await until(lambda: seen)
    assert seen[0][0] == "me"
    assert "b c" in str(seen[0][1])
    await socket.disconnect()
    await io.close()


async def test_a_refused_token_is_reported_at_once() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        socket = SocketClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        with pytest.raises(AccessDenied):
            await asyncio.wait_for(socket.connect(), 5)


def throw_out(io: Server, client: Any) -> None:
    """Have a server end a client's session as soon as the client has the answer to CONNECT."""

    def end(state: str) -> None:
        if state == "connected":
            for session in list(io.engine.sessions.values()):
                session.close("thrown out")

    client.on_state(end)


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Notes the delays between attempts. They begin with 10 ms and have no jitter."""
    noted: list[float] = []

    class Noted(Backoff):
        def __init__(self, *_: float) -> None:
            super().__init__(0.01, 10.0, lambda: 1.0)

        def next(self) -> float:
            noted.append(super().next())
            return noted[-1]

    monkeypatch.setattr("jupyter_rtmsg.client.socket.Backoff", Noted)
    return noted


@pytest.mark.parametrize("kind", [SocketClient, AsyncClient])
async def test_a_server_that_admits_and_then_disconnects_is_tried_less_and_less_often(
    kind: type[Any], delays: list[float]
) -> None:
    io = Server()
    io.on("connection", lambda socket: socket.on("hello", lambda _: {"ok": True}))  # as a hub answers
    client = kind(f"http://127.0.0.1:{await io.listen()}/")
    throw_out(io, client)
    await client.connect()
    await until(lambda: len(delays) >= 6)
    assert delays[:6] == [0.01 * 2**number for number in range(6)]
    await (client.disconnect() if kind is SocketClient else client.close())
    await io.close()


async def test_after_a_stable_connection_the_first_reconnect_is_quick_again(
    delays: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_rtmsg.client.manager._STABLE_AFTER", 0, raising=False)
    io = Server()
    socket = SocketClient(f"http://127.0.0.1:{await io.listen()}/")
    throw_out(io, socket)
    await socket.connect()
    await until(lambda: len(delays) >= 4)
    assert delays == [0.01] * len(delays)
    await socket.disconnect()
    await io.close()


async def test_a_connection_lost_before_a_socket_was_admitted_was_not_stable(
    delays: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_rtmsg.client.manager._STABLE_AFTER", 0, raising=False)
    io = Server()

    def refuse(client: Any) -> None:
        for session in list(io.engine.sessions.values()):
            session.close("thrown out")

    io.use(refuse)
    socket = SocketClient(f"http://127.0.0.1:{await io.listen()}/")
    with pytest.raises(ServerUnreachable, match="ended 3 sessions in place of answering CONNECT"):
        await socket.connect()
    assert delays[:2] == [0.01, 0.02]
    await io.close()


async def raw_server(packets: list[str], *, reads: bool = True) -> asyncio.Server:
    """Run a server that upgrades, writes packets at once, and then reads only if ``reads``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.partition(": ")[2] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        writer.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_value(key)}\r\n\r\n".encode()
            + b"".join(encode_frame(TEXT, packet.encode()) for packet in packets)
        )
        if not reads:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
        while await reader.read(1 << 16):
            pass
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


OPEN = '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000000}'


async def test_an_answer_to_a_connect_that_was_not_sent_yet_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    server = await raw_server([OPEN, '40{"sid":"b"}'])
    socket = SocketClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", transports=["websocket"])
    with pytest.raises(ServerUnreachable):
        await socket.connect(0.3)
    assert not caplog.records
    server.close()


async def test_a_peer_that_does_not_read_cannot_keep_a_client_open() -> None:
    server = await raw_server([OPEN], reads=False)
    socket = SocketClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", transports=["websocket"])
    connecting = asyncio.ensure_future(socket.connect())
    await until(lambda: socket.io.session)
    session = socket.io.session
    assert session
    for number in range(50):
        session.send(encode_event(["n", number, "x" * 500_000]))
    await until(lambda: not session.can_write)
    await asyncio.wait_for(socket.disconnect(), 20)
    assert session.ended.done()
    assert session.descriptors == []
    connecting.cancel()
    await asyncio.wait({connecting})
    server.close()


async def test_a_hubs_client_that_is_refused_for_a_while_connects_in_the_end(delays: list[float]) -> None:
    io = Server()
    refused: list[Any] = []

    def refuse(socket: Any) -> None:
        if len(refused) < 5:
            refused.append(socket)
            raise ConnectionRefused("too many connections", {"code": "limit"})

    io.use(refuse)
    io.on("connection", lambda socket: socket.on("hello", lambda _: {"ok": True}))  # as a hub answers
    client = AsyncClient(f"http://127.0.0.1:{await io.listen()}/")
    await client.connect()
    assert len(refused) == len(delays) == 5
    await client.close()
    await io.close()
