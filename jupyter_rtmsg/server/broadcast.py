"""Emitting to several clients, and emitting with flags: the chains of Socket.IO's cheatsheet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from .acks import AskedNamespace, AskedSocket, ask
from .rooms import Room, names


@dataclass(frozen=True, slots=True)
class Flags:
    """How an event is emitted.

    Attributes
    ----------
    volatile : bool
        Whether the event may be dropped for clients that cannot be written to now.
    timeout : float or None
        Seconds to wait for acknowledgements; None: no limit.
    compress : bool
        Whether the event may be compressed, if the client and the engine agreed on that (``per_message_deflate``).
    """

    volatile: bool = False
    timeout: float | None = None
    compress: bool = True


class RemoteSocket(AskedSocket, Protocol):
    """The part of a `Socket` that chains use."""

    def join(self, *rooms: Room | Iterable[Room]) -> None:
        """Join rooms."""

    def leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Leave rooms."""

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the client."""


S = TypeVar("S", bound=RemoteSocket)


class ChainNamespace(AskedNamespace, Protocol[S]):
    """The part of a `Namespace` that chains use."""

    def broadcast(self, args: list[Any], chain: BroadcastOperator[S]) -> None:
        """Emit an event to the sockets that a chain selects."""

    def select(self, rooms: Collection[Room], excluded: Collection[Room]) -> list[S]:
        """Return the sockets of some rooms that are in none of the excluded rooms."""


class Broadcaster(Generic[S]):
    """The methods of a server, of a namespace, and of every chain that begins with one."""

    __slots__ = ()

    def _chain(self) -> BroadcastOperator[S]:
        """Return the chain to extend."""
        raise NotImplementedError

    # --- the clients, and how to emit to them

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[S]:
        """Add the clients in these rooms."""
        chain = self._chain()
        return replace(chain, rooms=chain.rooms.union(names(rooms)))

    in_ = to

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[S]:
        """Exclude the clients in these rooms."""
        chain = self._chain()
        return replace(chain, excluded=chain.excluded.union(names(rooms)))

    @property
    def volatile(self) -> BroadcastOperator[S]:
        """Drop the event for clients that cannot be written to now."""
        return self._flagged(volatile=True)

    def timeout(self, seconds: float | None) -> BroadcastOperator[S]:
        """Limit the wait for acknowledgements."""
        return self._flagged(timeout=seconds)

    def compress(self, compress: bool) -> BroadcastOperator[S]:
        """Allow or forbid compression, see `Flags`."""
        return self._flagged(compress=compress)

    @property
    def local(self) -> BroadcastOperator[S]:
        """The clients of this server. There is no cluster, so these are all clients."""
        return self._chain()

    def _flagged(self, **flags: Any) -> BroadcastOperator[S]:
        chain = self._chain()
        return replace(chain, flags=replace(chain.flags, **flags))

    # --- actions

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event to the clients. It is encoded once. Never waits; may be called on any thread.

        Raises
        ------
        NotJSON
            If an argument is neither JSON nor bytes.
        TooLarge
            If the packet is larger than the server's ``max_queue``.
        ValueError
            If the name is reserved by Socket.IO.
        """
        chain = self._chain()
        chain.namespace.broadcast([event, *args], chain)

    def send(self, *args: Any) -> None:
        """Emit the event ``message``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Emit an event and wait for the acknowledgement of each client.

        Returns
        -------
        list
            The acknowledgements in the order of arrival: each its argument, the list of several, or None.

        Raises
        ------
        AckTimeout
            If a client did not acknowledge in time.
        Disconnected
            If a client disconnected before it acknowledged, and all others have acknowledged. Both errors have the
            acknowledgements that arrived (``responses``) and the ids of the other sockets (``missing``).
        """
        flags = self._chain().flags
        return await ask(self._chain().select(), [event, *args], timeout=flags.timeout, compress=flags.compress)

    async def fetch_sockets(self) -> list[S]:
        """Return the sockets of the clients."""
        return self._chain().select()

    def sockets_join(self, *rooms: Room | Iterable[Room]) -> None:
        """Make the clients join rooms."""
        for socket in self._chain().select():
            socket.join(*rooms)

    def sockets_leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Make the clients leave rooms."""
        for socket in self._chain().select():
            socket.leave(*rooms)

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect the clients, see `Socket.disconnect`."""
        for socket in self._chain().select():
            socket.disconnect(close)


@dataclass(frozen=True, slots=True)
class BroadcastOperator(Broadcaster[S]):
    """A chain: the clients in the union of ``rooms`` (all clients if empty) that are in no room of ``excluded``."""

    namespace: ChainNamespace[S]
    rooms: frozenset[Room] = frozenset()
    excluded: frozenset[Room] = frozenset()
    flags: Flags = field(default_factory=Flags)

    def _chain(self) -> BroadcastOperator[S]:
        return self

    def select(self) -> list[S]:
        """Return the sockets; raise `RuntimeError` on another thread than the server's."""
        self.namespace.check_thread("a method that concerns several sockets")
        return self.namespace.select(self.rooms, self.excluded)


class EmittingSocket(AskedSocket, Protocol[S]):
    """The part of a `Socket` that `SocketOperator` uses."""

    def emit_args(self, args: list[Any], *, volatile: bool = False, compress: bool = True) -> None:
        """Emit the event that a list holds: its name, then its arguments."""

    @property
    def broadcast(self) -> BroadcastOperator[S]:
        """All clients but this one."""


@dataclass(frozen=True, slots=True)
class SocketOperator(Generic[S]):
    """A chain that begins with a socket: emits to its client with flags, such as ``socket.timeout(5)``."""

    socket: EmittingSocket[S]
    flags: Flags

    @property
    def volatile(self) -> SocketOperator[S]:
        """Drop the event if the client cannot be written to now."""
        return self._flagged(volatile=True)

    def timeout(self, seconds: float | None) -> SocketOperator[S]:
        """Limit the wait for the acknowledgement."""
        return self._flagged(timeout=seconds)

    def compress(self, compress: bool) -> SocketOperator[S]:
        """Allow or forbid compression, see `Flags`."""
        return self._flagged(compress=compress)

    def _flagged(self, **flags: Any) -> SocketOperator[S]:
        return replace(self, flags=replace(self.flags, **flags))

    # --- to this client

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event to this client, see `Socket.emit`."""
        self.socket.emit_args([event, *args], volatile=self.flags.volatile, compress=self.flags.compress)

    def send(self, *args: Any) -> None:
        """Emit the event ``message``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Emit an event and wait for the acknowledgement.

        Returns
        -------
        object
            The argument of the acknowledgement; the list of several; None if there is none.

        Raises
        ------
        AckTimeout
            If the client did not acknowledge in time.
        Disconnected
            If the client disconnected.
        """
        flags = self.flags
        return (await ask([self.socket], [event, *args], timeout=flags.timeout, compress=flags.compress))[0]

    # --- to other clients

    @property
    def broadcast(self) -> BroadcastOperator[S]:
        """All clients but this one."""
        return replace(self.socket.broadcast, flags=self.flags)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[S]:
        """The clients in these rooms but this one."""
        return self.broadcast.to(*rooms)

    in_ = to

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[S]:
        """All clients but this one and those in these rooms."""
        return self.broadcast.except_(*rooms)
