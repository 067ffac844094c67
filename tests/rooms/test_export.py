"""Exporting a room: all formats, whole files only, and bounded memory."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.hub import TOKEN, HubServer

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import ExportError, NotJoined
from jupyter_rtmsg.rooms import columns, wholefile
from jupyter_rtmsg.rooms.export import Exporting

Make = Callable[..., rt.Client]
DATA: list[Any] = [
    {"loss": 0.5, "step": 1},
    {"loss": 0.25, "step": 2, "tag": "学習", "raw": b"\x00\x01"},
    None,
    "plain",
    {"step": 3, "event": "own", "nested": {"a": [1, None]}, "ok": True},
    {"tag": "=1+1", "step": 4},
]


@pytest.fixture
def room(shared_hub: HubServer, room_name: str, client: Make) -> rt.Room:
    """A room with the events of `DATA`."""
    room = client(shared_hub, name="writer").join(room_name)
    for at, each in enumerate(DATA):
        room.emit("metric" if at % 2 == 0 else "other", each, id=f"id-{at}" if at else None)
    return room


def test_an_export_has_the_events_of_history(room: rt.Room, tmp_path: Path) -> None:
    for name in ("x.ndjson", "x.NDJSON.gz", "x.jsonl"):
        path = tmp_path / name
        assert room.export(path) == len(DATA)
        text = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
        assert len(text.splitlines()) == len(DATA)
    assert rt.Events.load(tmp_path / "x.ndjson") == room.history()
    assert json.loads((tmp_path / "x.ndjson").read_text("utf-8").splitlines()[0])["from"]["name"] == "writer"


def test_a_part_is_exported(room: rt.Room, tmp_path: Path) -> None:
    path = str(tmp_path / "x.ndjson")
    all_events = room.history()
    assert room.export(path, event="metric") == 3
    assert {event.name for event in rt.Events.load(path)} == {"metric"}
    assert room.export(path, after=all_events[1].seq, before=all_events[4].seq) == 2
    assert room.export(path, limit=2) == 2
    assert rt.Events.load(path) == all_events[:2]
    assert room.export(path, since=datetime(2100, 1, 1, tzinfo=timezone.utc)) == 0
    assert (Path(path).read_bytes(), rt.Events.load(path)) == (b"", rt.Events())


def test_a_table_in_csv_has_a_column_for_each_key(room: rt.Room, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    assert room.export(path) == len(DATA)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    named = ["loss", "step", "tag", "raw", "data", "data.event", "nested", "ok"]
    assert list(rows[0]) == [*columns.FIELDS, *named]
    assert [row["step"] for row in rows] == ["1", "2", "", "", "3", "4"]
    assert (rows[1]["tag"], rows[1]["raw"], rows[3]["data"]) == ("学習", "AAE=", "plain")
    assert (rows[4]["data.event"], rows[4]["nested"], rows[4]["ok"]) == ("own", '{"a":[1,null]}', "true")
    assert rows[5]["tag"] == "'=1+1"
    assert (rows[0]["name"], rows[1]["id"]) == ("writer", "id-1")
    first = room.history()[0]
    assert datetime.fromisoformat(rows[0]["time"]) == first.time
    pandas = pytest.importorskip("pandas")
    assert pandas.read_csv(path)["loss"].dropna().tolist() == [0.5, 0.25]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_table_in_arrow_has_typed_columns(
    room: rt.Room, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    monkeypatch.setattr(columns, "_ROWS", 4)
    room.emit("metric", {"step": 1 << 70, "mixed": 1, "none": None})
    room.emit("metric", {"mixed": 1.5})
    path = tmp_path / f"x.{suffix}"
    assert room.export(path) == len(DATA) + 2
    table = (parquet.read_table if suffix == "parquet" else feather.read_table)(path)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["time"] == "timestamp[ms, tz=UTC]"
    assert [types[name] for name in ("loss", "tag", "raw", "ok", "mixed", "none")] == [
        "double", "string", "binary", "bool", "double", "string",
    ]  # fmt: skip
    assert table["step"].to_pylist() == ["1", "2", None, None, "3", "4", str(1 << 70), None]
    assert table["nested"].to_pylist()[4] == '{"a":[1,null]}'
    assert table["raw"].to_pylist()[1] == b"\x00\x01"
    assert table["seq"].to_pylist() == [event.seq for event in room.history()]
    assert table["time"].to_pylist()[0] == room.history()[0].time


def test_an_empty_room_makes_an_empty_table(
    shared_hub: HubServer, room_name: str, client: Make, tmp_path: Path
) -> None:
    room = client(shared_hub).join(room_name)
    assert room.export(tmp_path / "x.csv") == 0
    assert (tmp_path / "x.csv").read_bytes().decode() == ",".join(columns.FIELDS) + "\r\n"


async def test_the_awaited_room_exports_too(room: rt.Room, shared_hub: HubServer, tmp_path: Path) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as hub:
        other = await hub.join(room.name)
        assert await other.export(tmp_path / "x.ndjson") == len(DATA)


# --- what goes wrong


def test_an_unknown_format_is_named(room: rt.Room, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"'x\.xlsx' says no format that is known: its end must be \.ndjson"):
        room.export(tmp_path / "x.xlsx")


def test_without_pyarrow_it_says_what_to_install(
    room: rt.Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        room.export(tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("anonymous", [True, False])
def test_an_export_that_fails_leaves_the_file_that_was_there(
    room: rt.Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anonymous: bool
) -> None:
    if not anonymous:
        monkeypatch.setattr(wholefile.os, "O_TMPFILE", 0, raising=False)
    path = tmp_path / "x.csv"
    path.write_text("of before")
    with monkeypatch.context() as patched:
        patched.setattr(columns, "MOST", 2)
        with pytest.raises(ExportError, match="more than 2 different keys, too many for the columns of a table"):
            room.export(path)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("of before", [path])
    room.export(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() != "of before"


def test_a_wrong_place_is_named(room: rt.Room, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        room.export(tmp_path / "nowhere" / "x.ndjson")
    (tmp_path / "x.ndjson").mkdir()
    with pytest.raises(IsADirectoryError, match="add the name of a file"):
        room.export(tmp_path / "x.ndjson")
    room.leave()
    with pytest.raises(NotJoined):
        room.export(tmp_path / "y.ndjson")


def test_a_link_stays_and_its_file_is_replaced(room: rt.Room, tmp_path: Path) -> None:
    (tmp_path / "link.ndjson").symlink_to(tmp_path / "real.ndjson")
    room.export(tmp_path / "link.ndjson")
    assert (tmp_path / "link.ndjson").is_symlink()
    assert len(rt.Events.load(tmp_path / "real.ndjson")) == len(DATA)


_KILLED = """
import sys, time
import jupyter_rtmsg as rt
from jupyter_rtmsg.rooms import export
write = export.NDJSONWriter.write
def slow(self, events):
    write(self, events)
    print("wrote", flush=True)
    time.sleep(60)
