"""Events are trimmed before a reader gets them: each one is handled, or reported as lost, exactly once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from functools import partialmethod
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hub import TOKEN, HubServer
from support.inline import InlineLog, Ticks
from support.logs import draft
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.hub import Limits
from jupyter_rtmsg.hub.catchup import CatchUp
from jupyter_rtmsg.hub.follow import Follower
from jupyter_rtmsg.hub.replay import ReplayPlanner, StartRequest
from jupyter_rtmsg.hub.ring import Ring
from jupyter_rtmsg.hub.room import RoomMembership
from jupyter_rtmsg.hub.rooms import RoomRegistry
from jupyter_rtmsg.log import Cursor
from jupyter_rtmsg.rooms.decoding import Era, Position
from jupyter_rtmsg.rooms.inbox import Inbox
from jupyter_rtmsg.wire.data import load
from jupyter_rtmsg.wire.socketio import Encoded

TURNS = st.tuples(
    st.sampled_from(["publish", "publish", "trim", "trim all", "run", "repair", "leave", "join", "wait"]),
    st.integers(1, 7),
)


class Reader:
    """A client's inbox at the end of the hub's socket; it may be cut off and come back."""

    def __init__(self, era: Era) -> None:
        self.events: list[Event] = []
        self.gone: list[Event] = []
        handlers = Handlers()
        handlers.add(Handler(self.events.append, "tick"))
        handlers.add(Handler(self.gone.append, "$trimmed"))
        self.inbox = Inbox("lab", handlers, lambda: None, max_events=5)
        self.inbox.start()
        self.inbox.start_at(Position(era, 0, 0), 0)
        self._calls = self.inbox.calls()

    def take(self, encoded: Encoded) -> None:
        args = load(encoded.text[2:])
        if args[0] == "$trimmed":
            self.inbox.trimmed(*(args[1][key] for key in ("first", "last", "through")))
        else:
            self.inbox.live(args, 1)

    def run(self, most: int) -> None:
        for _ in range(most):
            call = next(self._calls, None)
            if call is None:
                self._calls = self.inbox.calls()
                return
            call.handler.call(*call.args)


class Outlet:
    """The server's side of a connection."""

    def __init__(self, reader: Reader, channels: dict[str, list[Outlet]], pause: Ticks) -> None:
        self.connected = True
        self.live = False
        self.socket = self
        self._pause = pause
        self._reader = reader
        self._channels = channels

    def write(self, page: Iterable[Encoded]) -> None:
        for encoded in page if self.connected else ():
            self._reader.take(encoded)

    async def drained(self) -> None:
        await asyncio.sleep(0)
        await self._pause()

    def join(self, channel: str) -> None:
        self._channels.setdefault(channel, []).append(self)
        self.live = True

    def leave(self, channel: str) -> None:
        if self in self._channels.get(channel, []):
            self._channels[channel].remove(self)

    def rooms_changed(self) -> None:
        """Do nothing."""

    require_mark = rooms_changed


