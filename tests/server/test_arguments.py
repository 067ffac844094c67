"""Handlers with too few or too many parameters: the error says what the event brought."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_rtmsg.server.arguments import explain


def call(handler: Any, *args: Any) -> str:
    """Call a handler and return what its error says, explained."""
    try:
        handler(*args)
    except TypeError as error:
        explain(error, handler, "sum", args)
        return str(error)
    raise AssertionError("it took them")


def add(a, b):
    return a + b


def greet(name, greeting="hello"):
    return greeting + name


async def wait(seconds):
    pass


@pytest.mark.parametrize(
    ("handler", "args", "said"),
    [
        (add, (1, 2, 3), "handler add(a, b) of 'sum' takes 2 arguments, the event brought 3: [1, 2, 3]"),
        (add, (), "handler add(a, b) of 'sum' takes 2 arguments, the event brought none"),
        (greet, (), "handler greet(name, greeting='hello') of 'sum' takes 1 to 2 arguments, the event brought none"),
        (wait, (1, "x"), "handler wait(seconds) of 'sum' takes 1 argument, the event brought 2: [1, 'x']"),
        (lambda: None, (1,), "handler <lambda>() of 'sum' takes no arguments, the event brought 1: [1]"),
        (lambda a, *b: a, (), "handler <lambda>(a, *b) of 'sum' takes at least 1 argument, the event brought none"),
        (
            lambda a, *, unit: a,
            (1,),
            "handler <lambda>(a, *, unit) of 'sum' takes 1 argument, and unit by name, the event brought 1: [1]",
        ),
    ],
)
def test_the_error_says_what_a_handler_takes_and_what_the_event_brought(handler, args, said):
    assert call(handler, *args) == said


def test_a_long_event_is_told_in_short():
    assert len(call(wait, "x" * 10_000, 2)) < 400


def test_an_error_inside_of_a_handler_stays_as_it_is():
    def fail(a):
        return a + None

    assert "unsupported operand" in call(fail, 1)


def test_functions_without_a_signature_keep_their_error():
    assert "not iterable" in call(max, 1)
