"""The callbacks of appends and changes: in order, in short steps, and each of them once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from jupyter_rtmsg.log import completions as module
from jupyter_rtmsg.log.completions import CompletionQueue
from jupyter_rtmsg.log.records import Appended
from jupyter_rtmsg.log.work import Changed, Completion


class Clock:
    """A loop's clock that advances by a millisecond for each callback, and its scheduled steps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps: list[Callable[[], None]] = []
        self.called: list[int] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, step: Callable[[], None]) -> None:
        self.steps.append(step)

    def completions(self, numbers: Sequence[int]) -> list[Completion]:
        def done(value: object) -> None:
            self.now += 0.001
            assert isinstance(value, Appended)
            self.called.append(value.seq)

        return [Completion(done, Appended(number, False)) for number in numbers]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> CompletionQueue:
    return CompletionQueue(clock)  # type: ignore[arg-type]


def test_few_are_called_at_once(clock: Clock, queue: CompletionQueue) -> None:
    queue.add(clock.completions(range(3)), later=False)
    assert clock.called == [0, 1, 2]
    assert not clock.steps
    assert not len(queue)


def test_many_are_called_in_several_steps_and_in_order(clock: Clock, queue: CompletionQueue) -> None:
    queue.add(clock.completions(range(100)), later=False)
    assert 0 < len(clock.called) < 100
    queue.add(clock.completions(range(100, 103)), later=False)  # of the next commit: they wait behind the others
    while clock.steps:
        before = clock.now
        (step,) = clock.steps
        clock.steps.clear()
        step()
        assert clock.now - before < module.SLICE + 0.001 * 16
    assert clock.called == list(range(103))


def test_later_means_not_in_this_step(clock: Clock, queue: CompletionQueue) -> None:
    queue.add(clock.completions(range(2)), later=True)
    assert not clock.called
    clock.steps.pop()()
    assert clock.called == [0, 1]


def test_the_tasks_waiting_for_a_later_step_are_bounded(
    clock: Clock, queue: CompletionQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 50)
    queue.add(clock.completions(range(200)), later=False)
    assert len(queue) <= 50


def test_drain_calls_all_of_them(clock: Clock, queue: CompletionQueue) -> None:
    queue.add(clock.completions(range(200)), later=True)
    queue.drain()
    assert clock.called == list(range(200))
    clock.steps.pop()()  # finds nothing left
    assert clock.called == list(range(200))


async def test_an_exception_of_a_callback_does_not_keep_the_others_from_being_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    called: list[object] = []

    def fail(value: object) -> None:
        raise ZeroDivisionError

    queue = CompletionQueue(asyncio.get_running_loop())
    queue.add([Changed(fail, None), Changed(called.append, None)], later=False)
    assert called == [None]
    assert "the callback of an append or a change raised an exception" in caplog.text
