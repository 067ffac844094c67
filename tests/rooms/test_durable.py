"""What a client says and does while the hub keeps events in memory, and when they are moved into the file."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import NotDurableError
from jupyter_rtmsg.log.schema import MEMORY_START

Make = Callable[..., rt.Client]


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[HubServer]:
    """The server that has the log."""
    with HubServer(f"sqlite:///{tmp_path}/log.sqlite3") as server:
        yield server


@pytest.fixture
def second(holder: HubServer) -> Iterator[HubServer]:
    """A server of the same log: it keeps events in memory until the holder ends."""
    with HubServer(holder.log) as server:
        yield server


def quietly(hub: rt.Client, room: str = "lab", **options: Any) -> rt.Room:
    with pytest.warns(rt.NotDurable):
        return hub.join(room, **options)


def test_joining_warns_in_the_callers_line(second: HubServer, client: Make) -> None:
    hub = client(second)
    with pytest.warns(rt.NotDurable) as said:
        room = hub.join("lab")
    (warning,) = said
    assert warning.filename == __file__
    assert "room 'lab': The log " in str(warning.message)
    assert "is in use by another server (process" in str(warning.message)
    assert (hub.durable, room.durable) == (False, False)
    assert repr(hub).endswith("rooms: lab, events in memory only>")


def test_a_room_warns_once(second: HubServer, client: Make) -> None:
    hub = client(second)
    room = quietly(hub)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hub.join("lab") is room
        room.emit("n", 1)
        room.emit("n", 2, wait=False).result()
    with pytest.warns(rt.NotDurable, match="room 'attic'"):
        hub.join("attic")


def test_the_first_emit_warns_where_the_join_could_not(
    holder: HubServer, second: HubServer, client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another cell, or since the server was restarted meanwhile."""
    cells = iter([1, 2, 2, 3])
    monkeypatch.setattr("jupyter_rtmsg.rooms.notices.this_execution", lambda: next(cells))
    room = quietly(client(second))
    with pytest.warns(rt.NotDurable) as said:
        assert room.emit("n", 1) == MEMORY_START + 1
    assert [warning.filename for warning in said] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        room.emit("n", 2)


def test_a_handler_that_emits_warns_below_its_cell(second: HubServer, client: Make) -> None:
    room = quietly(client(second))
    receipts: list[rt.Receipt] = []

    @room.on("question")
    def answer(event: rt.Event) -> None:
        receipts.append(room.emit("answer", event.data, wait=False))

    room.emit("question", 1)
    eventually(lambda: receipts and receipts[0].done())
    assert receipts[0].durable is False


def test_receipts_say_whether_the_event_is_kept(holder: HubServer, second: HubServer, client: Make) -> None:
    room = quietly(client(second))
    waiting = room.emit("n", 1, wait=False)
    waiting.result()
    volatile = room.emit("n", 1, volatile=True, wait=False)
    volatile.result()
    assert (waiting.durable, volatile.durable) == (False, None)
    holder.kill()
    eventually(lambda: room.durable)
    later = room.emit("n", 2, wait=False)
    assert (later.result(), later.durable) == (2, True)
    with HubServer() as told_to_keep_nothing, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert client(told_to_keep_nothing).join("lab").durable is False


def test_handlers_miss_nothing_and_get_nothing_twice_when_the_log_is_moved(
    holder: HubServer, second: HubServer, client: Make
) -> None:
    before = client(holder).join("lab")
    for number in range(20):
        before.emit("old", number)
    sender = quietly(client(second))
    receiver = quietly(client(second), as_="plots")
    seen: list[rt.Event] = []
    resets: list[Any] = []
    receiver.on("n", seen.append)
    receiver.on("$reset", lambda event: resets.append(event.data["reason"]))
    acknowledged: list[int | None] = []
    stop = threading.Event()

    def emit() -> None:
        while not stop.is_set():
            acknowledged.append(sender.emit("n", len(acknowledged), timeout=60))

    thread = threading.Thread(target=emit)
    thread.start()
    eventually(lambda: len(acknowledged) > 100)
    holder.kill()
    eventually(lambda: receiver.durable and sender.durable)
    moved = len(acknowledged)
    eventually(lambda: len(acknowledged) > moved + 100)
    stop.set()
    thread.join(60)
    eventually(lambda: len(seen) == len(acknowledged) and receiver.lag == 0)
    assert [event.data for event in seen] == list(range(len(acknowledged)))
    assert resets == ["moved"]
    history = receiver.history(event="n")
    assert history.data == list(range(len(acknowledged)))
    assert receiver.head == history[-1].seq == acknowledged[-1]
    receiver.client.close()
    second.stop()
    second.start()
    room = client(second).join("lab", as_="plots")
    assert (room.missed_count, room.durable, room.head) == (0, True, history[-1].seq)


