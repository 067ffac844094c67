"""Messages that others can cause again and again: the first few are logged, then only how many there are."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

_FIRST = 3  # of a kind are logged as they are
_LONGEST = 2_000  # characters of a message: names and texts of others may be in it
_QUIET = 60.0  # seconds without one of its kind, after which a message counts as new
_KINDS = 256  # remembered for each logger

_Kind = tuple[int, str, str]


class LogThrottle(logging.Filter):
    """A filter for a logger whose messages strangers, or a failing disk, can cause.

    Messages of one kind have the same text before its arguments are put in, and an exception, if any, of the same type
    from the same line. After the first three only those pass that are the 10th, the 100th, and so on, and they say so.
    A kind that was quiet for a minute begins anew.

    Parameters
    ----------
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[_Kind, tuple[int, float]] = {}  # how many came, and when the last one did

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is to be logged."""
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
        """Forget what was logged."""
        with self._lock:
            self._kinds.clear()

    def _count(self, kind: _Kind) -> int:
        with self._lock:
            now = self._clock()
            count, last = self._kinds.pop(kind, (0, now))
            count = 1 if now - last > _QUIET else count + 1
            self._kinds[kind] = count, now  # behind all others
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
