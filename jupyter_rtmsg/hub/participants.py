"""All connected participants, counted by user and by client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.server import Socket

from .application import Permits
from .budget import Budgets, TokenBucket
from .identity import Identity, identify
from .limits import Limits
from .room import Participant

_Key = TypeVar("_Key")

CLIENT_LEFT = "client namespace disconnect"
"""Socket.IO's reason for the end of a connection that the client closed itself."""

_NOT_CUT_OFF = frozenset({CLIENT_LEFT, "transport close", "transport error", "server shutting down"})
_MAX_CUT_OFF = 10_000  # clients whose reason is remembered


class Participants:
    """The hub's participants by socket id.

    A socket is checked by `admit` (a middleware), becomes a participant by `add`, and is forgotten by `remove`.

    Parameters
    ----------
    limits : Limits
    clock : callable
        Monotonic seconds.
    removed : callable
        Called with a participant, and the reason, after its connection has ended.

    Attributes
    ----------
    closed : bool
        Whether new connections are refused.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], removed: Callable[[Participant, str], Any]) -> None:
        self._limits = limits
        self._clock = clock
        self._removed = removed
        self._participants: dict[str, Participant] = {}
        self._counted: dict[Socket, Identity] = {}  # the identity that each was counted with: its own may change
        self._users: Counter[str] = Counter()
        self._budgets = Budgets(limits, clock, self._users)
        self._clients: Counter[tuple[str, str]] = Counter()
        self._cut_off: dict[tuple[str, str], str] = {}  # why the connection of a client was cut off, until it is back
        self.closed = False

    def __len__(self) -> int:
        return len(self._participants)

    def __iter__(self) -> Iterator[Participant]:
        return iter(self._participants.values())

    def __getitem__(self, socket_id: str) -> Participant:
        return self._participants[socket_id]

    def get(self, socket_id: str) -> Participant | None:
        """Return the participant of a socket id, or None."""
        return self._participants.get(socket_id)

    def of_socket(self, socket: Socket) -> Participant | None:
        """Return the participant of a socket; None if there is none, or if another socket has taken its id over."""
        participant = self._participants.get(socket.id)
        return participant if participant is not None and participant.socket is socket else None

    def principals(self) -> set[str]:
        """Return the principals that are connected."""
        return set(self._users)

    def has_client(self, principal: str, client: str) -> bool:
        """Tell whether a client of a user is connected."""
        return (principal, client) in self._clients

    def beneath(self, path: str, permits: Permits) -> list[tuple[Participant, str]]:
        """Return the kernels of a notebook, or of all notebooks in a directory.

        Parameters
        ----------
        path : str
            Real path of the notebook or directory.
        permits : callable
            Tells whether the participants of a principal are to be returned.

        Returns
        -------
        list of (Participant, str)
            With the rest of each notebook's real path, behind ``path``.
        """
        found: list[tuple[Participant, str]] = []
        for participant in self:
            real = participant.identity.path or ""
            if (real == path or real.startswith(path + "/")) and permits(participant.identity.principal):
                found.append((participant, real[len(path) :]))
        return found

    def close(self) -> None:
        """Refuse new connections from now on."""
        self.closed = True

    def admit(self, socket: Socket) -> None:
        """Identify the client and enforce the connection limit (a middleware).

        Raises
        ------
        ConnectionRefused
        """
        if self.closed:
            raise ConnectionRefused("the server is shutting down", {"code": "shutdown"})
        identity = identify(socket, self._limits)
        if self._users.get(identity.principal, 0) >= self._limits.connections_per_user:
            limit = self._limits.connections_per_user
            raise ConnectionRefused(
                f"{identity.principal} already has {limit} connections, the limit for one user: close one of them",
                {"code": "limit"},
            )
        socket.data["identity"] = identity

    def add(self, socket: Socket) -> None:
        """Add an admitted socket, or close it: several may have been admitted together for the last place."""
        identity: Identity = socket.data["identity"]
        bucket = TokenBucket(self._limits.publish_rate, self._limits.publish_burst, self._clock())
        closed = self._cut_off.pop((identity.principal, identity.client), None) if identity.client else None
        participant = Participant(socket, identity, bucket, self._budgets.of(identity.principal), closed)
        self._participants[socket.id] = socket.data["participant"] = participant
        self._counted[socket] = identity
        self._users[identity.principal] += 1
        if identity.client:
            self._clients[identity.principal, identity.client] += 1
        if self._users[identity.principal] > self._limits.connections_per_user:  # `remove` follows
            socket.session.close("too many connections")

    def remove(self, socket: Socket, reason: str) -> None:
        """Forget a socket whose connection has ended."""
        identity = self._counted.pop(socket, None)
        if identity is None:
            return
        participant: Participant = socket.data["participant"]
        _discount(self._users, identity.principal)
        if identity.client:
            _discount(self._clients, (identity.principal, identity.client))
        if self._participants.get(socket.id) is participant:
            del self._participants[socket.id]
        if identity.client and reason not in _NOT_CUT_OFF:
            self._remember(identity.principal, identity.client, reason)
        if not self.closed:  # at a shutdown all leave at once, and nobody is left to be told
            self._removed(participant, reason)

    def _remember(self, principal: str, client: str, reason: str) -> None:
        self._cut_off[principal, client] = reason
        if len(self._cut_off) > _MAX_CUT_OFF:
            del self._cut_off[next(iter(self._cut_off))]


def _discount(counter: Counter[_Key], key: _Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
