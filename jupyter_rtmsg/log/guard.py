"""Keeping a log's file at its path while it is open.

On POSIX a file can be removed, moved or replaced while a process has it open, and the process goes on reading and
writing what nobody will find again. So after each commit, before anybody hears of it, and now and then at reads, it is
looked whether the paths still lead to the open files. Where they do not, what the open connection holds is written to
the path again, and the log goes on there.
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
"""Seconds between two looks at reads, and at what a commit does not depend on: the files of the lock and the mark."""

RETRY_AFTER = 1.0
"""Seconds until the file is tried to be written again, when that failed."""

Identity = tuple[int, int]

log = throttled_logger(__name__)


def take_over_saved(path: Path) -> None:
    """Finish what a process was doing that ended while it put its file back; before the log is opened."""
    saved = _saved(path)
    for partial in path.parent.glob(f"{glob.escape(path.name)}.saving-*"):
        partial.unlink(missing_ok=True)
    if not saved.exists():
        return
    if os.path.lexists(path):  # another's, or the log's own that has lost its write-ahead log
        log.warning("%s is not the file of the server that ran last, and was renamed to %s", path,
                    move_aside(path, "other"))  # fmt: skip
    for part in ("-wal", "-shm"):  # of the file that is gone
        Path(f"{path}{part}").unlink(missing_ok=True)
    os.replace(saved, path)
    log.warning("the log %s is what the last server had saved of it when its file was taken", path)


def _saved(path: Path) -> Path:
    return path.with_name(f"{path.name}.saved")


class TakenError(LogDiskError):
    """The log's file is not at its path any more, and could not be put back."""


class Guard:
    """Looks after the file of an open log.

    Belongs to the writer's thread, but for `is_there`, which any thread may call, and `is_due`.

    Parameters
    ----------
    path : Path
    lock : FileLock
    disk : Disk
    connection : callable
        Returns the connection that writes now.
    reopen : callable
        Opens the file at the path in place of the one before, in a new opening.
    wal : bool
        Whether there is a write-ahead log.
    """

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
        self._looked = self._looked_at_read = time.monotonic()
        self._failed: tuple[float, LogError] | None = None
        self._placed: Identity | None = None  # of the file that was put there last
        self._open = self._identities()

    @property
    def failed(self) -> LogError | None:
        """Why the file, which is gone, could not be put back; None once it is to be tried again."""
        return self._failed[1] if self._failed and time.monotonic() < self._failed[0] else None

    def is_due(self) -> bool:
        """Whether a read should look as well; on the loop."""
        now = time.monotonic()
        due = now - self._looked_at_read >= LOOK_AFTER
        if due:
            self._looked_at_read = now
        return due

    def is_there(self) -> bool:
        """Whether the paths lead to the open files; an error that does not say so is none of removal."""
        try:
            return self._identities() == self._open
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def confirm(self, *, last: bool = False) -> str | None:
        """See that what was committed is at the path, and put it there if it is not; then return a warning.

        Parameters
        ----------
        last : bool
            Whether the log is being closed: then it is tried again at once where it failed before.

        Raises
        ------
        TakenError
            If it could not be put there. What was committed is still in the open file, for the next attempt.
        """
        if self._failed is None and self.is_there():
            self._keep_lock()
            return None
        if not last and (failed := self.failed):
            raise failed
        try:
            warning = self._put_back_somehow()
        except (OSError, sqlite3.Error, LogError) as error:
            answer = TakenError(
                f"the log's file {self._path} was removed or replaced while the server runs, and could not be written "
                f"there again: {error}"
            )
            self._failed = time.monotonic() + RETRY_AFTER, answer
            raise answer from None
        self._failed = None
        log.error(warning)
        return warning

    def _identities(self) -> list[Identity]:
        return [_identity(name) for name in self._names]

    def _keep_lock(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_AFTER:
            return
        self._looked = now
        try:
            if self._lock.keep():
                log.warning(
                    "the file of the lock of the log %s was removed or replaced; it was locked again", self._path
                )
        except (InUseError, NoLocksError, OSError) as error:  # whoever has it now is noticed by `Store`
            log.error("the log %s is not locked any more: %s", self._path, error)

    def _put_back_somehow(self) -> str:
        """Put the file back, if need be without the ballast."""
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
            self._placed = _found(str(self._path))
        finally:
            saved.unlink(missing_ok=True)
        _flush(self._path.parent)
        self._reopen()
        self._open = self._identities()
        return (
            f"{what} while the server was running. What the log held was written to {self._path} again, and nothing is "
            "lost. Stop the server before you move, remove or restore its files"
        )

    def _save(self) -> Path:
        """Write all that the open connection holds to a file beside the path; under this name it is whole."""
        saving, saved = self._path.with_name(f"{self._path.name}.saving-{os.getpid()}"), _saved(self._path)
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
        """Remove what is left of the open file, since all of it was saved, and rename what is another's; tell which."""
        mine = dict(zip(self._parts, self._open, strict=True))
        found = {part: identity for part in PARTS if (identity := _found(f"{self._path}{part}"))}
        others = [part for part, identity in found.items() if mine.get(part) != identity]
        if self._placed is not None and found.get("") == self._placed:  # it could not be opened: its copy comes again
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


def _identity(path: str) -> Identity:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _found(path: str) -> Identity | None:
    try:
        return _identity(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _flush(path: Path) -> None:
    """Have a file, or the names in a directory, on the disk."""
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
