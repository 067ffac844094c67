"""Keeping a log's file at its path while it is open.

On POSIX a file can be removed, moved or replaced while a process has it open. The process then continues with a file
that nobody will find again. So after each commit, before anybody learns of it, and at reads once a second, the guard
checks that the paths still lead to the open files. If they do not, it writes the contents of the open connection to the
path again, and the log continues there.
"""

from __future__ import annotations

import glob
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_rtmsg.errors import LogDiskError, LogError
from jupyter_rtmsg.logthrottle import throttled_logger

from .disk import FULL, Disk
from .fault import is_full
from .lock import FileLock, InUseError, NoLocksError
from .paths import PARTS, move_aside, open_private

LOOK_AFTER = 1.0
"""Seconds between two checks at reads, and between two checks of the lock's file, on which no commit depends."""

RETRY_AFTER = 1.0
"""Seconds after which writing the file again is tried again, if it failed."""

_FileId = tuple[int, int]  # device and inode

logger = throttled_logger(__name__)


def take_over_saved(path: Path) -> None:
    """Complete what a process did not finish that died while it put its file back. Called before the log is opened."""
    saved = saved_path(path)
    for partial in path.parent.glob(f"{glob.escape(path.name)}.saving-*"):
        partial.unlink(missing_ok=True)
    if not saved.exists():
        return
    if os.path.lexists(path):  # a foreign file, or the log's own file without its write-ahead log
        logger.warning("%s is not the file of the server that ran last, and was renamed to %s", path,
                       move_aside(path, "other"))  # fmt: skip
    for part in ("-wal", "-shm"):  # they belong to the file that was removed
        Path(f"{path}{part}").unlink(missing_ok=True)
    os.replace(saved, path)
    logger.warning("the file of the log %s was removed; the copy that the last server saved took its place", path)


def saved_path(path: Path) -> Path:
    """Return the path of the copy of a log whose file was taken away."""
    return path.with_name(f"{path.name}.saved")


class TakenError(LogDiskError):
    """The log's file is no longer at its path, and could not be put back."""


