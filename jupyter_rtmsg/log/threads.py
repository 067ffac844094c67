"""Work on threads, whose results are futures of the event loop.

The threads here are daemons. The process waits for the threads of an executor when it ends, and a disk that hangs would
then keep it from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from jupyter_rtmsg.futures import settle

T = TypeVar("T")


def run_on_thread(
    work: Callable[[], T],
    loop: asyncio.AbstractEventLoop,
    *,
    name: str = "rtmsg-log-file",
    discard: Callable[[T], object] | None = None,
) -> asyncio.Future[T]:
    """Run a function on a thread of its own, and return the future of its result.

    Parameters
    ----------
    work : callable
    loop : asyncio.AbstractEventLoop
    name : str
        Name of the thread.
    discard : callable, optional
        Called on such a thread with the result, if the future was cancelled or the loop closed meanwhile.
    """
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 -- it is raised where the future is awaited
            settle_from_thread(loop, future, error)
            return
        try:
            loop.call_soon_threadsafe(deliver, value)
        except RuntimeError:  # the loop was closed
            if discard is not None:
                discard(value)

    def deliver(value: T) -> None:
        if future.done() and discard is not None:
            threading.Thread(target=discard, args=(value,), name=name).start()
        else:
            settle(future, value)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def settle_from_thread(loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], outcome: T | BaseException) -> None:
    """Settle a future from another thread; do nothing if the loop is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(settle, future, outcome)
