from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.errors import BadRequest, LimitExceeded, TooDeep
from jupyter_rtmsg.hub.data import encode_data
from jupyter_rtmsg.wire.data import load, reconstruct

LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5) | st.binary(max_size=5)
KEYS = st.text(max_size=5).filter(lambda key: key != "_placeholder")
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


def nested(levels: int, value: Any = 0) -> Any:
    for _ in range(levels):
        value = [value]
    return value


@given(VALUES)
def test_encoded_data_decode_to_the_given_value(value: Any) -> None:
    encoded, attachments = encode_data(value, max_depth=60, max_attachments=1000)
    assert reconstruct(load(encoded), attachments) == value


def test_bytes_become_attachments_wherever_they_are() -> None:
    encoded, attachments = encode_data({"a": [b"x", {"b": b"y"}], "c": 1}, max_depth=60, max_attachments=10)
    assert attachments == (b"x", b"y")
    assert json.loads(encoded)["a"][1]["b"] == {"_placeholder": True, "num": 1}


def test_sixty_levels_pass_and_one_more_is_too_deep() -> None:
    encode_data(nested(60), max_depth=60, max_attachments=10)
    encode_data({"a": nested(59)}, max_depth=60, max_attachments=10)
    for value in (nested(61), {"a": nested(60)}, [b"", nested(60)]):
        with pytest.raises(TooDeep, match="60"):
            encode_data(value, max_depth=60, max_attachments=10)


def test_a_limit_of_few_levels_holds_too() -> None:
    for limit in range(1, 8):
        encode_data(nested(limit), max_depth=limit, max_attachments=10)
        with pytest.raises(TooDeep, match=str(limit)):
            encode_data(nested(limit + 1), max_depth=limit, max_attachments=10)


def test_more_attachments_than_allowed_are_refused_with_both_numbers() -> None:
    with pytest.raises(LimitExceeded, match="3 attachments, and the limit for one event is 2"):
        encode_data([b"", b"", b""], max_depth=60, max_attachments=2)


@pytest.mark.parametrize(
    "value", [{"_placeholder": True, "num": 0}, [1, {"_placeholder": False}], {"x": {"_placeholder": 1}}]
)
def test_a_forged_placeholder_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match="_placeholder"):
        encode_data(value, max_depth=60, max_attachments=10)


def test_the_mark_is_found_however_it_was_spelt_and_may_be_a_text() -> None:
    for value in ({"a": [load(rb'{"_\u0070laceholder":true,"num":0}')]}, [b"", {"x": {"_placeholder": 1}}]):
        with pytest.raises(BadRequest, match="_placeholder"):
            encode_data(value, max_depth=60, max_attachments=10)
    for value in ({"a": ["_placeholder"]}, [{"x": '"_placeholder":'}], [{"placeholder": 1, "_placeholders": 2}]):
        encoded, attachments = encode_data(value, max_depth=60, max_attachments=10)
        assert (json.loads(encoded), attachments) == (value, ())


@pytest.mark.parametrize("binary", [b"x", bytearray(b"x"), memoryview(b"x")], ids=lambda value: type(value).__name__)
def test_bytes_of_any_kind_are_never_turned_into_text(binary: Any) -> None:
    for value in (binary, [binary], {"a": binary}, {"a": {"b": [1, {"c": binary}]}}, [[0.5] * 1000, {}, [binary]]):
        encoded, attachments = encode_data(value, max_depth=60, max_attachments=10)
        assert attachments == (b"x",)
        assert b'{"_placeholder":true,"num":0}' in encoded


def test_bytes_take_a_level_for_their_placeholder() -> None:
    encode_data(nested(59, b"x"), max_depth=60, max_attachments=10)
    with pytest.raises(TooDeep, match="60"):
        encode_data(nested(60, b"x"), max_depth=60, max_attachments=10)
