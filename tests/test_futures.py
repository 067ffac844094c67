"""Helpers for futures of asyncio."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_rtmsg.futures import Waiters, settle


async def test_an_outcome_is_a_result_or_an_exception() -> None:
    loop = asyncio.get_running_loop()
    result, failure = loop.create_future(), loop.create_future()
    settle(result, 1)
    settle(failure, KeyError("x"))
    assert await result == 1
    with pytest.raises(KeyError):
        await failure


async def test_a_future_that_is_done_is_left_alone() -> None:
    done, cancelled = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    done.set_result(1)
    cancelled.cancel()
    settle(done, 2)
    settle(cancelled, 2)
    assert done.result() == 1
    assert cancelled.cancelled()


async def test_all_waiting_tasks_go_on_when_woken() -> None:
    waiters = Waiters()
    tasks = [asyncio.create_task(waiters.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert waiters
    waiters.wake()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert not waiters


async def test_a_wait_ends_after_its_timeout_and_is_forgotten() -> None:
    waiters = Waiters()
    await waiters.wait(0.01)
    assert not waiters
