"""Decides when a worker group loads further events. No clock and no I/O."""

from __future__ import annotations

from .changes import GroupLimits
from .ready import ReadyJobs
from .window import GroupWindow
from .workers import Workers


class LoadLimit:
    """How many events a group may load, beyond those that its workers have.

    Parameters
    ----------
    window : GroupWindow
    workers : Workers
    ready : ReadyJobs
    limits : GroupLimits
    """

    __slots__ = ("_limits", "_ready", "_window", "_workers")

    def __init__(self, window: GroupWindow, workers: Workers, ready: ReadyJobs, limits: GroupLimits) -> None:
        self._window = window
        self._workers = workers
        self._ready = ready
        self._limits = limits

    @property
    def capacity(self) -> int:
        """The number of events that may be loaded; 0 if it is not known to be more."""
        window, limits = self._window, self._limits
        if not self._workers.places or window.is_stretched or window.size >= limits.window_bytes:
            return 0
        return max(0, limits.window - len(window.jobs) + self._workers.given)

    @property
    def is_low(self) -> bool:
        """Whether a page should be read: at most half of the window is left, or a worker waits."""
        # A page for each place that becomes free would read the same events from the log again and again.
        waiting = len(self._window.jobs) - self._workers.given
        return waiting * 2 <= self._limits.window or self._workers.best() is not None

    def shed(self) -> bool:
        """If the window is full of events that wait for others of their key, forget most; return whether it was."""
        if self._ready or self._workers.best() is None or not self._window.may_shed(self._limits.window):
            return False
        self._window.shed(self._limits.window // 4)
        return True
