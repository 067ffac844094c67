from __future__ import annotations

import asyncio
from typing import Any

import socketio
from support.members import until


async def test_any_socket_io_client_can_use_it(hub: Any) -> None:
    client = socketio.AsyncClient(reconnection=False)
    got: list[tuple[Any, ...]] = []
    client.on("metric", lambda *args: got.append(args))
    try:
        await client.connect(f"http://127.0.0.1:{hub.port}", auth={"user": "ann"}, transports=["websocket"])
        assert (await client.call("join", {"room": "lab", "last": 10}))["ok"]
        stored = await client.call("publish", {"room": "lab", "event": "metric", "data": {"x": b"\x00\xff", "n": 1}})
        await until(lambda: got)
        data, meta = got[0]  # no further argument for clients without recovery
        assert data == {"x": b"\x00\xff", "n": 1}
        assert meta["seq"] == stored["seq"]
        assert (await client.call("history", {"room": "lab"}))["events"][0]["data"]["x"] == b"\x00\xff"
    finally:
        await client.disconnect()


async def test_status_tells_an_operator_what_there_is(hub: Any) -> None:
    await hub.joined(user="ann")
    member = await hub.joined("other", user="ann")
    await member.publish()
    await until(lambda: hub.hub.core.follower.position == 1)
    assert hub.hub.status() == {
        "epoch": hub.log.epoch, "head": 1, "rooms": 2, "connections": 2, "members": 2,
        "log": {"url": hub.log.url, "durable": hub.log.durable, "warning": None, "failing": None},
    }  # fmt: skip


async def test_rooms_lists_rooms_with_events_or_members(hub: Any) -> None:
    member = await hub.joined("b")
    head = (await member.publish_many(3, "a"))[-1]
    first, second = (await member.call("rooms"))["rooms"]
    assert first == {"room": "a", "head": head, "first": 1, "count": 3, "bytes": first["bytes"], "members": 0}
    assert second == {"room": "b", "head": 0, "first": 0, "count": 0, "bytes": 0, "members": 1}
    await member.call("leave", room="b")
    assert [room["room"] for room in (await member.call("rooms"))["rooms"]] == ["a"]


async def test_a_room_of_which_nothing_is_left_makes_place_for_another(start: Any) -> None:
    hub = await start(rooms=1, recheck=0.02)
    member = await hub.joined("a")
    await member.call("leave", room="a")
    await member.join("b")


async def test_a_stopping_server_says_so_and_keeps_acknowledged_events(start: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    hub = await start(url=url)
    member = await hub.joined(user="ann", fields={"as": "notes"})
    seqs = await member.publish_many(20)
    await hub.hub.close("restarting")
    await hub.io.close("restarting")
    await hub.log.close()
    await member.end()
    again = await start(url=url)
    back = await again.connect(user="ann")
    assert (await back.join(**{"as": "notes"}))["missed"] == 20
    await until(lambda: back.seqs() == seqs)


async def test_a_slow_member_is_cut_off_and_hurts_nobody(start: Any) -> None:
    hub = await start(server={"max_queue": 100_000})
    quick, slow = await hub.joined(), await hub.joined(user="slow")
    slow._reading.cancel()
    total = 100
    for _ in range(total):
        await quick.publish("x" * 50_000)
    await until(lambda: len(quick.events()) == total)
    await until(lambda: "slow" not in hub.hub.principals())


async def test_two_hubs_share_nothing(start: Any) -> None:
    one, two = await start(), await start()
    a, b = await one.joined(), await two.joined()
    await asyncio.gather(a.publish(1), b.publish(2))
    await until(lambda: a.events() and b.events())
    assert ([got.data for got in a.events()], [got.data for got in b.events()]) == ([1], [2])


async def test_many_large_events_at_once_disconnect_nobody(start: Any) -> None:
    hub = await start(server={"max_queue": 8 << 20})
    members = [await hub.joined(user=f"user{n}") for n in range(5)]
    writer = await hub.connect()
    await asyncio.gather(*(writer.publish("x" * 980_000) for _ in range(10)))
    for member in members:
        await until(lambda member=member: len(member.events()) == 10)
    assert len(hub.hub.core.participants) == 6
