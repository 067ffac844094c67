"""A log in memory moves into its file when another server releases it, or when its place becomes writable."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.logs import Clock, Opener, draft, fill, follow, read_all, seqs, until

import jupyter_rtmsg.log.moving as module
from jupyter_rtmsg.errors import EpochChanged, LogBusy, LogConflict
from jupyter_rtmsg.log import EventLog, Record, StoredSubscription, open_log
from jupyter_rtmsg.log.file import LogFile
from jupyter_rtmsg.log.move import PositionMap
from jupyter_rtmsg.log.schema import MEMORY_START
from jupyter_rtmsg.log.sqlite import SQLiteLog

_HOLDER = """
import asyncio, sys
from jupyter_rtmsg.log import Draft, open_log

async def hold():
    log = await open_log(sys.argv[1], ballast=0)
    for i in range(int(sys.argv[2])):
        await log.append(Draft("lab", "held", b"%d" % i, user="ada", client="c", id=f"h{i}", auto=True))
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await log.close()

asyncio.run(hold())
"""
LONG_AGO = 1_700_000_000.0


async def moved(log: EventLog) -> None:
    await until(lambda: log.durable)


def reader(name: str, epoch: str, position: int) -> StoredSubscription:
    return StoredSubscription("ada", "lab", name, name, epoch=epoch, position=position)


def data(records: Sequence[Record]) -> list[int]:
    return [int(record.data) for record in records]


async def test_events_in_memory_are_appended_when_the_other_server_has_ended(open_sqlite: Opener, path: Path) -> None:
    first, second = await open_sqlite(), await open_sqlite()
    await fill(first, 2)
    epochs = first.epoch, second.epoch
    before = await fill(second, 3)
    assert before == [MEMORY_START + 1, MEMORY_START + 2, MEMORY_START + 3]
    assert (second.durable, second.url) == (False, "memory:")
    await first.close()
    await moved(second)
    assert (second.epoch, second.url, second.warning) == (epochs[0], f"sqlite:///{path}", None)
    assert await fill(second, 1) == [6]
    records = await read_all(second)
    assert (seqs(records), data(records)) == ([1, 2, 3, 4, 5, 6], [0, 1, 0, 1, 2, 0])
    assert [record.prev for record in records] == [0, 1, 2, 3, 4, 5]
    await second.close()
    third = await open_sqlite()
    assert (await read_all(third), third.epoch) == (records, epochs[0])


async def test_a_holder_that_is_killed_gives_the_log_up(open_sqlite: Opener, path: Path) -> None:
    command = [sys.executable, "-c", _HOLDER, f"sqlite:///{path}", "3"]
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    log = await open_sqlite()
    assert f"(process {holder.pid})" in (log.warning or "")
    await fill(log, 2)
    holder.kill()
    await holder.wait()
    await moved(log)
    assert [record.name for record in await read_all(log)] == ["held", "held", "held", "tick", "tick"]


async def test_the_warning_says_the_consequence_and_names_the_holder_of_the_log(
    open_sqlite: Opener, path: Path
) -> None:
    await open_sqlite()
    warning = (await open_sqlite()).warning or ""
    assert f"The log {path} is in use by another server (process {os.getpid()})" in warning
    for part in ("do not share rooms", "kept in memory only", "would be lost", "tries again", "c.RtmsgApp.log_url"):
        assert part in warning


async def test_the_warning_names_the_next_holder(
    open_sqlite: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AFTER", 0.01)
    first, second = await open_sqlite(), await open_sqlite()
    path.with_name("log.sqlite3.lock").write_text("4711 node7")
    await until(lambda: "(process 4711 on node7)" in (second.warning or ""))
    await fill(second, 1)
    await first.close()
    await moved(second)
    assert second.head == 1


async def test_a_follower_gets_all_events_in_memory_and_then_the_move(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, go_on = hold_moves(monkeypatch)
    first, second = await open_sqlite(), await open_sqlite()
    got: list[Record] = []
    swapped: list[bool] = []

    async def take() -> None:
        async for batch in second.follow(after=second.head):
            got.extend(batch)
            swapped.append(second.durable)

    following = asyncio.create_task(take())
    await fill(second, 2)
    await first.close()
    await asyncio.to_thread(under_way.wait)
    rest = asyncio.gather(*(second.append(draft(i)) for i in range(200)))
    go_on.set()
    with pytest.raises(EpochChanged, match="moved") as changed:
        await following
    assert changed.value.position == 2
    assert second.durable
    assert seqs(got) == [MEMORY_START + 1, MEMORY_START + 2]
    assert not any(swapped)
    assert seqs(await follow(second, 2, 200)) == [each.seq for each in await rest] == list(range(3, 203))


async def test_appends_during_the_move_wait_and_get_new_positions(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, go_on = hold_moves(monkeypatch)
    first, second = await open_sqlite(), await open_sqlite(max_queue=3)
    await fill(second, 1)
    await first.close()
    await asyncio.to_thread(under_way.wait)
    waiting = [second.append(draft(i, expect=None if i < 9 else MEMORY_START + 1)) for i in (7, 8)]
    waiting.append(second.append(draft(9, expect=MEMORY_START + 1)))
    with pytest.raises(LogBusy, match="3 appends wait while the log is moved"):
        second.append(draft())
    second.announce(draft(name="volatile"))  # dropped: there is no room for it
    assert seqs((await second.read("lab")).records) == [MEMORY_START + 1]
    assert not any(each.done() for each in waiting)
    go_on.set()
    assert [(await each).seq for each in waiting[:2]] == [2, 3]
    with pytest.raises(LogConflict, match="the head of room 'lab' is 3, not 1"):
        await waiting[2]


async def test_expect_may_be_a_head_of_before_the_move(open_sqlite: Opener) -> None:
    first, second = await open_sqlite(), await open_sqlite()
    await fill(first, 5)
    (head,) = await fill(second, 1)
    await first.close()
    await moved(second)
    assert (await second.append(draft(expect=head))).seq == 7
    with pytest.raises(LogConflict):
        await second.append(draft(expect=head))
    with pytest.raises(LogConflict):
        await second.append(draft(expect=MEMORY_START + 9))


async def test_openings_of_before_the_move_go_on_meaning_the_same(open_sqlite: Opener) -> None:
    first, second = await open_sqlite(), await open_sqlite()
    await fill(first, 5)
    await fill(second, 4)
    (file, in_file), (memory, in_memory) = (first.epoch, first.opening), (second.epoch, second.opening)
    assert second.cut(in_memory) == MEMORY_START + 4
    await first.close()
    await moved(second)
    assert second.opening not in (in_file, in_memory)
    assert second.locate(MEMORY_START + 4, memory, in_memory) == second.cut(in_memory) == 9
    assert second.locate(5, file, in_file) == second.cut(in_file) == 5
    assert second.locate(6, file, in_file) is None  # it is an event of memory
    assert second.locate(9, file, second.opening) == 9


async def test_positions_of_before_go_on_meaning_the_same(open_sqlite: Opener) -> None:
    first, second = await open_sqlite(), await open_sqlite()
    await fill(first, 5)
    await fill(second, 4)
    epoch = second.epoch
    assert second.locate(5, first.epoch) is None
    assert second.locate(MEMORY_START + 5) is None
    assert second.locate(MEMORY_START + 4) == MEMORY_START + 4
    await first.close()
    await moved(second)
    assert [second.locate(MEMORY_START + i) for i in range(6)] == [5, 6, 7, 8, 9, None]
    assert [second.locate(at, epoch) for at in (0, MEMORY_START, MEMORY_START + 2, MEMORY_START + 9)] == [5, 5, 7, None]
    assert [second.locate(at, second.epoch) for at in (0, 5, 9, 10)] == [0, 5, 9, None]
    assert second.locate(5, "another") is None
    assert seqs(await read_all(second, after=MEMORY_START + 2)) == [8, 9]
    assert seqs(await read_all(second, after=MEMORY_START, before=MEMORY_START + 3)) == [6, 7]
    assert (await second.lag("lab", MEMORY_START + 3)).missed == 1
    assert seqs(await follow(second, MEMORY_START + 3, 1)) == [9]


async def test_an_id_that_the_file_knows_is_not_stored_again(open_sqlite: Opener) -> None:
    """A client whose acknowledgement was lost with the first server sends its event to the second."""
    first, second = await open_sqlite(), await open_sqlite()
    mine: dict[str, Any] = {"user": "ada", "client": "c"}
    (there,) = [await first.append(draft(1, id="a", **mine))]
    again, new = [await second.append(draft(i, id=id, **mine)) for i, id in ((1, "a"), (2, "b"))]
    other = await second.append(draft(3, id="a", user="ada", client="another"))
    assert not again.duplicate
    await first.close()
    await moved(second)
    assert data(await read_all(second)) == [1, 2, 3]
    assert [second.locate(each.seq) for each in (again, new, other)] == [1, 2, 3]
    for i, id, seq in ((1, "a", there.seq), (2, "b", 2)):
        got = await second.append(draft(i, id=id, **mine))
        assert (got.seq, got.duplicate) == (seq, True)
    # the head of the room, for who expects it, is where the file has it
    assert (await second.append(draft(4, expect=other.seq))).seq == 4


async def test_ids_of_long_ago_are_moved_too(open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """They lie in runs, not with the commits."""
    monkeypatch.setattr("jupyter_rtmsg.log.dedup._FRESH", 64)
    first, second = await open_sqlite(), await open_sqlite()
    mine: dict[str, Any] = {"user": "ada", "client": "c"}
    await asyncio.gather(*(second.append(draft(i, id=f"id {i}", **mine)) for i in range(300)))
    await first.close()
    await moved(second)
    again = await asyncio.gather(*(second.append(draft(i, id=f"id {i}", **mine)) for i in range(300)))
    assert [(each.seq, each.duplicate) for each in again] == [(i + 1, True) for i in range(300)]


async def test_subscriptions_are_moved_and_never_lost(open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, go_on = hold_moves(monkeypatch)
    first, second = await open_sqlite(), await open_sqlite()
    await fill(first, 5)
    for name, position in (("both", 1), ("elsewhere", 4)):
        first.subscriptions.add(reader(name, first.epoch, position))
    await fill(second, 3)
    for name, position in (("stored", MEMORY_START + 2), ("both", MEMORY_START + 1), ("start", MEMORY_START)):
        second.subscriptions.add(reader(name, second.epoch, position))
    (stored, *_) = second.subscriptions.all()
    await first.close()
    await asyncio.to_thread(under_way.wait)
    second.subscriptions.add(late := reader("late", second.epoch, MEMORY_START + 3))
    asking = asyncio.create_task(second.subscriptions.ready())
    go_on.set()
    await asking
    assert (late.epoch, late.position, stored.position) == (second.epoch, 8, 7)  # who uses them goes on using them
    for _ in range(2):
        rows = {row.key: (row.position, row.epoch) for row in second.subscriptions.all()}
        expected = {"stored": 7, "late": 8, "both": 6, "elsewhere": 4, "start": 5}
        assert rows == {name: (position, second.epoch) for name, position in expected.items()}
        await second.close()
        second = await open_sqlite()


async def test_a_subscription_that_ended_in_memory_ends_in_the_file_too(open_sqlite: Opener) -> None:
    clock = Clock()
    first, second = await open_sqlite(clock=clock), await open_sqlite(clock=clock)
    for log, name, ended in (
        (first, "before", None),
        (second, "before", 5),
        (first, "after", None),
        (second, "after", 5),
    ):
        row = reader(name, log.epoch, 0)
        row.used = log.subscriptions.now() + (10 if (log, name) == (first, "after") else 0)
        row.ended = ended and row.used + ended
        log.subscriptions.add(row)
    await first.close()
    await moved(second)
    rows = sorted((row.key, row.ended is not None) for row in second.subscriptions.all())
    assert rows == [("after", False), ("after", True), ("before", True)]
    await second.close()


async def test_the_generation_of_a_subscription_moves_along_and_never_goes_back(open_sqlite: Opener) -> None:
    first, second = await open_sqlite(), await open_sqlite()
    for log, generations in ((first, {"a": 3, "b": 1}), (second, {"a": 1, "b": 2})):
        for name, generation in generations.items():
            log.subscriptions.add(row := reader(name, log.epoch, 0))
            row.begin_generation(generation - 1)
    await first.close()
    await moved(second)
    assert {row.key: row.generation for row in second.subscriptions.all()} == {"a": 4, "b": 2}


async def test_key_values_are_moved(open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, go_on = hold_moves(monkeypatch)
    clock = Clock()
    first, second = await open_sqlite(clock=clock), await open_sqlite(clock=clock)
    await second.key_values.put("early", b"1", clock.now + 100)
    await first.close()
    await asyncio.to_thread(under_way.wait)
    second.key_values.put("late", b"2", clock.now + 100)
    go_on.set()
    assert [await second.key_values.get(key) for key in ("early", "late", "never")] == [b"1", b"2", None]


async def test_a_place_that_becomes_writable_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER", 0.01)
    (tmp_path / "rtmsg").write_bytes(b"in the way")
    log = await open_log(f"sqlite:///{tmp_path}/rtmsg/log.sqlite3", ballast=0)
    assert "cannot be written" in (log.warning or "")
    assert "Until then events are kept in memory only" in (log.warning or "")
    await fill(log, 3)
    (tmp_path / "rtmsg").unlink()
    await moved(log)
    assert (seqs(await read_all(log)), log.warning) == ([1, 2, 3], None)
    await log.close()


async def test_a_move_that_fails_goes_on_in_memory_and_leaves_the_file_as_it_was(
    open_sqlite: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER", 0.01)
    first, second = await open_sqlite(), await open_sqlite()
    await fill(first, 2)
    await fill(second, 1500)
    second.subscriptions.add(row := reader("x", second.epoch, MEMORY_START + 3))
    failing = fill_disk(monkeypatch)
    await first.close()
    await until(
        lambda: "database or disk is full" in (second.warning or "") or "the disk is full" in (second.warning or "")
    )
    assert not second.durable
    assert await fill(second, 1) == [MEMORY_START + 1501]
    assert (row.epoch, row.position) == (second.epoch, MEMORY_START + 3)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (2,)
    failing.clear()
    await moved(second)
    assert data(await read_all(second, limit=5000)) == [0, 1, *range(1500), 0]
    assert second.locate(MEMORY_START + 1501) == 1503


_KILLED = """
import asyncio, os, signal, sys
import jupyter_rtmsg.log.move as move
from jupyter_rtmsg.log import Draft, open_log

