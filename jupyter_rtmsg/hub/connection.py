"""A connection: one Socket.IO socket, seen from the hub."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_rtmsg.server import Socket

from .budget import Budget
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
    budget : Budget
        Its principal's, for all commands.
    memberships : dict
        By room name.
    closed : str or None
        Why its client's earlier connection was cut off, until it was told.
    joining : int
        Joins under way.
    owed : int
        The mark that its client must show to be recovered, see `LogRecovery.owe`; 0: none.
    """

    __slots__ = (
        "_changed", "_identity", "_owe", "bucket", "budget", "closed", "joining", "memberships", "owed", "sender",
        "socket",
    )  # fmt: skip

    def __init__(
        self, socket: Socket, identity: Identity, bucket: TokenBucket, budget: Budget, closed: str | None
    ) -> None:
        self.socket = socket
        self.identity = identity
        self.bucket = bucket
        self.budget = budget
        self.memberships: dict[str, Membership] = {}
        self.closed = closed
        self.joining = 0
        self.owed = 0
        self._changed: Callable[[Connection], None] | None = None
        self._owe: Callable[[Connection], None] | None = None

    def watch(self, changed: Callable[[Connection], None], owe: Callable[[Connection], None]) -> None:
        """Have functions called by `changed` and `owe`."""
        self._changed, self._owe = changed, owe

    def changed(self) -> None:
        """The rooms have changed whose live events it receives."""
        if self._changed:
            self._changed(self)

    def owe(self) -> None:
        """Its client cannot be recovered before it shows that it has received what was written until now."""
        if self._owe:
            self._owe(self)

    @property
    def identity(self) -> Identity:
        """Who is connected; it changes when a kernel proves itself or its notebook is renamed."""
        return self._identity

    @identity.setter
    def identity(self, identity: Identity) -> None:
        self._identity = identity
        self.sender = identity.sender
