"""A look once a second at what may be stuck, and no timer while there is nothing to look at."""

from __future__ import annotations

import asyncio

import pytest
from support.wsclient import until

from jupyter_rtmsg.server import watch
from jupyter_rtmsg.server.watch import SLICE, Watch


class Member:
    """Wants to be looked at so many times."""

    def __init__(self, times: int, log: list[object]) -> None:
        self.times = times
        self.log = log

    def check(self, now: float) -> bool:
        self.log.append(self)
        self.times -= 1
        return self.times > 0


@pytest.fixture(autouse=True)
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY", 0.01)


async def test_members_are_looked_at_for_as_long_as_they_want_and_then_no_timer_runs():
    log: list[object] = []
    watching = Watch()
    once, thrice = Member(1, log), Member(3, log)
    watching.add(once)
    watching.add(thrice)
    await until(lambda: watching._timer is None)
    assert log == [once, thrice, thrice, thrice]
    watching.add(Member(1, log))
    await until(lambda: len(log) == 5)
    await until(lambda: watching._timer is None)


async def test_many_members_are_looked_at_in_several_turns():
    log: list[object] = []
    watching = Watch()
    for _ in range(4 * SLICE):
        watching.add(Member(1, log))
    seen: set[int] = set()
    while len(log) < 4 * SLICE:
        seen.add(len(log))
        await asyncio.sleep(0)
    assert {SLICE, 2 * SLICE, 3 * SLICE} <= seen


async def test_one_that_is_closed_looks_at_nobody():
    log: list[object] = []
    watching = Watch()
    watching.add(Member(1, log))
    watching.close()
    assert (watching._timer, watching._members) == (None, {})
