from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.members import Refused, until

from jupyter_rtmsg.hub.encode import encode_record
from jupyter_rtmsg.wire.websocket import TEXT, encode_frame


async def test_an_event_reaches_everybody_in_its_room_and_its_sender_and_nobody_else(hub: Any) -> None:
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob")
    other = await hub.joined("elsewhere")
    seq = await ann.publish({"loss": 0.12}, event="metric", id="e1")
    for member in (ann, bob):
        await until(lambda member=member: member.events())
        (got,) = member.events()
        assert (got.name, got.data) == ("metric", {"loss": 0.12})
        assert got.meta == {
            "room": "lab", "seq": seq, "prev": 0, "n": 1, "ts": got.meta["ts"], "id": "e1",
            "from": {"user": "ann", "kind": "script", "name": "ann", "member": got.meta["from"]["member"]},
        }  # fmt: skip
    await other.settled()
    assert not [got for got in other.got if got.name == "metric"]


async def test_prev_chains_the_events_of_a_room(hub: Any) -> None:
    member = await hub.joined()
    first = await member.publish()
    await member.publish(room="other")
    second = await member.publish()
    await until(lambda: len(member.events()) == 2)
    got = [(got.seq, got.meta["prev"], got.meta["n"]) for got in member.events()]
    assert got == [(first, 0, 1), (second, first, 2)]


@pytest.mark.parametrize(
    "data", [None, 0, "", [], {}, "ü\n", [1, [2.5, {"a": None}]], {"a": b"\x00\xff", "b": [b""]}, b"x", 2**70]
)
async def test_data_comes_as_it_was_sent(hub: Any, data: Any) -> None:
    member = await hub.joined()
    await member.publish(data)
    await until(lambda: member.events())
    assert member.events()[0].data == data


PUBLISH = b'42["publish",{"room":"lab","event":"tick","data":%b}]'
POISON = {  # JavaScript or Python could not read these if they were stored and sent unchanged
    "a number beyond all": (b"1e999", 1002),
    "a number beyond all, deep inside": (b'{"a":[1,{"b":-1e999}]}', 1002),
    "NaN": (b"[NaN]", 1002),
    "bytes that are no UTF-8": (b'"\xff"', 1007),
    "half a character": (b'"\xe2\x82"', 1007),
    "a surrogate in UTF-8": (b'"\xed\xa0\xbd"', 1007),
}


@pytest.mark.parametrize(("data", "code"), POISON.values(), ids=POISON)
async def test_data_that_no_member_could_decode_reach_neither_the_log_nor_a_member(
    hub: Any, data: bytes, code: int
) -> None:
    member, sender = await hub.joined(), await hub.connect(reading=False)
    before = await member.publish("before")
    sender.raw.write(encode_frame(TEXT, PUBLISH % data, b"mask"))
    assert (await sender.raw.closing()).code == code
    assert await member.publish("after") == before + 1
    await until(lambda: len(member.events()) == 2)
    assert [got.data for got in member.events()] == ["before", "after"]
    assert [event["data"] for event in (await member.call("history", room="lab"))["events"]] == ["before", "after"]


READ_AND_WRITTEN_AGAIN = {  # by what is sent: what members get
    b'{"a":1,"b":2,"a":3}': '{"a":3,"b":2}',
    b'[{"a":{"x":1},"a":[]}]': '[{"a":[]}]',
    b" [ 1 , 2.50 ] ": "[1,2.5]",
    rb'"\u00fc\/"': '"ü/"',
    rb'"\ud83d"': '"\ufffd"',
}


@pytest.mark.parametrize(("data", "members"), READ_AND_WRITTEN_AGAIN.items())
async def test_members_get_data_encoded_by_the_hub_and_not_the_bytes_of_the_sender(
    hub: Any, data: bytes, members: str
) -> None:
    member = await hub.connect(reading=False)
    member.raw.send('420["join",{"room":"lab"}]')
    sender = await hub.connect()
    sender.raw.write(encode_frame(TEXT, PUBLISH % data, b"mask"))
    while not str(frame := await member.raw.receive()).startswith('42["tick",'):
        assert frame is not None
    assert frame.startswith(f'42["tick",{members},{{"room":"lab",')


