"""Flipped bits and damaged pages: damage is reported in its place, and costs nothing else."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.logs import Clock, Opener, draft, fill, opener, read_all, sql, unthrottle_logs, until
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import LogDiskError, LogError
from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.log import Appended, Draft, Record, StoredSubscription
from jupyter_rtmsg.log.batch import Batch
from jupyter_rtmsg.log.reader import Query, Reader
from jupyter_rtmsg.log.rows import COLUMNS, EventRow, RecordDecoder
from jupyter_rtmsg.log.schema import connect, prepare
from jupyter_rtmsg.log.state import LogState
from jupyter_rtmsg.log.store import Store
from jupyter_rtmsg.log.verify import EventCheck, Report, _attachments, verify
from jupyter_rtmsg.log.work import Submission

COUNT = 6
AT = 3  # the seq of the event whose row is damaged: one of ``lab``, with others before and behind it
EVENT = (
    "seq", "room", "prev", "ts", "name", "data", "attachments", "sender", "user", "id", "size", "crc", "n", "expires",
    "retain",
)  # fmt: skip
ROOM = ("id", "name", "head", "n", "maker", "used", "crc")


class Text(bytes):
    """The bytes of a text."""


def flips(value: Any) -> Iterator[Any]:
    """Yield each value that differs in one bit, and some of another type."""
    if isinstance(value, int):
        (bits,) = struct.unpack("<Q", struct.pack("<q", value))
        for bit in range(64):
            yield struct.unpack("<q", struct.pack("<Q", bits ^ 1 << bit))[0]
        yield from (value + 0.5, Text(b"%d" % value), b"x", b"")
    elif isinstance(value, str):
        yield from (Text(each) for each in flips(value.encode()) if type(each) is bytes)
        yield value.encode()
    elif isinstance(value, bytes):
        for bit in range(len(value) * 8):
            yield value[: bit // 8] + bytes([value[bit // 8] ^ 1 << bit % 8]) + value[bit // 8 + 1 :]
        yield Text(value)
    else:
        yield from (0, 1, b"", Text(b""))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A log without its threads: ``lab`` has the odd positions, ``other`` the even ones, ``empty`` was trimmed."""
    connection = connect(str(tmp_path / "log.sqlite3"))
    prepare(connection)
    connection.execute("PRAGMA synchronous=OFF")
    store = Store(connection)
    batch = Batch(LogState(), {}, 1_800_000_000_000)
    for i in range(1, COUNT + 1):
        parts = (b"one", b"") if i == AT else ()
        data = b'{"loss":%d}' % i
        drafted = Draft(
            "lab" if i % 2 else "other", "tick", data, parts, b'{"user":"ann"}', "ann", id=f"id{i}", auto=True
        )
        batch.add(Submission(drafted, lambda _: None, len(data) + sum(map(len, parts))), None)
    with store.transaction():
        store.insert(batch)
        empty = LogState(rooms={}, next_room=3, head=0)
        gone = Batch(empty, {}, 0)
        gone.add(Submission(Draft("empty", "tick", b"0"), lambda _: None, 1), None)
        store.save_rooms(gone.rooms.items())
    yield store
    connection.close()


def records_of(store: Store) -> dict[str, list[Record]]:
    """Read both rooms in all ways."""
    reader = Reader(lambda: store.connection)
    found = {}
    for room in ("lab", "other"):
        query = Query(room, 0, None, None, None, None, 500, 500_000, 10, None, None, None, head=COUNT + 100, now=0)
        found[room], more = [], True
        while more:
            records, through, more = reader.run(Reader.page, query)
            found[room] += records
            query = query._replace(after=through)
        query = query._replace(after=0)
        reader.run(Reader.page, query._replace(last=2, since=1_800_000_000_000))
        reader.run(Reader.page, query._replace(sender="ann", until=1_800_000_000_001))
        lag = reader.run(Reader.lag, room, 0, COUNT, 0)
        assert all(type(name) is str for name in lag.by_event)
    reader.run(Reader.scan, 0, COUNT, 0)
    return found


