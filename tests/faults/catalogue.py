"""The faults under which the promises of docs/guarantees.md are tested. Each is a function that causes it."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.world import GROUP, ROOM, World, until
from support.faulty_disk import Files, Operation
from support.hub import HubServer

import jupyter_rtmsg as rt


@dataclass(frozen=True)
class Fault:
    """A fault, and the promises that hold under it.

    Attributes
    ----------
    name, kind : str
    inject : callable
        Brings it about, and ends it.
    world : dict
        Arguments of `World` that it needs.
    allows : frozenset of str
        Counts of the `Verdict` that may be above 0, as docs/guarantees.md says.
    told : bool
        Whether readers must be told of something.
    """

    name: str
    kind: str
    inject: Callable[[World], Awaitable[None]]
    world: dict[str, Any] = field(default_factory=dict)
    allows: frozenset[str] = frozenset()
    told: bool = False


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, kind: str, *, allows: str = "", told: bool = False, **world: Any
) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[World], Awaitable[None]]]:
    """Add a function to the catalogue."""

    def add(inject: Callable[[World], Awaitable[None]]) -> Callable[[World], Awaitable[None]]:
        FAULTS[name] = Fault(name, kind, inject, world, frozenset(allows.split()), told)
        return inject

    return add


# --- processes


@fault("the hub is killed (kill -9)", "process")
async def kill(world: World) -> None:
    await world.kill()


@fault("the hub is ended in order (SIGTERM) and started again", "process")
async def terminate(world: World) -> None:
    await world.stop()


@fault("the hub is killed again while it starts", "process")
async def kill_twice(world: World) -> None:
    for _ in range(3):
        await world.kill()
        await world.flow(world.random.randrange(1, 10))


@fault("the hub stands still for longer than its clients wait", "process")
async def freeze(world: World) -> None:
    lost = len(world.account.refused)
    world.hub.freeze()
    await until(lambda: len(world.account.refused) > lost, "a publisher gives up waiting")
    world.hub.thaw()


@fault("the hub is killed while it trims", "process", allows="lost_stored", log_options={"max_events": 400})
async def kill_trimming(world: World) -> None:
    await world.flow(600)
    await world.kill()


@fault("a reader's process is killed", "process", allows="duplicated")
async def kill_reader(world: World) -> None:
    consumer = await world.consume("kernel")
    for _ in range(2):
        await world.flow(50)
        await consumer.kill()
        await world.flow(50)
        await consumer.start()


@fault("a reader's process and the hub are killed together", "process", allows="duplicated")
async def kill_both(world: World) -> None:
    consumer = await world.consume("kernel")
    await world.flow(50)
    await asyncio.gather(consumer.kill(), world.kill())
    await consumer.start()


@fault("the hub is started anew four times in a row (rolling restarts)", "process")
async def rolling(world: World) -> None:
    for _ in range(4):
        await world.stop()
        await world.flow(20)


# --- network


@fault("all connections break", "network")
async def cut(world: World) -> None:
    world.link.cut()


@fault("connections break in the middle of a frame", "network")
async def cut_in_a_frame(world: World) -> None:
    for _ in range(5):
        world.link.cut_after(world.random.randrange(1, 3_000))
        await world.flow(20)


@fault("connections break again and again", "network")
async def flap(world: World) -> None:
    for _ in range(10):
        await world.flow(world.random.randrange(1, 30))
        world.link.cut()


@fault("nothing passes for longer than a ping may take, and nothing is closed", "network")
async def stall(world: World) -> None:
    world.link.stall()
    lost = len(world.account.refused)
    await until(lambda: len(world.account.refused) > lost, "a publisher gives up waiting")


@fault("the network is slow, then breaks", "network")
async def slow(world: World) -> None:
    world.link.slow(200)
    await world.flow(50)
    world.link.cut()


@fault("the hub cannot be reached for a while", "network")
async def unreachable(world: World) -> None:
    world.link.refuse()
    world.link.cut()
    lost = len(world.account.refused)
    await until(lambda: len(world.account.refused) > lost, "a publisher gives up waiting")


@fault("connections break while the hub is killed", "network")
async def cut_and_kill(world: World) -> None:
    world.link.cut()
    await world.kill()
    world.link.cut()


# --- workers

_LONG = {"grace": 60.0}  # seconds for a worker to come back; what a killed one had need not wait so long


@fault("a worker's process is killed", "worker", allows="handled_twice", limits=_LONG)
async def kill_worker(world: World) -> None:
    first, *_ = await world.work(3, max_in_flight=4)
    await world.handled(30)
    await first.kill()
    await world.handled(60)


@fault("the hub is killed under its workers", "worker", limits=_LONG)
async def kill_hub_of_workers(world: World) -> None:
    await world.work(3, max_in_flight=4)
    await world.handled(30)
    await world.kill()
    await world.flow(30)
    await world.hush()  # or thousands of events would come while the first ones wait
    group, acked = world.account.groups[0], world.account.acked
    await until(lambda: not group.missing(acked), "all events are handled")
    world.resume()


@fault("a worker's process and the hub are killed together", "worker", allows="handled_twice", limits=_LONG)
async def kill_worker_and_hub(world: World) -> None:
    first, *_ = await world.work(3, max_in_flight=4)
    await world.handled(30)
    await asyncio.gather(first.kill(), world.kill())
    await world.handled(60)


@fault("the connections of workers break again and again", "worker", limits=_LONG)
async def flap_workers(world: World) -> None:
    await world.work(3, max_in_flight=4)
    for _ in range(8):
        await world.handled(world.random.randrange(1, 20))
        world.link.cut()


@fault("a group is paused and resumed under its workers", "worker", limits=_LONG)
async def pause_workers(world: World) -> None:
    await world.work(2, max_in_flight=4)
    await world.handled(30)
    async with rt.AsyncClient(world.hub.url) as client:
        group = await (await client.join(ROOM)).group(GROUP)
        for _ in range(3):
            await group.pause()
            await world.flow(20)
            await group.resume()
            await world.handled(20)


@asynccontextmanager
async def _operator(world: World) -> AsyncIterator[rt.AsyncRoom]:
    """Join over a connection of its own, which does not pass through the link."""
    async with rt.AsyncClient(world.hub.url) as client:
        yield await client.join(ROOM)


@fault("an event kills the process of each worker that gets it", "worker", allows="handled_twice", limits=_LONG)
async def poison(world: World) -> None:
    workers = await world.work(2, max_in_flight=4, tries=2)
    await world.handled(30)
    async with _operator(world) as room:
        await room.emit("tick", {}, id="poison")
        while not (letters := await room.dead_letters(GROUP)):
            await asyncio.gather(*(worker.revive() for worker in workers))
            await asyncio.sleep(0.05)
    assert [(letter.event.id, letter.reason) for letter in letters] == [("poison", "lost")]
    # The event may have killed both of them by now. The others of the group are for a new worker.
    await world.work(1, max_in_flight=4, tries=2)
    await world.handled(30)


@fault("dead letters are redriven while their group works, and its connections break", "worker", limits=_LONG)
async def redrive(world: World) -> None:
    acked = world.account.acked
    below, redriven = len(acked) + 120, 0
    await world.work(2, max_in_flight=4, reject_below=below)
    group = world.account.groups[0]
    async with _operator(world) as room:
        while len(acked) < below + 20 or any(int(id[1:]) < below for id in group.missing(acked)):
            redriven += await (await room.dead_letters(GROUP)).redrive()
            if redriven and world.random.random() < 0.2:
                world.link.cut()
            await world.flow(5)
    assert redriven > 20


@fault(
    "events are trimmed that wait for a paused group", "worker", allows="lost_stored", limits=_LONG,
    log_options={"max_events": 400},
)  # fmt: skip
async def trim_pending(world: World) -> None:
    await world.work(2, max_in_flight=4)
    await world.handled(30)
    async with _operator(world) as room:
        group = await room.group(GROUP)
        await group.pause()
        await world.flow(600)
        await world.hush()
        await group.resume()
        info = await group.refresh()
        while info.lag:
            await asyncio.sleep(0.05)
            info = await group.refresh()
        handled = world.account.groups[0]
        trimmed = handled.missing(world.account.acked)
        assert len(trimmed) == info.trimmed > 100
        handled.trimmed |= trimmed
    world.resume()


# --- the log's file


def _files(world: World) -> list[Path]:
    return sorted(world.log.parent.glob(world.log.name + "*"))


@asynccontextmanager
async def _while_down(world: World, *, killed: bool = False, publishing: int = 0) -> AsyncIterator[None]:
    """Wait until every reader has all events, and stop the hub for the block.

    So many events are published before any reader is back.
    """
    await world.turn_page()
    world.link.refuse()
    await asyncio.to_thread(world.hub.kill if killed else world.hub.stop)
    yield
    await world.start()
    await world.publish_past(publishing)
    world.link.refuse(False)
    world.resume()


@fault("the log is removed while the hub is down", "file", told=True)
async def remove(world: World) -> None:
    async with _while_down(world):
        for path in _files(world):
            path.unlink()


@fault("the log's first page is overwritten while the hub is down", "file", told=True)
async def overwrite(world: World) -> None:
    async with _while_down(world):
        with world.log.open("r+b") as file:
            file.write(world.random.randbytes(4096))


@fault("an older copy of the log is put back while the hub is down", "file", told=True)
async def put_back(world: World) -> None:
    async with _while_down(world):
        older = world.log.read_bytes()
    await world.flow(100)
    async with _while_down(world, publishing=200):
        world.log.write_bytes(older)


def _reading(world: World) -> sqlite3.Connection:
    """Return a connection with an open read: until it is closed, later events stay in the write-ahead log."""
    connection = sqlite3.connect(f"file:{world.log}?mode=ro", uri=True, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM event").fetchone()
    return connection


@asynccontextmanager
async def _with_wal(world: World) -> AsyncIterator[Path]:
    """Kill the hub for the block, with the last events only in the write-ahead log."""
    await world.stop()  # what came until now is in the file itself
    reading = _reading(world)
    await world.flow(100)
    async with _while_down(world, killed=True, publishing=200):
        reading.close()
        yield world.log.with_name(world.log.name + "-wal")


@fault("the write-ahead log is lost with the hub", "file", told=True)
async def lose_wal(world: World) -> None:
    async with _with_wal(world) as wal:
        wal.unlink()


@fault("the write-ahead log is cut short", "file", told=True)
async def cut_wal(world: World) -> None:
    async with _with_wal(world) as wal:
        os.truncate(wal, 32 + 10 * (24 + 4096))


@fault("the write-ahead log is damaged", "file", told=True)
async def damage_wal(world: World) -> None:
    async with _with_wal(world) as wal:
        with wal.open("r+b") as file:
            file.seek(32 + 10 * (24 + 4096) + world.random.randrange(4096))
            file.write(b"damage")


@fault("the log is deleted under the running hub, which is killed later", "file")
async def delete_running(world: World) -> None:
    world.log.unlink()
    await world.flow(50)
    await world.kill()


@fault("the log is moved away under the running hub, which is killed later", "file")
async def move_running(world: World) -> None:
    world.log.rename(world.log.with_name("elsewhere"))
    await world.flow(50)
    await world.kill()


@fault("the log is replaced by another file under the running hub, which is killed later", "file")
async def replace_running(world: World) -> None:
    copy = world.log.with_name("copy")
    copy.write_bytes(world.log.read_bytes())
    copy.rename(world.log)
    await world.flow(50)
    await world.kill()


@fault("all files of the log are deleted under the running hub, which is killed later", "file")
async def delete_all_running(world: World) -> None:
    for path in _files(world):
        path.unlink()
    await world.flow(50)
    await world.kill()


# --- the disk


async def _fail(world: World, operations: Operation, *, error: int = errno.EIO, files: Files = Files.ANY) -> None:
    """Have the disk fail until publishers have been refused, or where nobody is, until it was asked."""
    assert world.disk
    refused = len(world.account.refused)
    world.disk.fail(operations, error=error, files=files)
    await until(lambda: world.disk and world.disk.hits > 10, "the disk fails")
    if files != Files.NOT_WAL and operations != Operation.READ:
        await until(lambda: len(world.account.refused) > refused, "publishers are refused")
    world.disk.work()


@fault("the write-ahead log cannot be written for a while (EIO)", "disk", faulty_disk=True)
async def eio(world: World) -> None:
    await _fail(world, Operation.WRITE, files=Files.WAL)


@fault("one fsync fails", "disk", faulty_disk=True)
async def fsync_once(world: World) -> None:
    assert world.disk
    world.disk.fail(Operation.FSYNC, count=1)
    await until(lambda: world.disk and world.disk.hits, "an fsync fails")


@fault("no fsync works for a while", "disk", faulty_disk=True)
async def fsync(world: World) -> None:
    await _fail(world, Operation.FSYNC)


@fault("half of each write is written for a while", "disk", faulty_disk=True)
async def short_write(world: World) -> None:
    await _fail(world, Operation.SHORT_WRITE, files=Files.WAL)


@fault("the disk is full for a while (ENOSPC)", "disk", faulty_disk=True)
async def enospc(world: World) -> None:
    await _fail(world, Operation.WRITE, error=errno.ENOSPC)


@fault("the quota is used up for a while (EDQUOT)", "disk", faulty_disk=True)
async def edquot(world: World) -> None:
    await _fail(world, Operation.WRITE, error=errno.EDQUOT)


@fault("the file system is read-only for a while (EROFS)", "disk", faulty_disk=True)
async def erofs(world: World) -> None:
    await _fail(world, Operation.WRITE | Operation.FSYNC | Operation.TRUNCATE, error=errno.EROFS)


@fault("nothing works on the disk, and the hub is killed meanwhile", "disk", faulty_disk=True)
async def all_and_kill(world: World) -> None:
    assert world.disk
    await _fail(world, Operation.WRITE | Operation.FSYNC | Operation.READ | Operation.TRUNCATE)
    world.disk.fail(Operation.WRITE)
    await asyncio.to_thread(world.hub.kill)
    world.disk.work()
    await world.start()


@fault("the disk hangs for longer than publishers wait", "disk", faulty_disk=True)
async def hang(world: World) -> None:
    assert world.disk
    lost = len(world.account.refused)
    world.disk.hang(Operation.WRITE | Operation.FSYNC)
    await until(lambda: len(world.account.refused) > lost, "a publisher gives up waiting")
    world.disk.work()


# --- the clock

_DAY = 86_400


@fault("the clock is 40 days ahead for a moment", "clock")
async def ahead(world: World) -> None:
    world.set_clock(40 * _DAY)
    await world.flow(50)
    world.set_clock(0)


@fault(
    "the clock is three hours ahead for a moment, and events are kept two",
    "clock",
    log_options={"max_age": 7_200.0},
)
async def hours_ahead(world: World) -> None:
    world.set_clock(3 * 3_600)
    await world.flow(50)
    world.set_clock(0)


@fault("the clock goes back by a day while the hub is down", "clock")
async def day_back(world: World) -> None:
    await asyncio.to_thread(world.hub.kill)
    world.set_clock(-_DAY)
    await world.start()


@fault("the hub starts with a clock that is 40 days ahead, which is put right later", "clock")
async def start_ahead(world: World) -> None:
    await asyncio.to_thread(world.hub.stop)
    world.set_clock(40 * _DAY)
    await world.start()
    await world.flow(50)
    world.set_clock(0)


# --- neighbours


@fault("another server is started on the same log", "neighbour")
async def second_server(world: World) -> None:
    second = HubServer(f"sqlite:///{world.log}")
    await asyncio.to_thread(second.start)
    await world.flow(50)
    await asyncio.to_thread(second.kill)


@fault("fifty clients come back at one moment", "neighbour")
async def storm(world: World) -> None:
    clients = [await world.client() for _ in range(50)]
    rooms = [await client.join("lab") for client in clients]
    world.link.cut()
    await until(lambda: all(room.status == "connected" for room in rooms), "all are back")


@fault("every publisher emits the same id, over two connections and a restart", "neighbour")
async def same_id(world: World) -> None:
    clients = [await world.client() for _ in range(4)]
    rooms = [await client.join("lab") for client in clients]
    for number in range(10):
        seqs = await asyncio.gather(*(room.emit("same", number, id=f"same-{number}") for room in rooms))
        assert len(set(seqs)) == 1
    await world.kill()
    again = await asyncio.gather(*(room.emit("same", 9, id="same-9", timeout=60.0) for room in rooms))
    assert set(again) == set(seqs)
