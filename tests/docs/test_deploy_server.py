"""The nginx configurations of docs/deploy-server.md run, and three clients come through each of them."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import socketio
import tornado.httpserver
import tornado.netutil
import tornado.web
from support.nginx import Nginx, nginx
from support.node_peer import NodePeer
from support.pollclient import PollClient
from support.wsclient import RawClient, until, upgrade_request

from jupyter_rtmsg import SocketClient
from jupyter_rtmsg.server import Server, Socket

pytestmark = [pytest.mark.needs_nginx, pytest.mark.needs_openssl]

TEXT = (Path(__file__).parents[2] / "docs" / "deploy-server.md").read_text(encoding="utf-8")
NAMES = ("plain", "tls", "polling", "unix", "by id", "by address")
BLOCKS = dict(zip(NAMES, re.findall(r"```nginx\n(.*?)```", TEXT, re.DOTALL), strict=True))
COUNT = 10  # python-socketio takes no more than 16 packets of one answer

Make = Callable[..., Awaitable[Any]]


def announce(io: Server) -> Server:
    """Give a server the events of these tests."""

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("who", lambda body: {"transport": socket.conn.transport.name, "secure": socket.request.secure})
        socket.on("count", lambda body: [socket.emit("n", n) for n in range(body["to"])] and {})

    return io


@pytest.fixture
async def run() -> AsyncIterator[Make]:
    """Return a function that runs the server that a section of the document tells, on a port or a Unix socket."""
    running: list[Server] = []

    async def start(names: dict[str, Any], name: str) -> int:
        io = names[name]
        running.append(announce(io))
        return int(await io.listen(0, "127.0.0.1")) if name != "behind" else 0

    yield start
    for io in running:
        await io.close()


async def python_block(heading: str, **replaced: str) -> dict[str, Any]:
    """Run the Python block of a section and return its names."""
    section = TEXT[TEXT.index(f"## {heading}\n") :]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block
    code = re.sub(r"^port = await .*$", "", block[1], flags=re.MULTILINE)  # its own port is 8000
    for old, new in replaced.items():
        assert old in code
        code = code.replace(old, new)
    names: dict[str, Any] = {"Server": Server}
    exec(compile(code, "docs/deploy-server.md", "exec"), names)
    return names


@contextmanager
def configured(name: str, **replaced: str) -> Iterator[Nginx]:
    """Run a configuration of the document, on free ports and with the certificate of the tests."""
    block, changes = BLOCKS[name], re.compile(r"\s*ssl_certificate\w*\s.*?;")
    block = changes.sub("", block).replace("listen 443 ssl;", "listen 127.0.0.1:TLS_PORT ssl;")
    block = block.replace("listen 80;", "listen 127.0.0.1:PORT;")
    for old, new in replaced.items():
        assert old in block
        block = block.replace(old, new)
    with nginx(block) as server:
        yield server


# --- the clients


class Proxied:
    """A client that came through nginx: a sum of what all three can do."""

    def __init__(self, ask: Callable[[str, Any], Awaitable[Any]], received: list[int]) -> None:
        self.ask = ask
        self.received = received


async def by_node(url: str, tls: ssl.SSLContext | None, headers: dict[str, str], *transports: str) -> Proxied:
    options: dict[str, Any] = {"extraHeaders": headers, "reconnection": False}
    options["transports"] = list(transports) or ["polling", "websocket"]  # its default
    peer = NodePeer(SimpleNamespace(url=url), None, **options)  # type: ignore[arg-type]  # of which only the URL is used
    CLOSING.append(lambda: asyncio.to_thread(peer.close))
    await asyncio.to_thread(peer.wait_for, "connected")
    received: list[int] = []

    async def ask(name: str, body: Any) -> Any:
        answer = await asyncio.to_thread(lambda: peer.command(name, **body))
        while not peer.received.empty():
            received.extend(peer.take()[1])
        return answer

    return Proxied(ask, received)


async def by_python_socketio(
    url: str, tls: ssl.SSLContext | None, headers: dict[str, str], *transports: str
) -> Proxied:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls or True))
    client = socketio.AsyncClient(reconnection=False, http_session=session)
    CLOSING.extend([session.close, client.disconnect])
    received: list[int] = []
    client.on("n", received.append)
    await client.connect(url, headers=headers, transports=list(transports) or None, wait_timeout=20)
    return Proxied(lambda name, body: client.call(name, body, timeout=20), received)


async def by_ours(url: str, tls: ssl.SSLContext | None, headers: dict[str, str], *transports: str) -> Proxied:
    options = {"transports": transports} if transports else {}
    socket = SocketClient(url, headers=headers, tls=tls, reconnection=False, **options)  # type: ignore[arg-type]
    CLOSING.append(socket.disconnect)
    received: list[int] = []
    socket.on("n", received.append)
    await socket.connect()
    return Proxied(socket.emit_with_ack, received)


CLOSING: list[Callable[[], Awaitable[Any]]] = []
CLIENTS = (by_node, by_python_socketio, by_ours)


@pytest.fixture(autouse=True)
async def _close_clients() -> AsyncIterator[None]:
    yield
    while CLOSING:
        with suppress(OSError):
            await CLOSING.pop()()


async def check(front: Nginx, client: Any, *transports: str, ends_with: str, tls: bool = False) -> None:
    """Connect a client, wait until it has the transport it should, and check order and count of what it is sent."""
    context = ssl.create_default_context(cafile=str(front.certificate)) if tls else None
    url = front.tls_url if tls else front.url
    proxied = await client(url, context, {"Origin": url.rstrip("/")}, *transports)
    await proxied.ask("count", {"to": COUNT})
    who = await proxied.ask("who", {})
    while who["transport"] != ends_with:
        who = await proxied.ask("who", {})
    await proxied.ask("count", {"to": COUNT})
    await proxied.ask("who", {})
    await until(lambda: len(proxied.received) >= 2 * COUNT)
    assert proxied.received == [*range(COUNT), *range(COUNT)]
    assert who["secure"] is tls


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Nginx], None]:
    return lambda front: monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(front.certificate))


# --- one server


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("transports", "ends_with"), [(("polling",), "polling"), (("websocket",), "websocket"), ((), "websocket")]
)
@pytest.mark.parametrize("name", ["plain", "tls"])
async def test_every_client_comes_through(
    run: Make, trusting: Any, name: str, client: Any, transports: Any, ends_with: str
) -> None:
    port = await run(await python_block("What the server must be told"), "io")
    with configured(name, **{"127.0.0.1:8000": f"127.0.0.1:{port}"}) as front:
        trusting(front)
        await check(front, client, *transports, ends_with=ends_with, tls=name == "tls")


@pytest.mark.parametrize("client", CLIENTS)
async def test_without_upgrade_every_client_polls(run: Make, client: Any) -> None:
    port = await run(await python_block("What the server must be told"), "io")
    with configured("polling", **{"127.0.0.1:8000": f"127.0.0.1:{port}"}) as front:
        await check(front, client, ends_with="polling")
        refused = await RawClient.dial(front.port)
        refused.write(upgrade_request())
        assert (await refused.response()).status == 400
        refused.writer.close()


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_unix_socket_serves(run: Make, client: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    names = await python_block("A Unix socket", **{"/run/rtmsg.sock": path})
    await run(names, "behind")
    with configured("unix", **{"/run/rtmsg.sock": path}) as front:
        await check(front, client, ends_with="websocket")
        (session,) = names["behind"].engine.sessions.values()
        assert session.request.address == "127.0.0.1"  # nginx's client, of whom a Unix socket knows nothing
    names["http"].stop()


async def test_the_public_name_gets_in_because_it_is_in_hosts(run: Make) -> None:
    port = await run(await python_block("What the server must be told"), "io")
    with configured("plain", **{"127.0.0.1:8000": f"127.0.0.1:{port}"}) as front:
        for host, status in (("lab.example", 200), ("other.example", 403)):
            client = PollClient(front.port, Host=host, Origin=f"http://{host}")
            assert (await (await client.start()).answer()).status == status


async def test_the_scheme_and_host_that_a_client_claims_are_replaced(run: Make) -> None:
    names = await python_block("What the server must be told")
    port = await run(names, "io")
    forged = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil.example", "Forwarded": "for=6.6.6.6;proto=https"}
    at = {"127.0.0.1:8000": f"127.0.0.1:{port}"}
    with configured("plain", **at) as front, closing(await PollClient.open(front.port, **forged)):
        (session,) = names["io"].engine.sessions.values()
        request = session.request
        assert (request.secure, request.host, request.address) == (False, "localhost", "127.0.0.1")


class CountingServer(tornado.httpserver.HTTPServer):
    """Counts the connections that it accepts."""

    accepted = 0

    def handle_stream(self, stream: Any, address: Any) -> Any:
        self.accepted += 1
        return super().handle_stream(stream, address)


async def test_connections_to_the_server_are_kept_between_polls() -> None:
    """Or each poll would open one."""
    io = Server()
    http = CountingServer(tornado.web.Application(io.handlers()))
    (listening,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
    http.add_socket(listening)
    at = {"127.0.0.1:8000": f"127.0.0.1:{listening.getsockname()[1]}"}
    with configured("plain", **at) as front, closing(await PollClient.open(front.port)) as client:
        for _ in range(10):
            await client.send("3")
    assert http.accepted == 1
    await io.close()
    http.stop()


async def test_a_ping_interval_below_the_proxys_patience_keeps_a_quiet_client(run: Make) -> None:
    port = await run({"io": Server(ping_interval=0.4, ping_timeout=20)}, "io")
    with configured("plain", **{"127.0.0.1:8000": f"127.0.0.1:{port}", "60s": "1s"}) as front:
        client = await RawClient.open(front.port)
        polling = await PollClient.open(front.port)
        for _ in range(6):  # 2.4 s
            assert await client.receive() == "2"
            client.send("3")
            assert await polling.get() == ["2"]
            await polling.send("3")
        client.writer.close()
        polling.close()


async def test_a_connection_header_that_is_always_upgrade_does_no_harm(run: Make) -> None:
    """Many configurations have it so."""
    port = await run({"io": Server()}, "io")
    changes = {"127.0.0.1:8000": f"127.0.0.1:{port}", "Connection $connection_upgrade": 'Connection "upgrade"'}
    with configured("plain", **changes) as front:
        for client in CLIENTS:
            await check(front, client, ends_with="websocket")


# --- several


def addresses(ports: list[int]) -> dict[str, str]:
    return {f"127.0.0.1:{8001 + n}": f"127.0.0.1:{port}" for n, port in enumerate(ports)}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")])
@pytest.mark.parametrize("name", ["by id", "by address"])
async def test_the_requests_of_a_session_reach_its_server(run: Make, name: str, client: Any, transports: Any) -> None:
    names = await python_block("Several servers")
    ports = [await run(names, one) for one in ("first", "second")]
    with configured(name, **addresses(ports)) as front:
        for _ in range(2):
            await check(front, client, *transports, ends_with=transports[-1])
        counts = [len(names[one].engine.sessions) for one in ("first", "second")]
        assert counts == [1, 1] if name == "by id" else sorted(counts) == [0, 2]


async def test_without_that_care_a_session_is_unknown_at_every_other_request(run: Make) -> None:
    names = await python_block("Several servers")
    ports = [await run(names, one) for one in ("first", "second")]
    changes = {**addresses(ports), "ip_hash;": ""}
    with configured("by address", **changes) as front, closing(await PollClient.open(front.port)) as client:
        statuses = {(await (await client.start("POST", client.query, b"3")).answer()).status for _ in range(4)}
        assert statuses == {200, 400}


def test_every_configuration_is_run() -> None:
    used = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in NAMES if used.count(f'"{name}"') < 2] == []
