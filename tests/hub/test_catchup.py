"""A member gets the reply to its join, then missed events, then live ones: none is missing, none comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import draft
from support.members import until

from jupyter_rtmsg.hub import Limits
from jupyter_rtmsg.hub.catchup import CatchUp
from jupyter_rtmsg.hub.follow import Follower
from jupyter_rtmsg.hub.ring import Ring
from jupyter_rtmsg.hub.room import ActiveRoom, RoomMembership
from jupyter_rtmsg.hub.rooms import RoomRegistry
from jupyter_rtmsg.log import EventLog, Page, open_log
from jupyter_rtmsg.wire.socketio import Encoded


class Ticks:
    """Pauses for given numbers of turns of the event loop."""

    def __init__(self, pauses: list[int]) -> None:
        self._pauses = pauses

    async def __call__(self) -> None:
        for _ in range(self._pauses.pop() if self._pauses else 0):
            await asyncio.sleep(0)


class Outlet:
    """The server's side of a socket. `pause` decides how long its queue takes to drain."""

    def __init__(self, channels: dict[str, list[Outlet]], pause: Ticks) -> None:
        self.connected = True
        self.seqs: list[int] = []
        self._channels = channels
        self._pause = pause

    def write(self, page: Iterable[Encoded]) -> None:
        for encoded in page:
            self.seqs.append(int(encoded.text.split(b'"seq":')[1].split(b",")[0]))

    async def drained(self) -> None:
        await self._pause()

    def join(self, channel: str) -> None:
        assert self not in self._channels.setdefault(channel, [])
        self._channels[channel].append(self)

    def leave(self, channel: str) -> None:
        if self in self._channels.get(channel, []):
            self._channels[channel].remove(self)


class SlowReads:
    """A log that pauses before and after each read."""

    def __init__(self, log: EventLog, pause: Ticks) -> None:
        self._log = log
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def read(self, *args: Any, **fields: Any) -> Page:
        await self._pause()
        page = await self._log.read(*args, **fields)
        await self._pause()
        return page


class FakeParticipant:
    def __init__(self, socket: Outlet) -> None:
        self.socket = socket

    def rooms_changed(self) -> None:
        """Do nothing."""

    require_mark = rooms_changed


def joined_room(rooms: RoomRegistry, follower: Follower, limits: Limits) -> ActiveRoom:
    """Return a room whose ring begins where the follower is."""

    def new_ring() -> Ring:
        return Ring(follower.position, max_events=limits.ring_events, max_bytes=limits.ring_bytes)

    return rooms.acquire("lab", "ann", new_ring)


PAUSES = st.lists(st.integers(0, 12), max_size=20)
# events before the join, where it starts among them, and bursts with pauses while it catches up
STEPS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 12)), max_size=8)


@settings(max_examples=150)
@given(past=st.integers(0, 25), start=st.integers(0, 25), pauses=PAUSES, steps=STEPS, page=st.integers(1, 4))
def test_a_joiner_of_a_busy_room_misses_nothing_and_gets_nothing_twice(
    past: int, start: int, pauses: list[int], steps: list[tuple[int, int]], page: int
) -> None:
    async def example() -> None:
        limits = Limits(page_events=page, ring_events=3)
        log = await open_log("memory:")
        pause = Ticks(pauses)
        channels: dict[str, list[Outlet]] = {}

        def deliver(batch: Iterable[tuple[str, Encoded]]) -> None:
            for channel, encoded in batch:
                for member in channels.get(channel, ()):
                    member.write((encoded,))

        rooms = RoomRegistry(limits)
        follower = Follower(log, rooms, deliver, lambda reason: None)
        following = asyncio.create_task(follower.run())
        stored = [log.append(draft(i, "lab" if i % 3 else "other")) for i in range(past)]
        await asyncio.gather(*stored)
        room = joined_room(rooms, follower, limits)
        outlet = Outlet(channels, pause)
        membership = RoomMembership(room, FakeParticipant(outlet), None)  # type: ignore[arg-type]
        position = min(start, past)
        CatchUp(membership, SlowReads(log, pause), follower, limits, position=position, missed_through=past).begin()
        for burst, ticks in steps:
            stored += [log.append(draft(i, "lab" if i % 2 else "other")) for i in range(burst)]
            for _ in range(ticks):
                await asyncio.sleep(0)
        await asyncio.gather(*stored)
        held = await log.read("lab", after=position, limit=1000)
        await until(lambda: len(outlet.seqs) >= len(held.records))
        await log.append(draft(room="lab"))
        await until(lambda: outlet.seqs[-1:] == [log.head])
        assert outlet.seqs == [*(record.seq for record in held.records), log.head]
        await log.close()
        await following

    asyncio.run(example())


