"""The parts of large events: stored before their event, one unit with it from then on, and gone with it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.logs import Opener, until

from jupyter_rtmsg.errors import LogConflict, LogIdConflict, LogPartsMissing
from jupyter_rtmsg.log import Draft, EventLog, Parts, new_key
from jupyter_rtmsg.log.verify import verify

PARTS = [b"a" * 9_000, b"b" * 9_000, b"c"]
SIZE = sum(map(len, PARTS))
DATA = b'{"$parts":{"count":3,"size":%d,"sizes":[%d],"crc":1}}' % (SIZE, SIZE)


async def staged(log: EventLog, parts: list[bytes] = PARTS) -> Parts:
    key = new_key()
    for number, data in enumerate(parts):
        await log.parts.put(key, number, data)
    return Parts(key, len(parts), sum(map(len, parts)))


async def stored(log: EventLog, room: str = "lab", **fields: object) -> int:
    draft = Draft(room, "frame", DATA, user="ann", parts=await staged(log), **fields)  # type: ignore[arg-type]
    return (await log.append(draft)).seq


async def read(log: EventLog, seq: int, room: str = "lab") -> list[bytes | None]:
    return [await log.parts.get(room, seq, number, log.log_time()) for number in range(len(PARTS))]


def rows(path: Path, statement: str = "SELECT count(*) FROM part") -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(statement).fetchone()[0])


async def test_an_event_with_parts_is_one_event_whose_size_is_that_of_its_parts(log: EventLog) -> None:
    seq = await stored(log)
    (record,) = (await log.read("lab")).records
    assert (record.seq, record.data, record.attachments) == (seq, DATA, ())
    assert record.parts is not None
    assert (record.parts.count, record.parts.size) == (3, SIZE)
    stats = await log.stats("lab")
    assert (stats.count, stats.bytes) == (1, len(DATA) + SIZE)
    assert await read(log, seq) == PARTS


async def test_a_page_of_events_with_parts_ends_by_what_is_on_it(log: EventLog) -> None:
    for _ in range(3):
        await stored(log)
    page = await log.read("lab", max_bytes=1_000, max_attachments=0)
    assert len(page.records) == 3


async def test_a_part_is_read_only_from_its_own_event_and_room(log: EventLog) -> None:
    seq = await stored(log)
    plain = (await log.append(Draft("lab", "x", b"1"))).seq
    now = log.log_time()
    for room, position, number in (("other", seq, 0), ("lab", plain, 0), ("lab", seq, 3), ("lab", seq + 9, 0)):
        assert await log.parts.get(room, position, number, now) is None


async def test_parts_that_are_not_complete_are_refused_and_nothing_else_is(log: EventLog) -> None:
    parts = await staged(log, PARTS[:2])
    short = Draft("lab", "frame", DATA, parts=Parts(parts.key, 3, SIZE))
    before, refused, after = log.append(Draft("lab", "x", b"1")), log.append(short), log.append(Draft("lab", "x", b"2"))
    with pytest.raises(LogPartsMissing, match="stage all of them again"):
        await refused
    assert [(await before).seq, (await after).seq] == [log.head - 1, log.head]
    assert log.failing is None


async def test_dropped_parts_are_gone_and_those_of_a_stored_event_stay(log: EventLog) -> None:
    parts = await staged(log)
    log.parts.drop(parts.key)
    await log.append(Draft("lab", "x", b"1"))
    with pytest.raises(LogPartsMissing):
        await log.append(Draft("lab", "frame", DATA, parts=parts))
    kept = await staged(log)
    seq = (await log.append(Draft("lab", "frame", DATA, parts=kept))).seq
    log.parts.drop(kept.key)
    await log.append(Draft("lab", "x", b"1"))
    assert await read(log, seq) == PARTS


async def test_an_id_stores_one_event_whose_parts_may_be_sent_twice(log: EventLog) -> None:
    seq = await stored(log, id="frame-1")
    again = await log.append(Draft("lab", "frame", DATA, user="ann", id="frame-1", parts=await staged(log)))
    assert (again.seq, again.duplicate) == (seq, True)
    other = DATA.replace(b'"crc":1', b'"crc":2')
    differs = Draft("lab", "frame", other, user="ann", id="frame-1", parts=await staged(log))
    with pytest.raises(LogIdConflict):
        await log.append(differs)


async def test_a_conflict_stores_nothing(log: EventLog) -> None:
    await log.append(Draft("lab", "x", b"1"))
    with pytest.raises(LogConflict):
        await stored(log, expect=999)
    assert (await log.stats("lab")).count == 1


async def test_parts_count_on_the_limit_of_the_log_and_are_deleted_with_their_event(
    open_sqlite: Opener, path: Path
) -> None:
    log = await open_sqlite(max_bytes=60_000)
    first = await stored(log)
    for _ in range(4):
        last = await stored(log)
    await until(lambda: rows(path) <= 9)
    assert await read(log, first) == [None] * 3
    assert await read(log, last) == PARTS


async def test_deleting_a_room_deletes_its_parts(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    seq = await stored(log)
    await log.delete("lab")
    assert await read(log, seq) == [None] * 3
    await until(lambda: rows(path) == 0)


async def test_parts_without_an_event_are_deleted_when_the_file_is_opened(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    seq = await stored(log)
    await staged(log)
    await log.close()
    log = await open_sqlite()
    assert rows(path) == 3
    assert await read(log, seq) == PARTS
    assert (await log.stats("lab")).bytes == len(DATA) + SIZE


async def test_a_log_that_moves_into_its_file_takes_the_parts_along(open_sqlite: Opener, path: Path) -> None:
    holder = await open_sqlite()
    log = await open_sqlite()
    seq, pending = await stored(log), await staged(log)
    epoch = log.epoch
    await holder.close()
    await until(lambda: log.durable)
    here = log.locate(seq, epoch)
    assert here is not None
    assert await read(log, here) == PARTS
    with pytest.raises(LogPartsMissing):  # they were in memory
        await log.append(Draft("lab", "frame", DATA, parts=pending))


async def test_a_damaged_part_is_not_read_and_verify_names_it(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    seq = await stored(log)
    await log.close()
    report = verify(path)
    assert (report.damaged, report.bytes) == (0, len(DATA) + SIZE)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE part SET data = x'00' WHERE number = 1")
    kinds = [finding.kind for finding in verify(path).findings]
    assert kinds == ["part", "part"]
    log = await open_sqlite()
    assert await read(log, seq) == [PARTS[0], None, PARTS[2]]


async def test_an_event_whose_key_was_changed_is_damaged(open_sqlite: Opener, path: Path) -> None:
    log = await open_sqlite()
    await stored(log)
    await log.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE event SET attachments = attachments - 1")
    log = await open_sqlite()
    (record,) = (await log.read("lab")).records
    assert (record.name, record.parts) == ("$corrupt", None)


async def test_others_events_are_stored_between_the_parts_of_one(open_sqlite: Opener) -> None:
    log = await open_sqlite()
    key, big = new_key(), bytes(700_000)
    puts = [asyncio.ensure_future(log.parts.put(key, number, big)) for number in range(8)]
    small = log.append(Draft("other", "x", b"1"))
    await asyncio.wait([small, puts[-1]], return_when=asyncio.FIRST_COMPLETED)
    assert small.done()
    await asyncio.gather(*puts)
