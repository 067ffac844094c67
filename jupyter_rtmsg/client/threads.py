"""The threads of a client for code that does not await, and their end."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from weakref import WeakSet

from .address import Address
from .lane import LoopEndedError, LoopThread, Source, ThreadLane
from .processes import connections

_JOIN = 5.0  # seconds that a loop has to end


class Served(NamedTuple):
    """The client that runs on the threads.

    Attributes
    ----------
    address : callable
        Returns where its server is.
    close : callable
        Returns a coroutine that ends it, with so many seconds for handlers to finish what was received.
    descriptors : callable
        Returns the descriptors of its connection.
    heard : callable
        Tells whether it has handlers, which may be all that a program wants of it.
    """

    address: Callable[[], Address]
    close: Callable[[float], Coroutine[Any, Any, None]]
    descriptors: Callable[[], list[int]]
    heard: Callable[[], bool]


class Threads:
    """One thread for I/O, one for async handlers as soon as there are any, one per room and socket with handlers.

    They hold the client that they serve, and it holds them: a `Bridge` is what the user's objects hold, and when the
    last of those is gone, so is the bridge, and `abandon` is called.
    """

    def __init__(self) -> None:
        self.io = LoopThread("rtmsg I/O")
        self._pid = os.getpid()
        self._handlers: LoopThread | None = None
        self._served: Served | None = None
        self._lanes: WeakSet[ThreadLane] = WeakSet()
        self._lock = threading.Lock()
        self.stopped = False

    def serve(self, client: Served) -> None:
        """Learn which client runs here; it is closed when the process ends, if not before."""
        self._served = client
        connections.add(self)

    @property
    def address(self) -> Address | None:
        """Where the client's server is."""
        return self._served.address() if self._served else None

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of the connection."""
        return self._served.descriptors() if self._served else []

    def lane(self, source: Source, name: str) -> ThreadLane:
        """Make the lane of a room or a socket."""
        lane = ThreadLane(source, name, self._handler_loop)
        with self._lock:
            self._lanes.add(lane)
        return lane

    def _handler_loop(self) -> LoopThread:
        with self._lock:
            if self.stopped:
                raise LoopEndedError
            if self._handlers is None:
                self._handlers = LoopThread("rtmsg async handlers")
            return self._handlers

    # --- the end

    def close(self, timeout: float = 5.0) -> None:
        """End the client, then the threads.

        Parameters
        ----------
        timeout : float
            Seconds that handlers have to finish what was received. A handler that closes its own client is not waited
            for: it is the last of its room.
        """
        self.begin_close(timeout)()

    def begin_close(self, timeout: float, goodbye: float | None = None) -> Callable[[], None]:
        """Begin to end the client, see `close`; return what waits for that, and ends the threads.

        With ``goodbye``, all that comes after the handlers ends in so many seconds.
        """
        deadline = time.monotonic() + timeout
        for lane in self._callers():
            lane.close()
        closing: concurrent.futures.Future[None] | None = None
        if self._served and not self.stopped:
            with contextlib.suppress(LoopEndedError):  # closed by another thread meanwhile
                closing = self.io.submit(self._served.close(timeout))

        def end() -> None:
            try:
                if closing:
                    closing.result(None if goodbye is None else timeout + goodbye)
            except (concurrent.futures.CancelledError, concurrent.futures.TimeoutError):
                pass  # another thread was quicker, or this one was too slow
            finally:
                self.stop(deadline - time.monotonic(), _JOIN if goodbye is None else goodbye)

        return end

    def inside(self) -> bool:
        """Whether the caller is a handler."""
        return bool(self._callers())

    def _callers(self) -> list[ThreadLane]:
        """Return the lane whose handler the caller is; where that is an async one, all that it may be."""
        asynchronous = self._handlers is not None and self._handlers.inside()
        return [lane for lane in self._all_lanes() if asynchronous or lane.inside()]

    def stop(self, timeout: float = 0.0, join: float = _JOIN) -> None:
        """End the threads, with so many seconds for handlers that still run, and for each loop."""
        deadline = time.monotonic() + timeout
        lanes, callers = self._all_lanes(), self._callers()
        for lane in lanes:
            lane.finish()
        for lane in lanes:
            if lane not in callers:
                lane.join(max(0.0, deadline - time.monotonic()))
            lane.close()
        with self._lock:
            self.stopped = True
        if self._handlers:
            self._handlers.stop(join)
        self.io.stop(join)
        connections.discard(self)

    def _all_lanes(self) -> list[ThreadLane]:
        with self._lock:
            return list(self._lanes)

    def abandon(self) -> None:
        """Close without waiting, as nobody can use the client any more; but one with handlers lives on."""
        ours = self._pid == os.getpid() and not self.stopped
        if ours and not (self._served and self._served.heard()):
            threading.Thread(target=self.close, name="rtmsg closing", daemon=True).start()