def is_told(records: list[Record]) -> bool:
    """Tell whether a reader notices damage or a loss before the last event of a room."""
    numbers = [record.n or 0 for record in records]
    return CORRUPT in {record.name for record in records} or numbers != list(range(1, len(numbers) + 1))


def assert_places(records: list[Record]) -> None:
    """Check that the records for damaged events are in order, so that they cannot confuse readers."""
    before = 0
    for record in records:
        assert type(record.seq) is type(record.prev) is type(record.n) is type(record.ts) is int
        assert before <= (record.prev or 0) < (record.seq or 0)
        assert 0 <= record.ts < 253_402_300_800_000
        before = record.seq or 0


def damage_found(store: Store) -> int:
    """Return the number of findings of `verify`."""
    report = Report("")
    EventCheck(report, store.connection)
    _attachments(report, store.connection)
    return report.damaged


def each_flip(store: Store, table: str, column: str, where: str) -> Iterator[Any]:
    """Flip each bit of a value in turn, and undo it."""
    execute = store.connection.execute
    (value,) = execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
    for flipped in flips(value):
        execute("BEGIN")
        mark = "CAST(? AS TEXT)" if isinstance(flipped, Text) else "?"
        stored = bytes(flipped) if isinstance(flipped, Text) else flipped
        try:
            execute(f"UPDATE {table} SET {column} = {mark} WHERE {where}", (stored,))
        except sqlite3.IntegrityError:  # another row has it
            execute("ROLLBACK")
            continue
        same = f"{column} IS {mark} AND typeof({column}) = typeof({mark})"
        (kept,) = execute(f"SELECT count(*) FROM {table} WHERE {same}", (stored, stored)).fetchone()
        execute("COMMIT")
        if kept:  # a number is a number again where a text of it was put
            yield flipped
        with store.transaction():
            key = column in ("seq", "num") or (table, column) == ("room", "id")
            execute(f"UPDATE {table} SET {column} = ? WHERE {f'{column} = {mark}' if key else where}",
                    (value, stored) if key else (value,))  # fmt: skip


@pytest.mark.parametrize("column", EVENT)
def test_every_flipped_bit_of_an_event_is_told_to_its_readers_or_changes_nothing_for_them(
    store: Store, column: str
) -> None:
    whole = records_of(store)
    assert damage_found(store) == 0
    for flipped in each_flip(store, "event", column, f"seq = {AT}"):
        read = records_of(store)
        for room, records in read.items():
            assert_places(records)
            by_seq = {record.seq: record for record in whole[room]}
            assert all(record.name == CORRUPT or record == by_seq[record.seq] for record in records), (column, flipped)
        assert column == "size" or is_told(read["lab"]), (column, flipped)
        assert damage_found(store), (column, flipped)
    assert records_of(store) == whole


@pytest.mark.parametrize("column", [column for column in EVENT if column not in ("seq", "room", "size", "crc")])
def test_a_column_that_reads_as_null_or_empty_is_damage(store: Store, column: str) -> None:
    """A flipped bit of a row's header changes the type of a column, also to one that the table forbids."""
    (row,) = store.connection.execute(f"SELECT {COLUMNS} FROM event WHERE seq = {AT}")
    decoder = RecordDecoder()
    assert decoder.intact(store.connection, "lab", row)
    at = EventRow._fields.index(column)
    for value in (None, b"", "", 0, 1, b"x", "x"):
        changed = (*row[:at], value, *row[at + 1 :])
        if (type(value), value) != (type(row[at]), row[at]):
            assert decoder.intact(store.connection, "lab", changed) is None, value


@pytest.mark.parametrize("column", ["seq", "num", "data"])
def test_every_flipped_bit_of_an_attachment_is_told_to_readers(store: Store, column: str) -> None:
    whole = records_of(store)
    for flipped in each_flip(store, "attachment", column, f"seq = {AT} AND num = 0" if column != "seq" else "num = 0"):
        read = records_of(store)
        told = is_told(read["lab"])
        assert told or read == whole, (column, flipped)
        assert damage_found(store), (column, flipped)
        assert read["other"] == whole["other"]
    assert records_of(store) == whole


