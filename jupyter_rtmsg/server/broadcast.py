"""Emitting to many: the chains of Socket.IO's cheatsheet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..wire.socketio import encode_event

if TYPE_CHECKING:
    from .namespace import Namespace


@dataclass(frozen=True, slots=True)
class Flags:
    """``volatile``: may be lost; ``timeout``: seconds to wait for acknowledgements, None: for ever."""

    volatile: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class BroadcastOperator:
    """Some of the clients of a namespace: the union of rooms (all if none is named) minus the union of others."""

    namespace: Namespace
    rooms: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    flags: Flags = field(default_factory=Flags)

    def to(self, *rooms: str) -> BroadcastOperator:
        """Those in these rooms too."""
        return replace(self, rooms=self.rooms.union(rooms))

    in_ = to

    def except_(self, *rooms: str) -> BroadcastOperator:
        """But none of those in these rooms."""
        return replace(self, excluded=self.excluded.union(rooms))

    @property
    def volatile(self) -> BroadcastOperator:
        """Skip clients who cannot be written to now."""
        return replace(self, flags=replace(self.flags, volatile=True))

    def timeout(self, seconds: float | None) -> BroadcastOperator:
        """How long to wait for acknowledgements."""
        return replace(self, flags=replace(self.flags, timeout=seconds))

    def emit(self, event: str, *args: Any) -> None:
        """Emit to all of them: encoded once, never waits. Raises as `Socket.emit`."""
        encoded = encode_event([event, *args], self.namespace.name)
        targets = self.namespace.rooms.select(self.rooms, self.excluded)
        if self.flags.volatile:
            targets = [socket for socket in targets if socket.session.ready]
        self.namespace.write(targets, encoded)

    def send(self, *args: Any) -> None:
        """Emit the event ``message``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Emit and wait for the answer of each of them.

        Raises
        ------
        AckTimeout
            If not all answered in time; ``responses`` holds what came.
        """
        targets = self.namespace.rooms.select(self.rooms, self.excluded)
        return await self.namespace.emit_with_ack(targets, [event, *args], self.flags.timeout)
