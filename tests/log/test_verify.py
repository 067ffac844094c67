"""A log's file is checked, also while a server uses it, and is not changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.logs import Opener, draft, fill, sql
from support.oldlogs import write_old_log

from jupyter_rtmsg.log import EventLog, StoredSubscription
from jupyter_rtmsg.log.__main__ import main
from jupyter_rtmsg.log.schema import VERSION
from jupyter_rtmsg.log.verify import verify


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "jupyter_rtmsg.log", *arguments], capture_output=True, text=True, check=False
    )


def contents(path: Path) -> dict[str, bytes]:
    """Return the files beside a log and what is in them, but for SQLite's shared memory."""
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if not each.name.endswith("-shm")}


async def a_log(open_sqlite: Opener, **options: Any) -> EventLog:
    log = await open_sqlite(**options)
    await fill(log, 20, attachments=(b"one", b""), client="c", id="x")
    await fill(log, 20)
    await fill(log, 5, "other")
    log.subscriptions.add(StoredSubscription("ada", "lab", "notes", "notes", epoch=log.epoch, position=4))
    await log.subscriptions.stored()
    return log


async def test_a_file_in_use_is_read_from_another_process_and_nothing_changes(open_sqlite: Opener, path: Path) -> None:
    log = await a_log(open_sqlite)
    before = contents(path)
    done = command("verify", f"sqlite:///{path}", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["rooms"], report["events"], report["trimmed"], report["damaged"]) == (2, 26, 0, 0)
    assert (report["format"], report["epoch"], report["findings"]) == (VERSION, log.epoch, [])
    assert contents(path) == before
    assert (await log.append(draft())).seq == 27


async def test_a_file_that_was_closed_is_read_without_writing_beside_it(open_sqlite: Opener, path: Path) -> None:
    log = await a_log(open_sqlite)
    await log.close()
    before = contents(path)
    assert main(["verify", str(path)]) == 0
    assert {name: data for name, data in contents(path).items() if not name.endswith("-wal")} == before


async def test_trimmed_events_are_counted_and_are_no_damage(open_sqlite: Opener, path: Path) -> None:
    log = await a_log(open_sqlite, max_events=10)
    await log.close()
    report = verify(path)
    assert (report.damaged, report.findings) == (0, [])
    assert (report.events, report.trimmed) == (15, 11)


@pytest.mark.parametrize(
    ("damage", "kind", "where"),
    [
        ("UPDATE event SET data = x'30' WHERE seq = 5", "event", "room 'lab', event 5"),
        ("UPDATE event SET size = 77 WHERE seq = 5", "event", "room 'lab', event 5"),
        ("UPDATE event SET room = 99 WHERE seq = 5", "reference", "event 5"),
        ("UPDATE room SET name = 'lap' WHERE name = 'lab'", "room", "room 'lap'"),
        ("UPDATE room SET used = used + 1 WHERE name = 'other'", "room", "room 'other'"),
        ("DELETE FROM attachment WHERE num = 0", "event", "room 'lab', event 1"),
        ("INSERT INTO attachment VALUES(5, 9, x'00')", "attachment", "attachment 9 of event 5"),
        ("UPDATE subscription SET position = 1000", "reference", "subscription 1 ('notes' of 'ada' in 'lab')"),
        ("UPDATE subscription SET used = 'x'", "row", "table subscription"),
        ("UPDATE subscription SET generation = -1", "row", "table subscription"),
        ("UPDATE known SET keys = x'ff'", "row", "known 1"),
        ("UPDATE opening SET start = 1000", "opening", "opening 1"),
        ("UPDATE meta SET v = 'x' WHERE k = 'commits'", "meta", "commits"),
    ],
)
async def test_damage_is_named_where_it_is(
    open_sqlite: Opener, path: Path, capsys: pytest.CaptureFixture[str], damage: str, kind: str, where: str
) -> None:
    log = await a_log(open_sqlite)
    await log.close()
    sql(path, damage)
    report = verify(path)
    assert (kind, where) in {(finding.kind, finding.where) for finding in report.findings}
    assert main(["verify", str(path)]) == 1
    text = capsys.readouterr().out
    assert f"{kind}: {where}: " in text
    assert text.endswith(f"{report.damaged} damaged\n")


async def test_an_event_that_was_put_in_or_out_of_order_is_found(open_sqlite: Opener, path: Path) -> None:
    log = await a_log(open_sqlite)
    await log.close()
    sql(path, "UPDATE event SET n = 3 WHERE seq = 10")
    assert {finding.where for finding in verify(path).findings} == {"room 'lab', event 10"}


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 500])
def test_a_file_that_is_not_a_log_is_refused_with_the_reason(
    path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    assert main(["verify", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_a_file_of_an_older_format_is_left_to_a_server(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_old_log(path, 2)
    assert main(["verify", str(path)]) == 2
    assert f"not a log of format {VERSION}" in capsys.readouterr().err
