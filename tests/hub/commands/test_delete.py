from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.members import Refused, until


class Rules:
    """An access check by user."""

    def __init__(self, **allowed: str) -> None:
        self.allowed = allowed

    def allows(self, credential: str, action: str, room: str) -> bool:
        return action in self.allowed.get(credential, "read write")


async def test_a_room_is_deleted_for_everybody(hub: Any) -> None:
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob", fields={"as": "notes"})
    await ann.publish_many(20)
    await until(lambda: len(bob.events()) == 20)
    assert (await ann.call("delete", room="lab"))["deleted"] == 20
    for member in (ann, bob):
        assert await member.has("$deleted") == [{"room": "lab", "user": "ann"}]
        with pytest.raises(Refused, match="not_joined"):
            await member.call("ack", room="lab", seq=1)
    assert (await bob.call("rooms"))["rooms"] == []
    assert (await bob.call("history", room="lab"))["events"] == []
    assert [row["as"] for row in (await bob.call("subscriptions"))["subscriptions"] if "ended" not in row] == []


async def test_events_of_before_come_before_the_word_of_the_deletion(hub: Any) -> None:
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob")
    stored = [ann.ask("publish", {"room": "lab", "event": "tick", "data": i}) for i in range(200)]
    deleted = ann.ask("delete", {"room": "lab"})
    assert all(reply["ok"] for reply in await asyncio.gather(*stored, deleted))
    await bob.has("$deleted")
    names = [got.name for got in bob.got if got.name in ("tick", "$deleted")]
    assert names == ["tick"] * 200 + ["$deleted"]


async def test_a_room_made_again_does_not_continue_the_deleted_one(hub: Any) -> None:
    ann = await hub.joined(user="ann", fields={"as": "notes"})
    old = await ann.publish_many(5)
    await ann.call("ack", room="lab", seq=old[1])
    epoch = (await ann.call("history", room="lab"))["epoch"]
    await ann.call("delete", room="lab")
    bob = await hub.connect(user="bob")
    new = await bob.publish(room="lab")
    reply = await ann.join(**{"as": "notes"})
    assert (reply["missed"], reply["cursor"]) == (0, new)  # the old subscription has ended
    other = await hub.connect(user="ann")
    reply = await other.join(after=old[1], epoch=epoch)
    assert (reply["recovered"], reply["reason"], reply["missed"]) == (False, "trimmed", 1)
    await until(lambda: other.seqs() == [new])
    with pytest.raises(Refused, match="forbidden"):
        await ann.call("delete", room="lab")  # it is bob's now


async def test_an_id_of_before_is_stored_in_the_new_room(hub: Any) -> None:
    ann = await hub.connect(user="ann", client="c")
    await ann.publish(id="step-1")
    await ann.call("delete", room="lab")
    reply = await ann.call("publish", room="lab", event="tick", id="step-1")
    assert not reply["duplicate"]


async def test_users_who_may_delete_a_room(start: Any) -> None:
    hub = await start(access=Rules(reader="read", chief="read write manage"))
    hub.hub.core.owner = lambda: "own"
    ann, bob, reader = [await hub.connect(user=name) for name in ("ann", "bob", "reader")]
    chief, own = [await hub.connect(user=name) for name in ("chief", "own")]
    for deleter in (ann, chief, own):
        await ann.publish()
        for other in (bob, reader):
            with pytest.raises(Refused, match=r"forbidden: .* may not manage"):
                await other.call("delete", room="lab")
        assert (await deleter.call("delete", room="lab"))["deleted"] == 1


async def test_a_user_who_may_only_read_cannot_delete_even_as_the_maker(start: Any) -> None:
    rules = Rules()
    hub = await start(access=rules)
    ann = await hub.connect(user="ann")
    await ann.publish()
    rules.allowed["ann"] = "read"
    with pytest.raises(Refused, match="forbidden"):
        await ann.call("delete", room="lab")


async def test_a_deleted_room_makes_place_for_another(start: Any) -> None:
    hub = await start(rooms=1, rooms_per_user=1)
    ann = await hub.connect(user="ann")
    await ann.publish(room="a")
    with pytest.raises(Refused, match="limit"):
        await ann.publish(room="b")
    await ann.call("delete", room="a")
    await ann.publish(room="b")


async def test_joins_and_publishes_under_way_find_the_new_room(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    await ann.publish_many(300)
    others = [await hub.connect(user=f"user{i}") for i in range(5)]
    joins = [other.ask("join", {"room": "lab", "last": 100}) for other in others]
    deleted = ann.ask("delete", {"room": "lab"})
    later = ann.ask("publish", {"room": "lab", "event": "late"})
    replies = await asyncio.gather(*joins, deleted, later)
    assert all(reply["ok"] for reply in replies)
    members = [other for other in others if not other.named("$deleted")]
    end = await ann.publish(room="lab", event="end")
    for member in members:
        await until(lambda member=member: "end" in [got.name for got in member.events()])
    assert (await ann.call("history", room="lab"))["events"][-1]["seq"] == end
    await until(lambda: hub.hub.core.rooms.quota.count("ann") == 1)


async def test_a_room_of_many_events_does_not_hold_up_the_others(start: Any, tmp_path: Any) -> None:
    hub = await start(url=f"sqlite:///{tmp_path}/log.sqlite3", publish_burst=50_000.0)
    ann, bob = await hub.connect(user="ann"), await hub.joined("other", user="bob")
    for _ in range(10):
        await ann.publish_many(1000)
    deleted = ann.ask("delete", {"room": "lab"})
    seqs = await bob.publish_many(10, "other")
    assert (await deleted)["deleted"] == 10_000
    await until(lambda: bob.seqs("other") == seqs)
    await until(lambda: held(hub) == 10)


def held(hub: Any) -> int:
    return int(hub.log._writer._state.count)


async def test_a_join_does_not_begin_anew_because_another_room_was_deleted(hub: Any, monkeypatch: Any) -> None:
    """Otherwise a user who deletes room after room would keep all others from joining."""
    ann, bob = await hub.joined("other", user="ann"), await hub.connect(user="bob")
    find, finds = hub.hub.core.planner.plan_replay, 0

    async def find_slowly(*args: Any, **options: Any) -> Any:
        nonlocal finds
        finds += 1
        start = await find(*args, **options)
        if finds == 1:
            await ann.publish(room="other")
            await ann.call("delete", room="other")
        return start

    monkeypatch.setattr(hub.hub.core.planner, "plan_replay", find_slowly)
    await bob.join("lab")
    assert finds == 1


async def test_a_room_that_is_made_again_while_it_is_deleted_counts_once(hub: Any, monkeypatch: Any) -> None:
    ann, again = await hub.connect(user="ann"), await hub.connect(user="ann")
    await ann.publish()
    stats = hub.log.stats

    async def stats_late(room: str) -> Any:
        if "lab" not in hub.hub.core.rooms.quota.makers:
            await again.publish()
        return await stats(room)

    monkeypatch.setattr(hub.log, "stats", stats_late)
    await ann.call("delete", room="lab")
    assert hub.hub.core.rooms.quota.count("ann") == 1
