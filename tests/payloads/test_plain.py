"""What is the same on the wire."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest
from support.payloads import on_wire, round_trip

from jupyter_rtmsg.errors import NotJSON
from jupyter_rtmsg.payloads.plain import is_plain


@pytest.mark.parametrize("data", [None, True, 1, 1.5, "a", b"a", [1, [b"", {"a": None}]], {"$": 1, "a$type": 2}, {}])
def test_json_and_bytes_are_the_same_on_the_wire(data: Any) -> None:
    assert is_plain(data)
    assert on_wire(data) == data


@pytest.mark.parametrize("data", [{"$type": 1}, [{"a": {"$$type": 1}}], {1}, object(), {1: 2}])
def test_everything_else_is_looked_at(data: Any) -> None:
    assert not is_plain(data)


def test_a_key_that_looks_like_ours_comes_back_as_it_was() -> None:
    data = {"$type": "ndarray", "$$type": [{"$$$type": {"$type": 1}}], "type": 2}
    assert on_wire(data) == {"$$type": "ndarray", "$$$type": [{"$$$$type": {"$$type": 1}}], "type": 2}
    assert round_trip(data) == data


def test_a_tuple_is_a_list_and_numbers_of_other_classes_are_numbers() -> None:
    class Level(enum.IntEnum):
        HIGH = 3

    data = on_wire({"t": (1, 2), "level": Level.HIGH, "loss": np.float32(0.5), "n": np.int64(7), "b": np.True_})
    assert data == {"t": [1, 2], "level": 3, "loss": 0.5, "n": 7, "b": True}
    assert [type(data[key]) for key in ("level", "loss", "n", "b")] == [int, float, int, bool]


def test_data_that_contain_themselves_are_refused() -> None:
    data: list[Any] = [{"$type": 1}]
    data.append(data)
    with pytest.raises(NotJSON, match="contains itself"):
        on_wire(data)


def test_an_unknown_class_is_refused_with_what_to_send_instead() -> None:
    with pytest.raises(NotJSON, match=r"set is neither JSON nor bytes: \{1\}. Send list\(\) of it"):
        on_wire({"a": {1}})
    with pytest.raises(NotJSON, match="nan is not JSON"):
        on_wire({"$type": float("nan")})
