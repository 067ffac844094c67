"""The queue from the event loop to the writer's thread, and how its items are divided among transactions."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Sequence

from .work import Change, Item, Submission, Work

_MAX_BATCH = 1_000  # events in a transaction; with more the first one waits longer, and throughput does not grow
_MAX_BATCH_BYTES = 1 << 20


class Intake:
    """The items that wait for a transaction, in order.

    Attributes
    ----------
    stopping : bool
        Whether `stop` was called. No items come after it.
    """

    # The loop calls `put` and `stop`, the writer's thread calls the others.

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Sequence[Item] | None] = queue.SimpleQueue()
        self._waiting: deque[Item] = deque()
        self.stopping = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, items: Sequence[Item]) -> None:
        """Add items, which wakes the thread."""
        self._queue.put(items)

    def stop(self) -> None:
        """Tell the thread that there will be no more items."""
        self._queue.put(None)

    def collect(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for items, and take all that there are."""
        try:
            items = self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
            while True:
                if items is None:
                    self.stopping = True
                else:
                    self._waiting.extend(items)
                items = self._queue.get_nowait()
        except queue.Empty:
            pass

    def take(self) -> Work:
        """Remove and return the items of one transaction."""
        submissions: list[Submission] = []
        changes: list[Change] = []
        size = 0
        waiting = self._waiting
        while waiting and len(submissions) < _MAX_BATCH and size < _MAX_BATCH_BYTES:
            item = waiting.popleft()
            if isinstance(item, Submission):
                submissions.append(item)
            else:
                changes.append(item)
            size += item.size
        return Work(submissions, changes, size)
