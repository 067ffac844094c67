"""The seam between a session and the connection that carries its packets: a WebSocket or long-polling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jupyter_rtmsg.wire.engineio import OpenPacket, Packet
from jupyter_rtmsg.wire.socketio import EncodedPacket

TRANSPORTS = ("websocket", "polling")
MAX_MESSAGE = 64 * 1024 * 1024  # bytes; far above the messages of any server, it only bounds a hostile one


class ClientTransport(Protocol):
    """The sending side of a connection, as the session sees it.

    Attributes
    ----------
    name : str
        ``"websocket"`` or ``"polling"``.
    paused : bool
        Whether more bytes wait than the high-water mark allows: senders should wait for `Receiver.writable`.
    """

    name: str
    paused: bool

    def begin(self, handshake: OpenPacket) -> None:
        """Take the session's id and limits, once the server has opened the session."""

    def send(self, packet: EncodedPacket) -> None:
        """Send a Socket.IO packet."""

    def write(self, packets: Sequence[Packet]) -> None:
        """Send Engine.IO packets."""

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Return whether the server accepts an event of ``size`` bytes, its attachments included."""

    def close(self, code: int, reason: str) -> None:
        """Send the pending packets, then close. ``code`` is a WebSocket close code (RFC 6455, section 7.4)."""

    def abort(self, reason: str) -> None:
        """Close at once; pending packets are lost."""

    def pause_reading(self) -> None:
        """Deliver no packets until `resume_reading`."""

    def resume_reading(self) -> None:
        """Deliver packets again."""

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of the open connections."""


class Receiver(Protocol):
    """The receiving side: a session, or the probe of an upgrade."""

    def connected(self, transport: ClientTransport) -> None:
        """Take the transport to write to. Called first, in the tick in which the first packets are received."""

    def received(self, packets: Sequence[Packet]) -> None:
        """Take the packets of one read."""

    def lost(self, reason: str) -> None:
        """Learn that the transport has ended. Called once."""

    def writable(self) -> None:
        """Learn that `ClientTransport.paused` is False again."""
