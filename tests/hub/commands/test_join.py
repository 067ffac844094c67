from __future__ import annotations

from typing import Any

import pytest
from support.logs import until as holds
from support.members import Refused, until


async def test_a_join_that_names_no_past_starts_from_now(hub: Any) -> None:
    writer = await hub.connect()
    head = (await writer.publish_many(3))[-1]
    reader = await hub.connect(user="ann", name="Ann")
    reply = await reader.join()
    (me,) = reply["members"]
    assert me == {"member": me["member"], "user": "ann", "kind": "script", "name": "Ann", "state": "here"}
    assert reply == {
        "ok": True, "room": "lab", "epoch": hub.log.epoch, "head": head, "head_n": 3, "first": 1,
        "cursor": head, "cursor_n": 3, "opening": hub.log.opening,
        "missed": None, "recovered": True, "user": "ann", "member": me["member"], "members": [me], "count": 1,
        "durable": hub.log.durable, "state": 0,
    }  # fmt: skip
    live = await writer.publish()
    await until(lambda: reader.seqs() == [live])


async def test_an_empty_room_has_no_head_and_no_first(hub: Any) -> None:
    reply = await (await hub.connect()).join()
    assert (reply["head"], reply["first"], reply["cursor"], reply["missed"]) == (0, 0, 0, None)


async def test_after_returns_the_later_events(hub: Any) -> None:
    writer = await hub.connect()
    seqs = await writer.publish_many(10)
    reader = await hub.connect()
    reply = await reader.join(after=seqs[3], epoch=hub.log.epoch)
    assert (reply["missed"], reply["cursor"], reply["recovered"]) == (6, seqs[3], True)
    await until(lambda: reader.seqs() == seqs[4:])
    assert all(got.meta["replay"] for got in reader.events())


async def test_a_position_may_be_that_of_another_room(hub: Any) -> None:
    writer = await hub.connect()
    await writer.publish()
    between = await writer.publish(room="other")
    last = await writer.publish()
    reader = await hub.connect()
    assert (await reader.join(after=between, epoch=hub.log.epoch))["missed"] == 1
    await until(lambda: reader.seqs() == [last])


@pytest.mark.parametrize("count", [0, 1, 5, 10, 11, 1000])
@pytest.mark.parametrize("occupied", [True, False])
async def test_last_brings_so_many(hub: Any, count: int, occupied: bool) -> None:
    writer = await (hub.joined() if occupied else hub.connect())
    seqs = await writer.publish_many(10)
    reader = await hub.connect()
    reply = await reader.join(last=count)
    wanted = seqs[-count:] if count else []
    assert (reply["missed"], reply["recovered"]) == (len(wanted), True)
    live = await writer.publish()
    await until(lambda: reader.seqs() == [*wanted, live])


async def test_last_goes_back_page_by_page(start: Any) -> None:
    hub = await start(page_events=4)
    writer = await hub.connect()
    seqs = await writer.publish_many(30)
    reader = await hub.connect()
    assert (await reader.join(last=21))["missed"] == 21
    await until(lambda: reader.seqs() == seqs[-21:])


async def test_since_returns_the_events_from_that_time_on(start: Any) -> None:
    now = 1_800_000_000.0
    hub = await start(options={"clock": lambda: now})
    writer = await hub.connect()
    await writer.publish_many(3)
    now += 10
    seqs = await writer.publish_many(4)
    reader = await hub.connect()
    reply = await reader.join(since=round(now * 1000))
    assert (reply["missed"], reply["recovered"]) == (4, True)
    await until(lambda: reader.seqs() == seqs)
    assert (await (await hub.connect()).join(since=round(now * 1000) + 1))["missed"] == 0


async def test_since_is_not_misled_by_events_that_a_wrong_clock_stamped_with_a_time_to_come(start: Any) -> None:
    now = 1_800_000_000.0
    hub = await start(options={"clock": lambda: now})
    writer = await hub.connect()
    now += 40 * 86_400
    ahead = await writer.publish_many(2)
    now -= 40 * 86_400
    await writer.publish_many(3)
    now += 10
    seqs = await writer.publish_many(4)
    assert (await (await hub.connect()).join(since=round(now * 1000)))["missed"] == 4
    assert (await (await hub.connect()).join(since=round(now * 1000) + 1))["missed"] == 0
    now -= 86_400  # now the clock itself is wrong
    reader = await hub.connect()
    assert (await reader.join(since=round((now + 86_400) * 1000)))["missed"] == 9
    await until(lambda: reader.seqs()[:2] == ahead and reader.seqs()[-4:] == seqs)


async def test_joining_again_moves_to_the_start_asked_for(hub: Any) -> None:
    member = await hub.joined()
    seqs = await member.publish_many(3)
    await until(lambda: member.seqs() == seqs)
    assert (await member.join(after=0))["count"] == 1
    await until(lambda: member.seqs() == seqs + seqs)
    live = await member.publish()
    await until(lambda: member.seqs() == seqs + seqs + [live])


