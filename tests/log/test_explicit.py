"""An id that a publisher chose identifies one event of its principal in a room, for all clients and processes."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.logs import Clock, Opener, draft, fill, read_all, until

from jupyter_rtmsg.errors import LogConflict, LogIdConflict
from jupyter_rtmsg.log import Appended, Draft, explicit


def chosen(id: str, data: bytes = b"1", user: str = "ada", **rest: Any) -> Draft:
    return Draft("lab", rest.pop("name", "tick"), data, user=user, id=id, **rest)


async def test_an_event_with_a_chosen_id_is_stored_once_from_any_client(open_any: Opener) -> None:
    log = await open_any()
    outcomes = [await log.append(chosen("x", client=client)) for client in ("one", "two", None)]
    assert [(each.seq, each.duplicate) for each in outcomes] == [(1, False), (1, True), (1, True)]


async def test_of_several_in_one_commit_the_first_is_stored(open_any: Opener) -> None:
    log = await open_any()
    outcomes = await asyncio.gather(*(log.append(chosen("x", client=f"{n}")) for n in range(5)))
    assert [(each.seq, each.duplicate) for each in outcomes] == [(1, False)] + [(1, True)] * 4


async def test_other_rooms_and_principals_have_ids_of_their_own(open_any: Opener) -> None:
    log = await open_any()
    drafts = [chosen("x"), chosen("x", user="bob"), Draft("other", "tick", b"1", user="ada", id="x")]
    assert [(await log.append(each)).duplicate for each in drafts] == [False] * 3


async def test_ids_that_clients_made_up_are_told_apart_by_client(open_any: Opener) -> None:
    log = await open_any()
    drafts = [chosen("x", client="one", auto=True), chosen("x", client="two", auto=True), chosen("x")]
    assert [(await log.append(each)).seq for each in drafts] == [1, 2, 3]


@pytest.mark.parametrize(
    "other",
    [chosen("x", b"2"), chosen("x", name="tock"), chosen("x", attachments=(b"part",)), chosen("x", b"a longer one")],
)
@pytest.mark.parametrize("together", [True, False])
async def test_another_event_with_its_id_is_a_conflict_that_names_the_seq(
    open_any: Opener, other: Draft, together: bool
) -> None:
    log = await open_any()
    await fill(log, 3)
    first = log.append(chosen("x"))
    if not together:
        await first
    with pytest.raises(LogIdConflict, match=r"'x' belongs to event 4 of room 'lab'"):
        await log.append(other)
    assert (await first).seq == log.head == 4


async def test_attachments_are_compared(open_any: Opener) -> None:
    log = await open_any()
    await log.append(chosen("x", attachments=(b"one", b"two")))
    assert (await log.append(chosen("x", attachments=(b"one", b"two")))).duplicate
    with pytest.raises(LogIdConflict):
        await log.append(chosen("x", attachments=(b"one", b"owt")))


async def test_a_chosen_id_is_checked_before_expect(open_any: Opener) -> None:
    log = await open_any()
    assert await log.append(chosen("x", expect=0)) == Appended(1, False)
    assert await log.append(chosen("x", expect=0)) == Appended(1, True)
    with pytest.raises(LogIdConflict):
        await log.append(chosen("x", b"2", expect=7))
    with pytest.raises(LogConflict):
        await log.append(chosen("y", expect=7))
    assert not (await log.append(chosen("y"))).duplicate  # what was refused has no id


async def test_it_is_remembered_over_restarts_for_a_day(open_sqlite: Opener) -> None:
    clock = Clock()
    options: dict[str, Any] = {"clock": clock, "monotonic": clock}
    log = await open_sqlite(**options)
    await log.append(chosen("x"))
    await log.close()
    clock.now += 3_500
    log = await open_sqlite(**options)
    clock.now += 86_400 - 3_510
    assert (await log.append(chosen("x"))).duplicate
    clock.now += 20
    assert await log.append(chosen("x", b"another by now")) == Appended(2, False)
    assert (await log.append(chosen("x", b"another by now"))).duplicate


async def test_neither_made_up_ids_nor_other_principals_push_it_out(open_sqlite: Opener) -> None:
    log = await open_sqlite(explicit_count=100, dedup_count=100)
    await asyncio.gather(*(log.append(chosen(f"{n}")) for n in range(100)))
    for part in range(10):
        more = [chosen(f"{part}-{n}", user="bob", client="c", auto=n % 2 == 0) for n in range(100)]
        await asyncio.gather(*map(log.append, more))
    again = await asyncio.gather(*(log.append(chosen(f"{n}")) for n in range(100)))
    assert all(each.duplicate for each in again)


async def test_of_a_principal_the_newest_are_remembered(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite(explicit_count=100)
    for part in range(10):
        await asyncio.gather(*(log.append(chosen(f"{part}-{n}")) for n in range(50)))
    explicit = log._writer._dedup.explicit  # type: ignore[attr-defined]
    await until(lambda: not explicit._over)
    again = await asyncio.gather(*(log.append(chosen(f"{part}-{n}")) for part in (8, 9) for n in range(50)))
    assert all(each.duplicate for each in again)
    assert not (await log.append(chosen("0-0"))).duplicate


async def test_old_ones_leave_the_file(open_sqlite: Opener) -> None:
    clock = Clock()
    log = await open_sqlite(clock=clock, monotonic=clock, max_age=10 * 86_400)
    await asyncio.gather(*(log.append(chosen(uuid.uuid4().hex)) for _ in range(2500)))
    clock.now += 86_401
    await log.append(draft())
    explicit = log._writer._dedup.explicit  # type: ignore[attr-defined]
    await until(lambda: explicit._oldest is None)
    assert len(await read_all(log)) == 2501


async def test_new_ones_are_not_looked_up_until_one_was_known(open_sqlite: Opener) -> None:
    """Nearly all are new: a look-up before each commit took a tenth of its time."""
    log = await open_sqlite()
    await log.append(chosen("first"))
    statements: list[str] = []
    log._writer._store.connection.set_trace_callback(statements.append)  # type: ignore[attr-defined]

    def look_ups() -> int:
        return sum(statement.startswith("SELECT key, seq, ts FROM explicit") for statement in statements)

    for number in range(5):
        await log.append(chosen(f"new {number}"))
    assert look_ups() == 0
    seqs = [each.seq for each in await asyncio.gather(*(log.append(chosen(id)) for id in ("x", "first", "y")))]
    assert (seqs, look_ups()) == ([7, 1, 8], 2)  # of two and one
    await log.append(chosen("after"))
    assert look_ups() == 3  # who comes back sends more than one again
    for number in range(explicit._REPEATS):
        await log.append(chosen(f"newer {number}"))
    before = look_ups()
    await log.append(chosen("last"))
    assert look_ups() == before
    assert [record.id for record in await read_all(log, "lab")].count("first") == 1


async def test_an_event_sent_again_to_a_newer_server_is_stored_once(open_sqlite: Opener, path: Path) -> None:
    """Version 0.1 told all ids apart by client, and its clients don't say who chose an id."""
    log = await open_sqlite()
    await log.append(chosen("x", client="c", auto=True))  # as such a version has stored it
    await log.close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("INSERT OR REPLACE INTO meta VALUES('crc_since', 1)")  # as in a file of such a version
    log = await open_sqlite()
    assert await log.append(chosen("x", client="c")) == Appended(1, True)


