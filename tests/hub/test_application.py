from __future__ import annotations

from typing import Any

import pytest
from support.members import Refused, until


class Table:
    """An access check by a table of (principal, action, room)."""

    def __init__(self, *allowed: tuple[str, str, str]) -> None:
        self.allowed = set(allowed)
        self.broken = False

    def allows(self, principal: str, action: str, room: str) -> bool:
        if self.broken:
            raise RuntimeError("the directory of users is down")
        return (principal, action, room) in self.allowed


@pytest.fixture
def table() -> Table:
    return Table(("ann", "read", "lab"), ("ann", "write", "lab"), ("bob", "read", "lab"), ("eve", "write", "lab"))


async def refusal(member: Any, command: str, **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        await member.call(command, room="lab", **fields)
    return str(refused.value.code)


async def test_write_covers_publish(start: Any, table: Table) -> None:
    hub = await start(access=table)
    ann, bob = await hub.connect(user="ann"), await hub.joined(user="bob")
    seq = await ann.publish()
    await until(lambda: bob.seqs() == [seq])
    assert await refusal(bob, "publish", event="a") == "forbidden"
    assert await refusal(bob, "publish", event="a", volatile=True) == "forbidden"
    assert await refusal(ann, "publish", event="$a") == "reserved_event"


@pytest.mark.parametrize(
    ("command", "fields"), [("join", {}), ("history", {}), ("presence", {}), ("lag", {"after": 0})]
)
async def test_read_covers_join_history_presence_and_lag(
    start: Any, table: Table, command: str, fields: dict[str, Any]
) -> None:
    hub = await start(access=table)
    await (await hub.connect(user="bob")).call(command, room="lab", **fields)
    for user in ("eve", "nobody"):
        assert await refusal(await hub.connect(user=user), command, **fields) == "forbidden"


async def test_rooms_lists_only_readable_rooms(start: Any, table: Table) -> None:
    table.allowed.add(("eve", "write", "secret"))
    hub = await start(access=table)
    eve = await hub.connect(user="eve")
    await eve.publish()
    await eve.publish(room="secret")
    assert (await eve.call("rooms"))["rooms"] == []
    rooms = (await (await hub.connect(user="bob")).call("rooms"))["rooms"]
    assert [room["room"] for room in rooms] == ["lab"]


async def test_a_user_who_may_no_longer_read_is_removed_and_told(start: Any, table: Table) -> None:
    hub = await start(access=table, recheck=0.05)
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob")
    table.allowed.remove(("bob", "read", "lab"))
    (error,) = await bob.has("$error")
    assert (error["command"], error["code"]) == ("join", "forbidden")
    await ann.publish()
    await bob.settled()
    assert bob.events() == []
    assert (await ann.call("presence", room="lab"))["count"] == 1


async def test_a_recheck_of_one_principal_comes_at_once(start: Any, table: Table) -> None:
    hub = await start(access=table)
    bob = await hub.joined(user="bob")
    table.allowed.clear()
    hub.hub.recheck("ann")
    assert len(hub.hub.core.rooms.active) == 1
    hub.hub.recheck("bob")
    await bob.has("$error")
    assert hub.hub.core.rooms.active == {}


async def test_an_access_check_that_raises_denies(start: Any, table: Table) -> None:
    hub = await start(access=table)
    ann = await hub.connect(user="ann")
    table.broken = True
    assert await refusal(ann, "join") == "forbidden"
    table.broken = False
    await ann.join()


async def test_only_readers_are_told_the_head_that_was_not_expected(start: Any, table: Table) -> None:
    hub = await start(access=table)
    ann, eve = await hub.connect(user="ann"), await hub.connect(user="eve")
    head = await ann.publish()
    told = {}
    for name, member in (("ann", ann), ("eve", eve)):
        with pytest.raises(Refused) as refused:
            await member.publish(expect=999)
        told[name] = str(refused.value)
        assert refused.value.code == "conflict"
    assert f"is {head}, not 999" in told["ann"]
    assert told["eve"].endswith("the head of room 'lab' is not 999")
