"""A hub whose log is in memory because another server has the file, and is moved when that server ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.members import Member, Refused, until

import jupyter_rtmsg.log.moving as moving
from jupyter_rtmsg.log import Draft, EventLog, open_log
from jupyter_rtmsg.log.schema import MEMORY_START

Ending = Callable[[], Awaitable[None]]


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[EventLog]:
    """The log of the server that has the file; five events are in room lab."""
    log = await open_log(f"sqlite:///{tmp_path}/log.sqlite3", ballast=0)
    for i in range(5):
        await log.append(Draft("lab", "other", b"%d" % i))
    yield log
    await log.close()


@pytest.fixture
async def hub(start: Any, other: EventLog) -> Any:
    """A hub for the same file: in memory, until the other server ends."""
    return await start(url=other.url, recheck=3600.0)


async def end(hub: Any, other: EventLog) -> None:
    """End the other server, and wait until the hub's log is in the file."""
    await other.close()
    await until(lambda: hub.log.durable and hub.hub.core.follower.resets == 1)


async def test_replies_say_that_events_are_in_memory_until_they_are_not(hub: Any, other: EventLog) -> None:
    member = await hub.connect(user="ann")
    hello, join = await member.call("hello", {}), await member.join()
    for reply in (hello, join):
        assert reply["durable"] is False
        assert "in use by another server" in reply["warning"]
    assert await member.call("publish", room="lab", event="tick") == {
        "ok": True, "seq": MEMORY_START + 1, "duplicate": False, "durable": False,
    }  # fmt: skip
    await end(hub, other)
    assert await member.call("publish", room="lab", event="tick") == {"ok": True, "seq": 7, "duplicate": False}
    for reply in (await member.call("hello", {}), await member.join()):
        assert (reply["durable"], reply.get("warning")) == (True, None)
    assert hub.hub.status()["log"] == {"url": other.url, "durable": True, "warning": None, "failing": None}


async def test_everybody_is_told_of_the_move(hub: Any, other: EventLog) -> None:
    member, nowhere = await hub.joined(), await hub.connect()
    await member.publish()
    await end(hub, other)
    for each in (member, nowhere):
        assert await each.has("$log") == [
            {"durable": True, "warning": None, "epoch": hub.log.epoch, "opening": hub.log.opening}
        ]
    assert await member.has("$reset") == [
        {"room": "lab", "epoch": other.epoch, "opening": hub.log.opening, "reason": "moved"}
    ]
    assert not nowhere.named("$reset")


async def test_a_member_that_only_listens_misses_nothing_and_gets_nothing_twice(hub: Any, other: EventLog) -> None:
    member, writer = await hub.joined(), await hub.connect()
    sent: list[int] = []

    async def write() -> None:
        while not hub.log.durable or len(sent) % 10:
            await writer.publish(len(sent))
            sent.append(len(sent))

    writing = asyncio.create_task(write())
    await until(lambda: len(sent) > 20)
    await end(hub, other)
    await writing
    await until(lambda: len(member.events()) >= len(sent))
    assert [got.data for got in member.events()] == sent
    assert [seq < MEMORY_START for seq in member.seqs()] == sorted(seq < MEMORY_START for seq in member.seqs())


async def test_a_member_goes_on_from_where_it_was_in_memory(hub: Any, other: EventLog) -> None:
    member, writer = await hub.joined(), await hub.connect()
    seqs = await writer.publish_many(5)
    epoch = hub.log.epoch
    await end(hub, other)
    again = await hub.connect()
    reply = await again.join(after=seqs[1], epoch=epoch)
    assert (reply["epoch"], reply["recovered"], reply["missed"], reply["cursor"]) == (other.epoch, True, 3, 7)
    await until(lambda: again.seqs() == [8, 9, 10])
    assert [got.data for got in again.events()] == [2, 3, 4]
    assert (await member.join(after=0, epoch=epoch))["cursor"] == 5


async def test_a_position_that_memory_never_had_is_of_another_epoch(hub: Any, other: EventLog) -> None:
    member = await hub.connect()
    await member.publish()
    epoch = hub.log.epoch
    await end(hub, other)
    reply = await member.join(after=MEMORY_START + 2, epoch=epoch)
    assert (reply["recovered"], reply["reason"], reply["missed"]) == (False, "epoch", 6)


