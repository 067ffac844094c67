"""The latest events of a room, numbered, on their way from the thread that receives them to a browser."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from jupyter_rtmsg.event import Event

LIMIT = 200


class Stretch(NamedTuple):
    """Consecutive events; ``first`` is the running number of the first, from 1 on."""

    first: int
    events: Sequence[Event]


class Feed:
    """Holds the latest events only: a view is for looking, the log is for keeping. Safe to use from any thread.

    The running number lets a view see that it lost a message, since those from kernel to browser may be dropped.

    Parameters
    ----------
    limit : int
        How many events are held.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._events: deque[Event] = deque(maxlen=limit)
        self._count = 0
        self._taken = 0
        self._newest = 0
        self._lock = threading.Lock()

    def add(self, event: Event) -> bool:
        """Take an event, unless the same or a later one of the log is held already; return whether it was taken."""
        with self._lock:
            if event.seq is not None and event.seq <= self._newest:
                return False
            self._newest = event.seq or self._newest
            self._events.append(event)
            self._count += 1
            return True

    def precede(self, events: Sequence[Event]) -> None:
        """Put what was before in front of what came meanwhile. To be called before the first `take`."""
        with self._lock:
            first = next((event.seq for event in self._events if event.seq is not None), None)
            older = [event for event in events if first is None or (event.seq or 0) < first]
            self._newest = max([self._newest, *(event.seq or 0 for event in older)])
            self._count += len(older)
            self._events = deque([*older, *self._events], maxlen=self._events.maxlen)

    def restart(self) -> None:
        """Accept any number again: the log was replaced, and its counter with it."""
        with self._lock:
            self._newest = 0

    def take(self) -> Stretch:
        """Return what came since the last call; of more than ``limit`` events only the latest."""
        with self._lock:
            fresh = min(self._count - self._taken, len(self._events))
            self._taken = self._count
            return self._last(fresh)

    def recent(self) -> Stretch:
        """Return everything that is held."""
        with self._lock:
            return self._last(len(self._events))

    def _last(self, count: int) -> Stretch:
        return Stretch(self._count - count + 1, list(islice(self._events, len(self._events) - count, None)))
