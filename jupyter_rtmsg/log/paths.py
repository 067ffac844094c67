"""The files beside a log: opening them safely, and moving them aside.

In a directory that others can write, somebody may have placed a link that leads anywhere. So files beside a log are
opened only if they are regular files of ours with one name.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Collection
from pathlib import Path

PARTS = ("", "-wal", "-shm", "-journal")
"""Suffixes of the files of one SQLite database."""

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


class UnsafePlaceError(OSError):
    """A file or directory to which nothing is written, since others could misuse it. The message says what to do."""


def move_aside(path: Path, word: str, parts: Collection[str] = PARTS) -> Path:
    """Rename the files of a database, as far as they exist, and return the new name of the main one.

    The new name is the old one with ``word``, the time and random digits.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.{word}-{stamp}-{secrets.token_hex(2)}")
    for suffix in parts:
        part = path.with_name(path.name + suffix)
        if os.path.lexists(part):
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def open_private(path: Path, flags: int) -> int:
    """Open a file of our own, and return its descriptor. A new file gets mode 0600.

    Raises
    ------
    UnsafePlaceError
        If it is a link, not a regular file, owned by another user, or has another name as well.
    OSError
        If it cannot be opened.
    """
    try:
        descriptor = os.open(
            path, flags | _NO_LINKS | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0), 0o600
        )
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UnsafePlaceError(f"{path} is a symbolic link: remove it") from error
    try:
        _check(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_file(path: Path) -> None:
    """Check a file without opening it. A missing file is fine.

    Raises
    ------
    UnsafePlaceError
        As `open_private`.
    """
    try:
        _check(path, path.lstat())
    except FileNotFoundError:
        return


def check_directory(directory: Path) -> None:
    """Check that only its owner and their group may write in a directory, or that others may change only their files.

    Raises
    ------
    UnsafePlaceError
        If it is owned by another user, or everybody may remove the files of others there.
    OSError
        If it does not exist.
    """
    found = directory.stat()
    if not _is_ours(found):
        raise UnsafePlaceError(f"the directory {directory} belongs to another user (number {found.st_uid})")
    if os.name == "posix" and found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise UnsafePlaceError(
            f"everybody may write in the directory {directory} (mode {stat.S_IMODE(found.st_mode):04o}), "
            f"and so replace the log: `chmod o-w {directory}`"
        )


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafePlaceError(f"{path} is no regular file: remove it")
    if not _is_ours(found):
        raise UnsafePlaceError(f"{path} belongs to another user (number {found.st_uid}): remove it")
    if found.st_nlink > 1:
        raise UnsafePlaceError(
            f"{path} has {found.st_nlink} names (hard links), and opening it by another one damages it. "
            "Keep one of them (`find DIRECTORY -samefile FILE` finds the others); to have a copy use `cp`"
        )


def _is_ours(found: os.stat_result) -> bool:
    """Tell whether a file belongs to us or to root. Root may use the files of everybody."""
    me = os.geteuid() if hasattr(os, "geteuid") else found.st_uid
    return me == 0 or found.st_uid in (0, me)
