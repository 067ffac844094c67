"""The file of a log: opening it, locking it, and setting it aside if it cannot be read."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_rtmsg.errors import LogError

from .dedup import Dedup
from .disk import NETWORK, Disk, filesystem_type
from .eventlog import StoredSubscription
from .fault import is_full
from .groups import load_groups
from .groupstates import StoredGroup
from .guard import Guard, TakenError, take_over_saved
from .lock import FileLock, InUseError, NoLocksError
from .mark import FileHistory, Mark, lost_events, mark_path, read_mark, rollback_warning
from .openings import Openings
from .options import Options
from .parts import delete_orphans
from .paths import UnsafePlaceError, check_directory, check_file, move_aside
from .repair import finish_repair, repair
from .schema import APPLICATION_ID, VERSION, connect, prepare, read_format
from .state import LogState
from .store import Store
from .subscriptions import load_subscriptions

# Parts of SQLite's messages for a wrong place, not a damaged file. Its error codes have names from Python 3.11 on.
_PLACE = ("unable to open", "readonly", "disk I/O", "locked", "access permission")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

logger = logging.getLogger(__name__)


class CannotServeError(LogError):
    """A log cannot use this file. The message says why, and what to do."""


class HeldError(CannotServeError):
    """Another server has the file."""


class _FullError(CannotServeError):
    """The disk is full."""


class _UnreadableError(Exception):
    """The file must be set aside. The arguments are the word for its new name and the reason."""


@dataclass
class LogFile:
    """An open log file.

    Attributes
    ----------
    path : Path
    store : Store
    state : LogState
    dedup : Dedup
    subscriptions : list of StoredSubscription
    groups : list of StoredGroup
    openings : Openings
        The last one is the present one.
    id : str
        See `EventLog.id`.
    epoch : str
    warning : str or None
        A text for users.
    lock : FileLock
    disk : Disk
    options : Options
    guard : Guard
        Set by `watch`.
    """

    # Made by `open_file`, which calls `begin_opening` and `watch`. Then its parts pass to a `SQLiteLog`, and so to the
    # writer's thread, which calls `_reopen` through the guard. `close` is called last, when that thread has ended.

    path: Path
    store: Store
    state: LogState
    dedup: Dedup
    subscriptions: list[StoredSubscription]
    groups: list[StoredGroup]
    openings: Openings
    id: str
    epoch: str
    warning: str | None
    lock: FileLock
    disk: Disk
    options: Options
    guard: Guard = field(init=False)

    def begin_opening(self, lost: int = 0) -> None:
        """Begin an opening at the head of the log. ``lost``: the number of events that were found to be lost."""
        store, openings = self.store, self.openings
        start = max(self.state.head, store.written.head)
        store.begin_opening(openings, start, int(self.options.clock() * 1000), lost)
        store.use_mark(Mark(self.path, self.epoch, openings.number, openings.id))
        with suppress(sqlite3.OperationalError):  # a full disk; otherwise a lost write-ahead log does not lose this
            store.connection.execute("PRAGMA wal_checkpoint").fetchall()

    def watch(self) -> None:
        """Keep the file at its path from now on."""
        (mode,) = self.store.connection.execute("PRAGMA journal_mode").fetchone()
        wal = mode == "wal"
        self.guard = Guard(self.path, self.lock, self.disk, lambda: self.store.connection, self._reopen, wal=wal)

    def _reopen(self) -> None:
        """Continue in the file that is at the path now, which has the same contents, in a new opening."""
        network = filesystem_type(self.path) in NETWORK
        connection = connect(str(self.path))
        try:
            prepare(connection, "DELETE" if network else "WAL")
            if self.options.durability == "process":
                connection.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            connection.close()
            raise
        self.store.renew(connection)
        self.begin_opening()

    def close(self, intact: bool) -> None:
        """Close the file and release its lock. A file that is not ``intact`` is checked when it is opened again."""
        try:
            try:
                self.guard.confirm(last=True)
                if intact:
                    self._finish()
            except sqlite3.OperationalError as error:
                if not is_full(error):
                    raise
                with self.disk.released():
                    self._finish()
        except TakenError as error:
            logger.error("%s. Events that were stored after that are lost", error)
        except (sqlite3.Error, LogError) as error:
            logger.warning("%s could not be closed cleanly (%s); no acknowledged event is lost", self.path, error)
        finally:
            self.store.close()
            self.lock.release()

    def _finish(self) -> None:
        self.store.connection.execute("PRAGMA synchronous=FULL")
        with self.store.transaction():
            self.store.put([("clean", 1)])
        self.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.guard.confirm()


def open_file(path: Path, options: Options, *, wait: bool = False) -> LogFile:
    """Open a log file; create it if it does not exist. Blocks.

    A damaged file is repaired, see `repair`. If that fails, or the file is of a newer version, it is renamed, and a new
    one is created.

    Parameters
    ----------
    path : Path
    options : Options
    wait : bool
        Block while another server has the file.

    Raises
    ------
    CannotServeError
        If the place cannot be written, another server has the file, or it belongs to another application.
    """
    path = Path(os.path.realpath(path.expanduser()))  # the lock is beside the file itself, not beside a link to it
    lock = _lock(path, wait=wait)
    try:
        take_over_saved(path)
        disk = Disk(path, options.ballast)
        file = _open_or_begin(path, options, lock, disk)
        disk.reserve()
    except BaseException as error:
        lock.release()
        if isinstance(error, OSError):
            raise _not_writable(path, error) from error
        raise
    return file


def _open_or_begin(path: Path, options: Options, lock: FileLock, disk: Disk) -> LogFile:
    finish_repair(path)
    try:
        return _open(path, options, lock, disk)
    except _FullError:
        disk.release()
        return _open(path, options, lock, disk)
    except _UnreadableError as reason:
        return _open_again(path, options, lock, disk, reason)


def _open_again(path: Path, options: Options, lock: FileLock, disk: Disk, reason: _UnreadableError) -> LogFile:
    """Repair a file and open it; set it aside if that fails."""
    word, what = reason.args
    repaired = repair(path) if word == "corrupt" else None
    if repaired is not None:
        warning = f"The log {path} {what}. {repaired}"
        logger.error(warning)
        try:
            return _open(path, options, lock, disk, warning)
        except _UnreadableError as error:
            word, what = error.args
    return _open(path, options, lock, disk, _set_aside(path, word, what))


def _lock(path: Path, *, wait: bool) -> FileLock:
    try:
        _make_directory(path.parent)
        check_directory(path.parent)
        return FileLock(path, wait=wait)
    except UnsafePlaceError as error:
        raise _unsafe(path, error) from error
    except InUseError as error:
        raise HeldError(
            f"The log {path} is in use by another server (process {error.holder}), and the two do not share rooms. "
            "Stop that server, or give this one a log of its own (`c.RtmsgApp.log_url`)"
        ) from error
    except NoLocksError as error:
        raise CannotServeError(
            f"The log {path} cannot be locked: {error}. Choose a path on a local disk (`c.RtmsgApp.log_url`)"
        ) from error
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: Exception) -> CannotServeError:
    return CannotServeError(
        f"The log {path} cannot be written: {error}. Make its directory writable, or choose another "
        "(`c.RtmsgApp.log_url`)"
    )


def _unsafe(path: Path, error: UnsafePlaceError) -> CannotServeError:
    return CannotServeError(f"The log {path} cannot be written: {error}. Or choose another path (`c.RtmsgApp.log_url`)")


def _make_directory(directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)


def _open(path: Path, options: Options, lock: FileLock, disk: Disk, warning: str | None = None) -> LogFile:
    _make_file(path)
    try:
        connection = connect(str(path))
    except sqlite3.Error as error:
        raise _classified(path, error) from error
    try:
        store = Store(connection)
        _check(path, connection)
        network = filesystem_type(path) in NETWORK
        prepare(connection, "DELETE" if network else "WAL")
        mark, before = read_mark(path), FileHistory(store.get("epoch"), store.count_commits())
        epoch, id = _begin(store, options), str(store.get("id"))
        state, dedup = store.load(), Dedup(store, options)
        with store.transaction():
            delete_orphans(connection)
        subscriptions, groups = load_subscriptions(connection), load_groups(connection)
        openings = store.openings()
        state.start_at(openings.start)  # the room that had this head may be forgotten
        lost = lost_events(mark, before, openings, state.head)
        file = LogFile(
            path, store, state, dedup, subscriptions, groups, openings, id, epoch, warning, lock, disk, options
        )
        file.begin_opening(lost or 0)
        file.watch()
    except sqlite3.Error as error:
        connection.close()
        raise _classified(path, error) from error
    except (TypeError, ValueError, OverflowError, LookupError, AttributeError) as error:  # damage not found before
        connection.close()
        raise _UnreadableError("corrupt", f"is damaged ({error!r})") from error
    except BaseException:
        connection.close()
        raise
    rolled_back = rollback_warning(path, lost, before, state.head)
    file.warning = _joined(warning, rolled_back, _network_warning(path) if network else None)
    return file


def _make_file(path: Path) -> None:
    """Create the file if it does not exist. Later only SQLite opens it, since closing it would drop SQLite's locks."""
    try:
        check_file(path)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite's other files get this mode too
        path.chmod(0o600)
    except UnsafePlaceError as error:
        raise _unsafe(path, error) from error


