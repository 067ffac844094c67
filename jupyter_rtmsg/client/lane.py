"""Where handlers run: one at a time and in order, never on the loop that does the I/O of a `Client`.

What is to be called comes from a *source*, a generator of `Call`. It is asked for the next call when the one before has
returned, so the source knows how far its handlers have come.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from inspect import isawaitable
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from .handlers import Handler

T = TypeVar("T")
_TURN = 100  # calls before a lane on an event loop lets others have a turn


class Call(NamedTuple):
    """A handler to be called; ``reply`` gets what it returns."""

    handler: Handler
    args: tuple[Any, ...]
    reply: Callable[[Any], None] | None = None


Source: TypeAlias = "Callable[[], Iterator[Call]]"


class Lane(Protocol):
    """Runs the calls of one source."""

    def wake(self) -> None:
        """Look at the source again. Called on the I/O loop."""

    def inside(self) -> bool:
        """Whether the caller is one of this lane's handlers."""

    def close(self) -> None:
        """Let the handler that runs now be the last."""

    def finish(self) -> None:
        """Run what the source has now, and end."""


LaneFactory: TypeAlias = "Callable[[Source, str], Lane]"


class LoopThread:
    """An event loop on a daemon thread of its own."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def inside(self) -> bool:
        """Whether the caller is on this thread."""
        return threading.current_thread() is self._thread

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine there, and wait for what it returns."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop; wait for the thread unless it is the caller."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        if not self.inside():
            self._thread.join(5)


class ThreadLane:
    """Calls handlers on a thread of its own, so that they may wait; async ones run on a loop made for them.

    Parameters
    ----------
    source : callable
    name : str
        Of the thread.
    loop : callable
        Returns the loop for async handlers.
    """

    def __init__(self, source: Source, name: str, loop: Callable[[], LoopThread]) -> None:
        self._source = source
        self._name = name
        self._loop = loop
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._finishing = False

    def wake(self) -> None:
        """Look at the source again."""
        if not self._thread:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._ready.set()

    def inside(self) -> bool:
        """Whether the caller is one of this lane's handlers."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Let the handler that runs now be the last."""
        self._closed = True
        self._ready.set()

    def finish(self) -> None:
        """Run what the source has now, and end."""
        self._finishing = True
        self._ready.set()

    def _work(self) -> None:
        while not self._closed:
            self._ready.wait()
            self._ready.clear()
            last = self._finishing  # read before the source: what it had by then is in there
            for call in self._source():
                self._call(call)
                if self._closed:
                    break
            if last:
                break

    def _call(self, call: Call) -> None:
        handler = call.handler
        try:
            result = handler.call(*call.args)
            if result is not None and isawaitable(result):
                run = handler.context.copy().run
                result = run(asyncio.run_coroutine_threadsafe, _await(result), self._loop().loop).result()
            if call.reply:
                call.reply(result)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: a handler must not end its room
            handler.failed(error)


async def _await(awaitable: Any) -> Any:
    return await awaitable


class TaskLane:
    """Calls handlers in a task of the running loop: the lane of an `AsyncClient`."""

    def __init__(self, source: Source, name: str) -> None:
        self._source = source
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._running: asyncio.Task[Any] | None = None
        self._again = False
        self._closed = False

    def wake(self) -> None:
        """Look at the source again."""
        self._again = True
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._work(), name=self._name)

    def inside(self) -> bool:
        """Whether the caller is one of this lane's handlers."""
        return asyncio.current_task() in (self._task, self._running)

    def close(self) -> None:
        """Let the handler that runs now be the last."""
        self._closed = True

    def finish(self) -> None:
        """Run what the source has now, and end: the task does so by itself."""

    async def _work(self) -> None:
        turn = 0
        while self._again and not self._closed:
            self._again = False
            for call in self._source():
                await self._call(call)
                turn += 1
                if not turn % _TURN:
                    await asyncio.sleep(0)
                if self._closed:
                    break

    async def _call(self, call: Call) -> None:
        handler = call.handler
        try:
            result = handler.call(*call.args)
            if result is not None and isawaitable(result):
                self._running = handler.context.copy().run(asyncio.ensure_future, _await(result))
                result = await self._running
            if call.reply:
                call.reply(result)
        except Exception as error:  # noqa: BLE001 - a handler must not end its room
            handler.failed(error)
