"""A file of an older format is converted completely, or left unchanged."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.logs import Opener, fill, read_all
from support.oldlogs import write_format_3, write_old_log

from jupyter_rtmsg.log import Draft
from jupyter_rtmsg.log.schema import VERSION, connect, prepare
from jupyter_rtmsg.log.verify import verify

WRITES = (
    sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_PRAGMA,
)  # fmt: skip
TABLES = ("event", "room", "attachment", "meta", "cursor", "subscription")


def dump(path: Path) -> dict[str, Any]:
    """Return all that a file holds, and its format."""
    with closing(sqlite3.connect(path)) as connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        kept = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES if name in there}
        return {**kept, "version": connection.execute("PRAGMA user_version").fetchone()}


@pytest.mark.parametrize("version", [1, 2])
async def test_a_converted_file_keeps_all_events_and_numbers_those_of_each_room(
    open_sqlite: Opener, path: Path, version: int
) -> None:
    write_old_log(path, version)
    for _ in range(2):  # the second time it has the new format
        log = await open_sqlite()
        assert (log.warning, log.epoch, log.head) == (None, "e1", 8)
        lab, other = await read_all(log), await read_all(log, "other")
        assert [(each.seq, each.prev, each.n) for each in lab] == [(2, 1, 1), (3, 2, 2), (5, 3, 3), (7, 5, 4)]
        assert [(each.seq, each.n) for each in other] == [(4, 1), (6, 2)]
        assert [each.data for each in lab] == [b'{"i":%d}' % seq for seq in (2, 3, 5, 7)]
        assert (lab[2].attachments, lab[3].id) == ((b"first", b""), "x")
        assert ("notes", 3) in {(row.key, row.position) for row in log.subscriptions.all()}
        await log.close()
    assert dump(path)["version"] == (VERSION,)
    assert dict(dump(path)["meta"])["crc_since"] == 8


@pytest.mark.parametrize("version", [1, 2])
async def test_numbers_go_on_where_the_old_file_ended(open_sqlite: Opener, path: Path, version: int) -> None:
    write_old_log(path, version)
    log = await open_sqlite()
    for room in ("lab", "gone", "new"):
        await fill(log, 2, room)
    numbers = {room: [each.n for each in await read_all(log, room)] for room in ("lab", "gone", "new")}
    assert numbers == {"lab": [1, 2, 3, 4, 5, 6], "gone": [1, 2], "new": [1, 2]}


async def test_a_file_of_format_3_keeps_all_it_has(open_sqlite: Opener, path: Path) -> None:
    write_format_3(path)
    for _ in range(2):  # the second time it has the new format
        log = await open_sqlite()
        assert (log.warning, log.epoch, log.head) == (None, "c3114f38263035af", 7)
        lab = await read_all(log)
        assert [(each.seq, each.n, each.user, each.id) for each in lab] == [
            (1, 1, "ann", "a0"), (2, 2, "ann", "a1"), (3, 3, "ann", "a2"), (4, 4, "ann", "a3"), (5, 5, "bob", "mine"),
        ]  # fmt: skip
        assert {(each.key, each.expires) for each in lab} == {(None, 0)}
        assert lab[4].attachments == (b"part",)
        assert (sorted(await log.rooms()), await log.retained("lab")) == (["lab", "other"], [])
        (row,) = log.subscriptions.all()
        assert (row.key, row.position, row.n) == ("notes", 3, 3)
        again = await log.append(Draft("lab", "file", lab[4].data, (b"part",), user="bob", id="mine"))
        assert (again.seq, again.duplicate) == (5, True)
        await log.close()
    assert dump(path)["version"] == (VERSION,)
    assert verify(path).findings == []


def test_a_migration_of_format_3_that_fails_at_any_of_its_statements_leaves_the_file_whole(path: Path) -> None:
    write_format_3(path)
    before = dump(path)
    steps = 0
    while _migrate_until(path, steps):
        assert dump(path) == before
        steps += 1
    assert steps > 2
    assert dump(path)["version"] == (VERSION,)


@pytest.mark.parametrize("version", [1, 2])
def test_a_migration_that_fails_at_any_of_its_statements_leaves_the_old_file_whole(path: Path, version: int) -> None:
    write_old_log(path, version)
    before = dump(path)
    steps = 0
    while _migrate_until(path, steps):
        assert dump(path) == before
        steps += 1
    assert steps > 20
    assert dump(path)["version"] == (VERSION,)


def _migrate_until(path: Path, at: int) -> bool:
    """Fail at one of the writes within the transaction; whether it has so many."""
    connection = connect(str(path))
    seen = -1

    def authorize(action: int, *_: Any) -> int:
        nonlocal seen
        seen += connection.in_transaction and action in WRITES
        return sqlite3.SQLITE_DENY if seen == at else sqlite3.SQLITE_OK

    with closing(connection):
        connection.set_authorizer(authorize)
        try:
            prepare(connection)
        except sqlite3.DatabaseError:
            return True
        return False


_KILLED = """
import os, signal, sys
from jupyter_rtmsg.log.schema import connect, prepare

connection = connect(sys.argv[1])
begun = 0

def step():
    global begun
    begun += connection.in_transaction
    if begun == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

connection.set_progress_handler(step, 100)
connection.execute("PRAGMA cache_size=10")  # pages of the unfinished transaction reach the write-ahead log
prepare(connection)
"""


def _kill_in_migration(path: Path, at: int) -> int:
    return subprocess.run([sys.executable, "-c", _KILLED, str(path), str(at)], check=False).returncode


@pytest.mark.parametrize("at", [1, 100, 400, 1_000])
async def test_a_process_killed_in_a_migration_leaves_the_old_file_whole(
    open_sqlite: Opener, path: Path, at: int
) -> None:
    write_old_log(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "WITH RECURSIVE more(seq) AS (VALUES(9) UNION ALL SELECT seq + 1 FROM more WHERE seq < 2000) "
            "INSERT INTO event SELECT more.seq, 1, more.seq - 1, ts, name, data, 0, sender, user, NULL, size, 0 "
            "FROM more JOIN event ON event.seq = 2"
        )
        connection.commit()
    before = dump(path)
    assert _kill_in_migration(path, at) == -signal.SIGKILL
    assert dump(path) == before
    log = await open_sqlite()
    assert (log.warning, log.head) == (None, 2000)
    assert [each.n for each in await read_all(log)] == list(range(1, 1997))
