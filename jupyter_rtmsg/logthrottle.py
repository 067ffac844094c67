"""Throttled logging for messages that clients can cause again and again: the first ones, then only their number."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

_FIRST = 3  # messages of a kind that are logged unchanged
_LONGEST = 2_000  # characters of a message, which may contain names and texts from clients
_QUIET = 60.0  # seconds without a message of a kind, after which its count starts again
_KINDS = 256  # kinds remembered for each logger

_Kind = tuple[int, str, str]


class LogThrottle(logging.Filter):
    """A filter for a logger whose messages can be caused by strangers or by a failing disk.

    Messages are of one kind if they have the same format string and level, and exceptions of the same type from the
    same line. The first three of a kind pass, then only the 10th, the 100th, and so on, with their number. After a
    minute without a message of a kind its count starts again.

    Parameters
    ----------
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[_Kind, tuple[int, float]] = {}  # the count, and the time of the last one; oldest first

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record; shorten its message, or add its number."""
        if record.levelno < logging.INFO:
            return True
        count = self._count((record.levelno, str(record.msg), _origin(record.exc_info)))
        if count > _FIRST and not _is_power_of_ten(count):
            return False
        text = record.getMessage()
        if len(text) > _LONGEST:
            record.msg, record.args = f"{text[:_LONGEST]}... ({len(text):,} characters)", ()
        if count > _FIRST:
            counted = f"{record.getMessage()} (the {count:,}th message like this; most are left out)"
            record.msg, record.args = counted, ()
        return True

    def clear(self) -> None:
        """Start all counts again."""
        with self._lock:
            self._kinds.clear()

    def _count(self, kind: _Kind) -> int:
        with self._lock:
            now = self._clock()
            count, last = self._kinds.pop(kind, (0, now))
            count = 1 if now - last > _QUIET else count + 1
            self._kinds[kind] = count, now  # at the end of the dict, whose first kind is removed when it is full
            if len(self._kinds) > _KINDS:
                del self._kinds[next(iter(self._kinds))]
            return count


def throttled_logger(name: str) -> logging.Logger:
    """Return the logger of a module, with a `LogThrottle`."""
    logger = logging.getLogger(name)
    if not any(isinstance(each, LogThrottle) for each in logger.filters):
        logger.addFilter(LogThrottle())
    return logger


def _is_power_of_ten(number: int) -> bool:
    while number % 10 == 0:
        number //= 10
    return number == 1


def _origin(error: Any) -> str:
    """Return the type of an exception and the line that raised it."""
    if not error or not error[0]:
        return ""
    kind, _, trace = error
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{kind.__name__} {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else kind.__name__
