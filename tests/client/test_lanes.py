"""Several executors of one source: as many calls at once as are allowed, and no more threads than are needed."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from support.patience import eventually

from jupyter_rtmsg.client.executor import Call, SerialExecutor, TaskExecutor, ThreadExecutor
from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.client.lanes import Lanes


class Jobs:
    """A source of calls of one function."""

    def __init__(self, function: Any) -> None:
        self.queue: deque[int] = deque()
        self.handler = Handler(function)

    def calls(self) -> Iterator[Call]:
        while self.queue:
            try:
                yield Call(self.handler, (self.queue.popleft(),))
            except IndexError:
                return

    @property
    def waiting(self) -> int:
        return len(self.queue)


def thread(source: Any, name: str) -> SerialExecutor:
    return ThreadExecutor(source, name, lambda: None)  # type: ignore[arg-type, return-value]


async def test_calls_that_wait_get_threads_up_to_the_limit() -> None:
    together = threading.Barrier(4)
    done: list[int] = []

    def wait(number: int) -> None:
        together.wait(30)
        done.append(number)

    jobs = Jobs(wait)
    lanes = Lanes(jobs.calls, "test", 4, thread, lambda: jobs.waiting, threads=True)
    jobs.queue.extend(range(4))
    lanes.wake()
    for _ in range(3000):
        if len(done) == 4:
            break
        await asyncio.sleep(0.01)
    assert sorted(done) == [0, 1, 2, 3]
    lanes.close()


async def test_async_calls_run_at_once_up_to_the_limit_and_all_in_the_end() -> None:
    running, most, done = 0, 0, 0

    async def work(number: int) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        done += 1

    jobs = Jobs(work)
    lanes = Lanes(jobs.calls, "test", 3, TaskExecutor, lambda: jobs.waiting, threads=False)
    jobs.queue.extend(range(20))
    lanes.wake()
    assert await lanes.drained(30)
    assert (most, done) == (3, 20)
    assert not lanes.busy


async def test_nothing_is_started_after_the_end() -> None:
    called: list[int] = []
    jobs = Jobs(called.append)
    lanes = Lanes(jobs.calls, "test", 3, TaskExecutor, lambda: jobs.waiting, threads=False)
    lanes.close()
    jobs.queue.append(1)
    lanes.wake()
    await asyncio.sleep(0)
    assert called == []
    eventually(lambda: not lanes.busy)
