from __future__ import annotations

from typing import Any

from support.members import until
from support.wsclient import RawClient


async def refused(hub: Any, auth: str) -> str:
    raw = await RawClient.open(hub.port)
    raw.send("40" + auth)
    packet = await raw.receive()
    raw.writer.close()
    return str(packet)


async def test_a_user_may_have_so_many_connections_and_others_are_not_concerned(start: Any) -> None:
    hub = await start(connections_per_user=2)
    first = await hub.connect(user="ann")
    await hub.connect(user="ann")
    answer = await refused(hub, '{"user":"ann"}')
    assert answer == '44{"message":"ann has 2 connections already","data":{"code":"limit"}}'
    await hub.connect(user="bob")
    await first.leave()
    await until(lambda: len(hub.hub.connections) == 2)
    await hub.connect(user="ann")
    assert hub.hub.principals() == {"ann", "bob"}


async def test_a_wrong_auth_is_refused_by_name(start: Any) -> None:
    hub = await start()
    assert '"code":"bad_request"' in await refused(hub, '{"client":5}')
    assert len(hub.hub.connections) == 0


async def test_after_close_nobody_is_admitted_and_commands_are_told_so(start: Any) -> None:
    hub = await start()
    member = await hub.joined()
    await hub.hub.close()
    assert (await member.ask("publish", {"room": "lab", "event": "a"}))["error"]["code"] == "shutdown"
    assert '"code":"shutdown"' in await refused(hub, "{}")


async def test_nothing_is_left_of_who_has_gone(start: Any) -> None:
    hub = await start(grace=0.01)
    members = [await hub.joined(user="ann", client=f"c{i}", fields={"as": "x"}) for i in range(5)]
    await members[0].join("other", after=0)
    for member in members:
        await member.close()
    await until(lambda: not hub.hub.connections and not hub.hub.rooms.active)
    assert hub.hub.principals() == set()
    assert not hub.hub.subscriptions._owners
    assert not hub.hub.feed._timers
    assert not hub.hub.feed._away
