"""``$presence``, as members see it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.members import until

from jupyter_rtmsg.hub import Claim, ProvenKernel


def changes(member: Any) -> list[tuple[str, str]]:
    return [(change["user"], change["state"]) for delta in member.named("$presence") for change in delta["changes"]]


@pytest.fixture
async def quick(start: Any) -> Any:
    """A hub with a short presence interval, whose grace times end when a test says so."""
    return await start(presence_interval=0.01, grace=600.0)


async def test_joins_and_leaves_are_broadcast_to_members(quick: Any) -> None:
    ann = await quick.joined(user="ann")
    bob = await quick.joined(user="bob")
    await until(lambda: ("bob", "here") in changes(ann))
    await bob.call("leave", room="lab")
    await until(lambda: ("bob", "left") in changes(ann))
    assert ann.named("$presence")[-1]["count"] == 1
    assert ann.named("$presence")[-1]["room"] == "lab"


async def test_a_client_that_says_goodbye_has_left_at_once(start: Any) -> None:
    hub = await start(presence_interval=0.01, grace=1000)
    ann = await hub.joined(user="ann")
    bob = await hub.joined(user="bob")
    await until(lambda: ("bob", "here") in changes(ann))
    await bob.leave()
    await until(lambda: changes(ann)[-1] == ("bob", "left"))


async def test_a_lost_connection_is_away_for_the_grace_time_and_then_left(quick: Any) -> None:
    ann = await quick.joined(user="ann")
    bob = await quick.joined(user="bob")
    await until(lambda: ("bob", "here") in changes(ann))
    bob.raw.reset()
    await until(lambda: changes(ann)[-1] == ("bob", "away"))
    assert (await ann.call("presence", room="lab"))["count"] == 2
    quick.end_grace()
    await until(lambda: changes(ann)[-1] == ("bob", "left"))
    assert (await ann.call("presence", room="lab"))["count"] == 1


async def test_a_member_that_is_back_within_the_grace_time_gets_a_new_one_next_time(start: Any) -> None:
    hub = await start(presence_interval=0.01, grace=600.0)
    ann = await hub.joined(user="ann")
    bob = await hub.joined(user="bob", client="c1")
    await until(lambda: ("bob", "here") in changes(ann))
    bob.raw.reset()
    await until(lambda: changes(ann)[-1] == ("bob", "away"))
    again = await hub.joined(user="bob", client="c1")
    await until(lambda: changes(ann)[-1] == ("bob", "here"))
    [first] = hub.hub.core.presence._away.values()
    again.raw.reset()
    await until(lambda: changes(ann)[-1] == ("bob", "away"))
    [second] = hub.hub.core.presence._away.values()
    assert first.cancelled()  # or it would end the second grace time
    assert second.when() >= first.when()
    hub.end_grace()
    await until(lambda: changes(ann)[-1] == ("bob", "left"))
    assert [state for user, state in changes(ann) if user == "bob"] == ["here", "away", "here", "away", "left"]


async def test_a_crowd_is_told_of_in_few_deltas(start: Any) -> None:
    hub = await start(presence_interval=0.2)
    ann = await hub.joined(user="ann")
    await asyncio.gather(*(hub.joined(user=f"u{i}") for i in range(40)))
    await until(lambda: len(set(changes(ann))) == 41)
    assert len(ann.named("$presence")) <= 5


async def test_a_notebooks_path_reaches_its_own_user_only(start: Any) -> None:
    hub = await start(presence_interval=0.01)

    async def prove(claim: Claim) -> ProvenKernel:
        return ProvenKernel(claim.kernel, "secret/train.ipynb")

    hub.hub.core.prove = prove
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob")
    kernel = await hub.connect(user="ann")
    await kernel.call("prove", kernel="k", proof="p")
    joined = await kernel.join()
    shown = {}

    def kernels(member: Any) -> list[Any]:
        return [c for delta in member.named("$presence") for c in delta["changes"] if c["kind"] == "kernel"]

    for member in (ann, bob):
        await until(lambda member=member: kernels(member))
        shown[member] = kernels(member)[-1]
    assert shown[ann]["notebook"] == "secret/train.ipynb"
    assert "notebook" not in shown[bob]
    assert any(m.get("notebook") for m in joined["members"])
    assert not any(m.get("notebook") for m in (await bob.call("presence", room="lab"))["members"])


async def test_presence_may_be_asked_without_joining(hub: Any) -> None:
    await hub.joined(user="ann")
    outside = await hub.connect(user="bob")
    reply = await outside.call("presence", room="lab")
    assert ([m["user"] for m in reply["members"]], reply["count"]) == (["ann"], 1)
    assert await outside.call("presence", room="empty") == {"ok": True, "members": [], "count": 0}


async def test_lists_hold_so_many_members_beside_the_count(start: Any) -> None:
    hub = await start(listed=3, presence_interval=0.01)
    first = await hub.joined(user="u0")
    replies = await asyncio.gather(*[(await hub.connect(user=f"u{i}")).join() for i in range(1, 6)])
    assert max(len(reply["members"]) for reply in replies) == 3
    assert max(reply["count"] for reply in replies) == 6
    await until(lambda: len(set(changes(first))) == 6)
    assert max(len(delta["changes"]) for delta in first.named("$presence")) <= 3
