from __future__ import annotations

from typing import Any

import pytest
from support.members import Refused, until

from jupyter_rtmsg.hub import rooms


@pytest.fixture(autouse=True)
def told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "NOTICE_INTERVAL", 0.02)


def told(member: Any) -> int:
    return len(member.named("$rooms"))


async def names(member: Any, **request: Any) -> list[str]:
    return [room["room"] for room in (await member.call("rooms", **request))["rooms"]]


async def test_a_watcher_of_the_list_is_told_once_that_it_has_changed(start: Any) -> None:
    hub = await start()
    watcher, other = await hub.connect(), await hub.connect()
    assert await names(watcher, watch=True) == []
    assert await names(other) == []
    await other.join("lab")
    await until(lambda: told(watcher) == 1)
    await other.publish(1)
    await other.publish(2)
    assert await names(watcher, watch=True) == ["lab"]
    assert told(watcher) == 1  # it did not ask again in between
    await other.publish(3)
    await until(lambda: told(watcher) == 2)
    assert await names(watcher, watch=True) == ["lab"]
    await other.leave()
    await until(lambda: told(watcher) == 3)
    assert told(other) == 0


async def test_nothing_is_told_and_no_timer_runs_while_nothing_changes(start: Any) -> None:
    hub = await start()
    watcher = await hub.connect()
    await names(watcher, watch=True)
    watchers = hub.hub.core.rooms.watchers
    assert watchers._timer is None
    member = await hub.joined()
    await until(lambda: told(watcher) == 1)
    await member.publish(1)
    assert watchers._timer is None  # no watcher is left
    await names(watcher, watch=True)
    await watcher.close()
    await until(lambda: not watchers._waiting)


async def test_a_watch_that_is_not_a_boolean_is_refused(start: Any) -> None:
    hub = await start()
    watcher = await hub.connect()
    with pytest.raises(Refused, match="bad_request"):
        await names(watcher, watch="yes")


class OnlyOpen:
    """Allows to read some rooms, and keeps the others secret."""

    def allows(self, credential: str, action: str, room: str) -> bool:
        return action == "write" or room.startswith("open")


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
async def test_no_page_names_a_room_that_may_not_be_read(start: Any, limit: int) -> None:
    hub = await start(access=OnlyOpen())
    ann = await hub.connect()
    for room in ("a-secret", "open-1", "open-2", "p-secret", "q-secret"):
        await ann.publish(room=room)
    page = {"more": True, "through": ""}
    told: list[str] = []
    while page["more"]:
        page = await ann.call("rooms", limit=limit, **({"after": page["through"]} if page["through"] else {}))
        assert "secret" not in str(page)
        told += [room["room"] for room in page["rooms"]]
    assert told == ["open-1", "open-2"]
    assert page["rooms"]  # the last page is never empty
