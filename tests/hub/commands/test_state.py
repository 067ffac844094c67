"""Retained values: what a joiner gets first, what `state` reads, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.members import Got, Member, Refused, until


def retained(member: Member) -> list[Got]:
    return [got for got in member.events() if got.meta.get("retained")]


async def test_a_joiner_gets_the_retained_values_first_then_the_backlog_then_live_events(hub: Any) -> None:
    ann = await hub.joined(user="ann")
    one = await ann.publish({"lr": 1}, event="config", retain="lr")
    two = await ann.publish(b"\x00", event="logo", retain="logo")
    tick = await ann.publish("t")
    last = await ann.publish({"lr": 2}, event="config", retain="lr")
    bob = await hub.connect(user="bob")
    reply = await bob.join(last=2)
    assert reply["state"] == 2
    await ann.publish("live")
    await until(lambda: len(bob.events()) == 5)
    assert [(got.seq, got.meta.get("retained", False), got.meta.get("key")) for got in bob.events()] == [
        (two, True, "logo"), (last, True, "lr"), (tick, False, None), (last, False, "lr"), (last + 1, False, None),
    ]  # fmt: skip
    assert (bob.events()[0].data, bob.events()[1].data) == (b"\x00", {"lr": 2})
    assert one < two
    assert [got.meta.get("key") for got in ann.events()] == ["lr", "logo", None, "lr", None], "live events have the key"


async def test_retained_values_move_no_cursor_and_carry_no_offset(hub: Any) -> None:
    ann = await hub.joined(user="ann")
    seq = await ann.publish(1, retain="a")
    bob = await hub.connect(user="bob", client="c1")
    first = await bob.join(**{"as": "plots"})
    assert (first["cursor"], first["missed"], first["state"]) == (seq, 0, 1)
    again = await hub.connect(user="bob", client="c2")
    assert (await again.join(**{"as": "plots"}))["cursor"] == seq


async def test_a_value_outlives_the_trimming_of_its_event(start: Any) -> None:
    hub = await start(options={"max_events": 3})
    ann = await hub.joined(user="ann")
    seq = await ann.publish("kept", retain="a")
    await ann.publish_many(20)
    await until(lambda: _trimmed(hub))
    bob = await hub.connect(user="bob")
    assert (await bob.join(last=1))["state"] == 1
    await until(lambda: retained(bob))
    assert (retained(bob)[0].seq, retained(bob)[0].data) == (seq, "kept")
    assert (await bob.call("rooms"))["rooms"][0]["room"] == "lab"


def _trimmed(hub: Any) -> bool:
    return bool(hub.log._rooms["lab"].count <= 3)


async def test_the_next_join_gets_values_that_changed_since_the_last_one(hub: Any) -> None:
    ann = await hub.joined(user="ann")
    for i in range(3):
        seq = await ann.publish(i, retain="a")
        other = await hub.joined(user="bob")
        await until(lambda member=other: retained(member))
        assert [(got.seq, got.data) for got in retained(other)] == [(seq, i)]
    await ann.publish(None, retain="a")
    assert (await (await hub.connect()).join())["state"] == 0


async def test_state_is_read_page_by_page(hub: Any) -> None:
    ann = await hub.joined(user="ann")
    for key in ("b", "c", "a"):
        await ann.publish({"of": key}, event="set", retain=key, id=f"id-{key}")
    await ann.publish(None, event="set", retain="c")
    reply = await ann.call("state", room="lab", limit=1)
    assert [each["key"] for each in reply["values"]] == ["a"]
    assert (reply["more"], reply["through"]) == (True, "a")
    assert reply["values"][0] | {"seq": 0, "ts": 0, "from": 0} == {
        "key": "a", "event": "set", "data": {"of": "a"}, "seq": 0, "prev": 2, "n": 3, "ts": 0, "from": 0, "id": "id-a",
    }  # fmt: skip
    reply = await ann.call("state", room="lab", after="a")
    assert ([each["key"] for each in reply["values"]], reply["more"]) == (["b"], False)


async def test_expect_with_retain_is_the_seq_of_the_value(hub: Any) -> None:
    ann = await hub.joined(user="ann")
    seq = await ann.publish(1, retain="a", expect=0)
    await ann.publish("between")
    reply = await ann.ask("publish", {"room": "lab", "event": "t", "data": 2, "retain": "a", "expect": 0})
    assert (reply["error"]["code"], reply["error"]["head"]) == ("conflict", seq)
    await ann.publish(2, retain="a", expect=seq)


async def test_who_may_not_read_does_not_learn_the_seq_of_a_value(start: Any) -> None:
    class WriteOnly:
        def allows(self, user: Any, action: str, room: str) -> bool:
            return action == "write" or user == "ann"

    hub = await start(access=WriteOnly())
    await (await hub.joined(user="ann")).publish(1, retain="a")
    bob = await hub.connect(user="bob")
    reply = await bob.ask("publish", {"room": "lab", "event": "t", "data": 2, "retain": "a", "expect": 0})
    assert reply["error"] == {"code": "conflict", "message": "the seq of the value 'a' is not 0"}
    with pytest.raises(Refused, match="forbidden"):
        await bob.call("state", room="lab")


WRONG: dict[str, dict[str, Any]] = {
    "an empty key": {"retain": ""},
    "a key of another type": {"retain": 5},
    "a key with a control character": {"retain": "a\nb"},
    "a key of blanks": {"retain": "  "},
    "a key of the hub": {"retain": "$a"},
    "an expiry in the past": {"expire": -1},
    "an expiry of 0": {"expire": 0},
    "an expiry that never comes": {"expire": 1e300},
    "an expiry that is no number": {"expire": "5"},
    "an expiry that is a truth value": {"expire": True},
    "a volatile value": {"retain": "a", "volatile": True},
    "a volatile event that expires": {"expire": 5, "volatile": True},
    "a volatile event that expects": {"expect": 0, "volatile": True},
    "keeping without a value": {"keep": True, "expire": 5},
    "keeping without an expiry": {"keep": True, "retain": "a"},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
async def test_a_wrong_field_is_refused_with_words_and_stores_nothing(start: Any, fields: dict[str, Any]) -> None:
    hub = await start()
    ann = await hub.joined(user="ann")
    with pytest.raises(Refused, match="bad_request"):
        await ann.publish(1, **fields)
    assert (await ann.call("history", room="lab"))["events"] == []


async def test_a_key_is_at_most_128_characters_long(start: Any) -> None:
    hub = await start()
    ann = await hub.joined(user="ann")
    await ann.publish(1, retain="k" * 128)
    with pytest.raises(Refused, match="129 characters"):
        await ann.publish(1, retain="k" * 129)


async def test_a_room_that_holds_all_the_keys_it_may_says_so(start: Any) -> None:
    hub = await start(options={"retained_keys": 2})
    ann = await hub.joined(user="ann")
    for key in "ab":
        await ann.publish(1, retain=key)
    with pytest.raises(Refused, match=r"limit: .* at most 2 keys"):
        await ann.publish(1, retain="c")
    await ann.publish(2, retain="a")


async def test_expired_events_are_in_no_replay_and_members_are_told_of_expired_values(start: Any) -> None:
    hub = await start()
    ann = await hub.joined(user="ann")
    await ann.publish("short", expire=0.05)
    seq = await ann.publish("beat", retain="beat", expire=0.05)
    await ann.publish("stays")
    (told,) = await ann.has("$expired")
    assert told == {"room": "lab", "keys": {"beat": seq}}
    bob = await hub.connect(user="bob")
    reply = await bob.join(last=10)
    assert reply["state"] == 0
    await until(lambda: any(got.data == "stays" for got in bob.events()))
    assert [got.data for got in bob.events()] == ["stays"]
    assert [each["data"] for each in (await bob.call("history", room="lab"))["events"]] == ["stays"]


async def test_a_thousand_values_reach_a_joiner_in_a_moment(start: Any) -> None:
    hub = await start()
    ann = await hub.joined(user="ann")
    asked = [
        ann.ask("publish", {"room": "lab", "event": "set", "data": {"i": i}, "retain": f"key-{i}"}) for i in range(1000)
    ]
    for each in asked:
        assert (await each)["ok"]
    for _ in range(2):  # the second join is served from memory
        bob = await hub.connect(user="bob")
        began = time.process_time()
        assert (await bob.join())["state"] == 1000
        await until(lambda: len(retained(bob)) == 1000)  # noqa: B023
        assert time.process_time() - began < 3  # of hub and client together
    assert {got.meta["key"] for got in retained(bob)} == {f"key-{i}" for i in range(1000)}


async def test_who_may_only_read_gets_the_state_and_cannot_change_it(start: Any) -> None:
    class ReadOnly:
        def allows(self, user: Any, action: str, room: str) -> bool:
            return action == "read"

    hub = await start(access=ReadOnly())
    bob = await hub.joined(user="bob")
    with pytest.raises(Refused, match="forbidden"):
        await bob.publish(1, retain="a")
    assert (await bob.call("state", room="lab"))["values"] == []


async def test_a_deleted_room_has_no_values(hub: Any) -> None:
    ann = await hub.joined(user="ann")
    await ann.publish(1, retain="a")
    await ann.call("delete", room="lab")
    assert (await ann.join())["state"] == 0
