"""A log's file is removed, moved or replaced while a hub runs: no acknowledged event is lost."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.members import Member
from support.wsclient import RawClient, until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import RtmsgError

RATE = 200  # publishes per second
AFTER = 40  # publishes acknowledged before and after


def beside(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


def remove(path: Path) -> None:
    path.unlink()


def remove_every_file(path: Path) -> None:
    for each in path.parent.iterdir():
        each.unlink()


def remove_directory(path: Path) -> None:
    # In one step: the hub puts files back into a directory whose files are removed one by one.
    shutil.rmtree(path.parent.rename(path.parent.with_name("removed")))


def move(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))


def move_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def remove_wal(path: Path) -> None:
    beside(path, "-wal").unlink()


def restore_another(path: Path) -> None:
    made = path.with_suffix(".another")
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("CREATE TABLE other(x)")
    made.replace(path)


def restore_a_copy(path: Path) -> None:
    made = path.with_suffix(".copy")
    shutil.copy(path, made)
    made.replace(path)


TAKEN = [remove, remove_every_file, remove_directory, move, move_directory, remove_wal, restore_another, restore_a_copy]


async def publish(room: Any, acked: dict[int, int], stop: asyncio.Event) -> None:
    """Publish at a steady rate, each event by itself; record the acknowledged ones."""

    async def one(number: int) -> None:
        with suppress(RtmsgError):  # whoever gets an error knows that it may not be stored
            acked[number] = await room.emit("tick", number)

    waiting = set()
    number = 0
    while not stop.is_set():
        waiting.add(asyncio.create_task(one(number := number + 1)))
        await asyncio.sleep(1 / RATE)
    await asyncio.gather(*waiting)


async def until_more(acked: dict[int, int], more: int) -> None:
    goal = len(acked) + more
    await until(lambda: len(acked) >= goal)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("take", TAKEN)
async def test_nothing_acknowledged_is_lost_over_a_kill(take: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "log" / "log.sqlite3"
    acked: dict[int, int] = {}
    with HubServer(f"sqlite:///{path}", log_options={"ballast": 0}) as hub:
        async with rt.AsyncClient(hub.url, token=TOKEN) as client:
            room = await client.join("lab")
            stop = asyncio.Event()
            publisher = asyncio.create_task(publish(room, acked, stop))
            await until_more(acked, AFTER)
            take(path)
            await until_more(acked, AFTER)
            stop.set()
            await publisher
        hub.restart()
        async with rt.AsyncClient(hub.url, token=TOKEN) as client:
            room = await client.join("lab")
            stored = {event.seq: event.data for event in await room.history(last=100_000)}
    assert {number: seq for number, seq in acked.items() if stored.get(seq) != number} == {}


async def test_members_are_told_what_happened_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log" / "log.sqlite3"
    with HubServer(f"sqlite:///{path}", log_options={"ballast": 0}) as hub:
        member = Member(await RawClient.open(hub.port, Authorization=f"token {TOKEN}"))
        await member.raw.enter("/", {})
        member.read()
        await member.join()
        await member.publish(1)
        remove(path)
        await member.publish(2)
        said = "was removed while the server was running"
        await until(lambda: any(said in (told["warning"] or "") for told in member.named("$log")))
