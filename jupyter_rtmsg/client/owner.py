"""Checks that a server on this machine belongs to this user, before a token is sent to it.

Linux lists listening sockets with their users in ``/proc/net/tcp`` and ``tcp6`` (proc(5)). On other systems only the
address is checked.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_PROC = Path("/proc/net")
_LISTEN = "0A"
_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


class Stranger(OSError):
    """The server at the address belongs to another user or is on another machine. The message says which."""


class ListeningSocket(NamedTuple):
    """A listening socket: the address to which it is bound, and the id of its user."""

    ip: _IP
    uid: int


def check_owner(peer: Any, own: Any) -> None:
    """Check, as far as the system tells, that the server of a connection is a process of this user or of root.

    Parameters
    ----------
    peer, own : tuple or None
        The remote and the local socket address; None if the connection has ended.

    Raises
    ------
    Stranger
        If it is another user's, or on another machine.
    ConnectionResetError
        If the connection has ended.
    """
    if not peer or not own:
        raise ConnectionResetError("the server closed the connection")
    ip, port = _ip(peer[0]), int(peer[1])
    if not ip.is_loopback and ip != _ip(own[0]):
        raise Stranger(f"is another machine ({ip}), not a server of yours on this one: the token was not sent")
    if os.name == "posix":
        _check(_users(ip, list(_listeners(port))))


def check_socket(path: str) -> None:
    """Check that a Unix socket belongs to this user or to root.

    Raises
    ------
    Stranger
        If it belongs to another user.
    OSError
        If there is no such file.
    """
    _check({os.stat(path).st_uid})


def _check(users: set[int]) -> None:
    others = sorted(users - _allowed())
    if others:
        uids = ", ".join(map(str, others))
        raise Stranger(f"is a server of another user (uid {uids}), not of yours: the token was not sent")


def _allowed() -> set[int]:
    return {os.geteuid(), 0}  # root can read the token anyway, and listens on behalf of containers


def _listeners(port: int) -> Iterator[ListeningSocket]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError, ValueError, IndexError), (_PROC / name).open(encoding="ascii") as lines:
            next(lines, None)
            for line in lines:
                fields = line.split()
                if fields[3] != _LISTEN:
                    break  # listening sockets are listed first
                host, _, number = fields[1].partition(":")
                if int(number, 16) == port:
                    yield ListeningSocket(_of_hex(host), int(fields[7]))


def _of_hex(host: str) -> _IP:
    """Parse an address that is written as 32-bit words in the machine's byte order."""
    words = [int(host[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(host), 8)]
    return _plain(ipaddress.ip_address(b"".join(words)))


def _ip(host: str) -> _IP:
    return _plain(ipaddress.ip_address(host.partition("%")[0]))


def _plain(ip: _IP) -> _IP:
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _users(ip: _IP, listeners: Sequence[ListeningSocket]) -> set[int]:
    """Return the users whose sockets may have accepted the connection; a socket bound to exactly this address wins."""
    exact = {listener.uid for listener in listeners if listener.ip == ip}
    return exact or {
        listener.uid
        for listener in listeners
        if listener.ip.is_unspecified and (listener.ip.version == 6 or ip.version == 4)  # :: accepts IPv4, too
    }
