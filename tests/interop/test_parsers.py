"""Parsers beside the implementations that are not ours: npm's packages and python-socketio, as clients and servers."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import socketio
import tornado.httpserver
import tornado.netutil
import tornado.web
from support.node_server import NodeServer
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import ConnectionRefused, ServerUnreachable
from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.wire.packet import Packet

PACKAGES = {"json": "", "msgpack": "socket.io-msgpack-parser"}
SERIALIZERS = {"json": "default", "msgpack": "msgpack"}
TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}
SCRIPT = Path(__file__).parent / "conversation.js"

VALUES = [1, -300, 2**40, 2.5, None, True, "", "é😀\x1e" * 20, b"\x00\xff", {"deep": [b"", {"x": b"a" * 300}], "n": []}]
HEARD = {
    "echo": VALUES,
    "asked": {"answer": b"why", "raw": b"\xff"},
    "told": [{"n": 1, "bytes": b"\x01"}],
    "refused": {"message": "not authorized", "data": {"code": "E_TOKEN"}},
    "welcome": [{"token": "secret"}],
    "who": "admin",
    "nowhere": "Invalid namespace",
}


# -- servers: each understands the conversation


def speak(io: Server) -> None:
    """Have a server of ours understand the conversation."""

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("echo", lambda values: values)
        socket.on("join", lambda room: socket.join(room))
        socket.on("tell", lambda *args: io.to("lab").emit(*args))

        @socket.on("ask")
        async def ask(question: bytes) -> Any:
            return await socket.timeout(20).emit_with_ack("question", question)

    @io.of("/admin").use
    def authorize(socket: Socket) -> None:
        if socket.auth.get("token") != "secret":
            raise ConnectionRefused("not authorized", {"code": "E_TOKEN"})

    @io.of("/admin").on("connection")
    def admitted(socket: Socket) -> None:
        socket.emit("welcome", socket.auth)
        socket.on("who", lambda: "admin")


@asynccontextmanager
async def ours(parser: Any) -> AsyncIterator[str]:
    io = Server(parser=parser)
    speak(io)
    yield f"http://127.0.0.1:{await io.listen()}/"
    await io.close()


@asynccontextmanager
async def nodes(parser: str, *, recovery: bool = False) -> AsyncIterator[str]:
    server = await asyncio.to_thread(NodeServer, parser=PACKAGES[parser], recovery=recovery)
    yield server.url
    server.kill()


@asynccontextmanager
async def pythons(parser: str) -> AsyncIterator[str]:
    io = socketio.AsyncServer(async_mode="tornado", serializer=SERIALIZERS[parser], namespaces=["/", "/admin"])
    io.on("echo", lambda sid, values: (values,))

    @io.on("join")
    async def join(sid: str, room: str) -> None:
        await io.enter_room(sid, room)

    @io.on("tell")
    async def tell(sid: str, event: str, *args: Any) -> None:
        await io.emit(event, args, room="lab")

    @io.on("ask")
    async def ask(sid: str, question: bytes) -> Any:
        return await io.call("question", question, to=sid, timeout=20)

    @io.on("connect", namespace="/admin")
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        if (auth or {}).get("token") != "secret":
            raise socketio.exceptions.ConnectionRefusedError("not authorized", {"code": "E_TOKEN"})
        await io.emit("welcome", auth, to=sid, namespace="/admin")

    io.on("who", lambda sid: "admin", namespace="/admin")
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    http = tornado.httpserver.HTTPServer(tornado.web.Application([(r"/socket.io/", socketio.get_tornado_handler(io))]))
    http.add_sockets(sockets)
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
    http.stop()
    await io.shutdown()


# -- clients: each has the conversation and returns what it heard


def seal(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$date": round(value.timestamp() * 1000)}
    return {"$bytes": base64.b64encode(value).decode()}


def opened(value: dict[str, Any]) -> Any:
    if value.keys() == {"$bytes"}:
        return base64.b64decode(value["$bytes"])
    if value.keys() == {"$date"}:
        return datetime.fromtimestamp(value["$date"] / 1000, timezone.utc)
    return value


async def node_talks(url: str, parser: str, transports: list[str], values: Any = VALUES, **options: Any) -> Any:
    """Have socket.io-client talk; ``parser`` may be a file beside its script."""
    environment = {
        **os.environ,
        "RTMSG_URL": url,
        "RTMSG_OPTIONS": json.dumps({"transports": transports, "parser": PACKAGES.get(parser, parser), **options}),
        "RTMSG_VALUES": json.dumps(values, default=seal),
    }
    process = await asyncio.create_subprocess_exec("node", str(SCRIPT), env=environment, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return json.loads(said, object_hook=opened)


async def python_talks(url: str, parser: str, transports: list[str]) -> Any:
    heard: dict[str, Any] = {}

    async def connect(client: Any, namespace: str, auth: Any = None) -> None:
        await client.connect(url, transports=transports, namespaces=[namespace], auth=auth, wait_timeout=20)

    def hears(key: str) -> Callable[..., None]:
        return lambda *args: heard.update({key: list(args)})

    async with python_client(parser) as client:
        client.on("question", lambda question: {"answer": question, "raw": b"\xff"})
        client.on("told", hears("told"))
        await connect(client, "/")
        heard["echo"] = await client.call("echo", VALUES, timeout=20)
        heard["asked"] = await client.call("ask", b"why", timeout=20)
        await client.call("join", "lab", timeout=20)
        await client.emit("tell", ("told", {"n": 1, "bytes": b"\x01"}))
        await until(lambda: "told" in heard)
    for namespace, key in (("/admin", "refused"), ("/nowhere", "nowhere")):
        async with python_client(parser) as client:
            client.on("connect_error", hears(key), namespace=namespace)
            with pytest.raises(socketio.exceptions.ConnectionError):
                await connect(client, namespace)
    async with python_client(parser) as client:
        client.on("welcome", hears("welcome"), namespace="/admin")
        await connect(client, "/admin", {"token": "secret"})
        await until(lambda: "welcome" in heard)
        heard["who"] = await client.call("who", namespace="/admin", timeout=20)
    return {**heard, "refused": heard["refused"][0], "nowhere": heard["nowhere"][0]["message"]}


@asynccontextmanager
async def python_client(parser: str) -> AsyncIterator[Any]:
    client = socketio.AsyncClient(reconnection=False, serializer=SERIALIZERS[parser])
    yield client
    await client.disconnect()


async def we_talk(url: str, parser: str, transports: list[str]) -> Any:
    heard: dict[str, Any] = {}
    socket = rt.SocketClient(url, parser=parser, transports=transports, ack_timeout=20)
    socket.on("question", lambda question: {"answer": question, "raw": b"\xff"})
    socket.on("told", lambda *args: heard.update(told=list(args)))
    await socket.connect()
    heard["echo"] = await socket.emit_with_ack("echo", VALUES)
    heard["asked"] = await socket.emit_with_ack("ask", b"why")
    await socket.emit_with_ack("join", "lab")
    socket.emit("tell", "told", {"n": 1, "bytes": b"\x01"})
    await until(lambda: "told" in heard)
    with pytest.raises(ConnectionRefused) as refused:
        await socket.of("/admin", auth={}).connect()
    heard["refused"] = {"message": refused.value.message, "data": refused.value.data}
    with pytest.raises(ConnectionRefused) as nowhere:
        await socket.of("/nowhere").connect()
    heard["nowhere"] = nowhere.value.message
    await socket.disconnect()
    other = rt.SocketClient(url, parser=parser, transports=transports, namespace="/admin", auth={"token": "secret"})
    other.on("welcome", lambda *args: heard.update(welcome=list(args)))
    await other.connect()
    who = await other.emit_with_ack("who")
    heard["who"] = who[0] if isinstance(who, list) else who
    await until(lambda: "welcome" in heard)
    await other.disconnect()
    return heard


SERVERS: dict[str, Callable[[str], AbstractAsyncContextManager[str]]] = {"ours": ours, "node": nodes, "python": pythons}
CLIENTS: dict[str, Callable[..., Awaitable[Any]]] = {"ours": we_talk, "node": node_talks, "python": python_talks}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("server", "client"), [("ours", "ours"), ("ours", "node"), ("ours", "python"), ("node", "ours"), ("python", "ours")]
)
@pytest.mark.parametrize("parser", PACKAGES)
async def test_the_whole_conversation(parser: str, server: str, client: str, transport: str) -> None:
    async with SERVERS[server](parser) as url:
        heard = await CLIENTS[client](url, parser, TRANSPORTS[transport])
        assert "failed" not in heard, heard
        expected = HEARD if server != "python" else {**HEARD, "nowhere": "Unable to connect"}
        assert heard == expected


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_dates_and_undefined_go_both_ways_with_msgpack(transport: str) -> None:
    dates = [datetime(2024, 2, 29, 12, 0, 0, 123_000, tzinfo=timezone.utc), datetime(1931, 1, 1, tzinfo=timezone.utc)]
    async with ours("msgpack") as url:
        heard = await node_talks(url, "msgpack", TRANSPORTS[transport], dates)
        assert heard["echo"] == dates
    async with nodes("msgpack") as url:
        socket = rt.SocketClient(url, parser="msgpack", transports=TRANSPORTS[transport])
        await socket.connect()
        assert await socket.emit_with_ack("echo", {"dates": dates}) == {"dates": dates}
        await socket.disconnect()


async def test_a_broadcast_reaches_clients_over_both_transports() -> None:
    io = Server(parser="msgpack")
    speak(io)
    url = f"http://127.0.0.1:{await io.listen()}/"
    seen: list[Any] = []
    sockets = [rt.SocketClient(url, parser="msgpack", transports=TRANSPORTS[name]) for name in TRANSPORTS]
    for socket in sockets:
        socket.on("told", lambda *args: seen.append(args))
        await socket.connect()
        await socket.emit_with_ack("join", "lab")
    io.to("lab").emit("told", b"\x00", {"deep": [b"\xff"]})
    await until(lambda: len(seen) == len(sockets))
    assert seen == [(b"\x00", {"deep": [b"\xff"]})] * len(sockets)
    for socket in sockets:
        await socket.disconnect()
    await io.close()


@asynccontextmanager
async def recovering(parser: str) -> AsyncIterator[str]:
    """A server of ours that emits something whenever a client is lost."""
    io = Server(parser=parser, recovery=True)
    speak(io)
    io.on("connection", lambda socket: socket.on("disconnect", lambda _: io.to("lab").emit("missed", b"\x01")))
    yield f"http://127.0.0.1:{await io.listen()}/"
    await io.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("parser", PACKAGES)
async def test_nodes_client_recovers_a_lost_connection(parser: str, transport: str) -> None:
    async with recovering(parser) as url:
        heard = await node_talks(url, parser, TRANSPORTS[transport], recovers=True, reconnectionDelay=10)
        assert "failed" not in heard, heard
        (told,), (missed,) = heard["told"], heard["missed"]  # and no offset behind them
        assert (told, heard["recovered"], missed) == ({"n": 1, "bytes": b"\x01"}, True, b"\x01")


@pytest.mark.parametrize("server", ["ours", "node"])
async def test_our_client_recovers_a_lost_connection_with_msgpack(server: str) -> None:
    serving = recovering if server == "ours" else partial(nodes, recovery=True)
    async with serving("msgpack") as url:
        socket = rt.SocketClient(url, parser="msgpack", reconnection_delay=0.05)
        seen: list[Any] = []
        missed: list[Any] = []
        socket.on("told", seen.append)
        socket.on("missed", lambda data, *_: missed.append(data))
        await socket.connect()
        await socket.emit_with_ack("join", "lab")
        socket.emit("tell", "told", [b"before"])
        await until(lambda: seen == [[b"before"]])
        first = socket.id
        socket.drop()
        await until(lambda: missed)
        assert (socket.recovered, socket.id) == (True, first)
        assert missed[0] == (b"\x01" if server == "ours" else {"n": 1, "bytes": b"\x01"})
        await socket.disconnect()


# -- parsers that differ

OTHER = {"json": "msgpack", "msgpack": "json"}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("parser", PACKAGES)
async def test_a_client_with_another_parser_is_told_so_and_stays_away(parser: str, transport: str) -> None:
    io = Server(parser=parser)
    sessions: list[Any] = []
    io.engine.on("connection", sessions.append)
    url = f"http://127.0.0.1:{await io.listen()}/"
    words = f"the server speaks the parser {parser!r}, the client {OTHER[parser]!r}: both must use the same"

    socket = rt.SocketClient(url, parser=OTHER[parser], transports=TRANSPORTS[transport], reconnection_delay=0.01)
    with pytest.raises(ConnectionRefused, match=words):
        await socket.connect()
    heard = await node_talks(url, OTHER[parser], TRANSPORTS[transport])
    assert heard == {"failed": f"Error: {words}", "data": {"code": "parser"}, "comesBack": False}
    async with python_client(OTHER[parser]) as client:
        errors: list[Any] = []
        client.on("connect_error", errors.append)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(url, transports=TRANSPORTS[transport])
    assert errors[0]["message"] == words
    assert len(sessions) == 3
    await io.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("parser", PACKAGES)
async def test_our_client_names_the_likely_cause_if_a_server_only_closes(parser: str, transport: str) -> None:
    async with nodes(parser) as url:
        socket = rt.SocketClient(url, parser=OTHER[parser], transports=TRANSPORTS[transport], reconnection_delay=0.01)
        attempts: list[int] = []
        socket.io.on("reconnect_attempt", attempts.append)
        with pytest.raises(ServerUnreachable, match=f"perhaps it speaks another parser than '{OTHER[parser]}'"):
            await socket.connect()
        assert len(attempts) <= 3
        assert not socket.active


@pytest.mark.parametrize("parser", PACKAGES)
async def test_our_client_names_the_likely_cause_if_a_server_does_not_answer(parser: str) -> None:
    async with pythons(parser) as url:
        socket = rt.SocketClient(url, parser=OTHER[parser], reconnection_delay=0.01)
        with pytest.raises(ServerUnreachable, match=f"perhaps it speaks another parser than '{OTHER[parser]}'"):
            await socket.connect(timeout=3)
        assert not socket.active


async def test_a_client_of_a_hub_is_told_that_a_server_with_another_parser_is_none() -> None:
    io = Server(parser="msgpack")
    sessions: list[Any] = []
    io.engine.on("connection", sessions.append)
    client = rt.AsyncClient(f"http://127.0.0.1:{await io.listen()}/")
    with pytest.raises(ConnectionRefused, match="is no hub: the server speaks the parser 'msgpack'"):
        await client.connect()
    assert len(sessions) == 1
    await client.close()
    await io.close()


async def test_a_hub_needs_the_default_parser() -> None:
    log = await open_log("memory:")
    for parser in ("msgpack", Plain()):
        with pytest.raises(ValueError, match="a Hub needs a Server with the default parser"):
            Hub(Server(parser=parser), log)
    await log.close()


# -- a parser of one's own


class Plain:
    """What tests/interop/plain_parser.js speaks."""

    def encode(self, packet: Packet) -> str:
        names = {"type": packet.type, "nsp": packet.namespace, "data": packet.data, "id": packet.id}
        return json.dumps({name: value for name, value in names.items() if value is not None})

    def decode(self, message: str | bytes) -> Packet:
        names = json.loads(message)
        return Packet(names["type"], names["nsp"], names.get("data"), names.get("id"))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_parser_of_ones_own_is_spoken_with_node(transport: str) -> None:
    values = [1, None, {"é": [2.5, "😀"]}]
    async with ours(Plain()) as url:
        heard = await node_talks(url, "./plain_parser.js", TRANSPORTS[transport], values)
        assert "failed" not in heard, heard
        assert heard["echo"] == values
        for name in ("refused", "welcome", "who", "nowhere"):
            assert heard[name] == HEARD[name]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_parser_of_ones_own_is_spoken_by_our_client(transport: str) -> None:
    async with ours(Plain()) as url:
        socket = rt.SocketClient(url, parser=Plain(), transports=TRANSPORTS[transport])
        await socket.connect()
        assert await socket.emit_with_ack("echo", [1, None, "é"]) == [1, None, "é"]
        with pytest.raises(TypeError, match="not JSON serializable"):
            socket.emit("bytes", b"x")
        await socket.disconnect()


def test_the_blocking_client_speaks_parsers_too() -> None:
    server = NodeServer(parser=PACKAGES["msgpack"])
    try:
        with rt.Socket(server.url, parser="msgpack", ack_timeout=20) as socket:
            socket.on("question", lambda question: {"answer": question})
            assert socket.emit_with_ack("echo", [b"\x00", {"n": 2.5}]) == [b"\x00", {"n": 2.5}]
            assert socket.emit_with_ack("ask", b"why") == {"answer": b"why"}
            admin = socket.of("/admin", auth={"token": "secret"})
            admin.connect()
            assert admin.emit_with_ack("who")[0] == "admin"
    finally:
        server.kill()
