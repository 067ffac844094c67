from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from support.logs import Clock, Opener, draft, fill, follow, read_all, seqs, until

from jupyter_rtmsg.errors import LogConflict
from jupyter_rtmsg.log import Draft, EventLog, RoomStats
from jupyter_rtmsg.log.retention import Retention


async def test_the_events_of_a_deleted_room_are_hidden_at_once(log: EventLog) -> None:
    await fill(log, 50)
    kept = await fill(log, 3, room="other")
    head = log.head
    gone = await log.delete("lab")
    assert gone.seq == head
    stats = await log.stats("lab")
    assert (stats.count, stats.bytes, stats.first) == (0, 0, stats.head + 1)
    assert "lab" not in await log.rooms()
    assert await read_all(log) == []
    assert (await log.lag("lab", 0)).missed == 0
    assert [page.records for page in [await log.read("lab", last=5), await log.read("lab", since=0)]] == [[], []]
    assert seqs(await read_all(log, "other")) == kept


async def test_a_room_made_again_goes_on_with_its_head_and_its_numbers(log: EventLog) -> None:
    old = await fill(log, 5, user="ann")
    await log.delete("lab")
    with pytest.raises(LogConflict, match=f"the head of room 'lab' is {old[-1]}"):
        await log.append(draft(expect=0))
    new = await fill(log, 2, user="bob")
    first, second = await read_all(log)
    assert [first.seq, second.seq] == new
    assert (first.prev, first.n, second.n) == (old[-1], 6, 7)
    stats = await log.stats("lab")
    assert (stats.first, stats.count, stats.maker) == (new[0], 2, "bob")
    assert (await log.lag("lab", old[0])).missed == 2


async def test_publish_ids_of_before_are_forgotten(log: EventLog) -> None:
    one = draft(client="c", id="1", user="ann")
    before = await log.append(one)
    deleted = log.delete("lab")
    again, once_more = await asyncio.gather(log.append(one), log.append(one))  # in the same commit
    await deleted
    assert (before.duplicate, again.duplicate, once_more.duplicate) == (False, False, True)
    assert seqs(await read_all(log)) == [again.seq] == [once_more.seq]


async def test_deletion_is_in_order_with_appends(log: EventLog) -> None:
    drafts = [log.append(draft(i)) for i in range(3)]
    deleted = log.delete("lab")
    later = [log.append(draft(i)) for i in range(3, 5)]
    await asyncio.gather(*drafts, deleted, *later)
    assert [record.data for record in await read_all(log)] == [b"3", b"4"]
    if log.durable or log.url == "memory:":
        records = await follow(log, (await drafts[0]).seq - 1, 5)
        assert [record.data for record in records] == [b"0", b"1", b"2", b"3", b"4"]  # who follows saw all of it