async def test_events_read_ahead_of_the_room_are_not_delivered_again() -> None:
    log = await open_log("memory:")
    await asyncio.gather(*[log.append(draft(i)) for i in range(5)])
    channels: dict[str, list[Outlet]] = {}
    rooms = RoomRegistry(Limits())
    follower = Follower(log, rooms, lambda batch: [m.write((e,)) for c, e in batch for m in channels.get(c, ())], print)
    follower.position = 0  # the hub is behind the log: another process may have written to it
    room = joined_room(rooms, follower, Limits())
    room.ring.start = 3
    outlet = Outlet(channels, Ticks([]))
    catch_up = CatchUp(
        RoomMembership(room, FakeParticipant(outlet), None),  # type: ignore[arg-type]
        log, follower, Limits(), position=0, missed_through=5,
    )  # fmt: skip
    catch_up.begin()
    await until(lambda: outlet.seqs == [1, 2, 3, 4, 5])
    assert channels == {}  # it must not go live before the room was handed these events
    following = asyncio.create_task(follower.run())
    await until(lambda: channels)
    await log.append(draft())
    await until(lambda: outlet.seqs[-1] == 6)
    assert outlet.seqs == [1, 2, 3, 4, 5, 6]
    await log.close()
    await following


async def test_a_hub_that_is_behind_does_not_keep_the_loop_busy() -> None:
    log = await open_log("memory:")
    await asyncio.gather(*[log.append(draft(i)) for i in range(2)])
    rooms, channels = RoomRegistry(Limits()), dict[str, list[Outlet]]()
    follower = Follower(log, rooms, lambda batch: None, print)
    follower.position = 0
    room = joined_room(rooms, follower, Limits())
    membership = RoomMembership(room, FakeParticipant(Outlet(channels, Ticks([]))), None)  # type: ignore[arg-type]
    CatchUp(membership, log, follower, Limits(), position=2, missed_through=2).begin()
    await until(lambda: follower._waiting)
    following = asyncio.create_task(follower.run())
    await until(lambda: channels)
    await log.close()
    await following


@pytest.fixture
async def busy(start: Any) -> Any:
    """A hub whose pages and ring are small, so that catching up takes many steps."""
    return await start(page_events=3, ring_events=4)


async def test_the_ack_comes_first_then_missed_events_then_live_ones(busy: Any) -> None:
    writer = await busy.connect()
    seqs = await writer.publish_many(50)
    reader = await busy.connect()
    reply = await reader.join(after=0)
    live = await writer.publish()
    await until(lambda: len(reader.events()) == 51)
    first = next(got for got in reader.got if got.name != "$presence")
    assert first.name == "ack"
    assert first.data == reply
    assert reader.seqs() == [*seqs, live]
    assert [got.meta.get("replay", False) for got in reader.events()] == [True] * 50 + [False]