async def test_a_publish_without_data_carries_null(hub: Any) -> None:
    member = await hub.joined()
    await member.call("publish", room="lab", event="bare")
    assert await member.has("bare") == [None]


async def test_everybody_sees_the_same_order(hub: Any) -> None:
    members = [await hub.joined() for _ in range(4)]
    await asyncio.gather(*(member.publish_many(25) for member in members))
    for member in members:
        await until(lambda member=member: len(member.events()) == 100)
    assert len({tuple(member.seqs()) for member in members}) == 1
    assert members[0].seqs() == sorted(members[0].seqs())


async def test_the_same_id_of_a_user_is_stored_once(hub: Any) -> None:
    member = await hub.joined(user="ann", client="c1")
    first = await member.call("publish", room="lab", event="a", data=1, id="1")
    for auth in ({"client": "c1"}, {"client": "c2"}, {}):
        again = await hub.connect(user="ann", **auth)
        assert await again.call("publish", room="lab", event="a", data=1, id="1") == {**first, "duplicate": True}
        for other in ({"event": "b", "data": 1}, {"event": "a", "data": 2}):
            with pytest.raises(Refused, match=f"id_conflict.*event {first['seq']} "):
                await again.call("publish", room="lab", id="1", **other)
    other_user = await hub.connect(user="bob", client="c1")
    assert not (await other_user.call("publish", room="lab", event="a", data=1, id="1"))["duplicate"]


async def test_an_id_that_a_client_made_up_is_stored_once_for_that_client(hub: Any) -> None:
    member = await hub.joined(user="ann", client="c1")
    first = await member.call("publish", room="lab", event="a", id="1", auto=True)
    again = await hub.connect(user="ann", client="c1")
    assert await again.call("publish", room="lab", event="a", id="1", auto=True) == {**first, "duplicate": True}
    assert not first["duplicate"]
    for auth in ({"user": "bob", "client": "c1"}, {"user": "ann", "client": "c2"}, {"user": "ann"}):
        other = await hub.connect(**auth)
        assert not (await other.call("publish", room="lab", event="a", id="1", auto=True))["duplicate"]


async def test_a_volatile_event_is_seen_live_and_not_kept(hub: Any) -> None:
    member = await hub.joined()
    reply = await member.call("publish", room="lab", event="cursor", data=[1, 2], volatile=True)
    assert reply == {"ok": True, "seq": None, "duplicate": False}
    await member.has("cursor")
    (got,) = member.events()
    assert (got.data, got.meta["seq"], got.meta["prev"], got.meta["n"]) == ([1, 2], None, None, None)
    assert (await member.call("history", room="lab"))["events"] == []
    later = await hub.joined(fields={"after": 0})
    await later.settled()
    assert later.events() == []


async def test_expect_stores_only_at_that_head(hub: Any) -> None:
    member = await hub.connect()
    head = await member.publish(expect=0)
    await member.publish(expect=head)
    with pytest.raises(Refused) as refused:
        await member.publish(expect=head)
    assert refused.value.code == "conflict"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "bad_request"),
        ({"room": "lab"}, "bad_request"),
        ({"event": "a"}, "bad_request"),
        ({"room": 1, "event": "a"}, "bad_request"),
        ({"room": "lab", "event": 1}, "bad_request"),
        ({"room": "lab", "event": "a", "id": 1}, "bad_request"),
        ({"room": "lab", "event": "a", "id": ""}, "bad_request"),
        ({"room": "lab", "event": "a", "id": "x" * 257}, "limit"),
        ({"room": "lab", "event": "a", "expect": "1"}, "bad_request"),
        ({"room": "lab", "event": "a", "expect": -1}, "bad_request"),
        ({"room": "lab", "event": "a", "expect": 2**70}, "bad_request"),
        ({"room": "lab", "event": "a", "volatile": "yes"}, "bad_request"),
        ({"room": "a/b", "event": "a"}, "bad_room"),
        ({"room": "lab", "event": ""}, "bad_event"),
        ({"room": "lab", "event": "$reset"}, "reserved_event"),
        ({"room": "lab", "event": "disconnect"}, "reserved_event"),
    ],
)
async def test_a_wrong_publish_is_refused_by_name_and_nothing_is_stored(
    hub: Any, fields: dict[str, Any], code: str
) -> None:
    member = await hub.connect()
    with pytest.raises(Refused) as refused:
        await member.call("publish", fields)
    assert refused.value.code == code
    assert refused.value.message
    assert (await member.call("rooms"))["rooms"] == []


