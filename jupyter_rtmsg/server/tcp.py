"""What a server asks of its sockets, beside reading and writing."""

from __future__ import annotations

import array
import select
import socket as sockets
import sys

SEND_BUFFER = 256 * 1024  # bytes: Linux swallows megabytes otherwise, unseen

if sys.platform != "win32":
    import fcntl
    import termios


def tune(socket: sockets.socket | None) -> None:
    """Send small packets at once, and let the system hold only so much."""
    if socket is None:
        return
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER)
    if socket.family in (sockets.AF_INET, sockets.AF_INET6):
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)


def unsent(socket: sockets.socket | None) -> int:
    """Return how many bytes the peer has not acknowledged yet; 0 where the system does not tell."""
    if socket is None or sys.platform == "win32":
        return 0
    size = array.array("i", [0])
    try:
        fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, size)
    except (OSError, ValueError):  # closed, or another system
        return 0
    return size[0]


def closed_by_peer(socket: sockets.socket | None) -> bool:
    """Return whether the peer has closed its side, even where data is still to be read before that shows."""
    if socket is None or not hasattr(select, "poll"):
        return False
    hung_up = getattr(select, "POLLRDHUP", select.POLLHUP)
    poller = select.poll()
    try:
        poller.register(socket.fileno(), hung_up)
    except ValueError:  # closed
        return True
    return any(event & (hung_up | select.POLLHUP | select.POLLERR) for _, event in poller.poll(0))
