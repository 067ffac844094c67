"""A hub that is killed right after an answer keeps what it answered."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.hub import HubServer
from support.wsclient import RawClient

TIMES = 20


async def told(hub: HubServer, *commands: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Send commands, one after the other; return the answers."""
    raw = await RawClient.open(hub.port)
    await raw.enter("/", {"recovery": False})
    replies = []
    for command, request in commands:
        raw.send("421" + json.dumps([command, request]))
        while not (packet := str(await raw.receive())).startswith("431"):
            pass
        replies.append(json.loads(packet[3:])[0])
        assert replies[-1]["ok"], replies
    raw.writer.transport.abort()
    return replies


def publish(data: int) -> tuple[str, dict[str, Any]]:
    return "publish", {"room": "lab", "event": "tick", "data": data}


@pytest.fixture
def hub(tmp_path: Path) -> Any:
    with HubServer(f"sqlite:///{tmp_path}/log.sqlite3", ping_interval=25) as hub:
        yield hub


def test_a_subscription_is_kept_whose_first_join_was_answered(hub: HubServer) -> None:
    for time in range(TIMES):
        name = {"room": "lab", "as": f"reader-{time}"}
        (first,) = asyncio.run(told(hub, ("join", name)))
        hub.restart()
        missed, again = asyncio.run(told(hub, publish(time), ("join", name)))
        assert (again["cursor"], again["missed"], again["recovered"]) == (first["cursor"], 1, True)
        assert missed["seq"] > first["cursor"]


def test_a_subscription_does_not_come_back_whose_end_was_answered(hub: HubServer) -> None:
    name = {"room": "lab", "as": "reader"}
    for time in range(5):
        asyncio.run(told(hub, ("join", name)))
        asyncio.run(told(hub, ("unsubscribe", name)))
        hub.restart()
        _, again = asyncio.run(told(hub, publish(time), ("join", name)))
        assert again["missed"] == 0
        asyncio.run(told(hub, ("unsubscribe", name)))


def test_a_room_that_was_left_is_left(hub: HubServer) -> None:
    async def leave() -> dict[str, str]:
        raw = await RawClient.open(hub.port)
        await raw.enter()
        for number, command in enumerate(("join", "leave")):
            raw.send(f"42{number}" + json.dumps([command, {"room": "lab"}]))
            while not str(await raw.receive()).startswith(f"43{number}"):
                pass
        raw.writer.transport.abort()
        return raw.welcome

    async def events(pid: str) -> list[str]:
        raw = await RawClient.open(hub.port)
        await raw.enter("/", {"pid": pid})
        await told(hub, publish(1))
        raw.send('421["rooms",{}]')
        got = []
        while not (packet := str(await raw.receive())).startswith("431"):
            got.append(packet)
        return got

    for _ in range(5):
        welcome = asyncio.run(leave())
        hub.restart()
        assert not [packet for packet in asyncio.run(events(welcome["pid"])) if '"tick"' in packet]
