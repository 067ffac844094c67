"""A server of HTTP/1.1 whose every answer is written by the test, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Request:
    """A request; ``connection`` counts the connections on which requests came, from 0."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def is_upgrade(self) -> bool:
        return self.headers.get("upgrade") == "websocket"


Answer: TypeAlias = "Callable[[Request], Awaitable[bytes | None]]"


class HttpPeer:
    """Answers requests, and remembers them.

    Parameters
    ----------
    answer : callable
        Returns the bytes of an answer, or None to close the connection.
    """

    def __init__(self, answer: Answer) -> None:
        self.requests: list[Request] = []
        self.port = 0
        self._answer = answer
        self._connections = 0
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def bodies(self) -> list[str]:
        """Return the bodies of the POSTs."""
        return [request.body.decode() for request in self.requests if request.method == "POST"]

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._connections = self._connections, self._connections + 1
        try:
            while True:
                request = await _read(reader, number)
                self.requests.append(request)
                answer = await self._answer(request)
                if answer is None:
                    return
                writer.write(answer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, number: int) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:-2])}
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))), number)


def ok(body: str | bytes, *fields: str, status: str = "200 OK") -> bytes:
    """Return an answer with a Content-Length."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


@asynccontextmanager
async def http_peer(answer: Answer) -> AsyncIterator[HttpPeer]:
    """Run one on the test's loop."""
    peer = HttpPeer(answer)
    server = await asyncio.start_server(peer.accept, "127.0.0.1", 0, limit=1 << 24)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in list(peer.tasks):
            task.cancel()
