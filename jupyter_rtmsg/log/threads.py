"""Work on threads that nobody has to wait for.

Those of an executor are waited for when the process ends, which a disk that hangs would keep from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def on_thread(work: Callable[[], T], loop: asyncio.AbstractEventLoop) -> asyncio.Future[T]:
    """Run a function on a thread of its own, and return the future of what comes of it."""
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 -- it belongs to whoever waits
            settle_on(loop, future, None, error)
        else:
            settle_on(loop, future, value)

    threading.Thread(target=run, name="rtmsg-log-file", daemon=True).start()
    return future


def settle_on(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], value: T | None, error: BaseException | None = None
) -> None:
    """Settle a future from another thread; nothing if nobody waits any more."""
    with suppress(RuntimeError):  # the loop was closed meanwhile
        loop.call_soon_threadsafe(_settle, future, value, error)


def _settle(future: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
