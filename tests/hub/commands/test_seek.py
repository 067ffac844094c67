"""A subscription is moved to another position, and nothing from before moves it back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.members import Member, Refused, until

NOTES = {"as": "notes"}


async def reader(hub: Any, number: int = 5, **fields: Any) -> tuple[Member, list[int]]:
    """Return a member that has joined with a subscription and got some events."""
    member = await hub.joined(user="ann", fields={**NOTES, **fields})
    seqs = await member.publish_many(number)
    await until(lambda: len(member.seqs()) == number)
    return member, seqs


async def seek(member: Member, to: Any, **fields: Any) -> dict[str, Any]:
    return await member.call("seek", {"room": "lab", "to": to, **fields})


async def code_of(member: Member, command: str, **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        await member.call(command, {"room": "lab", **fields})
    return refused.value.code


async def test_a_seek_is_to_the_first_event_the_end_a_position_a_time_or_some_events_later(hub: Any) -> None:
    ann, seqs = await reader(hub)
    times = [got.meta["ts"] for got in ann.events()]
    for to, cursor in (
        ("end", seqs[4]),
        ("first", seqs[0] - 1),
        ({"seq": seqs[1]}, seqs[1]),
        ({"skip": 2}, seqs[3]),
        ({"skip": 0}, seqs[3]),
        ({"skip": 99}, seqs[4]),
        ({"ts": times[0]}, seqs[0] - 1),
        ({"ts": times[-1] + 60_000}, seqs[4]),
    ):
        reply = await seek(ann, to)
        assert (to, reply["cursor"], reply["cursor_n"]) == (to, cursor, sum(seq <= cursor for seq in seqs))


async def test_the_reply_has_the_position_before_and_a_seek_to_it_undoes_the_seek(hub: Any) -> None:
    ann, seqs = await reader(hub)
    await ann.call("ack", room="lab", seq=seqs[1])
    skipped = await seek(ann, "end")
    assert (skipped["was"], skipped["cursor"]) == (seqs[1], seqs[4])
    assert (await seek(ann, {"seq": skipped["was"]}))["cursor"] == seqs[1]
    assert (await ann.call("lag", room="lab"))["missed"] == 3


async def test_every_seek_raises_the_generation_and_a_join_tells_it(hub: Any) -> None:
    ann, _ = await reader(hub)
    assert [(await seek(ann, to))["generation"] for to in ("first", "first", "end")] == [1, 2, 3]
    assert (await ann.join(**NOTES))["generation"] == 3
    assert "generation" not in await (await hub.connect()).join()


async def test_an_acknowledgement_of_an_earlier_generation_is_stale_and_moves_nothing(hub: Any) -> None:
    ann, seqs = await reader(hub)
    first = await seek(ann, "first")
    assert await code_of(ann, "ack", seq=seqs[3]) == "stale"  # of the generation in which it joined
    assert await code_of(ann, "ack", seq=seqs[3], generation=0) == "stale"
    assert (await ann.call("ack", room="lab", seq=seqs[0], generation=first["generation"]))["cursor"] == seqs[0]
    await ann.join(**NOTES)
    assert (await ann.call("ack", room="lab", seq=seqs[1]))["cursor"] == seqs[1]


async def test_a_join_after_a_seek_starts_at_the_cursor_whatever_the_client_had_received(hub: Any) -> None:
    ann, seqs = await reader(hub)
    joined = {**NOTES, "after": seqs[4], "epoch": hub.log.epoch, "generation": 0}
    await seek(ann, {"seq": seqs[1]})
    reply = await ann.join(**joined)
    assert (reply["cursor"], reply["generation"], reply["missed"]) == (seqs[1], 1, 3)
    reply = await ann.join(**{**joined, "generation": 1})
    assert (reply["cursor"], reply["missed"]) == (seqs[4], 0)


async def test_the_owner_is_told_when_another_connection_of_its_user_moves_the_subscription(hub: Any) -> None:
    ann, seqs = await reader(hub)
    other = await hub.connect(user="ann")
    reply = await seek(other, "first", **NOTES)
    (told,) = await ann.has("$seek")
    assert told == {"room": "lab", "as": "notes", **{key: reply[key] for key in (
        "cursor", "cursor_n", "generation", "epoch", "opening")}}  # fmt: skip
    assert await code_of(ann, "ack", seq=seqs[4]) == "stale"
    await seek(ann, "end")
    await ann.settled()
    assert len(ann.named("$seek")) == 1  # it knows of its own


async def test_two_seeks_at_once_are_made_one_after_the_other(hub: Any) -> None:
    ann, seqs = await reader(hub)
    replies = await asyncio.gather(*(ann.ask("seek", {"room": "lab", "to": to}) for to in ("first", "end", "first")))
    assert max(reply["generation"] for reply in replies) == 3
    # Each is told what was true when it was stored, so the newest generation names the position that holds.
    assert {reply["cursor"] for reply in replies if reply["generation"] == 3} == {
        (await ann.call("lag", room="lab"))["cursor"]
    }
    assert (await ann.call("lag", room="lab"))["cursor"] in (seqs[0] - 1, seqs[4])


@pytest.mark.parametrize(
    "to", [None, "last", 5, {}, {"seq": -1}, {"seq": "x"}, {"seq": 1, "skip": 1}, [1], {"ts": 1.5}, True]
)
async def test_an_invalid_target_is_refused(hub: Any, to: Any) -> None:
    ann, _ = await reader(hub, 1)
    assert await code_of(ann, "seek", to=to) == "bad_request"
    assert (await ann.join(**NOTES))["generation"] == 0


async def test_a_seek_beyond_the_newest_event_is_refused_with_both_numbers(hub: Any) -> None:
    ann, seqs = await reader(hub)
    with pytest.raises(Refused, match=rf"seq 999 is beyond the newest event of the log, seq {seqs[4]}") as refused:
        await seek(ann, {"seq": 999})
    assert refused.value.code == "bad_request"
    assert await code_of(ann, "seek", to={"seq": 1, "epoch": "another"}) == "epoch"


async def test_nobody_moves_the_subscription_of_another_user_or_one_that_is_not_there(hub: Any) -> None:
    ann, _ = await reader(hub)
    bob = await hub.joined(user="bob")
    assert await code_of(bob, "seek", to="end", **NOTES) == "not_joined"
    assert await code_of(bob, "seek", to="end") == "bad_request"
    assert await code_of(ann, "seek", to="end", **{"as": "nobody"}) == "not_joined"
    assert (await ann.call("lag", room="lab"))["missed"] == 5


async def test_a_seek_needs_the_right_to_read(start: Any) -> None:
    class Rights:
        def allows(self, identity: Any, action: str, room: str) -> bool:
            return room != "secret"

    hub = await start(access=Rights())
    ann = await hub.connect(user="ann")
    with pytest.raises(Refused) as refused:
        await ann.call("seek", {"room": "secret", "as": "notes", "to": "end"})
    assert refused.value.code == "forbidden"


async def test_a_seek_during_the_catch_up_is_followed_by_the_events_after_it_only(start: Any) -> None:
    hub = await start(ring_events=10)
    writer = await hub.connect()
    seqs = await writer.publish_many(200)
    ann = await hub.connect(user="ann")
    await ann.join(first=True, **NOTES)
    await seek(ann, {"seq": seqs[150]})
    await ann.join(**NOTES)
    replied = max(i for i, got in enumerate(ann.got) if got.name == "ack")
    await until(lambda: [got.seq for got in ann.got[replied:] if got.name == "tick"] == seqs[151:])


async def test_a_seek_outlives_the_hub(start: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    first = await start(url=url)
    ann, seqs = await reader(first)
    await seek(ann, {"seq": seqs[1]})
    await first.close()
    second = await start(url=url)
    back = await second.connect(user="ann")
    reply = await back.join(**NOTES)
    assert (reply["cursor"], reply["generation"], reply["missed"]) == (seqs[1], 1, 3)
    assert await code_of(back, "ack", seq=seqs[4], generation=0) == "stale"


async def test_a_client_whose_subscription_was_moved_while_it_was_away_is_not_recovered(hub: Any) -> None:
    ann, _ = await reader(hub)
    await ann.has("$offset")
    shown = ann.named("$offset")[-1]
    ann.raw.reset()
    await until(lambda: ann.id not in hub.io.of("/").sockets)
    other = await hub.connect(user="ann")
    await seek(other, "first", **NOTES)
    back = await hub.connect(user="ann", pid=ann.raw.welcome["pid"], offset=shown)
    assert back.raw.welcome != ann.raw.welcome


async def test_a_new_subscription_starts_with_the_first_event_if_it_asks_so_and_an_old_one_goes_on(hub: Any) -> None:
    writer = await hub.connect()
    seqs = await writer.publish_many(4)
    ann = await hub.connect(user="ann")
    reply = await ann.join(first=True, **NOTES)
    assert (reply["missed"], reply["cursor"], reply["recovered"]) == (4, seqs[0] - 1, True)
    await ann.call("ack", room="lab", seq=seqs[2])
    assert (await ann.join(first=True, **NOTES))["missed"] == 1
    assert (await writer.join(first=True))["missed"] == 4
    assert await code_of(ann, "join", first=True, last=1) == "bad_request"
    assert await code_of(ann, "join", first="yes") == "bad_request"


async def test_undelivered_and_trimmed_events_may_be_acknowledged_but_not_unstored_ones(
    start: Any,
) -> None:
    hub = await start(options={"max_events": 3})
    ann = await hub.joined(user="ann", fields=NOTES)
    seqs = await ann.publish_many(10)
    await until(lambda: len(ann.seqs()) == 10)
    assert (await ann.call("ack", room="lab", seq=seqs[0]))["cursor"] == seqs[0]
    assert (await ann.call("ack", room="lab", seq=seqs[9]))["cursor"] == seqs[9]
    assert await code_of(ann, "ack", seq=seqs[9] + 1) == "epoch"
    assert await code_of(ann, "ack", seq=-1) == "bad_request"


async def test_a_client_with_a_generation_of_a_lost_log_starts_at_the_cursor(hub: Any) -> None:
    """An older copy of the file was restored: the hub knows nothing of that seek."""
    ann, seqs = await reader(hub)
    await ann.call("ack", room="lab", seq=seqs[1])
    reply = await ann.join(after=seqs[4], epoch=hub.log.epoch, generation=7, **NOTES)
    assert (reply["cursor"], reply["generation"], reply["missed"]) == (seqs[1], 0, 3)


async def test_the_lag_counts_what_is_stored_also_if_events_after_the_cursor_are_gone(start: Any) -> None:
    hub = await start(options={"max_events": 2})
    ann, seqs = await reader(hub, 9)
    await seek(ann, {"seq": seqs[0]})
    assert (await ann.call("lag", room="lab"))["missed"] == (await hub.log.lag("lab", seqs[0])).missed
    await seek(ann, "first")
    stored = [each.seq for each in (await hub.log.read("lab")).records]
    assert (await ann.call("lag", room="lab"))["cursor"] == stored[0] - 1
    assert (await seek(ann, {"skip": 1}))["cursor"] == stored[0]
    await seek(ann, "end")
    assert (await ann.call("lag", room="lab"))["missed"] == 0
