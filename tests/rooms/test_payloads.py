"""Payloads through a real hub: handlers, history, replay, workers, dead letters, state, and files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from support.hub import TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import NotJSON, PayloadRefused, TooLarge
from jupyter_rtmsg.payloads import Unreadable, Verbatim, encode, registry

Make = Callable[..., rt.Client]
FRAME = pd.DataFrame({"loss": [0.5, np.nan], "who": ["ä", None], "at": pd.to_datetime(["2026", None], utc=True)})


@pytest.fixture
def room(shared_hub: HubServer, room_name: str, client: Make) -> rt.Room:
    return client(shared_hub).join(room_name)


def test_a_handler_in_another_client_gets_what_was_emitted(shared_hub: HubServer, room: rt.Room, client: Make) -> None:
    seen: list[Any] = []
    client(shared_hub).join(room.name).on(None, lambda event: seen.append(event.data))
    room.emit("frame", {"step": 7, "table": FRAME, "raw": b"mine", "weights": np.eye(3)})
    room.emit("polars", pl.DataFrame({"a": [1, None]}), volatile=True)
    room.emit("sum", Decimal("1.10"))
    eventually(lambda: len(seen) == 3)
    assert_frame_equal(seen[0]["table"], FRAME)
    assert (seen[0]["step"], seen[0]["raw"], seen[0]["weights"].tolist()) == (7, b"mine", np.eye(3).tolist())
    assert seen[1].to_dict(as_series=False) == {"a": [1, None]}
    assert seen[2] == Decimal("1.10")


async def test_the_client_that_awaits_sends_and_gets_them_too(shared_hub: HubServer, room_name: str) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as client:
        room = await client.join(room_name)
        await room.emit("frame", FRAME)
        assert_frame_equal((await room.history(last=1))[0].data, FRAME)


def test_history_and_missed_and_replay_have_them(shared_hub: HubServer, room_name: str, client: Make) -> None:
    first = client(shared_hub).join(room_name, as_="me")
    first.leave()
    client(shared_hub).join(room_name).emit("frame", FRAME)
    again = client(shared_hub).join(room_name, as_="me")
    (missed,) = again.missed()
    assert_frame_equal(missed.data, FRAME)
    seen: list[Any] = []
    again.on("frame", lambda event: seen.append(event.data))
    again.replay(again.history())
    eventually(lambda: len(seen) == 2)
    assert_frame_equal(seen[1], FRAME)


def test_events_with_payloads_are_a_table_of_events(room: rt.Room) -> None:
    room.emit("frame", {"step": 1, "table": FRAME})
    room.emit("weights", np.zeros((2, 3)))
    events = room.history()
    html = events._repr_html_()
    assert "&lt;DataFrame 2 x 3&gt;" in html
    assert "&lt;ndarray f8 2 x 3&gt;" in html
    frame = events.to_pandas()
    assert_frame_equal(frame["table"].iloc[0], FRAME)
    assert frame["data"].iloc[1].shape == (2, 3)
    assert "<DataFrame 2 x 3>" in repr(events[0])


def test_a_worker_and_its_dead_letters_have_them(room: rt.Room) -> None:
    @room.worker("g", event="frame", tries=1)
    def fail(event: rt.Event) -> None:
        raise ValueError(f"{len(event.data)} rows")

    room.emit("frame", FRAME)
    eventually(lambda: room.dead_letters("g"))
    (letter,) = room.dead_letters("g")
    assert "2 rows" in letter.error
    assert_frame_equal(letter.data, FRAME)
    assert "<DataFrame 2 x 3>" in repr(room.dead_letters("g"))


def test_a_handler_that_uses_an_unreadable_payload_fails_with_the_reason_and_the_next_event_comes(
    room: rt.Room,
) -> None:
    seen: list[Any] = []

    @room.on("sum")
    def add(event: rt.Event) -> None:
        seen.append(event.data + 1 if not isinstance(event.data, Unreadable) else event.data.value)

    room.emit("sum", Verbatim({"$type": "decimal", "value": "one"}))
    room.emit("sum", Decimal(1))
    eventually(lambda: seen)
    assert seen == [Decimal(2)]
    eventually(lambda: room.failures())
    assert "PayloadRefused" in str(room.failures())
    assert "'one' is no decimal number" in str(room.failures())


def test_the_state_of_a_room_holds_them(shared_hub: HubServer, room: rt.Room, client: Make) -> None:
    room.emit("table", FRAME, retain="table")
    other = client(shared_hub).join(room.name)
    eventually(lambda: "table" in other.state)
    assert_frame_equal(other.state["table"], FRAME)
    assert "<DataFrame 2 x 3>" in repr(other.state)
    room.state.set("sum", Decimal("1.5"))
    eventually(lambda: other.state.get("sum") == Decimal("1.5"))
    room.state.delete("table")
    eventually(lambda: "table" not in other.state)


def test_an_export_keeps_them_and_a_table_has_their_text(room: rt.Room, tmp_path: Path) -> None:
    room.emit("frame", {"step": 1, "table": FRAME, "sum": Decimal("1.5")})
    room.emit("mine", {"$type": "x"})
    room.export(tmp_path / "lab.ndjson", progress=False)
    frame, mine = rt.Events.load(tmp_path / "lab.ndjson")
    assert_frame_equal(frame.data["table"], FRAME)
    assert mine.data == {"$type": "x"}
    room.export(tmp_path / "lab.csv", progress=False)
    row = pd.read_csv(tmp_path / "lab.csv").iloc[0]
    assert (row["step"], row["table"], row["sum"]) == (1, "DataFrame 2 x 3", 1.5)
    room.export(tmp_path / "lab.parquet", progress=False)
    assert pa.parquet.read_table(tmp_path / "lab.parquet")["table"][0].as_py() == "DataFrame 2 x 3"


def test_data_of_the_wire_are_passed_on_without_being_decoded(room: rt.Room) -> None:
    room.emit("frame", FRAME)
    (event,) = room.history()
    room.emit("frame", Verbatim(event.wire))
    assert room.history(last=1)[0].wire == event.wire
    with pytest.raises(NotJSON, match="whole data"):
        room.emit("frame", [Verbatim(1)])


def test_what_is_too_large_or_is_not_sent_is_refused_in_the_cell_that_emits_it(room: rt.Room) -> None:
    with pytest.raises(NotJSON, match="Python objects"):
        room.emit("a", np.array([object()]))
    with pytest.raises(TooLarge):
        room.emit("a", np.zeros(100_000_000, "u1"), volatile=True)
    assert room.emit("a", 1)


def test_a_wide_table_passes_the_hub(room: rt.Room) -> None:
    frame = pd.DataFrame({f"c{number}": np.arange(50) * 1.0 for number in range(300)})
    room.emit("frame", frame)
    assert_frame_equal(room.history(last=1)[0].data, frame)


@dataclass
class Metric:
    loss: float
    weights: Any


_OTHER = """
import sys
from dataclasses import dataclass
import jupyter_rtmsg as rt

