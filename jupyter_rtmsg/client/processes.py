"""Which process this is, and what becomes of connections when a process ends or forks."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - registers its end before `_exit`, which is called first
import contextlib
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from jupyter_rtmsg.output import in_kernel

from .captured import show_all

# jupyter_client ends a kernel that was asked to shut down by SIGTERM after 2.5 s, and kills it after 5 s.
_EXIT = 3.5  # seconds that handlers have at the end of the process
_GOODBYE = 1.0  # seconds for the rest of closing then


class Closable(Protocol):
    """The threads of a connection."""

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of its sockets."""

    def begin_close(self, timeout: float, goodbye: float | None = None) -> Callable[[], None]:
        """Begin to end it, with so many seconds for handlers, and for the rest; return what waits for the end."""


class _Process(NamedTuple):
    """The process that this module was imported in, or a child that was forked from it."""

    id: str
    forked: bool


connections: set[Closable] = set()
_process = _Process(uuid.uuid4().hex, forked=False)


def process_id() -> str:
    """Return a random id of this process: all its connections have the same, and a forked child another."""
    return _process.id


def forked() -> bool:
    """Return whether this process is a child that was made by a fork.

    A child that did not inherit this package from its parent is known by `multiprocessing`, or, on Linux, by having its
    parent's command line.
    """
    multiprocessing = sys.modules.get("multiprocessing.process")
    child = multiprocessing is not None and multiprocessing.parent_process() is not None
    return _process.forked or child or _command_line(os.getppid()) == _command_line(os.getpid()) != b""


def refuse_copy(thing: object, instead: str) -> NoReturn:
    """Raise TypeError for a copy of what holds a connection, as a pool makes of what a worker is given."""
    raise TypeError(
        f"a {type(thing).__name__} belongs to its process: it can be neither copied nor pickled for another one. "
        f"Call {instead} in the function that the other process runs"
    )


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def close_all(timeout: float = 5.0, goodbye: float | None = None) -> None:
    """Close all connections of this process, side by side.

    Parameters
    ----------
    timeout : float
        Seconds that the handlers of all have to finish what was received.
    goodbye : float, optional
        Seconds for the rest; without it there is no other limit than those of the single steps.
    """
    closing = []
    for connection in list(connections):
        with contextlib.suppress(Exception):  # the process ends: there is nobody to tell
            closing.append(connection.begin_close(timeout, goodbye))
    for end in closing:
        with contextlib.suppress(Exception):
            end()


def _exit() -> None:
    """Close all connections at the end of the process, in bounded time."""
    if connections:
        with _without_sigterm():
            close_all(_EXIT, _GOODBYE)
    show_all()


@contextlib.contextmanager
def _without_sigterm() -> Iterator[None]:
    """Ignore SIGTERM, which asks for what is under way already."""
    if threading.current_thread() is not threading.main_thread():  # an embedded Python: signals are not ours
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _forked() -> None:
    """Be a process of its own in a forked child, and let go of connections that belong to the parent.

    The descriptors stay taken, by the null device, since asyncio's transports will close them by number one day.
    """
    global _process
    _process = _Process(uuid.uuid4().hex, forked=True)
    null = os.open(os.devnull, os.O_RDWR)
    for connection in list(connections):
        for descriptor in connection.descriptors:
            os.dup2(null, descriptor)
    os.close(null)
    connections.clear()


if in_kernel():
    # Python joins the threads of cells, which may wait for ever, before it calls what atexit has, and executors take no
    # work by then, which a handler may need to finish. What `threading` has is called first.
    getattr(threading, "_register_atexit", atexit.register)(_exit)
else:
    atexit.register(_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
