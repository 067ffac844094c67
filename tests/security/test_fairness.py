"""One user cannot block the event loop or the hub for others, and honest bursts meet no limit."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from support.members import until

from jupyter_rtmsg.hub.commands import COMMANDS
from jupyter_rtmsg.server.turns import TURN_SECONDS

COSTLY = {"room": "crowd"}


async def test_a_flood_of_commands_over_many_connections_lets_others_publish_in_between(start: Any) -> None:
    """120 connections that asked for `presence` 256 times each blocked the event loop for 6.3 s."""
    hub = await start(url="memory:", command_burst=1e9)
    crowd = [await hub.joined("crowd", user=f"guest{number}") for number in range(40)]
    honest = await hub.joined("lab", user="ann")
    flood = [await hub.connect(user="mallory") for _ in range(40)]
    asked = [member.ask("presence", COSTLY) for member in flood for _ in range(100)]
    answered: list[int] = []
    for number in range(5):
        await honest.publish(number)
        answered.append(sum(reply.done() for reply in asked))
    assert answered[2] < len(asked)  # the third acknowledgement did not wait for all of them
    assert all(reply["ok"] for reply in await asyncio.gather(*asked))
    assert len(crowd) == 40


async def test_commands_that_wait_for_the_log_take_turns_as_well(start: Any, monkeypatch: Any) -> None:
    """500 `rooms` over 100 connections, which take 7 ms each with many rooms, ran in one turn of the event loop."""
    done = 0

    async def slow(hub: Any, connection: Any, request: Any) -> dict[str, Any]:
        nonlocal done
        begun = time.perf_counter()
        while time.perf_counter() - begun < TURN_SECONDS:
            pass
        done += 1
        return {"ok": True}

    monkeypatch.setitem(COMMANDS, "rooms", slow)
    hub = await start(url="memory:")
    honest = await hub.connect(user="ann")
    flood = [await hub.connect(user="mallory") for _ in range(50)]
    asked = [member.ask("rooms") for member in flood]
    await until(lambda: done)
    assert (await honest.ask("presence", {"room": "lab"}))["ok"]
    assert done < len(asked)
    assert all(reply["ok"] for reply in await asyncio.gather(*asked))


async def test_commands_beyond_a_users_budget_are_refused_and_those_of_others_are_not(start: Any) -> None:
    hub = await start(url="memory:", command_rate=100, command_burst=1_000)
    flood = [await hub.connect(user="mallory") for _ in range(10)]
    replies = await asyncio.gather(*(member.ask("rooms") for member in flood for _ in range(10)))
    codes = [reply["error"]["code"] for reply in replies if not reply["ok"]]
    assert set(codes) == {"rate"}
    assert len(codes) >= 60
    assert (await (await hub.connect(user="ann")).ask("rooms"))["ok"]


async def test_honest_bursts_never_notice_the_budget(start: Any) -> None:
    """All kernels of a user on one server share the user's budget."""
    hub = await start(url="memory:")
    kernels = [await hub.connect(user="ann") for _ in range(4)]
    seqs = await asyncio.gather(*(kernel.publish_many(5_000, room="lab") for kernel in kernels))
    assert sum(map(len, seqs)) == 20_000
    for kernel in kernels:  # the server was restarted: all rooms are joined again at once
        joined = [kernel.ask("join", {"room": f"room{number}", "after": 0}) for number in range(100)]
        assert all(reply["ok"] for reply in await asyncio.gather(*joined))
    panel = await hub.connect(user="ann")
    for _ in range(20):
        assert (await panel.ask("rooms", {"watch": True}))["ok"]
        assert (await panel.ask("history", {"room": "lab", "last": 100}))["ok"]


async def test_a_room_with_many_members_is_written_to_in_slices(start: Any) -> None:
    hub = await start(url="memory:", connections_per_user=1_000)
    members = [await hub.joined("lab", user="ann") for _ in range(300)]
    written: list[int] = []
    engine = hub.io.engine
    flush = engine._flush

    def counted() -> None:
        before = len(engine._dirty)
        flush()
        written.append(before - len(engine._dirty))

    engine._flush = counted
    await members[0].publish("x")
    await until(lambda: all(member.seqs() for member in members))
    assert max(written) <= 256
