"""Transports: the interface that a session uses, and the socket options and states that they have in common."""

from __future__ import annotations

import array
import select
import socket as sockets
import sys
from typing import Protocol

from .outbox import Backlog

SEND_BUFFER = 256 * 1024  # bytes; by default Linux buffers megabytes, out of the server's sight

if sys.platform != "win32":
    import fcntl
    import termios


class Transport(Protocol):
    """The part of a transport that its session uses.

    Attributes
    ----------
    paused : bool
        Whether the transport takes no packets at present.
    """

    paused: bool

    @property
    def name(self) -> str:
        """``"polling"`` or ``"websocket"``."""

    @property
    def reads_resume_at(self) -> float:
        """When reading was last resumed, in the loop's time; the present if it is paused."""

    @property
    def unsent(self) -> int:
        """Bytes that it took and the peer has not acknowledged, as far as the operating system reports it."""

    def take(self, backlog: Backlog) -> int:
        """Write a piece of the backlog, and return its bytes. Not called while it is paused."""

    def set_max_size(self, size: int) -> None:
        """Change the limit for messages, in bytes."""

    def pause_reading(self) -> None:
        """Stop reading."""

    def resume_reading(self) -> None:
        """Continue reading."""

    @property
    def abandoned(self) -> bool:
        """Whether the peer has closed its side, seen while reading is paused."""

    def close(self, code: int = 1000, reason: str = "", backlog: Backlog | None = None, *, late: bool = True) -> None:
        """Write the backlog, as far as the peer reads, then close.

        Parameters
        ----------
        code : int
            Of the WebSocket's close frame.
        reason : str
            Of the close frame.
        backlog : Backlog, optional
            Belongs to the transport from now on.
        late : bool
            Whether a later GET is answered.
        """

    def abort(self) -> None:
        """Close the connection without writing the rest."""


def tune(socket: sockets.socket | None) -> None:
    """Disable Nagle's algorithm, and limit the system's send buffer to `SEND_BUFFER`."""
    if socket is None:
        return
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER)
    if socket.family in (sockets.AF_INET, sockets.AF_INET6):
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)


def unsent(socket: sockets.socket | None) -> int:
    """Return the bytes that the peer has not acknowledged; 0 if the system does not report it."""
    if socket is None or sys.platform == "win32":
        return 0
    size = array.array("i", [0])
    try:
        fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, size)
    except (OSError, ValueError):  # closed, or not supported
        return 0
    return size[0]


def closed_by_peer(socket: sockets.socket | None) -> bool:
    """Return whether the peer has closed its side, even if there is unread data before that."""
    if socket is None or not hasattr(select, "poll"):
        return False
    hung_up = getattr(select, "POLLRDHUP", select.POLLHUP)
    poller = select.poll()
    try:
        poller.register(socket.fileno(), hung_up)
    except ValueError:  # closed
        return True
    return any(event & (hung_up | select.POLLHUP | select.POLLERR) for _, event in poller.poll(0))
