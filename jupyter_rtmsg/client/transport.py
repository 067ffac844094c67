"""What carries a session's packets: a WebSocket or long-polling. A `Session` does not know which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jupyter_rtmsg.wire.engineio import Handshake, Packet
from jupyter_rtmsg.wire.socketio import Encoded

MAX_MESSAGE = 64 * 1024 * 1024  # what the hub sends is bounded by the hub; this only stops nonsense


class Transport(Protocol):
    """What a session writes to.

    Attributes
    ----------
    name : str
        ``"websocket"`` or ``"polling"``.
    paused : bool
        Whether so much waits to be written that nothing should be added.
    """

    name: str
    paused: bool

    def begin(self, handshake: Handshake) -> None:
        """Learn what the server said when it opened the session."""

    def send(self, packet: Encoded) -> None:
        """Send a Socket.IO packet."""

    def write(self, packets: Sequence[Packet]) -> None:
        """Send Engine.IO packets."""

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Whether the server takes an event of ``size`` bytes in all, of which these are the attachments."""

    def close(self, code: int, reason: str) -> None:
        """Send what was written, say goodbye, and end. ``code`` is a WebSocket close code (RFC 6455, section 7.4)."""

    def abort(self, reason: str) -> None:
        """End at once."""

    def pause_reading(self) -> None:
        """Hand on nothing more."""

    def resume_reading(self) -> None:
        """Hand on what comes."""

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of its sockets."""


class Receiver(Protocol):
    """What a transport calls."""

    def connected(self, transport: Transport) -> None:
        """Learn what to write to. Called first, and in the tick in which the first packets are received."""

    def received(self, packets: Sequence[Packet]) -> None:
        """Take the packets of one read."""

    def lost(self, reason: str) -> None:
        """Learn that the transport has ended. Called once."""

    def writable(self) -> None:
        """Learn that the transport takes more again."""
