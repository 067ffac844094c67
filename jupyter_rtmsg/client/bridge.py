"""The bridge from blocking code to the loop that does the I/O, and the threads behind it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from jupyter_rtmsg.errors import Disconnected, RtmsgError
from jupyter_rtmsg.listening import check_blocking

from .address import Address
from .executor import ExecutorFactory, LoopExecutor, Source, ThreadExecutor
from .loop_thread import LoopEndedError, LoopThread
from .processes import connections

T = TypeVar("T")
_JOIN_TIMEOUT = 5.0  # seconds that the thread of a loop has to end


class Served(NamedTuple):
    """The client that runs on the threads, as they see it.

    Attributes
    ----------
    address : callable
        Returns the address of its server.
    close : coroutine function
        Ends the client; takes the seconds that handlers have to finish.
    descriptors : callable
        Returns the file descriptors of its connection.
    has_handlers : callable
        Returns whether it has handlers, for which a program may keep it running.
    """

    address: Callable[[], Address]
    close: Callable[[float], Coroutine[Any, Any, None]]
    descriptors: Callable[[], list[int]]
    has_handlers: Callable[[], bool]


class Threads:
    """The threads of a client: one for I/O, one for async handlers, one per room and socket with sync handlers.

    The threads and the client hold each other. User objects hold only the `Bridge`; when the last of them is collected,
    so is the bridge, and `abandon` closes the client. ``_lock`` guards the two fields that several threads change: the
    set of executors and the loop of async handlers, which starts when it is first needed.
    """

    def __init__(self) -> None:
        self.io = LoopThread("rtmsg I/O")
        self.stopped = False
        self._pid = os.getpid()
        self._handler_loop: LoopThread | None = None
        self._served: Served | None = None
        self._executors: weakref.WeakSet[ThreadExecutor | LoopExecutor] = weakref.WeakSet()
        self._lock = threading.Lock()

    def serve(self, client: Served) -> None:
        """Take the client that runs here. It is closed at the end of the process, if not before."""
        self._served = client
        connections.add(self)

    @property
    def address(self) -> Address | None:
        """The address of the client's server."""
        return self._served.address() if self._served else None

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of the connection."""
        return self._served.descriptors() if self._served else []

    def executor(self, source: Source, name: str) -> ThreadExecutor:
        """Make the executor of a room or a socket."""
        executor = ThreadExecutor(source, name, self._loop_for_handlers)
        with self._lock:
            self._executors.add(executor)
        return executor

    def task_executor(self, source: Source, name: str) -> LoopExecutor:
        """Make an executor whose calls are tasks of the loop for async handlers."""
        executor = LoopExecutor(source, name, self._loop_for_handlers)
        with self._lock:
            self._executors.add(executor)
        return executor

    def _loop_for_handlers(self) -> LoopThread:
        with self._lock:
            if self.stopped:
                raise LoopEndedError
            if self._handler_loop is None:
                self._handler_loop = LoopThread("rtmsg async handlers")
            return self._handler_loop

    def inside(self) -> bool:
        """Return whether the caller is a handler."""
        return bool(self._callers())

    def _callers(self) -> list[ThreadExecutor | LoopExecutor]:
        """Return the executor that runs the caller; for an async handler, all executors, since any may be the one."""
        is_async = self._handler_loop is not None and self._handler_loop.inside()
        return [executor for executor in self._all_executors() if is_async or executor.inside()]

    def _all_executors(self) -> list[ThreadExecutor | LoopExecutor]:
        with self._lock:
            return list(self._executors)

    # --- the end

    def close(self, timeout: float = 5.0) -> None:
        """End the client, then the threads.

        Parameters
        ----------
        timeout : float
            Seconds that handlers have to finish what was received. A handler that closes its own client is not waited
            for: it is the last one of its room.
        """
        self.begin_close(timeout)()

    def begin_close(self, timeout: float, goodbye: float | None = None) -> Callable[[], None]:
        """Begin to end the client, see `close`.

        Parameters
        ----------
        timeout : float
            Seconds for handlers.
        goodbye : float, optional
            Seconds for everything after the handlers. By default the single steps have limits of their own.

        Returns
        -------
        callable
            Waits for the client to end, then ends the threads.
        """
        deadline = time.monotonic() + timeout
        for executor in self._callers():
            executor.close()
        closing: concurrent.futures.Future[None] | None = None
        if self._served and not self.stopped:
            with contextlib.suppress(LoopEndedError):  # another thread has closed it meanwhile
                closing = self.io.submit(self._served.close(timeout))

        def end() -> None:
            try:
                if closing:
                    closing.result(None if goodbye is None else timeout + goodbye)
            except (concurrent.futures.CancelledError, concurrent.futures.TimeoutError):
                pass  # another thread has stopped the loop, or closing takes too long
            finally:
                self.stop(deadline - time.monotonic(), _JOIN_TIMEOUT if goodbye is None else goodbye)

        return end

    def stop(self, timeout: float = 0.0, join: float = _JOIN_TIMEOUT) -> None:
        """End the threads.

        Parameters
        ----------
        timeout : float
            Seconds for handlers that still run.
        join : float
            Seconds for the thread of each loop.
        """
        deadline = time.monotonic() + timeout
        executors, callers = self._all_executors(), self._callers()
        for executor in executors:
            executor.drain()
        for executor in executors:
            if executor not in callers:
                executor.join(max(0.0, deadline - time.monotonic()))
            executor.close()
        with self._lock:
            self.stopped = True
        if self._handler_loop:
            self._handler_loop.stop(join)
        self.io.stop(join)
        connections.discard(self)

    def abandon(self) -> None:
        """Close the client without waiting, since no user object refers to it; one with handlers keeps running."""
        ours = self._pid == os.getpid() and not self.stopped
        if ours and not (self._served and self._served.has_handlers()):
            threading.Thread(target=self.close, name="rtmsg closing", daemon=True).start()


class Bridge:
    """The way from the objects of a `Client` or `Socket` to their threads; all these objects share one.

    Cells run on another thread, so events arrive while a cell computes. The threads hold no reference to the bridge: it
    is collected with the last of the user's objects, and then the threads are abandoned.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._threads = Threads()
        self.executor: ExecutorFactory = self._threads.executor
        self.task_executor: ExecutorFactory = self._threads.task_executor
        self.serve = self._threads.serve
        weakref.finalize(self, self._threads.abandon).atexit = False

    def check(self) -> None:
        """Check that the caller may wait for the I/O loop.

        Raises
        ------
        RuntimeError
            In a forked child, which has no threads of its parent, and on the I/O thread itself.
        """
        if os.getpid() != self._pid:
            raise RuntimeError("this connection belongs to the parent process: call connect() again in this one")
        if self._threads.io.inside():
            raise RuntimeError("this would block the thread that does the I/O")

    def check_server(self) -> None:
        """Raise RuntimeError if the server runs on an event loop that the caller would block."""
        address = self._threads.address
        if address and not address.unix:
            check_blocking(address.host, address.port)

    def ask(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that needs an answer of the server on the I/O loop, and return its result."""
        __tracebackhide__ = True  # IPython omits this frame
        try:
            self.check_server()
        except RuntimeError:
            coroutine.close()
            raise
        return self.call(coroutine)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the I/O loop and return its result."""
        __tracebackhide__ = True
        try:
            self.check()
        except RuntimeError:
            coroutine.close()
            raise
        try:
            return self._threads.io.run(coroutine)
        except RtmsgError as error:
            raise error.with_traceback(None) from None  # frames of the I/O thread do not help the reader of a cell
        except LoopEndedError:
            raise Disconnected("the client was closed") from None

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function on the I/O loop and return its result."""
        __tracebackhide__ = True

        async def run() -> T:
            return function(*args)

        return self.call(run())

    @property
    def ended(self) -> bool:
        """Whether the client was closed."""
        return self._threads.stopped

    def inside(self) -> bool:
        """Return whether the caller is a handler of the client."""
        return self._threads.inside()

    def close(self, timeout: float = 5.0) -> None:
        """End the client and its threads; handlers have ``timeout`` seconds for the received events."""
        self.check()
        self._threads.close(timeout)
