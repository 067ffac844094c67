"""Who answers at an address of this machine: what belongs to one user is not sent to another.

Linux lists the sockets that listen, and their users, in ``/proc/net/tcp`` and ``tcp6`` (proc(5)). Where there is no
such list, a server is told by the address that it is bound to.
"""

from __future__ import annotations

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
    """Somebody else answers where a server of this user should. The message says who."""


class Listener(NamedTuple):
    """A socket that listens: the address that it is bound to, and the id of its user."""

    ip: _IP
    uid: int


def check_owner(peer: Any, own: Any) -> None:
    """Check that a process of this user, or of root, answers a connection, as far as that can be known.

    Parameters
    ----------
    peer, own : tuple or None
        The addresses of both ends of the connection, as sockets give them; None where it has ended.

    Raises
    ------
    Stranger
        If somebody else answers.
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
    """Check that a Unix socket is this user's, or root's; `Stranger` if not, OSError if there is none."""
    _check({os.stat(path).st_uid})


def _check(users: set[int]) -> None:
    others = sorted(users - _allowed())
    if others:
        uids = ", ".join(map(str, others))
        raise Stranger(f"is a server of another user (uid {uids}), not of yours: the token was not sent")


def _allowed() -> set[int]:
    return {os.geteuid(), 0}  # root may read everything, and listens for containers


def _listeners(port: int) -> Iterator[Listener]:
    for name in ("tcp", "tcp6"):
        try:
            with (_PROC / name).open(encoding="ascii") as lines:
                next(lines, None)
                for line in lines:
                    fields = line.split()
                    if fields[3] != _LISTEN:
                        break  # those that listen come first
                    host, _, number = fields[1].partition(":")
                    if int(number, 16) == port:
                        yield Listener(_of_hex(host), int(fields[7]))
        except (OSError, ValueError, IndexError):
            continue


def _of_hex(host: str) -> _IP:
    """Return an address written as words of 32 bits in the byte order of the machine."""
    words = [int(host[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(host), 8)]
    return _plain(ipaddress.ip_address(b"".join(words)))


def _ip(host: str) -> _IP:
    return _plain(ipaddress.ip_address(host.partition("%")[0]))


def _plain(ip: _IP) -> _IP:
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _users(ip: _IP, listeners: Sequence[Listener]) -> set[int]:
    """Return whose sockets may have accepted a connection to an address: one that is bound to just that comes first."""
    exact = {listener.uid for listener in listeners if listener.ip == ip}
    return exact or {
        listener.uid
        for listener in listeners
        if listener.ip.is_unspecified and (listener.ip.version == 6 or ip.version == 4)  # :: takes IPv4, too
    }
