"""The bytes that sessions hold, and which session is cut off when they are too many."""

from __future__ import annotations

import asyncio

from jupyter_rtmsg.server.memory import MAX_CUTS, Memory


class Holder:
    """A session that frees its bytes when it is cut off."""

    def __init__(self, holders: list[Holder], memory: Memory, principal: str, held: int) -> None:
        self.holders, self.memory, self.principal, self.held = holders, memory, principal, held
        holders.append(self)
        memory.add(held)

    def cut_off(self, why: str, *, now: bool = False) -> None:
        self.holders.remove(self)
        self.memory.add(-self.held)


async def test_nothing_is_cut_off_while_the_limit_is_kept():
    holders: list[Holder] = []
    memory = Memory(100, lambda: holders)
    only = Holder(holders, memory, "ada", 100)
    await asyncio.sleep(0)
    assert holders == [only]
    memory.add(1)
    memory.add(-1)  # kept again before the loop comes round
    await asyncio.sleep(0)
    assert holders == [only]


async def test_the_principal_with_the_most_loses_its_largest_session():
    holders: list[Holder] = []
    memory = Memory(100, lambda: holders)
    single = Holder(holders, memory, "bob", 45)
    small, large = Holder(holders, memory, "ada", 20), Holder(holders, memory, "ada", 40)
    assert large in holders  # the caller of `add` is not disturbed
    await asyncio.sleep(0)
    assert holders == [single, small]
    assert memory.used == 65


async def test_many_sessions_are_cut_off_in_several_turns():
    holders: list[Holder] = []
    memory = Memory(1, lambda: holders)
    for _ in range(2 * MAX_CUTS):
        Holder(holders, memory, "ada", 1)
    await asyncio.sleep(0)
    assert len(holders) == MAX_CUTS
    await asyncio.sleep(0)
    assert len(holders) == 1
