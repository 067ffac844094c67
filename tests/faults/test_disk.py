"""A disk that fails while a hub runs: no acknowledged event is lost, publishers learn why, no restart is needed."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.faulty_disk import FaultyDisk, Files, Operation, build_shim
from support.hub import TOKEN, HubServer
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors

pytestmark = pytest.mark.needs_gcc
WRITE, FSYNC, READ = Operation.WRITE, Operation.FSYNC, Operation.READ
ALL = WRITE | FSYNC | Operation.TRUNCATE
DEADLINE = 30.0  # seconds


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def disk(shim: Path, tmp_path: Path) -> Iterator[FaultyDisk]:
    disk = FaultyDisk(shim, tmp_path)
    yield disk
    disk.work()
    disk.close()


@pytest.fixture
def hub(disk: FaultyDisk, tmp_path: Path) -> Iterator[HubServer]:
    hub = HubServer(f"sqlite:///{tmp_path / 'log.sqlite3'}")
    hub.start(environment=disk.environment, stderr=tmp_path / "hub.err")
    yield hub
    disk.work()
    hub.stop()


@dataclass
class Load:
    """Publishes events with ids one after the other, records each outcome, and repeats refused ones."""

    room: rt.AsyncRoom
    size: int = 10
    acknowledged: dict[str, int | None] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    number: int = 0

    async def run(self) -> None:
        while not self.stop.is_set():
            await self.publish(f"id-{self.number}")
            self.number += 1
            await asyncio.sleep(0.001)

    async def publish(self, id: str) -> None:
        while id not in self.acknowledged:
            try:
                self.acknowledged[id] = await self.room.emit("n", "x" * self.size, id=id, timeout=DEADLINE)
            except errors.CommandError as error:
                self.codes[error.code] += 1
                await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Fault:
    """A fault, and the error code that publishers get; None if no append may fail."""

    operations: Operation
    code: str | None
    error: int = errno.EIO
    files: Files = Files.ANY
    count: int = -1
    size: int = 10


FAULTS = {
    "the write-ahead log can't be written": Fault(WRITE, "io", files=Files.WAL),
    "one fsync fails": Fault(FSYNC, "io", files=Files.WAL, count=1),
    "no fsync works": Fault(FSYNC, "io"),
    "checkpoints can't be written": Fault(WRITE, None, files=Files.NOT_WAL, size=20_000),
    "half of each write is written": Fault(Operation.SHORT_WRITE, "io", files=Files.WAL),
    "the quota is used up": Fault(WRITE, "full", errno.EDQUOT),
    "the disk is full": Fault(WRITE, "full", errno.ENOSPC),
    "the file system went read-only": Fault(ALL, "io", errno.EROFS),
    "nothing works": Fault(ALL | READ, "io"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_nothing_acknowledged_is_lost_and_nothing_is_stored_twice_when(
    name: str, hub: HubServer, disk: FaultyDisk, tmp_path: Path
) -> None:
    fault = FAULTS[name]
    publisher, reader = [await rt.AsyncClient(hub.url, TOKEN).connect() for _ in range(2)]
    room, received = await publisher.join("lab"), list[str | None]()
    (await reader.join("lab")).on("n", lambda event: received.append(event.id))
    load = Load(room, fault.size)
    running = asyncio.create_task(load.run())
    await until(lambda: len(load.acknowledged) > 20)
    disk.fail(fault.operations, count=fault.count, error=fault.error, files=fault.files)
    await until(lambda: load.codes.total() > (10 if fault.count < 0 else 0) if fault.code else disk.hits)
    disk.work()
    enough = len(load.acknowledged) + 20
    await until(lambda: len(load.acknowledged) > enough)  # without a restart
    load.stop.set()
    await running
    assert set(load.codes) == ({fault.code} if fault.code else set())
    await until(lambda: len(received) >= len(load.acknowledged))
    assert received == sorted(load.acknowledged, key=lambda id: load.acknowledged[id] or 0)
    await asyncio.gather(publisher.close(), reader.close())
    # Also after a crash: what was refused may be there, but with its own id, so once.
    hub.kill()
    assert stored_ids(tmp_path) == received
    lines = (tmp_path / "hub.err").read_text().splitlines()
    assert len(lines) < 20, lines  # not two for each event


def stored_ids(folder: Path) -> list[str]:
    """Return the ids in the file of a hub that has ended, in order."""
    with closing(sqlite3.connect(folder / "log.sqlite3")) as connection:
        return [id for (id,) in connection.execute("SELECT id FROM event ORDER BY seq")]


async def test_a_read_that_fails_is_told_and_works_again(hub: HubServer, disk: FaultyDisk) -> None:
    async with rt.AsyncClient(hub.url, TOKEN) as client:
        room = await client.join("lab")
        for _ in range(50):
            await room.emit("n", "x" * 20_000)  # more than SQLite keeps of the file in memory
        disk.fail(READ)
        with pytest.raises(errors.DiskError):
            await room.history(last=1000)
        disk.work()
        assert len(await room.history(last=10)) == 10


@pytest.mark.parametrize("operations", [WRITE, FSYNC, READ, ALL | READ])
async def test_the_server_ends_within_five_seconds_on_a_disk_that_hangs(
    hub: HubServer, disk: FaultyDisk, tmp_path: Path, operations: Operation
) -> None:
    client = await rt.AsyncClient(hub.url, TOKEN).connect()
    room = await client.join("lab")
    acknowledged = [await room.emit("n", "x" * 20_000, id=f"{n}") for n in range(20)]
    disk.hang(operations)
    receipts = [await room.emit("n", "x" * 20_000, id=f"late {n}", wait=False) for n in range(20)]
    reading = asyncio.create_task(room.history(last=1000))
    await until(lambda: disk.hits)
    started = time.monotonic()
    await asyncio.to_thread(hub.stop)
    took = time.monotonic() - started
    disk.work()
    assert took < 10  # five, and as much again for a busy machine
    if operations != READ:
        assert "does not answer" in (tmp_path / "hub.err").read_text()
    reading.cancel()
    hub.start()
    # What nobody was told of is sent again by its client, and stored once.
    seqs = [await receipt.wait(DEADLINE) for receipt in receipts]
    assert sorted({*acknowledged, *seqs}) == [*acknowledged, *seqs]
    await client.close()
    hub.stop()
    assert stored_ids(tmp_path) == [f"{n}" for n in range(20)] + [f"late {n}" for n in range(20)]


@pytest.mark.filterwarnings("ignore::jupyter_rtmsg.errors.NotDurable")
async def test_a_disk_that_fails_once_does_not_keep_the_hub_from_starting(
    hub: HubServer, disk: FaultyDisk, tmp_path: Path
) -> None:
    async with rt.AsyncClient(hub.url, TOKEN) as client:
        await (await client.join("lab")).emit("n")
    hub.kill()
    disk.fail(ALL | READ | Operation.OPEN, count=1)
    hub.start(environment=disk.environment, stderr=tmp_path / "hub.err")
    assert disk.hits
    async with rt.AsyncClient(hub.url, TOKEN) as client:
        room = await client.join("lab")
        await until(lambda: client.durable)
        assert len(await room.history(last=10)) == 1
