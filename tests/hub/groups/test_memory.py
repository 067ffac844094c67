"""The memory of all worker groups together."""

from __future__ import annotations

from typing import Any

from support.members import Member, until

from jupyter_rtmsg.hub.groups.memory import WOKEN, MemoryShare, WindowMemory


def fill(share: MemoryShare, step: int = 10) -> int:
    """Load events of a size while there is room; return what was loaded."""
    size = share._size
    while share.has_room(size):
        size += step
    share.note(size)
    return size


def test_one_user_has_at_most_a_half_and_something_is_always_left() -> None:
    memory = WindowMemory(1000)
    groups = [MemoryShare(memory, "ann", lambda: None) for _ in range(5)]
    sizes = [fill(group) for group in groups]
    assert sizes == [500, 0, 0, 0, 0]
    others = [fill(MemoryShare(memory, f"user{i}", lambda: None)) for i in range(6)]
    assert all(others)
    assert memory.used <= 1000 + 10


def test_groups_that_wait_look_again_in_turn_when_memory_becomes_free() -> None:
    memory, woken = WindowMemory(1000), []
    first = MemoryShare(memory, "ann", lambda: None)
    fill(first)  # it waits itself, and is woken first
    waiting = [MemoryShare(memory, "ann", lambda i=i: woken.append(i)) for i in range(WOKEN + 2)]  # type: ignore[misc]
    for share in waiting:
        share.note(0)
    waiting[0].close()
    first.note(300)
    assert woken == list(range(1, WOKEN))
    first.note(200)
    assert woken == list(range(1, WOKEN + 2))
    first.close()
    assert memory.used == 0


async def test_groups_that_load_large_events_share_the_memory_and_all_go_on(start: Any) -> None:
    hub = await start(group_bytes_in_all=100_000, group_bytes=60_000, message=1_000_000)
    publisher = await hub.connect(user="ann")
    rooms = [f"r{i}" for i in range(4)]
    for room in rooms:
        for _ in range(8):
            await publisher.publish("x" * 10_000, room=room)
    ann, bob = await hub.connect(user="ann"), await hub.connect(user="bob")
    for room in rooms[:3]:
        await ann.call("work", room=room, group="g", max_in_flight=100)
    await until(lambda: len(given(ann)) >= 4)
    await bob.call("work", room=rooms[3], group="g", max_in_flight=100)
    await until(lambda: given(bob))
    memory = hub.hub.core.groups._host.memory
    assert memory.used < 100_000 + 20_000
    answered: list[Any] = []
    while len(answered) < 32:
        await until(lambda: len(given(ann)) + len(given(bob)) > len(answered))
        for member in (ann, bob):
            for each in given(member):
                if each not in answered:
                    answered.append(each)
                    room, *delivery = each
                    await member.call("done", room=room, group="g", deliveries=[delivery])
        assert memory.used < 100_000 + 20_000
    await until(lambda: memory.used == 0)


def given(member: Member) -> list[tuple[Any, ...]]:
    """Return the room, seq and attempt of what was given to a worker."""
    work = [got.meta for got in member.got if got.name == "$work"]
    return [(meta["room"], meta["seq"], meta["attempt"]) for meta in work]
