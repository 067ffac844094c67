"""How often a browser is told."""

from __future__ import annotations

import time
from collections.abc import Callable

from support.jupyter import wait_until

from jupyter_rtmsg.widgets.pace import PER_SECOND, Pace


def _times(pace_of: Callable[[Callable[[], int]], Pace], sent: int, count: int) -> list[float]:
    """Return when a pace made so many calls although it was woken all the time."""
    times: list[float] = []

    def flush() -> int:
        times.append(time.monotonic())
        return sent

    pace = pace_of(flush)
    pace.start()

    def wake() -> bool:
        pace.wake()
        return len(times) >= count

    wait_until(wake, f"{count} calls")
    pace.close()
    pace.join()
    return times


def test_calls_are_an_interval_apart_however_often_it_is_woken() -> None:
    times = _times(lambda flush: Pace(flush, interval=0.1), sent=1, count=4)
    assert times[3] - times[0] >= 0.3


def test_after_a_large_batch_the_pause_is_longer() -> None:
    times = _times(lambda flush: Pace(flush, interval=0.01), sent=200, count=2)
    assert times[1] - times[0] >= 200 / PER_SECOND


def test_nothing_is_called_without_being_woken_nor_once_closed() -> None:
    calls: list[int] = []
    pace = Pace(lambda: calls.append(1) or 0)
    pace.start()
    pace.close()
    pace.join(10)
    assert not pace.is_alive()
    assert calls == []


def test_a_call_that_raises_is_not_the_last() -> None:
    calls: list[int] = []

    def flush() -> int:
        calls.append(1)
        raise RuntimeError("once")

    pace = Pace(flush, interval=0.01)
    pace.start()
    wait_until(lambda: (pace.wake(), len(calls) >= 2)[1], "it is called again")
    pace.close()
