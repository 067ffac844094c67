"""The background tasks of a room's membership."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from jupyter_rtmsg.futures import current_task


class Tasks:
    """Tasks that end with their owner. Runs on the I/O loop, which must run when this is made.

    Parameters
    ----------
    name : str
        Of each task.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine, and keep its task until it is done."""
        task: asyncio.Task[None] = self._loop.create_task(coroutine, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Cancel all tasks but the one that calls this."""
        for task in self._tasks - {current_task()}:
            task.cancel()