@pytest.mark.parametrize("damage", ["data = x'00'", "name = 'other'", "crc = -1, size = 0, data = x'', name = ''"])
async def test_the_id_of_a_damaged_event_is_still_a_duplicate(open_sqlite: Opener, path: Path, damage: str) -> None:
    log = await open_sqlite()
    await log.append(chosen("x"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE event SET {damage}")
    assert await log.append(chosen("x")) == Appended(1, True)


async def test_too_many_are_forgotten_while_more_come(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite(explicit_count=3_000)
    for part in range(12):
        await asyncio.gather(*(log.append(chosen(f"{part}-{uuid.uuid4().hex}")) for _ in range(1_000)))
        await log.append(chosen(f"{part}"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM explicit").fetchone()[0] < 6_000
    explicit = log._writer._dedup.explicit  # type: ignore[attr-defined]
    await until(lambda: not explicit._over)
    assert (await log.append(chosen("11"))).duplicate
    assert not (await log.append(chosen("0"))).duplicate


async def test_the_id_of_a_trimmed_event_is_still_a_duplicate(open_sqlite: Opener) -> None:
    log = await open_sqlite(max_events=10)
    await log.append(chosen("x"))
    await fill(log, 500, user="ada")

    async def trimmed() -> bool:
        return (await log.stats("lab")).first > 1

    await until(trimmed)
    assert await log.append(chosen("x", b"2")) == Appended(1, True)
