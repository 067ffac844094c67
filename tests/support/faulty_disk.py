"""A disk that fails when a test says so: tests/faults/shim.c, preloaded into a process under test."""

from __future__ import annotations

import enum
import errno
import mmap
import struct
import subprocess
from pathlib import Path

from .programs import find

_SOURCE = Path(__file__).parents[1] / "faults" / "shim.c"
_CONTROL = struct.Struct("6i")


class Operation(enum.IntFlag):
    """Operations that can fail."""

    WRITE = 1
    FSYNC = 2
    READ = 4
    SHORT_WRITE = 8
    TRUNCATE = 16
    OPEN = 32
    UNLINK = 64


class Files(enum.IntEnum):
    """Which of the matching files fail."""

    ANY = 0
    WAL = 1
    NOT_WAL = 2


def build_shim(folder: Path) -> Path:
    """Compile the shim, and return the library."""
    library = folder / "shim.so"
    gcc = find("gcc")
    assert gcc
    command = [gcc, "-O1", "-Wall", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


class FaultyDisk:
    """Controls the faults of processes that are started with its `environment`.

    Parameters
    ----------
    shim : Path
        From `build_shim`.
    folder : Path
    match : str
        Only files whose path contains this text fail.
    """

    def __init__(self, shim: Path, folder: Path, match: str = "log.sqlite3") -> None:
        path = folder / "faults.control"
        path.write_bytes(bytes(_CONTROL.size))
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), _CONTROL.size)
        self.environment = {"LD_PRELOAD": str(shim), "FAULTS_CONTROL": str(path), "FAULTS_MATCH": match}

    def fail(self, operations: Operation, *, count: int = -1, error: int = errno.EIO, files: Files = Files.ANY) -> None:
        """Make operations fail: ``count`` of them, or with -1 all until `work`."""
        self._set(operations, count, error, files, False)

    def hang(self, operations: Operation, *, files: Files = Files.ANY) -> None:
        """Make operations block until `work`."""
        self._set(operations, -1, 0, files, True)

    def work(self) -> None:
        """Let all operations succeed again."""
        self._set(Operation(0), 0, 0, Files.ANY, False)

    @property
    def hits(self) -> int:
        """The number of operations that failed or blocked since the last change."""
        return int(_CONTROL.unpack(self._map[:])[-1])

    def close(self) -> None:
        """Close the control file."""
        self._map.close()
        self._file.close()

    def _set(self, operations: Operation, count: int, error: int, files: Files, hang: bool) -> None:
        self._map[:] = _CONTROL.pack(operations, count, error, files, hang, 0)
