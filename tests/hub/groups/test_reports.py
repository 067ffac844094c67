"""What users of other queues have reported, tried on worker groups."""

from __future__ import annotations

from typing import Any

import pytest
from support.groups import World
from support.members import Member, until


def given(member: Member) -> list[int]:
    """Return the positions of what was given to a worker."""
    return [got.meta["seq"] for got in member.got if got.name == "$work"]


@pytest.mark.parametrize("with_workers", [True, False])
async def test_what_is_redriven_while_the_group_is_paused_is_given_when_it_is_resumed(
    start: Any, url: str, with_workers: bool
) -> None:  # OptimalBits/bull issues 1813 and 2540: retried jobs were stuck, or started in spite of the pause
    hub = await start(url=url)
    worker = await hub.connect(user="ann")
    group = {"room": "lab", "group": "g"}
    await worker.call("work", group | {"max_in_flight": 1})
    first = await worker.publish()
    await until(lambda: given(worker) == [first])
    await worker.call("reject", group | {"deliveries": [[first, 1]], "reason": "no"})
    await worker.call("pause_group", group)
    waiting = await worker.publish()
    if not with_workers:
        await worker.call("unwork", group)
        await until(lambda: not list(hub.hub.core.groups.runners()))
    assert (await worker.call("redrive", group))["redriven"] == 1
    assert (await worker.call("work", group | {"max_in_flight": 9}))["paused"] is True
    assert given(worker) == [first]
    await worker.call("resume_group", group)
    await until(lambda: len(given(worker)) == 3)
    assert sorted(given(worker)[1:]) == [first, waiting]


async def test_a_paused_group_is_paused_after_a_restart_also_for_what_was_under_way(
    start: Any, tmp_path: Any
) -> None:  # OptimalBits/bull issue 247: recovered jobs were started in a paused queue
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    hub = await start(url=url)
    worker = await hub.connect(user="ann", client="a")
    group = {"room": "lab", "group": "g"}
    await worker.call("work", group | {"max_in_flight": 2})
    seqs = await worker.publish_many(3)
    await until(lambda: len(given(worker)) == 2)
    await worker.call("pause_group", group)
    await hub.close()
    hub = await start(url=url)
    worker = await hub.connect(user="ann", client="a")
    assert (await worker.call("work", group | {"max_in_flight": 9}))["paused"] is True
    [about] = (await worker.call("groups", room="lab"))["groups"]
    assert (about["lag"], about["in_flight"], given(worker)) == (3, 0, [])
    await worker.call("resume_group", group)
    await until(lambda: len(given(worker)) == 3)
    assert sorted(given(worker)) == seqs


def test_what_was_put_off_for_longer_than_ack_wait_is_given_once() -> None:
    """celery issues 3270 and 5935: a task with a countdown beyond the visibility timeout was run by each worker."""
    world = World(ack_wait=5.0)
    world.join("a", 2)
    world.join("b", 2)
    world.publish(None)
    [(name, seq)] = [(name, seq) for name, held in world.held.items() for seq in held]
    worker = world._worker(name)
    attempt = world.held[name].pop(seq)
    assert world.group.retry(worker, seq, attempt, world.now, after=3600.0, error=None)
    world.events[seq].given = None
    for _ in range(100):
        world.wait(30.0)
    assert world.events[seq].deliveries == 1
    world.wait(1000.0)
    assert world.events[seq].deliveries == 2


def test_one_hung_event_neither_fails_nor_holds_up_the_others() -> None:
    """OptimalBits/bull issue 2188, taskforcesh/bullmq issue 652."""
    world = World(ack_wait=5.0, tries=2, key=None)
    world.join("a", 1)
    world.join("b", 1)
    for _ in range(6):
        world.publish(None)
    hung = next(iter(world.held["a"]))
    while len(world.held["b"]) and next(iter(world.held["b"])) != hung:
        world.answer("b", next(iter(world.held["b"])), "done")
    assert [seq for seq, event in world.events.items() if event.fate != "done"] == [hung]
