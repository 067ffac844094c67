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


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@given(VALUES)
def test_what_was_encoded_is_what_was_given(value: Any) -> None:
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


def test_more_attachments_than_allowed_are_refused_with_both_numbers() -> None:
    with pytest.raises(LimitExceeded, match="3 attachments, more than the 2"):
        encode_data([b"", b"", b""], max_depth=60, max_attachments=2)


@pytest.mark.parametrize(
    "value", [{"_placeholder": True, "num": 0}, [1, {"_placeholder": False}], {"x": {"_placeholder": 1}}]
)
def test_a_forged_placeholder_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match="_placeholder"):
        encode_data(value, max_depth=60, max_attachments=10)
