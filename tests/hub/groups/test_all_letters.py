"""The dead letters of all groups together."""

from __future__ import annotations

from typing import Any

import pytest
from support.members import Member, Refused, until


async def bury(member: Member, room: str, number: int, *, size: int = 1000) -> None:
    """Make dead letters, in a group called ``g``."""
    await member.call("work", room=room, group="g", max_in_flight=100)
    before = len(member.got)
    for _ in range(number):
        await member.publish("x" * size, room=room)
    await until(lambda: len(deliveries(member, before, room)) == number)
    answer = {"room": room, "group": "g", "deliveries": deliveries(member, before, room), "reason": "no"}
    await member.call("reject", answer)


def deliveries(member: Member, after: int, room: str) -> list[list[int]]:
    """Return what was given to a worker after its first messages."""
    work = [got.meta for got in member.got[after:] if got.name == "$work"]
    return [[meta["seq"], meta["attempt"]] for meta in work if meta["room"] == room]


async def dead(member: Member, room: str) -> int:
    """Return the number of dead letters in a room."""
    [group] = (await member.call("groups", room=room))["groups"]
    return int(group["dead"])


async def test_when_all_are_too_large_together_those_of_the_user_who_has_most_are_discarded(
    start: Any, url: str
) -> None:
    hub = await start(url=url, dead_letter_bytes_in_all=30_000)
    ann, bob = await hub.connect(user="ann"), await hub.connect(user="bob")
    for room in ("a", "b", "c"):
        await bury(ann, room, 5)  # each of her groups has less than bob's, and together they have more
    for room in ("a", "b", "c"):
        await ann.call("unwork", room=room, group="g")
    await bury(bob, "d", 8)
    await until(lambda: hub.hub.core.groups.letters._discarding is None)
    assert await dead(bob, "d") == 8
    left = [await dead(ann, room) for room in ("a", "b", "c")]
    assert 0 < sum(left) < 15
    assert max(left) - min(left) <= 5
    [group] = (await ann.call("groups", room="a"))["groups"]
    assert group["dead"] + group["discarded"] == 5


async def test_what_was_redriven_and_is_not_settled_is_bounded(start: Any, url: str) -> None:
    hub = await start(url=url, dead_letter_bytes=5_000)
    ann = await hub.connect(user="ann")
    redrive = {"room": "a", "group": "g"}
    await bury(ann, "a", 3)
    await ann.call("unwork", redrive)
    await until(lambda: not list(hub.hub.core.groups.runners()))
    assert (await ann.call("redrive", redrive))["redriven"] == 3  # 4 kB, and nobody handles it
    await ann.call("work", redrive | {"max_in_flight": 100})
    await until(lambda: len(deliveries(ann, 0, "a")) == 6)
    held = deliveries(ann, 0, "a")[3:]
    await bury(ann, "a", 2)
    assert (await ann.call("redrive", redrive))["redriven"] == 2
    await until(lambda: len(deliveries(ann, 0, "a")) == 10)
    held += deliveries(ann, 0, "a")[8:]
    await bury(ann, "a", 1)
    with pytest.raises(Refused) as refused:
        await ann.call("redrive", redrive)
    assert refused.value.code == "limit"
    assert await dead(ann, "a") == 1
    await ann.call("done", redrive | {"deliveries": held})
    assert (await ann.call("redrive", redrive))["redriven"] == 1
