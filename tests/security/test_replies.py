"""Replies are bounded: a request that is cheap to send has a small reply."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import pytest

from jupyter_rtmsg.wire.data import encode_json

rooms_command = import_module("jupyter_rtmsg.hub.commands.rooms")  # the package has the function by that name


async def test_lag_with_many_names_names_twenty_and_counts_the_others(start: Any) -> None:
    hub = await start(url="memory:")
    member = await hub.connect()
    for at in range(0, 2_000, 500):
        asked = [
            member.ask("publish", {"room": "lab", "event": f"{number}".rjust(128, "x")})
            for number in range(at, at + 500)
        ]
        for reply in asked:
            assert (await reply)["ok"]
    for _ in range(3):
        await member.publish(event="often")
    reply = await member.call("lag", room="lab", after=0)
    assert len(encode_json(reply)) < 5_000
    assert next(iter(reply["by_event"].items())) == ("often", 3)
    assert (reply["missed"], reply["rest"]) == (2_003, {"names": 1_981, "events": 1_981})


async def test_rooms_come_in_pages_that_a_client_reads_on(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = await start()
    member = await hub.connect()
    names = [f"room{number:02}" for number in range(23)]
    for name in names:
        await member.publish(room=name)
    await member.join("a-room-with-members-only")
    expected = sorted([*names, "a-room-with-members-only"])
    monkeypatch.setattr(rooms_command, "PAGE", 10)
    found: list[str] = []
    after: dict[str, Any] = {}
    sizes = []
    while True:
        page = await member.call("rooms", limit=1_000, **after)
        sizes.append(len(page["rooms"]))
        found += [room["room"] for room in page["rooms"]]
        if not page["more"]:
            break
        after = {"after": page["through"]}
    assert (found, sizes) == (expected, [10, 10, 4])


async def test_a_page_of_rooms_asks_for_few_rights_in_one_step_of_the_loop(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnlyTheLast:
        asked = most = 0

        def allows(self, principal: Any, action: str, room: str) -> bool:
            if not self.asked:
                asyncio.get_running_loop().call_soon(self.step_is_over)
            self.asked += 1
            self.most = max(self.most, self.asked)
            return action != "read" or room == "room29"

        def step_is_over(self) -> None:
            self.asked = 0

    access = OnlyTheLast()
    hub = await start(access=access)
    member = await hub.connect()
    for number in range(30):
        await member.publish(room=f"room{number:02}")
    monkeypatch.setattr(rooms_command, "CHECKED_PER_STEP", 7)
    page = await member.call("rooms")
    assert ([room["room"] for room in page["rooms"]], page["more"], page["through"]) == (["room29"], False, "room29")
    assert access.most == 7


@pytest.mark.parametrize("wrong", [{"after": 1}, {"limit": 0}, {"limit": "ten"}])
async def test_a_page_of_rooms_that_makes_no_sense_is_refused(start: Any, wrong: dict[str, Any]) -> None:
    member = await (await start()).connect()
    assert (await member.ask("rooms", wrong))["error"]["code"] == "bad_request"


async def test_a_join_that_wants_the_last_events_reads_only_those_that_it_sends(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = await start(ring_events=1)
    member = await hub.connect()
    await member.publish_many(50)
    read: list[int] = []
    reading = hub.log.read

    async def counted(*args: Any, **options: Any) -> Any:
        page = await reading(*args, **options)
        read.append(len(page.records))
        return page

    monkeypatch.setattr(hub.log, "read", counted)
    reply = await member.join(last=20)
    assert reply["missed"] == 20
    await member.settled()
    assert sum(read) <= 21  # and one to find out whether any were trimmed
