from __future__ import annotations

import pytest

from jupyter_rtmsg.errors import RateExceeded
from jupyter_rtmsg.hub.rate import TokenBucket


def test_a_burst_passes_and_the_next_is_told_when_to_try_again() -> None:
    bucket = TokenBucket(10, 3, 100.0)
    for _ in range(3):
        bucket.take(100.0)
    with pytest.raises(RateExceeded, match=r"10 publishes a second, after a burst of 3: try again in 0.100 s"):
        bucket.take(100.0)


def test_tokens_come_back_at_the_rate_and_never_more_than_the_burst() -> None:
    bucket = TokenBucket(10, 3, 0.0)
    for _ in range(3):
        bucket.take(0.0)
    bucket.take(0.1)
    with pytest.raises(RateExceeded):
        bucket.take(0.15)
    bucket.take(0.2)
    for _ in range(3):
        bucket.take(60.0)
    with pytest.raises(RateExceeded):
        bucket.take(60.0)
