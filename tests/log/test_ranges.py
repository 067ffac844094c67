"""Ranges against a plain set of positions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.log import Ranges

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=20)


@given(floor=st.integers(0, 10), spans=SPANS)
def test_ranges_have_the_positions_that_were_added(floor: int, spans: list[tuple[int, int]]) -> None:
    ranges, plain = Ranges(floor), set(range(floor + 1))
    for after, size in spans:
        ranges.add(after, after + size)
        plain |= set(range(after + 1, after + size + 1))
    assert {position for position in range(60) if position in ranges} == plain
    parts = list(ranges)
    assert all(after < through for after, through in parts)
    edges = [ranges.floor, *(edge for part in parts for edge in part)]
    assert edges == sorted(set(edges)), "the ranges touch"
    assert ranges.end == max(plain)
    assert list(Ranges(ranges.floor, parts)) == parts
