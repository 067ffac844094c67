"""Data as text: whole where it is short, cut where it is long."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.payloads.text import data_text

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(_JSON)
def test_data_is_shown_as_the_json_it_is(data: Any) -> None:
    assert json.loads(data_text(data, 100_000)) == data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"abc", "<3 bytes>"),
        ({"png": b"x" * 12_345}, '{"png": <12,345 bytes>}'),
        ([1, [b""]], "[1, [<0 bytes>]]"),
        ({"größe": "ä"}, '{"größe": "ä"}'),
    ],
)
def test_bytes_are_shown_by_their_size_and_letters_as_they_are(data: Any, text: str) -> None:
    assert data_text(data, 100) == text


@pytest.mark.parametrize("data", [list(range(10**6)), "x" * 10**7, {"a": ["x" * 10**7]}, {"x" * 10**7: 1}])
def test_long_data_is_cut_and_says_so(data: Any) -> None:
    text = data_text(data, 100)
    assert len(text) == 101
    assert text.endswith("…")
