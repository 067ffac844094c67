from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.members import until

from jupyter_rtmsg.errors import LogBusy, RateExceeded
from jupyter_rtmsg.hub import Limits, budget
from jupyter_rtmsg.hub.budget import BYTES_PER_UNIT, COSTS, Budget, Budgets, PendingEvents, TokenBucket
from jupyter_rtmsg.hub.commands import COMMANDS


def test_every_command_that_has_a_price_is_there() -> None:
    assert COSTS.keys() <= COMMANDS.keys()


def test_commands_cost_what_they_make_of_work_and_data_by_their_size() -> None:
    mine = Budget(Limits(command_rate=10, command_burst=30), 0.0)
    mine.charge("presence", 0.0)
    mine.charge("publish", 0.0)
    mine.charge_bytes(19 * BYTES_PER_UNIT, 0.0)
    with pytest.raises(RateExceeded, match="10 units of work of one user a second, after a burst of 30") as raised:
        mine.charge("presence", 0.0)
    assert raised.value.retry == pytest.approx(0.1)
    mine.charge("presence", 1.0)


def test_a_command_that_costs_much_is_taken_beside_a_flood_of_those_that_cost_little() -> None:
    """A client reads the history of a room while the user's other kernels publish without a pause."""
    mine = Budget(Limits(command_rate=1_000, command_burst=1_000), 0.0)
    taken = {"publish": 0, "history": 0}
    for moment in range(4_000):
        for command in ("publish", "publish", "history") if moment % 2 else ("history", "publish", "publish"):
            try:
                mine.charge(command, moment / 1_000)
            except RateExceeded:
                continue
            taken[command] += 1
    assert taken["history"] > 50
    assert taken["publish"] + 20 * taken["history"] <= 1_000 + 4_000 + 20


async def test_an_append_that_waits_for_space_is_not_overtaken_for_ever() -> None:
    """One session waits while the others use more than half of the capacity, as forty kernels of one user do."""
    pending = PendingEvents(Limits(pending_events=10))
    for _ in range(10):
        pending.begin(1)
    waiting = asyncio.ensure_future(pending.wait())
    await asyncio.sleep(0)
    going = 10
    for _ in range(100):
        pending.end(1)  # one is stored, and its sender publishes the next one
        going -= 1
        if pending.has_capacity:
            pending.begin(1)
            going += 1
        await asyncio.sleep(0)
    assert waiting.done()


def test_a_budget_outlives_connections_until_it_is_full_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_FORGET_FROM", 2)
    now, connected = 0.0, {"here"}
    budgets = Budgets(Limits(command_rate=1, command_burst=10), lambda: now, connected)
    here, gone = budgets.of("here"), budgets.of("gone")
    gone.charge("publish", now)
    budgets.of("new")
    assert budgets.of("gone") is gone
    now = 1.0
    for i in range(4):
        budgets.of(f"newer{i}")
    assert budgets.of("gone") is not gone
    assert budgets.of("here") is here


async def test_a_user_has_one_budget_over_all_connections_and_is_told_when_to_try_again(start: Any) -> None:
    hub = await start(command_rate=10, command_burst=20, clock=lambda: 0.0)
    first, second = await hub.connect(user="ann"), await hub.connect(user="ann")
    other = await hub.connect(user="bob")
    assert (await first.ask("presence", {"room": "lab"}))["ok"]
    assert (await second.ask("presence", {"room": "lab"}))["ok"]
    for member in (first, second):
        error = (await member.ask("presence", {"room": "lab"}))["error"]
        assert (error["code"], error["retry"]) == ("rate", 0.1)
    assert (await other.ask("presence", {"room": "lab"}))["ok"]
    third = await hub.connect(user="ann")
    assert (await third.ask("presence", {"room": "lab"}))["error"]["code"] == "rate"


async def test_few_commands_of_one_user_read_at_once_and_the_others_wait(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MAX_READS", 2)
    hub = await start()
    members = [await hub.connect(user="ann") for _ in range(5)]
    await members[0].publish()
    reading = most = 0
    read = hub.log.read

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await asyncio.sleep(0.01)
        reading -= 1
        return await read(*args, **options)

    monkeypatch.setattr(hub.log, "read", counted)
    replies = await asyncio.gather(*(member.ask("history", {"room": "lab"}) for member in members))
    assert all(reply["ok"] for reply in replies)
    assert most == 2


async def test_a_users_pending_appends_are_bounded_and_the_rest_waits_in_order(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = await start(pending_events=10)
    members = [await hub.joined(user="ann") for _ in range(3)]
    pending = most = 0
    submit = hub.log.submit

    def counted(draft: Any, done: Any) -> None:
        nonlocal pending, most

        def ended(outcome: Any) -> None:
            nonlocal pending
            pending -= 1
            done(outcome)

        pending += 1
        most = max(most, pending)
        submit(draft, ended)

    monkeypatch.setattr(hub.log, "submit", counted)
    seqs = await asyncio.gather(*(member.publish_many(100) for member in members))
    assert most <= 10
    for mine in seqs:
        assert mine == sorted(mine)
    await until(lambda: len(members[0].seqs()) == 300)
    assert members[0].seqs() == sorted(number for mine in seqs for number in mine)


async def test_places_are_counted_by_bytes_too_and_one_event_always_has_one() -> None:
    pending = PendingEvents(Limits(pending_events=10, pending_bytes=100))
    pending.begin(1_000)
    waiting = [asyncio.ensure_future(pending.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not pending.has_capacity
    waiting[0].cancel()
    pending.end(1_000)
    await waiting[1]
    assert pending.has_capacity


async def test_an_event_that_the_log_does_not_take_leaves_its_place(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = await start(pending_events=1)
    member = await hub.connect(user="ann")

    def full(draft: Any, done: Any) -> None:
        raise LogBusy("the queue is full")

    with monkeypatch.context() as patch:
        patch.setattr(hub.log, "submit", full)
        assert (await member.ask("publish", {"room": "lab", "event": "x"}))["error"]["code"] == "busy"
    assert await member.publish()


def test_a_burst_passes_and_the_next_is_told_when_to_try_again() -> None:
    bucket = TokenBucket(10, 3, 100.0)
    for _ in range(3):
        bucket.take(100.0)
    with pytest.raises(RateExceeded, match=r"10 publishes a second, after a burst of 3: try again in 0.100 s"):
        bucket.take(100.0)


def test_tokens_come_back_at_the_rate_and_never_more_than_the_burst() -> None:
    bucket = TokenBucket(10, 3, 0.0)
    for _ in range(3):
        bucket.take(0.0)
    bucket.take(0.1)
    with pytest.raises(RateExceeded):
        bucket.take(0.15)
    bucket.take(0.2)
    for _ in range(3):
        bucket.take(60.0)
    with pytest.raises(RateExceeded):
        bucket.take(60.0)
