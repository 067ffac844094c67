"""The rate at which a browser is sent messages."""

from __future__ import annotations

import time
from collections.abc import Callable

from support.jupyter import wait_until

from jupyter_rtmsg.widgets.throttle import PER_SECOND, Throttle


def _times(make: Callable[[Callable[[], int]], Throttle], sent: int, count: int) -> list[float]:
    """Return the times of the first calls of a throttle that is woken all the time."""
    times: list[float] = []

    def flush() -> int:
        times.append(time.monotonic())
        return sent

    throttle = make(flush)
    throttle.start()

    def wake() -> bool:
        throttle.wake()
        return len(times) >= count

    wait_until(wake, f"{count} calls")
    throttle.close()
    throttle.join()
    return times


def test_calls_are_an_interval_apart_however_often_it_is_woken() -> None:
    times = _times(lambda flush: Throttle(flush, interval=0.1), sent=1, count=4)
    assert times[3] - times[0] >= 0.3


def test_after_a_large_batch_the_pause_is_longer() -> None:
    times = _times(lambda flush: Throttle(flush, interval=0.01), sent=200, count=2)
    assert times[1] - times[0] >= 200 / PER_SECOND


def test_nothing_is_called_without_being_woken_nor_once_closed() -> None:
    calls: list[int] = []
    throttle = Throttle(lambda: calls.append(1) or 0)
    throttle.start()
    throttle.close()
    throttle.join(10)
    assert not throttle.is_alive()
    assert calls == []


def test_a_call_that_raises_is_not_the_last() -> None:
    calls: list[int] = []

    def flush() -> int:
        calls.append(1)
        raise RuntimeError("once")

    throttle = Throttle(flush, interval=0.01)
    throttle.start()
    wait_until(lambda: (throttle.wake(), len(calls) >= 2)[1], "it is called again")
    throttle.close()
