"""A file that appears at its path only when it is complete."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO


class WholeFile:
    """A new file for a path. Until `commit` nothing is seen of it; what is at the path stays until then.

    Where the system can, the file has no name until `commit`, so that nothing is left of it even if the process is
    killed. Elsewhere it has a hidden name beside the path.

    Parameters
    ----------
    path : str or Path
        A link is followed.

    Attributes
    ----------
    path : Path
    file : file
        For writing bytes.

    Raises
    ------
    OSError
        If there is no such directory, or it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(os.path.realpath(Path(path).expanduser()))
        if not self.path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such directory", str(self.path.parent))
        if self.path.is_dir():
            raise IsADirectoryError(f"{self.path} is a directory: add the name of a file")
        self._hidden = self.path.with_name(f".{self.path.name[:100]}.{secrets.token_hex(6)}.part")
        self._has_name = False
        self.file: IO[bytes] = os.fdopen(self._open(), "w+b")

    def _open(self) -> int:
        anonymous = getattr(os, "O_TMPFILE", 0)
        if anonymous:
            with suppress(OSError):  # a file system that has no such files
                return os.open(self.path.parent, anonymous | os.O_RDWR, 0o666)
        descriptor = os.open(self._hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self._has_name = True
        return descriptor

    def commit(self) -> None:
        """Put the complete file at its path, and close it."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if not self._has_name:
            self._name()
        self.file.close()
        try:
            self._hidden.replace(self.path)
        except BaseException:
            self._hidden.unlink(missing_ok=True)
            raise

    def _name(self) -> None:
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            source = f"/proc/self/fd/{self.file.fileno()}"
            os.link(source, self._hidden.name, dst_dir_fd=directory, follow_symlinks=True)
        finally:
            os.close(directory)
        self._has_name = True

    def discard(self) -> None:
        """Remove the file, unless it was committed."""
        if not self.file.closed:
            with suppress(OSError):  # the disk may be full
                self.file.close()
            if self._has_name:
                self._hidden.unlink(missing_ok=True)


def spool() -> IO[bytes]:
    """Return a file without a name for intermediate results, which is gone when it is closed."""
    return tempfile.TemporaryFile()
