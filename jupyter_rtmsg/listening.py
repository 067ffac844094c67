"""The addresses on which the event loops of this process listen.

A blocking call on the thread of such a loop would wait for an answer from the loop that it blocks. Servers record their
addresses here, and the blocking client checks them before it waits; neither imports the other.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import NamedTuple

_GRACE = 1.0  # seconds for another thread to start a loop that does not run yet


class _Listener(NamedTuple):
    host: str
    port: int
    loop: weakref.ref[asyncio.AbstractEventLoop]
    thread: int  # on which the loop ran when the server began to listen


_listeners: tuple[_Listener, ...] = ()  # replaced as a whole: any thread reads it


def listens(sockets: Iterable[socket.socket]) -> Callable[[], None]:
    """Record that the running loop listens on sockets; return the function that removes the record."""
    global _listeners
    loop, thread = weakref.ref(asyncio.get_running_loop()), threading.get_ident()
    names = [sock.getsockname() for sock in sockets if sock.family != _UNIX]
    noted = [_Listener(name[0], name[1], loop, thread) for name in names]
    _listeners = (*_listeners, *noted)

    def end() -> None:
        global _listeners
        _listeners = tuple(listener for listener in _listeners if listener not in noted)

    return end


def check_blocking(host: str, port: int) -> None:
    """Raise an error if the server at an address needs this thread in order to answer.

    Raises
    ------
    RuntimeError
        If the server's event loop runs on this thread, or ran on it and is stopped.
    """
    for listener in _listeners:
        if listener.port == port and _reaches(host, listener.host) and _waits_for_us(listener):
            raise RuntimeError(
                f"the server at {host}:{port} runs on the event loop of this thread, which this call would block: it "
                "could never answer. Await SocketClient or AsyncClient here, or call this in another thread "
                "(await asyncio.to_thread(...))"
            )


def _waits_for_us(listener: _Listener) -> bool:
    loop = listener.loop()
    if loop is None or loop.is_closed() or listener.thread != threading.get_ident():
        return False
    deadline = time.monotonic() + _GRACE
    while not loop.is_running() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not loop.is_running() or _running() is loop


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _reaches(host: str, bound: str) -> bool:
    """Return whether a connection to a host may reach a bound address."""
    if host.lower() == bound.lower():
        return True
    address = ipaddress.ip_address(bound.partition("%")[0])
    local = host.lower() in ("localhost", socket.gethostname().lower()) or _is_loopback(host)
    return local and (address.is_loopback or address.is_unspecified)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_UNIX = getattr(socket, "AF_UNIX", None)
