"""Lanes: several serial executors of one source, so that several calls run at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .executor import ExecutorFactory, SerialExecutor, Source

MAX_THREADS = 64
"""Threads of one source, at most."""
_GROW_AFTER = 0.005  # seconds that a call waits before another thread is started for it


class Lanes:
    """Runs the calls of one source on up to ``limit`` executors. Runs on the I/O loop.

    An async handler gets as many executors as there are calls at once, since they are only tasks. For a sync handler
    they are threads. Those are started one after the other, and only while calls wait: a quick handler needs one, and
    would be slower on many.

    Parameters
    ----------
    source : callable
        Several generators of it are read at the same time, on several threads.
    name : str
    limit : int
        Calls at once.
    make_executor : callable
    waiting : callable
        Returns how many calls wait. Thread-safe.
    threads : bool
        Whether the executors are threads.
    """

    def __init__(
        self,
        source: Source,
        name: str,
        limit: int,
        make_executor: ExecutorFactory,
        waiting: Callable[[], int],
        *,
        threads: bool,
    ) -> None:
        self._source = source
        self._name = name
        self._limit = min(limit, MAX_THREADS) if threads else limit
        self._make_executor = make_executor
        self._waiting = waiting
        self._threads = threads
        self._executors: list[SerialExecutor] = []
        self._growing: asyncio.TimerHandle | None = None
        self._stopped = False

    def wake(self) -> None:
        """Have the source read again."""
        waiting = self._waiting()
        for executor in self._executors:
            if not executor.idle:
                executor.wake()  # it may be about to rest, with the source read to its former end
            elif waiting > 0:
                waiting -= 1
                executor.wake()
        if waiting <= 0 or self._stopped or len(self._executors) >= self._limit:
            return
        if not self._threads:
            self._start(waiting)
        elif not self._executors:
            self._start(1)
        self._grow_later()

    def _grow_later(self) -> None:
        if self._threads and self._growing is None and len(self._executors) < self._limit:
            self._growing = asyncio.get_running_loop().call_later(_GROW_AFTER, self._grow)

    def _grow(self) -> None:
        """Double the threads, if all of them are busy and calls wait."""
        self._growing = None
        waiting = self._waiting()
        if waiting and not self._stopped:
            if not any(executor.idle for executor in self._executors):
                self._start(min(waiting, len(self._executors)))
            self._grow_later()

    def _start(self, number: int) -> None:
        for _ in range(min(number, self._limit - len(self._executors))):
            executor = self._make_executor(self._source, f"{self._name} {len(self._executors) + 1}")
            self._executors.append(executor)
            executor.wake()

    @property
    def busy(self) -> bool:
        """Whether a call runs."""
        return any(not executor.idle for executor in self._executors)

    def inside(self) -> bool:
        """Return whether the caller is a handler that one of the executors runs. Thread-safe."""
        return any(executor.inside() for executor in tuple(self._executors))

    def close_inside(self) -> None:
        """Let the executor that runs the caller end with this call, so that nobody waits for it. Thread-safe."""
        for executor in tuple(self._executors):
            if executor.inside():
                executor.close()

    def drain(self) -> None:
        """Start no further executors, and end the present ones when the source is exhausted."""
        self._stop()
        for executor in self._executors:
            executor.drain()

    async def drained(self, timeout: float) -> bool:
        """Wait until `drain` is done; return False if a handler still runs after ``timeout`` seconds."""
        done = await asyncio.gather(*(executor.drained(timeout) for executor in self._executors))
        return all(done)

    def close(self) -> None:
        """End all executors after the calls that run now."""
        self._stop()
        for executor in self._executors:
            executor.close()

    def _stop(self) -> None:
        self._stopped = True
        if self._growing:
            self._growing.cancel()
