"""An older file of the log is restored: each reader continues exactly or is told, and none skips later events."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.members import Member, Refused
from support.wsclient import until

import jupyter_rtmsg as rt

PARTS = ("", "-wal", "-shm", ".mark")


class Ground:
    """A hub whose file can be replaced by an older copy, and its clients."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = HubServer(f"sqlite:///{path}")
        self._clients: list[rt.AsyncClient] = []

    async def save(self) -> None:
        """Copy the file as it is, with the hub stopped."""
        await asyncio.to_thread(self.server.stop)
        shutil.copy(self.path, self.path.with_suffix(".saved"))
        await asyncio.to_thread(self.server.start)

    async def restore(self, *, mark: bool) -> None:
        """Restore the copy, with or without the mark that the hub left beside the file."""
        await asyncio.to_thread(self.server.kill)
        for part in PARTS:
            if part != ".mark" or not mark:
                self.path.with_name(self.path.name + part).unlink(missing_ok=True)
        shutil.copy(self.path.with_suffix(".saved"), self.path)
        await asyncio.to_thread(self.server.start)

    async def client(self) -> rt.AsyncClient:
        self._clients.append(await rt.AsyncClient(self.server.url, TOKEN).connect())
        return self._clients[-1]

    async def emit(self, kind: str, number: int) -> list[str]:
        room = await (await self.client()).join("lab")
        names = [f"{kind}{i}" for i in range(number)]
        receipts = [await room.emit("n", name, wait=False) for name in names]
        for receipt in receipts:
            await receipt.wait(30)
        return names

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
    """A member that records the events it handles and the losses it is told; it can be delayed."""

    def __init__(self, client: rt.AsyncClient, room: rt.AsyncRoom) -> None:
        self.client = client
        self.room = room
        self.seen: list[Any] = []
        self.running = asyncio.Event()
        self.running.set()
        room.on("n", self._handle)
        room.on("$reset", lambda event: self.seen.append(event.data["reason"]))

    @classmethod
    async def join(cls, ground: Ground, **options: Any) -> Reader:
        client = await ground.client()
        return cls(client, await client.join("lab", **options))

    async def _handle(self, event: rt.Event) -> None:
        await self.running.wait()
        self.seen.append(event.data)

    def away(self) -> asyncio.Event:
        """After its connection is lost, keep it offline until the event is set."""
        prepare, gate = self.client._hub.prepare, asyncio.Event()

        async def later() -> None:
            await gate.wait()
            assert prepare
            await prepare()

        self.client._hub.prepare = later
        return gate

    @property
    def place(self) -> Any:
        return self.room.membership.inbox.place


@pytest.mark.parametrize("mark", [True, False], ids=["its mark is there", "its mark is gone"])
async def test_readers_go_on_exactly_or_are_told(ground: Ground, mark: bool) -> None:
    with_place, without = await Reader.join(ground, as_="reader"), await Reader.join(ground)
    early, slow = await Reader.join(ground, as_="early"), await Reader.join(ground, as_="slow")
    kept = await ground.emit("kept", 20)
    await until(lambda: all(each.seen == kept for each in (with_place, without, early, slow)))
    await until(lambda: with_place.room.lag == early.room.lag == 0)
    gate = early.away()
    await ground.save()
    await until(lambda: slow.client.state == "connected")
    slow.running.clear()
    lost = await ground.emit("lost", 15)
    await until(lambda: with_place.seen == without.seen == kept + lost)
    await until(lambda: slow.room.membership.inbox.waiting == 14)  # and one with its handler
    gates = [each.away() for each in (with_place, without, slow)]
    await ground.restore(mark=mark)
    new = await ground.emit("new", 30)  # more than were lost: their positions pass those that readers hold
    for each in (gate, *gates):
        each.set()
    await until(lambda: slow.room.membership.inbox.received == 50)
    slow.running.set()
    await until(lambda: all(each.seen[-1:] == ["new29"] for each in (with_place, without, early, slow)))
    assert with_place.seen == without.seen == [*kept, *lost, "rollback", *new]
    assert early.seen == [*kept, *new]
    assert slow.seen == [*kept, "lost0", "rollback", *new]
    await until(lambda: with_place.room.lag == slow.room.lag == 0)
    await with_place.client.close()
    later = await Reader.join(ground, as_="reader")
    assert later.room.missed_count == 0


async def test_a_restarted_kernel_misses_no_event_stored_since(ground: Ground) -> None:
    reader = await Reader.join(ground, as_="reader")
    kept = await ground.emit("kept", 10)
    await until(lambda: reader.seen == kept and reader.room.lag == 0)
    await ground.save()
    lost = await ground.emit("lost", 10)
    await until(lambda: reader.seen == kept + lost and reader.room.lag == 0)
    await reader.client.close()
    await ground.restore(mark=False)
    new = await ground.emit("new", 20)
    later = await Reader.join(ground, as_="reader")
    assert later.room.missed_count == 20
    await until(lambda: later.seen == new)


async def test_an_acknowledgement_of_the_lost_end_moves_no_cursor(ground: Ground) -> None:
    await ground.emit("kept", 5)
    await ground.save()
    member = await Member.connect(ground.server.port)
    reply = await member.join("lab", **{"as": "reader"})
    await ground.emit("lost", 5)
    await until(lambda: len(member.events()) == 5)
    place = {"epoch": reply["epoch"], "opening": reply["opening"]}
    assert (await member.call("ack", room="lab", seq=10, n=10, **place))["cursor"] == 10
    await member.close()
    await ground.restore(mark=True)
    beyond = await Member.connect(ground.server.port)
    joined = await beyond.join("lab", after=10, **place)  # the log is shorter than that now
    assert (joined["recovered"], joined["reason"], joined["cursor"], joined["missed"]) == (False, "rollback", 5, 0)
    await beyond.close()
    await ground.emit("new", 10)
    again = await Member.connect(ground.server.port)
    joined = await again.join("lab", after=10, n=10, **{"as": "reader"}, **place)
    assert [joined[key] for key in ("recovered", "reason", "cursor", "cursor_n", "missed")] == [
        False, "rollback", 5, 5, 10,
    ]  # fmt: skip
    assert joined["opening"] != place["opening"]
    for command, position in (("ack", "seq"), ("lag", "after"), ("history", "after")):
        with pytest.raises(Refused, match=r"epoch: .*the log has lost everything after 5"):
            await again.call(command, {"room": "lab", position: 9, **place})
    assert (await again.call("lag", room="lab", **{"as": "reader"}))["cursor"] == 5
    assert (await again.call("ack", room="lab", seq=4, **place))["cursor"] == 5  # of what both have in common
    place = {"epoch": joined["epoch"], "opening": joined["opening"]}
    assert (await again.call("ack", room="lab", seq=9, n=9, **place))["cursor"] == 9
    await again.close()


async def test_a_file_that_is_put_back_under_a_running_hub_goes_back_for_nobody(ground: Ground) -> None:
    reader, without = await Reader.join(ground, as_="reader"), await Reader.join(ground)
    sent = await ground.emit("a", 10)
    ground.path.unlink()
    sent += await ground.emit("b", 10)  # the hub writes the file again, and goes on in another opening
    sent += await ground.emit("c", 10)
    await until(lambda: reader.seen == without.seen == sent and reader.room.lag == 0)
    assert ground.path.exists()
    await asyncio.to_thread(ground.server.stop)
    await asyncio.to_thread(ground.server.start)
    sent += await ground.emit("d", 10)
    await until(lambda: reader.seen == without.seen == sent and reader.room.lag == 0)
