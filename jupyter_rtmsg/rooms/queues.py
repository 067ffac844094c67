"""The queues of a room's inbox: what comes in, bounded in number and bytes, and what is to be handled again."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from jupyter_rtmsg.client.executor import Call, Failed
from jupyter_rtmsg.client.handlers import Handlers
from jupyter_rtmsg.event import Event

LIVE, REPLAY, MISSED = 0, 1, 2
"""Kinds: delivered live; read from the log; read, and from before this client joined."""

MARKER = 3
"""A kind: not an event of the log. When it was handled, its ``position`` is the handled one."""

VALUE = 4
"""A kind: a value of the room's state. Its data are the event; it is in no log, and moves no position."""

Item: TypeAlias = "tuple[str, Any, Mapping[str, Any], int, int]"
"""Name, data, meta, bytes and kind."""


class ItemQueue:
    """Items between the I/O loop, which puts them in and may take them back, and the executor, which takes them out.

    Both change ``_items``, at different ends. Each counter has one writer, and the other side only reads it.

    Parameters
    ----------
    max_events, max_bytes : int
        The capacity.

    Attributes
    ----------
    put_count : int
        How many events of the log were put in, without those that were dropped again.
    """

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._items: deque[Item] = deque()
        self.put_count = 0
        self._bytes_in = 0
        self._bytes_out = 0

    def __len__(self) -> int:
        return len(self._items)

    def fits(self, size: int, share: float = 1.0) -> bool:
        """Whether there is capacity for an item of so many bytes, in a share of the whole."""
        used = self._bytes_in - self._bytes_out
        return len(self._items) < self._max_events * share and used + size <= self._max_bytes * share

    # --- the loop's side

    def put(self, item: Item) -> None:
        """Put in an event of the log."""
        self.put_count += 1
        self._bytes_in += item[3]
        self._items.append(item)

    def put_uncounted(self, item: Item) -> None:
        """Put in what is in no log."""
        self._bytes_in += item[3]
        self._items.append(item)

    def drop(self, drops: Callable[[Item], bool | None]) -> None:
        """Drop items, from the newest one back; with None for an item, it and all before it stay."""
        kept: deque[Item] = deque()
        verdict: bool | None = False
        with suppress(IndexError):
            while verdict is not None:  # the executor takes from the other end meanwhile; an item popped here is ours
                item = self._items.pop()
                verdict = drops(item)
                if not verdict:
                    kept.appendleft(item)
                elif item[4] != MARKER:
                    self.put_count -= 1
                    self._bytes_in -= item[3]
        self._items.extend(kept)  # in their place: the executor takes from the other end only

    def clear(self) -> None:
        """Drop everything; the counters are not used after that."""
        self._items.clear()

    # --- the executor's side

    def take(self) -> Item:
        """Take the next item; raise IndexError if there is none."""
        return self._items.popleft()

    def release(self, size: int) -> None:
        """Count the bytes of an item that has been handled as free."""
        self._bytes_out += size


class ReplayQueue:
    """The replays of a room, handled one event at a time, so that live events can come in between.

    Any thread adds replays; the executor takes them. A replay that the executor has taken is `_current`, with the
    number of its events that are handled; it is finished by the executor alone.

    Parameters
    ----------
    handlers : Handlers
    failed : callable, optional
        Called by the executor with each call that raised, and what it raised.
    """

    def __init__(self, handlers: Handlers, failed: Failed | None = None) -> None:
        self._handlers = handlers
        self._failed = failed
        self._waiting: deque[tuple[Sequence[Event], concurrent.futures.Future[int]]] = deque()
        self._current: tuple[Sequence[Event], concurrent.futures.Future[int]] | None = None
        self._handled = 0

    def __bool__(self) -> bool:
        return self._current is not None or bool(self._waiting)

    def add(self, events: Sequence[Event]) -> concurrent.futures.Future[int]:
        """Queue events to be handled again. The future's result is their number, once they are handled."""
        done: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._waiting.append((events, done))
        return done

    def clear(self) -> None:
        """Drop what the executor has not taken."""
        while self._waiting:
            self._waiting.popleft()[1].set_result(0)

    # --- the executor's side

    def calls(self) -> Iterator[Call]:
        """Yield the calls of handlers for the next event."""
        if self._current is None:
            self._current, self._handled = self._waiting.popleft(), 0
        events, _ = self._current
        if self._handled < len(events):
            event = events[self._handled]
            for handler in self._handlers.matching(event.name):
                if handler.replay:
                    yield Call(handler, (event,), None, self._failed)
            self._handled += 1
        if self._handled == len(events):
            self.finish()

    def finish(self) -> None:
        """End the replay that the executor has taken; also if the room is left: a thread may wait for the result."""
        if self._current is not None:
            (_, done), self._current = self._current, None
            done.set_result(self._handled)
