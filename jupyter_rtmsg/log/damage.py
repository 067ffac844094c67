"""What readers found damaged in the file: told to who asked, and once for each room in the server's log."""

from __future__ import annotations

import threading
import time

from jupyter_rtmsg.errors import LogDiskError
from jupyter_rtmsg.logthrottle import throttled_logger

from .eventlog import Fault
from .reader import Query

_MOST = 100  # rooms that are named

logger = throttled_logger(__name__)


class Damage:
    """The damage that was found since the log was opened; any thread may ask and tell.

    Attributes
    ----------
    fault : Fault or None
        For the status. It stays: only opening the log again mends the file.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rooms: set[str] = set()
        self.fault: Fault | None = None

    def found(self, error: Exception, asked: object) -> LogDiskError:
        """Take note of a page that could not be read; return what to answer.

        Parameters
        ----------
        error : Exception
        asked : object
            What was read: a `Query`, the name of a room, or something else.
        """
        room = asked.room if isinstance(asked, Query) else asked if isinstance(asked, str) else None
        where = "the log" if room is None else f"room {room!r}"
        answer = LogDiskError(
            f"{where} could not be read: the log's file is damaged there ({error}). Restart the server: what can be "
            "read is kept, and the rest is told in its place"
        )
        with self._lock:
            before = self.fault or Fault(str(answer), time.time(), 0)
            self.fault = before._replace(failures=before.failures + 1)
            new = where not in self._rooms and len(self._rooms) < _MOST
            self._rooms.add(where)
        if new:
            logger.error("%s", answer)
        return answer
