"""Proxies that a client meets: forward proxies, and those in front of a server that hinder WebSockets."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from jupyter_rtmsg.wire.websocket import accept_value


class Proxy:
    """A proxy that runs on the test's loop.

    Attributes
    ----------
    port : int
    heads : list of str
        What came before it decided: the heads of requests.
    """

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[str] = []
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def connections(self) -> int:
        """How many connections to it are open."""
        return sum(not writer.is_closing() for writer in self._writers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode("latin-1"))
            await self.decide(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def decide(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def join(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes) -> None:
        """Pass everything between a client and a port of this machine."""
        upstream = await asyncio.open_connection("127.0.0.1", port)
        upstream[1].write(first)
        self._writers.add(upstream[1])
        try:
            await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))
        finally:
            upstream[1].close()
            self._writers.discard(upstream[1])


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    sink.close()


class Hindering(Proxy):
    """Passes plain requests on, and does something else with upgrades.

    Parameters
    ----------
    upstream : int
        The server's port.
    answer : bytes, optional
        Sent to upgrades; without it, nothing is ever answered.
    hang_up : bool
        Whether the connection is closed then.
    """

    def __init__(self, upstream: int, answer: bytes = b"", *, hang_up: bool = False) -> None:
        super().__init__()
        self.upgrades = 0
        self._upstream = upstream
        self._answer = answer
        self._hang_up = hang_up

    async def decide(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"Upgrade: websocket" not in head:
            await self.join(self._upstream, reader, writer, head)
            return
        self.upgrades += 1
        writer.write(self._answer)
        if not self._hang_up:
            await reader.read()


class Opening(Hindering):
    """Answers the handshake of upgrades itself, and says these bytes behind it."""

    async def decide(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"Upgrade: websocket" in head:
            key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
            writer.write(switching(key))
        await super().decide(head, reader, writer)


def switching(key: str) -> bytes:
    """Return the 101 that answers a ``Sec-WebSocket-Key``."""
    fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_value(key)}"
    return f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n".encode()


class Forward(Proxy):
    """A forward proxy: CONNECT, with or without a password; every host is this machine.

    Parameters
    ----------
    credentials : str, optional
        ``user:password`` that clients must give.
    status : str, optional
        What CONNECT is answered with, instead of connecting.
    accepts : str
        What it is answered with, fields and all, when it connects.
    """

    def __init__(
        self, credentials: str = "", status: str = "", accepts: str = "HTTP/1.1 200 Connection established"
    ) -> None:
        super().__init__()
        self._wanted = "Basic " + base64.b64encode(credentials.encode()).decode() if credentials else ""
        self._status = status
        self._accepts = accepts

    async def decide(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, *_ = head.decode("latin-1").split()
        fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:-2])
        status = self._status
        if self._wanted and fields.get("Proxy-Authorization") != self._wanted:
            status = "407 Proxy Authentication Required"
        elif method != "CONNECT":
            status = "501 Only CONNECT"
        if status:
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\nsorry\n".encode())
            return
        writer.write(f"{self._accepts}\r\n\r\n".encode())
        await self.join(int(target.rpartition(":")[2]), reader, writer, b"")


@asynccontextmanager
async def running(proxy: Proxy, **options: Any) -> AsyncIterator[Any]:
    """Run a proxy; the options are those of `asyncio.start_server`."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=1 << 20, **options)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for writer in list(proxy._writers):
            writer.close()
