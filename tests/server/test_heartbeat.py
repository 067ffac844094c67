"""Deadlines: one timer for all, and only the last deadline of a member counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jupyter_rtmsg.server.heartbeat import Deadlines


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
        deadlines.set(late, 50.0)
        deadlines.set(soon, 25.0)

    run(scenario)
    assert (soon.expired, late.expired) == ([25.0], [50.0])


def test_a_deadline_that_was_moved_counts_once():
    member = Member()

    def scenario(deadlines: Deadlines, loop: Clock) -> None:
        deadlines.set(member, 25.0)
        deadlines.set(member, 45.0)
        deadlines.set(member, 30.0)

    run(scenario)
    assert member.expired == [30.0]


def test_a_member_without_a_deadline_is_left_alone():
    member = Member()

    def scenario(deadlines: Deadlines, loop: Clock) -> None:
        deadlines.set(member, 25.0)
        member.deadline = None

    run(scenario)
    assert member.expired == []
