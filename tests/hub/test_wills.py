"""A will is published when its member is lost, once, and never otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.members import Refused, until

WILL = {"event": "gone", "data": {"who": "ann"}}


async def history(member: Any) -> list[tuple[str, Any]]:
    page = await member.call("history", room="lab")
    return [(each["event"], each["data"]) for each in page["events"]]


async def test_the_will_of_a_lost_member_is_published_after_the_grace_time(start: Any) -> None:
    hub = await start(grace=0.05)
    bob = await hub.joined(user="bob")
    ann = await hub.joined(user="ann", client="c", fields={"will": {**WILL, "retain": "ann"}})
    await ann.close()
    await until(lambda: bob.named("gone"))
    (got,) = [got for got in bob.events() if got.name == "gone"]
    assert (got.data, got.meta["key"], got.meta["from"]["user"]) == ({"who": "ann"}, "ann", "ann")
    assert len(hub.hub.core.wills) == 0
    assert await hub.log.key_values.all() == [] or all(
        not key.startswith("will:") for key, _, _ in await hub.log.key_values.all()
    )


async def test_a_member_that_leaves_or_comes_back_in_time_leaves_no_will(start: Any) -> None:
    hub = await start(grace=600.0)
    bob = await hub.joined(user="bob")
    ann = await hub.joined(user="ann", client="c", fields={"will": WILL})
    await ann.call("leave", room="lab")
    assert len(hub.hub.core.wills) == 0
    await ann.join(will=WILL)
    await ann.leave()  # it says goodbye
    await until(lambda: len(hub.hub.core.wills) == 0)
    eve = await hub.joined(user="eve", client="e", fields={"will": WILL})
    await eve.close()
    await until(lambda: not any(p.identity.principal == "eve" for p in hub.hub.core.participants))
    back = await hub.joined(user="eve", client="e", fields={"will": WILL})
    hub.end_grace()
    await back.settled()
    assert await history(bob) == []
    await back.close()
    await until(lambda: not any(p.identity.principal == "eve" for p in hub.hub.core.participants))
    hub.end_grace()
    await until(lambda: bob.named("gone"))


async def test_a_later_join_without_a_will_takes_it_back(start: Any) -> None:
    hub = await start()
    ann = await hub.joined(user="ann", client="c", fields={"will": WILL})
    await ann.join()
    assert len(hub.hub.core.wills) == 0


async def test_a_hub_that_shuts_down_publishes_nothing_and_the_next_one_decides(start: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    first = await start(url=url)
    await first.joined(user="ann", client="a", fields={"will": WILL})
    await first.joined(user="eve", client="e", fields={"will": {"event": "gone", "data": "eve"}})
    await first.close()
    second = await start(url=url, restart_grace=600.0)
    assert len(second.hub.core.wills) == 2
    back = await second.joined(user="eve", client="e", fields={"will": {"event": "gone", "data": "eve"}})
    second.end_grace()
    await until(lambda: back.named("gone"))
    assert await history(back) == [("gone", {"who": "ann"})]
    await second.close()
    third = await start(url=url, restart_grace=0.0)
    watcher = await third.joined(user="bob", fields={"first": True})
    await until(lambda: len(watcher.named("gone")) == 2)
    assert await history(watcher) == [("gone", {"who": "ann"}), ("gone", "eve")]


async def test_a_will_is_stored_once_though_the_hub_died_before_it_was_deleted(start: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    first = await start(url=url)
    await first.joined(user="ann", client="a", fields={"will": WILL})
    ((key, value, until_),) = [each for each in await first.log.key_values.all() if each[0].startswith("will:")]
    await first.close()
    second = await start(url=url, restart_grace=0.0)
    bob = await second.joined(user="bob", fields={"first": True})
    await until(lambda: bob.named("gone"))
    await second.log.key_values.put(key, value, until_)  # as if it had not been deleted
    await second.close()
    third = await start(url=url, restart_grace=0.0)
    bob = await third.joined(user="bob")
    await until(lambda: len(third.hub.core.wills) == 0)
    await bob.settled()
    assert await history(bob) == [("gone", {"who": "ann"})]


async def test_the_wills_of_a_deleted_room_are_dropped(start: Any) -> None:
    hub = await start()
    ann = await hub.joined(user="ann", client="c", fields={"will": WILL})
    await ann.publish()
    await ann.call("delete", room="lab")
    assert len(hub.hub.core.wills) == 0


async def test_a_damaged_will_is_dropped(start: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    first = await start(url=url)
    await first.log.key_values.put("will:broken", b"\xc1", 4e9)
    await first.close()
    second = await start(url=url)
    assert len(second.hub.core.wills) == 0


WRONG: dict[str, tuple[Any, str]] = {
    "no object": ("gone", "bad_request"),
    "no event": ({"data": 1}, "bad_request"),
    "an event of the hub": ({"event": "$x"}, "reserved_event"),
    "a key of the hub": ({"event": "x", "retain": "$x"}, "bad_request"),
    "too many bytes": ({"event": "x", "data": "x" * 70_000}, "too_large"),
    "2 MB": ({"event": "x", "data": "x" * 900_000}, "too_large"),
    "too deep": ({"event": "x", "data": [[[[[[]]]]]]}, "too_deep"),
}


@pytest.mark.parametrize(("will", "code"), WRONG.values(), ids=WRONG)
async def test_a_wrong_will_is_refused_and_the_join_with_it(start: Any, will: Any, code: str) -> None:
    hub = await start(depth=5)
    ann = await hub.connect(user="ann")
    with pytest.raises(Refused) as caught:
        await ann.join(will=will)
    assert caught.value.code == code
    assert len(hub.hub.core.wills) == 0
    assert not hub.hub.core.rooms.active


async def test_the_wills_of_a_user_have_a_limit(start: Any) -> None:
    hub = await start(wills=30)
    ann = await hub.joined(user="ann", client="c", fields={"will": {"event": "x", "data": "x" * 20}})
    await ann.join(will={"event": "x", "data": "y" * 20})
    with pytest.raises(Refused, match=r"limit: .*at most 30"):
        await ann.join("other", will={"event": "x", "data": "x" * 20})
    await (await hub.connect(user="bob")).join("other", will={"event": "x", "data": "x" * 20})


async def test_who_may_not_write_has_no_will(start: Any) -> None:
    class ReadOnly:
        def allows(self, user: Any, action: str, room: str) -> bool:
            return action == "read"

    hub = await start(access=ReadOnly())
    with pytest.raises(Refused, match="forbidden"):
        await (await hub.connect(user="ann")).join(will=WILL)
