"""An event of any size: `emit` simply works, and every way to receive events gets it whole."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import Gone, ProtocolError, TooLarge
from jupyter_rtmsg.rooms.parts import LOADED, PartsReader, Unavailable

Make = Callable[..., rt.Client]
BIG = bytes(range(256)) * 8_192  # 2 MiB
DATA = {"step": 7, "frame": BIG, "more": [b"small", "text"]}
TEXT = [{"i": i, "text": "äöü" * 20} for i in range(20_000)]  # some MB of JSON, without bytes


@pytest.fixture
def room(shared_hub: HubServer, client: Make, room_name: str) -> rt.Room:
    return client(shared_hub).join(room_name)


def test_a_handler_gets_a_large_event_whole_and_in_its_place(room: rt.Room) -> None:
    got: list[Any] = []
    room.on("frame")(lambda event: got.append((event.seq, event.data)))
    seqs = [room.emit("frame", data) for data in (1, DATA, TEXT, 2)]
    eventually(lambda: len(got) == 4)
    assert got == list(zip(seqs, (1, DATA, TEXT, 2), strict=True))
    assert seqs == sorted(seqs)


def test_events_behind_a_large_one_wait_for_it(room: rt.Room) -> None:
    receipts = [room.emit("frame", data, wait=False) for data in (DATA, 1, TEXT, 2)]
    seqs = [receipt.result(60) for receipt in receipts]
    assert seqs == sorted(seqs)
    assert receipts[0].progress == 1.0
    assert [event.data for event in room.history()] == [DATA, 1, TEXT, 2]


def test_missed_events_an_iterator_a_replay_and_an_export_have_the_whole_event(
    room: rt.Room, shared_hub: HubServer, client: Make, tmp_path: Path
) -> None:
    reader = client(shared_hub)
    reader.join(room.name, as_="reader").leave()
    room.emit("frame", DATA)
    back = reader.join(room.name, as_="reader")
    assert [event.data for event in back.missed()] == [DATA]
    with back.events("frame", timeout=30) as events:
        assert next(events).data == DATA
    replayed: list[Any] = []
    back.on("frame")(lambda event: replayed.append(event.data))
    assert back.replay(after=0, speed=0).result(60) == 1
    eventually(lambda: replayed)
    assert replayed[-1] == DATA
    back.export(tmp_path / "events.ndjson")
    assert [event.data for event in rt.Events.load(tmp_path / "events.ndjson")] == [DATA]


def test_a_worker_gets_the_whole_event_and_its_dead_letter_has_it(room: rt.Room) -> None:
    got: list[Any] = []

    @room.worker("g", event="frame", tries=1)
    def work(event: rt.Event) -> None:
        got.append(event.data)
        raise ValueError("no")

    room.emit("frame", DATA)
    eventually(lambda: len(room.dead_letters("g")) == 1)
    assert got == [DATA]
    assert room.dead_letters("g")[0].data == DATA


def test_a_worker_gets_several_large_events_that_are_sent_together(room: rt.Room) -> None:
    data = [{"step": step, "frame": BIG} for step in range(3)]
    for each in data:
        room.emit("frame", each)
    got: list[Any] = []
    room.worker("g", max_in_flight=10)(lambda event: got.append(event.data))
    eventually(lambda: len(got) == 3)
    assert sorted(got, key=lambda each: int(each["step"])) == data


def test_the_same_id_stores_a_large_event_once_and_refuses_another(room: rt.Room) -> None:
    seq = room.emit("frame", DATA, id="frame-7")
    assert room.emit("frame", DATA, id="frame-7") == seq
    with pytest.raises(rt.RtmsgError, match="id"):
        room.emit("frame", {**DATA, "step": 8}, id="frame-7")


@pytest.mark.parametrize("fields", [{"volatile": True}, {"retain": "key"}])
def test_volatile_events_and_values_are_too_large_at_once(room: rt.Room, fields: dict[str, Any]) -> None:
    with pytest.raises(TooLarge, match=r"2,097,\d+ bytes; a message may have 1,000,000"):
        room.emit("frame", BIG, **fields)


def test_an_event_beyond_the_limit_is_too_large_at_once(room: rt.Room) -> None:
    with pytest.raises(TooLarge, match=r"an event may have 33,554,432, also in parts"):
        room.emit("frame", bytes(34_000_000))


def test_conflicts_are_told_for_large_events(room: rt.Room) -> None:
    with pytest.raises(rt.RtmsgError, match="head of room"):
        room.emit("frame", DATA, expect=10**9)
    assert len(room.history()) == 0


def test_an_event_that_was_trimmed_before_its_turn_says_so(shared_hub: HubServer, client: Make, room_name: str) -> None:
    room, writer = client(shared_hub).join(room_name), client(shared_hub).join(room_name)
    writer.policy(count=40)
    first, got = threading.Event(), list[Any]()
    hold = threading.Event()

    @room.on()
    def slow(event: rt.Event) -> None:
        first.set()
        hold.wait(60)
        got.append(event.data)

    writer.emit("x", 0)
    assert first.wait(30)
    writer.emit("frame", DATA)
    for number in range(200):
        writer.emit("x", number, wait=False)
    eventually(lambda: writer.history(limit=1)[0].n > 2)
    hold.set()
    eventually(lambda: len(got) >= 2)
    assert isinstance(got[1], Unavailable)
    assert isinstance(got[1].error, Gone)
    assert "trimmed" in str(got[1].error)


def test_a_history_loads_a_bounded_number_of_bytes(room: rt.Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_rtmsg.rooms.parts.LOADED", 3 << 20)
    seqs = [room.emit("frame", BIG) for _ in range(2)]
    first, second = room.history()
    assert first.data == BIG
    assert isinstance(second.data.error, TooLarge)
    assert f"after={seqs[1] - 1}, limit=1" in str(second.data.error)
    assert room.history(after=seqs[1] - 1, limit=1)[0].data == BIG
    assert LOADED == 64 << 20


def test_large_events_pass_long_polling(shared_hub: HubServer, client: Make, room_name: str) -> None:
    room = client(shared_hub, transports=["polling"]).join(room_name)
    got: list[Any] = []
    room.on("frame")(lambda event: got.append(event.data))
    room.emit("frame", DATA)
    eventually(lambda: got == [DATA])


def test_an_upload_begins_again_after_the_hub_was_killed(hub_server: HubServer, client: Make) -> None:
    room = client(hub_server).join("lab")
    receipt = room.emit("frame", DATA, wait=False)
    eventually(lambda: receipt.progress > 0)
    hub_server.restart()
    receipt.result(60)
    hub_server.restart()
    assert [event.data for event in client(hub_server).join("lab").history()] == [DATA]


async def test_async_clients_send_and_get_large_events(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, token=TOKEN) as hub:
        room = await hub.join(room_name)
        got: asyncio.Queue[Any] = asyncio.Queue()

        @room.on("frame")
        async def take(event: rt.Event) -> None:
            await got.put(event.data)

        @room.worker("g")
        async def work(event: rt.Event) -> None:
            await got.put(event.data)

        await room.emit("frame", DATA)
        assert [await asyncio.wait_for(got.get(), 60) for _ in range(2)] == [DATA, DATA]
        assert [event.data for event in await room.history()] == [DATA]


def test_what_one_user_has_staged_is_waited_for(client: Make) -> None:
    with HubServer(limits={"staging": 3 << 20}) as hub:
        rooms = [client(hub).join("lab") for _ in range(3)]
        receipts = [room.emit("frame", BIG, wait=False) for room in rooms]
        assert len({receipt.result(60) for receipt in receipts}) == 3


def test_a_hub_that_takes_no_parts_says_so_at_once(client: Make) -> None:
    with HubServer(without=["hello"]) as hub:
        room = client(hub).join("lab")
        with pytest.raises(TooLarge, match="takes no parts"):
            room.emit("frame", BIG)


def test_a_slow_handler_slows_the_fetching(room: rt.Room, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, gate, got = list[int](), threading.Event(), list[Any]()
    read = PartsReader.read

    async def counted(self: PartsReader, data: Any, meta: Any, *rest: Any, **options: Any) -> Any:
        loads.append(meta["seq"])
        return await read(self, data, meta, *rest, **options)

    monkeypatch.setattr(PartsReader, "read", counted)

    @room.on("frame")
    def slow(event: rt.Event) -> None:
        got.append(event.data)
        gate.wait(60)

    seqs = [room.emit("frame", BIG) for _ in range(3)]
    eventually(lambda: got)
    room.emit("other")  # all three came before it
    eventually(lambda: room.lag == 4)
    assert loads == seqs[:1]
    gate.set()
    eventually(lambda: len(got) == 3)
    assert loads == seqs


def test_an_event_whose_turn_comes_while_the_hub_is_away_is_fetched_when_it_is_back(
    hub_server: HubServer, client: Make
) -> None:
    room, writer = client(hub_server).join("lab"), client(hub_server).join("lab")
    begun, gate, got = threading.Event(), threading.Event(), list[Any]()

    @room.on()
    def slow(event: rt.Event) -> None:
        begun.set()
        gate.wait(60)
        got.append(event.data)

    writer.emit("x", 0)
    assert begun.wait(30)
    writer.emit("frame", DATA)
    eventually(lambda: room.lag == 2)
    hub_server.kill()
    eventually(lambda: room.status != "connected")
    gate.set()
    eventually(lambda: got == [0])
    hub_server.start()
    eventually(lambda: got == [0, DATA])


def test_parts_without_an_event_are_gone_after_a_kill_and_events_keep_theirs(
    hub_server: HubServer, client: Make, tmp_path: Path
) -> None:
    def parts() -> int:
        with closing(sqlite3.connect(tmp_path / "log.sqlite3")) as connection:
            return int(connection.execute("SELECT count(*) FROM part").fetchone()[0])

    hub = client(hub_server)
    hub.join("lab").emit("frame", DATA)
    whole = parts()
    part = {"room": "lab", "upload": "u", "part": 0, "of": 2, "size": 200, "data": bytes(100)}
    assert hub.socket.emit_with_ack("stage", part)["ok"]
    hub_server.kill()
    assert parts() == whole + 1
    hub_server.start()
    assert parts() == whole
    assert [event.data for event in client(hub_server).join("lab").history()] == [DATA]


HOSTILE = {
    "no JSON": b"{" * 100,
    "too deep": b"[" * 100 + b"]" * 100,
    "a placeholder without an attachment": b'{"_placeholder":true,"num":0}',
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_payload_makes_an_event_that_says_why_and_later_ones_come(
    shared_hub: HubServer, client: Make, room_name: str, payload: bytes
) -> None:
    hub, got = client(shared_hub), list[Any]()
    room = hub.join(room_name)
    room.on()(lambda event: got.append(event.data))
    part = {"room": room_name, "upload": "u", "part": 0, "of": 1, "size": len(payload), "data": payload}
    assert hub.socket.emit_with_ack("stage", part)["ok"]
    publish = {"room": room_name, "event": "frame", "parts": "u", "sizes": [len(payload)]}
    assert hub.socket.emit_with_ack("publish", publish)["ok"]
    room.emit("x", 1)
    eventually(lambda: len(got) == 2)
    assert isinstance(got[0].error, ProtocolError)
    assert got[1] == 1
