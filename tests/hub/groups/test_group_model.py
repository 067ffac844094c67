"""Schedules made by hypothesis, against the model of groups (support/groups.py)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.groups import World

WORKERS = "abc"
KEYS = (None, "x", "y")
ANSWERS = ("done", "done", "done", "raise", "ask", "reject")
ACTIONS = (
    "join",
    "join",
    "lose",
    "leave",
    "wait",
    "restart",
    "trim",
    "pause",
    "redrive",
    "other",
    "late",
    "end",
    "end",
)
PAUSES = (0.5, 3.0, 11.0, 70.0)

number = st.integers(0, 11)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=8), st.integers(0, 2)),
        *(st.tuples(st.just("answer"), number, number) for _ in range(3)),
        *(st.tuples(st.just(step), number, number) for step in ACTIONS),
    ),
    max_size=40,
)


@pytest.mark.parametrize("options", [{}, {"window": 3, "tries": 1}, {"key": None}, {"window": 100, "tries": 2}])
@settings(max_examples=40, phases=[Phase.explicit, Phase.generate, Phase.shrink])
@given(steps=STEPS)
def test_each_event_is_settled_once_in_the_order_of_its_key_whatever_happens(
    options: dict[str, object], steps: Sequence[tuple[str, object, int]]
) -> None:
    world = World(**options)  # type: ignore[arg-type]
    for step in steps:
        take(world, *step)
    world.drain()


def take(world: World, step: str, first: object, second: int) -> None:
    """Take a step, if it is possible now."""
    if isinstance(first, list):
        for key in first:
            world.publish(key, gap=second)
        return
    assert isinstance(first, int)
    name = WORKERS[first % len(WORKERS)]
    running = [(name, seq) for name in sorted(world.names) for seq in sorted(world.held.get(name, ()))]
    if step == "answer" and running:
        world.answer(*running[first % len(running)], ANSWERS[second % len(ANSWERS)])
    elif step == "join":
        world.join(name, second % 4 + 1)
    elif step == "lose" and name in world.names:
        world.lose(name)
    elif step == "leave" and name in world.names:
        world.leave(name)
    else:
        take_at_any_time(world, step, first, second)


def take_at_any_time(world: World, step: str, first: int, second: int) -> None:
    """Take a step that concerns no worker."""
    if step == "wait":
        world.wait(PAUSES[first % len(PAUSES)])
    elif step == "restart":
        world.restart(clean=first % 3 == 0, writing=first % 3 == 1)
    elif step == "trim":
        world.trim(first % 3 + 1)
    elif step == "pause":
        world.pause(first % 3 == 0)
    elif step == "end":
        world.end_awaited(first)
        world.end_lost(WORKERS[second % len(WORKERS)])
    elif step == "late":
        world.answer_late(first)
    elif step == "redrive" and world.letters:
        world.redrive()
    elif step == "other":
        world.publish(None, "other")
