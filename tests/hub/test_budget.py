from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_rtmsg.errors import RateExceeded
from jupyter_rtmsg.hub import Limits, budget
from jupyter_rtmsg.hub.budget import BYTES, COSTS, Budget, Budgets
from jupyter_rtmsg.hub.commands import COMMANDS


def test_every_command_that_has_a_price_is_there() -> None:
    assert COSTS.keys() <= COMMANDS.keys()


def test_commands_cost_what_they_make_of_work_and_data_by_their_size() -> None:
    mine = Budget(Limits(command_rate=10, command_burst=30), 0.0)
    mine.charge("presence", 0.0)
    mine.charge("publish", 0.0)
    mine.charge_bytes(BYTES, 0.0)
    mine.charge_bytes(18 * BYTES, 0.0)
    with pytest.raises(RateExceeded, match="10 units of work of one user a second, after a burst of 30") as raised:
        mine.charge("presence", 0.0)
    assert raised.value.retry == pytest.approx(0.9)
    mine.charge("presence", 1.0)


def test_a_budget_outlives_connections_until_it_is_full_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_MANY", 2)
    now, connected = 0.0, {"here"}
    budgets = Budgets(Limits(command_rate=1, command_burst=10), lambda: now, connected)
    here, gone = budgets.of("here"), budgets.of("gone")
    gone.charge("publish", now)
    budgets.of("new")
    assert budgets.of("gone") is gone
    now = 1.0
    budgets.of("newer")
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
        assert (error["code"], error["retry"]) == ("rate", 1.0)
    assert (await other.ask("presence", {"room": "lab"}))["ok"]
    third = await hub.connect(user="ann")
    assert (await third.ask("presence", {"room": "lab"}))["error"]["code"] == "rate"


async def test_few_commands_of_one_user_read_at_once_and_the_others_wait(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "READS", 2)
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
