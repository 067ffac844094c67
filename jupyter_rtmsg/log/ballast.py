"""Space held back on the disk: on a full one SQLite can delete nothing either, because a deletion is written first."""

from __future__ import annotations

import os
from pathlib import Path


class Ballast:
    """A file beside the log that is given up to make room.

    Parameters
    ----------
    log : Path or None
        The log's file; None for a log in memory, which has no ballast.
    size : int
        Bytes; 0 for none.
    """

    def __init__(self, log: Path | None, size: int) -> None:
        self._log = log
        self._path = None if log is None or size == 0 else log.with_name(log.name + ".ballast")
        self._size = size
        self._held = False

    def make(self) -> None:
        """Take the space, where there is any to take."""
        if self._path is None or self._held:
            return
        try:
            if not self._path.exists() or self._path.stat().st_size != self._size:
                self._fill(self._path)
            self._held = True
        except OSError:
            self.release()

    def release(self) -> None:
        """Give the space back."""
        self._held = False
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def wal_size(self) -> int:
        """Return the bytes of the log's write-ahead log."""
        if self._log is None:
            return 0
        try:
            return self._log.with_name(self._log.name + "-wal").stat().st_size
        except OSError:
            return 0

    def _fill(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            # Real bytes: a hole would hold no space.
            file.writelines(bytes(1 << 16) for _ in range(0, self._size, 1 << 16))