class World:
    """A hub over a log in memory, and one reader. `pause` says how many turns of the loop each wait takes."""

    def __init__(self, log: Any, pause: Ticks) -> None:
        self.log = log
        self._pause = pause
        self.limits = Limits(page_events=3, ring_events=4)
        self._channels: dict[str, list[Outlet]] = {}
        rooms = RoomRegistry(self.limits)
        self.follower = Follower(log, rooms, self._deliver, lambda reason: None)
        self.following = asyncio.create_task(self.follower.run())
        self.room = rooms.acquire("lab", "ann", self._ring)
        self.planner = ReplayPlanner(log, self.follower, self.limits)
        self.reader = Reader(Era(log.epoch))
        self.last = 0
        self._membership: RoomMembership | None = None

    def _ring(self) -> Ring:
        return Ring(self.follower.position, max_events=self.limits.ring_events, max_bytes=self.limits.ring_bytes)

    def _deliver(self, batch: Iterable[tuple[str, Encoded]]) -> None:
        for channel, encoded in batch:
            for outlet in tuple(self._channels.get(channel, ())):
                outlet.write((encoded,))

    async def leave(self) -> None:
        if self._membership:
            self._membership.stop()
            self._membership.participant.socket.connected = False  # type: ignore[misc]

    async def join(self) -> None:
        await self.leave()
        inbox = self.reader.inbox
        start = StartRequest(after=Cursor(self.log.epoch, inbox.received), number=inbox.number)
        plan = await self.planner.plan_replay(self.room, start, None, named=False)
        self.outlet = outlet = Outlet(self.reader, self._channels, self._pause)
        self._membership = RoomMembership(self.room, outlet, None)  # type: ignore[arg-type]
        catch_up = CatchUp(
            self._membership, self.log, self.follower, self.limits,
            position=plan.position, missed_through=plan.head, number=plan.number,
        )  # fmt: skip
        self._membership.catch_up(catch_up)

    async def repair(self) -> None:
        inbox = self.reader.inbox
        if not inbox.has_gap or not inbox.has_capacity:
            return
        page = await self.log.read("lab", after=inbox.received, limit=3)
        stats = await self.log.stats("lab")
        events = [{**msgspec.structs.asdict(record), "event": record.name, "data": 0} for record in page.records]
        for event in events:
            event["from"] = {}
        inbox.page(events, page.through, 0, stats.n if page.through >= stats.head else None)

    def trim(self, numbers: Iterable[int]) -> None:
        """Delete events, as a quota may take those of one user from among others."""
        store = self.log.store
        with store.lock:
            store.connection.executemany("DELETE FROM event WHERE n = ?", [(number,) for number in numbers])

    async def turn(self, what: str, number: int) -> None:
        """Do one step of those that may happen at any time."""
        if what == "publish":
            await asyncio.gather(*(self.log.append(draft(i)) for i in range(number)))
            self.last += number
        elif what == "trim":
            self.trim([self.last - number, self.last - 2 * number])
        elif what == "trim all":
            self.trim(range(1, self.last + 1))
        elif what == "run":
            self.reader.run(number)
        elif what == "wait":
            for _ in range(number):
                await asyncio.sleep(0)
        else:
            await {"repair": self.repair, "leave": self.leave, "join": self.join}[what]()

    async def finish(self) -> None:
        """Reconnect for the last time, and get all events."""
        await self.join()
        await self.turn("publish", 1)
        while not self.outlet.live or self.follower.position < self.log.head:
            await self._get_on()  # while the hub still writes to it
            await asyncio.sleep(0)
        before = None
        while self.reader.inbox.position.n != self.last:
            await self._get_on()
            assert before != (before := self._progress()), "neither handling what is queued nor reading gets it on"

    async def _get_on(self) -> None:
        self.reader.run(1_000)
        await self.repair()

    def _progress(self) -> tuple[int, int]:
        inbox = self.reader.inbox
        return inbox.received, inbox.handled


@settings(max_examples=120)
@given(st.lists(TURNS, max_size=30), st.lists(st.integers(0, 20), min_size=1, max_size=10))
def test_each_event_is_handled_or_told_to_be_gone_once(turns: list[tuple[str, int]], pauses: list[int]) -> None:
    async def example() -> None:
        pause = Ticks(pauses)
        log = await InlineLog.open(pause)
        world = World(log, pause)
        await world.join()
        for what, number in turns:
            await world.turn(what, number)
        await world.finish()
        told = [n for event in world.reader.gone for n in range(event.data["first"], event.data["last"] + 1)]
        handled = [event.n or 0 for event in world.reader.events]
        assert sorted(handled + told) == list(range(1, world.last + 1))
        assert handled == sorted(handled)
        await log.close()
        await world.following

    asyncio.run(example())


# With processes


class Member:
    """A reader whose handler may be held up, on a client whose queue is short."""

    def __init__(self, client: rt.AsyncClient, room: rt.AsyncRoom) -> None:
        self.client = client
        self.room = room
        self.handled: list[int] = []
        self.gone: list[range] = []
        self.running = asyncio.Event()
        room.on("n", self._handle)
        room.on("$trimmed", self._trimmed)

    async def _handle(self, event: Event) -> None:
        await self.running.wait()
        assert event.n is not None
        self.handled.append(event.n)

    def _trimmed(self, event: Event) -> None:
        first, last = event.data["first"], event.data["last"]
        assert event.data == {"room": "lab", "count": last - first + 1, "first": first, "last": last}
        self.gone.append(range(first, last + 1))

    async def away(self) -> asyncio.Event:
        """Disconnect it, and keep it offline until the event is set."""
        prepare, gate = self.client._hub.prepare, asyncio.Event()

        async def later() -> None:
            await gate.wait()
            assert prepare
            await prepare()

        self.client._hub.prepare = later
        self.client.socket.drop()
        await until(lambda: self.client.state != "connected")
        return gate

    async def accounts_for(self, first: int, last: int) -> None:
        """Wait until each event is handled or reported as lost, and check that this happened once, and in order."""
        self.running.set()
        await until(lambda: self.room.membership.inbox.position.n == last, 60)
        told = [number for numbers in self.gone for number in numbers]
        assert sorted(self.handled + told) == list(range(first, last + 1))
        assert self.handled == sorted(self.handled)
        await until(lambda: self.room.lag == 0)


