"""A network between clients and a hub, which fails on demand."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


class Link:
    """A TCP relay in front of a port of this machine, on the test's loop.

    Parameters
    ----------
    port : int
        Where the hub listens.

    Attributes
    ----------
    url : str
        Where clients connect.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._left: int | None = None  # bytes to the clients until the connection breaks
        self._rate: int | None = None  # bytes a turn to the clients
        self.url = ""

    async def __aenter__(self) -> Link:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._pairs)

    def cut(self) -> None:
        """Reset all connections. New ones work."""
        for pair in list(self._pairs):
            for writer in pair:
                _reset(writer)

    def cut_after(self, count: int) -> None:
        """Break a connection after so many more bytes to clients, even within a frame."""
        self._left = count

    def stall(self) -> None:
        """Forward nothing, and keep the connections open."""
        self._flowing.clear()

    def slow(self, rate: int | None) -> None:
        """Pass at most so many bytes a hundredth of a second to the clients; None for no bound."""
        self._rate = rate

    def refuse(self, refusing: bool = True) -> None:
        """Close new connections at once."""
        self._refusing = refusing

    def heal(self) -> None:
        """Work again."""
        self._left = self._rate = None
        self._refusing = False
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if self._refusing:
                return
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._upstream)
            pair = (writer, upstream)
            self._pairs.add(pair)
            try:
                await asyncio.gather(self._up(reader, upstream), self._down(upstream_reader, writer))
            finally:
                self._pairs.discard(pair)
                upstream.close()
        except OSError:  # the hub is down
            pass
        finally:
            writer.close()

    async def _up(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()

    async def _down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(self._rate or 1 << 16):
                await self._flowing.wait()
                if self._left is not None and len(data) >= self._left:
                    sink.write(data[: self._left])
                    await sink.drain()
                    self._left = None
                    _reset(sink)
                    break
                if self._left is not None:
                    self._left -= len(data)
                sink.write(data)
                await sink.drain()
                if self._rate:
                    await asyncio.sleep(0.01)
        sink.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        raw: socket.socket | None = writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
