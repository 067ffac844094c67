"""What runs while nothing happens, counted rather than timed; and what is left when something has ended."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

import psutil
from support.wsclient import PATIENCE, RawClient

from jupyter_rtmsg.client.loop_thread import LoopThread

T = TypeVar("T")

PING_INTERVAL = 0.1  # of servers whose pings measure a quiet time


class Wakes:
    """Counts how often a loop wakes: each return of its selector, whatever for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.count = 0
        self._selector: Any = loop._selector  # type: ignore[attr-defined]
        self._select: Callable[..., Any] = self._selector.select
        self._selector.select = self._counted

    def _counted(self, timeout: float | None = None) -> Any:
        self.count += 1
        return self._select(timeout)

    def end(self) -> None:
        """Count no more."""
        self._selector.select = self._select


@contextmanager
def wakes(*loops: asyncio.AbstractEventLoop) -> Iterator[list[Wakes]]:
    """Count the wakes of loops."""
    counted = [Wakes(loop) for loop in loops]
    yield counted
    for one in counted:
        one.end()


class Beats:
    """A session that only answers pings: so the server tells how much time has passed.

    A quiet time ends after a number of pings, not after a number of seconds: on a busy machine pings are late as
    everything else is.
    """

    def __init__(self, raw: RawClient) -> None:
        self._raw = raw

    async def pass_(self, number: int) -> None:
        """Wait for so many pings."""
        while number:
            if await self._raw.receive() == "2":
                self._raw.send("3")
                number -= 1

    @classmethod
    @asynccontextmanager
    async def of(cls, port: int) -> Any:
        """Open such a session with a server."""
        raw = await RawClient.open(port)
        await raw.enter()
        yield cls(raw)
        raw.writer.close()
        with suppress(ConnectionError):
            await raw.writer.wait_closed()


class Left(NamedTuple):
    """What a process holds: for the comparison of before and after."""

    descriptors: int
    threads: int
    tasks: int
    timers: int

    @classmethod
    def now(cls, loop: asyncio.AbstractEventLoop | None = None) -> Left:
        """Count what this process, and a loop of it, hold now."""
        gc.collect()
        timers = [handle for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
        # but for those of the test, and of a log
        threads = [one for one in threading.enumerate() if not one.name.startswith(("test", "rtmsg-log"))]
        tasks = asyncio.all_tasks(loop) if loop else ()
        return cls(psutil.Process(os.getpid()).num_fds(), len(threads), len(tasks), len(timers))

    @classmethod
    async def back_to(cls, before: Left, loop: asyncio.AbstractEventLoop, seconds: float = PATIENCE) -> None:
        """Wait until this process holds no more than before; say what it holds if that does not come."""
        deadline = asyncio.get_running_loop().time() + seconds
        while any(left > was for left, was in zip(cls.now(loop), before, strict=True)):
            if asyncio.get_running_loop().time() > deadline:
                threads = sorted(thread.name for thread in threading.enumerate())
                tasks = sorted(task.get_name() for task in asyncio.all_tasks(loop))
                timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
                raise AssertionError(
                    f"{cls.now(loop)}, before {before}; threads {threads}, tasks {tasks}, timers {timers}"
                )
            await asyncio.sleep(0.01)


async def apart(thread: LoopThread, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop of another thread, where a server's wakes are its own."""
    return await asyncio.wrap_future(thread.submit(coroutine))


async def sleeps(loop: asyncio.AbstractEventLoop, beats: Beats, pings: int = 15) -> bool:
    """Tell whether a loop comes to sleep through so many pings of another server."""
    deadline = asyncio.get_running_loop().time() + 60
    while asyncio.get_running_loop().time() < deadline:
        with wakes(loop) as (counted,):
            await beats.pass_(pings)
        if not counted.count:
            return True
    return False
