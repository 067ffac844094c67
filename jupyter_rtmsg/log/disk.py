"""The disk that a log is on, and the space held back there.

On a full disk SQLite can delete nothing either, because a deletion is written before it is done. So a file beside the
log, its ballast, is given up to make room for that, and made again afterwards.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .private import open_private

FULL = (errno.ENOSPC, errno.EDQUOT)
_BLOCK = bytes(1 << 16)


class Disk:
    """Where a log is.

    Parameters
    ----------
    log : Path or None
        The log's file; None for a log in memory.
    ballast : int
        Bytes to hold back; 0 for none.

    Attributes
    ----------
    short : bool
        Whether the ballast was given up and could not be made again: what space there is, trimming needs.
    """

    def __init__(self, log: Path | None, ballast: int) -> None:
        self._wal = None if log is None else log.with_name(log.name + "-wal")
        self._path = None if log is None or ballast == 0 else log.with_name(log.name + ".ballast")
        self._size = ballast
        self.short = False

    def reserve(self) -> None:
        """Hold the ballast, if the disk has room for it."""
        if self._path is None:
            return
        try:
            if not self._is_whole(self._path):
                self._fill(self._path)
            self.short = False
        except OSError as error:
            self.release()
            self.short = error.errno in FULL  # else the disk fails: what is to be stored finds out by itself

    def probe(self) -> OSError | None:
        """Write a little beside the log, and return the error that this fails with, if it does."""
        if self._wal is None:
            return None
        path = self._wal.with_name(self._wal.name.removesuffix("-wal") + ".probe")
        try:
            descriptor = open_private(path, os.O_WRONLY | os.O_CREAT)
            try:
                os.write(descriptor, _BLOCK)
                os.fsync(descriptor)  # a quota may be told of only now
            finally:
                os.close(descriptor)
                path.unlink(missing_ok=True)
        except OSError as error:
            return error
        return None

    def release(self) -> None:
        """Give the ballast up."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self.short = True

    @contextmanager
    def yielding(self) -> Iterator[None]:
        """Do without the ballast for a while."""
        self.release()
        try:
            yield
        finally:
            self.reserve()

    def wal_size(self) -> int:
        """Return the bytes of SQLite's write-ahead log."""
        try:
            return self._wal.stat().st_size if self._wal else 0
        except OSError:
            return 0

    def _is_whole(self, path: Path) -> bool:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size >= self._size

    def _fill(self, path: Path) -> None:
        path.unlink(missing_ok=True)  # whatever it is: what it might lead to stays as it is
        descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with open(descriptor, "wb") as file:
            # Real bytes: a hole would hold no space.
            file.writelines(_BLOCK for _ in range(0, self._size, len(_BLOCK)))
