"""A hub with a thousand members runs nothing while nothing happens, and forgets them when they are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from support.members import Member
from support.rest import PING_INTERVAL, Beats, Left, apart, sleeps
from support.wsclient import until

from jupyter_rtmsg.client.loop_thread import LoopThread
from jupyter_rtmsg.hub import Hub, Limits
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.server import Server

MEMBERS = 1000


class Apart:
    """A hub on a loop and thread of its own."""

    async def start(self, url: str) -> None:
        self.io, self.log = Server(ping_interval=600), await open_log(url)
        self.hub = Hub(self.io, self.log, limits=Limits(recheck=3600, connections_per_user=MEMBERS))
        await self.hub.start()
        self.port = await self.io.listen()

    async def close(self) -> None:
        await self.hub.close()
        await self.io.close()
        await self.log.close()


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread("test hub")
    yield thread
    thread.stop()


@pytest.fixture
async def beats() -> AsyncIterator[Beats]:
    """The pings of another server, on the loop of the test."""
    io = Server(ping_interval=PING_INTERVAL)
    async with Beats.of(await io.listen()) as beats:
        yield beats
    await io.close()


@pytest.mark.timeout(300)
async def test_a_hub_with_a_thousand_members_does_not_wake_and_forgets_them(thread: LoopThread, beats: Beats) -> None:
    apart_ = Apart()
    await apart(thread, apart_.start("memory:"))  # a log of SQLite would open files meanwhile
    hub, sessions = apart_.hub, apart_.io.engine.sessions

    async def enter(number: int) -> Member:
        member = await Member.connect(apart_.port, client=f"client {number}")
        await member.join("all" if number % 2 else f"room{number % 20}")
        return member

    async def live(number: int) -> list[Member]:
        members: list[Member] = []
        for start in range(0, number, 50):
            members += await asyncio.gather(*(enter(each) for each in range(start, start + 50)))
        return members

    members = await live(MEMBERS)
    await members[0].publish_many(100, "all")
    assert len(hub.core.participants) == MEMBERS
    assert await sleeps(thread.loop, beats)
    for member in members:
        await member.leave()
    await until(lambda: not sessions, 60)
    assert len(hub.core.participants) == 0
    assert await sleeps(thread.loop, beats)
    before = Left.now(thread.loop)
    for member in await live(50):
        await member.leave()
    await until(lambda: not sessions, 60)
    assert await sleeps(thread.loop, beats)
    await Left.back_to(before, thread.loop)
    await apart(thread, apart_.close())
