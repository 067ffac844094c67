"""Emitting to one client with flags: ``socket.volatile``, ``socket.timeout(5)``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .answers import ask
from .broadcast import BroadcastOperator, Flags

if TYPE_CHECKING:
    from .rooms import Room
    from .socket import Socket


@dataclass(frozen=True, slots=True)
class SocketOperator:
    """One client, and how to emit to it."""

    socket: Socket
    flags: Flags

    @property
    def volatile(self) -> SocketOperator:
        """What is emitted may be lost if the client cannot be written to now."""
        return self._flagged(volatile=True)

    def timeout(self, seconds: float | None) -> SocketOperator:
        """How long to wait for an acknowledgement."""
        return self._flagged(timeout=seconds)

    def compress(self, compress: bool) -> SocketOperator:
        """Whether to compress: see `Flags`."""
        return self._flagged(compress=compress)

    def _flagged(self, **flags: Any) -> SocketOperator:
        return replace(self, flags=replace(self.flags, **flags))

    # --- to this client

    def emit(self, event: str, *args: Any) -> None:
        """Emit to this client; see `Socket.emit`."""
        self.socket.speak([event, *args], volatile=self.flags.volatile, compress=self.flags.compress)

    def send(self, *args: Any) -> None:
        """Emit the event ``message``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Emit, wait, and return the client's answer (a list if it has several arguments).

        Raises
        ------
        AckTimeout
            If none came in time.
        Disconnected
            If the client is gone.
        """
        return (await ask([self.socket], [event, *args], self.flags))[0]

    # --- to the others

    @property
    def broadcast(self) -> BroadcastOperator:
        """Everyone but this client."""
        return replace(self.socket.broadcast, flags=self.flags)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator:
        """Everyone in these rooms but this client."""
        return self.broadcast.to(*rooms)

    in_ = to

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator:
        """Everyone but this client and those in these rooms."""
        return self.broadcast.except_(*rooms)