export.NDJSONWriter.write = slow
rt.Client(sys.argv[1], "secret").connect().join(sys.argv[2]).export(sys.argv[3])
"""


@pytest.mark.linux
def test_a_killed_export_leaves_nothing(room: rt.Room, shared_hub: HubServer, tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    arguments = [sys.executable, "-c", _KILLED, shared_hub.url, room.name, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment)
    assert process.stdout
    assert process.stdout.readline() == b"wrote\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []


class Pages:
    """Commands of a hub whose room has a number of events."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[dict[str, Any]] = []

    async def ask_patiently(self, command: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(dict(request))
        if command == "lag":
            return {"missed": self.count}
        first = request.get("after", 0) + 1
        last = min(first + request["limit"] - 1, self.count)
        events = [
            {"event": "n", "data": {"value": "x" * 100, "at": n}, "seq": n, "prev": n - 1, "n": n, "ts": n, "from": {}}
            for n in range(first, last + 1)
        ]
        return {"events": events, "more": last < self.count, "through": last, "head": self.count, "epoch": "e"}


def exporting(pages: Pages) -> Exporting:
    membership = SimpleNamespace(room="lab", check=lambda: None)
    return Exporting(membership, pages)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["ndjson", "ndjson.gz", "csv"])
async def test_memory_does_not_grow_with_the_number_of_events(tmp_path: Path, suffix: str) -> None:
    count = int(os.environ.get("RTMSG_EXPORTED", "10000"))
    tracemalloc.start()
    try:
        assert await exporting(Pages(count)).export(tmp_path / f"x.{suffix}", progress=False) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
    assert (tmp_path / f"x.{suffix}").stat().st_size > 10 * count


async def test_it_ends_at_the_newest_event_of_the_call_and_stays_in_one_log(tmp_path: Path) -> None:
    pages = Pages(1_200)
    assert await exporting(pages).export(tmp_path / "x.ndjson", after=100, progress=False) == 1_100
    first, *later = [request for request in pages.asked if "limit" in request]
    assert "before" not in first
    assert [(one["before"], one["epoch"]) for one in later] == [(1_201, "e")] * len(later)


async def test_a_progress_bar_is_shown_if_there_is_tqdm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[object] = []

    class Bar:
        def __init__(self, **options: Any) -> None:
            told.append(options["desc"])

        def reset(self, total: int) -> None:
            told.append(total)

        def update(self, number: int) -> None:
            told.append(number)

        def close(self) -> None:
            told.append("closed")

    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=Bar))
    await exporting(Pages(700)).export(tmp_path / "x.ndjson")
    assert told == ["x.ndjson", 700, 500, 200, "closed"]
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    await exporting(Pages(700)).export(tmp_path / "x.ndjson")