@pytest.mark.parametrize("fields", [{}, {"last": 2}, {"after": 0}, {"since": 0}])
async def test_the_ack_comes_first_when_everything_is_in_the_ring(busy: Any, fields: dict[str, Any]) -> None:
    writer = await busy.joined()
    await writer.publish_many(3)
    reader = await busy.connect()
    asked = reader.ask("join", {"room": "lab", **fields})
    await writer.publish()
    await asked
    await until(lambda: reader.seqs()[-1:] == writer.seqs()[-1:])
    assert next(got.name for got in reader.got if got.name != "$presence") == "ack"
    assert [got.name for got in reader.got].count("ack") == 1


async def test_many_joins_in_a_stream_of_events_have_no_gap_each(busy: Any) -> None:
    writer = await busy.joined()
    stop = asyncio.Event()

    async def stream() -> None:
        while not stop.is_set():
            await writer.publish_many(5)

    streaming = asyncio.create_task(stream())
    readers = []
    for round_ in range(20):
        reader = await busy.connect()
        reply = await reader.join(**({"last": round_} if round_ % 2 else {"after": 0}))
        readers.append((reader, reply))
    stop.set()
    await streaming
    seqs = await writer.publish_many(1)
    every = (await busy.log.read("lab", limit=100_000, max_bytes=10**9)).records
    for reader, reply in readers:
        await until(lambda reader=reader: reader.seqs()[-1:] == seqs)
        assert reader.seqs() == [record.seq for record in every if record.seq > reply["cursor"]]
        replayed = [got for got in reader.events() if got.meta.get("replay")]
        assert len(replayed) == reply["missed"]
        assert not replayed or replayed[-1].seq == reply["head"]


async def test_joining_again_while_catching_up_starts_over(busy: Any) -> None:
    writer = await busy.connect()
    seqs = await writer.publish_many(40)
    reader = await busy.connect()
    first, second = reader.ask("join", {"room": "lab", "after": 0}), reader.ask("join", {"room": "lab", "last": 2})
    await first
    await second

    def since_the_second_answer() -> list[int | None]:
        again = max(i for i, got in enumerate(reader.got) if got.name == "ack")
        return [got.seq for got in reader.got[again + 1 :] if not got.name.startswith("$")]

    await until(lambda: len(since_the_second_answer()) >= 2)
    assert since_the_second_answer() == seqs[-2:]
    live = await writer.publish()
    await until(lambda: reader.seqs()[-1] == live)
    assert reader.seqs().count(live) == 1


async def test_leaving_while_catching_up_ends_it(busy: Any) -> None:
    writer = await busy.connect()
    await writer.publish_many(40)
    reader = await busy.connect()
    reader.ask("join", {"room": "lab", "after": 0})
    await reader.call("leave", room="lab")
    seen = len(reader.events())
    await writer.publish()
    await reader.settled()
    assert len(reader.events()) == seen


async def test_a_reader_that_is_read_slowly_catches_up_without_a_queue_that_grows(start: Any) -> None:
    hub = await start(ring_events=10, server={"max_queue": 100_000}, message=100_000)
    writer = await hub.connect()
    for _ in range(10):
        await asyncio.gather(*(writer.call("publish", room="lab", event="big", data="x" * 40_000) for _ in range(10)))
    reader = await hub.connect(name="slow")
    await reader.join(after=0)
    await until(lambda: len(reader.events()) == 100)
    assert not reader.ended


async def test_a_storm_of_reconnects_is_served_without_reading_the_log(start: Any, monkeypatch: Any) -> None:
    hub = await start()
    writer = await hub.joined()
    seqs = await writer.publish_many(100)

    async def read(*args: Any, **fields: Any) -> Page:
        raise AssertionError("the log was read")

    monkeypatch.setattr(hub.log, "read", read)
    monkeypatch.setattr(hub.log, "lag", read)
    readers = [await hub.connect() for _ in range(20)]
    replies = await asyncio.gather(*(r.join(after=seqs[49], epoch=hub.log.epoch) for r in readers))
    assert {reply["missed"] for reply in replies} == {50}
    for reader in readers:
        await until(lambda reader=reader: reader.seqs() == seqs[50:])
