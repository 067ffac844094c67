"""Finds out that processes have ended, in the time in which this is of interest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jupyter_rtmsg.process import ProcessName, has_ended

FIRST_LOOK = 0.1
"""Seconds until a process that has lost its connection is looked at again. Each further pause is twice as long."""


class EndedProcesses:
    """Looks whether processes have ended: at once, and then at growing intervals for a while.

    Parameters
    ----------
    period : float
        Seconds for which a process is looked at.
    """

    # `_timers` has the timer of each process that is looked at, and `_ended` the functions to call.

    def __init__(self, period: float) -> None:
        self._period = period
        self._ended: dict[ProcessName, list[Callable[[], None]]] = {}
        self._timers: dict[ProcessName, asyncio.TimerHandle] = {}

    def watch(self, process: ProcessName, ended: Callable[[], None]) -> None:
        """Call a function when a process has ended, if it does so within the period."""
        if process in self._timers:
            self._timers.pop(process).cancel()
        self._ended.setdefault(process, []).append(ended)
        self._look(process, FIRST_LOOK)

    def close(self) -> None:
        """Look no more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._ended.clear()

    def _look(self, process: ProcessName, pause: float) -> None:
        self._timers.pop(process, None)
        if has_ended(process):
            for ended in self._ended.pop(process):
                ended()
        elif pause < self._period:
            timer = asyncio.get_running_loop().call_later(pause, self._look, process, 2 * pause)
            self._timers[process] = timer
        else:
            del self._ended[process]
