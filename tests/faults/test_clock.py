"""A wall clock that jumps while a hub runs, or while it is stopped: no event, id or cursor is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.logs import Clock
from support.members import Member
from support.wsclient import until

from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.server import Server, Socket

HOUR, DAY = 3600.0, 86_400.0
COUNT = 50


class Machine:
    """A hub on a machine whose clocks are set by hand. It keeps events for two hours, and ids for one."""

    def __init__(self, folder: Path) -> None:
        self._url = f"sqlite:///{folder / 'log.sqlite3'}"
        self.wall, self.monotonic = Clock(), Clock(5.0)

    def wait(self, seconds: float) -> None:
        self.wall.now += seconds
        self.monotonic.now += seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Run the hub, and yield its port."""
        io = Server()
        io.use(_take_user)
        ages = {"max_age": 2 * HOUR, "dedup_age": HOUR, "explicit_age": HOUR}
        log = await open_log(self._url, ballast=0, clock=self.wall, monotonic=self.monotonic, **ages)
        hub = Hub(io, log)
        await hub.start()
        try:
            yield await io.listen()
            # Housekeeping was done, and would do nothing more.
            await until(lambda: not log._writer._retention.busy)  # type: ignore[attr-defined]
        finally:
            await hub.close()
            await io.close()
            await log.close()


def _take_user(socket: Socket) -> None:
    socket.user = "ada"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def publish(member: Member, first: int, **fields: object) -> list[int]:
    """Publish events with chosen ids and with ids made up by the client, and return the seqs."""
    asked = [
        member.ask("publish", {"room": "lab", "event": "n", "data": n, "id": f"{n}", "auto": n % 2 == 0, **fields})
        for n in range(first, first + COUNT)
    ]
    return [reply["seq"] for reply in await asyncio.gather(*asked)]


async def stored(member: Member) -> list[int]:
    return [event["seq"] for event in (await member.call("history", room="lab", last=500))["events"]]


# By how much the clock is wrong, and for how many seconds.
JUMPS = {
    "40 days ahead for a minute": (40 * DAY, 60),
    "three hours ahead for two seconds": (3 * HOUR, 2),
    "a day back for a minute": (-DAY, 60),
    "an hour back for a minute": (-HOUR, 60),
    "in 1970 for a minute": (-1_800_000_000 + 60, 60),
}


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_jump_under_a_running_hub_deletes_nothing_and_forgets_no_id(machine: Machine, jump: str) -> None:
    wrong, seconds = JUMPS[jump]
    async with machine.running() as port:
        member = await Member.connect(port, client="c")
        await member.join("lab", **{"as": "s"})
        acknowledged = await publish(member, 0)
        machine.wall.now += wrong
        acknowledged += await publish(member, 100)
        machine.wait(seconds)
        acknowledged += await publish(member, 200)
        machine.wall.now -= wrong
        acknowledged += await publish(member, 300)
        assert await publish(member, 0) == acknowledged[:COUNT]  # known by their ids
        assert await publish(member, 100) == acknowledged[COUNT : 2 * COUNT]
        assert await stored(member) == acknowledged
        await until(lambda: len(member.events()) == len(acknowledged))
        assert member.seqs() == acknowledged
        await member.close()


@pytest.mark.parametrize("wrong", [40 * DAY, 3 * HOUR, -DAY, -HOUR])
async def test_a_start_under_a_wrong_clock_deletes_nothing_and_keeps_places(machine: Machine, wrong: float) -> None:
    async with machine.running() as port:
        member = await Member.connect(port, client="c")
        await member.join("lab", **{"as": "s"})
        acknowledged = await publish(member, 0)
        await member.call("ack", room="lab", seq=acknowledged[9])
        await member.close()
    for off in (wrong, -wrong):
        machine.wall.now += off
        machine.monotonic.now = 1.0
        async with machine.running() as port:
            member = await Member.connect(port, client="c")
            reply = await member.join("lab", **{"as": "s"})
            assert (reply["cursor"], reply["missed"]) == (acknowledged[9], len(acknowledged) - 10)
            assert await publish(member, 0) == acknowledged[:COUNT]
            acknowledged += await publish(member, len(acknowledged))
            machine.wait(60)
            assert await stored(member) == acknowledged
            await member.close()


@pytest.mark.parametrize("wrong", [HOUR / 2, 40 * DAY, -DAY])
async def test_a_connection_is_recovered_though_the_clock_jumped_while_it_was_away(
    machine: Machine, wrong: float
) -> None:
    async with machine.running() as port:
        member, other = await Member.connect(port), await Member.connect(port)
        await member.join("lab")
        await publish(other, 0)
        await until(lambda: len(member.events()) == COUNT)
        offset = (await member.has("$offset"))[-1]
        member.raw.reset()
        machine.wall.now += wrong
        missed = await publish(other, 100)
        back = await Member.connect(port, pid=member.raw.welcome["pid"], offset=offset)
        assert back.raw.welcome == member.raw.welcome  # recovered
        await until(lambda: back.seqs()[-COUNT:] == missed)
        for each in (back, other):
            await each.close()


async def test_presence_expires_by_the_monotonic_clock(machine: Machine) -> None:
    async with machine.running() as port:
        here, away = await Member.connect(port, client="h"), await Member.connect(port, client="a")
        await here.join("lab")
        await away.join("lab")
        machine.wall.now -= DAY
        away.raw.reset()
        await until(lambda: any(c["state"] == "away" for p in here.named("$presence") for c in p["changes"]))
        machine.wall.now += 40 * DAY
        await here.settled()
        assert (await here.call("presence", room="lab"))["count"] == 2  # its time of grace is not over
        await here.close()
