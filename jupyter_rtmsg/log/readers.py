"""The threads that read."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import LogClosed, LogDiskError

from .damage import Damage
from .eventlog import Fault
from .fault import Spell
from .reader import Reader
from .store import is_damage
from .threads import settle_on


class _Read(NamedTuple):
    """A read that somebody waits for."""

    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    work: Callable[..., Any]
    args: tuple[Any, ...]


class Readers:
    """A `Reader` on each of a few threads, which end with the process even while a disk hangs.

    Parameters
    ----------
    make : callable
        Makes a reader; called once on each thread.
    threads : int
    where : str
        The log, for messages.
    """

    def __init__(self, make: Callable[[], Reader], threads: int, where: str) -> None:
        self._make = make
        self._threads = threads
        self._where = where
        self._queue: queue.SimpleQueue[_Read | None] = queue.SimpleQueue()
        self._ended: list[asyncio.Future[None]] = []
        self._reading = Spell("events cannot be read", "those who ask for them are refused, everything else goes on")
        self._damage = Damage()
        self._closed = False
        self._files = 0
        self.damaged = False  # whether a read found the file itself broken

    async def __call__(self, work: Callable[..., Any], *args: Any) -> Any:
        """Await a method of `Reader`.

        Raises
        ------
        LogClosed
            After `close`.
        LogDiskError
            If the file cannot be read.
        """
        if self._closed:
            raise LogClosed(f"the log {self._where} is closed")
        loop = asyncio.get_running_loop()
        if len(self._ended) < self._threads:
            self._start(loop)
        answer: asyncio.Future[Any] = loop.create_future()
        self._queue.put(_Read(answer, loop, work, args))
        return await answer

    @property
    def failing(self) -> Fault | None:
        """See `EventLog.failing`."""
        return self._reading.fault or self._damage.fault

    def renew(self) -> None:
        """Have every reader open the file at the path anew: the log goes on in another one."""
        self._files += 1

    async def close(self, timeout: float) -> bool:
        """End after the reads under way, and tell whether that was within so many seconds: a disk may hang."""
        self._closed = True
        for _ in self._ended:
            self._queue.put(None)
        if not self._ended:
            return True
        _, late = await asyncio.wait(self._ended, timeout=timeout)
        return not late

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        ended: asyncio.Future[None] = loop.create_future()
        self._ended.append(ended)
        threading.Thread(target=self._serve, args=(loop, ended), name="rtmsg-log-read", daemon=True).start()

    def _serve(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
        reader, file = self._make(), self._files
        while (read := self._queue.get()) is not None:
            if file != self._files:
                file = self._files
                reader.renew()
            try:
                value = self._run(reader, read)
            except BaseException as error:  # noqa: BLE001 -- it belongs to whoever asked
                settle_on(read.loop, read.answer, None, error)
            else:
                settle_on(read.loop, read.answer, value)
            del read
        reader.close()
        settle_on(loop, ended, None)

    def _run(self, reader: Reader, read: _Read) -> Any:
        try:
            value = reader.run(read.work, *read.args)
        except sqlite3.Error as error:
            reader.renew()
            raise self._explained(error, read.args) from error
        self._reading.over()
        return value

    def _explained(self, error: sqlite3.Error, args: tuple[Any, ...]) -> LogDiskError:
        if is_damage(error):
            self.damaged = True
            return self._damage.found(error, args[0] if args else None)
        answer = LogDiskError(f"the log could not be read: {error}. Try again; if it lasts, look at the disk")
        self._reading.failed(answer)
        return answer
