"""The threads that read."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jupyter_rtmsg.errors import LogClosed, LogError

from .reader import Reader
from .store import is_damage


class Readers:
    """A `Reader` on each of a few threads.

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
        self._where = where
        self._local = threading.local()
        self._all: list[Reader] = []
        self._closed = False
        self.damaged = False  # whether a read found the file itself broken
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rtmsg-log-read", initializer=self._start)

    async def __call__(self, work: Callable[..., Any], *args: Any) -> Any:
        """Await a method of `Reader`.

        Raises
        ------
        LogClosed
            After `close`.
        LogError
            If the file cannot be read.
        """
        if self._closed:
            raise LogClosed(f"the log {self._where} is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, work, *args)

    async def close(self) -> None:
        """Wait for the reads under way, and close what they used."""
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown)
        for reader in self._all:
            reader.close()

    def _start(self) -> None:
        self._local.reader = reader = self._make()
        self._all.append(reader)

    def _run(self, work: Callable[..., Any], *args: Any) -> Any:
        try:
            return self._local.reader.run(work, *args)
        except sqlite3.Error as error:
            self.damaged |= is_damage(error)
            advice = "if it is damaged, restart the server: it will be set aside"
            raise LogError(f"cannot read the log {self._where}: {error}; {advice}") from error
