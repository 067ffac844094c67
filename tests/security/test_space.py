"""One user cannot take rooms, history or space from the others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.jupyter import JupyterServer
from support.members import Member, Refused, until
from support.socketio_peer import connected

TESTS = Path(__file__).parents[1]
LONG = "x" * 100


@pytest.fixture
async def hub(start: Any, tmp_path: Path) -> Any:
    """A hub with small limits."""
    return await start(
        url=f"sqlite:///{tmp_path}/log.sqlite3", options={"max_bytes": 2_000_000, "max_events": 400}, rooms=50,
        subscription_bytes=20_000, subscription_bytes_in_all=50_000, publish_burst=100_000.0,
    )  # fmt: skip


async def victim(hub: Any) -> tuple[Member, list[Any]]:
    """Return a member with 100 events in two rooms, half of them handled, and that history."""
    ann = await hub.connect(user="ann", client="ann-1")
    for room in ("lab", "shared"):
        await ann.join(room, **{"as": "notes"})
        seqs = await ann.publish_many(50, room)
        await ann.call("ack", room=room, seq=seqs[24])
    return ann, await history(ann)


async def history(ann: Member) -> list[Any]:
    return [(await ann.call("history", room=room, sender="ann"))["events"] for room in ("lab", "shared")]


async def as_before(hub: Any, ann: Member, before: list[Any]) -> None:
    """Check that nothing of a member's history is gone, and that all its commands work."""
    assert await history(ann) == before
    await ann.publish(room="lab")
    await ann.publish(room=f"another-{len(hub.hub.core.rooms.quota.makers)}")
    back = await hub.connect(user="ann", client="ann-2")
    for room in ("lab", "shared"):
        reply = await back.join(room, **{"as": "notes"})
        assert reply["cursor"] == before[room == "shared"][24]["seq"]
        assert reply["recovered"] or room == "shared"  # another user's events may be gone there, and the reply tells so


async def test_the_events_of_one_user_evict_those_of_no_other(hub: Any) -> None:
    ann, before = await victim(hub)
    eve = await hub.connect(user="eve")
    for i in range(15):  # 9 MB through a log of 2 MB, and more than a room may hold
        await asyncio.gather(*(eve.publish("x" * 60_000, f"dump{i % 3}") for _ in range(10)))
    for _ in range(5):
        await eve.publish_many(200, "shared")
    await as_before(hub, ann, before)
    stats = await hub.log.stats("shared")
    await until(lambda: tidy(hub, "shared", 400))
    assert stats.first == before[1][0]["seq"]


async def test_two_users_who_write_as_much_keep_as_much(hub: Any) -> None:
    users = [await hub.connect(user=name) for name in ("ann", "bob")]
    for _ in range(15):
        for user, room in zip(users, "ab", strict=True):
            await asyncio.gather(*(user.publish("x" * 40_000, room) for _ in range(4)))
    state = hub.log._writer._state
    await until(lambda: state.bytes + 200 * state.count <= 2_000_000)
    costs = state.tallies.costs()
    assert abs(costs["ann"] - costs["bob"]) <= 2_000_000 / 64 + 40_200


async def test_a_user_who_filled_the_log_and_left_stops_nobody_from_writing(hub: Any) -> None:
    eve = await hub.connect(user="eve")
    await asyncio.gather(*(eve.publish("x" * 60_000, "dump") for _ in range(40)))
    await eve.close()
    ann = await hub.joined("lab", user="ann")
    seqs = [seq for _ in range(5) for seq in await ann.publish_many(60)]
    await until(lambda: ann.seqs() == seqs)
    assert (await hub.log.stats("lab")).count == 300


async def test_one_user_cannot_take_the_rooms(hub: Any) -> None:
    ann, before = await victim(hub)
    eve = await hub.connect(user="eve")
    for i in range(5):
        await eve.publish(room=f"mine{i}")
    for i in range(20):
        for command in ("publish", "join"):
            with pytest.raises(Refused, match="limit: eve has 5 rooms"):
                await eve.call(command, room=f"more{i}", event="tick")
    await as_before(hub, ann, before)


async def test_long_names_of_subscriptions_push_out_ones_own_only(hub: Any) -> None:
    ann, before = await victim(hub)
    eves = [await hub.connect(user=f"eve{i}") for i in range(4)]
    for i in range(100):
        for eve in eves:
            await eve.join("lab", **{"as": f"{i:03}{LONG}"})
            await eve.call("leave", room="lab")
    await as_before(hub, ann, before)
    assert hub.hub.core.subscriptions._index.bytes() <= 50_000


async def test_the_space_of_deleted_events_is_given_back(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    hub = await start(url=f"sqlite:///{path}")
    eve = await hub.connect(user="eve")
    for _ in range(4):
        await asyncio.gather(*(eve.publish("x" * 100_000, "dump") for _ in range(40)))
    await until(lambda: os.stat(path).st_size > 12_000_000)
    await eve.call("delete", room="dump")
    await until(lambda: os.stat(path).st_size < 6_000_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Jupyter server with two users, identified by their tokens."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    config = {
        "ServerApp": {"identity_provider_class": "support.authorizers.TwoUsers"},
        "RtmsgApp": {"max_rooms": 20, "max_bytes": 2_000_000, "publish_burst": 10_000},
    }
    home = tmp_path_factory.mktemp("jupyter")
    with JupyterServer(home, token="token-of-ann", config=config, environment={"PYTHONPATH": path}) as server:
        yield server


def test_two_users_of_one_jupyter_server_leave_each_other_their_share(server: JupyterServer) -> None:
    with connected(server, headers=token("ann")) as ann, connected(server, headers=token("eve")) as eve:
        mine = [ann.command("publish", room="lab", event="tick", data=i)["seq"] for i in range(20)]
        replies = [eve.command("publish", room=f"dump{i % 5}", event="big", data="x" * 200_000) for i in range(25)]
        codes = [reply["error"]["code"] for reply in replies if not reply["ok"]]
        assert codes == ["limit"] * 15  # two of twenty rooms are hers
        for i in range(20):
            assert eve.command("publish", room=f"dump{i % 2}", event="big", data="x" * 200_000)["ok"]
        assert [event["seq"] for event in ann.command("history", room="lab")["events"]] == mine
        assert eve.command("delete", room="lab")["error"]["code"] == "forbidden"
        assert eve.command("delete", room="dump0")["ok"]
        assert ann.command("publish", room="lab-2", event="tick")["ok"]


def token(user: str) -> dict[str, str]:
    return {"Authorization": f"token token-of-{user}"}


def tidy(hub: Any, room: str, most: int) -> bool:
    return bool(hub.log._writer._state.rooms[room].count <= most)
