"""The choice of the transport: what may block a WebSocket, and how that is remembered."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.httppeer import Request, http_peer, ok
from support.hub import free_port
from support.proxies import Hindering, Opening, running
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.client import opening
from jupyter_rtmsg.client.opening import Strategy
from jupyter_rtmsg.errors import AccessDenied, ServerNotFound, ServerUnreachable
from jupyter_rtmsg.server import Server

QUICK: dict[str, Any] = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.02}


@pytest.fixture
async def io() -> AsyncIterator[Server]:
    server = Server()

    @server.on("connection")
    def connected(client: Any) -> None:
        client.on("sum", lambda a, b: a + b)

    server.port = await server.listen()  # type: ignore[attr-defined]
    yield server
    await server.close()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the timeouts of an upgrade."""
    monkeypatch.setattr(opening, "_FIRST_TIMEOUT", 0.2)
    monkeypatch.setattr(opening, "_UPGRADE_TIMEOUT", 0.2)


def transport(client: rt.SocketClient) -> str:
    assert client.io.session
    assert client.io.session.transport
    return client.io.session.transport.name


async def test_a_websocket_comes_first(io: Server) -> None:
    client = rt.SocketClient(f"http://127.0.0.1:{io.port}/")  # type: ignore[attr-defined]
    await client.connect()
    assert transport(client) == "websocket"
    await client.disconnect()


@pytest.mark.parametrize(
    ("answer", "hang_up"),
    [
        *((ok("no", status=status), True) for status in ("200 OK", "400 Bad Request", "404 Not Found")),
        (ok("no", status="426 Upgrade Required"), True),
        (ok("no", status="502 Bad Gateway"), True),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", False),
        (b"", True),
        (b"", False),
        (b"HTTP/1.1 200 OK\r\n\r\nnever ends", False),
    ],
    ids=["200", "400", "404", "426", "502", "101 of another", "hangs up", "never answers", "never ends"],
)
async def test_long_polling_replaces_a_blocked_websocket_and_that_is_remembered(
    io: Server, hurry: None, answer: bytes, hang_up: bool
) -> None:
    async with running(Hindering(io.port, answer, hang_up=hang_up)) as proxy:  # type: ignore[attr-defined]
        client = rt.SocketClient(proxy.url, **QUICK)
        await client.connect(5)
        assert transport(client) == "polling"
        assert await client.emit_with_ack("sum", 1, 2) == 3
        await until(lambda: not Strategy(["websocket", "polling"]).tries_websocket(proxy.url))
        tried = proxy.upgrades
        client.drop()
        await client.ready(10)
        other = rt.SocketClient(proxy.url)  # another client of this process knows it, too
        await other.connect(5)
        assert proxy.upgrades == tried
        assert await other.emit_with_ack("sum", 1, 2) == 3
        await client.disconnect()
        await other.disconnect()


@pytest.mark.parametrize("hang_up", [True, False])
async def test_a_websocket_that_opens_but_carries_nothing_is_given_up(io: Server, hurry: None, hang_up: bool) -> None:
    """Proxies and virus scanners do that, which hold back data that they cannot inspect."""
    async with running(Opening(io.port, hang_up=hang_up)) as proxy:  # type: ignore[attr-defined]
        client = rt.SocketClient(proxy.url)
        await client.connect(5)
        assert transport(client) == "polling"
        assert await client.emit_with_ack("sum", 1, 2) == 3
        await until(lambda: not Strategy(["websocket", "polling"]).tries_websocket(proxy.url))
        await client.disconnect()


async def test_after_ten_minutes_a_websocket_is_tried_again(io: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(Hindering(io.port, ok("", status="400 No"), hang_up=True)) as proxy:  # type: ignore[attr-defined]
        now = 1_000_000.0
        monkeypatch.setattr(opening, "time", SimpleNamespace(monotonic=lambda: now))
        client = rt.SocketClient(proxy.url, **QUICK)
        await client.connect()
        assert proxy.upgrades == 1
        now += 599
        client.drop()
        await client.ready(10)
        assert proxy.upgrades == 1
        now += 2
        client.drop()
        await client.ready(10)
        assert proxy.upgrades == 2
        assert transport(client) == "polling"
        await client.disconnect()


async def test_a_slow_server_gets_its_websocket_by_the_upgrade(io: Server, hurry: None) -> None:
    """A stopped process does not answer; that is no reason to remember anything."""
    proxy = Hindering(io.port)  # type: ignore[attr-defined]
    async with running(proxy):
        client = rt.SocketClient(proxy.url)
        connecting = asyncio.ensure_future(client.connect())
        await until(lambda: proxy.upgrades == 1)
        proxy.decide = lambda head, reader, writer: proxy.join(io.port, reader, writer, head)  # type: ignore
        await connecting
        await until(lambda: transport(client) == "websocket")
        assert await client.emit_with_ack("sum", 1, 2) == 3
        await client.disconnect()


async def test_a_failure_of_both_transports_is_not_remembered(hurry: None) -> None:
    async def answer(request: Request) -> bytes:
        return ok("starting", status="503 Service Unavailable")

    async with http_peer(answer) as peer:
        client = rt.SocketClient(peer.url, **QUICK)
        with pytest.raises(ServerUnreachable, match="HTTP 503: starting"):
            await client.connect(0.3)
        assert sum(request.is_upgrade for request in peer.requests) > 1
        await client.disconnect()


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("401 Unauthorized", AccessDenied, "refused the token"),
        ("403 Forbidden", AccessDenied, "refused the token"),
        ("302 Found\r\nLocation: /login?next=x", AccessDenied, "refused the token"),
        ("308 Permanent Redirect\r\nLocation: https://b.example/socket.io/", ServerNotFound, "redirects to https://b"),
    ],
)
async def test_a_refused_token_and_a_redirect_are_final(status: str, error: type[Exception], said: str) -> None:
    async def answer(request: Request) -> bytes:
        return ok("", status=status)

    async with http_peer(answer) as peer:
        with pytest.raises(error, match=said):
            await rt.SocketClient(peer.url).connect()
        assert len(peer.requests) == 1


