"""The stores of worker groups, over every log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.logs import Opener, fill, read_all, sql

from jupyter_rtmsg.log import DeadLetter, EventLog, GroupSettings, HandlerError, Ranges, StoredFailure, StoredGroup
from jupyter_rtmsg.log.verify import verify

ERROR = HandlerError("ValueError", "no", "Traceback ...")


def group(name: str = "resize", **fields: Any) -> StoredGroup:
    """Make a group of room ``lab``."""
    return StoredGroup("lab", name, GroupSettings("image.*", "user", 3, 2.5), "ann", made=1, floor=0, **fields)


async def filled(log: EventLog, number: int = 3) -> StoredGroup:
    """Store events, and a group with a failure and dead letters for them."""
    await fill(log, number)
    records = await read_all(log)
    row = group()
    log.groups.add(row)
    row.settle(Ranges(1, [(2, 3)]), 7)
    row.reach(3, 3, 1)
    row.count(2, 1, ERROR.line)
    log.groups.keep(row, StoredFailure(records[1], 2, 1, 2, 5, 1, 2, ERROR, "no", "w", suspect=True))
    for record in records:
        letter = DeadLetter(0, record, "tries", "no", ERROR, "w", 3, 1, 2)
        log.groups.bury(row, letter.numbered(row.bury(letter.size)))
    log.groups.save(row)
    await log.groups.stored()
    return row


def contents(row: StoredGroup) -> dict[str, Any]:
    return {field: getattr(row, field) for field in row.__struct_fields__}


async def test_groups_failures_and_dead_letters_are_read_as_they_were_stored(log: EventLog) -> None:
    row = await filled(log)
    assert list(log.groups.all()) == [row]
    [failure] = await log.groups.failures(row)
    assert (failure.record, failure.tries, failure.error, failure.suspect) == (
        (await read_all(log))[1], 1, ERROR, True,
    )  # fmt: skip
    page, more = await log.groups.letters(row, limit=2, max_bytes=1 << 20)
    assert ([letter.number for letter in page], more) == ([1, 2], True)
    page, more = await log.groups.letters(row, after=2, limit=2, max_bytes=1 << 20)
    assert ([letter.number for letter in page], more) == ([3], False)
    assert len((await log.groups.letters(row, limit=9, max_bytes=1))[0]) == 1
    assert [number for number, _ in await log.groups.letter_sizes(row)] == [1, 2, 3]
    log.groups.drop(row, failure.record.seq or 0)
    log.groups.unbury(row, [1, 3])
    assert await log.groups.failures(row) == []
    assert [number for number, _ in await log.groups.letter_sizes(row)] == [2]


async def test_groups_outlive_the_log(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    row = await filled(log)
    before = contents(row)
    await log.close()
    log = await open_sqlite()
    [again] = log.groups.all()
    assert contents(again) == before
    assert len(await log.groups.failures(again)) == 1
    log.groups.remove(again)
    await log.groups.stored()
    second = group("second")
    log.groups.add(second)
    await log.close()
    log = await open_sqlite()
    assert [each.name for each in log.groups.all()] == ["second"]
    [second] = log.groups.all()
    assert await log.groups.failures(second) == []


async def test_a_change_is_stored_with_the_log_even_if_nobody_waits_for_it(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    log.groups.add(group())
    await log.close()
    assert len((await open_sqlite()).groups.all()) == 1


async def test_changes_of_one_pass_are_one_change_of_the_file(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    rows = [group(str(number)) for number in range(50)]
    for row in rows:
        log.groups.add(row)
    await log.groups.stored()
    [[before]] = sql(path, "SELECT v FROM meta WHERE k = 'commits'")
    for number in range(20):
        for row in rows:
            row.count(number, 0, None)
            log.groups.save(row)
    await log.groups.stored()
    assert sql(path, "SELECT v FROM meta WHERE k = 'commits'") == [(before + 1,)]


async def test_a_removed_group_does_not_come_back(log: EventLog) -> None:
    row = await filled(log)
    log.groups.remove(row)
    log.groups.save(row)
    log.groups.drop(row, 1)
    await log.groups.stored()
    assert list(log.groups.all()) == []


@pytest.mark.parametrize("table", ["worker_group", "worker_failure", "dead_letter"])
async def test_a_damaged_row_costs_that_row_only_and_is_found(open_sqlite: Opener, path: Path, table: str) -> None:
    log = await open_sqlite()
    await filled(log)
    log.groups.add(group("other"))
    await log.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE {table} SET value = x'00' WHERE rowid = (SELECT min(rowid) FROM {table})")
    report = verify(path)
    assert [finding.where.split(",")[0] for finding in report.findings] == [table]
    log = await open_sqlite()
    names = {each.name for each in log.groups.all()}
    assert names == ({"other"} if table == "worker_group" else {"resize", "other"})
    if table != "worker_group":
        [row] = [each for each in log.groups.all() if each.name == "resize"]
        letters, _ = await log.groups.letters(row, limit=9, max_bytes=1 << 20)
        assert len(await log.groups.failures(row)) == (table != "worker_failure")
        assert len(letters) == (2 if table == "dead_letter" else 3)
