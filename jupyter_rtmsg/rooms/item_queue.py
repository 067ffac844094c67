"""The queue of a room's inbox: events, notices and markers, bounded in number and bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

LIVE, REPLAY, MISSED = 0, 1, 2
"""Kinds: delivered live; read from the log; read, and from before this client joined."""

MARKER = 3
"""A kind: not an event of the log. When it was handled, its ``position`` is the handled one."""

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
