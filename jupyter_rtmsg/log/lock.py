"""One server per file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jupyter_rtmsg.errors import LogError


class InUseError(LogError):
    """Another process holds the lock."""


class FileLock:
    """An exclusive lock beside a log, held until `release` or the process's end.

    The lock file is never deleted: a server that is just opening it would lock a file that nobody else sees.

    Raises
    ------
    InUseError
        If another server has it.
    OSError
        If the lock file cannot be made.
    """

    def __init__(self, log: Path) -> None:
        path = log.with_name(log.name + ".lock")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except OSError as error:
            holder = _read(self._descriptor)
            os.close(self._descriptor)
            if isinstance(error, (BlockingIOError, PermissionError)):
                raise InUseError(f"{log} is in use by another server (process {holder or 'unknown'})") from error
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let another server have the log."""
        os.close(self._descriptor)


if sys.platform == "win32":
    import msvcrt

    _AT = 1 << 20  # Windows locks are mandatory: a byte far behind the process id, so that this stays readable

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _AT, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 32).decode("ascii", "replace").strip()
