"""docs/cheatsheet.md is true, line by line."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import socketio
from support.wsclient import until

from jupyter_rtmsg import SocketClient
from jupyter_rtmsg.server import Server, Socket

TEXT = (Path(__file__).parents[2] / "docs" / "cheatsheet.md").read_text(encoding="utf-8")
ROOMS = {"a": ["room1"], "b": ["room1", "room2"], "c": ["room3"], "n": ["room1"]}


def rows(third: str) -> list[tuple[str, str]]:
    """Return the second and third columns of the tables whose third column is called so."""
    found: list[tuple[str, str]] = []
    for table in re.findall(r"((?:^\|.*\n)+)", TEXT, re.MULTILINE):
        head, _, *lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]
        if head[2] == third:
            found += [(line[1].strip("`"), line[2].strip("`")) for line in lines]
    assert found, third
    return found


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


async def run(code: str, names: dict[str, Any]) -> Any:
    """Run code that may await; give the value of an expression."""
    try:
        compiled = compile(code, "cheatsheet", "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        compiled = compile(code, "cheatsheet", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)
    return await result if inspect.isawaitable(result) else result


class Client(socketio.AsyncClient):
    """Counts the events it gets, and answers them with its name."""

    def __init__(self, name: str, release: asyncio.Event) -> None:
        super().__init__(reconnection=False)
        self.name = name
        self.events: list[tuple[Any, ...]] = []
        self.release = release
        for namespace in ("/", "/my-namespace"):
            self.on("*", self._heard, namespace=namespace)

    async def _heard(self, event: str, *args: Any) -> str:
        self.events.append((event, *args))
        if event == "silence" and self.name == "a":
            await self.release.wait()
        return self.name


class Scene:
    """A server, its four clients, and the names that the lines of the cheatsheet use."""

    def __init__(self) -> None:
        self.io = Server()
        self.sockets: dict[str, Socket] = {}
        self.clients: dict[str, Client] = {}
        self.release = asyncio.Event()
        for name in ("/", "/my-namespace"):
            self.io.of(name).on("connection", self._connected)

    def _connected(self, socket: Socket) -> None:
        self.sockets[socket.auth["name"]] = socket
        socket.join(ROOMS[socket.auth["name"]])

    async def open(self) -> None:
        self.port = await self.io.listen()
        for name in ROOMS:
            client = self.clients[name] = Client(name, self.release)
            namespaces = ["/my-namespace"] if name == "n" else ["/"]
            url = f"http://127.0.0.1:{self.port}"
            await client.connect(url, auth={"name": name}, transports=["websocket"], namespaces=namespaces)
        self.names = {
            "io": self.io,
            "socket": self.sockets["a"],
            "socket_id": self.sockets["b"].id,
            "asyncio": asyncio,
            "re": re,
        }

    async def reached(self) -> str:
        """Return who got something, once everybody has got what was sent."""
        for name in ("/", "/my-namespace"):
            self.io.of(name).emit("end")
        await until(lambda: all(("end",) in client.events for client in self.clients.values()))
        return " ".join(name for name, client in self.clients.items() if client.events != [("end",)])

    async def close(self) -> None:
        self.release.set()
        for client in self.clients.values():
            await client.disconnect()
        await self.io.close()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    await scene.open()
    yield scene
    await scene.close()


@pytest.mark.parametrize(("code", "reaches"), rows("reaches"))
async def test_an_emit_of_the_server_reaches_the_clients_that_it_names(scene: Scene, code: str, reaches: str) -> None:
    await run(code, scene.names)
    if "asking" in scene.names:
        assert await scene.names["asking"] == reaches
    if "answer" in scene.names:
        assert scene.names["answer"] == reaches
    if "answers" in scene.names:
        assert sorted(scene.names["answers"]) == reaches.split()
    assert await scene.reached() == reaches


@pytest.mark.parametrize(("code", "condition"), rows("and then"))
async def test_a_line_about_sockets_and_rooms_does_what_it_says(scene: Scene, code: str, condition: str) -> None:
    await run(code, scene.names)
    assert await run(condition, scene.names)


async def test_the_first_line_brings_bytes_and_all(scene: Scene) -> None:
    await run(rows("reaches")[0][0], scene.names)
    await scene.reached()
    assert scene.clients["a"].events[0] == ("hello", 1, "2", {"3": "4", "5": b"\x06"})


async def test_the_blocks(scene: Scene) -> None:
    for block in blocks():
        await run(block, scene.names)
    assert sorted(scene.names["answers"]) == ["b", "c"]
    assert "own events" in scene.names["refused"]


@pytest.mark.parametrize(("code", "gets"), rows("the server gets"))
async def test_a_line_of_the_client_reaches_the_server(code: str, gets: str) -> None:
    events: list[tuple[Any, ...]] = []

    def connected(socket: Socket) -> None:
        socket.on_any(lambda *event: events.append(event))
        socket.on("hello", lambda *args: "ok")

    io = Server()
    io.on("connection", connected)
    socket = SocketClient(f"http://127.0.0.1:{await io.listen()}/")
    await socket.connect()
    names = {"socket": socket, "asyncio": asyncio}
    await run(code, names)
    await until(lambda: events)
    assert events == [ast.literal_eval(gets)]
    for answer in ("answer", "asking"):
        value = names.get(answer, "ok")
        assert (await value if inspect.isawaitable(value) else value) == "ok"
    await socket.disconnect()
    await io.close()


def test_every_line_has_its_javascript() -> None:
    lines = [line for line in TEXT.splitlines() if re.match(r"\| `", line)]
    assert len(lines) == sum(len(rows(third)) for third in ("reaches", "and then", "the server gets"))
    assert all(line.count("` | `") >= 1 for line in lines)
