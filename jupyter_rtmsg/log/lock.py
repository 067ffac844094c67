"""The lock that keeps two servers from using one log."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import time
from pathlib import Path

from jupyter_rtmsg.errors import LogError

from .paths import open_private

_RETRY = 1.0  # seconds between two attempts, where the system cannot wait for a lock
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})


class InUseError(LogError):
    """Another process holds the lock.

    Attributes
    ----------
    holder : str
        Its process id from the lock file, with its host if that is another one; or ``unknown``.
    """

    def __init__(self, log: Path, holder: str) -> None:
        super().__init__(f"{log} is in use by another server (process {holder})")
        self.holder = holder


class NoLocksError(LogError):
    """The file system has no locks."""


class FileLock:
    """An exclusive lock beside a log, held until `release` or the end of the process.

    The lock file is never deleted: a server that is opening it at that moment would lock a file without a name.

    Parameters
    ----------
    log : Path
    wait : bool
        Block until the lock is free. The system wakes this thread when the holder ends, even if it is killed.

    Raises
    ------
    InUseError
        If another server holds it.
    NoLocksError
        If the file system has no locks, such as some network file systems.
    OSError
        If the lock file cannot be created.
    """

    def __init__(self, log: Path, *, wait: bool = False) -> None:
        self._log = log
        self._path = log.with_name(log.name + ".lock")
        self._descriptor = self._take(wait=wait)

    def keep(self) -> bool:
        """Lock the file at the path again if it was replaced, since others lock that one; return whether it was.

        Raises
        ------
        InUseError
            If another server holds it already.
        """
        if _is_still(self._descriptor, self._path):
            return False
        before, self._descriptor = self._descriptor, self._take(wait=False)
        os.close(before)
        return True

    def release(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)

    def _take(self, *, wait: bool) -> int:
        """Lock the file at the path, and return its descriptor."""
        while True:
            descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
            try:
                self._wait_for(descriptor, wait=wait)
                if _is_still(descriptor, self._path):
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}".encode(), 0)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # the file was replaced meanwhile: others would lock the new one

    def _wait_for(self, descriptor: int, *, wait: bool) -> None:
        try:
            _lock(descriptor, wait=wait)
        except OSError as error:
            if isinstance(error, (BlockingIOError, PermissionError)):
                raise InUseError(self._log, _holder(descriptor)) from error
            if error.errno in _NO_LOCKS:
                raise NoLocksError(f"its file system has no locks ({error})") from error
            raise


if sys.platform == "win32":
    import msvcrt

    _AT = 1 << 20  # Windows locks are mandatory: lock a byte far after the process id, so that others can read that

    def _lock(descriptor: int, *, wait: bool) -> None:
        while True:
            os.lseek(descriptor, _AT, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return
            except PermissionError:
                if not wait:
                    raise
            time.sleep(_RETRY)

    def _is_still(descriptor: int, path: Path) -> bool:
        return True  # Windows does not remove an open file

else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in _NO_LOCKS or not hasattr(fcntl, "F_OFD_SETLK") or sys.maxsize < 1 << 32:
                raise
            _lock_range(descriptor, wait=wait)

    def _lock_range(descriptor: int, *, wait: bool) -> None:
        """Lock the bytes of a file that cannot be locked as a whole (old NFS).

        POSIX locks end when any descriptor of the file is closed; locks of open file descriptions end with theirs.
        """
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        everything = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)  # struct flock of 64-bit Linux
        fcntl.fcntl(descriptor, command, everything)

    def _is_still(descriptor: int, path: Path) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), path.stat())
        except FileNotFoundError:
            return False


def _holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    pid, _, host = os.read(descriptor, 256).decode("ascii", "replace").strip().partition(" ")
    return f"{pid or 'unknown'} on {host}" if host not in ("", socket.gethostname()) else pid or "unknown"