class Ground:
    """A hub that keeps few events of a room, and clients of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = HubServer(f"sqlite:///{path}", log_options={"max_events": 100}, limits={"ring_events": 10})
        self._clients: list[rt.AsyncClient] = []

    async def client(self) -> rt.AsyncClient:
        self._clients.append(await rt.AsyncClient(self.server.url, TOKEN).connect())
        return self._clients[-1]

    async def member(self, **options: Any) -> Member:
        client = await self.client()
        return Member(client, await client.join("lab", **options))

    async def emit(self, number: int) -> rt.AsyncRoom:
        room = await (await self.client()).join("lab")
        for receipt in [await room.emit("n", i, wait=False) for i in range(number)]:
            await receipt.wait(60)
        return room

    async def is_trimmed(self, most: int) -> None:
        """Wait until the room holds no more than so many events."""
        room = await (await self.client()).join("lab")
        for _ in range(1_000):
            if len(await room.history()) <= most:
                return
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await asyncio.to_thread(self.server.stop)


@pytest.fixture
async def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ground]:
    small = partialmethod(Inbox.__init__, max_events=40, max_bytes=1_000_000)
    monkeypatch.setattr(Inbox, "__init__", small)
    ground = Ground(tmp_path / "log.sqlite3")
    await asyncio.to_thread(ground.server.start)
    yield ground
    await ground.close()


async def test_a_slow_live_member_is_told_which_events_retention_deleted(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    slow = await ground.member()
    await ground.emit(600)
    await ground.is_trimmed(100)
    assert slow.room.lag > 0
    await slow.accounts_for(1, 600)
    assert sum(map(len, slow.gone)) >= 400
    assert "no longer held" in caplog.text


async def test_a_member_that_was_away_is_told_which_events_were_deleted_meanwhile(ground: Ground) -> None:
    member = await ground.member()
    member.running.set()
    await ground.emit(20)
    await until(lambda: len(member.handled) == 20)
    gate = await member.away()
    await ground.emit(400)
    await ground.is_trimmed(100)
    gate.set()
    await member.accounts_for(1, 420)
    assert member.gone == [range(21, member.gone[0].stop)]


async def test_a_restarted_kernel_is_told_which_events_were_deleted_after_its_cursor(ground: Ground) -> None:
    first = await ground.member(as_="reader")
    first.running.set()
    await ground.emit(20)
    await until(lambda: len(first.handled) == 20 and first.room.lag == 0)
    await first.client.close()
    await ground.emit(400)
    await ground.is_trimmed(100)
    second = await ground.member(as_="reader")
    missed = await second.room.missed()
    assert len(missed) + missed.trimmed == 400
    await second.accounts_for(21, 420)
    assert [len(numbers) for numbers in second.gone] == [missed.trimmed]
    await second.client.close()
    third = await ground.member(as_="reader")
    await ground.emit(1)
    await third.accounts_for(421, 421)
    assert third.gone == []


async def test_events_deleted_from_the_middle_are_announced_in_their_place(ground: Ground) -> None:
    first = await ground.member(as_="reader")
    await first.client.close()
    await ground.emit(50)
    await asyncio.to_thread(ground.server.stop)
    with closing(sqlite3.connect(ground.path)) as file, file:
        file.execute("DELETE FROM event WHERE n IN (1, 7, 8, 20, 22)")  # without the last one, it is a rollback
    await asyncio.to_thread(ground.server.start)
    second = await ground.member(as_="reader")
    await second.accounts_for(1, 50)
    assert [(numbers.start, numbers.stop - 1) for numbers in second.gone] == [
        (1, 1), (7, 8), (20, 20), (22, 22),
    ]  # fmt: skip


async def test_a_member_that_was_away_learns_which_events_went_with_a_deleted_room(ground: Ground) -> None:
    member = await ground.member()
    member.running.set()
    await ground.emit(20)
    await until(lambda: len(member.handled) == 20)
    gate = await member.away()
    await (await ground.emit(5)).delete()
    await ground.emit(5)  # it is made again
    gate.set()
    await member.accounts_for(1, 30)
    assert member.gone == [range(21, 26)]
