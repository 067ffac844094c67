"""The threads that read the log, and the damage that they find."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import LogClosed, LogDiskError
from jupyter_rtmsg.logthrottle import throttled_logger

from .fault import Outage, is_damage
from .reader import Query, Reader
from .records import Fault
from .threads import settle_from_thread

_MAX_NAMED = 100  # rooms whose damage is logged

logger = throttled_logger(__name__)


class _Read(NamedTuple):
    """A read, and the future that gets its result."""

    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    work: Callable[..., Any]
    args: tuple[Any, ...]


class ReaderPool:
    """A few daemon threads with a `Reader` each. They end with the process even while a disk hangs.

    Parameters
    ----------
    make : callable
        Makes a reader. Called once on each thread.
    threads : int
    where : str
        The log's name in messages.

    Attributes
    ----------
    damaged : bool
        Whether a read found the file itself damaged.
    """

    # The loop writes `_closed`, `_ended` and `_files`; the threads read `_files`, and write `damaged` and `_reading`.
    # A thread is started by each of the first reads. `_ended` has a future per thread, which it settles as it ends.

    def __init__(self, make: Callable[[], Reader], threads: int, where: str) -> None:
        self._make = make
        self._threads = threads
        self._where = where
        self._queue: queue.SimpleQueue[_Read | None] = queue.SimpleQueue()
        self._ended: list[asyncio.Future[None]] = []
        self._reading = Outage("events cannot be read", "reads are refused, everything else goes on")
        self._damage = DamageLog()
        self._closed = False
        self._files = 0  # how often the log has moved to another file
        self.damaged = False

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
        """Make each reader open the file at the path again before its next read, since the log has a new file."""
        self._files += 1

    async def close(self, timeout: float) -> bool:
        """End after the present reads. Return whether all threads ended within ``timeout`` seconds: a disk may hang."""
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
            except BaseException as error:  # noqa: BLE001 -- it is raised where the read is awaited
                settle_from_thread(read.loop, read.answer, error)
            else:
                settle_from_thread(read.loop, read.answer, value)
            del read
        reader.close()
        settle_from_thread(loop, ended, None)

    def _run(self, reader: Reader, read: _Read) -> Any:
        try:
            value = reader.run(read.work, *read.args)
        except sqlite3.Error as error:
            reader.renew()
            raise self._explained(error, read.args) from error
        self._reading.ended()
        return value

    def _explained(self, error: sqlite3.Error, args: tuple[Any, ...]) -> LogDiskError:
        if is_damage(error):
            self.damaged = True
            return self._damage.found(error, args[0] if args else None)
        answer = LogDiskError(f"the log could not be read: {error}. Try again; if it lasts, check the disk")
        self._reading.failed(answer)
        return answer


class DamageLog:
    """The damage found since the log was opened. It is logged once per room. Thread-safe.

    Attributes
    ----------
    fault : Fault or None
        For the status of the log. It stays until the log is opened again, since only that repairs the file.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._named: set[str] = set()
        self.fault: Fault | None = None

    def found(self, error: Exception, asked: object) -> LogDiskError:
        """Record that a page could not be read, and return the error for the caller.

        Parameters
        ----------
        error : Exception
        asked : object
            The first argument of the read: a `Query`, the name of a room, or something else.
        """
        room = asked.room if isinstance(asked, Query) else asked if isinstance(asked, str) else None
        where = "the log" if room is None else f"room {room!r}"
        answer = LogDiskError(
            f"{where} could not be read: the log's file is damaged there ({error}). Restart the server: it keeps all "
            "that can be read, and marks the lost events as $corrupt"
        )
        with self._lock:
            before = self.fault or Fault(str(answer), time.time(), 0)
            self.fault = before._replace(failures=before.failures + 1)
            new = where not in self._named and len(self._named) < _MAX_NAMED
            self._named.add(where)
        if new:
            logger.error("%s", answer)
        return answer
