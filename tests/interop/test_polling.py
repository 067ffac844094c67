"""Our client where there is only long-polling: servers without WebSocket, and real proxies without Upgrade."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import socketio
import tornado.httpserver
import tornado.netutil
import tornado.web
from support.hub import TOKEN, HubServer
from support.jupyter import JupyterServer
from support.nginx import proxy
from support.node_peer import node_connected
from support.node_server import NodeServer
from support.patience import eventually
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import AccessDenied, ServerNotFound

QUICK: dict[str, Any] = {"reconnection_delay": 0.05}
POLLING_FIRST = ["polling", "websocket"]


@pytest.fixture(scope="module")
def polling_only() -> Iterator[NodeServer]:
    server = NodeServer(transports="polling", patient=True)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def node() -> Iterator[NodeServer]:
    server = NodeServer(patient=True)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def transport(client: rt.SocketClient) -> str:
    assert client.io.session
    assert client.io.session.transport
    return client.io.session.transport.name


async def check(client: rt.SocketClient, name: str, size: int = 900_000) -> None:
    """Check acks both ways, bytes, order and size, with the events of `server.js`."""
    client.on("question", lambda question: {"answer": question, "raw": b"\xff"})
    assert await client.emit_with_ack("sum", 1, 2) == 3
    assert await client.emit_with_ack("echo", b"\x00\x01", {"deep": [b"", "ü🎉"]}) == [
        b"\x00\x01",
        {"deep": [b"", "ü🎉"]},
    ]
    assert await client.timeout(10).emit_with_ack("ask", b"why") == {"answer": b"why", "raw": b"\xff"}
    answers = await asyncio.gather(*(client.emit_with_ack("sum", number, 0) for number in range(300)))
    assert answers == list(range(300))
    large = "x" * size
    assert await client.timeout(20).emit_with_ack("echo", large) == large
    assert transport(client) == name


# --- Node


async def test_a_node_server_without_websocket(polling_only: NodeServer) -> None:
    client = rt.SocketClient(polling_only.url, **QUICK)
    await client.connect()
    await check(client, "polling")
    admin = client.of("/admin", auth={"token": "secret"})
    await admin.connect()
    assert (await admin.emit_with_ack("who"))[0] == "admin"
    seen: list[Any] = []
    client.on("disconnect", seen.append)
    client.emit("cut")
    await until(lambda: seen)
    await client.ready(10)
    await admin.ready(10)
    assert seen == ["transport close"]
    assert await client.emit_with_ack("sum", 1, 2) == 3
    await admin.disconnect()
    await client.disconnect()


async def test_a_node_server_that_is_killed_is_come_back_to() -> None:
    server = NodeServer(transports="polling", patient=True)
    client = rt.SocketClient(server.url, **QUICK)
    try:
        await client.connect()
        server.kill()
        await until(lambda: client.state == "offline")
        client.emit("note", 1)
        server.start()
        await client.ready(20)
        assert await client.emit_with_ack("noted") == [1]
    finally:
        await client.disconnect()
        server.kill()


@pytest.mark.parametrize("transports", [["polling"], POLLING_FIRST])
async def test_msgpack_goes_over_polling_as_base64(transports: list[str]) -> None:
    server = NodeServer(parser="socket.io-msgpack-parser", patient=True)
    client = rt.SocketClient(server.url, transports=transports, parser="msgpack")
    try:
        await client.connect()
        await until(lambda: transport(client) == transports[-1])
        await check(client, transports[-1], 700_000)  # a third more as base64
    finally:
        await client.disconnect()
        server.kill()


async def test_pings_of_a_node_server_keep_an_idle_client(polling_only: NodeServer) -> None:
    client = rt.SocketClient(polling_only.url, **QUICK)
    reasons: list[str] = []
    client.on("disconnect", reasons.append)
    await client.connect()
    session = client.io.session
    assert session
    pings: list[Any] = []
    received = session.received

    def listen(packets: Any) -> None:
        pings.extend(packet for packet in packets if packet == "2")
        received(packets)

    session.received = listen  # type: ignore[method-assign]
    await until(lambda: len(pings) == 8)  # it sends one when the pong to the one before has come
    assert await client.emit_with_ack("sum", 1, 2) == 3
    assert not reasons
    await client.disconnect()


@pytest.mark.parametrize("pause", [0, 0.0005, 0.002])
async def test_the_upgrade_with_a_node_server_loses_nothing(node: NodeServer, pause: float) -> None:
    client = rt.SocketClient(node.url, transports=POLLING_FIRST)
    seen: list[int] = []
    client.on("told", lambda number, _: seen.append(number))
    await client.connect()
    await client.emit_with_ack("join", "lab")
    number = 0
    while transport(client) == "polling" or number < 200:
        client.emit("tell", "told", number, bytes([number % 256]))
        number += 1
        await asyncio.sleep(pause)
    await until(lambda: len(seen) == number)
    assert seen == list(range(number))
    await check(client, "websocket")
    await client.disconnect()


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
def test_a_node_client_and_ours_meet_over_polling_only(hub: HubServer) -> None:
    with proxy(hub.port, upgrade=False) as front, rt.Client(front.url, TOKEN) as client:
        lab = client.join("both")
        with node_connected(_Named(front.port), TOKEN, transports=["polling"]) as peer:
            assert peer.command("join", room="both")["ok"]
            assert lab.emit("n", {"raw": b"\xff"})
            assert peer.command("publish", room="both", event="n", data={"raw": b"\x00"})["ok"]
        eventually(lambda: len(lab.history()) == 2)
        assert [event.data for event in lab.history()] == [{"raw": b"\xff"}, {"raw": b"\x00"}]


class _Named:
    """What `node_connected` needs of a server."""

    def __init__(self, port: int) -> None:
        self.port, self.url, self.token = port, f"http://127.0.0.1:{port}/", TOKEN


# --- nginx


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
async def test_a_node_server_behind_nginx_without_upgrade(node: NodeServer) -> None:
    with proxy(node.port, upgrade=False) as front:
        client = rt.SocketClient(front.url, **QUICK)
        await client.connect()
        await check(client, "polling")
        await client.disconnect()
        first = rt.SocketClient(front.url, transports=POLLING_FIRST, **QUICK)
        await first.connect()
        await check(first, "polling")
        await first.disconnect()
        assert not [line for line in front.requests if '" 499 ' in line and "POST" in line]


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
@pytest.mark.parametrize("upgrade", [True, False])
async def test_tls_of_nginx(node: NodeServer, upgrade: bool) -> None:
    with proxy(node.port, upgrade=upgrade) as front:
        trusting = ssl.create_default_context(cafile=str(front.certificate))
        for transports in (["websocket", "polling"], POLLING_FIRST, ["polling"]):
            client = rt.SocketClient(front.tls_url, transports=transports, tls=trusting)
            await client.connect()
            name = "websocket" if upgrade and "websocket" in transports else "polling"
            await until(lambda client=client, name=name: transport(client) == name)
            await check(client, name)
            await client.disconnect()


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
def test_rooms_with_a_memory_through_nginx_without_upgrade(hub: HubServer) -> None:
    with proxy(hub.port, upgrade=False) as front:
        with rt.Client(front.url, TOKEN) as client, rt.Client(hub.url, TOKEN) as other:
            lab = client.join("far")
            seen: list[Any] = []
            lab.on("n", lambda event: seen.append(event.data))
            direct = other.join("far")
            receipts = [lab.emit("n", number, wait=False) for number in range(200)]
            assert all(receipt.result(20) for receipt in receipts)
            client.socket.drop()
            direct.emit("n", b"x" * 100_000)
            eventually(lambda: len(seen) == 201)
            assert seen == [*range(200), b"x" * 100_000]
        assert any("transport=polling" in line for line in front.requests)


# --- python-socketio, Flask-SocketIO


FLASK = """
import sys
from flask import Flask
from flask_socketio import SocketIO
application = Flask(__name__)
io = SocketIO(application, async_mode="threading", transports=["polling"])
io.on_event("sum", lambda a, b: a + b)
io.on_event("echo", lambda *args: args)
@io.on("ask")
def ask(question):
    from flask import request
    return io.server.call("question", question, to=request.sid)
