"""A full disk: appends are refused, everything else works, and the log recovers without a restart."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.logs import Clock, Opener, draft, fill, follow, read_all, until

from jupyter_rtmsg.errors import LogFull
from jupyter_rtmsg.log import Appended, Draft, EventLog, StoredSubscription, open_log
from jupyter_rtmsg.log.disk import NETWORK, Disk, filesystem_type

SIZE = 12 << 20
BALLAST = 4 << 20
MNT_DETACH = 2
MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /home nfs4 rw,vers=4.2 0 0
/dev/vdb /home/local xfs rw 0 0
//nas/share /mnt/with\\040space cifs rw 0 0
tmpfs /mnt/over tmpfs rw 0 0
me@host: /mnt/over fuse.sshfs rw 0 0
"""


class SmallDisk:
    """A file system of a few MiB where it may be mounted; else a directory, whose logs may only have so many pages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.mounted = _mount(path)

    async def open(self, **options: object) -> EventLog:
        log = await open_log(f"sqlite:///{self.path}/log/log.sqlite3", ballast=BALLAST, **options)
        if not self.mounted:
            limit_pages(log, (SIZE - BALLAST) // 2 // 4096)
        return log

    def close(self) -> None:
        if self.mounted:
            _libc().umount2(bytes(self.path), MNT_DETACH)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount(path: Path) -> bool:
    libc = _libc()
    return sys.platform == "linux" and libc.mount(b"tmpfs", bytes(path), b"tmpfs", 0, b"size=%d" % SIZE) == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.close()


def limit_pages(log: EventLog, count: int) -> None:
    """Let the database grow to so many pages only (never below what it has)."""
    log._writer._store.connection.execute(f"PRAGMA max_page_count = {max(count, 1)}")  # type: ignore[attr-defined]


async def append_until_refused(log: EventLog, *users: str) -> None:
    for _ in range(100_000):
        for user in users or ("",):
            draft = Draft(user or "lab", "tick", b"1" * 3000, user=user)
            await asyncio.gather(*(log.append(draft) for _ in range(10)))


async def test_a_full_disk_refuses_appends_and_nothing_else(disk: SmallDisk) -> None:
    log = await disk.open()
    await fill(log, 10)
    task = asyncio.create_task(follow(log, 10, 100))
    with pytest.raises(LogFull, match="disk is full"):
        await append_until_refused(log)
    await task
    assert len(await read_all(log)) == (await log.stats("lab")).count == log.head
    log.announce(draft(name="volatile"))
    assert (await log.lag("lab", 5)).missed == log.head - 5
    await log.close()


async def test_a_full_disk_can_still_be_trimmed_and_then_takes_appends_again(disk: SmallDisk) -> None:
    clock = Clock()
    log = await disk.open(clock=clock, max_age=100)
    with pytest.raises(LogFull):
        await append_until_refused(log)
    head = log.head
    clock.now += 101

    async def recovered() -> bool:
        try:
            return (await log.append(draft())).seq > head
        except LogFull:
            return False

    async def trimmed() -> bool:
        return (await log.stats("lab")).first > head

    await until(recovered)
    await until(trimmed)
    await until(lambda: disk.path.joinpath("log/log.sqlite3.ballast").stat().st_size == BALLAST)
    await fill(log, 100)
    await log.close()


async def test_a_log_on_a_full_disk_is_whole_when_it_is_opened_again(disk: SmallDisk) -> None:
    log = await disk.open()
    with pytest.raises(LogFull):
        await append_until_refused(log)
    before = await read_all(log)
    await log.close()
    again = await disk.open()
    assert (again.epoch, again.durable, again.head) == (log.epoch, True, log.head)
    assert await read_all(again) == before
    await again.close()


async def test_a_refused_append_leaves_no_trace(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    await fill(log, 1)
    limit_pages(log, 0)
    with pytest.raises(LogFull):
        await append_until_refused(log)
    stats, head = await log.stats("lab"), log.head
    with pytest.raises(LogFull):
        await log.append(Draft("lab", "tick", b"1" * 100_000, client="c", id="x", auto=True))
    assert (await log.stats("lab"), log.head) == (stats, head)
    limit_pages(log, 1 << 30)
    assert await log.append(draft(client="c", id="x")) == Appended(head + 1, False)
    assert (await read_all(log, after=head))[0].prev == head


async def test_a_subscription_that_could_not_be_stored_is_stored_later(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    await fill(log, 1)
    limit_pages(log, 0)
    with pytest.raises(LogFull):
        await append_until_refused(log)
    rows = [StoredSubscription("ada", "lab", f"{i}" * 200, "label", epoch=log.epoch, position=1) for i in range(200)]
    for row in rows:
        log.subscriptions.add(row)
    with pytest.raises(Exception, match="full"):
        await log.subscriptions.stored()
    log.subscriptions.remove(rows.pop())  # while the writing of it has yet to be tried again
    limit_pages(log, 1 << 30)
    await log.close()
    again = await open_sqlite()
    assert [(row.key, row.position) for row in again.subscriptions.all()] == [(row.key, 1) for row in rows]


def test_the_ballast_takes_real_space_and_gives_it_back(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "log", 1 << 20)
    disk.reserve()
    ballast = tmp_path / "log.ballast"
    assert os.stat(ballast).st_blocks * 512 >= 1 << 20
    assert not disk.short
    disk.release()
    assert (disk.short, ballast.exists()) == (True, False)


def test_a_ballast_that_does_not_fit_leaves_nothing_behind(disk: SmallDisk) -> None:
    blocked = disk.path / "blocked" / "log"  # no such directory, which says nothing of the room there
    for place in [blocked] + [disk.path / "log"] * disk.mounted:
        large = Disk(place, SIZE * 2)
        large.reserve()
        assert large.short == (place is not blocked)
        assert list(disk.path.iterdir()) == []


async def test_a_user_who_filled_the_disk_does_not_stop_the_writes_of_others(disk: SmallDisk) -> None:
    if not disk.mounted:
        pytest.skip("needs a file system of its own")
    log = await disk.open()
    mine = await fill(log, 100, room="mine", user="ann")
    with pytest.raises(LogFull):
        await append_until_refused(log, "eve")
    before = (await log.stats("eve")).count

    async def stored() -> bool:
        try:
            await asyncio.gather(*(log.append(Draft("mine", "tick", b"1" * 3000, user="ann")) for _ in range(10)))
        except LogFull:
            return False
        return True

    while (await log.stats("eve")).count == before:
        await until(stored)
    for _ in range(5):
        await until(stored)
    assert [record.seq for record in await read_all(log, "mine")][:100] == mine
    assert (await log.stats("eve")).count > before // 4
    await log.close()


async def test_a_full_disk_costs_a_user_only_its_events_beyond_an_even_share(disk: SmallDisk) -> None:
    if not disk.mounted:
        pytest.skip("needs a file system of its own")
    log = await disk.open()
    with pytest.raises(LogFull):
        await append_until_refused(log, "a", "b")
    (disk.path / "other").write_bytes(b"1" * max(0, free(disk.path) - 65_536))  # somebody else fills the rest
    before = [(await log.stats(room)).count for room in "ab"]
    for _ in range(20):
        with pytest.raises(LogFull):
            await asyncio.gather(*(log.append(Draft("a", "tick", b"1" * 100_000, user="a")) for _ in range(10)))
    after = [(await log.stats(room)).count for room in "ab"]
    assert min(after) >= min(before) - 400
    await log.close()


def free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/log", "ext4"), ("/home", "nfs4"), ("/home/ada/.local/log", "nfs4"), ("/homework", "ext4"),
        ("/home/local/x", "xfs"), ("/mnt/with space/x", "cifs"), ("/mnt/over/x", "fuse.sshfs"),
    ],
)  # fmt: skip
def test_the_innermost_and_last_mount_decides(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert filesystem_type(Path(path), mounts) == kind


def test_where_mounts_are_not_listed_nothing_is_known(tmp_path: Path) -> None:
    assert filesystem_type(tmp_path, tmp_path / "nothing") is None
    assert None not in NETWORK


def test_this_machine_can_tell(tmp_path: Path) -> None:
    assert filesystem_type(Path("/proc")) in ("proc", None)
