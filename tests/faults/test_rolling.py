"""Rolling restarts of a hub: every membership continues, and no acknowledged event is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.hub import TOKEN, HubServer
from support.wsclient import until

import jupyter_rtmsg as rt

MEMBERS = 24
RESTARTS = 5
SECONDS = 120.0  # in which readers have to catch up with a restart
ROOMS = 4


class Reader:
    """A member of every room, which records the events it handles and the memberships that end."""

    def __init__(self, client: rt.AsyncClient) -> None:
        self.client = client
        self.rooms: list[rt.AsyncRoom] = []
        self.seen: dict[str, list[int]] = {}
        self.left: list[object] = []

    async def join(self) -> None:
        for number in range(ROOMS):
            room = await self.client.join(f"room-{number}")
            seen = self.seen[room.name] = []
            room.on("n", lambda event, seen=seen: seen.append(event.data))
            room.on("$left", lambda event: self.left.append(event.data))
            self.rooms.append(room)


async def publish(room: rt.AsyncRoom, acknowledged: list[int], stop: asyncio.Event) -> None:
    number = 0
    while not stop.is_set():
        await room.emit("n", number, timeout=60)
        acknowledged.append(number)
        number += 1
        await asyncio.sleep(0.005)


async def test_every_membership_lives_through_rolling_restarts(tmp_path: Path) -> None:
    hub = await asyncio.to_thread(HubServer(f"sqlite:///{tmp_path / 'log.sqlite3'}").start)
    readers = [Reader(await rt.AsyncClient(hub.url, TOKEN).connect()) for _ in range(MEMBERS)]
    for reader in readers:
        await reader.join()
    stop = asyncio.Event()
    acknowledged: list[list[int]] = [[] for _ in range(ROOMS)]
    publishing = [
        asyncio.create_task(publish(room, acknowledged[number], stop)) for number, room in enumerate(readers[0].rooms)
    ]
    try:
        for restart in range(RESTARTS):
            enough = 20 * (restart + 1)
            await until(lambda enough=enough: min(map(len, acknowledged)) >= enough, SECONDS)
            await asyncio.to_thread(hub.stop)
            # Each start refuses some of those who come back, as a server does that is still busy with itself.
            codes = ["shutdown", "internal", "busy", "full", "io", "rate"] * 4
            await asyncio.to_thread(hub.start, refuse={"join": codes})
            await until(lambda: all(reader.client.state == "connected" for reader in readers), SECONDS)
        stop.set()
        await asyncio.gather(*publishing)
        for reader in readers:
            for number, numbers in enumerate(acknowledged):
                await until(
                    lambda seen=reader.seen[f"room-{number}"], numbers=numbers: len(seen) >= len(numbers), SECONDS
                )
                assert reader.seen[f"room-{number}"] == numbers
            assert reader.left == []
            assert {room.status for room in reader.rooms} == {"connected"}
    finally:
        for task in publishing:
            task.cancel()
        await asyncio.gather(*(reader.client.close() for reader in readers))
        await asyncio.to_thread(hub.stop)