{register}
room = rt.Client(sys.argv[1], sys.argv[2]).connect().join(sys.argv[3])
for event in room.history():
    print(event.name, type(event.data).__name__, event.data)
libraries = "numpy pandas polars pyarrow PIL plotly altair matplotlib torch attrs pydantic"
print("loaded", [name for name in libraries.split() if name in sys.modules])
"""
_REGISTER = """
@rt.payload
@dataclass
class Metric:
    loss: float
    weights: object
"""


def _in_another_process(server: HubServer, room: str, register: str = "") -> str:
    arguments = [sys.executable, "-c", _OTHER.format(register=register), server.url, TOKEN, room]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=True).stdout


def test_another_process_gets_them_and_imports_no_more_than_it_reads(shared_hub: HubServer, room: rt.Room) -> None:
    room.emit("plain", {"loss": 0.5})
    room.emit("sum", Decimal("1.10"))
    room.emit("metric", Metric(0.5, [1]))
    said = _in_another_process(shared_hub, room.name)
    assert "sum Decimal 1.10" in said
    assert "metric dict {'loss': 0.5, 'weights': [1]}" in said
    assert "loaded []" in said
    room.emit("metric", Metric(0.5, np.arange(3)))
    said = _in_another_process(shared_hub, room.name, _REGISTER)
    assert "metric Metric Metric(loss=0.5, weights=array([0, 1, 2]))" in said
    assert "loaded ['numpy']" in said


def test_a_plain_socket_sends_and_gets_the_form_of_the_wire(shared_hub: HubServer, room: rt.Room, client: Make) -> None:
    socket = client(shared_hub).socket
    with pytest.raises(NotJSON, match="DataFrame"):
        socket.emit("publish", {"room": room.name, "event": "frame", "data": FRAME})
    reply = socket.emit_with_ack("publish", {"room": room.name, "event": "frame", "data": encode(FRAME)})
    assert reply["ok"], reply
    assert_frame_equal(room.history(last=1)[0].data, FRAME)


def test_the_hub_refuses_an_attachment_more_than_it_takes(room: rt.Room) -> None:
    with pytest.raises(rt.errors.LimitExceeded, match="11 bytes objects in one event; 10 are allowed"):
        room.emit("a", [np.zeros(3), *[b"x"] * 10])
    room.emit("a", [np.zeros(3), *[b"x"] * 9])


def test_a_class_that_refuses_its_fields_gives_an_event_that_says_so(
    room: rt.Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_by_name", {})
    monkeypatch.setattr(registry, "_by_class", {})
    rt.payload(Metric)
    room.emit("metric", Verbatim({"$type": "object", "class": "Metric", "data": {"evil": 1}}))
    data = room.history(last=1)[0].data
    assert isinstance(data.error, PayloadRefused)
    assert "unexpected keyword argument 'evil'" in str(data.error)
