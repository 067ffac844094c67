"""When a group loads further events."""

from __future__ import annotations

from support.groups import World


def test_no_page_is_read_for_each_place_that_becomes_free() -> None:
    world = World(window=8, key=None)
    for _ in range(30):
        world.publish(None)
    world.join("a", 2)
    reads = []
    for seq in range(1, 13):
        assert world.group.window.read - world.group.workers.given - (seq - 1) >= 4  # half a window at least
        world.answer("a", seq, "done")
        reads.append(world.group.window.read)
    assert len(set(reads)) <= 5, reads  # a page of the model has three events


def test_a_page_is_read_as_soon_as_a_worker_has_nothing_to_do() -> None:
    world = World(window=8, key="key")
    for _ in range(8):
        world.publish("slow")  # all but the first wait for it
    world.join("a", 1)
    world.join("b", 1)
    world.publish("quick")
    assert world.events[9].given == ("b", 1)
