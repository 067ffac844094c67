"""A log in memory whose threads work only while the event loop waits for them: the same steps give the same order."""

from __future__ import annotations

import asyncio
import itertools
import queue
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.log.memory import MemoryLog
from jupyter_rtmsg.log.reader import Reader
from jupyter_rtmsg.log.records import Page
from jupyter_rtmsg.log.work import Item, Outcome


class Ticks:
    """Pauses for given numbers of turns of the event loop, which come again from the beginning."""

    def __init__(self, pauses: list[int]) -> None:
        self._pauses = itertools.cycle(pauses)

    async def __call__(self) -> None:
        for _ in range(next(self._pauses)):
            await asyncio.sleep(0)


class InlineReaders:
    """In place of a `ReaderPool`: it reads on the loop's own thread."""

    failing = None
    damaged = False

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def __call__(self, work: Callable[..., Any], *args: Any) -> Any:
        return self._reader.run(work, *args)

    def renew(self) -> None:
        """Do nothing."""

    async def close(self, timeout: float) -> bool:
        return True


class InlineLog:
    """A log in memory. An append is stored in one step of the loop, and a read takes as many as `Ticks` tells.

    Attributes
    ----------
    log : MemoryLog
    """

    def __init__(self, log: MemoryLog, pause: Ticks) -> None:
        self.log = log
        self._pause = pause
        self._outcomes: queue.SimpleQueue[tuple[Callable[..., None], Outcome]] = queue.SimpleQueue()
        self._put, self._call = log._writer.put, log._writer._call
        connection, lock = log.store.connection, log.store.lock
        log._readers = InlineReaders(Reader(lambda: connection, lock))  # type: ignore[assignment]
        log._writer.put, log._writer._call = self._store, self._answered  # type: ignore[method-assign]

    @classmethod
    async def open(cls, pause: Ticks) -> InlineLog:
        log = await open_log("memory:")
        assert isinstance(log, MemoryLog)
        return cls(log, pause)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)

    async def read(self, *args: Any, **fields: Any) -> Page:
        await self._pause()
        page = await self.log.read(*args, **fields)
        await self._pause()
        return page

    def _store(self, items: Sequence[Item]) -> None:
        """Give items to the writer, and hold the loop up until it has stored them all."""
        self._put(items)
        stored = 0
        while stored < len(items):
            publish, outcome = self._outcomes.get(timeout=60)
            stored += outcome.work.total
            self.log._loop.call_soon(publish, outcome)

    def _answered(self, function: Callable[..., None], *args: Any) -> None:
        """Take what the writer's thread would call on the loop."""
        if args and args[0].work.total:
            self._outcomes.put((function, args[0]))
        else:
            self._call(function, *args)
