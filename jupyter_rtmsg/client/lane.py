"""Where handlers run: one at a time and in order, never on the loop that does the I/O of a `Client`.

What is to be called comes from a *source*, a generator of `Call`. It is asked for the next call when the one before has
returned, so the source knows how far its handlers have come.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from inspect import isawaitable
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from jupyter_rtmsg.output import prepare_thread

from .handlers import Handler

T = TypeVar("T")
_CANCEL_TIMEOUT = 1.0  # seconds that tasks have to end when their loop does
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
        """Let the handler that runs now be the last, and be waited for by nobody."""

    def finish(self) -> None:
        """Run what the source has now, and end."""

    async def ended(self, timeout: float) -> bool:
        """Wait until `finish` is done; on the I/O loop. A handler that closes its own lane is not waited for.

        Returns
        -------
        bool
            False if a handler still runs after so many seconds; it is cancelled where that is possible.
        """


LaneFactory: TypeAlias = "Callable[[Source, str], Lane]"


class LoopEndedError(Exception):
    """The loop does not run any more."""


class _Reply(Generic[T]):
    """What a coroutine returns on its loop, for a thread that may be interrupted while it waits.

    `concurrent.futures.Future.result` takes a lock in Python code. An interrupt in there leaves it locked, and the loop
    that sets the result waits for it for ever. Here each side only ever releases a lock that the other one waits for.
    Nor does the thread that waits hold the task, whose end calls back where an interrupt would be ignored.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[T] | None = None
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def start(self) -> None:
        """Run the coroutine; on the loop."""
        self._task = asyncio.ensure_future(self._coroutine)
        self._task.add_done_callback(self._finish)

    def cancel(self) -> None:
        """Nobody waits for it any more; on the loop, after `start`."""
        if self._task:
            self._task.cancel()

    def wait(self) -> T:
        """Wait for it, on another thread."""
        self._over.acquire()
        error, self._error = self._error, None
        try:
            if error:
                raise error
        finally:
            del error  # it would refer to itself, through this frame
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
    """An event loop on a daemon thread of its own."""

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
        """Cancel what still runs, so that nobody waits for it in vain."""
        await asyncio.sleep(0)  # what was submitted last becomes a task
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT)
        await self.loop.shutdown_asyncgens()

    def inside(self) -> bool:
        """Whether the caller is on this thread."""
        return threading.current_thread() is self._thread

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Have a coroutine run there.

        Raises
        ------
        LoopEndedError
            After `stop`.
        """
        return self._begin(coroutine, lambda: asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def _begin(self, coroutine: Coroutine[Any, Any, Any], begin: Callable[[], T]) -> T:
        with self._lock:  # or a coroutine that comes between the loop's last turn and its end is never run
            if self._ending:
                coroutine.close()
                raise LoopEndedError
            return begin()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for what it returns.

        Raises
        ------
        LoopEndedError
            After `stop`, or if that comes before the coroutine has returned.
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
        """End the loop and cancel what runs on it; wait for the thread unless it is the caller."""
        with self._lock:
            if not self._ending:
                self._ending = True
                self.loop.call_soon_threadsafe(self.loop.stop)
        if not self.inside():
            self._thread.join(timeout)


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
        self._over: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._closed = False
        self._finishing = False

    def wake(self) -> None:
        """Look at the source again."""
        if not self._thread and not self._closed:
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # from Python 3.12 on no thread starts at the end of the process
                self._closed = True
                return
            self._thread = thread
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

    async def ended(self, timeout: float) -> bool:
        """Wait until `finish` is done; see `Lane.ended`."""
        if self._thread is None or self._closed:
            return True
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def tell(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed: a handler returned after its time
                loop.call_soon_threadsafe(over.set)

        self._over.add_done_callback(tell)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(over.wait(), timeout)
        return self._over.done()

    def join(self, timeout: float) -> None:
        """Wait until `finish` is done, on any thread but a handler's."""
        if self._thread:
            self._thread.join(timeout)

    def _work(self) -> None:
        try:
            last = False
            while not (last or self._closed):
                self._ready.wait()
                self._ready.clear()
                last = self._finishing  # read before the source: what it had by then is in there
                self._round()
        finally:
            self._over.set_result(None)

    def _round(self) -> None:
        prepare_thread()
        for call in self._source():
            self._call(call)
            if self._closed:
                return

    def _call(self, call: Call) -> None:
        handler = call.handler
        try:
            result = handler.call(*call.args)
            if result is not None and isawaitable(result):
                result = handler.context.copy().run(self._loop().submit, _await(result)).result()
            if call.reply:
                call.reply(result)
        except (LoopEndedError, concurrent.futures.CancelledError) as error:
            if not self._closed:  # else it did not return in time when the client was closed
                handler.failed(error)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: a handler must not end its room
            handler.failed(error)


async def _await(awaitable: Any) -> Any:
    prepare_thread()
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

    async def ended(self, timeout: float) -> bool:
        """Wait until the task is done; see `Lane.ended`."""
        task = self._task
        if task is None or self._closed or self.inside():
            return True
        done, _ = await asyncio.wait({task}, timeout=timeout)
        if not done:
            self._closed = True
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCEL_TIMEOUT)
        return bool(done)

    async def _work(self) -> None:
        prepare_thread()
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
