"""Connection state recovery by a client that wants more than its own state."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.members import Member, until
from support.wsclient import RawClient


async def all_at_once(hub: Any, number: int, auth: dict[str, Any]) -> list[dict[str, Any]]:
    """Send CONNECTs at the same moment, each on a connection of its own, and return the answers."""
    raws = [await RawClient.open(hub.port) for _ in range(number)]
    for raw in raws:
        raw.send("40" + json.dumps(auth))
    answers = await asyncio.gather(*(raw.receive() for raw in raws))
    for raw in raws:
        raw.writer.close()
    return [json.loads(str(answer)[2:]) for answer in answers]


async def lose(hub: Any, member: Member) -> None:
    member.raw.reset()
    await until(lambda: not hub.hub.core.participants)


@pytest.fixture
async def slow(start: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hub whose plans for a replay wait until four clients ask to be recovered."""
    hub = await start(url=url, connections_per_user=4)
    find, come = hub.hub.core.planner.plan_replay, asyncio.Event()

    async def find_late(*args: Any, **options: Any) -> Any:
        await come.wait()
        return await find(*args, **options)

    def count(socket: Any) -> None:
        arrived.append(socket.auth.get("pid"))
        if arrived[-1] is None or arrived.count(arrived[-1]) == 4:
            come.set()
        else:
            come.clear()

    arrived: list[Any] = []
    hub.io.use(count)
    monkeypatch.setattr(hub.hub.core.planner, "plan_replay", find_late)
    return hub


async def test_of_many_that_come_with_one_pid_at_once_one_is_recovered(slow: Any) -> None:
    for _ in range(2):
        ann = await slow.joined("lab", user="ann", client="c")
        await lose(slow, ann)
        answers = await all_at_once(slow, 4, {"user": "ann", "client": "c", "pid": ann.raw.welcome["pid"]})
        assert answers.count(ann.raw.welcome) == 1
        assert len({answer["pid"] for answer in answers}) == 4
        await until(lambda: not slow.hub.core.participants)


async def test_counters_fall_to_nothing_however_many_came_with_one_pid(slow: Any) -> None:
    for _ in range(3):  # more than the user may have, were one of them still counted
        ann = await slow.joined("lab", user="ann", client="c")
        await lose(slow, ann)
        await all_at_once(slow, 4, {"user": "ann", "client": "c", "pid": ann.raw.welcome["pid"]})
        await until(lambda: not slow.hub.core.participants)
    assert slow.hub.principals() == set()
    assert not slow.hub.core.participants.has_client("ann", "c")


async def test_no_more_than_a_user_may_have_stay_of_those_that_come_at_once(start: Any) -> None:
    hub = await start(connections_per_user=3)
    raws = [await RawClient.open(hub.port) for _ in range(20)]
    for raw in raws:
        raw.send('40{"user":"ann","pid":"nobody\'s"}')
    await asyncio.gather(*(raw.receive() for raw in raws))
    await until(lambda: len(hub.hub.core.participants) == 3)
    for raw in raws:
        raw.writer.close()
    await until(lambda: not hub.hub.core.participants)
    assert hub.hub.principals() == set()


async def test_the_pid_of_another_user_ends_nothing_and_takes_nothing(hub: Any) -> None:
    ann = await hub.joined("lab", user="ann")
    pid = ann.raw.welcome["pid"]
    bob = await hub.connect(user="bob", pid=pid)
    assert bob.raw.welcome["sid"] != ann.raw.welcome["sid"]
    await ann.settled()  # she is there
    await lose_one(hub, ann)
    bob = await hub.connect(user="bob", pid=pid)
    assert bob.raw.welcome["sid"] != ann.raw.welcome["sid"]
    assert (await hub.connect(user="ann", pid=pid)).raw.welcome == ann.raw.welcome


async def lose_one(hub: Any, member: Member) -> None:
    member.raw.reset()
    await until(lambda: member.id not in hub.io.of("/").sockets)


async def test_an_offset_of_any_form_recovers_nothing_and_breaks_nothing(hub: Any) -> None:
    for offset in ("", "1.2", "1.2.zzzzzzzz", "٣.1.aaaaaaaa", "9" * 100_000, "1.1." + "a" * 9, "\ud800"):
        ann = await hub.joined("lab", user="ann")
        await lose(hub, ann)
        answer = await hub.connect(user="ann", pid=ann.raw.welcome["pid"], offset=offset)
        assert answer.raw.welcome["sid"] != ann.raw.welcome["sid"]
        await answer.settled()
        await lose(hub, answer)
