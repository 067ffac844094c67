"""The contract of `EventLog`. Every implementation passes this suite."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from support.logs import DEADLINE, Clock, Opener, draft, fill, follow, read_all, seqs, until

from jupyter_rtmsg.errors import EpochChanged, LogBusy, LogClosed, LogConflict
from jupyter_rtmsg.log import Appended, Draft, EventLog, Lag, Record, RoomStats
from jupyter_rtmsg.log.records import LISTED_NAMES, Take

# Appending


async def test_call_order_is_log_order_with_one_counter_for_all_rooms(log: EventLog) -> None:
    futures = [log.append(draft(i, room)) for i, room in enumerate(["a", "b", "a", "c", "b", "a"])]
    assert [each.seq for each in await asyncio.gather(*futures)] == [1, 2, 3, 4, 5, 6]
    assert seqs(await read_all(log, "a")) == [1, 3, 6]


async def test_prev_is_the_rooms_previous_event(log: EventLog) -> None:
    await asyncio.gather(*(log.append(draft(i, room)) for i, room in enumerate("abaab")))
    await fill(log, 1, "b")
    assert [record.prev for record in await read_all(log, "a")] == [0, 1, 3]
    assert [record.prev for record in await read_all(log, "b")] == [0, 2, 5]


async def test_an_event_comes_back_as_it_was_given(log: EventLog) -> None:
    given = Draft(
        "Ω.1", "näme", b'[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]', (b"\x00\xff" * 900, b""),
        b'{"user":"ada"}', "ada", "client", "id-1",
    )  # fmt: skip
    await log.append(given)
    (read,) = await read_all(log, given.room)
    (followed,) = await follow(log, 0, 1)
    assert read == followed
    assert (read.room, read.name, read.data, read.attachments) == (
        given.room, given.name, given.data, given.attachments,
    )  # fmt: skip
    assert (read.sender, read.user, read.id) == (given.sender, given.user, given.id)


async def test_head_is_the_last_seq_once_its_append_is_done(log: EventLog) -> None:
    assert log.head == 0
    appended = await log.append(draft())
    assert log.head == appended.seq == 1


async def test_an_event_that_cannot_be_stored_fails_alone(log: EventLog) -> None:
    good, bad, after = log.append(draft(1)), log.append(draft(2, name="\ud800")), log.append(draft(3))
    with pytest.raises(ValueError, match="surrogates"):
        await bad
    assert [(await each).seq for each in (good, after)] == [1, 2]


@pytest.mark.parametrize("wrong", [{"id": 5}, {"client": []}, {"room": ["lab"]}])
async def test_an_id_that_is_not_text_fails_alone(log: EventLog, wrong: dict[str, Any]) -> None:
    good, after = log.append(draft(client="c", id="1")), draft(client="c", id="2")
    bad = log.append(draft(**{"client": "c", "id": "x", **wrong}))
    stored = log.append(after)
    with pytest.raises(TypeError):
        await bad
    assert [(await each).seq for each in (good, stored)] == [1, 2]


async def test_expect_stores_only_at_that_head_of_the_room(log: EventLog) -> None:
    await fill(log, 2)
    await fill(log, 1, "other")
    assert (await log.append(draft(expect=2))).seq == 4
    with pytest.raises(LogConflict, match="is 4, not 2"):
        await log.append(draft(expect=2))
    assert log.head == 4
    assert (await log.append(draft(room="new", expect=0))).seq == 5


async def test_a_conflict_in_a_room_that_never_was_makes_no_room(open_any: Opener) -> None:
    log = await open_any()
    with pytest.raises(LogConflict, match="is 0, not 5"):
        await log.append(draft(expect=5))
    await fill(log, 1)
    assert await log.rooms() == {"lab": RoomStats(1, 1, 1, 1, n=1)}
    await log.close()
    again = await open_any()
    assert (await again.append(draft())).seq == again.head


async def test_of_two_queued_appends_with_the_same_expect_one_wins(log: EventLog) -> None:
    first, second = log.append(draft(expect=0)), log.append(draft(expect=0))
    assert (await first).seq == 1
    with pytest.raises(LogConflict):
        await second


async def test_submit_reports_its_outcome_after_the_event_reached_the_followers(log: EventLog) -> None:
    told: list[Appended | Exception | int | None] = []
    heard = asyncio.Event()

    async def listen() -> None:
        async for records in log.follow(after=0):
            told.extend(record.seq for record in records)

    def done(outcome: Appended | Exception) -> None:
        told.append(outcome)
        heard.set()

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)
    log.submit(draft(expect=0), done)
    await asyncio.wait_for(heard.wait(), DEADLINE)
    heard.clear()
    log.submit(draft(expect=0), done)
    await asyncio.wait_for(heard.wait(), DEADLINE)
    assert told[:2] == [1, Appended(1, False)]
    assert isinstance(told[2], LogConflict)
    listener.cancel()


async def test_a_callback_that_raises_does_not_stop_the_others(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    def fail(outcome: Appended | Exception) -> None:
        raise RuntimeError("the listener's own fault")

    log.submit(draft(), fail)
    assert (await log.append(draft())).seq == 2
    assert "the listener's own fault" in caplog.text


# Duplicates


async def test_the_same_id_of_the_same_client_is_stored_once(log: EventLog) -> None:
    assert await log.append(draft(1, client="c", id="x")) == Appended(1, False)
    assert await log.append(draft(2, client="c", id="x")) == Appended(1, True)
    assert [record.data for record in await read_all(log)] == [b"1"]


async def test_duplicates_that_are_still_queued_give_the_same_seq(log: EventLog) -> None:
    results = await asyncio.gather(*(log.append(draft(i, client="c", id="x")) for i in range(5)))
    assert results == [Appended(1, False)] + [Appended(1, True)] * 4


@pytest.mark.parametrize(
    "other",
    [{"room": "other"}, {"user": "bob"}, {"client": "d"}, {"id": "y"}, {"client": "cx", "id": ""}, {"client": None}],
)
async def test_another_room_user_client_or_id_is_no_duplicate(log: EventLog, other: dict[str, str | None]) -> None:
    same = {"room": "lab", "user": "ada", "client": "c", "id": "x"}
    await log.append(draft(**same))
    assert await log.append(draft(**{**same, **other})) == Appended(2, False)


async def test_a_made_up_id_without_a_client_is_only_given_back(log: EventLog) -> None:
    await asyncio.gather(*(log.append(draft(i, client=None, id="x")) for i in range(3)))
    assert [record.id for record in await read_all(log)] == ["x"] * 3


async def test_duplicates_are_found_before_expect_is_checked(log: EventLog) -> None:
    await log.append(draft(client="c", id="x", expect=0))
    assert await log.append(draft(client="c", id="x", expect=0)) == Appended(1, True)


async def test_a_conflict_does_not_use_up_the_id(log: EventLog) -> None:
    with pytest.raises(LogConflict):
        await log.append(draft(client="c", id="x", expect=7))
    assert await log.append(draft(client="c", id="x")) == Appended(1, False)


async def test_an_id_is_remembered_when_its_event_was_trimmed(open_any: Opener) -> None:
    log = await open_any(max_events=5)
    await log.append(draft(client="c", id="x"))
    await fill(log, 20)
    await until(lambda: _count(log, "lab", 5))
    assert await log.append(draft(client="c", id="x")) == Appended(1, True)


async def test_an_id_is_forgotten_after_the_window(open_any: Opener) -> None:
    clock = Clock()
    log = await open_any(clock=clock, dedup_age=100)
    await log.append(draft(client="c", id="x"))
    clock.now += 99
    assert (await log.append(draft(client="c", id="x"))).duplicate
    clock.now += 2
    assert await log.append(draft(client="c", id="x")) == Appended(2, False)
    assert await log.append(draft(client="c", id="x")) == Appended(2, True)


async def test_the_remembered_ids_are_bounded(open_any: Opener) -> None:
    log = await open_any(dedup_count=3)
    for i in range(8):
        await log.append(draft(client="c", id=str(i)))

    async def forgotten() -> bool:
        probe = await log.append(draft(client="c", id="0", expect=999))
        return not probe.duplicate

    with pytest.raises(LogConflict):  # no longer a duplicate, so that expect is checked
        await until(forgotten)
    assert (await log.append(draft(client="c", id="7"))).duplicate


# Time


async def test_ts_is_in_ms_and_does_not_go_back_for_a_small_correction(open_any: Opener) -> None:
    clock = Clock(1000.0)
    log = await open_any(clock=clock)
    for now in (1000.0, 2000.5, 1940.5, 2000.6):
        clock.now = now
        await log.append(draft())
    assert [record.ts for record in await read_all(log)] == [1_000_000, 2_000_500, 2_000_500, 2_000_600]


# Reading


async def test_after_and_before_are_exclusive(log: EventLog) -> None:
    await fill(log, 6)
    page = await log.read("lab", after=2, before=5)
    assert (seqs(page.records), page.through, page.more) == ([3, 4], 4, False)


async def test_pages_joined_by_through_miss_nothing(log: EventLog) -> None:
    rooms = "abc" * 20
    await asyncio.gather(*(log.append(draft(i, room)) for i, room in enumerate(rooms)))
    assert seqs(await read_all(log, "b", limit=7)) == list(range(2, 61, 3))


async def test_through_is_the_last_record_if_there_is_more_and_else_the_scanned_position(log: EventLog) -> None:
    await asyncio.gather(*(log.append(draft(i, room)) for i, room in enumerate("aabbb")))
    first = await log.read("a", limit=1)
    assert (seqs(first.records), first.through, first.more) == ([1], 1, True)
    rest = await log.read("a", after=1)
    assert (seqs(rest.records), rest.through, rest.more) == ([2], 5, False)


async def test_through_never_lies_before_after(log: EventLog) -> None:
    await fill(log, 3)
    assert (await log.read("lab", after=3)).through == 3
    assert (await log.read("lab", after=3, before=2)).through == 3


async def test_a_room_that_never_was_reads_empty(log: EventLog) -> None:
    await fill(log, 2)
    assert await log.read("nowhere") == ([], 2, False)


async def test_last_gives_the_newest_in_order(log: EventLog) -> None:
    await fill(log, 10)
    assert seqs((await log.read("lab", last=3)).records) == [8, 9, 10]
    assert seqs((await log.read("lab", last=3, before=6)).records) == [3, 4, 5]
    assert seqs((await log.read("lab", last=3, after=9)).records) == [10]
    assert seqs((await log.read("lab", last=99)).records) == list(range(1, 11))
    assert (await log.read("lab", last=0)).records == []


async def test_last_is_capped_by_limit_and_can_be_read_on_from(log: EventLog) -> None:
    await fill(log, 10)
    page = await log.read("lab", last=8, limit=4)
    assert (seqs(page.records), page.more) == ([7, 8, 9, 10], False)
    cut = await log.read("lab", last=4, max_bytes=2)
    assert (seqs(cut.records), cut.through, cut.more) == ([7, 8], 8, True)


async def test_since_gives_events_from_a_time_on(open_any: Opener) -> None:
    clock = Clock(10.0)
    log = await open_any(clock=clock)
    for i in range(20):
        clock.now = 10.0 + i // 3
        await log.append(draft(i, "lab" if i % 2 else "other"))
    expected = [record.seq for record in await read_all(log) if record.ts >= 13_000]
    assert seqs((await log.read("lab", since=13_000)).records) == expected
    assert seqs((await log.read("lab", since=12_001)).records) == expected
    assert (await log.read("lab", since=99_000)).records == []
    assert seqs((await log.read("lab", since=0, last=2)).records) == [18, 20]


async def test_name_and_user_filter_and_through_passes_filtered_events(log: EventLog) -> None:
    for i in range(12):
        await log.append(draft(i, name="ab"[i % 2], user="xyz"[i % 3]))
    assert seqs(await read_all(log, name="b", limit=2)) == [2, 4, 6, 8, 10, 12]
    assert seqs(await read_all(log, user="z")) == [3, 6, 9, 12]
    page = await log.read("lab", name="a", user="x")
    assert (seqs(page.records), page.through, page.more) == ([1, 7], 12, False)
    assert seqs((await log.read("lab", name="a", last=2)).records) == [9, 11]


async def test_events_are_found_by_any_field_of_their_sender(log: EventLog) -> None:
    ann = b'{"user":"ann","kind":"kernel","name":"hw1","member":"m","notebook":"a/hw1.ipynb"}'
    bob = b'{"user":"bob","kind":"script","name":"hw1","member":"n"}'
    for number, sender in enumerate([ann, bob, ann, b'{"user":"hw1","kind":"client","member":"o"}']):
        await log.append(draft(number, sender=sender, user=json.loads(sender)["user"]))
    assert seqs(await read_all(log, sender="ann")) == [1, 3]
    assert seqs(await read_all(log, sender="hw1", limit=2)) == [1, 2, 3, 4]
    assert seqs(await read_all(log, sender="a/hw1.ipynb")) == [1, 3]
    assert seqs((await log.read("lab", sender="hw1", user="bob")).records) == [2]
    assert seqs((await log.read("lab", sender="hw1", last=2)).records) == [3, 4]
    assert (await log.read("lab", sender="m")).records == []


async def test_a_page_ends_at_max_bytes_but_holds_at_least_one(log: EventLog) -> None:
    for _ in range(4):
        await log.append(Draft("lab", "big", b'"' + b"x" * 98 + b'"'))
    assert seqs((await log.read("lab", max_bytes=250)).records) == [1, 2]
    page = await log.read("lab", max_bytes=1)
    assert (seqs(page.records), page.more) == ([1], True)


async def test_a_page_ends_at_max_attachments(log: EventLog) -> None:
    for i in range(4):
        await log.append(draft(i, attachments=(b"a", b"b")))
    assert seqs((await log.read("lab", max_attachments=5)).records) == [1, 2]
    assert seqs((await log.read("lab", max_attachments=1)).records) == [1]


async def test_a_read_is_never_ahead_of_the_followers(log: EventLog) -> None:
    futures = [log.append(draft(i)) for i in range(500)]
    while not futures[-1].done():
        head = log.head
        page = await log.read("lab", last=1)
        assert head <= page.through <= log.head


# Rooms


async def test_stats_count_the_stored_events(log: EventLog) -> None:
    assert await log.stats("lab") == RoomStats(0, 0, 0, 0)
    await fill(log, 1, "other")
    await log.append(Draft("lab", "a", b"12345", (b"678",)))
    await log.append(Draft("lab", "a", b"9"))
    assert await log.stats("lab") == RoomStats(2, 3, 2, 9, n=2)
    assert await log.rooms() == {"lab": RoomStats(2, 3, 2, 9, n=2), "other": RoomStats(1, 1, 1, 1, n=1)}


async def test_lag_counts_the_events_after_a_position(open_any: Opener) -> None:
    clock = Clock(5.0)
    log = await open_any(clock=clock)
    for i in range(6):
        clock.now += 1
        await log.append(draft(i, name="ab"[i % 2]))
    assert await log.lag("lab", 3) == Lag(3, 3, 9_000, {"b": 2, "a": 1}, 2)
    assert await log.lag("lab", 6) == Lag(0, 0, None, {}, 0)
    assert await log.lag("nowhere", 0) == Lag(0, 0, None, {}, 0)


async def test_lag_tells_the_names_with_most_events_and_how_many_others_there_are(open_any: Opener) -> None:
    log = await open_any()
    for i in range(LISTED_NAMES + 30):
        await log.append(draft(i, name=f"{min(i, LISTED_NAMES + 9):02}"))
    lag = await log.lag("lab", 0)
    assert list(lag.by_event.items())[:3] == [(f"{LISTED_NAMES + 9}", 21), ("00", 1), ("01", 1)]
    assert (len(lag.by_event), lag.names, lag.missed) == (LISTED_NAMES, LISTED_NAMES + 10, LISTED_NAMES + 30)


async def test_the_position_before_the_last_events_of_a_room_is_found_among_others(open_any: Opener) -> None:
    log = await open_any()
    for i in range(10):
        await log.append(draft(i))
        await log.append(draft(i, room="other"))
    assert [await log.before_last("lab", number) for number in (1, 2, 10, 99)] == [18, 16, 0, 0]
    assert await log.before_last("nowhere", 3) == 20


async def test_the_position_some_events_later_is_found_among_those_of_other_rooms(open_any: Opener) -> None:
    log = await open_any()
    seqs = []
    for i in range(10):
        seqs.append((await log.append(draft(i))).seq)
        await log.append(draft(i, room="other"))
    found = [await log.position_of("lab", seqs[1], number) for number in (1, 3, 8, 99)]
    assert found == [seqs[2], seqs[4], seqs[9], seqs[9]]
    assert await log.position_of("nowhere", seqs[1], 3) == seqs[1]
    await log.delete("lab")
    assert await log.position_of("lab", seqs[1], 3) == seqs[1]


# Following


async def test_follow_gives_old_then_new_of_every_room_in_order(log: EventLog) -> None:
    await fill(log, 5, "a")
    task = asyncio.create_task(follow(log, 2, 6))
    await fill(log, 3, "b")
    assert seqs(await task) == [3, 4, 5, 6, 7, 8]


async def test_an_event_that_is_acknowledged_has_come_out(log: EventLog) -> None:
    batches = log.follow(after=0)
    first = asyncio.ensure_future(anext(batches))
    appended = await log.append(draft())
    (record,) = await asyncio.wait_for(first, DEADLINE)
    assert record.seq == appended.seq
    await batches.aclose()


async def feed(log: EventLog, take: Take, after: int) -> None:
    async for batch in log.follow(after=after, take=take):
        take(batch)


async def test_a_fed_function_gets_old_then_new_events_each_before_its_append_is_acknowledged(open_any: Opener) -> None:
    log = await open_any(tail_events=50)
    await fill(log, 200)
    taken: list[int | None] = []
    feeding = asyncio.create_task(feed(log, lambda batch: taken.extend(seqs(batch)), after=20))
    await until(lambda: len(taken) == 180)
    for i in range(30):
        assert (await log.append(draft(i))).seq == taken[-1]
    log.announce(draft(name="volatile"))
    assert taken == [*range(21, 231), None]
    await log.close()
    await asyncio.wait_for(feeding, DEADLINE)


async def test_a_feed_whose_function_raises_ends_and_another_continues_there(log: EventLog) -> None:
    taken: list[int | None] = []

    def take(batch: Sequence[Record]) -> None:
        if 3 in seqs(batch) and not failed:
            failed.append(True)
            raise ZeroDivisionError
        taken.extend(seqs(batch))

    failed: list[bool] = []
    feeding = asyncio.create_task(feed(log, take, after=0))
    for i in range(5):
        await log.append(draft(i))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(feeding, DEADLINE)
    assert taken == [1, 2]
    feeding = asyncio.create_task(feed(log, take, after=2))
    await until(lambda: taken == [1, 2, 3, 4, 5])
    feeding.cancel()


async def test_several_follow_at_once_each_from_its_own_position(log: EventLog) -> None:
    tasks = [asyncio.create_task(follow(log, 0, 300)) for _ in range(3)]
    await fill(log, 300)
    assert [seqs(each) for each in await asyncio.gather(*tasks)] == [list(range(1, 301))] * 3
    assert seqs(await follow(log, 298, 2)) == [299, 300]


async def test_a_follower_behind_the_tail_misses_no_event(open_any: Opener) -> None:
    log = await open_any(tail_events=10)
    batches = log.follow(after=0)
    got = []
    for wanted in (1, 120, 400):
        await fill(log, 200)
        while len(got) < wanted:
            got += seqs(await asyncio.wait_for(anext(batches), DEADLINE))
    while len(got) < 600:
        got += seqs(await asyncio.wait_for(anext(batches), DEADLINE))
    assert got == list(range(1, 601))
    await batches.aclose()


async def test_follow_while_appending_has_no_gap_and_nothing_twice(open_any: Opener) -> None:
    log = await open_any(tail_events=50)
    await fill(log, 500)

    async def publish() -> None:
        for i in range(200):
            await log.append(draft(i))

    publisher = asyncio.create_task(publish())
    tasks = [asyncio.create_task(follow(log, after, 700 - after)) for after in (0, 100, 499, 500)]
    results = await asyncio.gather(*tasks)
    await publisher
    assert [seqs(each)[:700] for each in results] == [list(range(after + 1, 701)) for after in (0, 100, 499, 500)]


async def test_following_from_beyond_the_head_belongs_to_another_epoch(log: EventLog) -> None:
    await fill(log, 2)
    with pytest.raises(EpochChanged, match="beyond the log's head 2"):
        await anext(log.follow(after=3))


async def test_announced_events_come_out_in_order_and_are_not_stored(log: EventLog) -> None:
    batches = log.follow(after=0)
    first = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0)  # it follows from here on
    log.announce(draft(0, name="volatile"))
    futures = [log.append(draft(1))]
    log.announce(draft(2, name="volatile"))
    futures.append(log.append(draft(3)))
    await asyncio.gather(*futures)
    log.announce(draft(4, name="volatile"))
    records = list(await asyncio.wait_for(first, DEADLINE))
    while len(records) < 5:
        records += await asyncio.wait_for(anext(batches), DEADLINE)
    await batches.aclose()
    order = [(int(record.data), record.seq) for record in records]
    assert order == [(0, None), (1, 1), (2, None), (3, 2), (4, None)]
    assert [record.prev for record in records] == [None, 0, None, 1, None]
    assert seqs(await read_all(log)) == [1, 2]
    assert (await log.stats("lab")).count == 2


# Limits


async def test_a_room_keeps_so_many_events_and_its_head(open_any: Opener) -> None:
    log = await open_any(max_events=10)
    await fill(log, 1, "quiet")
    await fill(log, 50)
    await until(lambda: _count(log, "lab", 10))
    assert await log.stats("lab") == RoomStats(42, 51, 10, 20, n=50)
    assert seqs(await read_all(log)) == list(range(42, 52))
    assert seqs(await read_all(log, "quiet")) == [1]
    assert (await read_all(log))[0].prev == 41


async def test_an_event_is_kept_for_so_long(open_any: Opener) -> None:
    clock = Clock()
    log = await open_any(clock=clock, max_age=60)
    await log.append(draft(attachments=(b"binary",)))
    clock.now += 61
    await fill(log, 1, "other")
    await until(lambda: _count(log, "lab", 0))
    assert await log.stats("lab") == RoomStats(2, 1, 0, 0, n=1)
    assert list(await log.rooms()) == ["other"]
    assert (await log.read("lab")).records == []
    assert (await log.append(draft())).seq == 3
    assert (await read_all(log))[0].prev == 1


async def test_the_log_keeps_so_many_bytes_dropping_its_oldest_events(open_any: Opener) -> None:
    log = await open_any(max_bytes=100_000)
    data = json.dumps("x" * 998).encode()
    await asyncio.gather(*(log.append(Draft("ab"[i % 2], "big", data)) for i in range(200)))

    async def fits() -> bool:
        return sum(stats.bytes + 200 * stats.count for stats in (await log.rooms()).values()) <= 100_000

    await until(fits)
    kept = sorted([seq for room in "ab" for seq in seqs(await read_all(log, room))])
    assert kept == list(range(201 - len(kept), 201))
    assert len(kept) == 83


async def test_trimming_does_not_disturb_followers(open_any: Opener) -> None:
    log = await open_any(max_events=20, tail_events=1000)
    task = asyncio.create_task(follow(log, 0, 1000))
    for _ in range(10):
        await fill(log, 100)
    assert seqs(await task) == list(range(1, 1001))


async def test_too_many_waiting_appends_are_refused_with_the_numbers(open_any: Opener) -> None:
    log = await open_any(max_queue=10)
    futures = [log.append(draft(i)) for i in range(10)]
    with pytest.raises(LogBusy, match=r"10 appends of 10 bytes .*limits: 10 appends"):
        log.append(draft())
    assert (await asyncio.gather(*futures))[-1].seq == 10
    assert (await log.append(draft())).seq == 11


async def test_too_many_waiting_bytes_are_refused(open_any: Opener) -> None:
    log = await open_any(max_queue_bytes=100)
    large = Draft("lab", "big", b'"' + b"x" * 150 + b'"')
    futures = [log.append(large)]  # even one larger than the queue gets through an empty one
    with pytest.raises(LogBusy):
        log.append(draft())
    await asyncio.gather(*futures)
    assert (await log.append(draft())).seq == 2


# The end


async def test_close_commits_all_appends_and_ends_the_followers(log: EventLog) -> None:
    futures = [log.append(draft(i)) for i in range(300)]
    task = asyncio.create_task(_drain(log))
    await asyncio.sleep(0)
    await log.close()
    assert [future.result().seq for future in futures] == list(range(1, 301))
    assert await asyncio.wait_for(task, DEADLINE) == list(range(1, 301))


async def test_close_may_be_called_again_and_by_several_at_once(log: EventLog) -> None:
    await asyncio.gather(log.close(), log.close())
    await log.close()


async def test_a_closed_log_says_so(log: EventLog) -> None:
    await log.close()
    with pytest.raises(LogClosed):
        log.append(draft())
    with pytest.raises(LogClosed):
        await log.read("lab")
    with pytest.raises(LogClosed):
        log.announce(draft())


async def test_a_cancelled_future_does_no_harm(log: EventLog) -> None:
    log.append(draft()).cancel()
    assert (await log.append(draft())).seq == 2


async def _drain(log: EventLog) -> list[int | None]:
    return [seq async for batch in log.follow(after=0) for seq in seqs(batch)]


async def _count(log: EventLog, room: str, count: int) -> bool:
    return (await log.stats(room)).count == count


# Key-value store


async def test_a_note_is_there_at_once_until_its_time_or_its_removal(open_any: Opener) -> None:
    clock = Clock()
    log = await open_any(clock=clock)
    assert await log.key_values.get("pid") is None
    log.key_values.put("pid", b"one", clock() + 60)
    assert await log.key_values.get("pid") == b"one"
    log.key_values.put("pid", b"two", clock() + 120)
    await fill(log, 1)  # behind it in the same queue: what was put is stored now
    assert await log.key_values.get("pid") == b"two"
    clock.now += 121
    assert await log.key_values.get("pid") is None
    log.key_values.put("pid", b"three", clock() + 60)
    log.key_values.put("pid", None, 0)
    assert await log.key_values.get("pid") is None
    await fill(log, 1)
    assert await log.key_values.get("pid") is None


async def test_a_position_of_the_present_opening_is_a_place_up_to_the_head(log: EventLog) -> None:
    (*_, last) = await fill(log, 3)
    assert log.opening
    assert log.locate(last, log.epoch, log.opening) == last
    assert log.locate(last, log.epoch, "") == last
    assert log.locate(last + 1, log.epoch, log.opening) is None
    assert log.locate(last, "another", log.opening) is None
    assert log.cut(log.opening) == log.cut("") == last


async def test_a_position_of_an_unknown_opening_is_not_valid_in_this_log(log: EventLog) -> None:
    (*_, last) = await fill(log, 3)
    assert log.locate(last, log.epoch, "no opening") is None
    assert log.cut("no opening") == 0