async def test_a_forged_placeholder_is_refused(hub: Any) -> None:
    member = await hub.connect()
    member.raw.send('42["publish",{"room":"lab","event":"a","data":{"_placeholder":true,"num":0}}]')
    (error,) = await member.has("$error")
    assert (error["command"], error["code"]) == ("publish", "bad_request")


async def test_data_nested_too_deeply_is_refused(hub: Any) -> None:
    member = await hub.connect()
    deep: Any = 0
    for _ in range(61):
        deep = [deep]
    with pytest.raises(Refused) as refused:
        await member.publish(deep)
    assert refused.value.code == "too_deep"
    await member.publish(deep[0])


async def test_an_event_larger_than_a_message_is_refused_with_both_sizes(start: Any) -> None:
    hub = await start(message=20_000)
    member = await hub.joined()
    for data in ("x" * 18_000, ["x", b"y" * 18_000]):
        with pytest.raises(Refused, match=r"2\d{4} bytes .* the 20000 that") as refused:
            await member.publish(data)
        assert refused.value.code == "too_large"
    await member.publish("x" * 15_900)
    await until(lambda: len(member.events()) == 1)


async def test_the_largest_event_fits_a_message(start: Any) -> None:
    """The longest names and ids, of the widest characters, in a replayed event."""
    hub = await start(message=20_000)
    writer = await hub.joined(user="ü" * 100)
    wide = "𝔸" * 128
    await writer.publish("x" * (20_000 - 4096 - 2), room=wide, event="𝔸" * 128, id="𝔸" * 256)
    reader = await hub.joined(wide, fields={"last": 1})
    await until(lambda: reader.events(wide))
    record = (await hub.log.read(wide)).records[0]
    assert len(encode_record(record, replay=True).text) <= 20_000


async def test_publishes_are_limited_by_a_bucket_and_come_back_with_time(start: Any) -> None:
    now = 1000.0
    hub = await start(publish_rate=10, publish_burst=5, clock=lambda: now)
    member = await hub.connect()
    await member.publish_many(5)
    with pytest.raises(Refused, match="after a burst of 5") as refused:
        await member.publish()
    assert refused.value.code == "rate"
    await (await hub.connect()).publish()  # another connection has a bucket of its own
    now += 0.1
    await member.publish()


async def test_many_publishes_of_one_connection_share_a_commit(start: Any, tmp_path: Any) -> None:
    hub = await start(url=f"sqlite:///{tmp_path}/log.sqlite3")
    member = await hub.joined()
    await member.publish_many(300)
    await until(lambda: len(member.events()) == 300)
    assert [got.data for got in member.events()] == list(range(300))


async def test_a_full_queue_is_busy_and_a_closed_log_is_a_shutdown(start: Any) -> None:
    hub = await start(options={"max_queue": 1})
    member = await hub.connect()
    replies = await asyncio.gather(*(member.ask("publish", {"room": "lab", "event": "a"}) for _ in range(50)))
    codes = {reply["error"]["code"] for reply in replies if not reply["ok"]}
    assert codes == {"busy"}
    await member.publish()
    await hub.log.close()
    with pytest.raises(Refused) as refused:
        await member.publish()
    assert refused.value.code == "shutdown"
