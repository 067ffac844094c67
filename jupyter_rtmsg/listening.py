"""Where the event loops of this process listen, so that code that blocks a loop does not wait for itself.

A server notes it, a client for code that does not await asks: neither knows the other.
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

_GRACE = 1.0  # seconds in which a loop that does not run may be started by another thread


class _Listener(NamedTuple):
    host: str
    port: int
    loop: weakref.ref[asyncio.AbstractEventLoop]
    thread: int  # where the loop ran then


_listeners: tuple[_Listener, ...] = ()  # replaced as a whole: any thread reads it


def listens(sockets: Iterable[socket.socket]) -> Callable[[], None]:
    """Note that the running loop listens on sockets; return what ends that."""
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
    """Refuse to block this thread until a server answers that can only answer from this thread.

    Raises
    ------
    RuntimeError
        If the server listens on the loop that runs here, or on one of this thread that does not run.
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
    """Whether a connection to a host may end at a bound address."""
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
