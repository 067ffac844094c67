"""One timer for all deadlines, and one for the checks of what may be stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg.server import timers
from jupyter_rtmsg.server.timers import SLICE, Deadlines, Watch


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        handle = super().call_at(when, callback, *args, context=context)
        self.call_soon(self.advance, handle)
        return handle

    def advance(self, timer: asyncio.TimerHandle) -> None:
        if not timer.cancelled():
            self.now = max(self.now, timer.when())


class Member:
    def __init__(self) -> None:
        self.deadline: float | None = None
        self.expired: list[float] = []

    def expire(self) -> None:
        self.expired.append(asyncio.get_running_loop().time())


def expire_at(deadlines: Deadlines, member: Member, when: float) -> None:
    member.deadline = when
    deadlines.add(member)


def run(scenario: Callable[[Deadlines, Clock], None]) -> None:
    loop = Clock()

    async def main() -> None:
        scenario(Deadlines(), loop)
        for _ in range(20):
            await asyncio.sleep(0)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_members_expire_in_the_order_of_their_deadlines():
    late, soon = Member(), Member()

    def scenario(deadlines: Deadlines, loop: Clock) -> None:
        expire_at(deadlines, late, 50.0)
        expire_at(deadlines, soon, 25.0)

    run(scenario)
    assert (soon.expired, late.expired) == ([25.0], [50.0])


def test_a_deadline_that_was_moved_counts_once():
    member = Member()

    def scenario(deadlines: Deadlines, loop: Clock) -> None:
        expire_at(deadlines, member, 25.0)
        expire_at(deadlines, member, 45.0)
        expire_at(deadlines, member, 30.0)

    run(scenario)
    assert member.expired == [30.0]


def test_a_member_without_a_deadline_is_left_alone():
    member = Member()

    def scenario(deadlines: Deadlines, loop: Clock) -> None:
        expire_at(deadlines, member, 25.0)
        member.deadline = None

    run(scenario)
    assert member.expired == []


class Checked:
    """Returns True from `check` until it was called a given number of times."""

    def __init__(self, times: int, log: list[object]) -> None:
        self.times = times
        self.log = log

    def check(self, now: float) -> bool:
        self.log.append(self)
        self.times -= 1
        return self.times > 0


@pytest.fixture(autouse=True)
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "CHECK_EVERY", 0.01)


async def test_members_are_checked_until_they_return_false_and_then_no_timer_runs():
    log: list[object] = []
    watching = Watch()
    once, thrice = Checked(1, log), Checked(3, log)
    watching.add(once)
    watching.add(thrice)
    await until(lambda: watching._timer is None)
    assert log == [once, thrice, thrice, thrice]
    watching.add(Checked(1, log))
    await until(lambda: len(log) == 5)
    await until(lambda: watching._timer is None)


async def test_many_members_are_checked_in_several_turns():
    log: list[object] = []
    watching = Watch()
    for _ in range(4 * SLICE):
        watching.add(Checked(1, log))
    seen: set[int] = set()
    while len(log) < 4 * SLICE:
        seen.add(len(log))
        await asyncio.sleep(0)
    assert {SLICE, 2 * SLICE, 3 * SLICE} <= seen


async def test_a_closed_watch_checks_nothing():
    log: list[object] = []
    watching = Watch()
    watching.add(Checked(1, log))
    watching.close()
    assert (watching._timer, watching._members) == (None, {})