append, calls = move._append, []

def killed(*args):
    calls.append(append(*args))
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

move._append = killed

async def main():
    log = await open_log(sys.argv[1], ballast=0)
    await asyncio.gather(*(log.append(Draft("lab", "tick", b"%d" % i)) for i in range(2500)))
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_a_crash_in_the_middle_of_a_move_leaves_the_file_as_it_was(open_sqlite: Opener, path: Path) -> None:
    first = await open_sqlite()
    await fill(first, 2)
    pipe = asyncio.subprocess.PIPE
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLED, f"sqlite:///{path}", stdin=pipe, stdout=pipe
    )
    assert second.stdout is not None
    assert await second.stdout.readline() == b"held\n"
    await first.close()
    assert await second.wait() == -signal.SIGKILL
    third = await open_sqlite()
    assert (third.durable, third.head, third.epoch) == (True, 2, first.epoch)
    assert (await fill(third, 1), seqs(await read_all(third))) == ([3], [1, 2, 3])


async def test_events_keep_their_time(open_sqlite: Opener) -> None:
    """Those of the file may be younger; a time is searched for in both."""
    clock = Clock(LONG_AGO)
    first, second = await open_sqlite(clock=clock), await open_sqlite(clock=clock)
    for _ in range(3):
        clock.now += 3600
        await fill(second, 2)
        await fill(first, 2)
    clock.now += 3600
    await first.close()
    await moved(second)
    await fill(second, 1)
    times = [(record.ts / 1000 - LONG_AGO) / 3600 for record in await read_all(second)]
    assert times == [1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 4]
    page = await second.read("lab", since=int((LONG_AGO + 3 * 3600) * 1000))
    assert seqs(page.records) == [5, 6, 11, 12, 13]
    with sqlite3.connect(second.url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT count(*) FROM stretch").fetchone() == (1,)


async def test_limits_hold_after_the_move(open_sqlite: Opener) -> None:
    first, second = await open_sqlite(), await open_sqlite(max_events=10)
    await fill(first, 10)
    await fill(second, 15)

    async def trimmed() -> bool:
        return (await second.stats("lab")).count == 10

    await until(trimmed)
    await first.close()
    await moved(second)
    await until(trimmed)
    assert data(await read_all(second)) == list(range(5, 15))
    assert [second.locate(MEMORY_START + i) for i in (3, 5, 6, 15)] == [10, 10, 11, 20]


async def test_a_log_that_is_closed_while_it_waits_leaves_the_file_alone(open_sqlite: Opener) -> None:
    first, second = await open_sqlite(), await open_sqlite()
    await fill(second, 2)
    await second.close()
    await first.close()
    third = await open_sqlite()  # at once, or a moment later: the thread of the second may have had the lock
    await moved(third)
    assert third.head == 0


async def test_servers_that_are_stopped_together_lose_nothing(open_sqlite: Opener) -> None:
    first, second = await open_sqlite(), await open_sqlite()
    await fill(first, 2)
    await fill(second, 2)
    closing = asyncio.create_task(second.close())
    await asyncio.sleep(0)
    await first.close()
    await closing
    assert data(await read_all(await open_sqlite())) == [0, 1, 0, 1]


async def test_a_link_to_the_file_has_the_same_lock(open_sqlite: Opener, path: Path, tmp_path: Path) -> None:
    await open_sqlite()
    (tmp_path / "link.sqlite3").symlink_to(path)
    second = await open_log(f"sqlite:///{tmp_path}/link.sqlite3", ballast=0)
    assert "in use by another server" in (second.warning or "")
    await second.close()


async def test_a_log_that_is_closed_while_it_is_moved_is_moved(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, go_on = hold_moves(monkeypatch)
    first, second = await open_sqlite(), await open_sqlite()
    await fill(second, 2)
    await first.close()
    await asyncio.to_thread(under_way.wait)
    held = second.append(draft(7))
    closing = asyncio.create_task(second.close())
    go_on.set()
    await closing
    assert (await held).seq == 3
    third = await open_sqlite()
    assert data(await read_all(third)) == [0, 1, 7]


async def test_a_large_log_is_moved_in_parts_and_with_its_attachments(open_sqlite: Opener) -> None:
    first, second = await open_sqlite(), await open_sqlite()
    for room in ("lab", "attic"):
        await asyncio.gather(
            *(second.append(draft(i, room, attachments=(b"a" * 10, b"%d" % i)[: i % 3])) for i in range(2500))
        )
    records = await read_all(second, limit=5000, max_bytes=1 << 30, max_attachments=1 << 30)
    await first.close()
    await moved(second)
    got = await read_all(second, limit=5000, max_bytes=1 << 30, max_attachments=1 << 30)
    assert [(r.data, r.attachments, r.ts) for r in got] == [(r.data, r.attachments, r.ts) for r in records]
    assert [r.seq for r in got] == [second.locate(r.seq or 0) for r in records]


async def test_a_log_that_has_its_file_has_nothing_of_this(open_sqlite: Opener) -> None:
    assert type(await open_sqlite()) is SQLiteLog


def test_the_position_map_is_short_if_positions_are_regular() -> None:
    table = PositionMap("e", 5)
    for i in range(1, 1001):
        table.add(MEMORY_START + i, 5 + i, known=False)
    assert (table.count, len(table._starts)) == (1000, 1)


def hold_moves(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Have moves wait in the middle; return the events that say that one is under way, and that it may go on."""
    under_way, go_on, move = threading.Event(), threading.Event(), module.move_events

    def wait(*args: Any) -> PositionMap:
        under_way.set()
        assert go_on.wait(30)
        return move(*args)

    monkeypatch.setattr(module, "move_events", wait)
    return under_way, go_on


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Have the file take no more pages until the dict is cleared."""
    full = {"full": True}
    move = module.move_events

    def moves(source: Any, epoch: str, head: int, file: LogFile) -> PositionMap:
        if full:
            (pages,) = file.store.connection.execute("PRAGMA page_count").fetchone()
            file.store.connection.execute(f"PRAGMA max_page_count={pages + 2}")
        return move(source, epoch, head, file)

    monkeypatch.setattr(module, "move_events", moves)
    return full
