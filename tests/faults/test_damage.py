"""Flipped bits and damaged pages: what is wrong is told in its place, and takes nothing else with it."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_rtmsg.event import CORRUPT
from jupyter_rtmsg.log import Draft, Record
from jupyter_rtmsg.log.ledger import Batch, Entry, Ledger
from jupyter_rtmsg.log.reader import Query, Reader
from jupyter_rtmsg.log.schema import connect, prepare
from jupyter_rtmsg.log.store import Store
from jupyter_rtmsg.log.verify import Events, Report, _attachments

COUNT = 6
AT = 3  # the seq of the event whose row is damaged: one of ``lab``, with others before and behind it
EVENT = ("seq", "room", "prev", "ts", "name", "data", "attachments", "sender", "user", "id", "size", "crc", "n")
ROOM = ("id", "name", "head", "n", "maker", "used", "crc")


class Text(bytes):
    """The bytes of a text."""


def flips(value: Any) -> Iterator[Any]:
    """Give what a value becomes when one of its bits flips, and as a value of another type."""
    if isinstance(value, int):
        (bits,) = struct.unpack("<Q", struct.pack("<q", value))
        for bit in range(64):
            yield struct.unpack("<q", struct.pack("<Q", bits ^ 1 << bit))[0]
        yield from (value + 0.5, Text(b"%d" % value), b"x")
    elif isinstance(value, str):
        yield from (Text(each) for each in flips(value.encode()) if type(each) is bytes)
        yield value.encode()
    elif isinstance(value, bytes):
        for bit in range(len(value) * 8):
            yield value[: bit // 8] + bytes([value[bit // 8] ^ 1 << bit % 8]) + value[bit // 8 + 1 :]
        yield Text(value)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A log without its threads: ``lab`` has the odd positions, ``other`` the even ones, ``empty`` was trimmed."""
    connection = connect(str(tmp_path / "log.sqlite3"))
    prepare(connection)
    connection.execute("PRAGMA synchronous=OFF")
    store = Store(connection)
    batch = Batch(Ledger(), {}, 1_800_000_000_000)
    for i in range(1, COUNT + 1):
        parts = (b"one", b"") if i == AT else ()
        data = b'{"loss":%d}' % i
        drafted = Draft("lab" if i % 2 else "other", "tick", data, parts, b'{"user":"ann"}', "ann", None, f"id{i}")
        batch.add(Entry(drafted, lambda _: None, len(data) + sum(map(len, parts))), None)
    with store.transaction():
        store.insert(batch)
        empty = Ledger(rooms={}, next_room=3, head=0)
        gone = Batch(empty, {}, 0)
        gone.add(Entry(Draft("empty", "tick", b"0"), lambda _: None, 1), None)
        store.save_rooms(gone.rooms.items())
    yield store
    connection.close()


def records_of(store: Store) -> dict[str, list[Record]]:
    """Read both rooms, with all that reading does."""
    reader = Reader(lambda: store.connection)
    found = {}
    for room in ("lab", "other"):
        query = Query(room, 0, None, None, None, None, 500, 500_000, 10, None, None, None, head=COUNT + 100)
        found[room], more = [], True
        while more:
            records, through, more = reader.run(Reader.page, query)
            found[room] += records
            query = query._replace(after=through)
        query = query._replace(after=0)
        reader.run(Reader.page, query._replace(last=2, since=1_800_000_000_000))
        reader.run(Reader.page, query._replace(sender="ann", until=1_800_000_000_001))
        lag = reader.run(Reader.lag, room, 0, COUNT)
        assert all(type(name) is str for name in lag.by_event)
    reader.run(Reader.scan, 0, COUNT)
    return found


def is_told(records: list[Record]) -> bool:
    """Whether a reader sees that something is wrong, or gone, before the last event of a room."""
    numbers = [record.n or 0 for record in records]
    return CORRUPT in {record.name for record in records} or numbers != list(range(1, len(numbers) + 1))


def assert_places(records: list[Record]) -> None:
    """What stands for a damaged event is in order: nothing that comes of it can confuse who reads it."""
    before = 0
    for record in records:
        assert type(record.seq) is type(record.prev) is type(record.n) is type(record.ts) is int
        assert before <= (record.prev or 0) < (record.seq or 0)
        assert 0 <= record.ts < 253_402_300_800_000
        before = record.seq or 0


def damage_found(store: Store) -> int:
    """Return how much `verify` finds damaged."""
    report = Report("")
    Events(report, store.connection)
    _attachments(report, store.connection)
    return report.damaged


@pytest.fixture(autouse=True)
def _texts_that_are_none(store: Store) -> None:
    store.connection.text_factory = lambda text: text.decode(errors="replace")


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
        loaded = store.load()
        assert "damaged on disk" in caplog.text, (column, flipped)
        if isinstance(flipped, float) or type(flipped) is bytes:  # more than a bit: events tell what the room is
            continue
        assert loaded.rooms == rooms, (column, flipped)
        assert records_of(store) == whole
