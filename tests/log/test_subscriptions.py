from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.logs import Opener

from jupyter_rtmsg.log import StoredSubscription, open_log


def named(name: str, **fields: Any) -> StoredSubscription:
    return StoredSubscription("ada", "lab", name, name, **fields)


def fields_of(row: StoredSubscription) -> tuple[Any, ...]:
    return (
        row.user,
        row.room,
        row.key,
        row.label,
        row.path,
        row.epoch,
        row.position,
        row.ended,
        row.inherited,
        row.opening,
        row.generation,
    )


@pytest.mark.parametrize(
    "row",
    [
        named("notes"),
        StoredSubscription(
            "ада", "lab", "notebook\0" + "f" * 32, "d/数据 🎉.ipynb", "/home/ада/d/数据 🎉.ipynb", "e", 7, 9
        ),
        named("a" * 256, ended=5),
        named("notes", epoch="e", position=3, opening="1.0.abc"),
        named("sought", generation=7),
        named("old.ipynb", inherited=True, path="/half \ud83c of a character"),
    ],
)
async def test_everything_of_a_subscription_is_there_after_opening_again(
    open_sqlite: Opener, row: StoredSubscription
) -> None:
    log = await open_sqlite()
    log.subscriptions.add(row)
    await log.close()
    (again,) = (await open_sqlite()).subscriptions.all()
    assert fields_of(again) == fields_of(row)


async def test_changes_and_removals_are_there_after_reopening(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    rows = [named(name) for name in "abc"]
    for row in rows:
        log.subscriptions.add(row)
    await log.subscriptions.stored()
    rows[0].position = 4
    log.subscriptions.save(rows[0])
    log.subscriptions.remove(rows[1])
    log.subscriptions.save(rows[1])  # too late: it must not come back
    await log.close()
    again = (await open_sqlite()).subscriptions
    assert [(row.key, row.position) for row in again.all()] == [("a", 4), ("c", 0)]


async def test_one_that_another_log_has_forgotten_changes_nothing_here(open_sqlite: Opener) -> None:
    """Its owner can still use it, also after the log was moved from memory into a file."""
    memory, log = await open_log("memory:"), await open_sqlite()
    forgotten = named("forgotten")
    memory.subscriptions.add(forgotten)
    memory.subscriptions.remove(forgotten)
    log.subscriptions.add(named("mine"))
    forgotten.position = 7
    log.subscriptions.save(forgotten)
    log.subscriptions.remove(forgotten)
    await log.close()
    await memory.close()
    (mine,) = (await open_sqlite()).subscriptions.all()
    assert (mine.key, mine.position) == ("mine", 0)


OLD = """
DROP TABLE subscription;
CREATE TABLE cursor(
    user TEXT NOT NULL, room TEXT NOT NULL, name TEXT NOT NULL, epoch TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY(user, room, name)) WITHOUT ROWID;
INSERT INTO cursor VALUES('token:kernel', 'lab', 'a/train.ipynb', 'e1', 7);
INSERT INTO cursor VALUES('ann', 'lab', 'notes', 'e1', 3);
INSERT INTO cursor VALUES('ann', 'lab', 'kernel:of my own', 'e1', 4);
INSERT INTO cursor VALUES('token:kernel', 'lab', 'kernel:1b4e28ba-2fa1-41d2-983f-0016d3cca427', 'e1', 5);
PRAGMA user_version = 1;
"""


async def test_a_file_of_version_1_keeps_its_cursors(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    epoch = log.epoch
    await log.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD)
    for _ in range(2):  # the second time it is one of version 2
        log = await open_sqlite()
        rows = sorted((row.user, row.key, row.label, row.position, row.inherited) for row in log.subscriptions.all())
        assert (log.warning, log.epoch) == (None, epoch)
        assert rows == [
            ("ann", "kernel:of my own", "kernel:of my own", 4, True),
            ("ann", "notes", "notes", 3, True),
            ("token:kernel", "a/train.ipynb", "a/train.ipynb", 7, True),
        ]
        assert all(0 < row.used <= log.subscriptions.now() for row in log.subscriptions.all())
        await log.close()
    with closing(sqlite3.connect(path)) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'cursor'").fetchall()