async def test_it_is_removed_in_slices_and_survives_a_restart_in_the_middle(
    open_sqlite: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices: list[int] = []
    original, stop = Retention.delete, Retention._remove_hidden

    def counted(self: Retention, *args: object, **rest: object) -> object:
        before = self._state.count
        changed = original(self, *args, **rest)  # type: ignore[arg-type]
        slices.append(before - self._state.count)
        return changed

    def once(self: Retention) -> dict[str, RoomStats]:
        return stop(self) if len(slices) < 2 else {}

    monkeypatch.setattr(Retention, "delete", counted)
    monkeypatch.setattr(Retention, "_remove_hidden", once)
    log = await open_sqlite()
    for _ in range(5):
        await fill(log, 1000, user="ann")
    await log.delete("lab")
    await until(lambda: len(slices) == 2)
    new = await fill(log, 1, user="bob")
    await log.close()
    assert events_in(path) == 3001
    monkeypatch.setattr(Retention, "_remove_hidden", stop)
    again = await open_sqlite()
    stats = await again.stats("lab")
    assert (stats.first, stats.count, stats.bytes) == (new[0], 1, 1)
    assert seqs(await read_all(again)) == new
    await until(lambda: events_in(path) == 1)
    assert (sum(slices), max(slices)) == (5000, 1000)
    await again.close()
    assert tallies_in(path) == [("bob", 1, 1)]


async def test_large_events_are_removed_in_slices_of_some_megabytes(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_rtmsg.log.retention._SLICE_BYTES", 250)
    slices: list[int] = []
    original = Retention.delete

    def counted(self: Retention, *args: object, **rest: object) -> object:
        before = self._state.count
        changed = original(self, *args, **rest)  # type: ignore[arg-type]
        slices.append(before - self._state.count)
        return changed

    monkeypatch.setattr(Retention, "delete", counted)
    log = await open_sqlite()
    await asyncio.gather(*(log.append(Draft("lab", "big", b"1" * 100)) for _ in range(7)))
    await log.delete("lab")
    await until(lambda: sum(slices) == 7)
    assert slices == [3, 3, 1]


async def test_deleting_a_room_that_never_existed_does_nothing(log: EventLog) -> None:
    await log.delete("never")
    assert await log.stats("never") == RoomStats(0, 0, 0, 0)


async def test_an_empty_room_unused_for_a_day_belongs_to_the_next_writer(open_sqlite: Opener) -> None:
    clock, monotonic = Clock(), Clock(0.0)
    log = await open_sqlite(clock=clock, monotonic=monotonic, max_age=10)

    async def empty() -> bool:
        return not (await log.stats("lab")).count

    for seconds, user, maker in ((0, "ann", "ann"), (3600, "bob", "ann"), (90_000, "eve", "eve")):
        clock.now += seconds
        monotonic.now += seconds
        await fill(log, 1, room="other")
        await until(empty)
        await fill(log, 1, user=user)
        assert (await log.stats("lab")).maker == maker


async def test_a_room_made_again_belongs_to_its_new_maker(log: EventLog) -> None:
    await fill(log, 1, user="ann")
    await fill(log, 1, room="other", user="ann")
    await log.delete("lab")
    await fill(log, 1, user="bob")
    assert (await log.stats("lab")).maker == "bob"


async def test_a_room_that_was_just_used_keeps_its_maker_over_a_restart_and_a_trim(open_sqlite: Opener) -> None:
    clock, monotonic = Clock(), Clock(0.0)
    log = await open_sqlite(clock=clock, monotonic=monotonic)
    await fill(log, 1, user="ann")
    for _ in range(40):  # nearly two days
        clock.now += 3_600
        monotonic.now += 3_600
        await fill(log, 1, user="ann")
    await fill(log, 1, room="other")
    await log.close()
    log = await open_sqlite(clock=clock, monotonic=monotonic, max_age=3)
    clock.now += 600
    monotonic.now += 600
    await fill(log, 1, room="other")

    async def empty() -> bool:
        return not (await log.stats("lab")).count

    await until(empty)
    await fill(log, 1, user="bob")
    assert (await log.stats("lab")).maker == "ann"


async def test_no_room_is_forgotten_of_which_something_is_in_the_file(
    open_sqlite: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_rtmsg.log.retention._KEPT_EMPTY", 2)
    log = await open_sqlite()
    for i in range(8):
        await fill(log, 1_500, room=f"r{i}")
    await fill(log, 1, room="kept")
    await asyncio.gather(*(log.delete(f"r{i}") for i in range(8)))
    await until(lambda: query(path, "SELECT count(*) FROM room") == [(3,)])
    await log.close()
    assert events_in(path) == 1
    assert query(path, "SELECT count(*) FROM event WHERE room NOT IN (SELECT id FROM room)") == [(0,)]


def events_in(path: Path) -> int:
    return int(query(path, "SELECT count(*) FROM event")[0][0])


def tallies_in(path: Path) -> list[tuple[str, int, int]]:
    return query(path, "SELECT user, count, bytes FROM tally")  # type: ignore[return-value]


def query(path: Path, text: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


async def test_empty_rooms_of_the_user_with_most_of_them_are_forgotten_first(
    open_sqlite: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_rtmsg.log.retention._KEPT_EMPTY", 20)
    log = await open_sqlite()
    await fill(log, 1, room="mine", user="ann")
    await log.delete("mine")
    for i in range(40):
        await fill(log, 1, room=f"r{i}", user="eve")
        await log.delete(f"r{i}")
    await fill(log, 1, room="kept", user="ann")
    await until(lambda: query(path, "SELECT count(*) FROM room") == [(21,)])
    await until(lambda: "r0" not in log._rooms)  # type: ignore[attr-defined] # the loop's copy comes after the file
    assert (await log.stats("mine")).head == 1
    assert (await log.stats("r39")).head == 41
    await log.close()
    assert [row[0] for row in query(path, "SELECT name FROM room ORDER BY used, id")] == [
        "mine", *(f"r{i}" for i in range(21, 40)), "kept",
    ]  # fmt: skip


@pytest.mark.parametrize("change", ["since = since | 1024", "since = since - 1", "crc = crc + 1", "room = room | 64"])
async def test_a_damaged_deletion_deletes_nothing(open_sqlite: Opener, path: Path, change: str) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    await log.delete("lab")
    new = await fill(log, 5)
    await until(lambda: events_in(path) == 5)
    await log.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE deletion SET {change}")
    connection.close()
    again = await open_sqlite()
    await fill(again, 1, room="other")
    assert seqs(await read_all(again)) == new
    assert (await again.stats("lab")).count == 5
