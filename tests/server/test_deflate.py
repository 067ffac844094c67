"""permessage-deflate over real connections, with aiohttp's client as the other side."""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from support.pollclient import PollClient
from support.wsclient import PATIENCE, RawClient, until, upgrade_request

from jupyter_rtmsg.server import Socket
from jupyter_rtmsg.server.websocket import DeflateTransport
from jupyter_rtmsg.wire.deflate import AGREED, DeflateParser
from jupyter_rtmsg.wire.websocket import Message

LONG = "a word and " * 500
Dial = Callable[..., Awaitable[aiohttp.ClientWebSocketResponse]]


async def said(client: aiohttp.ClientWebSocketResponse) -> Any:
    return (await asyncio.wait_for(client.receive(), PATIENCE)).data


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Return a function that connects aiohttp's client to the namespace ``/``."""
    async with aiohttp.ClientSession() as http:

        async def connect(served: Any, **options: Any) -> aiohttp.ClientWebSocketResponse:
            url = f"http://127.0.0.1:{served.port}/socket.io/?EIO=4&transport=websocket"
            client = await http.ws_connect(url, **options)
            assert (await said(client)).startswith("0{")
            await client.send_str("40")
            assert (await said(client)).startswith("40{")
            return client

        yield connect


def transports(served: Any) -> set[str]:
    return {type(session.transport).__name__ for session in served.io.engine.sessions.values()}


async def test_messages_are_compressed_in_both_directions(serve, dial):
    served = await serve(per_message_deflate=True)
    served.io.on("connection", lambda socket: socket.on("echo", lambda *args: args))
    client = await dial(served, compress=15)
    assert transports(served) == {"DeflateTransport"}
    for text in (LONG, "short", LONG, ""):
        await client.send_str("427" + json.dumps(["echo", text]))
        assert await said(client) == "437" + json.dumps([text])
    await client.send_str('451-8["echo",{"_placeholder":true,"num":0}]')
    await client.send_bytes(bytes(5000))
    assert await said(client) == '461-8[{"_placeholder":true,"num":0}]'
    assert await said(client) == bytes(5000)


async def test_it_is_agreed_only_where_both_want_it(serve, dial):
    on, off = await serve(per_message_deflate=True), await serve()
    clients = [await dial(on), await dial(off, compress=15)]
    assert transports(on) == transports(off) == {"WebSocketTransport"}
    for client in clients:
        await client.close()


async def test_a_broadcast_reaches_clients_with_and_without_compression(serve, dial):
    served = await serve(per_message_deflate=True)
    clients = [await dial(served, compress=window) for window in (15, 0, 15)]
    served.io.emit("news", LONG)
    for client in clients:
        assert await said(client) == '42["news",' + json.dumps(LONG) + "]"


class Counting(DeflateParser):
    """Counts the bytes that it is fed."""

    fed = 0

    def feed(self, data: bytes) -> list[Message]:
        self.fed += len(data)
        return super().feed(data)


async def agreed(served: Any) -> tuple[RawClient, Counting]:
    """Connect a raw client and count what comes."""
    client = await RawClient.open(served.port, Sec_WebSocket_Extensions="permessage-deflate")
    counting = client._parser = Counting(masked=False, max_size=1 << 26)
    await client.enter()
    return client, counting


async def test_compress_false_leaves_an_event_plain(serve):
    served = await serve(per_message_deflate=True)
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client, counting = await agreed(served)

    async def size(emit: Callable[..., Any]) -> int:
        before = counting.fed
        emit("x", LONG)
        assert json.dumps(LONG) in str(await client.receive())
        return counting.fed - before

    for chain in (sockets[0], served.io, served.io.of("/"), served.io.in_(sockets[0].id)):
        assert await size(chain.emit) < 200
        assert await size(chain.compress(True).emit) < 200
        assert await size(chain.compress(False).emit) > len(LONG)
    client.writer.close()


@pytest.mark.parametrize("compress", [True, False])
async def test_compress_counts_for_events_with_acknowledgement_too(serve, compress):
    served = await serve(per_message_deflate=True)
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client, counting = await agreed(served)
    before = counting.fed
    asking = asyncio.ensure_future(sockets[0].compress(compress).timeout(5).emit_with_ack("x", LONG))
    question = str(await client.receive())
    assert (counting.fed - before < 200) is compress
    client.send("43" + question[2:].split("[")[0] + "[1]")
    assert await asking == 1
    client.writer.close()


async def test_a_bomb_closes_one_connection(serve):
    served = await serve(per_message_deflate=True, max_payload=100_000)
    other, (client, _) = await served.enter(), await agreed(served)
    compressor = zlib.compressobj(wbits=-15)
    bomb = compressor.compress(b'42["' + bytes(20_000_000)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 65536
    client.write(bytes([0xC1, 0x80 | 126]) + len(bomb[:-4]).to_bytes(2, "big") + bytes(4) + bomb[:-4])
    assert (await client.closing()).code == 1009
    await other.quiet()


async def test_a_session_that_upgrades_may_agree_too(serve):
    served = await serve(per_message_deflate=True)
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await PollClient.open(served.port)
    await client.enter()
    candidate = await client.upgrade(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    candidate._parser = DeflateParser(masked=False, max_size=1 << 20)
    candidate.send("2probe", "5")
    assert await candidate.receive() == "3probe"
    await until(lambda: type(sockets[0].conn.transport) is DeflateTransport)
    sockets[0].emit("x", LONG)
    assert await candidate.receive() == '42["x",' + json.dumps(LONG) + "]"
    candidate.writer.close()
    client.close()


async def test_a_slow_member_is_cut_off_just_the_same(serve):
    served = await serve(per_message_deflate=True, max_queue=100_000)
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await RawClient.dial(served.port, receive_buffer=4096)
    client.write(upgrade_request(Sec_WebSocket_Extensions="permessage-deflate"))
    response = await client.response()
    assert response.headers["sec-websocket-extensions"] == AGREED
    await client.take_open()
    await client.enter()
    while not reasons:
        served.io.emit("x", os.urandom(20_000))  # nothing that can be compressed
        await asyncio.sleep(0)
    assert reasons == ["too slow"]
    client.writer.close()