import threading
threading.Thread(target=lambda: (sys.stdin.read(), __import__("os")._exit(0)), daemon=True).start()
print("ready", flush=True)
io.run(application, host="127.0.0.1", port=int(sys.argv[1]), allow_unsafe_werkzeug=True)
"""


@contextmanager
def flask() -> Iterator[str]:
    """Flask-SocketIO on Werkzeug, with a thread a request, as it runs where simple-websocket is not installed."""
    from support.ports import free_port

    port = free_port()
    command = [sys.executable, "-c", FLASK, str(port)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.communicate()


async def test_flask_socketio_without_websocket() -> None:
    with flask() as url:
        client = rt.SocketClient(url, reconnection_delay=0.1)
        await client.connect(30)
        client.on("question", lambda question: {"answer": question})
        assert await client.emit_with_ack("sum", 1, 2) == 3
        assert await client.emit_with_ack("echo", b"\x00", "ü") == [b"\x00", "ü"]
        assert await client.emit_with_ack("ask", "why") == {"answer": "why"}
        assert await asyncio.gather(*(client.emit_with_ack("sum", n, n) for n in range(50))) == [
            2 * n for n in range(50)
        ]
        assert transport(client) == "polling"
        await client.disconnect()


async def test_python_socketio_over_polling_and_by_the_upgrade() -> None:
    server = socketio.AsyncServer(async_mode="tornado")
    server.on("sum", lambda sid, a, b: a + b)
    server.on("echo", lambda sid, value: value)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    handler = socketio.get_tornado_handler(server)
    http = tornado.httpserver.HTTPServer(tornado.web.Application([("/socket.io/", handler)]))
    http.add_sockets(sockets)
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
    for transports, name in ((["polling"], "polling"), (POLLING_FIRST, "websocket")):
        client = rt.SocketClient(url, transports=transports)
        await client.connect()
        assert await client.emit_with_ack("echo", [b"\x00", {"a": b"\x01"}]) == [b"\x00", {"a": b"\x01"}]
        await until(lambda client=client, name=name: transport(client) == name)
        assert [await client.emit_with_ack("sum", n, 1) for n in range(20)] == list(range(1, 21))
        await client.disconnect()
    http.stop()


# --- Jupyter


@pytest.mark.parametrize("transports", [["polling"], POLLING_FIRST])
def test_a_jupyter_server_with_its_token_in_a_header(jupyter: JupyterServer, transports: list[str]) -> None:
    with rt.Client(jupyter.url, jupyter.token, transports=transports) as client:
        lab = client.join(f"token-{len(transports)}")
        seen: list[Any] = []
        lab.on("n", lambda event: seen.append(event.data))
        for number in range(20):
            assert lab.emit("n", [number, b"\xff"])
        eventually(lambda: len(seen) == 20)
        assert seen == [[number, b"\xff"] for number in range(20)]


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], POLLING_FIRST, ["websocket", "polling"]])
def test_a_jupyter_server_refuses_another_token(jupyter: JupyterServer, transports: list[str]) -> None:
    for token in ("wrong", None):
        with pytest.raises(AccessDenied, match="refused the"):
            rt.Client(jupyter.url, token, transports=transports).connect()


def test_a_jupyter_server_has_no_socket_io_elsewhere(jupyter: JupyterServer) -> None:
    with pytest.raises(ServerNotFound, match="knows no socket"):
        rt.Socket(jupyter.url + "elsewhere/", jupyter.token).connect()


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
def test_a_jupyter_server_behind_nginx_without_upgrade(jupyter: JupyterServer) -> None:
    with proxy(jupyter.port, upgrade=False) as front, rt.Client(front.url, jupyter.token) as client:
        assert client.join("nginx").emit("n", 1)
