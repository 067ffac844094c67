"""An interrupt (Ctrl-C, or the stop button of a notebook) ends the call that waits, and nothing else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from jupyter_rtmsg.client.loop_thread import LoopThread


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread("test interrupt")
    yield thread
    thread.stop()


async def answer() -> int:
    await asyncio.sleep(0.001)
    return 42


def run_interrupted(thread: LoopThread, at: int) -> bool:
    """Run a coroutine, interrupted when a function is entered or left for the nth time; return whether that was."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        frame.f_trace_lines = False
        count += event in ("call", "return")
        if count == at:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        thread.run(answer())
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    assert count < at, "an interrupt was ignored"
    return False


@pytest.mark.filterwarnings("ignore:coroutine 'answer' was never awaited")
def test_the_loop_survives_an_interrupt_at_any_point(thread: LoopThread) -> None:
    at = 1
    while run_interrupted(thread, at):
        assert thread.submit(answer()).result(5) == 42, f"after an interrupt at {at}"
        at += 1
    assert at > 5
