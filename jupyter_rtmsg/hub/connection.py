"""A connection: one Socket.IO socket, seen from the hub."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_rtmsg.server import Socket

from .identity import Identity
from .rate import TokenBucket
from .room import Membership


class Connection:
    """Somebody who is connected.

    Attributes
    ----------
    socket : Socket
    identity : Identity
    sender : bytes
        The ``from`` of its events, as JSON.
    bucket : TokenBucket
        For its publishes.
    memberships : dict
        By room name.
    closed : str or None
        Why its client's earlier connection was cut off, until it was told.
    """

    __slots__ = ("_changed", "_identity", "bucket", "closed", "memberships", "sender", "socket")

    def __init__(self, socket: Socket, identity: Identity, bucket: TokenBucket, closed: str | None) -> None:
        self.socket = socket
        self.identity = identity
        self.bucket = bucket
        self.memberships: dict[str, Membership] = {}
        self.closed = closed
        self._changed: Callable[[Connection], None] | None = None

    def watch(self, changed: Callable[[Connection], None]) -> None:
        """Have a function called when the rooms have changed whose live events it receives."""
        self._changed = changed

    def changed(self) -> None:
        """Tell that they have."""
        if self._changed:
            self._changed(self)

    @property
    def identity(self) -> Identity:
        """Who is connected; it changes when a kernel proves itself or its notebook is renamed."""
        return self._identity

    @identity.setter
    def identity(self, identity: Identity) -> None:
        self._identity = identity
        self.sender = identity.sender
