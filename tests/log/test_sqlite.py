"""The log in a file: it outlives processes, and reports what it could not keep."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.logs import Clock, Opener, draft, fill, follow, read_all, seqs, sql, until

from jupyter_rtmsg.errors import LogError
from jupyter_rtmsg.log import Appended, Draft, EventLog, RoomStats, StoredSubscription, open_log
from jupyter_rtmsg.log.schema import VERSION


def beside(path: Path, word: str) -> list[Path]:
    """Return the files that were set aside (not their -wal and -shm)."""
    return [each for each in path.parent.glob(f"{path.name}.{word}-*") if not each.name.endswith(("-wal", "-shm"))]


def write(path: Path, data: bytes) -> None:
    """Make a file, and its directory."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def read(path: Path) -> bytes:
    """Return what is in a file."""
    return path.read_bytes()


def zero_header(path: Path) -> bytes:
    """Destroy a file's first bytes; return what it was."""
    whole = path.read_bytes()
    path.write_bytes(bytes(100) + whole[100:])
    return whole


def spoil_page(path: Path, table: str) -> None:
    """Overwrite the start of a table's first page."""
    (root,) = sql(path, "SELECT rootpage FROM sqlite_master WHERE name = ?", table)[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 64)


def spoil_bytes(path: Path, found: bytes) -> None:
    """Overwrite 16 bytes of a payload somewhere in the middle of the file."""
    whole = bytearray(path.read_bytes())
    at = whole.find(found, len(whole) // 2)
    whole[at + 10 : at + 26] = b"\x00" * 16
    path.write_bytes(whole)


# Opening again


async def test_everything_is_there_after_opening_again(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    await fill(log, 5, client=None, id="x")
    await log.append(draft(9, "other", attachments=(b"binary",)))
    await log.append(draft(client="c", id="once"))
    log.subscriptions.add(StoredSubscription("ada", "lab", "notes", "notes", epoch=log.epoch, position=4))
    before = [await read_all(log, room) for room in ("lab", "other")]
    await log.close()

    again = await open_sqlite()
    assert (again.epoch, again.head, again.warning) == (log.epoch, 7, None)
    assert [await read_all(again, room) for room in ("lab", "other")] == before
    assert await again.rooms() == {"lab": RoomStats(1, 7, 6, 6, n=6), "other": RoomStats(6, 6, 1, 7, n=1)}
    assert [(row.epoch, row.position) for row in again.subscriptions.all()] == [(log.epoch, 4)]
    assert await again.append(draft(client="c", id="once")) == Appended(7, True)
    assert await again.append(draft()) == Appended(8, False)
    assert seqs(await follow(again, 0, 8)) == list(range(1, 9))


async def test_a_seq_is_never_used_again_even_when_everything_was_trimmed(open_sqlite: Opener) -> None:
    clock = Clock()
    log = await open_sqlite(clock=clock, max_age=10)
    await fill(log, 5)
    await log.close()
    clock.now += 100
    again = await open_sqlite(clock=clock, max_age=10)
    await until(lambda: _is_empty(again))
    assert again.head == 5
    assert await again.stats("lab") == RoomStats(6, 5, 0, 0, n=5)
    await again.close()
    third = await open_sqlite(clock=clock, max_age=10)
    assert await third.stats("lab") == RoomStats(6, 5, 0, 0, n=5)
    assert (await third.append(draft())).seq == 6
    assert (await read_all(third))[0].prev == 5


async def test_time_does_not_go_back_over_a_restart_for_a_small_correction(open_sqlite: Opener) -> None:
    log = await open_sqlite(clock=Clock(5000.0))
    await fill(log, 1)
    await log.close()
    again = await open_sqlite(clock=Clock(4940.0))
    await fill(again, 1)
    assert [record.ts for record in await read_all(again)] == [5_000_000, 5_000_000]


async def test_only_its_owner_may_see_the_files(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite(ballast=65536)
    await fill(log, 3)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    names = {path.name + suffix for suffix in ("", "-wal", "-shm", ".lock", ".ballast", ".mark")}
    assert modes == dict.fromkeys(names, 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_url_with_three_slashes_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = await open_log("sqlite:///here/log.sqlite3")
    await log.close()
    assert (tmp_path / "here/log.sqlite3").exists()


# The lock


async def test_a_second_server_serves_from_memory_and_says_so(open_sqlite: Opener, path: Path) -> None:
    first = await open_sqlite()
    second = await open_sqlite()
    assert (first.durable, first.warning) == (True, None)
    assert (second.durable, second.url) == (False, "memory:")
    assert f"{path} is in use by another server (process {os.getpid()})" in (second.warning or "")
    assert "kept in memory only" in (second.warning or "")
    assert "kept in memory only" in ((await open_sqlite()).warning or "")
    await first.close()


# The epoch


async def test_a_crash_of_the_process_keeps_the_epoch(open_sqlite: Opener, path: Path) -> None:
    for durability in ("full", "process"):
        log = await open_sqlite(durability=durability)
        await log.close()
        sql(path, "DELETE FROM meta WHERE k = 'clean'")
        again = await open_sqlite(durability=durability)
        assert again.epoch == log.epoch
        await again.close()


@pytest.mark.parametrize(("durability", "kept"), [("full", True), ("process", False)])
async def test_a_crash_of_the_machine_keeps_the_epoch_only_with_full_durability(
    open_sqlite: Opener, path: Path, durability: str, kept: bool
) -> None:
    log = await open_sqlite(durability=durability)
    await fill(log, 3)
    log.subscriptions.add(StoredSubscription("ada", "lab", "notes", "notes", epoch=log.epoch, position=3))
    await log.close()
    sql(path, "DELETE FROM meta WHERE k = 'clean'")
    sql(path, "UPDATE meta SET v = 'an earlier boot' WHERE k = 'boot'")
    again = await open_sqlite(durability=durability)
    assert (again.epoch == log.epoch) is kept
    assert again.head == 3
    (row,) = again.subscriptions.all()
    assert (row.epoch, row.position) == (log.epoch, 3)  # it keeps the epoch in which it was moved


async def test_a_restart_of_the_machine_after_a_clean_close_keeps_the_epoch(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite(durability="process")
    await log.close()
    sql(path, "UPDATE meta SET v = 'an earlier boot' WHERE k = 'boot'")
    assert (await open_sqlite(durability="process")).epoch == log.epoch


# Files that cannot be used


async def test_a_destroyed_header_sets_the_file_aside(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    await log.close()
    whole = zero_header(path)
    again = await open_sqlite()
    (aside,) = beside(path, "corrupt")
    assert again.durable
    assert (again.head, again.epoch != log.epoch) == (0, True)
    assert f"{path} is damaged" in (again.warning or "")
    assert aside.name in (again.warning or "")
    assert read(aside)[100:] == whole[100:]
    assert (await again.append(draft())).seq == 1


async def test_a_file_that_is_no_database_is_set_aside_not_overwritten(open_sqlite: Opener, path: Path) -> None:
    write(path, b"something else entirely\n" * 500)
    assert (await open_sqlite()).durable
    (aside,) = beside(path, "corrupt")
    assert read(aside) == b"something else entirely\n" * 500


@pytest.mark.parametrize("table", ["known", "settled"])
async def test_damaged_publish_ids_cost_nothing_else(open_sqlite: Opener, path: Path, table: str) -> None:
    log = await open_sqlite()
    await asyncio.gather(*(log.append(draft(client="c", id=str(i))) for i in range(500)))
    await log.close()
    spoil_page(path, table)
    again = await open_sqlite()
    assert (again.durable, again.epoch, again.head) == (True, log.epoch, 500)
    assert len(beside(path, "corrupt")) == 1
    assert (
        f"is damaged (database disk image is malformed). Everything that could be read was copied: parts of {table}"
        in (again.warning or "")
    )
    assert len(await read_all(again)) == 500


async def test_after_a_crash_damaged_pages_are_found_when_opening(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 2000)
    await log.close()
    sql(path, "DELETE FROM meta WHERE k = 'clean'")
    spoil_page(path, "event")  # its root: nothing of the table can be read
    again = await open_sqlite()
    assert len(beside(path, "corrupt")) == 1
    assert "2000 events could not be read any more and stand as $corrupt in their rooms (lab)" in (again.warning or "")
    assert (again.head, again.epoch) == (2000, log.epoch)
    assert [(each.name, each.n) for each in await read_all(again)] == [("$corrupt", n) for n in range(1, 2001)]


async def test_a_newer_version_is_set_aside(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 3)
    await log.close()
    sql(path, "PRAGMA user_version = 99")
    again = await open_sqlite()
    (aside,) = beside(path, "newer")
    assert f"newer version (format 99, this one knows {VERSION})" in (again.warning or "")
    assert again.epoch != log.epoch
    assert sql(aside, "SELECT count(*) FROM event") == [(3,)]


async def test_the_database_of_another_application_is_left_alone(open_sqlite: Opener, path: Path) -> None:
    write(path, b"")
    sql(path, "CREATE TABLE theirs(x)")
    before = read(path)
    log = await open_sqlite()
    assert not log.durable
    assert "another application" in (log.warning or "")
    assert read(path) == before


@pytest.mark.parametrize("where", ["file/log.sqlite3", "file/deeper/log.sqlite3", "directory"])
async def test_a_place_that_cannot_be_written_serves_from_memory(tmp_path: Path, where: str) -> None:
    write(tmp_path / "file", b"in the way")
    write(tmp_path / "directory" / "something", b"")
    log = await open_log(f"sqlite:///{tmp_path / where}")
    assert (log.durable, log.url) == (False, "memory:")
    assert str(tmp_path / where) in (log.warning or "")
    assert "cannot be written" in (log.warning or "")
    await fill(log, 1)
    await log.close()


# Damage


@pytest.mark.parametrize("damage", ["x'2278ff2278'", "CAST(x'ff7469' AS TEXT)", "'other'"])
@pytest.mark.parametrize("column", ["data", "sender", "name", "user", "id"])
async def test_a_damaged_event_reads_as_corrupt_and_is_logged_once(
    open_sqlite: Opener, path: Path, caplog: pytest.LogCaptureFixture, column: str, damage: str
) -> None:
    log = await open_sqlite()
    for i in range(3):
        await log.append(
            Draft("lab", "tick", b'"payload%d"' % i, sender=b'{"user":"ada"}', user="ada", id="id", auto=True)
        )
    await log.close()
    sql(path, f"UPDATE event SET {column} = {damage} WHERE seq = 2")
    again = await open_sqlite()
    for _ in range(2):
        first, second, third = await read_all(again)
        assert (first.data, third.data) == (b'"payload0"', b'"payload2"')
        assert (second.seq, second.prev, second.name, second.data) == (2, 1, "$corrupt", b"null")
        assert second.sender.startswith(b"{")
    assert seqs(await follow(again, 0, 3)) == [1, 2, 3]
    assert len([each for each in caplog.records if "event 2" in each.message]) <= 2  # once on each reader's thread
    assert "event 2 of room 'lab' is damaged" in caplog.text


async def test_a_damaged_or_missing_attachment_is_found(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    for i in range(3):
        await log.append(draft(i, attachments=(b"first", b"second")))
    await log.close()
    sql(path, "UPDATE attachment SET data = x'00' WHERE seq = 1 AND num = 1")
    sql(path, "DELETE FROM attachment WHERE seq = 2 AND num = 0")
    again = await open_sqlite()
    assert [record.name for record in await read_all(again)] == ["$corrupt", "$corrupt", "tick"]


async def test_flipped_bytes_in_the_file_never_give_a_wrong_payload(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    data = b'"' + b"payload" * 40 + b'"'
    await asyncio.gather(*(log.append(Draft("lab", "tick", data)) for _ in range(200)))
    await log.close()
    spoil_bytes(path, b"payload" * 40)
    again = await open_sqlite()
    read = await read_all(again)
    assert {record.data for record in read if record.name != "$corrupt"} == {data}
    assert [record.name for record in read].count("$corrupt") == 1


async def test_a_page_damaged_under_a_running_log_is_an_error_that_says_what_to_do(
    open_sqlite: Opener, path: Path
) -> None:
    log = await open_sqlite()
    await fill(log, 2000)
    await log.close()
    again = await open_sqlite()
    spoil_page(path, "event")
    with pytest.raises(LogError, match="Restart the server"):
        await again.read("lab")
    await again.close()
    third = await open_sqlite()
    assert len(beside(path, "corrupt")) == 1
    assert "stand as $corrupt" in (third.warning or "")
    assert third.head == 2000


# Crashes

_PUBLISHER = """
import asyncio, sys
from jupyter_rtmsg.log import Draft, open_log

async def main(url, start):
    log = await open_log(url, ballast=0, max_events=10**9)
    async def publish(lane):
        for i in range(start, 10**9):
            data = b'"%d-%d"' % (lane, i)
            done = await log.append(Draft("r%d" % (lane % 3), "tick", data, client=str(lane), id=str(i), auto=True))
            sys.stdout.write("%d %d %d\\n" % (done.seq, lane, i))
            sys.stdout.flush()
    await asyncio.gather(*(publish(lane) for lane in range(8)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def kill_while_publishing(path: Path, start: int, acknowledged: int) -> list[tuple[int, int, int]]:
    """Append in another process, kill it, and return what it had heard: (seq, publisher, number)."""
    command = [sys.executable, "-c", _PUBLISHER, f"sqlite:///{path}", str(start)]
    acks = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acks.append(line)
            if len(acks) == acknowledged:
                process.send_signal(signal.SIGKILL)
    if acks and not acks[-1].endswith("\n"):
        acks.pop()
    return [(int(seq), int(lane), int(i)) for seq, lane, i in map(str.split, acks)]


async def test_events_acknowledged_before_a_kill_are_stored_once_and_in_order(open_sqlite: Opener, path: Path) -> None:
    acks: list[tuple[int, int, int]] = []
    for start in (0, 10_000, 20_000):
        acks += kill_while_publishing(path, start, acknowledged=300)
    log = await open_sqlite()
    assert log.warning is None
    stored = [record for room in ("r0", "r1", "r2") for record in await read_all(log, room)]
    by_seq = {record.seq: record for record in stored}
    assert len(by_seq) == len(stored)
    for seq, lane, i in acks:
        assert by_seq[seq].data == b'"%d-%d"' % (lane, i)
    assert len({record.data for record in stored}) == len(stored)
    assert sorted(by_seq) == list(range(1, log.head + 1))
    for lane in range(8):
        numbers = [i for _, of, i in sorted(acks) if of == lane]
        assert numbers == sorted(numbers)


async def test_ids_are_remembered_over_a_kill(open_sqlite: Opener, path: Path) -> None:
    acks = kill_while_publishing(path, 0, acknowledged=50)
    log = await open_sqlite()
    for seq, lane, i in acks:
        again = await log.append(draft(room=f"r{lane % 3}", client=str(lane), id=str(i)))
        assert again == Appended(seq, True)


async def _is_empty(log: EventLog) -> bool:
    return not await log.rooms()


async def test_key_values_outlive_the_process(open_sqlite: Opener) -> None:
    clock = Clock()
    log = await open_sqlite(clock=clock)
    log.key_values.put("session", b"state", clock() + 60)
    await log.close()
    assert await (await open_sqlite(clock=clock)).key_values.get("session") == b"state"
