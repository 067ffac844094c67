from __future__ import annotations

import asyncio
import errno
import gc
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.logs import Opener, draft, fill, follow, read_all, until

from jupyter_rtmsg.errors import LogBusy, LogDiskError, LogError, LogFull
from jupyter_rtmsg.log import Appended, Draft


def log_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("rtmsg-log")}


async def test_appends_of_one_turn_share_a_commit_and_one_call_to_the_loop(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_sqlite()
    loop = asyncio.get_running_loop()
    calls: list[Any] = []
    original = loop.call_soon_threadsafe

    def counted(*args: Any, **rest: Any) -> asyncio.Handle:
        calls.append(args)
        return original(*args, **rest)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    await fill(log, 500)
    assert len(calls) == 1


async def test_appends_that_arrive_during_a_commit_share_the_next_one(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    batches: list[int] = []

    async def watch() -> None:
        batches.extend([len(batch) async for batch in log.follow(after=0)])

    task = asyncio.create_task(watch())

    async def publish() -> None:
        for i in range(20):
            await log.append(draft(i))

    await asyncio.gather(*(publish() for _ in range(50)))
    await log.close()
    await task
    assert sum(batches) == 1000
    assert len(batches) <= 100


async def test_every_append_is_answered_at_whichever_step_the_thread_fails(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_sqlite()
    writer = log._writer  # type: ignore[attr-defined]

    def fail_at_parts(work: Any) -> Any:
        if work.total < 4:
            raise SystemError("at a part")
        error = LogError("one of them")
        error.__cause__ = ValueError("poisoned")
        return writer._refused(None, work, error)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_outcome", fail_at_parts)
        appends = [log.append(draft(i)) for i in range(5)]
        answers = await asyncio.wait_for(asyncio.gather(*appends, return_exceptions=True), 30)
    assert all(isinstance(each, LogError) for each in answers)
    assert (await log.append(draft())).seq == 1


async def test_an_unexpected_failure_fails_its_batch_and_the_thread_goes_on(
    open_sqlite: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    log = await open_sqlite()
    await fill(log, 1)
    store = log._writer._store  # type: ignore[attr-defined]
    store.connection.execute("ALTER TABLE event RENAME TO elsewhere")
    with pytest.raises(Exception, match="could not store: no such table"):
        await log.append(draft())
    assert "could not store" in caplog.text
    store.connection.execute("ALTER TABLE elsewhere RENAME TO event")
    assert (await log.append(draft())).seq == 2


async def test_an_append_is_answered_before_the_state_is_brought_up_to_date(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_sqlite()
    retention, answered = log._writer._retention, threading.Event()  # type: ignore[attr-defined]
    grown = retention.grown

    def late(batch: Any) -> None:
        assert answered.wait(60)
        grown(batch)

    monkeypatch.setattr(retention, "grown", late)
    assert (await asyncio.wait_for(log.append(draft()), 30)).seq == 1
    answered.set()
    assert (await log.append(draft())).seq == 2


async def test_a_batch_is_counted_once_if_the_thread_fails_between_its_commit_and_its_outcome(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_sqlite()
    writer = log._writer  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_confirmed", failing(RuntimeError("a fault of ours")))
        with pytest.raises(LogError):
            await log.append(draft(1, client="c", id="x"))
    assert await log.append(draft(1, client="c", id="x")) == Appended(1, duplicate=True)
    assert (await log.append(draft())).seq == 2
    assert (await log.stats("lab")).count == 2


FAULTS = [
    (sqlite3.OperationalError("disk I/O error"), LogDiskError),
    (sqlite3.OperationalError("attempt to write a readonly database"), LogDiskError),
    (sqlite3.OperationalError("database or disk is full"), LogFull),
    (sqlite3.IntegrityError("UNIQUE constraint failed"), LogDiskError),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), LogFull),
    (PermissionError(errno.EACCES, "Permission denied"), LogDiskError),
    (MemoryError(), LogBusy),
    (OverflowError("Python int too large to convert to SQLite INTEGER"), LogError),
    (RuntimeError("a fault of ours"), LogError),
    (SystemExit(1), LogError),
]


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(("error", "answer"), FAULTS)
@pytest.mark.parametrize("where", ["_store.insert", "_store.transaction", "_clock.look", "_retention.grown"])
async def test_the_thread_outlives_every_error_and_tells_it(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch, error: BaseException, answer: type[LogError], where: str
) -> None:
    log = await open_sqlite()
    await fill(log, 1)
    writer = log._writer  # type: ignore[attr-defined]
    owner, name = where.split(".")
    with monkeypatch.context() as patch:
        patch.setattr(getattr(writer, owner), name, failing(error))
        outcomes = await asyncio.gather(*(log.append(draft(i)) for i in range(3)), return_exceptions=True)
        if owner != "_retention":  # there it is stored already
            assert {type(outcome) for outcome in outcomes} == {answer}
            await until(lambda: log.failing)
    before = log.head
    assert (await log.append(draft())).seq > before
    await until(lambda: log.failing is None)
    records = await read_all(log)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))


@pytest.mark.parametrize("error", [error for error, _ in FAULTS[:-1]])
async def test_housekeeping_that_fails_is_seen_and_tried_again(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    log = await open_sqlite()
    with monkeypatch.context() as patch:
        patch.setattr(log._writer._retention, "step", failing(error))  # type: ignore[attr-defined]
        for number in range(20):
            assert (await log.append(draft())).seq == number + 1
        await until(lambda: log.failing)
    assert sum("cannot be trimmed" in message for message in caplog.messages) == 1
    await until(lambda: log.failing is None)


async def test_an_event_that_cannot_be_stored_fails_alone_in_its_batch(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    poison = Draft("lab", "tick", b"1", sender=b"{}", user="\ud800")  # SQLite takes no lone surrogate
    outcomes = await asyncio.gather(
        *(log.append(each) for each in [draft(1), poison, draft(2), poison, draft(3)]), return_exceptions=True
    )
    assert [getattr(outcome, "seq", None) for outcome in outcomes] == [1, None, 2, None, 3]
    assert [record.data for record in await read_all(log)] == [b"1", b"2", b"3"]


async def test_a_commit_that_only_seemed_to_fail_comes_out_of_the_log(
    open_sqlite: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_sqlite()
    await fill(log, 1)
    store = log._writer._store  # type: ignore[attr-defined]
    committed = store.transaction

    @contextmanager
    def failing_behind() -> Iterator[sqlite3.Connection]:
        with committed() as connection:
            yield connection
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(store, "transaction", failing_behind)
        with pytest.raises(LogDiskError):
            await log.append(draft(1, client="c", id="x"))
    assert await log.append(draft(1, client="c", id="x")) == Appended(2, duplicate=True)
    assert (await log.append(draft(2))).seq == 3
    assert [record.seq for record in await follow(log, 0, 3)] == [1, 2, 3]


async def test_after_close_no_thread_is_left(open_any: Opener) -> None:
    before = log_threads()
    log = await open_any()
    await fill(log, 3)
    await log.read("lab")
    await log.close()
    await until(lambda: log_threads() <= before)
    gc.collect()
