"""Cases of the official Engine.IO suite that are about sessions, beside Node's server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.node_server import NodeServer

from jupyter_rtmsg.server import Server

SCRIPT = Path(__file__).with_name("sessions.js")
EXPECTED = {
    "a WebSocket for an upgraded session": "40",
    "a WebSocket for an upgrading session": "40",
    "two polls at once": [[200, "1"], 400, 400],
    "a poll that waits for a bad payload": [200, "1"],
    "a poll after a bad payload": 400,
    "a poll that waits for a bad packet": [200, "1"],
    "a poll after a bad packet": [200, "1"],
}


@pytest.fixture
def node() -> Iterator[NodeServer]:
    server = NodeServer()
    yield server
    server.kill()


async def seen(port: int) -> dict[str, Any]:
    """Play all cases and return what the clients saw."""
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), f"http://127.0.0.1:{port}", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return dict(json.loads(said))


async def test_the_session_goes_on_or_its_end_is_told() -> None:
    async with Server() as io:
        assert await seen(await io.listen()) == EXPECTED


async def test_nodes_server_does_the_same_but_for_a_noop_before_the_close(node: NodeServer) -> None:
    assert await seen(node.port) == {**EXPECTED, "a poll after a bad packet": [200, "6\x1e1"]}
