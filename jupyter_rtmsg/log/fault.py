"""What it means that the log cannot write or read: the error that callers get, and one line in the log for each spell.

SQLite tells little of why a write failed: a used-up quota is the same "disk I/O error" as a broken disk, and codes have
names from Python 3.11 on only. So the disk is asked, by writing a little beside the log.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import time
from collections.abc import Callable

from jupyter_rtmsg.errors import LogBusy, LogDiskError, LogError, LogFull
from jupyter_rtmsg.logthrottle import throttled_logger

from .eventlog import Fault
from .store import is_full

logger = throttled_logger(__name__)


def diagnose(error: BaseException, probe: Callable[[], OSError | None] = lambda: None) -> LogError:
    """Return the error that callers get for what went wrong in the log.

    Parameters
    ----------
    error : BaseException
    probe : callable
        Tries to write beside the log, and returns what that failed with; called for errors that don't tell.
    """
    if isinstance(error, LogError):
        return error
    if is_full(error):
        return LogFull("the disk is full: make room there, or trim rooms")
    if isinstance(error, MemoryError):
        return LogBusy("the server is out of memory: try again")
    if isinstance(error, sqlite3.OperationalError) and "disk I/O" in str(error):
        return _of_system(probe()) or _disk_error(error)
    if isinstance(error, (sqlite3.DatabaseError, OSError)):
        return _of_system(error) or _disk_error(error)
    return LogError(f"the log could not store: {error or type(error).__name__}")


def _of_system(error: BaseException | None) -> LogError | None:
    """Return the error for a full disk or quota."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EDQUOT:
        return LogFull("the quota on the disk is used up: make room there, or trim rooms")
    return LogFull("the disk is full: make room there, or trim rooms") if number == errno.ENOSPC else None


def _disk_error(error: BaseException) -> LogError:
    return LogDiskError(f"the log could not store: {error}. It tries again by itself; look at the disk")


class Spell:
    """The time in which something fails: logged when it begins and when it is over, however often it fails between.

    Parameters
    ----------
    what : str
        What does not work, for the log's line.
    effect : str
        What that means for users.

    Attributes
    ----------
    fault : Fault or None
        What is wrong now. Any thread may read it.
    """

    def __init__(self, what: str, effect: str) -> None:
        self._what = what
        self._effect = effect
        self.fault: Fault | None = None

    def failed(self, error: LogError, count: int = 1, unexpected: BaseException | None = None) -> None:
        """Note a failure that concerns ``count`` things; ``unexpected`` is logged with its traceback."""
        before = self.fault
        if before is None:
            logger.error("%s: %s; %s", self._what, error, self._effect, exc_info=unexpected)
            self.fault = Fault(str(error), time.time(), count)
        else:
            self.fault = Fault(str(error), before.since, before.failures + count)

    def over(self) -> None:
        """Note that it works."""
        fault, self.fault = self.fault, None
        if fault:
            level = logging.WARNING
            logger.log(level, "%s: works again after %.0f s and %d failures", self._what,
                       time.time() - fault.since, fault.failures)  # fmt: skip
