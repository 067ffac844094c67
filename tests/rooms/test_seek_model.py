"""Random interleavings of emits, handling, acknowledgements, seeks, reconnects and takeovers, against one rule."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import EventLog, open_log
from jupyter_rtmsg.server import Server

_STEPS = ("emit", "handle", "acknowledge", "back", "forward", "elsewhere", "drop", "take")


class World:
    """A hub, a writer, and a reader whose handler returns when it is told to.

    ``floor`` is the position of the last seek, ``begins`` where the present reader begins: at the last seek, or where
    it took the subscription over. ``handled`` has, for each generation, the highest seq of a handler that was called
    and returned in it.
    """

    def __init__(self, log: EventLog, url: str) -> None:
        self.log, self.url = log, url
        self.clients: list[rt.AsyncClient] = []
        self.seqs: list[int] = []
        self.floor = self.begins = 0
        self.handled: dict[int, int] = {}
        self.permits = asyncio.Semaphore(0)
        self.begun: list[int] = []

    async def client(self) -> rt.AsyncClient:
        client = rt.AsyncClient(self.url, "token")
        self.clients.append(client)
        await client.connect()
        return client

    async def begin(self) -> None:
        self.writer = await (await self.client()).join("lab", as_="writer")
        self.other = await self.client()
        await self.take()

    async def take(self) -> None:
        """A new process takes the subscription over; the handler of the old one waits for ever."""
        self.permits, mine = asyncio.Semaphore(0), []
        permits, self.begun = self.permits, mine
        self.room = await (await self.client()).join("lab", as_="reader", first=True)
        self.begins = self.row.position  # what the former reader has handled and acknowledged does not come again

        @self.room.on("n")
        async def handler(event: rt.Event) -> None:
            generation = self.generation
            mine.append(event.seq or 0)
            await permits.acquire()
            if generation == self.generation:
                self.handled[generation] = max(self.handled.get(generation, 0), event.seq or 0)

    @property
    def row(self) -> Any:
        return next(row for row in self.log.subscriptions.all() if row.label == "reader")

    @property
    def generation(self) -> int:
        return int(self.row.generation)

    def check(self) -> None:
        """The subscription is where the last seek put it, or where handlers that returned since then did."""
        assert self.room.lag >= 0
        assert self.floor <= self.row.position <= max(self.floor, self.handled.get(self.generation, 0))

    async def emit(self, number: int) -> None:
        self.seqs += [await self.writer.emit("n", i) or 0 for i in range(number % 3 + 1)]

    async def handle(self, number: int) -> None:
        self.permits.release()
        await asyncio.sleep(0)

    async def acknowledge(self, number: int) -> None:
        await self.room.membership.progress.acknowledge()

    async def seek(self, position: int, by: Callable[[int], Awaitable[int]], number: int) -> None:
        """Move the reader, while handlers return and acknowledgements are sent."""
        seeking = asyncio.ensure_future(by(position))
        for _ in range(number % 4):
            await self.handle(number)
            with contextlib.suppress(rt.RtmsgError):
                await self.acknowledge(number)
        await seeking
        self.floor = self.begins = position

    async def back(self, number: int) -> None:
        before = [0, *(seq for seq in self.seqs if seq <= self.row.position)]
        await self.seek(before[number % len(before)], self.room.seek, number)

    async def forward(self, number: int) -> None:
        after = [self.row.position, *(seq for seq in self.seqs if seq > self.row.position)]
        await self.seek(after[number % len(after)], self.room.seek, number)

    async def elsewhere(self, number: int) -> None:
        (mine,) = (each for each in await self.other.subscriptions("lab") if each.name == "reader")
        positions = [0, *self.seqs]
        await self.seek(positions[number % len(positions)], mine.seek, number)

    async def drop(self, number: int) -> None:
        client: Any = self.room.client
        client.socket.drop()
        await client.socket.ready(30)

    async def end(self) -> None:
        """Let everything be handled: what came after the last seek was, and nothing else is missing."""
        for _ in range(500):
            self.permits.release()
        await until(lambda: self.row.position >= (self.seqs[-1] if self.seqs else 0))
        wanted = [seq for seq in self.seqs if seq > self.begins]
        assert self.begun[max(0, len(self.begun) - len(wanted)) :] == wanted


async def play(steps: Sequence[tuple[str, int]]) -> None:
    io, log = Server(), await open_log("memory:")
    hub = Hub(io, log)
    await hub.start()
    world = World(log, f"http://127.0.0.1:{await io.listen()}/")
    try:
        await world.begin()
        for step, number in steps:
            await (world.take() if step == "take" else getattr(world, step)(number))
            world.check()
        await world.end()
    finally:
        for client in world.clients:
            await client.close(0)
        await hub.close()
        await io.close()
        await log.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 9)), min_size=3, max_size=14))
def test_no_interleaving_undoes_a_seek(steps: list[tuple[str, int]]) -> None:
    asyncio.run(play(steps))