async def test_a_server_without_socket_io_is_not_found() -> None:
    async def answer(request: Request) -> bytes:
        return ok("<h1>Not here</h1>", status="404 Not Found")

    async with http_peer(answer) as peer:
        with pytest.raises(ServerNotFound, match="knows no socket"):
            await rt.SocketClient(peer.url).connect()
        assert len(peer.requests) == 2


async def test_a_missing_server_is_tried_once_per_attempt() -> None:
    client = rt.SocketClient(f"http://127.0.0.1:{free_port()}/", reconnection=False)
    errors: list[Any] = []
    client.io.on("error", errors.append)
    with pytest.raises(ServerUnreachable, match=r"was not reached: .*[Cc]onnect"):
        await client.connect()
    await until(lambda: errors)
    assert len(errors) == 1


async def test_the_error_of_a_websocket_only_server_is_the_websockets() -> None:
    async def answer(request: Request) -> bytes:
        if request.is_upgrade:
            return ok("the proxy forbids it", status="400 Bad Request")
        return ok('{"code":0,"message":"Transport unknown"}', status="400 Bad Request")

    async with http_peer(answer) as peer:
        with pytest.raises(ServerUnreachable, match="the proxy forbids it"):
            await rt.SocketClient(peer.url, reconnection=False).connect()


@pytest.mark.parametrize("alone", ["websocket", "polling"])
async def test_a_single_transport_is_the_only_one_used(io: Server, alone: str) -> None:
    async with running(Hindering(io.port, ok("", status="400 No"), hang_up=True)) as proxy:  # type: ignore[attr-defined]
        client = rt.SocketClient(proxy.url, transports=[alone], reconnection=False)
        if alone == "websocket":
            with pytest.raises(ServerUnreachable, match="HTTP 400"):
                await client.connect()
            assert Strategy(["websocket"]).order(proxy.url) == ("websocket",)
        else:
            await client.connect()
            assert await client.emit_with_ack("sum", 1, 2) == 3
            assert proxy.upgrades == 0
        await client.disconnect()


@pytest.mark.parametrize("transports", [[], "polling", ["webtransport"], ["polling", "polling"]])
def test_transports_are_a_sequence_of_known_names(transports: Any) -> None:
    with pytest.raises(ValueError, match="'websocket' and 'polling'"):
        rt.SocketClient("http://127.0.0.1:1/", transports=transports)
    with pytest.raises(ValueError, match="'websocket' and 'polling'"):
        rt.Socket("http://127.0.0.1:1/", transports=transports)
    with pytest.raises(ValueError, match="'websocket' and 'polling'"):
        rt.connect("http://127.0.0.1:1/", transports=transports)


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["websocket", "polling"]])
async def test_a_server_that_never_answers_causes_no_log_output(
    hurry: None, transports: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It accepts TCP connections, as the operating system does for a stopped process."""
    loop = asyncio.get_running_loop()
    noise: list[Any] = []
    loop.set_exception_handler(lambda _, context: noise.append(context))
    held: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        client = rt.SocketClient(url, transports=transports, **QUICK)
        with pytest.raises(ServerUnreachable, match=f"{url} did not answer within 1 s"):
            await client.connect(1)
        for writer in held:
            writer.close()
        gc.collect()
        await asyncio.sleep(0)
    assert not noise
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
async def test_a_loop_that_ends_without_disconnect_causes_no_log_output(io: Server, transports: list[str]) -> None:
    code = f"""
import asyncio, jupyter_rtmsg as rt
async def main():
    client = rt.SocketClient("http://127.0.0.1:{io.port}/", transports={transports!r})
    await client.connect()
    client.emit("n", 1)
    print("connected")
asyncio.run(main())
"""  # type: ignore[attr-defined]
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-W", "always::ResourceWarning", "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("connected\n", "")
