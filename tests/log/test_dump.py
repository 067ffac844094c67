"""A dump of a log that is in use, and its way back into a new epoch."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.logs import Opener, draft, fill, read_all, seqs, sql

from jupyter_rtmsg.errors import LogError
from jupyter_rtmsg.log import Policy, StoredSubscription
from jupyter_rtmsg.log import dump as module
from jupyter_rtmsg.log.dump import dump, restore
from jupyter_rtmsg.log.verify import verify

_DUMP = "import sys; from jupyter_rtmsg.log.dump import dump; dump(*sys.argv[1:])"
_RESTORE = "import sys; from jupyter_rtmsg.log.dump import restore; print(restore(*sys.argv[1:]))"


async def apart(code: str, *arguments: object) -> str:
    """Run code in a process of its own: this one has the log open."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ran = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    if ran.returncode:
        raise LogError(ran.stderr.strip().splitlines()[-1])
    return ran.stdout.strip()


def names_in(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


async def test_a_log_in_use_is_dumped(open_sqlite: Opener, path: Path, tmp_path: Path) -> None:
    log = await open_sqlite()
    stored = await fill(log, 500)
    await log.append(draft(attachments=(b"part",)))
    writing = asyncio.create_task(fill(log, 3_000, room="busy"))
    target = tmp_path / "copy.sqlite3"
    await apart(_DUMP, f"sqlite:///{path}", target)
    more = await writing
    await log.append(draft())
    report = verify(target)
    assert (report.damaged, report.attachments) == (0, 1)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    held = [seq for (seq,) in sql(target, "SELECT seq FROM event ORDER BY seq")]
    assert held == [*stored, stored[-1] + 1, *more][: len(held)]
    assert names_in(tmp_path) == ["copy.sqlite3", "rtmsg"]


async def test_a_dump_is_restored_into_a_new_epoch(open_sqlite: Opener, path: Path, tmp_path: Path) -> None:
    log = await open_sqlite()
    stored = await fill(log, 20)
    subscription = StoredSubscription("ann", "lab", "reader", "reader")
    subscription.move_to(log.epoch, log.opening, stored[4], None)
    log.subscriptions.add(subscription)
    await log.policies.set("lab", Policy(count=1_000))
    await log.key_values.put("session", b"of a connection", 4e9)
    await log.subscriptions.stored()
    await apart(_DUMP, path, tmp_path / "copy")
    later = await fill(log, 10)
    with pytest.raises(LogError, match=r"a server uses the log .* \(process \d+\): stop it first"):
        await apart(_RESTORE, tmp_path / "copy", path)
    await log.close()
    aside = restore(tmp_path / "copy", path)
    assert aside is not None
    assert "replaced" in aside.name
    assert [seq for (seq,) in sql(aside, "SELECT seq FROM event")] == stored + later

    again = await open_sqlite()
    assert seqs(await read_all(again)) == stored
    assert (again.epoch != log.epoch, again.id != log.id, again.warning) == (True, True, None)
    assert again.locate(stored[3], log.epoch, log.opening) is None
    (kept,) = again.subscriptions.all()
    assert again.locate(kept.position, kept.epoch, kept.opening) == stored[4]
    assert again.policies.get("lab") is not None
    assert await again.key_values.get("session") is None
    assert (await again.append(draft())).seq == stored[-1] + 1
    await again.close()
    assert verify(path).damaged == 0


async def test_a_dump_begins_a_log_elsewhere(open_sqlite: Opener, path: Path, tmp_path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 5)
    await log.close()
    dump(path, tmp_path / "copy")
    await fill(await open_sqlite(), 1)
    assert restore(tmp_path / "copy", tmp_path / "new" / "log.sqlite3") is None
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert len(sql(tmp_path / "new" / "log.sqlite3", "SELECT 1 FROM event")) == 5


async def test_a_copy_that_a_server_saved_does_not_replace_what_was_restored(
    open_sqlite: Opener, path: Path, tmp_path: Path
) -> None:
    log = await open_sqlite()
    await fill(log, 5)
    await log.close()
    dump(path, tmp_path / "copy")
    os.replace(path, f"{path}.saved")
    restore(tmp_path / "copy", path)
    assert path.name + ".saved" not in names_in(path.parent)
    assert len(await read_all(await open_sqlite())) == 5


async def test_what_is_no_dump_changes_nothing(open_sqlite: Opener, path: Path, tmp_path: Path) -> None:
    log = await open_sqlite()
    await fill(log, 2_000)
    await log.close()
    (tmp_path / "text").write_text("no log " * 1_000)
    with closing(sqlite3.connect(tmp_path / "other")) as connection, connection:
        connection.execute("CREATE TABLE t(x)")
    dump(path, tmp_path / "newer")
    sql(tmp_path / "newer", "PRAGMA user_version = 99")
    dump(path, tmp_path / "damaged")
    content = bytearray((tmp_path / "damaged").read_bytes())
    content[40_960:49_152] = os.urandom(8_192)
    (tmp_path / "damaged").write_bytes(content)
    before = names_in(path.parent)
    for name, why in {
        "missing": "there is no file",
        "text": "is not a log, or too damaged",
        "other": "is not a log that can be read",
        "newer": "of format 99",
        "damaged": "could not be copied|the dump is damaged",
    }.items():
        with pytest.raises(LogError, match=why):
            restore(tmp_path / name, path)
    with pytest.raises(LogError, match="is the log itself"):
        restore(path, path)
    assert names_in(path.parent) == before
    assert len(await read_all(await open_sqlite())) == 2_000


@pytest.mark.parametrize("more", [b"", b"committed"])
async def test_events_in_the_write_ahead_log_are_never_left_out(
    open_sqlite: Opener, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    await (await open_sqlite()).close()
    wal = path.with_name(path.name + "-wal")
    await asyncio.to_thread(wal.write_bytes, more)
    original, asked = module.read_format, []

    def once(connection: sqlite3.Connection) -> tuple[int, int, bool]:
        """Fail at first, as on a disk where nothing can be written beside the file."""
        asked.append(1)
        if len(asked) == 1:
            raise sqlite3.OperationalError("unable to open database file")
        return original(connection)

    monkeypatch.setattr(module, "read_format", once)
    if more:
        with pytest.raises(LogError, match=r"the newest events .* are in log.sqlite3-wal"):
            dump(path, tmp_path / "copy")
    else:
        dump(path, tmp_path / "copy")
        assert verify(tmp_path / "copy").damaged == 0


async def test_a_dump_replaces_no_file(open_sqlite: Opener, path: Path, tmp_path: Path) -> None:
    await (await open_sqlite()).close()
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(FileExistsError, match="choose another name"):
        dump(path, tmp_path / "copy")
    with pytest.raises(LogError, match="there is no file"):
        dump(tmp_path / "missing", tmp_path / "other")
    assert (tmp_path / "copy").read_text() == "mine"
    assert not (tmp_path / "other").exists()
