"""An asyncio transport over Tornado's `IOStream`, for TLS: the stream does it, so its socket cannot be taken over."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import tornado.iostream

READ_SIZE = 64 * 1024


class StreamTransport(asyncio.Transport):
    """Implements the part of `asyncio.Transport` that a `WebSocketTransport` uses.

    Parameters
    ----------
    stream : tornado.iostream.IOStream
        Open, and detached from its HTTP connection.
    protocol : asyncio.Protocol
    """

    def __init__(self, stream: tornado.iostream.IOStream, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._stream = stream
        self._protocol = protocol
        self._reading = asyncio.Event()
        self._reading.set()
        self._writing = 0  # bytes that the stream has not written yet
        self._closing = False
        self._task: asyncio.Task[None] | None = None  # the loop has only a weak reference to a task

    def start(self) -> None:
        """Start reading."""
        self._protocol.connection_made(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        error: Exception | None = None
        try:
            while True:
                await self._reading.wait()
                data = await self._stream.read_bytes(READ_SIZE, partial=True)
                self._protocol.data_received(data)
        except tornado.iostream.StreamClosedError as closed:
            error = closed.real_error if isinstance(closed.real_error, Exception) else None
        finally:
            self._stream.close()
            self._protocol.connection_lost(error)

    def write(self, data: Any) -> None:
        """Write, and pause the protocol until the stream has written all bytes."""
        if self._closing:
            return
        try:
            future = self._stream.write(data)
        except tornado.iostream.StreamClosedError:
            return  # the protocol learns of it from `_run`
        if future.done():
            _retrieve(future)
            return
        if not self._writing:
            self._protocol.pause_writing()
        self._writing += len(data)
        future.add_done_callback(partial(self._written, len(data)))

    def _written(self, size: int, future: Any) -> None:
        _retrieve(future)
        self._writing -= size
        if self._writing:
            return
        if self._closing:
            self._stream.close()
        else:
            self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        """Return the bytes that the stream has not written yet."""
        return self._writing

    def close(self) -> None:
        """Close when all bytes are written."""
        self._closing = True
        self._reading.set()
        if not self._writing:
            self._stream.close()

    def abort(self) -> None:
        """Close without writing the rest."""
        self._closing = True
        self._reading.set()
        self._stream.close()

    def can_write_eof(self) -> bool:
        """Return False: TLS has no half-closed connections."""
        return False

    def is_closing(self) -> bool:
        """Return whether the transport is closed or being closed."""
        return self._closing

    def pause_reading(self) -> None:
        """Stop reading."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Continue reading."""
        self._reading.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the protocol is paused whenever a write has to wait."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the socket for ``"socket"``, else the default."""
        return self._stream.socket if name == "socket" else default


def _retrieve(future: Any) -> None:
    """Retrieve the exception of a write, or asyncio logs it when the stream is closed."""
    if not future.cancelled():
        future.exception()
