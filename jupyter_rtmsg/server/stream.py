"""An asyncio transport over Tornado's IOStream, where the socket itself cannot be taken over (TLS)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import tornado.iostream

READ_SIZE = 64 * 1024


class StreamTransport(asyncio.Transport):
    """The part of `asyncio.Transport` that a `WebSocketTransport` uses.

    Parameters
    ----------
    stream : tornado.iostream.IOStream
        Open, and given up by its HTTP connection.
    protocol : asyncio.Protocol
    """

    def __init__(self, stream: tornado.iostream.IOStream, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._stream = stream
        self._protocol = protocol
        self._reading = asyncio.Event()
        self._reading.set()
        self._writing = 0  # bytes of writes that the stream has not finished
        self._closing = False
        self._task: asyncio.Task[None] | None = None  # kept, or it might be collected

    def start(self) -> None:
        """Begin to read."""
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
        """Write; the protocol is paused while the stream has not passed everything on."""
        if self._closing:
            return
        try:
            future = self._stream.write(data)
        except tornado.iostream.StreamClosedError:
            return  # the reading side tells the protocol
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
        """Return how many bytes of writes the stream has not finished."""
        return self._writing

    def close(self) -> None:
        """Close once everything is written."""
        self._closing = True
        self._reading.set()
        if not self._writing:
            self._stream.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._reading.set()
        self._stream.close()

    def can_write_eof(self) -> bool:
        """TLS has no half-closed connections."""
        return False

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._closing

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Read on."""
        self._reading.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Any write that has to wait pauses the protocol: there is nothing to set."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the socket."""
        return self._stream.socket if name == "socket" else default


def _retrieve(future: Any) -> None:
    """Look at the outcome, or asyncio complains for each write that a closed stream lost."""
    if not future.cancelled():
        future.exception()
