"""Returning free space of the log's file to the disk."""

from __future__ import annotations

from .disk import Disk
from .options import MIB
from .store import Store

_PAGES = 200  # freed in one slice
_FREE_PAGES = 1_024  # kept free in the file for later events


class FileSpace:
    """Shrinks the file of a log in slices. Owned by the writer's thread.

    Parameters
    ----------
    store : Store
    disk : Disk
    """

    def __init__(self, store: Store, disk: Disk) -> None:
        self._store = store
        self._disk = disk
        self._shrunk = False  # whether pages were freed since the last checkpoint

    def shrink(self) -> bool:
        """Free a slice of the file's free pages; return whether there may be more."""
        if self.vacuum(_FREE_PAGES):
            self._shrunk = True
            return True
        if self._shrunk or self._disk.wal_size() > MIB:
            self._shrunk = not self.checkpoint()  # only this shrinks the file itself
        return False

    def vacuum(self, keep: int) -> bool:
        """Free some pages, unless only ``keep``, or a fourth of the file, are free; return whether any were freed."""
        execute = self._store.connection.execute
        free: int
        free, pages = execute("SELECT * FROM pragma_freelist_count, pragma_page_count").fetchone()
        if free <= max(keep, pages // 4 if keep else 0):
            return False
        # `execute` would run only the first step of this pragma, which frees one page.
        self._store.connection.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
        left: int = execute("PRAGMA freelist_count").fetchone()[0]
        return left < free

    def checkpoint(self) -> bool:
        """Copy the write-ahead log into the file, and empty it unless a reader uses it; return whether it is empty."""
        execute = self._store.connection.execute
        execute("PRAGMA busy_timeout=0")  # appends must not wait for a reader
        (busy, _, _) = execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        execute("PRAGMA busy_timeout=5000")
        return not busy
