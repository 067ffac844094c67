"""Ports that stay free until a server of the tests listens on them."""

from __future__ import annotations

import socket

_reserved: list[socket.socket] = []


def free_port() -> int:
    """Return a port of 127.0.0.1 that no other process is given while this one lives.

    A socket stays bound to it without listening: the system hands the port to nobody who asks for any port, connections
    to it are refused, and a server that names it may listen, since servers bind with SO_REUSEADDR.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    _reserved.append(reserved)
    return int(reserved.getsockname()[1])
