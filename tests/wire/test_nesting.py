from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.wire import nesting
from jupyter_rtmsg.wire.nesting import MAX_CONTAINERS, nesting_fault

TEXTS = st.text('[]{}"\\,:a é', max_size=6)
VALUES = st.recursive(
    TEXTS | st.none(), lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5)
)


def measured(value: Any) -> tuple[int, int]:
    """Return how deep a value is, and how many lists and dicts it has, by looking at each."""
    if not isinstance(value, (list, dict)):
        return 0, 0
    inner = [measured(item) for item in (value if isinstance(value, list) else value.values())]
    return 1 + max((depth for depth, _ in inner), default=0), 1 + sum(count for _, count in inner)


@given(VALUES, st.booleans())
def test_depth_and_number_equal_those_of_a_walk(value: Any, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii) + " " * 100  # whatever is short is not looked at
    depth, count = measured(value)
    for form in (text, text.encode()):
        if depth:
            assert nesting_fault(form, depth) is None
            assert nesting_fault(form, 0, count) or depth
            assert "levels deep" in (nesting_fault(form, depth - 1) or "")
            assert nesting_fault(form, depth, count) is None
        if count > 1 and count > depth:
            assert f"of {count} lists" in (nesting_fault(form, depth, count - 1) or "")


@given(VALUES)
def test_levels_that_are_taken_away_at_once_are_counted(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nesting, "_LOPSIDED", 0)
        text = json.dumps([[value] * 30] * 30)
        depth = 2 + measured(value)[0]
        fault = nesting_fault(text, depth)
        assert fault is None or "hardly anything but lists" in fault
        assert "levels deep" in (nesting_fault(text, depth - 1) or "")


def test_data_that_people_send_pass() -> None:
    table = json.dumps([[1, 2]] * 160_000, separators=(",", ":"))
    records = json.dumps([{"loss": 0.1234, "tags": ["[a]", "b"], "at": {"epoch": 3}}] * 16_000)
    tree: list[Any] = ["leaf"]
    for _ in range(12):
        tree = [tree, tree]
    for text in (table, records, json.dumps(tree), json.dumps("[" * 1_000_000), json.dumps(list(range(200_000)))):
        assert nesting_fault(text, 60) is None


def test_more_lists_than_anybody_should_build_are_refused_with_both_numbers() -> None:
    assert nesting_fault("[" + "[]," * 199_998 + "[]]", 60) is None
    assert "200,001 lists and objects, more than 200,000" in (nesting_fault("[" + "[]," * 199_999 + "[]]", 60) or "")
    quoted = json.dumps(["[" * 10] * (MAX_CONTAINERS // 8))
    assert nesting_fault(quoted, 60) is None


def test_lists_of_lists_of_lists_are_refused_before_they_are_followed() -> None:
    slope = "[" * 50 + "]" * 50
    text = "[" + ",".join([slope] * 1_500) + "," + "0," * 100_000 + "0]"
    assert "hardly anything but lists" in (nesting_fault(text, 60) or "")


SHAPES = {
    "wide": "[],",
    "objects": "{},",
    "pairs": "[1,2],",
    "deep": "[" * 60 + "]" * 60 + ",",
    "comb": "".join("[" * level + "]" * level + "," for level in range(1, 60)),
    "strings with brackets": '"[",',
    "strings between brackets": '["[",["["]],',
    "escaped quotes": '"\\"[",',
    "records": '{"a":1},',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_looking_is_no_more_work_for_each_byte_of_a_long_text(shape: str) -> None:
    def cost(size: int) -> float:
        text = "[" + SHAPES[shape] * (size // len(SHAPES[shape])) + "0]"
        least = float("inf")
        for _ in range(3):
            before = time.process_time()
            nesting_fault(text, 60)
            least = min(least, time.process_time() - before)
        return least

    assert cost(2_000_000) < max(cost(125_000), 1e-4) * 16 * 6
