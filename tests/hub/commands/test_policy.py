"""How much a room may hold: who may say it, and what a publisher and the members see of it."""

from __future__ import annotations

from typing import Any

import pytest
from support.logs import until
from support.members import Refused

LOG = {"count": 100_000, "age": 30 * 86_400, "bytes": 256 << 20}


class Rules:
    """An access check by user."""

    def __init__(self, **allowed: str) -> None:
        self.allowed = allowed

    def allows(self, credential: str, action: str, room: str) -> bool:
        return action in self.allowed.get(credential, "read write")


async def test_a_room_without_a_policy_has_the_limits_of_the_log(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    assert await ann.call("policy", room="lab") == {
        "ok": True, "count": None, "age": None, "bytes": None, "discard": "old", "maker": None, "limits": LOG,
    }  # fmt: skip


async def test_its_maker_sets_it_field_by_field_and_null_takes_one_away(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    await ann.publish()
    await ann.call("policy", room="lab", count=5.0, age=3_600)
    await ann.call("policy", room="lab", bytes=1_000, discard="refuse")
    reply = await ann.call("policy", room="lab", age=None)
    assert [reply[key] for key in ("count", "age", "bytes", "discard", "maker")] == [5, None, 1_000, "refuse", "ann"]
    assert await ann.call("policy", room="lab") == reply
    reply = await ann.call("policy", room="lab", count=None, bytes=None, discard=None)
    assert [reply[key] for key in ("count", "age", "bytes", "discard")] == [None, None, None, "old"]


async def test_a_full_room_refuses_with_the_numbers_and_the_others_go_on(hub: Any) -> None:
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob")
    await ann.publish_many(3)
    await ann.call("policy", room="lab", count=3, discard="refuse")
    with pytest.raises(Refused, match="full_room: room 'lab' holds 3 of at most 3 events; its policy refuses more"):
        await bob.publish()
    await bob.publish(room="other")
    await until(lambda: len(bob.events()) == 3)
    await ann.call("policy", room="lab", count=4)
    await bob.publish()


async def test_members_are_told_what_the_policy_deleted(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    seen = await ann.publish()
    await ann.call("policy", room="lab", count=2)
    await ann.publish_many(50)

    async def trimmed() -> bool:
        return len((await ann.call("history", room="lab"))["events"]) == 2

    await until(trimmed)
    bob = await hub.connect(user="bob")
    epoch = (await bob.call("history", room="lab"))["epoch"]
    reply = await bob.join(after=seen, epoch=epoch)
    assert (reply["recovered"], reply["reason"], reply["missed"]) == (False, "trimmed", 2)


async def test_events_that_the_policy_deleted_are_not_sent_from_memory(hub: Any) -> None:
    ann = await hub.joined(user="ann")
    seen = await ann.publish()
    await ann.publish_many(20)
    await until(lambda: len(ann.events()) == 21)
    await ann.call("policy", room="lab", count=2)

    async def trimmed() -> bool:
        return len((await ann.call("history", room="lab"))["events"]) == 2

    await until(trimmed)
    epoch = (await ann.call("history", room="lab"))["epoch"]
    for start in ({"last": 100}, {"after": 0}, {"after": seen, "epoch": epoch}):
        bob = await hub.connect(user="bob")
        assert (await bob.join(**start))["missed"] == 2
        await until(lambda bob=bob: len(bob.events()) == 2)


async def test_users_who_may_set_a_policy(start: Any) -> None:
    hub = await start(access=Rules(reader="read", nobody="", chief="read write manage"))
    hub.hub.core.owner = lambda: "own"
    ann, bob, reader, chief, own, nobody = [
        await hub.connect(user=name) for name in ("ann", "bob", "reader", "chief", "own", "nobody")
    ]
    await ann.publish()
    for other in (bob, reader):
        with pytest.raises(Refused, match=r"forbidden: .* may not manage"):
            await other.call("policy", room="lab", count=1)
        assert (await other.call("policy", room="lab"))["maker"] == "ann"
    with pytest.raises(Refused, match=r"forbidden: nobody may not read"):
        await nobody.call("policy", room="lab")
    for one in (ann, chief, own):
        await one.call("policy", room="lab", count=7)


async def test_the_first_to_join_an_empty_room_may_set_its_policy(hub: Any) -> None:
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob")
    await ann.call("policy", room="lab", count=7)
    with pytest.raises(Refused, match="forbidden"):
        await bob.call("policy", room="lab", count=1)
    await bob.publish()  # it is bob's now
    assert (await bob.call("policy", room="lab", age=60))["count"] == 7
    with pytest.raises(Refused, match="forbidden"):
        await ann.call("policy", room="lab", count=1)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"count": 0}, "`count` must be an integer of at least 1, not 0"),
        ({"count": "many"}, "`count` must be an integer"),
        ({"count": 100_001}, "`count` is 100,001 events, and this log keeps at most 100,000"),
        ({"age": 0.5}, r"`age` must be a number of at least 1 \(seconds\), not 0.5"),
        ({"age": True}, "`age` must be a number"),
        ({"age": [1]}, "`age` must be a number"),
        ({"age": 1e12}, "this log keeps at most 2,592,000"),
        ({"bytes": -1}, "`bytes` must be an integer of at least 1"),
        ({"bytes": 1e12}, "this log keeps at most 268,435,456"),
        ({"discard": "new"}, "`discard` must be 'old' or 'refuse', not 'new'"),
        ({"discard": ["old"]}, "`discard` must be"),
        ({"discard": "refuse"}, "give `count` or `bytes`"),
        ({"discard": "refuse", "age": 5}, "give `count` or `bytes`"),
    ],
)
async def test_an_invalid_policy_is_refused_and_changes_nothing(hub: Any, fields: dict[str, Any], why: str) -> None:
    ann = await hub.connect(user="ann")
    await ann.publish()
    with pytest.raises(Refused, match=f"bad_request: {why}" if why.startswith("`") else why):
        await ann.call("policy", room="lab", **fields)
    reply = await ann.call("policy", room="lab")
    assert [reply[key] for key in ("count", "age", "bytes", "discard")] == [None, None, None, "old"]


async def test_a_room_made_again_has_no_policy(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    await ann.publish()
    await ann.call("policy", room="lab", count=1, discard="refuse")
    await ann.call("delete", room="lab")
    await ann.publish()
    await ann.publish()
    assert (await ann.call("policy", room="lab"))["count"] is None
