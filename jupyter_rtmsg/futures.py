"""Helpers for futures of asyncio."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

T = TypeVar("T")


def settle(future: asyncio.Future[T], outcome: T | BaseException) -> None:
    """Give a future its result or its exception, unless it is done or cancelled already."""
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class Waiters:
    """Tasks that wait for the next change of an object. All methods run on one event loop."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def wait(self, timeout: float | None = None) -> None:
        """Wait for the next `wake`, for at most ``timeout`` seconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait({waiter}, timeout=timeout)
        finally:
            self._waiting.discard(waiter)

    def wake(self) -> None:
        """Let all waiting tasks go on."""
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            settle(waiter, None)


def current_task() -> asyncio.Task[Any] | None:
    """Return the present task; None if no loop runs on this thread."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs on this thread
        return None
