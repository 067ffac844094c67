"""Serial executors: they call handlers one at a time and in order, never on the I/O loop of a `Client`.

The calls come from a *source*, a generator of `Call`. The next call is requested when the previous one has returned, so
the source knows which handlers have returned.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator
from inspect import isawaitable
from typing import Any, NamedTuple, Protocol, TypeAlias

from jupyter_rtmsg.output import prepare_thread

from .handlers import Handler
from .loop_thread import LoopEndedError, LoopThread

_CANCEL_TIMEOUT = 1.0  # seconds that a cancelled task has to end
_TURN = 100  # calls before a `TaskExecutor` lets other tasks have a turn


class Call(NamedTuple):
    """One call of a handler. ``reply`` is called with its result, ``failed`` with the call and what it raised."""

    handler: Handler
    args: tuple[Any, ...]
    reply: Callable[[Any], None] | None = None
    failed: Failed | None = None

    def fail(self, error: BaseException) -> None:
        """Show an exception of the handler, and pass it on."""
        self.handler.failed(error)
        if self.failed:
            self.failed(self, error)


Failed: TypeAlias = "Callable[[Call, BaseException], None]"
Source: TypeAlias = "Callable[[], Iterator[Call]]"


class SerialExecutor(Protocol):
    """Runs the calls of one source."""

    @property
    def idle(self) -> bool:
        """Whether it runs no call, and `wake` is needed before it reads the source again."""

    def wake(self) -> None:
        """Read the source again. Called on the I/O loop."""

    def inside(self) -> bool:
        """Return whether the caller is a handler that this executor runs."""

    def close(self) -> None:
        """Stop after the call that runs now."""

    def drain(self) -> None:
        """Stop after the calls that the source has now."""

    async def drained(self, timeout: float) -> bool:
        """Wait until `drain` is done. Called on the I/O loop; a handler that closes its own executor does not wait.

        Returns
        -------
        bool
            False if a handler still runs after ``timeout`` seconds. It is cancelled if it can be.
        """


ExecutorFactory: TypeAlias = "Callable[[Source, str], SerialExecutor]"


class ThreadExecutor:
    """Runs sync handlers on a thread of its own, where they may block, and async ones on a shared loop.

    The thread starts with the first `wake`. It ends after `close`, when the running call returns, or after `drain`,
    when the source is exhausted. The flags are set on the I/O loop and read on the thread; ``_ready`` wakes it, and
    ``_over`` is done when it has ended.

    Parameters
    ----------
    source : callable
    name : str
        Of the thread.
    loop : callable
        Returns the `LoopThread` for async handlers.
    """

    def __init__(self, source: Source, name: str, loop: Callable[[], LoopThread]) -> None:
        self._source = source
        self._name = name
        self._loop = loop
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._over: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._closed = False
        self._draining = False
        self._resting = True

    @property
    def idle(self) -> bool:
        """Whether the thread waits for `wake`."""
        return self._resting

    def wake(self) -> None:
        """Read the source again."""
        if not self._thread and not self._closed:
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # since Python 3.12 no thread starts while the process exits
                self._closed = True
                return
            self._thread = thread
        self._ready.set()

    def inside(self) -> bool:
        """Return whether the caller is a handler that this executor runs."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Stop after the call that runs now."""
        self._closed = True
        self._ready.set()

    def drain(self) -> None:
        """Stop after the calls that the source has now."""
        self._draining = True
        self._ready.set()

    async def drained(self, timeout: float) -> bool:
        """Wait until `drain` is done; see `SerialExecutor.drained`."""
        if self._thread is None or self._closed:
            return True
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def notify(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed: the handler returned too late
                loop.call_soon_threadsafe(over.set)

        self._over.add_done_callback(notify)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(over.wait(), timeout)
        return self._over.done()

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread. Called on any thread but this one."""
        if self._thread:
            self._thread.join(timeout)

    def _work(self) -> None:
        try:
            last = False
            while not (last or self._closed):
                self._resting = not self._ready.is_set()
                self._ready.wait()
                self._resting = False
                self._ready.clear()
                last = self._draining  # read before the source: calls that came before `drain` are then in there
                self._run_source()
        finally:
            self._over.set_result(None)

    def _run_source(self) -> None:
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
                result = handler.context.copy().run(self._loop().submit, _contain(result)).result()
            if call.reply:
                call.reply(result)
        except (LoopEndedError, concurrent.futures.CancelledError) as error:
            if not self._closed:  # after `close` the client's end has cancelled it, which is no failure
                call.fail(error)
        except _ExitedError as exited:
            call.fail(exited.error)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: it must not end the thread
            call.fail(error)


class _ExitedError(Exception):
    """Stands for what ended an async handler and must not end what others share.

    That is a SystemExit, a KeyboardInterrupt or a cancellation.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


async def _await(awaitable: Any) -> Any:
    prepare_thread()
    return await awaitable


async def _contain(awaitable: Any) -> Any:
    try:
        return await _await(awaitable)
    except (SystemExit, KeyboardInterrupt) as error:
        raise _ExitedError(error) from None


class TaskExecutor:
    """Runs handlers in a task of the running loop: the executor of an `AsyncClient`.

    The task exists while there are calls. ``_again`` means that the source must be read once more, and ``_running`` is
    the task of the async handler that runs now.

    Parameters
    ----------
    source : callable
    name : str
        Of the task.
    shared : bool
        Whether the loop belongs to this package, and goes on after a SystemExit of a handler.
    """

    def __init__(self, source: Source, name: str, *, shared: bool = False) -> None:
        self._source = source
        self._name = name
        self._await = _contain if shared else _await
        self._task: asyncio.Task[None] | None = None
        self._running: asyncio.Task[Any] | None = None
        self._again = False
        self._closed = False

    def wake(self) -> None:
        """Read the source again."""
        self._again = True
        if not self._closed and self.idle:
            self._task = asyncio.get_running_loop().create_task(self._work(), name=self._name)

    @property
    def idle(self) -> bool:
        """Whether there is no task."""
        return self._task is None or self._task.done()

    def inside(self) -> bool:
        """Return whether the caller is a handler that this executor runs."""
        return asyncio.current_task() in (self._task, self._running)

    def close(self) -> None:
        """Stop after the call that runs now."""
        self._closed = True

    def drain(self) -> None:
        """Do nothing: the task ends by itself when the source is exhausted."""

    async def drained(self, timeout: float) -> bool:
        """Wait for the end of the task; see `SerialExecutor.drained`."""
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
        calls = 0
        while self._again and not self._closed:
            self._again = False
            for call in self._source():
                await self._call(call)
                calls += 1
                if not calls % _TURN:
                    await asyncio.sleep(0)
                if self._closed:
                    break

    async def _call(self, call: Call) -> None:
        handler = call.handler
        self._running = None
        try:
            result = handler.call(*call.args)
            if result is not None and isawaitable(result):
                result = await self._outcome(handler, result)
            if call.reply:
                call.reply(result)
        except _ExitedError as exited:
            call.fail(exited.error)
        except Exception as error:  # noqa: BLE001 - a failing handler must not end the task
            call.fail(error)

    async def _outcome(self, handler: Handler, awaitable: Any) -> Any:
        """Await what a handler returned. If this task is cancelled, so is the handler; the reverse is a failure."""
        running = self._running = handler.context.copy().run(asyncio.ensure_future, self._await(awaitable))
        try:
            # A loop that ends cancels both: awaiting the handler itself would not tell which of them was cancelled.
            await asyncio.wait({running})
        except asyncio.CancelledError:
            running.cancel()
            await asyncio.wait({running}, timeout=_CANCEL_TIMEOUT)
            raise
        if running.cancelled():
            raise _ExitedError(asyncio.CancelledError())
        return running.result()


class LoopExecutor:
    """Runs async handlers in a task of a loop on another thread, as `TaskExecutor` does on the running loop.

    Parameters
    ----------
    source : callable
    name : str
        Of the task.
    loop : callable
        Returns the `LoopThread`; called on the I/O loop, when the first call is there.
    """

    def __init__(self, source: Source, name: str, loop: Callable[[], LoopThread]) -> None:
        self._tasks = TaskExecutor(source, name, shared=True)
        self._make_loop = loop
        self._loop: LoopThread | None = None
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether there is no task."""
        return self._tasks.idle

    def wake(self) -> None:
        """Read the source again."""
        with contextlib.suppress(LoopEndedError, RuntimeError):  # the client ends meanwhile
            self._loop = self._loop or self._make_loop()
            self._loop.loop.call_soon_threadsafe(self._tasks.wake)

    def inside(self) -> bool:
        """Return whether the caller is a handler that this executor runs."""
        return self._loop is not None and self._loop.inside() and self._tasks.inside()

    def close(self) -> None:
        """Stop after the call that runs now."""
        self._closed = True
        self._tasks.close()

    def drain(self) -> None:
        """Do nothing: the task ends by itself when the source is exhausted."""

    async def drained(self, timeout: float) -> bool:
        """Wait for the end of the task; see `SerialExecutor.drained`."""
        if self._closed or self._loop is None:  # closed by a handler, which may block the loop that would tell
            return True
        try:
            return await asyncio.wrap_future(self._loop.submit(self._tasks.drained(timeout)))
        except (LoopEndedError, asyncio.CancelledError):
            return False

    def join(self, timeout: float) -> None:
        """Do nothing: the loop's thread is joined when it is stopped."""