@pytest.mark.parametrize("name", ["lab", "empty"])
@pytest.mark.parametrize("column", ROOM)
def test_every_flipped_bit_of_a_room_is_found_and_set_right_when_the_log_is_opened(
    store: Store, column: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    rooms = store.load().rooms
    whole = records_of(store)
    where = f"name = '{name}'" if column == "id" else f"id = {rooms[name].id}"
    for flipped in each_flip(store, "room", column, where):
        assert damage_found(store), (column, flipped)
        caplog.clear()
        unthrottle_logs()
        loaded = store.load()
        assert "damaged on disk" in caplog.text, (column, flipped)
        if isinstance(flipped, float) or type(flipped) is bytes:  # more than a bit: events tell what the room is
            continue
        assert loaded.rooms == rooms, (column, flipped)
        assert records_of(store) == whole


# Pages, under a log with its threads

PAGE = 4096
ROOMS = ("one", "two", "three")
EACH = 400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rtmsg" / "log.sqlite3"


@pytest.fixture
async def opened(path: Path) -> AsyncIterator[Opener]:
    """Opens the same file each time it is called."""
    async with opener(path) as open_:
        yield open_


async def written(opened: Opener) -> dict[str, list[Record]]:
    """Write three rooms, one after the other, and close the log; return what is in them."""
    log = await opened()
    for room in ROOMS:
        await asyncio.gather(*(log.append(Draft(room, "tick", b'"%b-%d"' % (room.encode(), i))) for i in range(EACH)))
    log.subscriptions.add(StoredSubscription("ada", "one", "notes", "notes", epoch=log.epoch, position=4))
    records = {room: await read_all(log, room) for room in ROOMS}
    await log.close()
    return records


def overwrite_page_of(path: Path, text: bytes, with_: bytes = b"\xff" * 100) -> None:
    """Destroy the start of the page that has a text."""
    with path.open("r+b") as file:
        file.seek(file.read().index(text) // PAGE * PAGE)
        file.write(with_)


def move(path: Path, to: Path) -> None:
    path.rename(to)


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def contents(path: Path) -> bytes:
    return path.read_bytes()


def restore(path: Path, kept: bytes) -> None:
    """Restore the contents of a file, and remove the files beside it."""
    for each in path.parent.iterdir():
        each.unlink()
    path.write_bytes(kept)


def crashed(path: Path) -> None:
    """Mark the file as not closed cleanly."""
    sql(path, "DELETE FROM meta WHERE k = 'clean'")


def asides(path: Path) -> list[Path]:
    return [each for each in path.parent.iterdir() if ".corrupt-" in each.name]


@pytest.mark.parametrize("noticed_by", ["opening", "reader"])
async def test_a_damaged_page_costs_its_events_only_and_they_are_told_in_their_places(
    opened: Opener, path: Path, noticed_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = await written(opened)
    if noticed_by == "opening":
        crashed(path)
        overwrite_page_of(path, b'"two-200"')
    else:
        log = await opened()
        overwrite_page_of(path, b'"two-200"')
        for _ in range(2):
            with pytest.raises(LogDiskError, match="room 'two' could not be read"):
                await read_all(log, "two")
        assert log.failing
        assert [each.message.startswith("room 'two' could") for each in caplog.records].count(True) == 1
        assert [await read_all(log, room) for room in ("one", "three")] == [whole["one"], whole["three"]]
        assert (await log.append(draft(room="two"))).seq == 3 * EACH + 1
        whole["two"] += await read_all(log, "two", after=3 * EACH)
        await log.close()
    log = await opened()
    assert "stand as $corrupt in their rooms (two)" in (log.warning or "")
    assert [await read_all(log, room) for room in ("one", "three")] == [whole["one"], whole["three"]]
    two = await read_all(log, "two")
    assert_places(two)
    assert [record.n for record in two] == [record.n for record in whole["two"]]
    damaged = [record for record in two if record.name == CORRUPT]
    assert 0 < len(damaged) < 150
    assert [record for record in two if record.name != CORRUPT] == [
        record for record in whole["two"] if record.seq not in {each.seq for each in damaged}
    ]
    assert [row.position for row in log.subscriptions.all()] == [4]
    await fill(log, 1, "two")
    assert (await read_all(log, "two"))[-1].n == (two[-1].n or 0) + 1
    await log.close()
    assert len(asides(path)) == 1
    assert (await opened()).warning is None
    report = verify(path)
    assert {finding.kind for finding in report.findings} == {"event"}
    assert report.damaged == len(damaged)


@pytest.mark.parametrize("how", ["zeros", "a page of another place", "the end is missing"])
async def test_however_pages_were_lost_the_rest_is_kept(opened: Opener, path: Path, how: str) -> None:
    whole = await written(opened)
    crashed(path)
    content = contents(path)
    if how == "zeros":
        overwrite_page_of(path, b'"two-200"', bytes(PAGE))
    elif how == "the end is missing":
        cut(path, len(content) * 3 // 4)
    else:
        start = content.index(b'"one-100"') // PAGE * PAGE
        overwrite_page_of(path, b'"two-200"', content[start : start + PAGE])
    log = await opened()
    assert "renamed to" in (log.warning or "")
    read = {room: await read_all(log, room) for room in ROOMS}
    assert sum(map(len, read.values())) >= EACH
    for room, records in read.items():
        assert_places(records)
        by_seq = {record.seq: record for record in whole[room]}
        assert all(record.name == CORRUPT or record == by_seq.get(record.seq) for record in records)
        assert records == whole[room] or is_told(records) or log.warning


async def test_a_damaged_index_is_built_anew_and_nothing_is_lost(opened: Opener, path: Path) -> None:
    whole = await written(opened)
    (root,) = sql(path, "SELECT rootpage FROM sqlite_master WHERE name = 'event_room'")[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE + 12)
        leaf = int.from_bytes(file.read(2), "big")
        file.seek((root - 1) * PAGE + leaf)
        child = int.from_bytes(file.read(4), "big")
        file.seek((child - 1) * PAGE + 8)
        file.write(b"\xff" * 40)
    crashed(path)
    log = await opened()
    assert {room: await read_all(log, room) for room in ROOMS} == whole
    assert "nothing is lost" in (log.warning or "")


async def test_a_process_that_dies_while_it_mends_a_file_leaves_one_to_be_mended_again(
    opened: Opener, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = await written(opened)
    half = path.with_name(path.name + ".mended")
    half.write_bytes(b"half of it")
    log = await opened()  # died before it was whole
    assert {room: await read_all(log, room) for room in ROOMS} == whole
    await log.close()
    assert not half.exists()
    move(path, half)  # died between the renames
    log = await opened()
    assert "the last server has replaced it by a copy" in caplog.text
    assert {room: await read_all(log, room) for room in ROOMS} == whole


@pytest.mark.parametrize("seed", range(30))
async def test_a_flipped_bit_anywhere_in_the_file_is_contained(opened: Opener, path: Path, seed: int) -> None:
    whole = await written(opened)
    if seed % 2:
        crashed(path)
    draw = random.Random(seed)
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        at = draw.randrange(PAGE, size)  # the first page has the schema: with it the whole file is set aside
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ 1 << draw.randrange(8)]))
    log = await opened(max_events=EACH)
    for room in ROOMS:
        try:
            records = await read_all(log, room)
        except LogError:
            continue
        assert_places(records)
        by_seq = {record.seq: record for record in whole[room]}
        assert all(record.name == CORRUPT or record == by_seq.get(record.seq) for record in records), at
        assert records == whole[room] or is_told(records) or verify(path).damaged, at
    outcomes = await asyncio.gather(*(log.append(draft(room=room)) for room in ROOMS), return_exceptions=True)
    assert all(isinstance(outcome, Appended | LogError) for outcome in outcomes)
    await log.close()


TABLES = {
    "known": ("last", "ts", "count", "keys"),
    "subscription": ("user", "room", "key", "label", "path", "epoch", "position", "used", "ended", "inherited"),
    "note": ("key", "value", "until"), "stretch": ("seq", "ahead"),
    "tally": ("room", "user", "count", "bytes"), "opening": ("number", "id", "start", "ts", "lost"),
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
async def test_another_table_may_hold_any_values(opened: Opener, path: Path, table: str) -> None:
    """The log opens, returns its events, stores new ones, and trims only beyond its limits."""
    clock = Clock()
    log = await opened(clock=clock)
    await log.append(draft(0, client="c", id="once"))
    await fill(log, 20)
    log.key_values.put("session", b"state", clock() + 60)
    log.subscriptions.add(StoredSubscription("ada", "lab", "notes", "notes", epoch=log.epoch, position=4))
    clock.now += 500  # a stretch begins
    await fill(log, 1)
    whole = await read_all(log)
    await log.close()
    kept = contents(path)
    for column in TABLES[table]:
        for value in (2**62, -(2**62), 1.5, b"\xff\xfe", "x"):
            restore(path, kept)
            try:
                sql(path, f"UPDATE {table} SET {column} = ?", value)
            except sqlite3.IntegrityError:
                continue
            log = await opened(clock=clock)
            assert log.durable, (column, value)
            assert await read_all(log) == whole, (column, value)
            await log.append(draft(1, client="c", id="again"))
            await log.key_values.all()
            await log.close()


@pytest.mark.parametrize(("column", "value"), [("ts", 0), ("ts", 2**60), ("ts", "x"), ("size", 2**50), ("size", "x")])
@pytest.mark.parametrize("seq", [1, 50, 100])
async def test_a_damaged_event_has_no_other_event_trimmed(
    opened: Opener, path: Path, column: str, value: Any, seq: int
) -> None:
    log = await opened()
    await fill(log, 100)
    await log.close()
    sql(path, f"UPDATE event SET {column} = ? WHERE seq = ?", value, seq)
    log = await opened(max_age=3600.0, max_bytes=1 << 20)
    await fill(log, 10)
    await until(lambda: not log._writer._retention.busy)  # type: ignore[attr-defined]
    assert len(await read_all(log)) == 110


# A hub and its clients


@pytest.mark.parametrize(
    ("page", "names"), [(False, ["tick", "tick", "$corrupt", "tick", "tick"]), (True, ["$corrupt"] * 5)]
)
def test_clients_are_told_of_damage_in_its_place(tmp_path: Path, page: bool, names: list[str]) -> None:
    """Handlers of all events, iterators and history have it, and the room goes on."""
    path = tmp_path / "rtmsg" / "log.sqlite3"
    with HubServer(f"sqlite:///{path}", log_options={"ballast": 0}) as server:
        with rt.Client(server.url, TOKEN) as hub:
            for i in range(1, 6):
                hub.join("lab").emit("tick", f"lab-{i}")
        server.stop()
        if page:
            crashed(path)
            overwrite_page_of(path, b'"lab-3"')
        else:
            sql(path, "UPDATE event SET data = x'30' WHERE seq = 3")
        server.start()
        with rt.Client(server.url, TOKEN) as hub, rt.Client(server.url, TOKEN) as other:
            lab = hub.join("lab", after=0)
            got: list[rt.Event] = []
            iterated: list[rt.Event] = []
            stream = other.join("lab", after=0).events()
            lab.on("*", got.append)
            lab.emit("tick", "lab-6")
            expected = [*zip(range(1, 7), [*names, "tick"], strict=True)]
            while len(iterated) < 6:
                iterated.append(next(stream))
            eventually(lambda: len(got) == 6)
            for events in (got, iterated, lab.history(last=100)):
                assert [(event.n, event.name) for event in events] == expected
                assert all((event.data is None) == (event.name == "$corrupt") for event in events)
