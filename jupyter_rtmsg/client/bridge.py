"""From code that does not await to the loop that does the I/O."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from jupyter_rtmsg.errors import Disconnected, RtmsgError

from .lane import LoopThread, Source, ThreadLane

T = TypeVar("T")


class Bridge:
    """The threads of a `Client`: one for I/O, one for async handlers as soon as there are any, one per room.

    Events arrive while a cell computes, since none of these is the thread of the cells.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._io = LoopThread("rtmsg I/O")
        self._handlers: LoopThread | None = None
        self._lock = threading.Lock()

    def lane(self, source: Source, name: str) -> ThreadLane:
        """Make the lane of a room."""
        return ThreadLane(source, name, self._handler_loop)

    def _handler_loop(self) -> LoopThread:
        with self._lock:
            if self._handlers is None:
                self._handlers = LoopThread("rtmsg async handlers")
            return self._handlers

    def check(self) -> None:
        """Refuse to be used where waiting would never end.

        Raises
        ------
        RuntimeError
            In a child process that was forked: its parent's threads do not exist there.
        """
        if os.getpid() != self._pid:
            raise RuntimeError("this connection belongs to the parent process: call connect() again in this one")
        if self._io.inside():
            raise RuntimeError("this would block the thread that does the I/O")

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the I/O loop and wait for it."""
        __tracebackhide__ = True  # IPython leaves this frame out
        try:
            self.check()
            return self._io.run(coroutine)
        except RtmsgError as error:
            raise error.with_traceback(None) from None  # what happened inside says nothing to who sits at a notebook
        except RuntimeError:
            coroutine.close()
            if self._io.loop.is_closed():
                raise Disconnected("the client was closed") from None
            raise

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function on the I/O loop and wait for what it returns."""
        __tracebackhide__ = True

        async def run() -> T:
            return function(*args)

        return self.call(run())

    def stop(self) -> None:
        """End the threads."""
        self._io.stop()
        if self._handlers:
            self._handlers.stop()
