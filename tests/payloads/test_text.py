"""Payloads as text for people, and in the cells of tables."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.payloads import on_wire

from jupyter_rtmsg.payloads.text import compact, data_text, described, flat


class Color(enum.Enum):
    RED = 1


@dataclass
class Metric:
    loss: float


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (pd.DataFrame({"a": range(10_000), "b": 1.0, "c": 2.0}), "<DataFrame 10k x 3>"),
        ({"step": 7, "t": pd.DataFrame({"a": [1]})}, '{"step": 7, "t": <DataFrame 1 x 1>}'),
        (pd.Series(range(1_234)), "<Series 1.23k>"),
        (np.zeros((3, 4)), "<ndarray f8 3 x 4>"),
        (np.array(1.0), "<ndarray f8 scalar>"),
        (np.zeros(2, [("a", "i4")]), "<ndarray record 2>"),
        (np.complex64(1), "<scalar <c8>"),
        (Image.new("RGB", (640, 480)), "<PNG 640 x 480>"),
        ([Decimal("1.10"), date(2026, 1, 2)], "[1.10, 2026-01-02]"),
        (timedelta(days=1, seconds=2.5), "<timedelta 1 d 2.5 s>"),
        (Color.RED, "<Color.RED>"),
        (Metric(0.5), 'Metric {"loss": 0.5}'),
        ({"$type": "mine"}, '{"$type": "mine"}'),
        ({"raw": b"abc"}, '{"raw": <3 bytes>}'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_payload_is_shown_by_what_it_is(data: Any, text: str) -> None:
    assert data_text(on_wire(data), 200) == text


@pytest.mark.parametrize(
    "wire",
    [
        {"$type": "table"},
        {"$type": "table", "class": 1, "rows": "x", "width": []},
        {"$type": "ndarray", "dtype": 1, "shape": 2},
        {"$type": "image", "mime": "image/png", "width": "many", "height": 1},
        {"$type": "display", "bundle": 3, "class": "x"},
        {"$type": ["table"]},
        {"$type": "foreign", "$$type": 1},
        {"$type": "packed"},
    ],
    ids=str,
)
def test_a_damaged_payload_is_shown_as_json(wire: Any) -> None:
    assert described(wire) is None
    assert data_text(wire, 200).startswith('{"$type": ')
    flat(wire)


def test_names_of_others_cannot_reach_the_terminal_or_be_long() -> None:
    text = described({"$type": "table", "class": "x" * 500 + "\x1b[2J", "rows": 1, "width": 1})
    assert text is not None
    assert len(text) <= 61
    assert "\x1b" not in (described({"$type": "object", "class": "\x1b[2J"}) or "")


def test_numbers_of_rows_are_short() -> None:
    assert [compact(number) for number in (0, 999, 1_000, 10_000, 1_234_567)] == ["0", "999", "1k", "10k", "1.23M"]


def test_the_cell_of_a_table_has_the_value_or_what_it_is() -> None:
    data = {"at": date(2026, 1, 2), "t": pd.DataFrame({"a": [1]}), "m": Metric(0.5), "c": Color.RED, "$type": [1]}
    assert flat(on_wire(data)) == {
        "at": "2026-01-02", "t": "DataFrame 1 x 1", "m": {"loss": 0.5}, "c": 1, "$type": [1],
    }  # fmt: skip
