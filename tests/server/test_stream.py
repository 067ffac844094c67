"""Over TLS the socket cannot be taken over: the same protocol runs over Tornado's IOStream."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.wire.websocket import FrameParser, encode_frame

HANDSHAKE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Peer:
    """A few frames over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.parser = FrameParser(masked=False, max_size=1 << 24)
        self.messages: list[object] = []

    async def next(self) -> object:
        while not self.messages:
            data = await asyncio.wait_for(self.reader.read(65536), 10)
            assert data, "the server closed"
            self.messages += self.parser.feed(data)
        return self.messages.pop(0)

    def send(self, packet: str) -> None:
        self.writer.write(encode_frame(1, packet.encode(), b"mask"))


async def connect(port: int, certificate: Path, first: bytes = b"") -> Peer:
    context = ssl.create_default_context(cafile=str(certificate))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(HANDSHAKE + first)
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    return Peer(reader, writer)


async def serve(certificate: Path) -> tuple[Server, int]:
    io = Server()

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("echo", lambda data: data)
        socket.on("big", lambda size: socket.emit("big", "x" * size))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return io, await io.listen(ssl_options=context)


async def test_events_and_acknowledgements_over_tls(certificate: Path):
    io, port = await serve(certificate)
    peer = await connect(port, certificate, first=encode_frame(1, b"40", b"mask"))  # right behind the request
    assert str(await peer.next()).startswith("0{")
    assert str(await peer.next()).startswith("40{")
    peer.send('421["echo","hi"]')
    assert await peer.next() == '431["hi"]'
    peer.send('42["big",900000]')
    assert await peer.next() == '42["big","' + "x" * 900_000 + '"]'
    assert next(iter(io.of("/").sockets.values())).handshake.secure
    await io.close()
    assert getattr(await peer.next(), "code", None) == 1001
    peer.writer.close()


async def test_the_server_notices_a_peer_that_is_gone_over_tls(certificate: Path):
    io, port = await serve(certificate)
    gone: asyncio.Queue[str] = asyncio.Queue()
    io.on("connection", lambda socket: socket.on("disconnect", gone.put_nowait))
    peer = await connect(port, certificate)
    peer.send("40")
    while not str(await peer.next()).startswith("40"):
        pass
    peer.writer.transport.abort()
    assert (await asyncio.wait_for(gone.get(), 10)).startswith("transport")
    await io.close()
