from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.logs import Clock, Opener, bare_event, draft, fill, read_all, seqs, until

from jupyter_rtmsg.log import Draft, EventLog
from jupyter_rtmsg.log.retention import Retention
from jupyter_rtmsg.log.schema import connect, prepare
from jupyter_rtmsg.log.timeline import first_at


def size(path: Path) -> int:
    return os.stat(path).st_size


async def held(log: EventLog) -> int:
    return sum(stats.count for stats in (await log.rooms()).values())


async def test_lowered_limits_are_applied_in_slices_of_at_most_a_thousand(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_sqlite()
    for _ in range(5):
        await fill(log, 1000)
    await log.close()

    slices: list[int] = []
    original = Retention.delete

    def counted(self: Retention, *args: object) -> object:
        before = self._state.count
        changed = original(self, *args)  # type: ignore[arg-type]
        slices.append(before - self._state.count)
        return changed

    monkeypatch.setattr(Retention, "delete", counted)
    again = await open_sqlite(max_events=700)
    await until(lambda: _holds(again, 700))
    assert sum(slices) == 4300
    assert max(slices) <= 1000
    assert seqs(await read_all(again)) == list(range(4301, 5001))


async def test_a_busy_log_stays_near_its_limits(open_sqlite: Opener) -> None:
    log = await open_sqlite(max_events=200, dedup_count=100)
    worst = 0
    for i in range(60):
        await fill(log, 50, client="c", id=str(i))
        await asyncio.gather(*(log.append(draft(j, client="c", id=f"{i}-{j}")) for j in range(50)))
        worst = max(worst, (await log.stats("lab")).count)
    assert worst <= 200 + 10 + 2 * 51


async def test_attachments_go_with_their_events(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite(max_events=3)
    for i in range(10):
        await log.append(draft(i, attachments=(b"part",) * (i % 3)))
    await until(lambda: _holds(log, 3))
    kept = await read_all(log)
    assert [len(record.attachments) for record in kept] == [1, 2, 0]
    await log.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT DISTINCT seq FROM attachment").fetchall() == [(8,), (9,)]
    connection.close()


async def test_space_is_given_back_to_the_disk(open_sqlite: Opener, path: Path) -> None:
    clock = Clock()
    log = await open_sqlite(clock=clock, max_age=10)
    for _ in range(8):
        await asyncio.gather(*(log.append(Draft("lab", "big", b"1" * 10_000)) for _ in range(200)))
    await until(lambda: size(path) > 12_000_000)
    clock.now += 11
    await fill(log, 1)
    await until(lambda: size(path) < 6_000_000)
    assert await held(log) == 1


async def test_the_write_ahead_log_stays_small(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    largest = 0
    for _ in range(20):
        await asyncio.gather(*(log.append(Draft("lab", "big", b"1" * 10_000)) for _ in range(100)))
        largest = max(largest, size(path.with_name(path.name + "-wal")))
    assert largest < 6_000_000


@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=20),
    ts=st.integers(0, 70),
    beyond=st.integers(0, 3),
)
def test_first_at_finds_where_a_time_begins(steps: list[tuple[int, int]], ts: int, beyond: int) -> None:
    connection = connect(":memory:")
    prepare(connection, "MEMORY")
    seq = now = 0
    rows = []
    for later, gap in steps:
        seq, now = seq + gap, now + later
        rows.append((seq, now))
    for position, when in rows:
        bare_event(connection, position, when)
    found = first_at(connection, ts, seq + beyond)
    assert all(when < ts for position, when in rows if position < found)
    assert all(when >= ts for position, when in rows if position >= found)
    connection.close()


async def _holds(log: EventLog, count: int) -> bool:
    return await held(log) == count
