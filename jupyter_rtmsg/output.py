"""The output of registered functions: below their own cell, or into a `Sink`.

ipykernel 6 and 7 find the cell of printed text by a context variable, so a function that is called in the context that
registered it prints below its cell. Three cases need more:

* ``display()`` and ``clear_output()`` on ipykernel 6, whose display publisher has one parent for the whole process. A
  hook of the publisher sets the parent that ``print`` has.
* Threads that such a function starts, since a thread begins with an empty context. They get a copy of the function's
  context, as with `asyncio.to_thread` and Python 3.14's ``thread_inherit_context``.
* A `Sink`. The hook gives it displays, and the ``write`` of the standard streams' class gives it text.

The publisher's hooks belong to threads (ipykernel's ``register_hook``), so `prepare_thread` must be called once on each
thread that calls such functions.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from contextvars import Context, ContextVar, copy_context
from typing import Any, NamedTuple, Protocol, TextIO


class Sink(Protocol):
    """Takes the output of functions. Its methods are called on any thread."""

    def write(self, stream: str, text: str) -> None:
        """Take text of ``"stdout"`` or ``"stderr"``."""

    def publish(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Take a message of Jupyter's protocol, such as ``display_data``; return False to send it below the cell."""


class _Route(NamedTuple):
    """The destination of output: a sink, or with None the place below the cell."""

    sink: Sink | None


class _Prepared(threading.local):
    done = False


_route: ContextVar[_Route] = ContextVar("jupyter_rtmsg_output")
_prepared = _Prepared()
_installing = threading.Lock()
_routing = False  # whether `route` was called with effect


def route(context: Context, sink: Sink | None = None) -> None:
    """Direct output made in a context to a sink.

    Without a sink, it goes to the destination of the caller's output: below a cell, or the sink of a function that
    registers this one.
    """
    if sink is None and not in_kernel():
        return
    if sink is None:
        here = _route.get(None)
        sink = here.sink if here else None
    context.run(_route.set, _Route(sink))
    with _installing:
        _begin()
        if sink is not None:
            _divert(sys.stdout)
            _divert(sys.stderr)


def prepare_thread() -> None:
    """Register the display hook on this thread, once. To be called before registered functions run on it."""
    if _routing and not _prepared.done:
        register = getattr(_publisher(), "register_hook", None)
        if register is not None:  # it is missing outside of kernels, and while a cell captures displays
            register(_direct)
            _prepared.done = True


def in_kernel() -> bool:
    """Return whether this code runs in a Jupyter kernel."""
    return hasattr(_shell(), "kernel")


def _shell() -> Any:
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython and get_ipython()


def _publisher() -> Any:
    return getattr(_shell(), "display_pub", None)


def _direct(message: dict[str, Any]) -> dict[str, Any] | None:
    """Hook of the display publisher: pass a message to the sink, or set the parent that printed text would have."""
    way = _route.get(None)
    if way is None:
        return message
    if way.sink is not None:
        return None if way.sink.publish(message["msg_type"], message["content"]) else message
    parent = getattr(sys.stdout, "parent_header", None)
    if parent:
        message["parent_header"] = parent
    return message


class _Writer:
    """The ``write`` of a stream. Text goes to the sink of the caller's route if it has one."""

    __slots__ = ("_stream", "write")

    def __init__(self, stream: TextIO, write: Callable[[str], int]) -> None:
        self._stream = stream
        self.write = write

    def __call__(self, text: str) -> int:
        way = _route.get(None)
        if way is None or way.sink is None or not isinstance(text, str):
            return self.write(text)
        way.sink.write("stderr" if self._stream is sys.stderr else "stdout", text)
        return len(text)


class _Write:
    """The attribute ``write`` of the standard streams' class.

    While a cell runs, IPython assigns a function of its own to a stream's ``write``, and afterwards assigns the earlier
    value again. A function that is assigned is called by `_Writer`, after the sink was checked.
    """

    def __init__(self, found: Any) -> None:
        self._found = found  # the original: a function, or in xeus-python a property

    def __get__(self, stream: TextIO | None, owner: type) -> Any:
        write = self._found.__get__(stream, owner)
        if stream is None:
            return write
        return _Writer(stream, getattr(stream, "__dict__", {}).get("write") or write)

    def __set__(self, stream: TextIO, write: Callable[[str], int]) -> None:
        stream.__dict__["write"] = write.write if isinstance(write, _Writer) else write

    def __delete__(self, stream: TextIO) -> None:
        del stream.__dict__["write"]


def _divert(stream: TextIO) -> None:
    """Make a standard stream write into sinks. The object stays the same, since logging and tqdm keep it."""
    kind: Any = type(stream)
    found = inspect.getattr_static(kind, "write")
    if isinstance(found, _Write):
        return
    try:
        kind.write = _Write(found)
    except TypeError:
        raise RuntimeError(f"output= needs a notebook: text for a {kind.__name__} cannot be captured") from None


def _begin() -> None:
    """Patch `threading.Thread` once: threads that a routed function starts run in a copy of its context."""
    global _routing
    if _routing:
        return
    _routing = True
    start = threading.Thread.start

    @functools.wraps(start)
    def start_in_context(thread: threading.Thread) -> None:
        if _route.get(None) is not None:
            context, run = copy_context(), thread.run

            def run_in_context() -> None:
                del thread.run  # it refers to the thread
                prepare_thread()
                context.run(run)

            thread.run = run_in_context  # type: ignore[method-assign]
        start(thread)

    threading.Thread.start = start_in_context  # type: ignore[assignment, method-assign]
