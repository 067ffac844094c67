"""Emitting to many: the chains of Socket.IO's cheatsheet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .answers import ask
from .rooms import Room, names

if TYPE_CHECKING:
    from .namespace import Namespace
    from .socket import Socket


@dataclass(frozen=True, slots=True)
class Flags:
    """How to emit.

    Attributes
    ----------
    volatile : bool
        It may be lost.
    timeout : float, optional
        Seconds to wait for acknowledgements; None: for ever.
    compress : bool
        Whether it may be compressed, where a client and `Engine`'s ``per_message_deflate`` have agreed on that.
    """

    volatile: bool = False
    timeout: float | None = None
    compress: bool = True


class Broadcaster:
    """What a server, a namespace and every chain that begins with one can do with many clients."""

    __slots__ = ()

    def _chain(self) -> BroadcastOperator:
        """Return what a chain goes on from."""
        raise NotImplementedError

    # --- whom, and how

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator:
        """Those in these rooms too."""
        chain = self._chain()
        return replace(chain, rooms=chain.rooms.union(names(rooms)))

    in_ = to

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator:
        """But none of those in these rooms."""
        chain = self._chain()
        return replace(chain, excluded=chain.excluded.union(names(rooms)))

    @property
    def volatile(self) -> BroadcastOperator:
        """Skip clients who cannot be written to now."""
        return self._flagged(volatile=True)

    def timeout(self, seconds: float | None) -> BroadcastOperator:
        """How long to wait for acknowledgements."""
        return self._flagged(timeout=seconds)

    def compress(self, compress: bool) -> BroadcastOperator:
        """Whether to compress: see `Flags`."""
        return self._flagged(compress=compress)

    @property
    def local(self) -> BroadcastOperator:
        """Only clients of this server: there is one server, so all of them."""
        return self._chain()

    def _flagged(self, **flags: Any) -> BroadcastOperator:
        chain = self._chain()
        return replace(chain, flags=replace(chain.flags, **flags))

    # --- what

    def emit(self, event: str, *args: Any) -> None:
        """Emit to all of them: encoded once, never waits. Any thread may.

        Raises
        ------
        NotJSON
            If an argument is neither JSON nor bytes.
        TooLarge
            If it is larger than the server's ``max_queue``.
        ValueError
            If the name is one of Socket.IO's own.
        """
        chain = self._chain()
        chain.namespace.broadcast([event, *args], chain)

    def send(self, *args: Any) -> None:
        """Emit the event ``message``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Emit and wait for the answer of each of them.

        Raises
        ------
        AckTimeout
            If not all answered in time.
        Disconnected
            If all have answered but some who left before that.

        Both hold the answers that came, ``responses``, and the ids of the sockets that did not answer, ``missing``.
        """
        chain = self._chain()
        return await ask(chain.select(), [event, *args], chain.flags)

    async def fetch_sockets(self) -> list[Socket]:
        """Return their sockets."""
        return self._chain().select()

    def sockets_join(self, *rooms: Room | Iterable[Room]) -> None:
        """Make all of them enter rooms."""
        for socket in self._chain().select():
            socket.join(*rooms)

    def sockets_leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Make all of them leave rooms."""
        for socket in self._chain().select():
            socket.leave(*rooms)

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect all of them, see `Socket.disconnect`."""
        for socket in self._chain().select():
            socket.disconnect(close)


@dataclass(frozen=True, slots=True)
class BroadcastOperator(Broadcaster):
    """Some of the clients of a namespace: the union of rooms (all if none is named) minus the union of others."""

    namespace: Namespace
    rooms: frozenset[Room] = frozenset()
    excluded: frozenset[Room] = frozenset()
    flags: Flags = field(default_factory=Flags)

    def _chain(self) -> BroadcastOperator:
        return self

    def select(self) -> list[Socket]:
        """Return the sockets; raises RuntimeError on another thread than the server's."""
        self.namespace.server.engine.check_thread("what concerns several sockets")
        return self.namespace.select(self.rooms, self.excluded)
