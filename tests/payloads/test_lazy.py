"""Data are decoded when they are first read, once; and what an event with a payload looks like."""

from __future__ import annotations

import threading
from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image
from support.payloads import on_wire

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import NotJSON, PayloadRefused
from jupyter_rtmsg.payloads import Unreadable, decode
from jupyter_rtmsg.payloads.lazy import payload_of
from jupyter_rtmsg.rooms.decoding import event_of


def event(data: Any) -> rt.Event:
    """Return an event as it comes."""
    return event_of("lab", "frame", data, {"seq": 1, "n": 1, "from": {"user": "ada", "kind": "kernel"}}, replay=False)


def test_plain_data_are_the_object_that_came() -> None:
    data = {"loss": 0.1, "parts": [b"x"]}
    assert payload_of(data) is None
    assert event(data).data is data


def test_threads_that_read_at_once_get_the_same_object(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr("jupyter_rtmsg.payloads.decoder.decode", lambda wire: calls.append(wire) or object())
    one = event(on_wire(np.arange(3)))
    assert calls == []
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(one.data)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert all(each is got[0] for each in got)


def test_events_with_equal_data_are_equal_before_and_after_they_are_read() -> None:
    wire = on_wire(pd.DataFrame({"a": [1]}))
    one, other = event(wire), event(dict(wire))
    assert len(one.data) == 1
    assert one == other


def test_an_unreadable_payload_says_why_and_raises_it_when_it_is_used() -> None:
    data = event({"step": 1, "t": {"$type": "decimal", "value": "one"}}).data
    assert data["step"] == 1
    broken = data["t"]
    assert isinstance(broken, Unreadable)
    assert repr(broken) == "<unreadable decimal: PayloadRefused: 'one' is no decimal number>"
    for use in (len, float, list, bool, lambda value: value["a"], lambda value: value.mean()):
        with pytest.raises(PayloadRefused, match="'one' is no decimal number"):
            use(broken)
    assert not hasattr(broken, "__array__")
    with pytest.raises(NotJSON, match="unreadable payload is not sent on"):
        on_wire([broken])


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"<b>": [1, 2] * 5, "s": ["<script>"] * 10, **{f"c{number}": 1 for number in range(9)}}),
        pl.DataFrame({"<b>": [1, 2] * 5, "s": ["<script>"] * 10, **{f"c{number}": [1] * 10 for number in range(9)}}),
        pa.table({"<b>": [1, 2] * 5, "s": ["<script>"] * 10, **{f"c{number}": [1] * 10 for number in range(9)}}),
    ],
    ids=["pandas", "polars", "pyarrow"],
)
def test_a_cell_shows_the_first_rows_of_a_table_escaped(table: Any) -> None:
    one = event(on_wire({"t": table}))
    html = one._repr_html_()
    assert html is not None
    assert html.count("<tr>") == 6
    assert "&lt;b&gt;" in html
    assert "<script" not in html
    assert "11 columns, 10 rows" in html
    assert "10 x 11>" in repr(one)


@pytest.mark.parametrize("series", [pd.Series([1, 2], name="n"), pl.Series("n", [1, 2])])
def test_a_cell_shows_a_series(series: Any) -> None:
    assert "<th>n</th>" in (event(on_wire(series))._repr_html_() or "")


def test_a_cell_shows_a_picture() -> None:
    figure = matplotlib.figure.Figure()
    for value in (Image.new("RGB", (3, 3)), figure, {"shot": Image.new("RGB", (3, 3))}):
        assert 'src="data:image/png;base64,' in (event(on_wire(value))._repr_html_() or "")


@pytest.mark.parametrize("data", [1, {"a": 1}, {"$type": 1}, np.arange(3), {"t": {"$type": "table"}}], ids=str)
def test_other_events_are_shown_as_text(data: Any) -> None:
    assert event(on_wire(data) if not isinstance(data, dict) else data)._repr_html_() is None


def test_a_foreign_type_is_passed_on_unchanged() -> None:
    data = {"$type": "app.bsky.feed.post", "$$type": 1, "text": "x"}
    assert decode(data) == data
    assert event({"a": [data]}).data == {"a": [data]}
