"""What everybody is told of the log: ``$log``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_rtmsg.log.eventlog import EventLog


class LogState:
    """Tells of the log whenever it has changed: whether it is durable, its warning, and which opening it is in.

    Parameters
    ----------
    log : EventLog
    emit : callable
        Sends an event to everybody.
    """

    def __init__(self, log: EventLog, emit: Callable[[str, dict[str, Any]], object]) -> None:
        self._log = log
        self._emit = emit
        self._told = log.warning, log.opening

    def look(self) -> None:
        """Tell of a change; before any event of another opening, whose positions mean nothing in the one before."""
        if (self._log.warning, self._log.opening) != self._told:
            self.tell()

    def tell(self) -> None:
        """Tell how it is now."""
        log = self._log
        self._told = log.warning, log.opening
        state = {"durable": log.durable, "warning": log.warning, "epoch": log.epoch, "opening": log.opening}
        self._emit("$log", state)
