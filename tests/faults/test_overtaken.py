"""Events are trimmed while somebody has yet to get them: each one is handled, or told to be gone, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import draft

from jupyter_rtmsg.client.handlers import Handler, Handlers
from jupyter_rtmsg.client.inbox import Inbox
from jupyter_rtmsg.client.place import Era, Place
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.hub import Limits
from jupyter_rtmsg.hub.catchup import CatchUp
from jupyter_rtmsg.hub.follow import Follower
from jupyter_rtmsg.hub.room import Membership
from jupyter_rtmsg.hub.rooms import Rooms
from jupyter_rtmsg.hub.start import StartFinder, Wanted
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.log.eventlog import Cursor
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
        self.inbox.started = True
        self.inbox.start_at(Place(era, 0, 0), 0)
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

    def __init__(self, reader: Reader, channels: dict[str, list[Outlet]]) -> None:
        self.connected = True
        self.socket = self
        self._reader = reader
        self._channels = channels

    def write(self, page: Iterable[Encoded]) -> None:
        for encoded in page if self.connected else ():
            self._reader.take(encoded)

    async def drained(self) -> None:
        await asyncio.sleep(0)

    def join(self, channel: str) -> None:
        self._channels.setdefault(channel, []).append(self)

    def leave(self, channel: str) -> None:
        if self in self._channels.get(channel, []):
            self._channels[channel].remove(self)

    def changed(self) -> None:
        """Nobody wants to know."""

    owe = changed


class World:
    """A hub over a log in memory, and one reader."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.limits = Limits(page_events=3, ring_events=4)
        self._channels: dict[str, list[Outlet]] = {}
        rooms = Rooms(self.limits)
        self.follower = Follower(log, rooms, self._deliver, lambda reason: None)
        self.following = asyncio.create_task(self.follower.run())
        self.room = rooms.open("lab", "ann", lambda: self.follower.position)
        self.starts = StartFinder(log, self.follower, self.limits)
        self.reader = Reader(Era(log.epoch))
        self.last = 0
        self._membership: Membership | None = None

    def _deliver(self, batch: Iterable[tuple[str, Encoded]]) -> None:
        for channel, encoded in batch:
            for outlet in tuple(self._channels.get(channel, ())):
                outlet.write((encoded,))

    async def leave(self) -> None:
        if self._membership:
            self._membership.exit()
            self._membership.connection.socket.connected = False  # type: ignore[misc]

    async def join(self) -> None:
        await self.leave()
        inbox = self.reader.inbox
        wanted = Wanted(after=Cursor(self.log.epoch, inbox.received), number=inbox.number)
        start = await self.starts.find(self.room, wanted, None, named=False)
        outlet: Any = Outlet(self.reader, self._channels)
        self._membership = Membership(self.room, outlet, None)
        self._membership.catch_up = CatchUp(
            self._membership, self.log, self.follower, self.limits,
            position=start.position, missed_through=start.head, number=start.number,
        )  # fmt: skip
        self._membership.catch_up.begin()

    async def repair(self) -> None:
        inbox = self.reader.inbox
        if not inbox.behind or not inbox.hungry:
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
        """Do something of what may happen at any time."""
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
        """Come back for the last time, and get everything."""
        await self.join()
        await self.turn("publish", 1)
        for _ in range(100_000):
            self.reader.run(1_000)
            await self.repair()
            if self.reader.inbox.place.n == self.last:
                break
            await asyncio.sleep(0)


@settings(max_examples=120)
@given(st.lists(TURNS, max_size=30))
def test_each_event_is_handled_or_told_to_be_gone_once(turns: list[tuple[str, int]]) -> None:
    async def example() -> None:
        log = await open_log("memory:")
        world = World(log)
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