class Guard:
    """Keeps the file of an open log at its path.

    Parameters
    ----------
    path : Path
    lock : FileLock
    disk : Disk
    connection : callable
        Returns the present connection of the writer.
    reopen : callable
        Replaces that connection by one to the file at the path, in a new opening.
    wal : bool
        Whether there is a write-ahead log.
    """

    # Owned by the writer's thread. Any thread may call `is_there`, and the loop calls `is_due`.
    #
    # States: the file is at its path (`_failed` is None); or it is not, and could not be put back (`_failed` has the
    # error, and when to try again). `_open` identifies the open files, in order of `_parts`. `_placed` identifies the
    # file that was put at the path last: if that cannot be opened, it is not taken for a foreign one.

    def __init__(
        self,
        path: Path,
        lock: FileLock,
        disk: Disk,
        connection: Callable[[], sqlite3.Connection],
        reopen: Callable[[], None],
        *,
        wal: bool,
    ) -> None:
        self._path = path
        self._lock = lock
        self._disk = disk
        self._connection = connection
        self._reopen = reopen
        self._parts = ("", "-wal") if wal else ("",)
        self._names = [f"{path}{part}" for part in self._parts]
        self._lock_checked_at = self._read_checked_at = time.monotonic()
        self._failed: tuple[float, LogError] | None = None
        self._placed: _FileId | None = None
        self._open = self._file_ids()

    @property
    def failed(self) -> LogError | None:
        """Why the file could not be put back; None if it is at its path, or it is time to try again."""
        return self._failed[1] if self._failed and time.monotonic() < self._failed[0] else None

    def is_due(self) -> bool:
        """Tell whether a read should call `is_there` before: about once a second."""
        now = time.monotonic()
        due = now - self._read_checked_at >= LOOK_AFTER
        if due:
            self._read_checked_at = now
        return due

    def is_there(self) -> bool:
        """Tell whether the paths lead to the open files. After an error that does not tell it, assume that they do."""
        try:
            for name, id in zip(self._names, self._open, strict=True):
                found = os.lstat(name)
                if found.st_ino != id[1] or found.st_dev != id[0]:
                    return False
            return True
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def confirm(self, *, last: bool = False) -> str | None:
        """Check that the file is at its path; put it back if it is not.

        Parameters
        ----------
        last : bool
            Whether the log is being closed: then do not wait after a failed attempt.

        Returns
        -------
        str or None
            A text for users, if the file was put back.

        Raises
        ------
        TakenError
            If it could not be put back. The open file still has all commits, for the next attempt.
        """
        if self._failed is None and self.is_there():
            self._keep_lock()
            return None
        if not last and (failed := self.failed):
            raise failed
        try:
            warning = self._put_back_on_any_disk()
        except (OSError, sqlite3.Error, LogError) as error:
            answer = TakenError(
                f"the log's file {self._path} was removed or replaced while the server runs, and could not be written "
                f"there again: {error}"
            )
            self._failed = time.monotonic() + RETRY_AFTER, answer
            raise answer from None
        self._failed = None
        logger.error(warning)
        return warning

    def _file_ids(self) -> list[_FileId]:
        return [_file_id(name) for name in self._names]

    def _keep_lock(self) -> None:
        now = time.monotonic()
        if now - self._lock_checked_at < LOOK_AFTER:
            return
        self._lock_checked_at = now
        try:
            if self._lock.keep():
                logger.warning("the lock file of the log %s was removed or replaced; it was locked again", self._path)
        except (InUseError, NoLocksError, OSError) as error:  # `Store` notices if another server writes
            logger.error("the log %s is no longer locked: %s", self._path, error)

    def _put_back_on_any_disk(self) -> str:
        """Put the file back; on a full disk, release the ballast for that."""
        try:
            return self._put_back()
        except (OSError, sqlite3.OperationalError) as error:
            if not (is_full(error) or getattr(error, "errno", None) in FULL):
                raise
        with self._disk.released():
            return self._put_back()

    def _put_back(self) -> str:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.keep()
        saved = self._save()
        try:
            what = self._make_way()
            os.replace(saved, self._path)
            self._placed = _file_id_or_none(str(self._path))
        finally:
            saved.unlink(missing_ok=True)
        _flush(self._path.parent)
        self._reopen()
        self._open = self._file_ids()
        return (
            f"{what} while the server was running. All of the log was written to {self._path} again, and nothing is "
            "lost. Stop the server before you move, remove or restore its files"
        )

    def _save(self) -> Path:
        """Write the contents of the open connection to a file beside the path; return its name once it is complete."""
        saving, saved = self._path.with_name(f"{self._path.name}.saving-{os.getpid()}"), saved_path(self._path)
        saving.unlink(missing_ok=True)
        os.close(open_private(saving, os.O_WRONLY | os.O_CREAT | os.O_EXCL))  # SQLite would give it another mode
        try:
            self._connection().execute("VACUUM INTO ?", (str(saving),))
            _flush(saving)
            os.replace(saving, saved)
        finally:
            for part in PARTS:
                Path(f"{saving}{part}").unlink(missing_ok=True)
        return saved

    def _make_way(self) -> str:
        """Remove the remains of the open file, which was saved, and rename foreign files; return what had happened."""
        mine = dict(zip(self._parts, self._open, strict=True))
        found = {part: id for part in PARTS if (id := _file_id_or_none(f"{self._path}{part}"))}
        others = [part for part, id in found.items() if mine.get(part) != id]
        if self._placed is not None and found.get("") == self._placed:  # it could not be opened, and is replaced again
            others = []
        if "-wal" not in others:
            # Beside the other file what is left of ours would be read as that one's, and spoil it.
            others = [part for part in others if part != "-shm"]
            for part in ("-wal", "-shm"):
                Path(f"{self._path}{part}").unlink(missing_ok=True)
        aside = move_aside(self._path, "other", others) if others else None
        if "" in others:
            return f"The file of the log was replaced by another, which was renamed to {aside}"
        return (
            "The write-ahead log of the log was removed or replaced"
            if "" in found
            else "The file of the log was removed"
        )


def _file_id(path: str) -> _FileId:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _file_id_or_none(path: str) -> _FileId | None:
    try:
        return _file_id(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _flush(path: Path) -> None:
    """Flush a file, or the names in a directory, to the disk."""
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
