"""Everybody who is connected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.server import Socket

from .budget import Budgets
from .connection import Connection
from .identity import Identity, identify
from .limits import Limits
from .rate import TokenBucket

_Key = TypeVar("_Key")

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
        self._counted: dict[Socket, Identity] = {}  # as whom each was counted: what is known of it may change
        self._users: Counter[str] = Counter()
        self._budgets = Budgets(limits, clock, self._users)
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
        """Take a socket that was admitted; one too many, since several were admitted at once, is closed."""
        identity: Identity = socket.data["identity"]
        bucket = TokenBucket(self._limits.publish_rate, self._limits.publish_burst, self._clock())
        closed = self._cut_off.pop((identity.principal, identity.client), None) if identity.client else None
        connection = Connection(socket, identity, bucket, self._budgets.of(identity.principal), closed)
        self._connections[socket.id] = socket.data["connection"] = connection
        self._counted[socket] = identity
        self._users[identity.principal] += 1
        if identity.client:
            self._clients[identity.principal, identity.client] += 1
        if self._users[identity.principal] > self._limits.connections_per_user:
            socket.session.close("too many connections")

    def remove(self, socket: Socket, reason: str) -> None:
        """Let go of a socket that is gone."""
        identity = self._counted.pop(socket, None)
        if identity is None:
            return
        connection: Connection = socket.data["connection"]
        _discount(self._users, identity.principal)
        if identity.client:
            _discount(self._clients, (identity.principal, identity.client))
        if self._connections.get(socket.id) is connection:
            del self._connections[socket.id]
        if identity.client and reason not in _NOBODY_CUT:
            self._remember(identity.principal, identity.client, reason)
        if not self.closed:
            self._gone(connection, reason)

    def _remember(self, principal: str, client: str, reason: str) -> None:
        self._cut_off[principal, client] = reason
        if len(self._cut_off) > _REMEMBERED:
            del self._cut_off[next(iter(self._cut_off))]


def _discount(counter: Counter[_Key], key: _Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
