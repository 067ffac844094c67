"""The other end of a server: one raw WebSocket of Socket.IO on asyncio, as light as can be."""

from __future__ import annotations

import asyncio

from jupyter_rtmsg.wire.websocket import TEXT, FrameParser, encode_frame

REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(packet: str) -> bytes:
    """Return a packet as a client writes it."""
    return encode_frame(TEXT, packet.encode(), b"mask")


class Peer(asyncio.Protocol):
    """A client that enters the root namespace and answers pings.

    Attributes
    ----------
    auth : str
        The JSON that it introduces itself with, or nothing.
    """

    auth = ""

    def __init__(self) -> None:
        self._parser = FrameParser(masked=False, max_size=1 << 24)
        self._head: bytes | None = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            if b"\r\n\r\n" not in self._head:
                return
            data, self._head = self._head.partition(b"\r\n\r\n")[2], None
        for message in self._parser.feed(data):
            if isinstance(message, str):
                self.packet(message)

    def packet(self, packet: str) -> None:
        """Take a packet."""
        if packet.startswith("0"):
            self.send("40" + self.auth)
        elif packet.startswith("40"):
            self.enter()
        elif packet == "2":
            self.send("3")

    def enter(self) -> None:
        """The server has let it in."""

    def send(self, packet: str) -> None:
        """Write a packet."""
        self.transport.write(frame(packet))
