"""Files beside a log that nobody else may lay there: in a directory that others can write, a link may lead anywhere."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


class UnsafePlaceError(OSError):
    """What a file or directory is, or whose, so that nothing is written there; the message says what to do."""


def open_private(path: Path, flags: int) -> int:
    """Open a file of one's own, and return its descriptor; one that is made has mode 0600.

    Raises
    ------
    UnsafePlaceError
        If it is a link, no regular file, another user's, or has another name as well.
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
    """Look at a file without opening it; one that is not there is fine.

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
    """Look who may write in a directory: nobody but its owner and their group, or only their own files.

    Raises
    ------
    UnsafePlaceError
        If it is another user's, or everybody may remove the files of others there.
    OSError
        If it is not there.
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
            f"{path} has {found.st_nlink} names (hard links), and who opens it by another one damages it. "
            "Keep one of them (`find DIRECTORY -samefile FILE` finds the others); to have a copy use `cp`"
        )


def _is_ours(found: os.stat_result) -> bool:
    """Whether it belongs to us, or to the system's administrator; who is that may use everything."""
    me = os.geteuid() if hasattr(os, "geteuid") else found.st_uid
    return me == 0 or found.st_uid in (0, me)
