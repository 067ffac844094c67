"""What becomes of connections when a process ends or forks."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable
from typing import Protocol


class Closable(Protocol):
    """The threads of a connection."""

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of its sockets."""

    def begin_close(self, timeout: float) -> Callable[[], None]:
        """Begin to end it, with so many seconds for handlers; return what waits for the end."""


connections: set[Closable] = set()


def close_all(timeout: float = 5.0) -> None:
    """Close all connections of this process, side by side, with so many seconds for the handlers of all."""
    closing = []
    for connection in list(connections):
        with contextlib.suppress(Exception):  # the process ends: there is nobody to tell
            closing.append(connection.begin_close(timeout))
    for end in closing:
        with contextlib.suppress(Exception):
            end()


def _forked() -> None:
    """Let go, in a forked child, of connections that belong to the parent.

    The descriptors stay taken, by the null device, since asyncio's transports will close them by number one day.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for connection in list(connections):
        for descriptor in connection.descriptors:
            os.dup2(null, descriptor)
    os.close(null)
    connections.clear()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
