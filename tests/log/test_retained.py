"""The last event under each key stays, whatever is trimmed; and what expires is gone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.logs import Clock, Opener, until

from jupyter_rtmsg.errors import LogConflict, LogLimit
from jupyter_rtmsg.log import Draft, EventLog, open_log
from jupyter_rtmsg.log.verify import verify

FAR = 10**9


def value(key: str, data: bytes = b"1", room: str = "lab", **more: object) -> Draft:
    return Draft(room, "config", data, user="ann", retain=key, **more)  # type: ignore[arg-type]


async def held(log: EventLog, room: str = "lab") -> dict[str | None, tuple[bytes, int | None]]:
    return {record.key: (record.data, record.seq) for record in await log.retained(room)}


async def test_the_last_event_under_a_key_is_its_value(log: EventLog) -> None:
    first = await log.append(value("a", b"1"))
    await log.append(Draft("lab", "tick", b"0"))
    second = await log.append(value("b", b"2", attachments=(b"part",)))
    third = await log.append(value("a", b"3"))
    assert [record.seq for record in await log.retained("lab")] == [second.seq, third.seq]
    assert (await log.retained("lab"))[0].attachments == (b"part",)
    assert await held(log) == {"a": (b"3", third.seq), "b": (b"2", second.seq)}
    assert (await log.stats("lab")).retained == 2
    page = await log.read("lab")
    assert [(record.key, record.seq) for record in page.records][:2] == [("a", first.seq), (None, first.seq + 1)]


async def test_null_data_delete_a_key_and_are_an_event_like_others(log: EventLog) -> None:
    await log.append(value("a"))
    gone = await log.append(value("a", b"null"))
    assert (await held(log), (await log.stats("lab")).retained) == ({}, 0)
    assert (await log.read("lab", last=1)).records[0].seq == gone.seq


async def test_values_stay_when_all_events_are_trimmed(open_any: Opener) -> None:
    clock, monotonic = Clock(), Clock(0.0)
    log = await open_any(clock=clock, monotonic=monotonic, max_age=100, max_events=5)
    await log.append(value("a", b"[1]", attachments=(b"x",)))
    for i in range(20):
        await log.append(Draft("lab", "tick", b"%d" % i))
    await _until(log, lambda count: count <= 5)
    assert await held(log) == {"a": (b"[1]", (await log.retained("lab"))[0].seq)}
    clock.now += 1000
    monotonic.now += 1000
    await log.append(Draft("other", "tick", b"0"))
    await _until(log, lambda count: count == 0)
    assert list(await held(log)) == ["a"]
    assert "lab" in await log.rooms(), "a room that retains something exists"


async def _until(log: EventLog, fits: Callable[[int], bool]) -> None:
    async def holds() -> bool:
        return fits((await log.stats("lab")).count)

    await until(holds)


async def test_expect_is_the_seq_of_the_keys_value(log: EventLog) -> None:
    first = await log.append(value("a", expect=0))
    await log.append(Draft("lab", "tick", b"0"))
    for wrong in (0, first.seq + 1):
        with pytest.raises(LogConflict, match=f"of event {first.seq}, not {wrong}") as caught:
            await log.append(value("a", b"2", expect=wrong))
        assert caught.value.head == first.seq
    second = await log.append(value("a", b"2", expect=first.seq))
    with pytest.raises(LogConflict):
        await log.append(value("b", expect=second.seq))
    await log.append(value("a", b"null", expect=second.seq))
    await log.append(value("a", b"3", expect=0))


async def test_of_two_writers_that_expect_the_same_value_one_wins(log: EventLog) -> None:
    first = await log.append(value("a"))
    both = [log.append(value("a", b"%d" % i, expect=first.seq)) for i in range(2)]
    outcomes = [await _outcome(each) for each in both]
    assert [type(each) for each in outcomes][1] is LogConflict
    assert (await held(log))["a"][0] == b"0"


async def _outcome(future: Awaitable[object]) -> object:
    try:
        return await future
    except LogConflict as error:
        return error


async def test_a_room_has_so_many_keys_and_bytes(open_any: Opener) -> None:
    log = await open_any(retained_keys=2, retained_bytes=100)
    await log.append(value("a"))
    await log.append(value("b"))
    with pytest.raises(LogLimit, match="2 keys and 100 bytes"):
        await log.append(value("c"))
    with pytest.raises(LogLimit, match="would have 102 bytes"):
        await log.append(value("a", b"1" * 101))
    await log.append(value("a", b"1" * 99))
    await log.append(value("a", b"null"))
    await log.append(value("c"))
    await log.append(value("a", room="other"))
    assert sorted(await held(log)) == ["b", "c"]


async def test_values_of_a_user_take_a_tenth_of_the_log_and_those_of_all_a_quarter(open_any: Opener) -> None:
    log = await open_any(max_bytes=100_000, retained_bytes=FAR)
    big = b"1" * 9_700
    await log.append(value("a", big))
    with pytest.raises(LogLimit, match=r"ann would take \d+ bytes \(at most 10000\)"):
        await log.append(value("b", big, room="other"))
    await log.append(Draft("lab", "config", big, user="bob", retain="b"))
    with pytest.raises(LogLimit, match=r"of all users \d+ \(at most 25000\)"):
        await log.append(Draft("lab", "config", big, user="eve", retain="c"))


async def test_a_deleted_room_has_no_values_and_a_new_one_begins_empty(log: EventLog) -> None:
    await log.append(value("a"))
    outcomes = [log.append(value("b")), log.delete("lab"), log.append(value("c", expect=0))]
    for each in outcomes:
        await each
    assert (list(await held(log)), (await log.stats("lab")).retained) == (["c"], 1)


async def test_values_survive_a_restart(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    stored = await log.append(value("a", b'{"x":1}', attachments=(b"p", b"")))
    before = await log.retained("lab")
    await log.close()
    log = await open_sqlite()
    assert await log.retained("lab") == before
    with pytest.raises(LogConflict):
        await log.append(value("a", expect=0))
    await log.append(value("a", b"2", expect=stored.seq))
    assert (await log.stats("lab")).retained == 1


async def test_a_damaged_value_is_left_out_and_costs_only_itself(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await log.append(value("a"))
    await log.append(value("b", b"2"))
    await log.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE retained SET data = x'33' WHERE key = 'a'")
        connection.commit()
    report = verify(path)
    assert [(each.kind, each.where) for each in report.findings] == [("value", "room 'lab', key 'a'")]
    log = await open_sqlite()
    assert list(await held(log)) == ["b"]
    await log.append(value("a", expect=0))


# --- expiry


async def test_an_expired_event_is_not_read_and_then_deleted(open_any: Opener) -> None:
    clock, monotonic = Clock(), Clock(0.0)
    log = await open_any(clock=clock, monotonic=monotonic)
    await log.append(Draft("lab", "short", b"1", expire=5_000))
    await log.append(Draft("lab", "long", b"2", expire=50_000))
    await log.append(Draft("lab", "ever", b"3"))
    assert [each.name for each in (await log.read("lab")).records] == ["short", "long", "ever"]
    clock.now += 5
    monotonic.now += 5
    assert [each.name for each in (await log.read("lab")).records] == ["long", "ever"]
    assert (await log.lag("lab", 0)).missed == 2
    await log.append(Draft("other", "x", b"0"))
    await _until(log, lambda count: count == 2)
    assert (await log.read("lab", last=5)).records[0].n == 2


async def test_an_expired_value_is_gone_and_its_room_is_told(open_any: Opener) -> None:
    clock, monotonic = Clock(), Clock(0.0)
    log = await open_any(clock=clock, monotonic=monotonic)
    told: list[tuple[str, bytes]] = []

    async def follow() -> None:
        async for batch in log.follow(after=log.head):
            told.extend((record.name, record.data) for record in batch)

    task = asyncio.create_task(follow())
    first = await log.append(value("beat", expire=1_000))
    await log.append(value("stays", b"2", expire=1_000, keep=True))
    clock.now += 2
    monotonic.now += 2
    assert list(await held(log)) == ["stays"]
    await log.append(value("beat", b"3", expect=0, expire=1_000))  # as if it had never been there
    clock.now += 2
    monotonic.now += 2
    await log.append(Draft("other", "x", b"0"))
    await until(lambda: any(name == "$expired" for name, _ in told))
    data = next(data for name, data in told if name == "$expired")
    assert data == b'{"room":"lab","keys":{"beat":%d}}' % (first.seq + 2)
    assert list(await held(log)) == ["stays"]
    task.cancel()


# --- moving


async def test_values_move_along_also_those_whose_events_are_trimmed(path: Path) -> None:
    url = f"sqlite:///{path}"
    holder = await open_log(url, ballast=0)
    await holder.append(value("old", b"0"))
    await holder.append(value("a", b"0"))
    log = await open_log(url, ballast=0, max_events=3)
    for i in range(10):
        await log.append(value("a", b"%d" % i))
    await log.append(value("b", b'"kept"', expire=1, keep=True))
    for i in range(10):
        await log.append(Draft("lab", "tick", b"%d" % i))
    await _until(log, lambda count: count <= 3)
    await log.append(value("gone", b"1"))
    await log.append(value("gone", b"null"))
    await holder.close()
    await until(lambda: log.durable)
    values = await held(log)
    assert {key: data for key, (data, _) in values.items()} == {"old": b"0", "a": b"9", "b": b'"kept"'}
    await log.append(value("a", b"null", expect=values["a"][1]))
    await log.close()
    assert verify(path).findings == []


async def test_a_later_value_has_a_lifetime_of_its_own(open_any: Opener) -> None:
    clock, monotonic = Clock(), Clock(0.0)
    log = await open_any(clock=clock, monotonic=monotonic)
    await log.append(value("longer", expire=1_000))
    await log.append(value("longer", b"2", expire=60_000))
    await log.append(value("ever", expire=1_000))
    await log.append(value("ever", b"2"))
    await log.append(value("shorter"))
    await log.append(value("shorter", b"2", expire=1_000))
    clock.now += 5
    monotonic.now += 5
    await log.append(Draft("other", "x", b"0"))
    await until(lambda: _has_only(log, {"longer", "ever"}))


async def _has_only(log: EventLog, keys: set[str]) -> bool:
    return (await log.stats("lab")).retained == len(keys) and set(await held(log)) == keys
