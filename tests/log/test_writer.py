from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.logs import draft, fill, until

from jupyter_rtmsg.log import EventLog

Opener = Callable[..., Awaitable[EventLog]]


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


async def test_what_arrives_during_a_commit_shares_the_next(open_sqlite: Opener) -> None:
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


async def test_after_close_no_thread_is_left(open_any: Opener) -> None:
    before = log_threads()
    log = await open_any()
    await fill(log, 3)
    await log.read("lab")
    await log.close()
    await until(lambda: log_threads() <= before)
    gc.collect()
