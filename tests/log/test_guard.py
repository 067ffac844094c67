"""A log's file that is removed, moved or replaced while it is open is put back at its path."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.logs import Opener, draft, fill, read_all

from jupyter_rtmsg.errors import LogDiskError
from jupyter_rtmsg.log import file as log_file
from jupyter_rtmsg.log import guard
from jupyter_rtmsg.log.file import CannotServeError, LogFile, open_file
from jupyter_rtmsg.log.guard import LOOK_AFTER, RETRY_AFTER, Guard, TakenError
from jupyter_rtmsg.log.lock import FileLock, InUseError
from jupyter_rtmsg.log.options import Options


@pytest.fixture
def file(path: Path) -> Iterator[LogFile]:
    file = open_file(path, Options(ballast=0))
    put(file, "before")
    yield file
    file.close(True)


def put(file: LogFile, key: str) -> None:
    """Commit something."""
    with file.store.transaction():
        file.store.put([(key, 1)])


def keys_at(path: Path) -> set[str]:
    """What a process that opens the path finds there."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {key for (key,) in connection.execute("SELECT k FROM meta")}


def beside(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


def remove(path: Path) -> None:
    path.unlink()


def remove_all(path: Path) -> None:
    for part in ("", "-wal", "-shm"):
        beside(path, part).unlink()


def remove_directory(path: Path) -> None:
    shutil.rmtree(path.parent)


def move(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))


def move_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def move_and_link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


def remove_wal(path: Path) -> None:
    beside(path, "-wal").unlink()


def another(path: Path) -> None:
    made = path.with_suffix(".another")
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("CREATE TABLE other(x)")
    made.replace(path)


def empty(path: Path) -> None:
    path.unlink()
    path.touch()


TAKEN = [remove, remove_all, remove_directory, move, move_directory, move_and_link, remove_wal, another, empty]


@pytest.mark.parametrize("take", TAKEN)
def test_committed_events_are_at_the_path_again(file: LogFile, path: Path, take: Callable[[Path], None]) -> None:
    assert file.guard.confirm() is None
    opening = file.openings.name
    take(path)
    put(file, "after")
    assert not file.guard.is_there()
    warning = file.guard.confirm()
    assert warning
    assert "nothing is lost" in warning
    assert {"before", "after"} <= keys_at(path)
    assert file.openings.name != opening
    put(file, "later")
    assert file.guard.confirm() is None
    assert {"before", "after", "later"} <= keys_at(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(path.parent.glob("*.sav*"))


@pytest.mark.parametrize("take", TAKEN)
def test_a_file_that_was_taken_is_put_back_by_a_close_too(path: Path, take: Callable[[Path], None]) -> None:
    file = open_file(path, Options(ballast=0))
    put(file, "mine")
    take(path)
    file.close(True)
    again = open_file(path, Options(ballast=0))
    assert again.warning is None
    assert again.epoch == file.epoch
    assert again.store.get("mine") == 1
    again.close(True)


def test_another_file_at_the_path_is_renamed_and_its_name_told(file: LogFile, path: Path) -> None:
    another(path)
    warning = file.guard.confirm()
    (aside,) = path.parent.glob("*.other-*")
    assert str(aside) in str(warning)
    with closing(sqlite3.connect(aside)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("other",)]


def test_remains_of_the_old_file_are_never_read_with_the_new_one(file: LogFile, path: Path) -> None:
    another(path)
    file.guard.confirm()
    put(file, "after")
    file.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert file.store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "after" in keys_at(path)


def test_a_place_that_cannot_be_written_is_an_error_and_tried_again(
    file: LogFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block(path)
    put(file, "after")
    for _ in range(2):
        with pytest.raises(TakenError, match="could not be written there again"):
            file.guard.confirm()
    assert file.guard.failed
    unblock(path)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + RETRY_AFTER)
    assert file.guard.confirm()
    assert not file.guard.failed
    assert "after" in keys_at(path)


@pytest.mark.parametrize("replace", [False, True])
def test_a_lock_whose_file_is_gone_is_taken_again(
    file: LogFile, path: Path, replace: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = beside(path, ".lock")
    lock.unlink()
    if replace:
        lock.touch()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + LOOK_AFTER)
    assert file.guard.confirm() is None
    with pytest.raises(InUseError, match=str(os.getpid())):
        FileLock(path)


def save(file: LogFile) -> None:
    file.store.connection.execute("VACUUM INTO ?", (f"{file.path}.saved",))


def test_a_file_saved_by_a_killed_process_is_the_log(path: Path) -> None:
    file = open_file(path, Options(ballast=0))
    put(file, "mine")
    save(file)
    beside(path, ".saving-1").write_bytes(b"half of it")
    path.unlink()  # what is left of its write-ahead log is not for the file that was saved
    file.lock.release()
    again = open_file(path, Options(ballast=0))
    assert again.store.get("mine") == 1
    assert again.epoch == file.epoch
    again.close(True)
    assert not list(path.parent.glob("*.sav*"))
    file.store.connection.close()


@pytest.mark.parametrize("take", [remove_wal, another, empty])
def test_a_file_saved_by_a_dead_process_is_the_log_even_if_another_is_at_the_path(
    path: Path, take: Callable[[Path], None]
) -> None:
    file = open_file(path, Options(ballast=0))
    put(file, "mine")
    save(file)
    take(path)
    file.lock.release()  # killed before it put the saved file to the path
    again = open_file(path, Options(ballast=0))
    assert again.warning is None
    assert again.store.get("mine") == 1
    again.close(True)
    (aside,) = (each for each in path.parent.glob("*.other-*") if not each.name.endswith(("-wal", "-shm")))
    assert aside.name.startswith(path.name + ".other-")
    assert not list(path.parent.glob("*.sav*"))
    file.store.connection.close()


def test_a_file_that_was_put_back_but_cannot_be_opened_leaves_no_copies(
    file: LogFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove(path)
    put(file, "after")
    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "begin_opening", Mock(side_effect=sqlite3.OperationalError("disk I/O error")))
        for _ in range(3):
            with pytest.raises(TakenError):
                file.guard.confirm(last=True)
    assert file.guard.confirm(last=True)
    assert {"before", "after"} <= keys_at(path)
    assert not list(path.parent.glob("*.other-*"))


def test_an_opening_that_fails_hides_no_lost_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = open_file(path, Options(ballast=0))
    file.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    copy = path.read_bytes()  # of this opening
    put(file, "lost")
    file.close(True)
    path.write_bytes(copy)
    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "begin_opening", Mock(side_effect=sqlite3.OperationalError("disk I/O error")))
        for _ in range(10):
            with suppress(CannotServeError):
                open_file(path, Options(ballast=0))
    again = open_file(path, Options(ballast=0))
    assert "lost its end" in str(again.warning)
    again.close(True)


