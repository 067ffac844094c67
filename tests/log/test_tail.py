from __future__ import annotations

import asyncio

import pytest

from jupyter_rtmsg.log import Record
from jupyter_rtmsg.log.tail import Tail


def batch(*positions: int | None, size: int = 1) -> list[Record]:
    return [Record("lab", seq, None, 0, "tick", b"x" * size, (), b"{}", "", None) for seq in positions]


def test_a_position_before_the_floor_is_not_in_memory() -> None:
    tail = Tail(10, 100, 1000)
    assert tail.find(9) is None
    assert tail.find(10) == 0


def test_the_first_batch_with_a_later_event_is_found() -> None:
    tail = Tail(0, 100, 1000)
    for each in (batch(1, 2), batch(None), batch(3), batch(4, 5)):
        tail.push(each)
    assert [tail.find(position) for position in range(6)] == [0, 0, 2, 3, 3, 4]


@pytest.mark.parametrize("limits", [(3, 1000), (100, 3)])
def test_the_oldest_batches_are_dropped_beyond_a_limit_and_raise_the_floor(limits: tuple[int, int]) -> None:
    tail = Tail(0, *limits)
    for each in (batch(1, 2), batch(None), batch(3), batch(4)):
        tail.push(each)
    assert tail.floor == 2
    assert tail.find(1) is None
    with pytest.raises(LookupError):
        tail.get(0)
    assert tail.get(3) == batch(4)
    assert tail.get(4) is None


def test_a_dropped_batch_of_announced_events_leaves_the_floor() -> None:
    tail = Tail(7, 1, 1000)
    tail.push(batch(None))
    tail.push(batch(8))
    assert tail.floor == 7


def test_the_newest_batch_stays_however_large() -> None:
    tail = Tail(0, 1, 1)
    tail.push(batch(*range(1, 100), size=50))
    assert len(tail.get(0) or ()) == 99


async def test_a_waiter_is_woken_by_a_batch_and_by_the_end() -> None:
    tail = Tail(0, 10, 100)
    for act in (lambda: tail.push(batch(1)), tail.close):
        waiters = [asyncio.ensure_future(tail.more()) for _ in range(2)]
        await asyncio.sleep(0)
        act()
        await asyncio.wait_for(asyncio.gather(*waiters), 5)


async def test_a_cancelled_waiter_is_forgotten() -> None:
    tail = Tail(0, 10, 100)
    waiter = asyncio.ensure_future(tail.more())
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert not tail._waiting


async def test_a_fed_function_gets_each_batch_within_push() -> None:
    tail, taken = Tail(0, 10, 1000), []
    feeding = asyncio.ensure_future(tail.feed(taken.append, 0))
    await asyncio.sleep(0)
    for each in (batch(1, 2), batch(None), batch(3)):
        tail.push(each)
        assert taken[-1] == each
    tail.close()
    assert await asyncio.wait_for(feeding, 5) == 3


async def test_a_fed_function_gets_nothing_between_a_restart_and_the_end_of_feed() -> None:
    tail, taken = Tail(0, 10, 1000), []
    feeding = asyncio.ensure_future(tail.feed(taken.append, 0))
    await asyncio.sleep(0)
    tail.push(batch(1))
    tail.restart(4)
    tail.push(batch(5))
    assert await asyncio.wait_for(feeding, 5) == 1
    assert taken == [batch(1)]


async def test_a_fed_function_that_raises_gets_no_later_batch() -> None:
    tail, taken = Tail(0, 10, 1000), []

    def take(records: list[Record]) -> None:
        taken.append(records)
        raise ZeroDivisionError

    feeding = asyncio.ensure_future(tail.feed(take, 0))
    others = asyncio.ensure_future(tail.more())
    await asyncio.sleep(0)
    tail.push(batch(1))
    tail.push(batch(2))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(feeding, 5)
    assert taken == [batch(1)]
    await asyncio.wait_for(others, 5)


async def test_a_cancelled_feed_gets_nothing_more() -> None:
    tail, taken = Tail(0, 10, 1000), []
    feeding = asyncio.ensure_future(tail.feed(taken.append, 0))
    await asyncio.sleep(0)
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    tail.push(batch(1))
    assert not taken