async def test_lost_history_is_announced_as_trimmed_with_the_first_seq_held(start: Any) -> None:
    hub = await start(options={"max_events": 5})
    writer = await hub.connect()
    seqs = await writer.publish_many(20)

    async def trimmed() -> bool:
        return (await hub.log.stats("lab")).count == 5

    await holds(trimmed)
    reader = await hub.connect()
    reply = await reader.join(after=seqs[2], epoch=hub.log.epoch)
    assert (reply["recovered"], reply["reason"], reply["missed"], reply["first"]) == (False, "trimmed", 5, seqs[-5])
    await until(lambda: reader.seqs() == seqs[-5:])
    reply = await (await hub.connect()).join(after=seqs[-6], epoch=hub.log.epoch)
    assert (reply["recovered"], reply["missed"]) == (True, 5)
    reply = await (await hub.connect()).join(since=0)
    assert (reply["recovered"], reply["reason"]) == (False, "trimmed")


@pytest.mark.parametrize("position", ["epoch", "head"])
async def test_a_position_of_another_epoch_brings_all_of_this_one_and_says_so(hub: Any, position: str) -> None:
    writer = await hub.connect()
    seqs = await writer.publish_many(3)
    reader = await hub.connect()
    after = {"after": seqs[0], "epoch": "another"} if position == "epoch" else {"after": 10**6, "epoch": hub.log.epoch}
    reply = await reader.join(**after)
    assert (reply["recovered"], reply["reason"], reply["cursor"], reply["missed"]) == (False, "epoch", 0, 3)
    await until(lambda: reader.seqs() == seqs)


@pytest.mark.parametrize("occupied", [True, False])
@pytest.mark.parametrize("fields", [{"after": 0}, {"last": 11}, {"since": 0}])
async def test_a_replay_beyond_the_limit_is_not_sent_but_new_events_are(
    start: Any, occupied: bool, fields: dict[str, int]
) -> None:
    hub = await start(replay=10)
    writer = await (hub.joined() if occupied else hub.connect())
    await writer.publish_many(11)
    reader = await hub.connect()
    reply = await reader.join(**fields)
    assert (reply["recovered"], reply["reason"], reply["missed"]) == (False, "limit", 11)
    live = await writer.publish()
    await until(lambda: reader.seqs() == [live])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "bad_request"),
        ({"room": None}, "bad_request"),
        ({"room": "a b"}, "bad_room"),
        ({"room": "lab", "after": 5}, "bad_request"),
        ({"room": "lab", "after": -1, "epoch": "e"}, "bad_request"),
        ({"room": "lab", "after": "5", "epoch": "e"}, "bad_request"),
        ({"room": "lab", "last": 1.5}, "bad_request"),
        ({"room": "lab", "last": True}, "bad_request"),
        ({"room": "lab", "last": 1, "since": 1}, "bad_request"),
        ({"room": "lab", "as": 1}, "bad_request"),
        ({"room": "lab", "as": "x" * 257}, "limit"),
    ],
)
async def test_a_wrong_join_is_refused_by_name(hub: Any, fields: dict[str, Any], code: str) -> None:
    member = await hub.connect()
    with pytest.raises(Refused) as refused:
        await member.call("join", fields)
    assert refused.value.code == code
    assert (await member.call("rooms"))["rooms"] == []


async def test_a_connection_may_join_so_many_rooms(start: Any) -> None:
    hub = await start(rooms_per_connection=2)
    member = await hub.connect()
    await member.join("a")
    await member.join("b")
    await member.join("a")
    with pytest.raises(Refused, match="2 rooms") as refused:
        await member.join("c")
    assert refused.value.code == "limit"
    await member.call("leave", room="a")
    await member.join("c")


async def test_there_may_be_so_many_rooms_in_all(start: Any) -> None:
    hub = await start(rooms=2, rooms_per_user=2)
    member = await hub.joined("a")
    await member.publish(room="b")
    for refused_ in (member.join("c"), member.publish(room="c")):
        with pytest.raises(Refused, match="the limit for one user is 2") as refused:
            await refused_
        assert refused.value.code == "limit"
    await member.publish(room="b")
    await member.join("b")


async def test_a_client_that_was_cut_off_is_told_why_once(start: Any) -> None:
    hub = await start(server={"max_queue": 50_000})
    slow = await hub.connect(user="ann", client="c1")
    await slow.join()
    slow._reading.cancel()
    writer = await hub.connect()
    while any(each.identity.client == "c1" for each in hub.hub.core.participants):  # however much the kernel buffers
        await writer.publish("x" * 100_000)
    back = await hub.connect(user="ann", client="c1")
    assert (await back.join())["closed"] == "too slow"
    assert "closed" not in await back.join("other")
    other = await hub.connect(user="bob", client="c1")
    assert "closed" not in await other.join()