def test_a_reader_that_is_up_to_date_stays_so_when_the_log_is_moved(
    holder: HubServer, second: HubServer, client: Make
) -> None:
    client(holder).join("lab").emit("old", 0)
    room = quietly(client(second), as_="plots")
    seen: list[Any] = []
    room.on("n", lambda event: seen.append(event.seq))
    room.emit("n", 0)
    eventually(lambda: seen == [MEMORY_START + 1] and room.lag == 0)
    holder.kill()
    eventually(lambda: room.durable and room.head == room._async.membership.inbox.handled == 2)
    assert room.lag == 0
    second.stop()
    second.start()
    room.emit("n", 1, timeout=60)
    eventually(lambda: seen == [MEMORY_START + 1, 3] and room.lag == 0)


def test_missed_does_not_change(holder: HubServer, second: HubServer, client: Make) -> None:
    client(holder).join("lab").emit("old", 0)
    quietly(client(second), as_="plots").client.close()
    sender = quietly(client(second))
    for number in range(5):
        sender.emit("n", number)
    room = quietly(client(second), as_="plots")
    assert room.missed_count == 5
    holder.kill()
    eventually(lambda: room.durable and sender.durable)
    assert room.missed().data == list(range(5))
    sender.emit("n", 5)
    replayed: list[Any] = []
    room.on("n", lambda event: replayed.append(event.data), replay=False)
    eventually(lambda: replayed == [5])


def test_a_client_that_was_away_during_the_move_goes_on_where_it_was(
    holder: HubServer, second: HubServer, client: Make
) -> None:
    sender = quietly(client(second))
    hub = client(second)
    receiver = quietly(hub, as_="plots")
    seen: list[Any] = []
    resets: list[Any] = []
    receiver.on("n", lambda event: seen.append(event.data))
    receiver.on("$reset", lambda event: resets.append(event.data["reason"]))
    sender.emit("n", 0)
    eventually(lambda: seen == [0] and receiver.lag == 0)
    come_back = hub._async._hub.prepare
    gate = asyncio.Event()

    async def later() -> None:
        await gate.wait()
        assert come_back
        await come_back()

    hub._async._hub.prepare = later
    (descriptor,) = hub.descriptors
    with socket.socket(fileno=os.dup(descriptor)) as cut:
        cut.shutdown(socket.SHUT_RDWR)
    eventually(lambda: hub.state != "connected")
    receipts = [receiver.emit("mine", number, wait=False) for number in range(3)]
    sender.emit("n", 1)
    holder.kill()
    eventually(lambda: sender.durable)
    sender.emit("n", 2)
    hub._bridge.run(gate.set)
    eventually(lambda: seen == [0, 1, 2])
    assert [receipt.result(30) for receipt in receipts] == [4, 5, 6]
    assert resets == ["moved"]
    eventually(lambda: receiver.lag == 0)


def test_a_strict_client_refuses_a_hub_in_memory(holder: HubServer, second: HubServer) -> None:
    with pytest.raises(NotDurableError, match=r"in use by another server .* Connect without durable=True"):
        rt.connect(second.url, TOKEN, durable=True)
    with pytest.raises(NotDurableError):
        rt.Client(second.url, TOKEN, durable=True).connect()
    hub = rt.connect(second.url, TOKEN)
    with pytest.raises(NotDurableError):
        rt.connect(second.url, TOKEN, durable=True)
    holder.kill()
    eventually(lambda: hub.durable)
    assert rt.connect(second.url, TOKEN, durable=True) is hub
    hub.close()


def test_a_strict_client_waits_for_a_hub_that_lost_its_log(holder: HubServer) -> None:
    with rt.Client(holder.url, TOKEN, durable=True) as hub:
        room = hub.join("lab")
        room.emit("n", 0)
        holder.kill()
        with HubServer(holder.log) as other:
            holder.start()  # too late: the log is the other's
            receipt = room.emit("n", 1, wait=False)
            eventually(lambda: hub.durable is False)
            eventually(lambda: hub.state == "offline")
            assert not receipt.done()
            other.stop()
        assert (receipt.result(60), receipt.durable) == (2, True)


async def test_async_clients_do_the_same(holder: HubServer, second: HubServer) -> None:
    with pytest.raises(NotDurableError):
        await rt.AsyncClient(second.url, TOKEN, durable=True).connect()
    async with rt.AsyncClient(second.url, TOKEN) as hub:
        with pytest.warns(rt.NotDurable) as said:
            room = await hub.join("lab")
        assert [warning.filename for warning in said] == [__file__]
        receipt = await room.emit("n", 1, wait=False)
        await receipt
        assert (hub.durable, room.durable, receipt.durable) == (False, False, False)
        with pytest.raises(NotDurableError):
            hub.require_durable()


def test_a_hub_without_a_durable_field_is_refused_if_durable_is_required() -> None:
    with HubServer(without=["hello"]) as server, pytest.raises(NotDurableError, match=r"version 0\.1\.0"):
        rt.Client(server.url, TOKEN, durable=True).connect()
