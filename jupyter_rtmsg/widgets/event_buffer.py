"""The latest events of a room, between the thread that receives them and the browser."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from jupyter_rtmsg.event import Event

LIMIT = 200


class EventSlice(NamedTuple):
    """Consecutive events; ``first`` is the running number of the first, from 1 on."""

    first: int
    events: Sequence[Event]


class EventBuffer:
    """The latest events for a view, numbered from 1. Safe to use from any thread.

    With the running number the browser notices a lost message: messages from a kernel to its browser may be dropped.
    A log that is replaced (`restart`) begins its own numbers again; the running number goes on.

    Parameters
    ----------
    limit : int
        The number of events that are held.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._events: deque[Event] = deque(maxlen=limit)
        self._count = 0  # the running number of the latest event
        self._taken = 0  # the running number up to which `take` returned events
        self._newest = 0  # the seq of the latest event
        self._lock = threading.Lock()

    def add(self, event: Event) -> bool:
        """Add an event, unless its seq is not above the last one's; return whether it was added."""
        with self._lock:
            if event.seq is not None and event.seq <= self._newest:
                return False
            self._newest = event.seq or self._newest
            self._events.append(event)
            self._count += 1
            return True

    def precede(self, events: Sequence[Event]) -> None:
        """Put earlier events in front of those that came meanwhile. Call it before the first `take`."""
        with self._lock:
            first = next((event.seq for event in self._events if event.seq is not None), None)
            older = [event for event in events if first is None or (event.seq or 0) < first]
            self._newest = max([self._newest, *(event.seq or 0 for event in older)])
            self._count += len(older)
            self._events = deque([*older, *self._events], maxlen=self._events.maxlen)

    def restart(self) -> None:
        """Accept any seq again: the log was replaced, and its counter with it."""
        with self._lock:
            self._newest = 0

    def take(self) -> EventSlice:
        """Return the events since the last call; only the latest ``limit`` of them are held."""
        with self._lock:
            fresh = min(self._count - self._taken, len(self._events))
            self._taken = self._count
            return self._last(fresh)

    def recent(self) -> EventSlice:
        """Return all events that are held."""
        with self._lock:
            return self._last(len(self._events))

    def _last(self, count: int) -> EventSlice:
        return EventSlice(self._count - count + 1, list(islice(self._events, len(self._events) - count, None)))
