"""The blocks of docs/server.md run from the first to the last, and serve what they say."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_port
from support.wsclient import RawClient, until

from jupyter_rtmsg import AsyncClient, SocketClient
from jupyter_rtmsg.errors import ConnectionRefused, NotJSON
from jupyter_rtmsg.server import Engine, Server, Socket
from jupyter_rtmsg.server.socket import Handshake

TEXT = (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")


async def run(code: str, names: dict[str, Any]) -> None:
    result = eval(compile(code, "docs/server.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.isawaitable(result):
        await result


async def test_the_blocks_run(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    names: dict[str, Any] = {"__name__": "docs"}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        await run(block, names)
    await names["main"]()

    client = await RawClient.open(names["port"])
    client.send("40")
    assert "unauthorized" in str(await client.receive())
    await client.enter("/", {"token": "secret"})
    client.send('421["sum",1,2]', '422["$x"]')
    assert await client.receive() == "431[3]"
    assert "not for you" in str(await client.receive())
    await client.enter("/workspace-7")
    assert await client.receive() == '42/workspace-7,["here","/workspace-7"]'
    await client.enter("/blue", {"team": "blue"})
    await client.enter("/admin")
    assert await client.receive() == '42/admin,["welcome"]'
    client.writer.close()
    await until(lambda: not names["io"].engine.sessions)
    await names["io"].close()

    said = capsys.readouterr().out
    for line in (
        "new room lab",
        "new: /workspace-7",
        "127.0.0.1",
        "dropped not for you",
        "leaves",
        "gone transport close",
    ):
        assert line in said
    assert caplog.text == ""


async def test_the_hub_in_a_process_of_its_own_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    port = free_port()
    (block,) = re.findall(r"```python\n(import asyncio\n\nfrom jupyter_rtmsg.hub .*?)```", TEXT, re.DOTALL)
    await run(block.replace("8765", str(port)), names)
    server = asyncio.create_task(names["serve"]())
    while not (tmp_path / "events.sqlite3").exists() or not listens(port):
        assert not server.done()
        await asyncio.sleep(0.01)
    async with AsyncClient(f"http://127.0.0.1:{port}/") as client:
        room = await client.join("lab")
        assert await room.emit("tick", 1) == 1
    server.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_the_parser_of_ones_own_speaks(transport: str) -> None:
    names: dict[str, Any] = {"Server": Server}
    (block,) = re.findall(r"```python\n(import json\n.*?)```", TEXT, re.DOTALL)
    await run(block, names)
    io = names["plain"]
    io.on("connection", lambda socket: socket.on("echo", lambda *args: args))
    client = SocketClient(
        f"http://127.0.0.1:{await io.listen()}/", parser=names["PlainJSON"](), transports=[transport], auth={"a": 1}
    )
    await client.connect()
    assert await client.emit_with_ack("echo", 1, {"é": [None]}) == [1, {"é": [None]}]
    with pytest.raises(NotJSON, match="not JSON serializable"):
        client.emit("bytes", b"x")
    with pytest.raises(ConnectionRefused, match="Invalid namespace"):
        await client.of("/nowhere").connect()
    await client.disconnect()
    await io.close()


def test_every_option_is_told() -> None:
    accepted = {*inspect.signature(Server).parameters, *inspect.signature(Engine).parameters}
    table = TEXT[TEXT.index("## Options") : TEXT.index("**Compression.**")]
    told = {
        name for row in table.splitlines() if row.startswith("|") for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    untold = {"options", "pending_timeout", "max_pending", "max_pending_per_address", "max_pending_payload"}
    assert accepted - told - untold == set()
    assert told <= accepted


def test_every_method_and_attribute_of_a_socket_is_told() -> None:
    inner = {"time", "joined", "namespace", "pid", "emit_args", "write", "departed", "departs", "entered", "restore"}
    inner |= {"acks", "answer", "ask", "drop_handlers", "fail_acks", "handlers", "hooks", "notify_outgoing"}
    inner |= {"set_pid", "set_recovered"}
    public = {name for cls in Socket.__mro__ for name in vars(cls) if not name.startswith("_")}
    text = TEXT[TEXT.index("## Sockets") :]
    assert {name for name in public - inner if not re.search(rf"\b{name}\b", text)} == set()
    assert {"auth", "address"} <= set(Handshake.__dataclass_fields__)


async def test_the_reasons_that_are_told_are_socketios_and_one_of_ours() -> None:
    reasons = set(re.findall(r"`([a-z]+(?: [a-z]+)+)`", TEXT[TEXT.index("**Reasons**") : TEXT.index("## Middlewares")]))
    assert len(reasons) == 9
    for source in (Path(__file__).parents[2] / "jupyter_rtmsg" / "server").glob("*.py"):
        reasons -= set(re.findall(r'"([a-z ]+)"', source.read_text(encoding="utf-8")))
    assert reasons == set()
