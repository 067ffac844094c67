"""Failures of the disk: the error that callers get, and one line in the server's log when an outage begins and ends.

SQLite says little about why a write failed. An exhausted quota is the same "disk I/O error" as a broken disk, and its
error codes have names only from Python 3.11 on. So `diagnose` may write a little beside the log, to get the error of
the operating system.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import time
from collections.abc import Callable

from jupyter_rtmsg.errors import LogBusy, LogDiskError, LogError, LogFull
from jupyter_rtmsg.logthrottle import throttled_logger

from .records import Fault

logger = throttled_logger(__name__)


def is_full(error: BaseException) -> bool:
    """Tell whether SQLite ran out of space (SQLITE_FULL)."""
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite found the file damaged (SQLITE_CORRUPT, SQLITE_NOTADB): only these raise the bare class."""
    return type(error) is sqlite3.DatabaseError


def diagnose(error: BaseException, probe: Callable[[], OSError | None] = lambda: None) -> LogError:
    """Return the error that callers get for a failure in the log.

    Parameters
    ----------
    error : BaseException
    probe : callable
        Tries to write beside the log, and returns the error of that, or None. Called only where SQLite's error does
        not name the cause.
    """
    if isinstance(error, LogError):
        return error
    if is_full(error):
        return LogFull("the disk is full: make room there, or trim rooms")
    if isinstance(error, MemoryError):
        return LogBusy("the server is out of memory: try again")
    if isinstance(error, sqlite3.OperationalError) and "disk I/O" in str(error):
        return _out_of_space(probe()) or _disk_error(error)
    if isinstance(error, (sqlite3.DatabaseError, OSError)):
        return _out_of_space(error) or _disk_error(error)
    return LogError(f"the log could not store: {error or type(error).__name__}")


def _out_of_space(error: BaseException | None) -> LogError | None:
    """Return the error for a full disk or an exhausted quota; None if it is neither."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EDQUOT:
        return LogFull("the quota on the disk is used up: make room there, or trim rooms")
    return LogFull("the disk is full: make room there, or trim rooms") if number == errno.ENOSPC else None


def _disk_error(error: BaseException) -> LogError:
    return LogDiskError(f"the log could not store: {error}. It tries again by itself; check the disk")


class Outage:
    """A period in which an operation fails. It is logged when it begins and when it ends, not at each failure.

    Parameters
    ----------
    what : str
        The operation that fails, for the log line.
    effect : str
        The consequence for users, likewise.

    Attributes
    ----------
    fault : Fault or None
        The present failure; None while the operation works. Any thread may read it.
    """

    def __init__(self, what: str, effect: str) -> None:
        self._what = what
        self._effect = effect
        self.fault: Fault | None = None

    def failed(self, error: LogError, count: int = 1, unexpected: BaseException | None = None) -> None:
        """Count ``count`` failures; the traceback of an ``unexpected`` exception is logged."""
        before = self.fault
        if before is None:
            logger.error("%s: %s; %s", self._what, error, self._effect, exc_info=unexpected)
            self.fault = Fault(str(error), time.time(), count)
        else:
            self.fault = Fault(str(error), before.since, before.failures + count)

    def ended(self) -> None:
        """Log that the operation works again, if it failed before."""
        fault, self.fault = self.fault, None
        if fault:
            level = logging.WARNING
            logger.log(level, "%s: works again after %.0f s and %d failures", self._what,
                       time.time() - fault.since, fault.failures)  # fmt: skip
