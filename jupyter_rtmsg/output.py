"""Where the output of registered functions goes: below their own cell, or into a `Sink`.

ipykernel 6 and 7 know by context variables which cell prints, so a function that is called in the context that
registered it prints below its cell. Three things do not follow by themselves:

* ``display()`` and ``clear_output()`` on ipykernel 6, whose display publisher has one parent for the whole process: a
  hook of the publisher sets the parent that ``print`` has;
* threads that such a function starts, which begin with an empty context: they get a copy of its context, as
  `asyncio.to_thread` and Python 3.14's ``thread_inherit_context`` do;
* what is to go into a `Sink`: the hook takes displays, and the ``write`` of the standard streams' class takes text.

The publisher's hooks belong to threads (ipykernel's ``register_hook``), so each thread that calls such functions is
prepared once.
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
    """Takes the output of functions. Any thread may call it."""

    def write(self, stream: str, text: str) -> None:
        """Take text of ``"stdout"`` or ``"stderr"``."""

    def publish(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Take a message of Jupyter's protocol, such as ``display_data``; return False to have it sent instead."""


class _Route(NamedTuple):
    """Where output goes; without a sink below the cell."""

    sink: Sink | None


class _Prepared(threading.local):
    done = False


_route: ContextVar[_Route] = ContextVar("jupyter_rtmsg_output")
_prepared = _Prepared()
_installing = threading.Lock()
_routing = False  # whether anything has a route


def route(context: Context, sink: Sink | None = None) -> None:
    """Have output that is made in a context go into a sink.

    Without a sink, it goes where the caller's goes: below a cell, or into the sink of the function that calls this.
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
    """Have the displays of functions that the calling thread calls follow their route."""
    if _routing and not _prepared.done:
        register = getattr(_publisher(), "register_hook", None)
        if register is not None:  # not outside of kernels, nor while a cell captures displays
            register(_direct)
            _prepared.done = True


def in_kernel() -> bool:
    """Return whether a kernel of Jupyter runs this code."""
    return hasattr(_shell(), "kernel")


def _shell() -> Any:
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython and get_ipython()


def _publisher() -> Any:
    return getattr(_shell(), "display_pub", None)


def _direct(message: dict[str, Any]) -> dict[str, Any] | None:
    """Hook of the display publisher: give a message to the sink, or the parent that printed text would have."""
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
    """The ``write`` of a stream, which asks first where the caller's output goes."""

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

    While a cell runs, IPython has a function of its own in the place of a stream's ``write``, and puts back afterwards
    what it found: whatever is put there is called behind the question where the output goes.
    """

    def __init__(self, found: Any) -> None:
        self._found = found  # a function, or a property in xeus-python

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
    """Have a standard stream write into sinks; logging and tqdm hold on to the stream, so it stays the same object."""
    kind: Any = type(stream)
    found = inspect.getattr_static(kind, "write")
    if isinstance(found, _Write):
        return
    try:
        kind.write = _Write(found)
    except TypeError:
        raise RuntimeError(f"output= needs a notebook: text for a {kind.__name__} cannot be captured") from None


def _begin() -> None:
    """From now on, have each thread that a routed function starts run in a copy of the context of that function."""
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
