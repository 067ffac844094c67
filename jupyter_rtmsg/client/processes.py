"""The id of this process, and the end of its connections when it exits or forks."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - it registers its exit function first, so `_exit` is called before that
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

# jupyter_client sends SIGTERM to a kernel 2.5 s after it was asked to shut down, and kills it after 5 s.
_EXIT_TIMEOUT = 3.5  # seconds for handlers at the end of the process
_GOODBYE = 1.0  # seconds for the rest of closing


class Closable(Protocol):
    """The threads of a client, as this module sees them."""

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of its connection."""

    def begin_close(self, timeout: float, goodbye: float | None = None) -> Callable[[], None]:
        """Begin to end it, with seconds for handlers and for the rest; return a function that waits for the end."""


class _Process(NamedTuple):
    """The process that imported this module, or a child that was forked from it."""

    id: str
    forked: bool


connections: set[Closable] = set()
_process = _Process(uuid.uuid4().hex, forked=False)


def process_id() -> str:
    """Return the random id of this process, the same for all its connections. A forked child has another one."""
    return _process.id


def forked() -> bool:
    """Return whether this process was forked from another Python process.

    A child that imported this package itself is recognized by `multiprocessing`, or, on Linux, by its command line,
    which is that of its parent.
    """
    multiprocessing = sys.modules.get("multiprocessing.process")
    child = multiprocessing is not None and multiprocessing.parent_process() is not None
    return _process.forked or child or _command_line(os.getppid()) == _command_line(os.getpid()) != b""


def refuse_copy(thing: object, instead: str) -> NoReturn:
    """Raise TypeError, since an object with a connection can be neither copied nor pickled."""
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
    """Close all connections of this process, concurrently.

    Parameters
    ----------
    timeout : float
        Seconds that all handlers have to finish what was received.
    goodbye : float, optional
        Seconds for the rest. By default the single steps have limits of their own.
    """
    closing = []
    for connection in list(connections):
        with contextlib.suppress(Exception):  # the process exits: an error helps nobody now
            closing.append(connection.begin_close(timeout, goodbye))
    for end in closing:
        with contextlib.suppress(Exception):
            end()


def _exit() -> None:
    """Close all connections at the end of the process, in bounded time."""
    if connections:
        with _without_sigterm():
            close_all(_EXIT_TIMEOUT, _GOODBYE)
    show_all()


@contextlib.contextmanager
def _without_sigterm() -> Iterator[None]:
    """Ignore SIGTERM: the process is already about to end."""
    if threading.current_thread() is not threading.main_thread():  # in an embedded Python
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _forked() -> None:
    """In a forked child: take a new id, and drop the connections of the parent.

    Their file descriptors are replaced by the null device, not closed: asyncio's transports will close them by number.
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
    # At exit Python joins all threads, and cells may wait on theirs for ever, before it calls the functions of atexit.
    # By then thread pools accept no more work, which a handler may need. Functions of `threading` are called first.
    getattr(threading, "_register_atexit", atexit.register)(_exit)
else:
    atexit.register(_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
