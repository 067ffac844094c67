"""The log is lost and a new one begins: positions of the old one are not valid, and readers are told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import EpochMismatch

PATIENCE = 60.0


class Ground:
    """A hub whose log may be lost, and clients of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = HubServer(f"sqlite:///{path}", log_options={"durability": "process"})
        self._clients: list[rt.AsyncClient] = []

    async def lose_log(self) -> None:
        """Kill the hub, delete its log, and start it again."""
        await asyncio.to_thread(self.server.kill)
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        await asyncio.to_thread(self.server.start)

    async def change_epoch(self) -> None:
        """Make the log look as after a crash of the machine, so that it begins a new epoch."""
        await asyncio.to_thread(self.server.stop)
        with sqlite3.connect(self.path) as file:
            file.execute("UPDATE meta SET v = 'another boot' WHERE k = 'boot'")
            file.execute("UPDATE meta SET v = 0 WHERE k = 'clean'")
        file.close()
        await asyncio.to_thread(self.server.start)

    async def client(self) -> rt.AsyncClient:
        self._clients.append(await rt.AsyncClient(self.server.url, TOKEN).connect())
        return self._clients[-1]

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await asyncio.to_thread(self.server.stop)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    ground = Ground(tmp_path / "log.sqlite3")
    await asyncio.to_thread(ground.server.start)
    yield ground
    await ground.close()


class Reader:
    """A member whose handler waits for permission for each event."""

    def __init__(self, room: rt.AsyncRoom) -> None:
        self.room = room
        self.seen: list[Any] = []
        self.resets: list[str] = []
        self._permits = asyncio.Semaphore(0)
        room.on("n", self._handle)
        room.on("$reset", lambda event: self.resets.append(event.data["reason"]))

    async def _handle(self, event: rt.Event) -> None:
        await self._permits.acquire()
        self.seen.append(event.data)

    def let(self, number: int) -> None:
        for _ in range(number):
            self._permits.release()


async def emit(client: rt.AsyncClient, kind: str, number: int) -> None:
    room = await client.join("lab")
    receipts = [await room.emit("n", f"{kind}{i}", wait=False) for i in range(number)]
    for receipt in receipts:
        await receipt.wait(PATIENCE)


async def cut(client: rt.AsyncClient) -> None:
    """End a client like a killed process: it acknowledges nothing more."""
    client.socket.io._reconnection = False
    client.socket.drop()
    await until(lambda: client.state != "connected")


async def stored_cursor(client: rt.AsyncClient) -> int:
    return (await client.commands.ask("lag", {"room": "lab", "as": "reader"}))["cursor"]


async def test_a_subscription_that_is_new_in_the_log_begins_where_its_reader_begins(ground: Ground) -> None:
    first = await ground.client()
    reader = Reader(await first.join("lab", as_="reader"))
    reader.let(1)
    await emit(await ground.client(), "old", 1)
    await until(lambda: reader.seen == ["old0"])
    first._hub.prepare, prepare = _gated(first._hub.prepare)
    await ground.lose_log()
    await emit(await ground.client(), "new", 50)  # before the reader is back
    prepare.set()
    reader.let(10)
    await until(lambda: len(reader.seen) == 11 and reader.resets)
    await cut(first)
    later = Reader(await (await ground.client()).join("lab", as_="reader"))
    later.let(50)
    await until(lambda: later.seen and later.seen[-1] == "new49")
    assert {*reader.seen, *later.seen} == {"old0", *(f"new{i}" for i in range(50))}


def _gated(function: Any) -> tuple[Any, asyncio.Event]:
    gate = asyncio.Event()

    async def gated() -> None:
        await gate.wait()
        await function()

    return gated, gate


async def test_queued_events_of_the_old_log_move_no_cursor_in_the_new_one(ground: Ground) -> None:
    first = await ground.client()
    reader = Reader(await first.join("lab", as_="reader"))
    await emit(await ground.client(), "old", 60)
    await until(lambda: reader.room.membership.inbox.waiting >= 59)
    await ground.lose_log()
    writer = await ground.client()
    await emit(writer, "new", 50)
    await until(lambda: first.state == "connected" and reader.room.membership.inbox.received == 50)
    reader.let(40)  # of the old ones
    await until(lambda: len(reader.seen) == 40)
    await reader.room.membership.progress.acknowledge()
    assert await stored_cursor(writer) == 0
    reader.let(30)  # the rest of them, and some of the new
    await until(lambda: len(reader.seen) == 70)
    await until(lambda: reader.room.membership.inbox.handled == 10)
    await reader.room.membership.progress.acknowledge()
    assert await stored_cursor(writer) == 10
    assert reader.seen == [*(f"old{i}" for i in range(60)), *(f"new{i}" for i in range(10))]
    assert reader.resets == ["epoch"]
    reader.let(40)
    await until(lambda: reader.room.lag == 0)


async def test_an_acknowledgement_of_another_epoch_is_refused_by_name(ground: Ground) -> None:
    writer = await ground.client()
    room = await writer.join("lab", as_="reader")
    await emit(writer, "n", 3)
    with pytest.raises(EpochMismatch, match="the position is of epoch 'another'"):
        await writer.commands.ask("ack", {"room": "lab", "seq": 2, "epoch": "another"})
    assert await stored_cursor(writer) == 0
    epoch = room.membership.inbox.era.epoch
    assert (await writer.commands.ask("ack", {"room": "lab", "seq": 2, "epoch": epoch}))["cursor"] == 2


async def test_a_reader_is_told_at_each_first_join_until_it_has_acknowledged(ground: Ground) -> None:
    first = await ground.client()
    reader = Reader(await first.join("lab", as_="reader"))
    await emit(await ground.client(), "n", 5)
    reader.let(5)
    await until(lambda: reader.room.lag == 0)
    await first.close()
    await ground.change_epoch()
    silent = await ground.client()  # a kernel that is killed before it has handlers
    assert (await silent.join("lab", as_="reader")).missed_count == 5
    await cut(silent)
    second = await ground.client()
    reader = Reader(await second.join("lab", as_="reader"))
    await until(lambda: reader.resets == ["epoch"])
    reader.let(5)
    await until(lambda: len(reader.seen) == 5 and reader.room.lag == 0)
    await second.close()
    third = Reader(await (await ground.client()).join("lab", as_="reader"))
    assert (third.room.missed_count, third.resets) == (0, [])


async def test_an_empty_room_is_told_of_once(ground: Ground) -> None:
    first = await ground.client()
    await first.join("lab", as_="reader")
    await first.close()
    await ground.change_epoch()
    second = await ground.client()
    reader = Reader(await second.join("lab", as_="reader"))
    await until(lambda: reader.resets == ["epoch"])
    await second.close()
    third = Reader(await (await ground.client()).join("lab", as_="reader"))
    await emit(await ground.client(), "n", 1)
    third.let(1)
    await until(lambda: third.seen == ["n0"])
    assert third.resets == []


async def test_a_subscription_with_a_past_begins_before_it(ground: Ground) -> None:
    await emit(await ground.client(), "n", 20)
    first = await ground.client()
    await first.join("lab", as_="reader", last=10)
    await cut(first)
    assert (await (await ground.client()).join("lab", as_="reader")).missed_count == 10
