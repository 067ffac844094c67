"""From code that does not await to the loop that does the I/O."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from jupyter_rtmsg.errors import Disconnected, RtmsgError
from jupyter_rtmsg.listening import check_blocking

from .lane import LaneFactory, LoopEndedError
from .threads import Threads

T = TypeVar("T")


class Bridge:
    """What a `Client`, its rooms and sockets share: the way to the threads that do their work.

    Events arrive while a cell computes, since none of these is the thread of the cells. The threads do not hold the
    bridge, so that it is gone with the last of the user's objects; then they are abandoned.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._threads = Threads()
        self.lane: LaneFactory = self._threads.lane
        self.serve = self._threads.serve
        weakref.finalize(self, self._threads.abandon).atexit = False

    def check(self) -> None:
        """Refuse to be used where waiting would never end.

        Raises
        ------
        RuntimeError
            In a child process that was forked: its parent's threads do not exist there.
        """
        if os.getpid() != self._pid:
            raise RuntimeError("this connection belongs to the parent process: call connect() again in this one")
        if self._threads.io.inside():
            raise RuntimeError("this would block the thread that does the I/O")

    def check_server(self) -> None:
        """Refuse to wait for a server that runs on the very loop which that would block, with RuntimeError."""
        address = self._threads.address
        if address and not address.unix:
            check_blocking(address.host, address.port)

    def ask(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the I/O loop that waits for the server, and wait for it."""
        __tracebackhide__ = True  # IPython leaves this frame out
        try:
            self.check_server()
        except RuntimeError:
            coroutine.close()
            raise
        return self.call(coroutine)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the I/O loop and wait for it."""
        __tracebackhide__ = True
        try:
            self.check()
        except RuntimeError:
            coroutine.close()
            raise
        try:
            return self._threads.io.run(coroutine)
        except RtmsgError as error:
            raise error.with_traceback(None) from None  # what happened inside says nothing to who sits at a notebook
        except LoopEndedError:
            raise Disconnected("the client was closed") from None

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function on the I/O loop and wait for what it returns."""
        __tracebackhide__ = True

        async def run() -> T:
            return function(*args)

        return self.call(run())

    @property
    def ended(self) -> bool:
        """Whether the client was closed."""
        return self._threads.stopped

    def inside(self) -> bool:
        """Whether the caller is a handler of the client."""
        return self._threads.inside()

    def close(self, timeout: float = 5.0) -> None:
        """End the client and its threads, with so many seconds for handlers to finish what was received."""
        self.check()
        self._threads.close(timeout)
