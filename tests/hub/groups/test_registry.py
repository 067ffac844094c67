"""Worker groups of a real hub."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from typing import Any, ClassVar

import pytest
from support.logs import Clock, sql
from support.members import Member, Refused, until

from jupyter_rtmsg.log import Draft, open_log
from jupyter_rtmsg.process import this_process

GRACE = 0.2


async def work(member: Member, group: str = "resize", room: str = "lab", **fields: Any) -> dict[str, Any]:
    """Begin to work for a group."""
    return await member.call("work", room=room, group=group, **fields)


def given(member: Member) -> list[Any]:
    """Return what was given to a worker, as (seq, attempt)."""
    return [(got.meta["seq"], got.meta["attempt"]) for got in member.got if got.name == "$work"]


async def answer(member: Member, command: str, *deliveries: Any, group: str = "resize", **fields: Any) -> Any:
    """Answer for deliveries."""
    request = {"room": "lab", "group": group, "deliveries": [list(each) for each in deliveries], **fields}
    reply = await member.call(command, request)
    return {key: value for key, value in reply.items() if key != "ok"}


async def test_an_event_is_given_to_one_worker_and_settled_by_done(hub: Any) -> None:
    ann, bob, publisher = [await hub.connect(user=name) for name in ("ann", "bob", "pub")]
    reply = await work(ann, max_in_flight=1)
    assert (reply["made"], reply["tries"], reply["held"]) == (True, 5, [])
    assert (await work(bob, max_in_flight=1))["made"] is False
    seqs = await publisher.publish_many(4)
    await until(lambda: len(given(ann)) == len(given(bob)) == 1)
    await publisher.settled()
    assert {given(ann)[0][0], given(bob)[0][0]} == set(seqs[:2])
    assert await answer(ann, "done", *given(ann)) == {"settled": 1, "stale": []}
    await until(lambda: len(given(ann)) == 2)
    assert given(ann)[1] == (seqs[2], 1)
    meta = next(got for got in ann.got if got.name == "$work").meta
    assert (meta["event"], meta["group"], meta["deliveries"]) == ("tick", "resize", 1)
    assert "redelivered" not in meta


async def test_a_handler_that_raises_gets_the_event_again_and_then_it_is_a_dead_letter(start: Any, url: str) -> None:
    hub = await start(url=url, retry_pause=0.01)
    worker = await hub.connect(user="ann")
    await work(worker, tries=2)
    seq = await worker.publish({"a": 1})
    await until(lambda: given(worker) == [(seq, 1)])
    error = {"type": "ValueError", "message": "no", "traceback": "Traceback ..."}
    assert await answer(worker, "retry", (seq, 1), error=error) == {"returned": 1, "dead": 0, "stale": []}
    await until(lambda: given(worker) == [(seq, 1), (seq, 2)])
    meta = [got for got in worker.got if got.name == "$work"][-1].meta
    assert (meta["deliveries"], meta["redelivered"], meta["error"]) == (2, True, "ValueError: no")
    assert await answer(worker, "retry", (seq, 2), error=error) == {"returned": 0, "dead": 1, "stale": []}
    page = await worker.call("dead_letters", room="lab", group="resize")
    [letter] = page["letters"]
    assert (letter["seq"], letter["data"], letter["reason"], letter["error"]) == (seq, {"a": 1}, "tries", error)
    assert (page["count"], page["more"], page["through"]) == (1, False, 1)
    assert (await worker.call("redrive", room="lab", group="resize"))["redriven"] == 1
    assert (await worker.call("groups", room="lab"))["groups"][0]["lag"] == 1
    await until(lambda: len(given(worker)) == 3)
    assert await answer(worker, "done", given(worker)[-1]) == {"settled": 1, "stale": []}
    [group] = (await worker.call("groups", room="lab"))["groups"]
    assert (group["lag"], group["dead"], group["done"]) == (0, 0, 1)


async def test_what_a_lost_worker_held_is_given_again_after_the_grace_time(start: Any) -> None:
    hub = await start(grace=GRACE)
    ann, bob = await hub.connect(user="ann", client="a"), await hub.connect(user="bob", client="b")
    await work(ann)
    seq = await bob.publish()
    await until(lambda: given(ann) == [(seq, 1)])
    await work(bob)
    await ann.close()
    await until(lambda: given(bob) == [(seq, 2)])
    again = await hub.connect(user="ann", client="a")
    assert (await work(again, holds=[[seq, 1]]))["held"] == []
    assert await answer(again, "done", (seq, 1)) == {"settled": 0, "stale": [[seq, 1]]}
    assert await answer(bob, "done", (seq, 2)) == {"settled": 1, "stale": []}


async def test_a_worker_that_comes_back_within_the_grace_time_keeps_what_it_holds(start: Any) -> None:
    hub = await start(grace=60.0)
    ann, bob = await hub.connect(user="ann", client="a"), await hub.connect(user="bob", client="b")
    await work(ann)
    await work(bob)
    seqs = await bob.publish_many(2)
    await until(lambda: len(given(ann)) == len(given(bob)) == 1)
    held = given(ann)[0]
    await ann.close()
    again = await hub.connect(user="ann", client="a")
    assert (await work(again, holds=[list(held), [seqs[0] + 100, 1]]))["held"] == [list(held)]
    assert await answer(again, "done", held) == {"settled": 1, "stale": []}


async def test_groups_continue_where_they_were_after_a_restart(start: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    hub = await start(url=url, grace=GRACE)
    worker = await hub.connect(user="ann", client="a")
    await work(worker, max_in_flight=3)
    seqs = await worker.publish_many(5)
    await until(lambda: len(given(worker)) == 3)
    await answer(worker, "done", given(worker)[1])
    await until(lambda: len(given(worker)) == 4)
    await hub.close()
    hub = await start(url=url, grace=GRACE)
    worker = await hub.connect(user="ann", client="other")
    assert (await work(worker, max_in_flight=10))["made"] is False
    await until(lambda: len(given(worker)) == 4)
    assert sorted(seq for seq, _ in given(worker)) == [seqs[0], *seqs[2:]]
    again = {got.meta["seq"]: "redelivered" in got.meta for got in worker.got if got.name == "$work"}
    assert again == {seqs[0]: True, seqs[2]: True, seqs[3]: True, seqs[4]: False}


async def test_wrong_requests_are_refused(hub: Any) -> None:
    worker = await hub.connect(user="ann")
    await work(worker)
    for command, fields, code in [
        ("work", {"group": ""}, "bad_request"),
        ("work", {"group": "g", "tries": 0}, "bad_request"),
        ("work", {"group": "g", "ack_wait": 0}, "bad_request"),
        ("work", {"group": "g", "start": "middle"}, "bad_request"),
        ("work", {"group": "g", "start": {"seq": 1}}, "bad_request"),
        ("work", {"group": "g", "pid": "here.0.1"}, "bad_request"),
        ("work", {"group": "g", "pid": "here"}, "bad_request"),
        ("work", {"group": "g", "max_in_flight": 1001}, "limit"),
        ("done", {"group": "resize", "deliveries": 5}, "bad_request"),
        ("done", {"group": "resize", "deliveries": [[1]]}, "bad_request"),
        ("done", {"group": "resize", "deliveries": [[1, 1]] * 1001}, "limit"),
        ("done", {"group": "other", "deliveries": []}, "not_joined"),
        ("retry", {"group": "resize", "deliveries": [], "after": -1}, "bad_request"),
        ("retry", {"group": "resize", "deliveries": [], "error": "no"}, "bad_request"),
        ("reject", {"group": "resize", "deliveries": []}, "bad_request"),
        ("unwork", {"group": "other"}, "not_joined"),
        ("pause_group", {"group": "other"}, "not_joined"),
        ("redrive", {"group": "resize", "numbers": ["1"]}, "bad_request"),
    ]:
        with pytest.raises(Refused) as refused:
            await worker.call(command, room="lab", **fields)
        assert (command, refused.value.code) == (command, code)
    assert await answer(worker, "done", (12345, 1)) == {"settled": 0, "stale": [[12345, 1]]}


async def test_a_group_moves_with_its_log_and_its_workers_go_on(start: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    holder = await open_log(url, ballast=0)
    await holder.append(Draft("lab", "tick", b"0"))
    hub = await start(url=url, recheck=3600.0, retry_pause=0.01, grace=60.0)
    worker = await hub.connect(user="ann")
    await work(worker, max_in_flight=10)
    await worker.publish_many(5)
    await until(lambda: len(given(worker)) == 5)
    first, second, *others = given(worker)
    await answer(worker, "done", first)
    await answer(worker, "retry", second, after=0.01, error={"type": "E"})
    await until(lambda: given(worker)[-1] == (second[0], 2))
    await holder.close()
    await until(lambda: hub.log.durable and hub.hub.core.follower.resets == 1)
    assert await answer(worker, "done", *others, (second[0], 2)) == {"settled": 4, "stale": []}
    assert await answer(worker, "done", first) == {"settled": 0, "stale": [list(first)]}
    await worker.publish()
    await until(lambda: given(worker)[-1] == (7, 1_000_001))
    await answer(worker, "done", (7, 1_000_001))
    [group] = (await worker.call("groups", room="lab"))["groups"]
    assert (group["done"], group["trimmed"], group["in_flight"], group["lag"]) == (6, 0, 0, 0)
    assert group["floor"] == group["head"] == 7


async def test_deleting_the_room_ends_its_groups_with_a_reason(hub: Any) -> None:
    worker = await hub.connect(user="ann")
    await work(worker)
    seq = await worker.publish()
    await until(lambda: given(worker) == [(seq, 1)])
    await worker.call("delete", room="lab")
    told = {"room": "lab", "group": "resize", "state": "deleted", "user": "ann"}
    assert await worker.has("$group") == [told]
    with pytest.raises(Refused) as refused:
        await answer(worker, "done", (seq, 1))
    assert refused.value.code == "not_joined"
    assert (await work(worker))["made"] is True


async def test_who_may_not_write_may_not_work_and_who_may_no_longer_is_told(start: Any) -> None:
    class Rights:
        writers: ClassVar[set[str]] = {"ann"}

        def allows(self, credential: str, action: str, room: str) -> bool:
            return action == "read" or (action == "write" and credential in self.writers)

    hub = await start(access=Rights(), grace=60.0)
    ann, bob = await hub.connect(user="ann"), await hub.connect(user="bob")
    await work(ann)
    with pytest.raises(Refused) as refused:
        await work(bob)
    assert refused.value.code == "forbidden"
    for command in ("pause_group", "delete_group", "redrive", "discard"):
        with pytest.raises(Refused) as refused:
            await bob.call(command, room="lab", group="resize")
        assert (command, refused.value.code) == (command, "forbidden")
    assert (await bob.call("groups", room="lab"))["groups"][0]["count"] == 1
    Rights.writers.clear()
    hub.hub.recheck()
    [error] = await ann.has("$error")
    assert (error["command"], error["group"], error["code"]) == ("work", "resize", "forbidden")


async def test_workers_must_agree_but_the_only_one_may_change_the_settings(hub: Any) -> None:
    ann, bob = await hub.connect(user="ann"), await hub.connect(user="bob")
    await work(ann, event="image.*", key="user", tries=3)
    for field, value in {"event": "image", "key": None, "tries": 4, "ack_wait": 5}.items():
        with pytest.raises(Refused) as refused:
            await work(bob, **{"event": "image.*", "key": "user", "tries": 3, field: value})
        assert refused.value.code == "group_conflict"
        assert f"`{field}`" in refused.value.message
    seq = await ann.publish({"user": "u"}, event="other")
    reply = await work(ann, event="other", key="user", tries=3)
    assert (reply["event"], reply["made"]) == ("other", False)
    later = await ann.publish({"user": "v"}, event="other")
    await until(lambda: given(ann))
    assert given(ann)[0][0] in (seq, later)


async def test_a_paused_group_gives_nothing_until_it_is_resumed(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    await work(ann)
    await ann.call("pause_group", room="lab", group="resize")
    seq = await ann.publish()
    assert (await ann.call("groups", room="lab", group="resize"))["groups"][0]["lag"] == 1
    assert given(ann) == []
    await ann.call("resume_group", room="lab", group="resize")
    await until(lambda: given(ann) == [(seq, 1)])
    assert [notice["state"] for notice in ann.named("$group")] == ["paused", "resumed"]


async def test_only_the_newest_dead_letters_are_kept_and_the_others_are_counted(start: Any, url: str) -> None:
    hub = await start(url=url, dead_letters=3)
    ann = await hub.connect(user="ann")
    await work(ann, max_in_flight=10)
    seqs = await ann.publish_many(5)
    await until(lambda: len(given(ann)) == 5)
    assert await answer(ann, "reject", *given(ann), reason="x" * 5000) == {"dead": 5, "stale": []}
    page = await ann.call("dead_letters", room="lab", group="resize", limit=2)
    assert [(letter["seq"], letter["number"]) for letter in page["letters"]] == [(seqs[2], 3), (seqs[3], 4)]
    assert (page["count"], page["discarded"], page["more"], page["through"]) == (3, 2, True, 4)
    assert page["letters"][0]["message"].endswith("(cut)")
    assert len(page["letters"][0]["message"]) == 2048
    assert (await ann.call("discard", room="lab", group="resize", numbers=[3, 77]))["discarded"] == 1
    assert (await ann.call("discard", room="lab", group="resize"))["discarded"] == 2
    assert (await ann.call("groups", room="lab"))["groups"][0]["dead"] == 0


async def test_a_worker_that_does_not_answer_within_ack_wait_loses_the_event_unless_it_says_so(start: Any) -> None:
    now = [1000.0]
    hub = await start(clock=lambda: now[0], grace=60.0, retry_pause=0.0)
    ann = await hub.connect(user="ann")
    await work(ann, ack_wait=5, tries=2)
    seq = await ann.publish()
    await until(lambda: given(ann) == [(seq, 1)])
    now[0] += 4
    assert (await answer(ann, "working", (seq, 1), (seq, 7)))["stale"] == [[seq, 7]]
    now[0] += 4
    bob = await hub.connect(user="bob")
    await work(bob, ack_wait=5, tries=2)
    assert given(bob) == []
    now[0] += 2
    await work(bob, ack_wait=5, tries=2)
    await until(lambda: given(bob) == [(seq, 2)])
    meta = next(got for got in bob.got if got.name == "$work").meta
    assert "ack_wait" in meta["error"]
    assert await answer(ann, "done", (seq, 1)) == {"settled": 0, "stale": [[seq, 1]]}
    assert await answer(bob, "done", (seq, 2)) == {"settled": 1, "stale": []}


async def test_attachments_travel_with_deliveries_and_dead_letters(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    await work(ann, max_in_flight=2)
    data = [{"image": b"one", "name": "a"}, {"images": [b"two", b"three"]}]
    for each in data:
        await ann.publish(each, event="image")
    await until(lambda: len(given(ann)) == 2)
    assert [got.data for got in ann.got if got.name == "$work"] == data
    await answer(ann, "reject", *given(ann), reason="no")
    page = await ann.call("dead_letters", room="lab", group="resize")
    assert [letter["data"] for letter in page["letters"]] == data
    await ann.call("redrive", room="lab", group="resize", numbers=[2])
    await until(lambda: len(given(ann)) == 3)
    again = [got for got in ann.got if got.name == "$work"][-1]
    assert (again.data, again.meta["deliveries"], again.meta["redelivered"]) == (data[1], 2, True)


async def test_an_event_that_was_a_dead_letter_is_in_the_lag_until_it_is_settled_also_without_workers(
    start: Any, url: str
) -> None:
    hub = await start(url=url)
    worker = await hub.connect(user="ann")

    async def lag() -> Any:
        [group] = (await worker.call("groups", room="lab"))["groups"]
        return group["lag"]

    await work(worker)
    await worker.publish({"a": 1})
    await until(lambda: len(given(worker)) == 1)
    await answer(worker, "reject", *given(worker), reason="no")
    assert await lag() == 0
    await worker.call("unwork", room="lab", group="resize")
    assert (await worker.call("redrive", room="lab", group="resize"))["redriven"] == 1
    assert await lag() == 1
    await work(worker)
    await until(lambda: len(given(worker)) == 2)
    assert await lag() == 1
    await answer(worker, "done", given(worker)[-1])
    assert await lag() == 0


@pytest.mark.parametrize("with_workers", [True, False])
async def test_a_late_answer_for_what_was_redriven_since_is_stale(start: Any, url: str, with_workers: bool) -> None:
    hub = await start(url=url)
    worker = await hub.connect(user="ann", client="a")
    await work(worker)
    seq = await worker.publish()
    await until(lambda: given(worker) == [(seq, 1)])
    await answer(worker, "reject", (seq, 1), reason="no")
    if not with_workers:
        await worker.call("unwork", room="lab", group="resize")
        await until(lambda: not list(hub.hub.core.groups.runners()))
    await worker.call("redrive", room="lab", group="resize")
    assert (await work(worker, holds=[[seq, 1]]))["held"] == []
    await until(lambda: len(given(worker)) == 2)
    assert given(worker)[1][1] > 1
    assert await answer(worker, "done", (seq, 1)) == {"settled": 0, "stale": [[seq, 1]]}
    assert await answer(worker, "reject", (seq, 1), reason="no") == {"dead": 0, "stale": [[seq, 1]]}
    assert await answer(worker, "done", given(worker)[1]) == {"settled": 1, "stale": []}


async def test_a_damaged_event_becomes_a_dead_letter(start: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    hub = await start(url=url)
    ann = await hub.connect(user="ann")
    seqs = await ann.publish_many(3)
    await hub.close()
    sql(tmp_path / "log.sqlite3", "UPDATE event SET data = x'22' WHERE seq = ?", seqs[1])
    hub = await start(url=url)
    ann = await hub.connect(user="ann")
    await work(ann, max_in_flight=5, event="tick")
    await until(lambda: [seq for seq, _ in given(ann)] == [seqs[0], seqs[2]])
    [letter] = (await ann.call("dead_letters", room="lab", group="resize"))["letters"]
    assert (letter["seq"], letter["reason"], letter["data"]) == (seqs[1], "corrupt", None)


async def test_an_event_that_has_expired_is_not_given(start: Any) -> None:
    clock = Clock()
    hub = await start(options={"clock": clock, "monotonic": clock})
    ann = await hub.connect(user="ann")
    await work(ann)
    first = await ann.publish()
    await ann.publish(expire=5)
    await ann.publish(expire=5_000)
    await until(lambda: len(given(ann)) == 1)
    clock.now += 10
    await answer(ann, "done", (first, 1))
    await until(lambda: len(given(ann)) == 2)
    assert given(ann)[1] == (first + 2, 1)
    assert (await ann.call("groups", room="lab"))["groups"][0]["trimmed"] == 1


async def test_the_numbers_of_groups_and_workers_are_limited(start: Any) -> None:
    hub = await start(groups=40, groups_per_room=3, workers=2)
    ann, bob, cid = [await hub.connect(user=name) for name in ("ann", "bob", "cid")]
    await work(ann)
    await work(bob)
    for member, fields, words in [
        (cid, {"group": "resize"}, "2 workers"),
        (ann, {"group": "five", "room": "c"}, "ann has made 4 groups"),
        (bob, {"group": "four"}, "'lab' has 3 groups"),
    ]:
        if member is ann:
            for name, room in (("two", "lab"), ("three", "lab"), ("four", "b")):
                await work(ann, name, room)
        with pytest.raises(Refused) as refused:
            await work(member, fields["group"], fields.get("room", "lab"))
        assert refused.value.code == "limit"
        assert words in refused.value.message
    await ann.call("delete_group", room="lab", group="two")
    assert (await work(ann, "five", "c"))["made"] is True


async def test_a_group_starts_where_its_first_worker_says(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    seqs = await ann.publish_many(3)
    epoch = (await ann.join())["epoch"]
    starts = {"first": "first", "after": {"seq": seqs[0], "epoch": epoch}, "since": {"ts": 1}, "new": "new"}
    for name, start in starts.items():
        assert (await work(ann, name, max_in_flight=9, start=start))["made"] is True
    seqs.append(await ann.publish())
    await until(lambda: len([got for got in ann.got if got.name == "$work"]) == 4 + 3 + 4 + 1)
    got = {name: [each.meta["seq"] for each in ann.got if each.name == "$work" and each.meta["group"] == name]
           for name in starts}  # fmt: skip
    assert got == {"first": seqs, "after": seqs[1:], "since": seqs, "new": seqs[3:]}
    with pytest.raises(Refused) as refused:
        await work(ann, "other", start={"seq": 1, "epoch": "another"})
    assert refused.value.code == "epoch"


async def test_what_another_has_is_not_settled_by_a_neighbour(hub: Any) -> None:
    ann, bob = await hub.connect(user="ann"), await hub.connect(user="bob")
    await work(ann)
    seq = await ann.publish()
    await until(lambda: given(ann) == [(seq, 1)])
    await work(bob)
    for command, fields in (("done", {}), ("retry", {}), ("reject", {"reason": "no"}), ("working", {})):
        assert (await answer(bob, command, (seq, 1), (seq, 2), **fields))["stale"] == [[seq, 1], [seq, 2]]
    assert await answer(ann, "done", (seq, 1), (seq, 1)) == {"settled": 1, "stale": [[seq, 1]]}


async def test_a_worker_that_leaves_gives_back_what_it_has_at_once(start: Any) -> None:
    hub = await start(grace=600.0)
    ann, bob, cid = [await hub.connect(user=name) for name in ("ann", "bob", "cid")]
    await work(ann)
    seq = await ann.publish()
    await until(lambda: given(ann) == [(seq, 1)])
    await work(bob)
    await ann.call("unwork", room="lab", group="resize")
    await until(lambda: given(bob) == [(seq, 2)])
    await work(cid)
    await bob.leave()
    await until(lambda: given(cid) == [(seq, 3)])
    group = (await cid.call("groups", room="lab"))["groups"][0]
    assert (group["dead"], group["count"]) == (0, 1)


async def test_workers_that_come_at_the_same_time_do_not_disturb_each_other(hub: Any) -> None:
    members = [await hub.connect(user=f"user{number}") for number in range(6)]
    asked = [
        member.ask("work", {"room": "lab", "group": "resize", "tries": 3 if number % 2 else 4})
        for number, member in enumerate(members)
    ]
    replies = await asyncio.gather(*asked)
    codes = [reply["ok"] or reply["error"]["code"] for reply in replies]
    assert codes in ([True, "group_conflict"] * 3, ["group_conflict", True] * 3)  # whoever was first
    seqs = await members[0].publish_many(3)
    await until(lambda: sum(len(given(member)) for member in members) == 3)
    assert sorted(seq for member in members for seq, _ in given(member)) == seqs


async def test_a_group_stops_without_workers_and_nothing_runs_then(hub: Any) -> None:
    ann = await hub.connect(user="ann")
    await work(ann)
    await ann.call("unwork", room="lab", group="resize")
    groups = hub.hub.core.groups
    await until(lambda: not list(groups.runners()))
    assert groups._alarm._timer is None
    await ann.publish()
    assert (await ann.call("groups", room="lab"))["groups"][0]["lag"] == 1
    assert (await ann.call("delete_group", room="lab", group="resize"))["deleted"] == {"pending": 1, "dead": 0}


async def test_after_a_crash_what_may_have_been_given_says_redelivered_and_can_be_claimed(
    start: Any, tmp_path: Any
) -> None:
    hub = await start(url=f"sqlite:///{tmp_path}/one/log.sqlite3")
    ann = await hub.connect(user="ann", client="a")
    await work(ann, max_in_flight=3)
    seqs = await ann.publish_many(4)
    await until(lambda: len(given(ann)) == 3)
    await answer(ann, "done", (seqs[0], 1))
    await until(lambda: len(given(ann)) == 4)
    await work(await hub.connect(user="carl", client="c"))  # will not come back
    shutil.copytree(tmp_path / "one", tmp_path / "two")  # as the files would be if the hub was killed now
    now = [1000.0]
    hub = await start(url=f"sqlite:///{tmp_path}/two/log.sqlite3", clock=lambda: now[0], grace=60.0)
    bob, back = await hub.connect(user="bob", client="b"), await hub.connect(user="ann", client="a")
    await work(bob, max_in_flight=9)
    held = [[seqs[1], 1], [seqs[0], 1], [seqs[3] + 5, 1]]
    assert (await work(back, max_in_flight=3, holds=held))["held"] == [[seqs[1], 1]]
    later = await bob.publish()
    await until(lambda: given(bob) == [(later, 1)])  # what was never given need not wait
    now[0] += 61
    await answer(bob, "done", (later, 1))
    await until(lambda: len(given(bob)) == 3)
    assert sorted(given(bob)[1:]) == [(seqs[2], 1), (seqs[3], 1)]
    told = {got.meta["seq"]: got.meta.get("redelivered", False) for got in bob.got if got.name == "$work"}
    assert told == {later: False, seqs[2]: True, seqs[3]: True}
    assert await answer(back, "done", (seqs[1], 1)) == {"settled": 1, "stale": []}
    assert await answer(back, "done", (seqs[2], 1)) == {"settled": 0, "stale": [[seqs[2], 1]]}


def ended_process() -> str:
    """Return the name of a process that has ended."""
    code = "from jupyter_rtmsg.process import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


async def test_events_are_held_back_after_a_crash_only_until_all_workers_of_before_are_accounted_for(
    start: Any, tmp_path: Any
) -> None:
    hub = await start(url=f"sqlite:///{tmp_path}/one/log.sqlite3")
    workers = {name: await hub.connect(user=name, client=name) for name in ("ann", "bob", "carl", "dora", "eve")}
    seqs = await workers["eve"].publish_many(6)
    await work(workers["ann"])
    await work(workers["bob"])
    await work(workers["carl"], pid=ended_process())
    await work(workers["dora"])
    await until(lambda: all(given(workers[name]) for name in ("ann", "bob", "carl", "dora")))
    await workers["dora"].call("unwork", room="lab", group="resize")
    await until(lambda: len(next(hub.hub.core.groups.runners()).group.workers) == 3)
    await hub.log.key_values.put("after", None, 0.0)
    held = given(workers["ann"])[0]
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    hub = await start(url=f"sqlite:///{tmp_path}/two/log.sqlite3", grace=3600.0)
    new, ann, bob = [await hub.connect(user=name, client=name) for name in ("new", "ann", "bob")]
    await work(new, max_in_flight=9)
    assert (await work(ann, holds=[list(held)]))["held"] == [list(held)]
    later = await new.publish()
    await until(lambda: given(new))
    assert given(new) == [(later, 1)]  # bob may still come back
    await work(bob)
    await until(lambda: len(given(new)) + len(given(bob)) == 6)
    assert sorted(seq for seq, _ in given(new) + given(bob)) == [*sorted(set(seqs) - {held[0]}), later]
    assert await answer(ann, "done", held) == {"settled": 1, "stale": []}


async def test_a_lost_worker_whose_process_has_ended_is_not_waited_for(start: Any) -> None:
    hub = await start(grace=3600.0)
    ann, bob = await hub.connect(user="ann", client="a"), await hub.connect(user="bob", client="b")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from jupyter_rtmsg.process import this_process; print(this_process()); input()",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    await work(ann, pid=(await child.stdout.readline()).decode().strip())
    await work(bob, max_in_flight=1)
    seqs = await bob.publish_many(2)
    await until(lambda: given(ann) and given(bob))
    mine = given(bob)[0]
    await ann.close()
    await answer(bob, "done", mine)
    child.kill()
    await child.wait()
    await until(lambda: len(given(bob)) == 2)
    [other] = set(seqs) - {mine[0]}
    assert given(bob)[1] == (other, 2)
    assert [got.meta.get("error") for got in bob.got if got.name == "$work"][1].startswith("its worker")


async def test_a_lost_worker_whose_process_lives_keeps_what_it_holds(start: Any) -> None:
    hub = await start(grace=3600.0)
    ann, bob = await hub.connect(user="ann", client="a"), await hub.connect(user="bob", client="b")
    await work(ann, pid=str(this_process()))
    seq = await bob.publish()
    await until(lambda: given(ann))
    await work(bob)
    await ann.close()
    later = await bob.publish()
    await until(lambda: given(bob) == [(later, 1)])
    again = await hub.connect(user="ann", client="a")
    assert (await work(again, holds=[[seq, 1]], pid=str(this_process())))["held"] == [[seq, 1]]


async def test_no_row_is_left_of_workers_that_are_gone(hub: Any) -> None:
    ann = await hub.connect(user="ann", client="a")

    async def rows() -> int:
        return sum(key.startswith("worker:") for key, _, _ in await hub.log.key_values.all())

    await work(ann)
    await work(ann, "other")
    assert await rows() == 2
    with pytest.raises(Refused):
        await work(await hub.connect(user="bob", client="b"), tries=1)
    await ann.call("unwork", room="lab", group="resize")
    await ann.call("delete_group", room="lab", group="other")
    await until(lambda: not list(hub.hub.core.groups.runners()))
    await hub.log.key_values.put("after", None, 0.0)
    assert await rows() == 0


async def test_a_worker_gets_its_first_event_after_it_is_stored_that_it_may_have_it(
    start: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = await start(url=f"sqlite:///{tmp_path}/log.sqlite3")
    ann = await hub.connect(user="ann")
    await work(ann)
    await ann.call("unwork", room="lab", group="resize")
    seq = await ann.publish()
    states, groups, writes = hub.hub.core.log.groups, hub.hub.core.groups, []
    await until(lambda: not list(groups.runners()))
    await states.stored()
    submit = states._submit
    monkeypatch.setattr(states, "_submit", writes.append)
    ann.ask("work", {"room": "lab", "group": "resize"})
    await until(lambda: writes)
    assert [worker for runner in groups.runners() for worker in runner.group.workers if worker.held] == []
    submit(writes[0])
    await until(lambda: given(ann) == [(seq, 1)])


async def test_a_window_that_goes_back_while_a_page_is_read_loses_nothing(start: Any) -> None:
    hub = await start(group_window=8, page_events=4)
    ann = await hub.connect(user="ann")
    for number in range(200):
        ann.ask("publish", {"room": "lab", "event": "tick", "data": {"key": number % 3}})
    await work(ann, key="key", max_in_flight=50)
    answered: set[Any] = set()

    def has_fresh() -> bool:
        return bool(set(given(ann)) - answered)

    while len(answered) < 200:
        await until(has_fresh)
        fresh = set(given(ann)) - answered
        answered.update(fresh)
        await answer(ann, "done", *fresh)
    [group] = (await ann.call("groups", room="lab"))["groups"]
    assert (group["done"], group["trimmed"], group["lag"]) == (200, 0, 0)


async def test_a_worker_that_takes_batches_gets_several_events_in_one_message(hub: Any) -> None:
    plain, batching, publisher = [await hub.connect(user=name) for name in ("ann", "bob", "pub")]
    seqs = await publisher.publish_many(6)
    await work(batching, max_in_flight=4, batches=True)
    await until(lambda: any(got.name == "$work" for got in batching.got))
    [message] = [got for got in batching.got if got.name == "$work"]
    assert message.meta == {"room": "lab", "group": "resize", "count": 4}
    assert [entry[2]["seq"] for entry in message.data] == seqs[:4]
    await work(plain, max_in_flight=4)
    await until(lambda: given(plain) == [(seq, 1) for seq in seqs[4:]])
    deliveries = [(seq, 1) for seq in seqs[:4]]
    assert await answer(batching, "done", *deliveries, deliveries[0]) == {"settled": 4, "stale": [[seqs[0], 1]]}


async def test_the_entry_that_is_no_delivery_is_named(hub: Any) -> None:
    worker = await hub.connect(user="ann")
    await work(worker)
    for wrong in ([True, 1], [1], 5, [1, -1], [2**63, 1], [1.5, 1]):
        with pytest.raises(Refused, match="entry 1 of `deliveries` must be"):
            await worker.call("done", room="lab", group="resize", deliveries=[[1, 1], wrong])
