"""A copy of a whole log in one file, and its way back.

A dump is a complete log file, made by SQLite's ``VACUUM INTO``: while a server uses the log, it has everything up to
one moment. Do not call this in a process that has the log open, since closing a file there drops SQLite's locks on it.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

from jupyter_rtmsg.errors import LogError

from .guard import saved_path
from .lock import FileLock, InUseError
from .mark import mark_path
from .paths import UnsafePlaceError, check_directory, check_file, move_aside
from .schema import APPLICATION_ID, VERSION, prepare, read_format

_BUSY = 5_000  # ms


def path_of(path_or_url: str | Path) -> Path:
    """Return the path of a log, given as a path or as ``sqlite:///`` and its path."""
    return Path(os.path.realpath(Path(unquote(str(path_or_url).removeprefix("sqlite:///"))).expanduser()))


def dump(log: str | Path, target: str | Path) -> Path:
    """Copy a log into a new file of mode 0600, also while a server uses it.

    Parameters
    ----------
    log : str or Path
        The log, or ``sqlite:///`` and its path.
    target : str or Path
        It must not exist. It appears when it is complete.

    Returns
    -------
    Path
        The absolute path of the new file.

    Raises
    ------
    LogError
        If there is no log, it is no log, or it cannot be copied while a server uses it.
    OSError
        If the file exists, or cannot be written.
    """
    source, target = path_of(log), Path(os.path.realpath(Path(target).expanduser()))
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists: choose another name, or remove it")
    with closing(_connect(source)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        if mode != "wal" and _is_in_use(source):
            raise LogError(
                f"a server uses the log {source}, and it is on a network file system, where a copy would stop the "
                "server from writing: stop the server first"
            )
        _copy(connection, target, lambda part: _publish(part, target))
    return target


def restore(file: str | Path, log: str | Path) -> Path | None:
    """Put a dump in the place of a log, as a new epoch: positions that readers of the present log hold do not count.

    Subscriptions and worker groups of the dump continue where they were. The present log is renamed, not deleted.

    Parameters
    ----------
    file : str or Path
        The dump.
    log : str or Path
        The log, which need not exist, or ``sqlite:///`` and its path.

    Returns
    -------
    Path or None
        The new name of the file that was there; None if there was none.

    Raises
    ------
    LogError
        If a server uses the log, or the dump is damaged or no log.
    OSError
        If the file cannot be written.
    """
    source, path = path_of(file), path_of(log)
    if source == path:
        raise LogError(f"{source} is the log itself: give the path of a dump")
    with closing(_connect(source)) as connection:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_directory(path.parent)
        lock = _lock(path)
        try:
            replaced: list[Path | None] = []
            _copy(connection, path, lambda part: replaced.append(_replace(part, path)))
        finally:
            lock.release()
    return replaced[0]


def _lock(path: Path) -> FileLock:
    try:
        return FileLock(path)
    except InUseError as error:
        raise LogError(f"a server uses the log {path} (process {error.holder}): stop it first") from None


def _is_in_use(path: Path) -> bool:
    try:
        FileLock(path).release()
    except InUseError:
        return True
    return False


def _connect(path: Path) -> sqlite3.Connection:
    """Open a log for reading; raise `LogError` if it is none, or damaged."""
    if not path.is_file():
        raise LogError(f"there is no file {path}")
    with suppress(UnsafePlaceError):
        check_file(path)
    uri = f"{path.as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY}")
        try:
            application, version, _ = read_format(connection)
        except sqlite3.OperationalError:  # nobody has it open, and SQLite cannot create its files beside it
            connection.close()
            if _has_more(path):
                raise LogError(
                    f"the newest events of {path} are in {path.name}-wal, and cannot be read where nothing can be "
                    "written: copy both files to another directory first"
                ) from None
            connection = sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
            application, version, _ = read_format(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LogError(f"{path} is not a log, or too damaged to be read as one: {error}") from None
    if application != APPLICATION_ID or version > VERSION:
        connection.close()
        newer = (
            f": it is of format {version}, and this version knows {VERSION}" if application == APPLICATION_ID else ""
        )
        raise LogError(f"{path} is not a log that can be read{newer}")
    return connection


def _has_more(path: Path) -> bool:
    """Return whether a part of a log is in its write-ahead log, which is not read from an immutable file."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def _copy(connection: sqlite3.Connection, target: Path, publish: Callable[[Path], object]) -> None:
    """Copy a database into a file beside the target, and publish it when it is on the disk."""
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            connection.execute("VACUUM INTO ?", (str(part),))
        except sqlite3.DatabaseError as error:
            raise LogError(
                f"the log could not be copied: {error}. `jupyter rtmsg verify` tells what is damaged"
            ) from None
        _flush(part)
        publish(part)
    finally:
        part.unlink(missing_ok=True)


def _publish(part: Path, target: Path) -> None:
    try:
        os.link(part, target)  # unlike a rename, it never replaces a file
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        part.rename(target)
    _flush(target.parent)


def _replace(part: Path, path: Path) -> Path | None:
    """Make a copy a log of its own, and put it in the place of another log; return the new name of that."""
    try:
        _begin_epoch(part)
    except sqlite3.DatabaseError as error:
        raise LogError(f"the dump is damaged: {error}. `jupyter rtmsg verify` tells what") from None
    _flush(part)
    was_there = os.path.lexists(path)
    aside = move_aside(path, "replaced")
    mark_path(path).unlink(missing_ok=True)  # it belongs to the file that was renamed
    saved = saved_path(path)
    if saved.exists():  # the next server would put it in the place of the log
        saved.rename(aside.with_name(f"{aside.name}.saved"))
    part.rename(path)
    _flush(path.parent)
    return aside if was_there else None


def _begin_epoch(path: Path) -> None:
    """Give a copy an id and an epoch of its own. Its subscriptions move to that epoch."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        prepare(connection, "DELETE")
        row = connection.execute("SELECT v FROM meta WHERE k = 'epoch'").fetchone()
        epoch = secrets.token_hex(8)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE subscription SET epoch = ?, opening = '' WHERE epoch = ?", (epoch, row and row[0]))
        entries = [("epoch", epoch), ("id", uuid.uuid4().hex)]
        connection.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", entries)
        connection.execute("DELETE FROM note")  # the sessions and the wills of connections
        connection.execute("COMMIT")


def _flush(path: Path) -> None:
    """Flush a file, or the names in a directory, to the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no directories
        return
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
