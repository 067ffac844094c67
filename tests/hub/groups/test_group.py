"""The rules of a worker group, by its state machine: each a complaint about another queue."""

from __future__ import annotations

from support.groups import GRACE, World


def test_a_job_of_two_hours_is_not_given_again_while_its_worker_is_connected() -> None:
    world = World()
    world.publish("x")
    world.join("a", 1)
    world.join("b", 1)
    world.wait(7_200.0)
    assert world.events[1].given == ("a", 1)
    world.answer("a", 1, "done")


def test_a_worker_that_never_answers_holds_up_its_own_events_only() -> None:
    world = World()
    world.join("a", 1)
    world.publish(None)
    world.join("b", 1)
    for _ in range(50):
        world.publish(None)
        world.answer("b", world.head, "done")
    assert world.events[1].given == ("a", 1)
    assert (world.group.window.settled.floor, list(world.group.window.settled)) == (0, [(1, 51)])


def test_pauses_double_from_try_to_try_also_without_an_error() -> None:
    for how in ("raise", "ask"):
        world = World(tries=20)
        world.join("a", 1)
        world.publish(None)
        pauses: list[float] = []
        for _ in range(9):
            world.answer("a", 1, how)
            due = world.group.due
            assert due is not None
            pauses.append(due - world.now)
            world.wait(pauses[-1] - 0.01)
            assert world.events[1].given is None
            world.wait(0.02)
            assert world.events[1].given is not None
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_retry_does_not_break_the_order_of_its_key_and_stops_no_other() -> None:
    world = World(tries=9)
    world.join("a", 10)
    for key in ("x", "x", "y", None, "x"):
        world.publish(key)
    assert sorted(world.held["a"]) == [1, 3, 4]
    world.answer("a", 1, "raise")
    assert sorted(world.held["a"]) == [3, 4]
    world.wait(2.0)
    for seq in (1, 2, 5):
        world.answer("a", seq, "done")


def test_one_hot_key_with_a_long_backlog_does_not_stop_the_others() -> None:
    world = World(window=10)
    world.join("a", 3)
    for _ in range(200):
        world.publish("hot")
    world.publish("cold")
    world.publish(None)
    assert sorted(world.held["a"]) == [1, 201, 202]
    assert len(world.group.window.jobs) <= 10 + 3
    assert world.group.window.unsettled == 202
    world.drain()


def test_memory_is_bounded_whatever_the_backlog_is() -> None:
    world = World(window=10, key=None)
    for _ in range(300):
        world.publish(None)
    world.join("a", 5)
    assert len(world.group.window.jobs) <= 15
    world.drain()


def test_the_event_that_kills_its_workers_is_buried_and_its_neighbours_are_not() -> None:
    world = World(tries=3)
    for _ in range(5):
        world.publish(None)
    for round_ in range(30):
        name = f"w{round_}"
        world.join(name, 5)
        while running := sorted(world.held.get(name, ())):
            harmless = [seq for seq in running if seq != 3]
            if 3 in running:  # it kills the worker, before that has done anything else
                world.lose(name)
                world.wait(GRACE + 1.0)
                break
            world.answer(name, harmless[0], "done")
        if not any(event.fate is None for event in world.events.values()):
            break
    assert [event.fate for event in world.events.values()] == ["done", "done", "dead", "done", "done"]
    assert world.events[3].charged == 3


def test_a_worker_that_comes_back_late_takes_back_the_try_that_was_charged_for_its_loss() -> None:
    world = World(tries=2)
    world.publish(None)
    for _ in range(5):  # a laptop that sleeps, in the midst of a long job
        world.join("a", 1)
        assert world.events[1].given is not None
        assert world.events[1].charged == 0
        world.lose("a")
        world.wait(GRACE + 1.0)
        assert world.events[1].charged == 1
    world.join("a", 1)
    world.answer("a", 1, "done")


def test_trimmed_events_are_settled_and_leave_nothing_pending() -> None:
    world = World()
    for _ in range(20):
        world.publish("x")
    world.trim(20)
    world.join("a", 3)
    assert world.trimmed == 20
    assert world.group.window.unsettled == 0
    assert world.group.window.settled.floor == world.head
    assert world.held["a"] == {}


def test_fewer_places_than_held_events_give_nothing_more_until_there_is_a_place() -> None:
    world = World(key=None)
    world.join("a", 4)
    for _ in range(6):
        world.publish(None)
    world.join("a", 1)
    for left in (3, 2, 1):
        world.answer("a", min(world.held["a"]), "done")
        assert len(world.held["a"]) == max(left, 1)
    world.answer("a", 4, "done")
    assert sorted(world.held["a"]) == [5]


def test_after_a_crash_an_event_is_kept_for_its_worker_though_the_one_before_it_of_its_key_is_settled() -> None:
    world = World()
    world.join("a", 1)
    world.publish("x")
    world.join("b", 1)
    world.publish("x")
    world.answer("a", 1, "done")
    assert world.events[2].given == ("b", 1)
    world.restart(clean=False, writing=True)  # b has the second event, and the first is not stored as done
    world.join("a", 1)
    world.answer("a", 1, "done")
    assert world.events[2].given is None
    world.join("b", 1)
    assert world.events[2].given == ("b", 1)
    world.answer("b", 2, "done")


def test_after_a_crash_a_redriven_event_is_kept_for_its_worker() -> None:
    world = World()
    world.join("a", 1)
    world.publish(None)
    world.answer("a", 1, "reject")
    world.redrive()
    assert world.events[1].given == ("a", 3)
    world.restart(clean=False)
    world.join("b", 1)
    assert world.events[1].given is None
    world.join("a", 1)
    world.answer("a", 1, "done")