def test_on_a_full_disk_the_file_is_put_back_in_the_place_of_the_ballast(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = open_file(path, Options(ballast=1 << 16))
    put(file, "mine")
    ballast, save = beside(path, ".ballast"), Guard._save

    def save_if_there_is_room(guard: Guard) -> Path:
        if ballast.exists():
            raise sqlite3.OperationalError("database or disk is full")
        return save(guard)

    monkeypatch.setattr(Guard, "_save", save_if_there_is_room)
    remove(path)
    assert "nothing is lost" in str(file.guard.confirm())
    assert "mine" in keys_at(path)
    assert ballast.exists()
    file.close(True)


def test_a_close_puts_the_file_back_although_that_failed_just_before(path: Path) -> None:
    file = open_file(path, Options(ballast=0))
    put(file, "mine")
    block(path)
    with pytest.raises(TakenError):
        file.guard.confirm()
    unblock(path)
    file.close(True)
    assert "mine" in keys_at(path)


# In a log that is followed and read


@pytest.mark.parametrize("take", TAKEN)
@pytest.mark.parametrize("durability", ["full", "process"])
async def test_appends_and_reads_go_on_over_the_loss_of_the_file(
    open_sqlite: Opener, path: Path, take: Callable[[Path], None], durability: str
) -> None:
    log = await open_sqlite(durability=durability)
    await fill(log, 3)
    epoch, opening, head = log.epoch, log.opening, log.head
    await read_all(log)
    take(path)
    assert await fill(log, 3) == [4, 5, 6]
    assert [record.seq for record in await read_all(log)] == [1, 2, 3, 4, 5, 6]
    assert log.warning
    assert log.locate(head, epoch, opening) == head
    assert log.opening != opening
    await log.close()
    again = await open_sqlite()
    assert [record.seq for record in await read_all(again)] == [1, 2, 3, 4, 5, 6]
    assert again.warning is None
    assert again.locate(6, epoch, log.opening) == 6


async def test_a_read_finds_out_too(open_sqlite: Opener, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LOOK_AFTER", 0.0)
    log = await open_sqlite()
    await fill(log, 3)
    remove(path)
    assert len(await read_all(log)) == 3
    assert "epoch" in keys_at(path)


async def test_an_append_fails_if_the_file_cannot_be_put_back(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 1)
    block(path)
    for _ in range(2):
        with pytest.raises(LogDiskError, match="could not be written there again"):
            await log.append(draft())
    unblock(path)


@pytest.mark.parametrize("take", [remove, remove_directory, move, another])
async def test_on_a_network_file_system_the_append_after_is_stored_or_refused(
    open_sqlite: Opener, path: Path, take: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "filesystem_type", lambda path: "nfs")
    log = await open_sqlite()
    await fill(log, 3)
    take(path)
    with suppress(LogDiskError):
        await log.append(draft(3))
    (last,) = await fill(log, 1)
    await log.close()
    again = await open_sqlite()
    assert [record.seq for record in await read_all(again)][-1] == last


def block(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_bytes(b"in the way")


def unblock(path: Path) -> None:
    path.parent.unlink()
