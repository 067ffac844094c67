"""A raw WebSocket client for tests: it sends what it is told, right or wrong, and answers nothing by itself."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket as sockets
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jupyter_rtmsg.wire.engineio import OpenPacket
from jupyter_rtmsg.wire.websocket import (
    BINARY,
    TEXT,
    Close,
    FrameParser,
    Message,
    accept_value,
    encode_close,
    encode_frame,
)

PATIENCE = 30.0  # seconds until something that should have come has not


async def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came to hold"
        await asyncio.sleep(0.002)


def upgrade_request(
    query: str = "EIO=4&transport=websocket", path: str = "/socket.io/", method: str = "GET", **headers: str | None
) -> bytes:
    """Build an upgrade request; a header given as None is left out, ``_`` in its name stands for ``-``."""
    fields: dict[str, str | None] = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"{method} {path}?{query} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Response:
    """The head of an HTTP response, and its body."""

    def __init__(self, head: bytes, body: bytes = b"") -> None:
        status, *fields = head.decode("latin-1").strip().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {k.strip().lower(): v.strip() for k, v in (field.split(":", 1) for field in fields)}
        self.body = body

    def json(self) -> Any:
        """Return the body's JSON."""
        return json.loads(self.body)


class RawClient:
    """One TCP connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.opened: OpenPacket | None = None
        self.welcome: dict[str, str] = {}  # what the last CONNECT was answered with
        self._parser = FrameParser(masked=False, max_size=1 << 26)
        self._messages: deque[Message] = deque()

    @classmethod
    async def dial(cls, port: int, *, receive_buffer: int | None = None) -> RawClient:
        """Connect over TCP and say nothing."""
        sock = sockets.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=sock, limit=1 << 16))

    @classmethod
    async def open(cls, port: int, *, receive_buffer: int | None = None, query: str = "", **headers: str) -> RawClient:
        """Connect, upgrade and take the open packet."""
        self = await cls.dial(port, receive_buffer=receive_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        self.write(upgrade_request("EIO=4&transport=websocket" + query, Sec_WebSocket_Key=key, **headers))
        response = await self.response()
        assert response.status == 101, (response.status, response.body)
        assert response.headers["sec-websocket-accept"] == accept_value(key)
        await self.take_open()
        return self

    async def take_open(self) -> OpenPacket:
        """Take the open packet."""
        packet = await self.receive()
        assert isinstance(packet, str)
        self.opened = OpenPacket.decode(packet)
        return self.opened

    async def response(self) -> Response:
        """Read an HTTP response."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        length = int(Response(head).headers.get("content-length", "0"))
        return Response(head, await asyncio.wait_for(self.reader.readexactly(length), PATIENCE))

    async def rest(self) -> bytes:
        """Read to the end, whichever way it ends."""
        data = b""
        with suppress(ConnectionError):
            while more := await asyncio.wait_for(self.reader.read(1 << 16), PATIENCE):
                data += more
        return data

    # --- out

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    def send(self, *packets: str | bytes) -> None:
        """Send packets, each in a masked frame of its own, in one write."""
        self.write(
            b"".join(
                encode_frame(TEXT, packet.encode(), os.urandom(4))
                if isinstance(packet, str)
                else encode_frame(BINARY, packet, os.urandom(4))
                for packet in packets
            )
        )

    def send_close(self, code: int = 1000) -> None:
        """Send a close frame."""
        self.write(encode_close(code, mask=os.urandom(4)))

    def reset(self) -> None:
        """Drop the connection with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hang_up(self) -> None:
        """Close the TCP connection."""
        self.writer.close()

    # --- in

    async def receive(self, seconds: float = PATIENCE) -> Message | None:
        """Return the next message, or None at the end of the stream."""
        return await asyncio.wait_for(self._receive(), seconds)

    async def _receive(self) -> Message | None:
        while not self._messages:
            try:
                data = await self.reader.read(1 << 16)
            except ConnectionError:
                return None
            if not data:
                return None
            self._messages.extend(self._parser.feed(data))
            assert self._parser.error is None, self._parser.error
        return self._messages.popleft()

    async def receive_many(self, count: int) -> list[Message | None]:
        """Return so many messages."""
        return [await self.receive() for _ in range(count)]

    async def enter(self, namespace: str = "/", auth: Any = None) -> str:
        """Connect to a namespace and return the socket's id."""
        prefix = "" if namespace == "/" else namespace + ","
        self.send("40" + prefix + ("" if auth is None else json.dumps(auth)))
        packet = await self.receive()
        assert isinstance(packet, str)
        assert packet.startswith("40" + prefix + "{"), packet
        self.welcome = json.loads(packet[2 + len(prefix) :])
        return str(self.welcome["sid"])

    async def closing(self) -> Close:
        """Read to the close frame, which must be followed by the end of the stream once it is answered."""
        while not isinstance(message := await self.receive(), Close):
            assert message is not None, "the connection ended without a close frame"
        self.send_close(1000 if message.code == 1005 else message.code)
        assert await self.receive() is None
        return message

    async def quiet(self) -> None:
        """Check that nothing came before the answer to something sent now: an unknown namespace."""
        self.send("40/quiet?,")
        assert await self.receive() == '44/quiet?,{"message":"Invalid namespace"}'
