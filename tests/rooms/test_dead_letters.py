"""Tables of dead letters and of groups, against a hub that answers as the test says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from jupyter_rtmsg.errors import NotJoined, WrongCall
from jupyter_rtmsg.rooms.dead_letters import read_dead_letters
from jupyter_rtmsg.rooms.groups import GroupState, read_group, read_groups

FROM = {"user": "ann", "kind": "script", "name": "ann", "member": "1"}


class Hub:
    """Answers each command with the next reply, and notes the requests."""

    def __init__(self, *replies: dict[str, Any]) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, command: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((command, dict(request)))
        return self.replies.pop(0)

    ask_patiently = ask


def letter(number: int, **fields: Any) -> dict[str, Any]:
    event = {"event": "tick", "data": {"a": number}, "seq": number, "prev": 0, "n": number, "ts": 0, "from": FROM}
    return {"number": number, **event, "reason": "tries", "deliveries": 5, **fields}


async def letters(*numbers: int, **reply: Any) -> tuple[Hub, Any]:
    hub = Hub({"letters": list(map(letter, numbers)), **reply})
    return hub, await read_dead_letters(hub, "lab", "g")  # type: ignore[arg-type]


async def test_dead_letters_are_read_page_by_page() -> None:
    pages = ({"letters": [letter(1), letter(2)], "more": True, "through": 2}, {"letters": [letter(5)], "discarded": 3})
    hub = Hub(*pages)
    table = await read_dead_letters(hub, "lab", "g")  # type: ignore[arg-type]
    assert [each.number for each in table] == [1, 2, 5]
    assert [request.get("after") for _, request in hub.asked] == [None, 2]
    assert "3 more were discarded." in repr(table)


async def test_all_some_or_one_are_redriven_and_the_hub_says_how_many() -> None:
    hub, table = await letters(1, 2, 3)
    for numbers, wanted in ((None, [1, 2, 3]), (2, [2]), (table[0], [1]), ([table[2], 1], [3, 1])):
        hub.replies.append({"redriven": len(wanted)})
        assert await table.redrive(numbers) == len(wanted)
        assert hub.asked[-1] == ("redrive", {"room": "lab", "group": "g", "numbers": wanted})
    hub.replies.append({"discarded": 1})
    assert await table[1:2].discard() == 1
    assert hub.asked[-1][1]["numbers"] == [2]


async def test_an_empty_slice_asks_nothing() -> None:
    hub, table = await letters(1)
    assert await table[1:].redrive() == 0
    assert len(hub.asked) == 1


@pytest.mark.parametrize("numbers", ["1", [1.5], True, {"a"}])
async def test_what_is_no_dead_letter_is_refused(numbers: Any) -> None:
    _, table = await letters(1)
    with pytest.raises(WrongCall, match="takes dead letters"):
        await table.discard(numbers)


async def test_a_letter_of_a_hub_that_tells_little_is_shown() -> None:
    _, table = await letters(1)
    [row] = table
    assert (row.error, row.worker, row.first, row.message) == ("", "", None, "")
    assert "tries" in repr(table)


@pytest.mark.parametrize(
    ("fields", "state", "waiting"),
    [
        ({"lag": 5, "in_flight": 1, "delayed": 1, "count": 2}, "at work", 3),
        ({"lag": 5, "paused": True}, "paused", 5),
        ({"lag": 5}, "no worker", 5),
        ({"count": 1}, "idle", 0),
        ({"lag": 1, "in_flight": 2, "count": 1}, "at work", 0),
    ],
)
def test_the_state_of_a_group_is_one_word(fields: dict[str, Any], state: str, waiting: int) -> None:
    group = GroupState.of({"group": "g", **fields})
    assert (group.state, group.waiting) == (state, waiting)


async def test_groups_are_read_page_by_page_and_a_missing_one_is_named() -> None:
    hub = Hub({"groups": [{"group": "a"}], "more": True}, {"groups": [{"group": "b"}]})
    groups = await read_groups(hub, "lab")  # type: ignore[arg-type]
    assert [group.name for group in groups] == ["a", "b"]
    assert hub.asked[1][1]["after"] == "a"
    with pytest.raises(NotJoined, match="has no group 'g'"):
        await read_group(Hub({"groups": []}), "lab", "g")  # type: ignore[arg-type]
