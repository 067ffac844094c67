"""The disk under a log: its file system, and the space reserved there.

On a full disk SQLite cannot delete events either, since it writes a deletion before it applies it. So a file beside the
log, its ballast, is removed to make room for that, and written again afterwards.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .paths import open_private

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk."""

# SQLite's write-ahead log needs memory shared between processes, which these file systems do not have:
# https://www.sqlite.org/wal.html, "Overview", disadvantage 2. They include folders that a virtual machine shares with
# its host, such as bind mounts of Docker Desktop.
# fmt: off
NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs",
    "afs", "9p", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "davfs",
    "virtiofs", "vboxsf", "prl_fs", "fakeowner", "fuse.grpcfuse", "fuse.vmhgfs-fuse",
    "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.davfs2", "fuse.cifs"
})
# fmt: on

_BLOCK = bytes(1 << 16)


class Disk:
    """The disk under a log, with its ballast.

    Parameters
    ----------
    log : Path or None
        The log's file; None for a log in memory.
    ballast : int
        Bytes to reserve; 0 for none.

    Attributes
    ----------
    short : bool
        Whether the ballast was released and cannot be written again. Trimming needs the remaining space.
    """

    def __init__(self, log: Path | None, ballast: int) -> None:
        self._wal = None if log is None else log.with_name(log.name + "-wal")
        self._path = None if log is None or ballast == 0 else log.with_name(log.name + ".ballast")
        self._size = ballast
        self.short = False

    def reserve(self) -> None:
        """Write the ballast, if it is missing and the disk has room for it."""
        if self._path is None:
            return
        try:
            if not self._is_complete(self._path):
                self._fill(self._path)
            self.short = False
        except OSError as error:
            self.release()
            self.short = error.errno in FULL  # another error is reported by the next append

    def probe(self) -> OSError | None:
        """Write a little beside the log; return the error of that, or None."""
        if self._wal is None:
            return None
        path = self._wal.with_name(self._wal.name.removesuffix("-wal") + ".probe")
        try:
            descriptor = open_private(path, os.O_WRONLY | os.O_CREAT)
            try:
                os.write(descriptor, _BLOCK)
                os.fsync(descriptor)  # some file systems check the quota only now
            finally:
                os.close(descriptor)
                path.unlink(missing_ok=True)
        except OSError as error:
            return error
        return None

    def release(self) -> None:
        """Remove the ballast."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self.short = True

    @contextmanager
    def released(self) -> Iterator[None]:
        """Run the block without the ballast."""
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

    def _is_complete(self, path: Path) -> bool:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size >= self._size

    def _fill(self, path: Path) -> None:
        path.unlink(missing_ok=True)  # it may be a link to another file, which must not change
        descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with open(descriptor, "wb") as file:
            # Data, not a hole: a hole would reserve no space.
            file.writelines(_BLOCK for _ in range(0, self._size, len(_BLOCK)))


def filesystem_type(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """Return the type of the file system of a path; None if it is unknown (other systems than Linux)."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    path = path.resolve()
    best, kind = -1, None
    for line in lines:
        _, where, type_, *_ = line.split(" ")
        mount = Path(_unescape(where))
        if path.is_relative_to(mount) and len(mount.parts) >= best:  # of two at one place, the later one is on top
            best, kind = len(mount.parts), type_
    return kind


def _unescape(text: str) -> str:
    """Undo the octal escapes of fstab(5)."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
