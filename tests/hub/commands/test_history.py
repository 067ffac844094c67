from __future__ import annotations

from typing import Any

import pytest
from support.members import Refused

from jupyter_rtmsg.hub import Claim, ProvenKernel


async def pages(member: Any, **fields: Any) -> list[int]:
    """Page through a room's history to its end."""
    seqs, after, more = [], 0, True
    while more:
        reply = await member.call("history", room="lab", after=after, **fields)
        seqs += [event["seq"] for event in reply["events"]]
        after, more = reply["through"], reply["more"]
    return seqs


async def test_an_event_of_a_page_equals_the_published_one(hub: Any) -> None:
    member = await hub.connect(user="ann")
    first = await member.publish({"a": [b"\x00", 1]}, event="metric", id="e1")
    await member.publish(2)
    reply = await member.call("history", room="lab")
    event, second = reply["events"]
    sender = event["from"]
    assert sender == {"user": "ann", "kind": "script", "name": "ann", "member": sender["member"]}
    assert event == {
        "event": "metric", "data": {"a": [b"\x00", 1]}, "seq": first, "prev": 0, "n": 1, "ts": event["ts"],
        "from": sender, "id": "e1",
    }  # fmt: skip
    assert "id" not in second
    assert {k: reply[k] for k in ("more", "through", "first", "head", "epoch")} == {
        "more": False, "through": second["seq"], "first": first, "head": second["seq"], "epoch": hub.log.epoch,
    }  # fmt: skip


async def test_pages_end_at_the_limit_and_go_on_through_the_position_scanned(hub: Any) -> None:
    member = await hub.connect()
    seqs = await member.publish_many(12)
    reply = await member.call("history", room="lab", limit=5)
    assert (len(reply["events"]), reply["more"], reply["through"]) == (5, True, seqs[4])
    assert await pages(member, limit=5) == seqs


async def test_pages_end_at_half_a_message(start: Any) -> None:
    hub = await start(message=20_000)
    member = await hub.connect()
    seqs = [await member.publish("x" * 4_000) for _ in range(5)]
    assert len((await member.call("history", room="lab"))["events"]) == 2
    assert await pages(member) == seqs


async def test_pages_end_at_ten_attachments(hub: Any) -> None:
    member = await hub.connect()
    seqs = [await member.publish([b"a", b"b", b"c"]) for _ in range(5)]
    assert len((await member.call("history", room="lab"))["events"]) == 3
    assert await pages(member) == seqs


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"last": 3}, slice(7, 10)),
        ({"last": 3, "before": 9}, slice(5, 8)),
        ({"before": 4}, slice(0, 3)),
        ({"after": 8}, slice(8, 10)),
        ({"after": 2, "before": 6}, slice(2, 5)),
        ({"after": 10}, slice(10, 10)),
        ({"since": 0}, slice(0, 10)),
        ({"since": 10**14}, slice(10, 10)),
        ({"limit": 10_000}, slice(0, 10)),
    ],
)
async def test_a_page_may_start_and_end_anywhere(hub: Any, fields: dict[str, int], expected: slice) -> None:
    member = await hub.connect()
    seqs = await member.publish_many(10)
    assert seqs == list(range(1, 11))
    reply = await member.call("history", room="lab", **fields)
    assert [event["seq"] for event in reply["events"]] == seqs[expected]


async def test_events_are_filtered_by_name_and_sender(hub: Any) -> None:
    ann, bob = await hub.connect(user="ann"), await hub.connect(user="bob")
    a = await ann.publish(event="a")
    b = await bob.publish(event="b")
    assert [e["seq"] for e in (await ann.call("history", room="lab", event="b"))["events"]] == [b]
    assert [e["seq"] for e in (await ann.call("history", room="lab", sender="ann"))["events"]] == [a]
    assert (await ann.call("history", room="lab", event="c"))["through"] == b


async def test_a_sender_is_found_by_user_name_or_notebook(hub: Any) -> None:
    async def prove(claim: Claim) -> ProvenKernel:
        return ProvenKernel(claim.kernel, claim.kernel, public=True)

    hub.hub.core.prove = prove
    seqs = {}
    for key in ("a/hw1.ipynb", "b/hw1.ipynb"):
        member = await hub.connect(user="ann")
        await member.call("prove", kernel=key, proof="")
        seqs[key] = await member.publish()
    bob = await hub.connect(user="bob", name='x","name":"hw1')
    seqs["bob"] = await bob.publish({"name": "hw1"})

    async def sent_by(sender: str) -> list[int]:
        return [event["seq"] for event in (await bob.call("history", room="lab", sender=sender))["events"]]

    assert await sent_by("ann") == await sent_by("hw1") == [seqs["a/hw1.ipynb"], seqs["b/hw1.ipynb"]]
    assert await sent_by("b/hw1.ipynb") == [seqs["b/hw1.ipynb"]]
    assert await sent_by("bob") == await sent_by('x","name":"hw1') == [seqs["bob"]]
    assert await sent_by("hw") == await sent_by("%") == []


async def test_a_room_that_never_was_is_empty_and_is_not_made(hub: Any) -> None:
    member = await hub.connect()
    reply = await member.call("history", room="nowhere")
    assert (reply["events"], reply["more"], reply["first"], reply["head"]) == ([], False, 0, 0)
    assert (await member.call("rooms"))["rooms"] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"epoch": "another"}, "epoch"),
        ({"after": 99}, "epoch"),
        ({"limit": 0}, "bad_request"),
        ({"after": "1"}, "bad_request"),
        ({"event": 1}, "bad_request"),
        ({"room": "a b"}, "bad_room"),
    ],
)
async def test_a_wrong_request_is_refused_by_name(hub: Any, fields: dict[str, Any], code: str) -> None:
    member = await hub.connect()
    with pytest.raises(Refused) as refused:
        await member.call("history", {"room": "lab", **fields})
    assert refused.value.code == code


async def test_each_event_of_a_page_has_its_own_attachments(hub: Any) -> None:
    member = await hub.connect()
    sent = [[b"a", {"x": b"b"}], {"plain": "_placeholder"}, b"c", 2**70, {"d": [b""]}]
    for data in sent:
        await member.publish(data)
    reply = await member.call("history", room="lab")
    assert [event["data"] for event in reply["events"]] == sent
    assert list(reply) == ["ok", "events", "more", "through", "first", "head", "head_n", "epoch", "opening"]


@pytest.mark.parametrize("leaf", [0, b"x"], ids=["plain", "binary"])
async def test_the_deepest_data_that_can_be_published_can_be_read_back(hub: Any, leaf: Any) -> None:
    member = await hub.connect()
    data = leaf
    for _ in range(60 - isinstance(leaf, bytes)):
        data = [data]
    await member.publish(data)
    assert (await member.call("history", room="lab"))["events"][0]["data"] == data
    with pytest.raises(Refused, match="60 levels"):
        await member.publish([data])
