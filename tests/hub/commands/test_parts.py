"""``stage``, ``publish`` with parts, and ``fetch``: one event, whatever its parts."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.members import Member, Refused, until

JSON = b'{"a":[1,{"_placeholder":true,"num":0}]}'
BYTES = bytes(range(256)) * 40
PAYLOAD = JSON + BYTES
SIZES = [len(JSON), len(BYTES)]
PART = 4_000


def parts_of(payload: bytes = PAYLOAD, part: int = PART) -> list[bytes]:
    return [payload[at : at + part] for at in range(0, len(payload), part)]


async def stage(member: Member, upload: str = "u", payload: bytes = PAYLOAD, part: int = PART, **fields: Any) -> None:
    parts = parts_of(payload, part)
    for number, data in enumerate(parts):
        rest = {"part": number, "of": len(parts), "size": len(payload), "data": data}
        await member.call("stage", {"room": "lab", "upload": upload, **rest, **fields})


async def commit(member: Member, upload: str = "u", **fields: Any) -> Any:
    request = {"room": "lab", "event": "frame", "parts": upload, "sizes": SIZES, **fields}
    return (await member.call("publish", request))["seq"]


async def fetched(member: Member, seq: int, count: int) -> bytes:
    replies = [await member.call("fetch", room="lab", seq=seq, part=number) for number in range(count)]
    return b"".join(reply["data"] for reply in replies)


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM part").fetchone()[0])


async def test_members_get_one_small_event_and_fetch_its_parts(hub: Any) -> None:
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob")
    await stage(ann)
    seq = await commit(ann, id="f1")
    await until(bob.events)
    (got,) = bob.events()
    count = len(parts_of())
    assert (got.name, got.seq, got.meta["n"]) == ("frame", seq, 1)
    assert got.data == {"$parts": {"count": count, "size": len(PAYLOAD), "sizes": SIZES, "crc": zlib.crc32(PAYLOAD)}}
    assert got.meta["parts"] == {"count": count, "size": len(PAYLOAD)}
    assert await fetched(bob, seq, count) == PAYLOAD
    page = await bob.call("history", room="lab")
    assert page["events"][0]["parts"] == got.meta["parts"]


async def test_what_looks_like_parts_in_the_data_has_none_in_its_metadata(hub: Any) -> None:
    member = await hub.joined()
    seq = await member.publish({"$parts": {"count": 1, "size": 1}})
    await until(member.events)
    assert "parts" not in member.events()[0].meta
    with pytest.raises(Refused, match="gone"):
        await member.call("fetch", room="lab", seq=seq, part=0)


async def test_an_upload_can_be_published_once_and_again_after_a_refusal(hub: Any) -> None:
    member = await hub.joined()
    await stage(member)
    with pytest.raises(Refused, match="conflict"):
        await commit(member, expect=99)
    seq = await commit(member)
    with pytest.raises(Refused, match="not_staged"):
        await commit(member)
    assert await fetched(member, seq, len(parts_of())) == PAYLOAD


async def test_an_id_that_is_sent_again_after_a_reconnect_stores_one_event(hub: Any) -> None:
    first = await hub.connect(user="ann")
    await stage(first)
    seq = await commit(first, id="frame-1")
    await first.close()
    second = await hub.joined(user="ann")
    await stage(second, "another name")
    assert await commit(second, "another name", id="frame-1") == seq
    assert await fetched(second, seq, len(parts_of())) == PAYLOAD


async def test_a_part_sent_twice_is_answered_again(hub: Any) -> None:
    member = await hub.joined()
    first, *rest = parts_of()
    fields = {"room": "lab", "upload": "u", "of": 1 + len(rest), "size": len(PAYLOAD)}
    for number, data in [(0, first), (0, first), *enumerate(rest, 1), (0, first)]:
        await member.call("stage", {**fields, "part": number, "data": data})
    await commit(member)


WRONG = {
    "out of order": ({"part": 1}, "not_staged"),
    "more than was announced": ({"size": PART - 1, "of": 1}, "add up"),
    "no attachment": ({"data": "text"}, "attachment"),
    "an empty part": ({"data": b""}, "attachment"),
    "too many parts": ({"of": 1_001}, "may come in"),
    "more parts than bytes": ({"of": 3, "size": 2}, "may come in"),
    "an event beyond the limit": ({"size": 1 << 30}, "too_large.*1,073,741,824 bytes.*33,554,432"),
    "no name": ({"upload": ""}, "non-empty"),
    "a part beyond a message": ({"data": bytes(996_000), "size": 2_000_000}, "too_large.*996,000 bytes.*995,904"),
    "a negative part": ({"part": -1}, "integer"),
}


@pytest.mark.parametrize(("fields", "error"), WRONG.values(), ids=WRONG)
async def test_a_wrong_part_is_refused_with_its_numbers(hub: Any, fields: dict[str, Any], error: str) -> None:
    member = await hub.joined()
    right = {"room": "lab", "upload": "u", "part": 0, "of": 3, "size": 3 * PART, "data": bytes(PART)}
    with pytest.raises(Refused, match=error):
        await member.call("stage", {**right, **fields})


async def test_parts_out_of_order_or_of_another_upload_are_refused(hub: Any) -> None:
    member = await hub.joined()
    right = {"room": "lab", "upload": "u", "part": 0, "of": 3, "size": 3 * PART, "data": bytes(PART)}
    await member.call("stage", right)
    for fields, error in (({"part": 2}, "before part 1"), ({"part": 1, "of": 4}, "announced"), ({"data": b"x"}, "now")):
        with pytest.raises(Refused, match=error):
            await member.call("stage", {**right, **fields})
    with pytest.raises(Refused, match="not_staged: 1 of the 3 parts"):
        await member.call("publish", room="lab", event="frame", parts="u", sizes=[3 * PART])


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"retain": "k"}, "too_large"), ({"volatile": True}, "too_large"), ({"data": 1}, "exclude"),
        ({"sizes": [1]}, "add up"), ({"sizes": []}, "sizes"), ({"sizes": [-1, 9]}, "sizes"), ({"sizes": None}, "sizes"),
    ],
)  # fmt: skip
async def test_a_publish_that_does_not_fit_its_parts_is_refused_and_the_parts_stay(
    hub: Any, fields: dict[str, Any], error: str
) -> None:
    member = await hub.joined()
    await stage(member)
    with pytest.raises(Refused, match=error):
        await commit(member, **fields)
    await commit(member)


async def test_a_lost_connection_drops_its_uploads(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "log"
    hub = await start(url=f"sqlite:///{path}")
    member = await hub.connect(user="ann")
    await stage(member)
    assert rows(path) == len(parts_of())
    await member.close()
    await until(lambda: rows(path) == 0)


async def test_an_upload_is_dropped_after_its_time_and_nothing_runs_then(start: Any) -> None:
    hub = await start(staging_time=0.05)
    member = await hub.joined()
    await stage(member)
    await until(lambda: hub.hub.core.staging._timer is None)
    with pytest.raises(Refused, match="not_staged"):
        await commit(member)


async def test_unstage_drops_an_upload(hub: Any) -> None:
    member = await hub.joined()
    await stage(member)
    await member.call("unstage", room="lab", upload="u")
    with pytest.raises(Refused, match="not_staged"):
        await commit(member)


async def test_ten_thousand_uploads_of_one_user_are_refused_and_do_not_keep_others_out(hub: Any) -> None:
    hostile, other = await hub.joined(user="eve"), await hub.joined(user="ann")
    rest = {"room": "lab", "part": 0, "of": 1, "size": 1, "data": b"x"}
    asked = [hostile.ask("stage", {"upload": f"{i}", **rest}) for i in range(10_000)]
    await stage(other)
    seq = await commit(other)
    assert await fetched(other, seq, len(parts_of())) == PAYLOAD
    replies = await asyncio.gather(*asked)
    assert sum(reply["ok"] for reply in replies) == 100
    assert "unstage" in replies[-1]["error"]["message"]


async def test_announced_bytes_count_at_once_for_a_user_and_for_all(start: Any) -> None:
    hub = await start(staging=25_000, staging_in_all=35_000)
    eve, ann = await hub.joined(user="eve"), await hub.joined(user="ann")
    rest = {"room": "lab", "part": 0, "of": 2, "data": b"x"}
    await eve.call("stage", {"upload": "1", "size": 20_000, **rest})
    with pytest.raises(Refused, match=r"limit: eve has 1 uploads of 20,000 bytes"):
        await eve.call("stage", {"upload": "2", "size": 20_000, **rest})
    with pytest.raises(Refused, match="limit: all uploads"):
        await ann.call("stage", {"upload": "1", "size": 20_000, **rest})
    await eve.call("unstage", room="lab", upload="1")
    await ann.call("stage", {"upload": "1", "size": 20_000, **rest})


async def test_parts_of_a_trimmed_event_are_gone(start: Any) -> None:
    hub = await start(options={"max_events": 10})
    member = await hub.joined()
    await stage(member)
    seq = await commit(member)
    await member.publish_many(60)
    log = hub.log
    await until(lambda: log._rooms["lab"].first > seq)
    with pytest.raises(Refused, match="gone: part 0 of event 1 of room 'lab' is not held"):
        await member.call("fetch", room="lab", seq=seq, part=0)


async def test_reading_parts_needs_the_right_to_read_and_staging_that_to_write(start: Any) -> None:
    class Reading:
        def allows(self, credential: Any, action: str, room: str) -> bool:
            return action == "read" if credential == "eve" else action == "write"

    hub = await start(access=Reading())
    eve, ann = await hub.connect(user="eve"), await hub.connect(user="ann")
    with pytest.raises(Refused, match="forbidden"):
        await stage(eve)
    await stage(ann)
    seq = await commit(ann)
    with pytest.raises(Refused, match="forbidden"):
        await ann.call("fetch", room="lab", seq=seq, part=0)
    assert await fetched(eve, seq, len(parts_of())) == PAYLOAD


async def test_a_full_room_refuses_an_event_in_parts(hub: Any) -> None:
    member = await hub.joined(user="ann")
    await member.publish()
    await member.call("policy", {"room": "lab", "bytes": 5_000, "discard": "refuse"})
    await stage(member)
    with pytest.raises(Refused, match="full_room"):
        await commit(member)


async def test_a_worker_gets_the_reference(hub: Any) -> None:
    member = await hub.joined(user="ann")
    await member.call("work", room="lab", group="g")
    await stage(member)
    await commit(member)
    await until(lambda: any(got.name == "$work" for got in member.got))
    (work,) = [got for got in member.got if got.name == "$work"]
    assert work.meta["parts"] == {"count": len(parts_of()), "size": len(PAYLOAD)}
