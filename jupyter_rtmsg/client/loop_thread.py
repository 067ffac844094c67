"""An event loop on a thread of its own, and the way to run coroutines on it from other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_CANCEL_TIMEOUT = 1.0  # seconds that cancelled tasks have when the loop ends


class LoopEndedError(Exception):
    """The loop no longer runs."""


class _Reply(Generic[T]):
    """The result of a coroutine that runs on a loop, for a thread whose wait may be interrupted.

    `concurrent.futures.Future.result` takes a lock in Python code. An interrupt in there would leave it locked, and the
    loop that sets the result would wait for it for ever. Here each side only releases a lock that the other one waits
    for. The waiting thread holds no reference to the task either, whose destructor may run code where an interrupt
    would be ignored.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[T] | None = None
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def start(self) -> None:
        """Run the coroutine. Called on the loop."""
        self._task = asyncio.ensure_future(self._coroutine)
        self._task.add_done_callback(self._finish)

    def cancel(self) -> None:
        """Cancel the coroutine, as no thread waits for it any more. Called on the loop, after `start`."""
        if self._task:
            self._task.cancel()

    def wait(self) -> T:
        """Wait for the result. Called on another thread."""
        self._over.acquire()
        error, self._error = self._error, None
        try:
            if error:
                raise error
        finally:
            del error  # its traceback holds this frame: a reference cycle
        return self._result[0]

    def _finish(self, task: asyncio.Task[T]) -> None:
        self._task = None
        if task.cancelled():
            self._error = asyncio.CancelledError()
        elif error := task.exception():
            self._error = error
        else:
            self._result.append(task.result())
        self._over.release()


class LoopThread:
    """An event loop on a daemon thread. It runs from the constructor until `stop`."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self._cancel_all())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    async def _cancel_all(self) -> None:
        """Cancel the remaining tasks, so that no thread waits for them in vain."""
        await asyncio.sleep(0)  # the coroutine submitted last becomes a task
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT)
        await self.loop.shutdown_asyncgens()

    def inside(self) -> bool:
        """Return whether the caller is on this thread."""
        return threading.current_thread() is self._thread

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop and return a future of its result.

        Raises
        ------
        LoopEndedError
            After `stop`.
        """
        return self._begin(coroutine, lambda: asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def _begin(self, coroutine: Coroutine[Any, Any, Any], begin: Callable[[], T]) -> T:
        with self._lock:  # a coroutine that came between the loop's last turn and its end would never run
            if self._ending:
                coroutine.close()
                raise LoopEndedError
            return begin()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for its result. An interrupt cancels the coroutine.

        Raises
        ------
        LoopEndedError
            After `stop`, or if `stop` is called before the coroutine returns.
        """
        reply = _Reply(coroutine)
        try:
            self._begin(coroutine, lambda: self.loop.call_soon_threadsafe(reply.start))
            return reply.wait()
        except asyncio.CancelledError:
            if self._ending:
                raise LoopEndedError from None
            raise concurrent.futures.CancelledError from None
        except BaseException:
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                self.loop.call_soon_threadsafe(reply.cancel)
            raise

    def stop(self, timeout: float = 5.0) -> None:
        """Cancel all tasks and end the loop; wait up to ``timeout`` seconds for the thread, unless it is the caller."""
        with self._lock:
            if not self._ending:
                self._ending = True
                self.loop.call_soon_threadsafe(self.loop.stop)
        if not self.inside():
            self._thread.join(timeout)