async def test_a_subscription_keeps_its_place(hub: Any, other: EventLog) -> None:
    member = await hub.joined(user="ann", fields={"as": "notes"})
    seqs = await member.publish_many(4)
    await member.call("ack", room="lab", seq=seqs[1])
    await end(hub, other)
    assert (await member.call("lag", room="lab"))["missed"] == 2
    # an acknowledgement sent before the client knew of the move
    assert (await member.call("ack", room="lab", seq=seqs[2]))["cursor"] == 8
    reply = await (await hub.connect(user="ann")).join(**{"as": "notes"})
    assert (reply["epoch"], reply["recovered"], reply["missed"], reply["cursor"]) == (other.epoch, True, 1, 8)
    await until(lambda: member.named("$taken"))
    assert [(row.epoch, row.position) for row in hub.log.subscriptions.all()] == [(other.epoch, 8)]


async def test_an_acknowledgement_of_a_seq_beyond_the_head_is_refused(hub: Any, other: EventLog) -> None:
    member = await hub.joined(user="ann", fields={"as": "notes"})
    await member.publish()
    await end(hub, other)
    with pytest.raises(Refused, match="epoch"):
        await member.call("ack", room="lab", seq=MEMORY_START + 2)


async def test_history_and_lag_understand_positions_of_before(hub: Any, other: EventLog) -> None:
    member = await hub.connect()
    seqs = await member.publish_many(4)
    epoch = hub.log.epoch
    await end(hub, other)
    for fields in ({}, {"epoch": epoch}):
        page = await member.call("history", room="lab", after=seqs[1], **fields)
        assert [event["seq"] for event in page["events"]] == [8, 9]
        assert page["epoch"] == other.epoch
    page = await member.call("history", room="lab", after=seqs[0], before=seqs[3])
    assert [event["data"] for event in page["events"]] == [1, 2]
    lag = await member.call("lag", room="lab", after=seqs[2])
    assert (lag["missed"], lag["cursor"]) == (1, 8)
    assert (await member.call("publish", room="lab", event="x", expect=seqs[3]))["seq"] == 10


async def test_an_event_that_is_sent_again_after_the_move_is_stored_once(hub: Any, other: EventLog) -> None:
    member = await hub.connect(user="ann", client="one")
    assert await member.publish(id="a") == MEMORY_START + 1
    await end(hub, other)
    again = await hub.connect(user="ann", client="one")
    reply = await again.call("publish", room="lab", event="tick", id="a")
    assert reply == {"ok": True, "seq": 6, "duplicate": True}


async def test_a_read_during_the_move_waits_and_raises_no_error(
    hub: Any, other: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, go_on, move = threading.Event(), threading.Event(), moving.move_events

    def wait(*args: Any) -> Any:
        under_way.set()
        assert go_on.wait(30)
        return move(*args)

    monkeypatch.setattr(moving, "move_events", wait)
    member = await hub.joined(user="ann", fields={"as": "notes"})
    seqs = await member.publish_many(2)
    await member.call("ack", room="lab", seq=seqs[0])
    await other.close()
    await asyncio.to_thread(under_way.wait)
    newcomer = await hub.connect(user="bob")
    asked = [
        newcomer.ask("publish", {"room": "lab", "event": "tick", "data": "held"}),
        newcomer.ask("join", {"room": "lab", "as": "mine"}),
        (again := await hub.connect(user="ann")).ask("join", {"room": "lab", "as": "notes"}),
    ]
    reading = await (await hub.connect()).call("history", room="lab")
    assert len(reading["events"]) == 2
    assert await member.call("ack", room="lab", seq=seqs[1])
    assert not any(each.done() for each in asked)
    go_on.set()
    published, joined, back = await asyncio.gather(*asked)
    assert published == {"ok": True, "seq": 8, "duplicate": False}
    assert (joined["ok"], joined["epoch"], joined["durable"]) == (True, other.epoch, True)
    assert (back["ok"], back["recovered"]) == (True, True)
    await until(lambda: [got.data for got in again.events()] == ["held"])


async def test_a_client_that_was_away_during_the_move_is_recovered(hub: Any, other: EventLog) -> None:
    """Like any Socket.IO client, it shows its pid and offset."""
    away = await Member.connect(hub.port, user="ann")
    await away.join()
    writer = await hub.connect()
    await writer.publish("seen")
    await until(lambda: away.named("$offset"))
    await away.settled()
    pid, offset = away.raw.welcome["pid"], away.named("$offset")[-1]
    await away.close()
    await until(lambda: away.id not in hub.hub.core.participants._participants)
    await writer.publish("missed")
    await end(hub, other)
    back = await hub.connect(user="ann", pid=pid, offset=offset)
    assert back.id == away.id
    await until(lambda: [got.data for got in back.events()] == ["missed"])
