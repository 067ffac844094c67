"""Calls back those who appended or changed something, in slices, so that a large commit does not block the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from jupyter_rtmsg.logthrottle import throttled_logger

from .work import Changed, Completion

SLICE = 0.005
"""Seconds of callbacks in one step of the event loop."""

MAX_WAITING = 10_000
"""Callbacks that may wait for a later step. While more wait, a step goes on for longer than `SLICE`."""

_BETWEEN = 16  # callbacks between two looks at the clock

logger = throttled_logger(__name__)


class CompletionQueue:
    """The completions whose callbacks were not called yet. They are called in order.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Completion | Changed] = deque()
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, completions: Iterable[Completion | Changed], *, later: bool) -> None:
        """Call the callbacks of some completions, behind those that wait.

        Parameters
        ----------
        completions : iterable of Completion or Changed
        later : bool
            Whether to begin in a later step of the loop, behind what is scheduled already.
        """
        self._waiting.extend(completions)
        if not self._waiting or self._scheduled:
            return
        if later:
            self._schedule()
        else:
            self._call_slice()

    def drain(self) -> None:
        """Call all callbacks that wait, in this step: the loop may end after it."""
        while self._waiting:
            self._call(self._waiting.popleft())

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self._call_slice)

    def _call_slice(self) -> None:
        self._scheduled = False
        waiting, end = self._waiting, self._loop.time() + SLICE
        while waiting:
            for _ in range(min(len(waiting), _BETWEEN)):
                self._call(waiting.popleft())
            if self._loop.time() >= end and len(waiting) <= MAX_WAITING:
                break
        if waiting and not self._scheduled:
            self._schedule()

    @staticmethod
    def _call(completion: Completion | Changed) -> None:
        """Call a callback; log its exception, so that the others are called too."""
        done: Callable[..., None] = completion.done
        try:
            done(completion.value)
        except Exception:
            logger.exception("the callback of an append or a change raised an exception")