def _check(path: Path, connection: sqlite3.Connection) -> None:
    application, version, tables = read_format(connection)
    if tables and application != APPLICATION_ID:
        raise CannotServeError(f"{path} is a database of another application and was not touched. Choose another path")
    if version > VERSION:
        raise _UnreadableError("newer", f"was written by a newer version (format {version}, this one knows {VERSION})")


def _classified(path: Path, error: sqlite3.Error) -> Exception:
    """Return the error for a wrong place, a full disk or a damaged file."""
    if is_full(error):
        return _FullError(f"The log {path} cannot be written: the disk is full. Make room there")
    if isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in _PLACE):
        return _not_writable(path, error)
    return _UnreadableError("corrupt", f"is damaged ({error})")


def _begin(store: Store, options: Options) -> str:
    """Record in the file that it is open, and return its epoch: a new one if acknowledged events may be lost."""
    boot = _boot_id()
    epoch = store.get("epoch")
    if epoch is not None and not store.get("clean"):
        _check_pages(store.connection)
        if store.get("durability") == "process" and (boot is None or store.get("boot") != boot):
            epoch = None
            logger.warning("the machine went down uncleanly: the log begins a new epoch, since events may be lost")
    epoch = str(epoch or secrets.token_hex(8))
    with store.transaction() as connection:
        id = store.get("id") or uuid.uuid4().hex
        store.put([("id", id), ("epoch", epoch), ("boot", boot), ("durability", options.durability)])
        connection.execute("DELETE FROM meta WHERE k='clean'")
    if options.durability == "process":
        store.connection.execute("PRAGMA synchronous=NORMAL")
    return epoch


def _check_pages(connection: sqlite3.Connection) -> None:
    """Check the pages of a file that was not closed cleanly, so that damage is found now and not by an append."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _boot_id() -> str | None:
    """Return the id of this boot of the operating system; None if it has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return None


def _set_aside(path: Path, word: str, reason: str) -> str:
    """Rename the files of a log; return the text for users."""
    aside = move_aside(path, word)
    mark_path(path).unlink(missing_ok=True)  # it belongs to the file that was renamed
    warning = f"The log {path} {reason}. It was renamed to {aside.name}; a new log was created, so history starts anew."
    logger.error(warning)
    return warning


def _network_warning(path: Path) -> str:
    warning = (
        f"The log {path} is on a network file system ({filesystem_type(path)}): it is slower there, and less safe. "
        "Choose a path on a local disk."
    )
    logger.warning(warning)
    return warning


def _joined(*warnings: str | None) -> str | None:
    return " ".join(filter(None, warnings)) or None
