from __future__ import annotations

import asyncio
import inspect
import pydoc
import threading
from collections.abc import Iterator

import pytest

from jupyter_rtmsg.client.blocking import blocking, blocking_by, direct, direct_overloaded
from jupyter_rtmsg.client.bridge import Bridge
from jupyter_rtmsg.errors import AckTimeout


class AsyncCounter:
    """An object of the I/O loop."""

    async def add(self, number: int, *, times: int = 1) -> int:
        """Return a number, several times."""
        await asyncio.sleep(0)
        return number * times

    async def thread(self) -> str:
        """Return the name of the thread that this runs on."""
        return threading.current_thread().name

    async def fail(self) -> None:
        """Fail."""
        raise AckTimeout("the hub did not answer")

    def caller(self) -> str:
        """Return the name of the thread that called this."""
        return threading.current_thread().name


class Counter:
    add = blocking(AsyncCounter.add, "Counter")
    thread = blocking(AsyncCounter.thread, "Counter")
    fail = blocking(AsyncCounter.fail, "Counter")
    caller = direct(AsyncCounter.caller, "Counter")

    def __init__(self, bridge: Bridge) -> None:
        self._async = AsyncCounter()
        self._bridge = bridge


@pytest.fixture
def counter() -> Iterator[Counter]:
    bridge = Bridge()
    yield Counter(bridge)
    bridge.close()


def test_a_blocking_method_waits_for_the_io_loop_and_a_direct_one_does_not(counter: Counter) -> None:
    assert counter.add(2, times=3) == 6
    assert counter.thread() == "rtmsg I/O"
    assert counter.caller() == threading.current_thread().name


def test_an_error_has_no_frames_of_the_io_loop(counter: Counter) -> None:
    with pytest.raises(AckTimeout) as caught:
        counter.fail()
    assert [entry.name for entry in caught.traceback][-3:] == ["call", "ask", "call"]


def test_wrong_arguments_are_refused_as_python_does_it(counter: Counter) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'time'"):
        counter.add(2, time=3)  # type: ignore[call-arg]


def test_signature_docstring_and_name_are_those_of_the_original() -> None:
    assert str(inspect.signature(Counter.add)) == "(self, number: 'int', *, times: 'int' = 1) -> 'int'"
    assert inspect.getdoc(Counter.add) == "Return a number, several times."
    assert (Counter.add.__qualname__, Counter.add.__name__) == ("Counter.add", "add")
    assert not inspect.iscoroutinefunction(Counter.add)
    assert "add(self, number: 'int', *, times: 'int' = 1) -> 'int'" in pydoc.plain(pydoc.render_doc(Counter))


def test_an_overloaded_method_keeps_signature_docstring_and_name() -> None:
    def implementation(self: Counter, number: int, *, times: int = 1) -> int:
        return number * times

    made = blocking_by(implementation, "Counter")(AsyncCounter.add)
    assert str(inspect.signature(made)) == "(self, number: 'int', *, times: 'int' = 1) -> 'int'"
    assert inspect.getdoc(made) == "Return a number, several times."
    assert (made.__qualname__, made.__name__) == ("Counter.add", "add")
    assert made(None, 2, times=3) == 6
    called = direct_overloaded("Counter")(AsyncCounter.caller)
    assert called.__qualname__ == "Counter.caller"
    assert inspect.getdoc(called) == "Return the name of the thread that called this."
