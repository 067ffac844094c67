"""Everybody who is connected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.server import Socket

from .connection import Connection
from .identity import Identity, identify
from .limits import Limits
from .rate import TokenBucket

CLEAN = "client namespace disconnect"
"""Why a connection ended whose client said goodbye (Socket.IO's words)."""

_NOBODY_CUT = frozenset({CLEAN, "transport close", "transport error", "server shutting down"})
_REMEMBERED = 10_000  # clients that were cut off, until they come back


class Connections:
    """The hub's connections by socket id.

    Parameters
    ----------
    limits : Limits
    clock : callable
        Seconds.
    gone : callable
        Called with a connection, and the reason, after its end.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], gone: Callable[[Connection, str], Any]) -> None:
        self._limits = limits
        self._clock = clock
        self._gone = gone
        self._connections: dict[str, Connection] = {}
        self._users: Counter[str] = Counter()
        self._clients: Counter[tuple[str, str]] = Counter()
        self._cut_off: dict[tuple[str, str], str] = {}
        self.closed = False

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._connections.values())

    def __getitem__(self, socket_id: str) -> Connection:
        return self._connections[socket_id]

    def get(self, socket_id: str) -> Connection | None:
        """Return a connection, if it is there."""
        return self._connections.get(socket_id)

    def principals(self) -> set[str]:
        """Return who is connected."""
        return set(self._users)

    def has_client(self, principal: str, client: str) -> bool:
        """Return whether a user's client is connected."""
        return (principal, client) in self._clients

    def close(self) -> None:
        """Take nobody any more."""
        self.closed = True

    def admit(self, socket: Socket) -> None:
        """Be the middleware that looks who it is.

        Raises
        ------
        ConnectionRefused
        """
        if self.closed:
            raise ConnectionRefused("the server is going down", {"code": "shutdown"})
        identity = identify(socket, self._limits)
        if self._users.get(identity.principal, 0) >= self._limits.connections_per_user:
            limit = self._limits.connections_per_user
            raise ConnectionRefused(f"{identity.principal} has {limit} connections already", {"code": "limit"})
        socket.data["identity"] = identity

    def add(self, socket: Socket) -> None:
        """Take a socket that was admitted."""
        identity: Identity = socket.data["identity"]
        bucket = TokenBucket(self._limits.publish_rate, self._limits.publish_burst, self._clock())
        closed = self._cut_off.pop((identity.principal, identity.client), None) if identity.client else None
        connection = Connection(socket, identity, bucket, closed)
        self._connections[socket.id] = socket.data["connection"] = connection
        self._users[identity.principal] += 1
        if identity.client:
            self._clients[identity.principal, identity.client] += 1

    def remove(self, socket: Socket, reason: str) -> None:
        """Let go of a socket that is gone."""
        connection = self._connections.get(socket.id)
        if connection is None or connection.socket is not socket:
            return
        del self._connections[socket.id]
        identity = connection.identity
        self._users[identity.principal] -= 1
        if not self._users[identity.principal]:
            del self._users[identity.principal]
        if identity.client:
            self._forget_client(identity.principal, identity.client)
        if identity.client and reason not in _NOBODY_CUT:
            self._remember(identity.principal, identity.client, reason)
        if not self.closed:
            self._gone(connection, reason)

    def _forget_client(self, principal: str, client: str) -> None:
        self._clients[principal, client] -= 1
        if not self._clients[principal, client]:
            del self._clients[principal, client]

    def _remember(self, principal: str, client: str, reason: str) -> None:
        self._cut_off[principal, client] = reason
        if len(self._cut_off) > _REMEMBERED:
            del self._cut_off[next(iter(self._cut_off))]
