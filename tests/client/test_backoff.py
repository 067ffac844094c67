from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.client.backoff import Backoff


def test_delays_double_up_to_the_limit_and_start_over() -> None:
    backoff = Backoff(chance=lambda: 1.0)
    assert [backoff.next() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next() == 0.5


@given(st.floats(0, 1))
def test_half_of_a_delay_is_random(chance: float) -> None:
    delay = Backoff(chance=lambda: chance).next()
    assert 0.25 <= delay <= 0.5
