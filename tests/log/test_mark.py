"""A file that lost its end, or is an older copy, is noticed when it is opened."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.logs import Opener, draft, fill

from jupyter_rtmsg.errors import LogError
from jupyter_rtmsg.log import EventLog, open_log
from jupyter_rtmsg.log.mark import FileHistory, MarkState, lost_events, read_mark
from jupyter_rtmsg.log.openings import Opening, Openings


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def read(path: Path) -> bytes:
    return path.read_bytes()


async def closed(log: EventLog) -> tuple[str, str, int]:
    """Close a log; return what a reader at its head holds."""
    place = log.epoch, log.opening, log.head
    await log.close()
    return place


async def test_each_opening_has_a_name_of_its_own_and_positions_hold_over_a_restart(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    epoch, opening, head = await closed(log)
    again = await open_sqlite()
    assert again.opening != opening
    await fill(again, 2)
    assert again.locate(head, epoch, opening) == head
    assert again.locate(head + 1, epoch, opening) is None  # another event has that position now
    assert again.cut(opening) == head
    assert again.locate(head + 2, epoch, again.opening) == head + 2


async def test_a_position_behind_the_end_of_an_older_copy_holds_no_more_even_when_it_is_given_again(
    open_sqlite: Opener, path: Path
) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    await closed(log)
    shutil.copy(path, path.with_suffix(".copy"))
    log = await open_sqlite()
    await fill(log, 4)
    epoch, opening, head = await closed(log)
    shutil.copy(path.with_suffix(".copy"), path)
    again = await open_sqlite()
    await fill(again, 9)
    assert again.epoch == epoch
    assert again.locate(head, epoch, opening) is None
    assert again.cut(opening) == 3
    assert again.locate(3, epoch, opening) == 3


async def test_a_position_reached_in_memory_is_a_place_in_the_file_that_the_log_was_moved_to(
    open_any: Opener,
) -> None:
    log = await open_any()
    (*_, last) = await fill(log, 3)
    opening = log.opening
    assert log.cut(opening) == last
    await log.append(draft())
    assert log.cut(opening) == last + 1


async def test_one_lost_commit_is_warned_of(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    await closed(log)
    shutil.copy(path, path.with_suffix(".copy"))
    log = await open_sqlite()
    await closed(log)
    shutil.copy(path.with_suffix(".copy"), path)
    log = await open_sqlite()
    assert log.warning
    assert "no event" in log.warning
    await closed(log)
    assert (await open_sqlite()).warning is None


async def test_a_commit_with_events_is_told_by_its_position_and_others_are_counted(
    open_sqlite: Opener, path: Path
) -> None:
    log = await open_sqlite()
    before = read_mark(path)
    await fill(log, 3)
    after = read_mark(path)
    assert before
    assert after
    assert (after.commits, after.head) == (before.commits, before.head + 3)
    await log.delete("lab")
    deleted = read_mark(path)
    assert deleted
    assert (deleted.commits, deleted.head) == (after.commits + 1, after.head)


@pytest.mark.parametrize(
    ("commits", "head", "lost"), [(7, 40, None), (6, 39, None), (8, 40, 0), (7, 43, 3), (6, 41, 1)]
)
def test_a_mark_is_ahead_by_its_count_or_by_its_position(commits: int, head: int, lost: int | None) -> None:
    openings = Openings([Opening(1, "abc", 0, 0, 0)])
    mark = MarkState("epoch", 1, "abc", commits, head)
    assert lost_events(mark, FileHistory("epoch", 7), openings, 40) == lost


async def test_a_log_whose_file_was_removed_says_how_much_is_gone(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    epoch, opening, head = await closed(log)
    os.unlink(path)
    log = await open_sqlite()
    assert log.warning
    assert "3 events" in log.warning
    assert "history starts anew" in log.warning
    assert log.locate(head, epoch, opening) is None


async def test_two_processes_never_write_to_one_file(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    os.unlink(f"{path}.lock")
    other = await open_sqlite()
    assert other.durable
    with pytest.raises(LogError, match="another server"):
        await log.append(draft())
    assert await fill(other, 2) == [4, 5]


@pytest.mark.parametrize("part", [".lock", ".mark", ".ballast"])
async def test_a_symbolic_link_beside_the_log_leads_nowhere(path: Path, part: str) -> None:
    os.mkdir(path.parent)
    victim = path.parent.parent / "victim"
    write(victim, b"precious")
    os.symlink(victim, f"{path}{part}")
    log = await open_log(f"sqlite:///{path}", ballast=65536)
    await fill(log, 3)
    await log.close()
    assert read(victim) == b"precious"


async def test_a_log_behind_a_symbolic_link_is_where_it_leads_to(path: Path, open_sqlite: Opener) -> None:
    real = path.parent.parent / "real" / "log.sqlite3"
    os.mkdir(path.parent)
    os.mkdir(real.parent)
    os.symlink(real, path)
    log = await open_sqlite()
    await fill(log, 3)
    assert log.durable
    names = [real.name + part for part in ("", ".lock", ".mark", "-shm", "-wal")]
    assert sorted(os.listdir(real.parent)) == sorted(names)
    assert os.readlink(path) == str(real)


async def test_a_file_with_two_names_is_refused(path: Path, open_sqlite: Opener) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    await log.close()
    os.link(path, path.with_suffix(".other"))
    log = await open_sqlite()
    assert not log.durable
    assert log.warning
    assert "2 names" in log.warning
    assert "-samefile" in log.warning


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
async def test_a_directory_in_which_everybody_may_write_is_refused(path: Path, open_sqlite: Opener) -> None:
    os.mkdir(path.parent)
    os.chmod(path.parent, 0o777)
    log = await open_sqlite()
    assert not log.durable
    assert log.warning
    assert "chmod o-w" in log.warning
    await log.close()
    os.chmod(path.parent, 0o1777)
    log = await open_sqlite()
    assert log.durable
