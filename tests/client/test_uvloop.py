"""Clients and servers on uvloop, whose transports do not subclass asyncio's."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.proxies import Forward, running
from support.tls import connects, serving

import jupyter_rtmsg as rt
from jupyter_rtmsg.server import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run on Windows")


def on_uvloop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_a_client_talks_on_uvloop(shared_hub: HubServer, room_name: str, transports: list[str]) -> None:
    async def main() -> list[Any]:
        async with rt.AsyncClient(shared_hub.url, TOKEN, transports=transports) as hub:
            room = await hub.join(room_name)
            await asyncio.gather(*(room.emit("n", n) for n in range(100)))
            await room.emit("big", b"\x01" * 500_000)
            hub.socket.drop()
            assert await room.emit("n", "after")
            return [len(await room.history()), hub.socket.descriptors != []]

    assert on_uvloop(main()) == [102, True]


def test_a_blocking_client_talks_where_uvloop_is_the_policy(
    shared_hub: HubServer, room_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvloop

    monkeypatch.setattr(asyncio, "new_event_loop", uvloop.new_event_loop)
    with rt.Client(shared_hub.url, TOKEN) as hub:
        assert hub.join(room_name).emit("n")


async def talk(url: str, **options: Any) -> Any:
    client = rt.SocketClient(url, **options)
    await client.connect()
    try:
        return await client.emit_with_ack("sum", 1, 2)
    finally:
        await client.disconnect()


def test_a_server_and_a_client_talk_on_uvloop_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Any:
        io = Server(hosts=["hub.internal.example"])
        io.on("connection", lambda client: client.on("sum", lambda a, b: a + b))
        port = await io.listen()
        async with running(Forward()) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            answer = await talk(f"http://hub.internal.example:{port}/")
            await io.close()
            return answer

    assert on_uvloop(main()) == 3


def test_tls_is_spoken_on_uvloop(certificate: Path) -> None:
    async def main() -> list[bool]:
        async with serving(certificate) as url:
            tls = ssl.create_default_context(cafile=str(certificate))
            return [await connects(url, None, tls), await connects(url, certificate)]

    assert on_uvloop(main()) == [True, True]
