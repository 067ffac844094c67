from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_rtmsg.client.handlers import Handler, Handlers

_cell = contextvars.ContextVar("cell", default="none")


def define(source: str, module: str = "__main__") -> Callable[..., Any]:
    """Run a cell's source and return what it calls f."""
    names: dict[str, Any] = {"__name__": module}
    exec(source, names)
    return names["f"]


def functions(handlers: Handlers, name: str = "n") -> list[Callable[..., Any]]:
    return [handler.function for handler in handlers.matching(name)]


@pytest.mark.parametrize("source", ["def f(event): pass", "def g():\n def f(e): pass\n return f\nf = g()"])
def test_running_a_cell_again_replaces_its_handler(source: str) -> None:
    handlers = Handlers()
    first, second = define(source), define(source)
    handlers.add(Handler(first, "n"))
    handlers.add(Handler(second, "n"))
    assert functions(handlers) == [second]


def test_another_event_another_module_or_another_name_does_not_replace() -> None:
    handlers = Handlers()
    f = define("def f(event): pass")
    for handler in (
        Handler(f, "n"),
        Handler(f, "m"),
        Handler(f),
        Handler(define("def f(event): pass", "other"), "n"),
        Handler(define("def f(event): pass\ng = f\ndef f(event): pass\nf.__qualname__ = 'h'"), "n"),
    ):
        handlers.add(handler)
    assert len(functions(handlers, "n")) == 4
    assert len(functions(handlers, "m")) == 2


def test_two_lambdas_of_a_cell_are_two_handlers() -> None:
    handlers = Handlers()
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("f = lambda event: 1\ng = lambda event: 2", names)
    handlers.add(Handler(names["f"], "n"))
    handlers.add(Handler(names["g"], "n"))
    assert len(functions(handlers)) == 2


def test_methods_of_two_objects_are_two_handlers() -> None:
    class View:
        def show(self, event: Any) -> None: ...

    handlers = Handlers()
    one, other = View(), View()
    for method in (one.show, other.show, one.show):
        handlers.add(Handler(method, "n"))
    assert functions(handlers) == [one.show, other.show]


def test_closures_of_a_library_are_handlers_each() -> None:
    def made(number: int) -> Callable[[Any], int]:
        def handler(event: Any) -> int:
            return number

        return handler

    handlers = Handlers()
    for function in (made(1), made(2)):
        handlers.add(Handler(function, "n"))
    assert len(functions(handlers)) == 2


def test_a_handler_runs_in_the_context_of_its_registration() -> None:
    _cell.set("cell 1")
    handler = Handler(_cell.get)
    _cell.set("cell 2")
    assert handler.call() == "cell 1"


def test_a_context_variable_that_a_handler_sets_is_reset_before_the_next_event() -> None:
    _cell.set("clean")

    def handle() -> str:
        before = _cell.get()
        _cell.set("dirty")
        return before

    handler = Handler(handle)
    assert [handler.call(), handler.call()] == ["clean", "clean"]


def test_handlers_of_all_events_do_not_get_the_hubs_own() -> None:
    handlers = Handlers()
    handlers.add(Handler(print))
    handlers.add(Handler(repr, "$presence"))
    assert functions(handlers, "n") == [print]
    assert functions(handlers, "$presence") == [repr]


def test_a_flood_of_failures_is_not_all_shown(capfd: pytest.CaptureFixture[str]) -> None:
    handler = Handler(print)
    for _ in range(100):
        handler.failed(ValueError("again"))
    said = capfd.readouterr().err
    assert [f"failure {n})" in said for n in (1, 2, 3, 4, 9, 10, 99, 100)] == [
        True,
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_remove_removes_the_matching_handlers() -> None:
    handlers = Handlers()
    for function, event in ((print, "a"), (repr, "a"), (print, "b")):
        handlers.add(Handler(function, event))
    handlers.remove("a", print)
    assert functions(handlers, "a") == [repr]
    handlers.remove("b")
    assert not functions(handlers, "b")
    assert handlers
    handlers.remove()
    assert not handlers


def test_handlers_of_all_events_get_damaged_ones_but_no_other_event_of_the_hub() -> None:
    handlers = Handlers()
    f = define("def f(event): pass")
    handlers.add(Handler(f))
    assert functions(handlers, "$corrupt") == [f]
    assert not any(functions(handlers, name) for name in ("$presence", "$reset", "$taken", "$left", "$trimmed"))
