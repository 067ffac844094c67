"""What becomes of connections when a process ends or forks."""

from __future__ import annotations

import atexit
import contextlib
import os
from typing import Protocol


class Closable(Protocol):
    """The threads of a connection."""

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of its sockets."""

    def close(self) -> None:
        """End it."""


connections: set[Closable] = set()


def close_all() -> None:
    """Close all connections of this process."""
    for connection in list(connections):
        with contextlib.suppress(Exception):  # the process ends: there is nobody to tell
            connection.close()


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
