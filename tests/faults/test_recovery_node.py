"""The real socket.io-client, disconnected during catch-up: a replay that it did not receive is not `recovered`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.node_peer import NodePeer
from support.wsclient import RawClient, until

from jupyter_rtmsg.hub import Limits
from jupyter_rtmsg.log import Draft

from .test_recovery import Served

BACKLOG = 60
RECEIVED = 60_000  # bytes, of which each event has some 3,000

pytestmark = pytest.mark.parametrize("transport", ["websocket", "polling"])


class Relay:
    """Between clients and a port: takes all that a server writes, and passes on only a part of it when told so."""

    token = None

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self.left: int | None = None  # bytes that still pass to clients

    async def start(self) -> Relay:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    def cut(self) -> None:
        self.left = None
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        self._server.close()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, up_writer]
        await asyncio.gather(self._pass(reader, up_writer), self._pass(up_reader, writer, down=True))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool = False) -> None:
        try:
            while data := await reader.read(1 << 16):
                if down and self.left is not None:
                    data = data[: self.left]
                    self.left -= len(data)
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A hub with somebody in the room, so that what comes is at hand and is replayed at once."""
    served = Served(tmp_path, Limits())
    await served.start()
    other = await RawClient.open(served.port)
    await other.enter("/", {"user": "bob"})
    other.send('421["join",{"room":"lab"}]')
    await until(lambda: caught_up(served, "bob"))
    yield served
    other.reset()
    await served.close()


@pytest.fixture
async def relay(served: Served) -> AsyncIterator[Relay]:
    relay = await Relay(served.port).start()
    yield relay
    await relay.close()


async def publish(served: Served, number: int) -> None:
    body = [b'"%b"' % os.urandom(1500).hex().encode() for _ in range(number)]
    await asyncio.gather(*(served.log.append(Draft("lab", "tick", each)) for each in body))


async def said(peer: NodePeer, what: str) -> Any:
    return await asyncio.to_thread(peer.wait_for, what)


def ask(peer: NodePeer, command: str, **body: Any) -> None:
    """Send a command, without waiting for its answer."""
    assert peer.process.stdin is not None
    peer.process.stdin.write(json.dumps({"command": command, "body": body}).encode() + b"\n")
    peer.process.stdin.flush()


async def joined(peer: NodePeer, **fields: Any) -> dict[str, Any]:
    return await asyncio.to_thread(lambda: peer.command("join", room="lab", **fields))


async def seqs(peer: NodePeer, number: int) -> list[int]:
    return [(await asyncio.to_thread(peer.take))[1][1]["seq"] for _ in range(number)]


def caught_up(served: Served, user: str) -> bool:
    connections = [each for each in served.hub.core.participants if each.identity.principal == user]
    return any(membership.live_since is not None for each in connections for membership in each.memberships.values())


async def test_a_client_cut_during_a_written_replay_is_not_recovered(
    served: Served, relay: Relay, transport: str
) -> None:
    await publish(served, BACKLOG)
    with closing(NodePeer(relay, None, transports=[transport], auth={"user": "ann"})) as peer:
        first = await said(peer, "connected")
        relay.left = RECEIVED
        ask(peer, "join", room="lab", after=0)
        await until(lambda: caught_up(served, "ann") and relay.left == 0)
        relay.cut()
        await said(peer, "disconnected")
        assert await said(peer, "connected") != first
        received = [peer.received.get() for _ in range(peer.received.qsize())]
        assert [name for name, _ in received].count("tick") < BACKLOG
        ask(peer, "join", room="lab", after=0)
        assert await seqs(peer, BACKLOG) == [*range(1, BACKLOG + 1)]


async def test_a_client_cut_after_a_received_replay_is_recovered(served: Served, relay: Relay, transport: str) -> None:
    await publish(served, BACKLOG)
    with closing(NodePeer(relay, None, transports=[transport], auth={"user": "ann"})) as peer:
        first = await said(peer, "connected")
        assert (await joined(peer, after=0))["ok"]
        assert await seqs(peer, BACKLOG) == [*range(1, BACKLOG + 1)]
        while (await asyncio.to_thread(peer.received.get))[0] != "$offset":
            pass
        relay.cut()
        await publish(served, 3)
        await said(peer, "disconnected")
        assert await said(peer, "connected") == first
        assert await seqs(peer, 3) == [*range(BACKLOG + 1, BACKLOG + 4)]
