"""Responses to polls: written in pieces, and kept for a while after their session has ended."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Sequence
from typing import Any, cast

import tornado.iostream
import tornado.web
from tornado.http1connection import HTTP1Connection

from jupyter_rtmsg.wire.engineio import CLOSE

from .outbox import CHUNK
from .transport import unsent

COMPRESS_FROM = 1024  # bytes; compressing a shorter response does not pay
RESPONSE_SIZE = 256 * 1024  # bytes of packets in one response, unless a single packet is larger
KEEP_SECONDS = 30.0  # for which the final payloads of a session are kept (docs/protocol.md#engineio-closing)
_MAX_SESSIONS = 10_000
_MAX_SIZE = 16 << 20  # characters of all kept payloads


class PollResponse:
    """The response to a GET, written in pieces of `CHUNK` bytes so that `unsent` shows whether the peer reads.

    Parameters
    ----------
    handler : tornado.web.RequestHandler
    body : str
        An Engine.IO payload.
    """

    __slots__ = ("_data", "_handler", "_stream", "_written")

    def __init__(self, handler: tornado.web.RequestHandler, body: str) -> None:
        data = body.encode()
        handler.set_header("Content-Type", "text/plain; charset=UTF-8")
        handler.set_header("Cache-Control", "no-store")
        compressed = "gzip" in handler.request.headers.get("Accept-Encoding", "")
        if COMPRESS_FROM <= len(data) <= RESPONSE_SIZE and compressed:
            handler.set_header("Content-Encoding", "gzip")
            handler.add_header("Vary", "Accept-Encoding")
            data = gzip.compress(data, compresslevel=1)
        handler.set_header("Content-Length", str(len(data)))
        self._handler = handler
        self._data = data
        self._written = 0
        self._stream = stream_of(handler)

    async def write(self) -> None:
        """Write the whole response.

        Raises
        ------
        tornado.iostream.StreamClosedError
            If the connection is lost before that.
        """
        data = memoryview(self._data)
        while len(data) - self._written > CHUNK:
            self._handler.write(bytes(data[self._written : self._written + CHUNK]))
            await self._handler.flush()
            self._written += CHUNK
        await self._handler.finish(bytes(data[self._written :]))
        self._written = len(data)
        if self._stream.error:
            raise tornado.iostream.StreamClosedError(self._stream.error)

    @property
    def unsent(self) -> int:
        """Bytes that the peer has not acknowledged, as far as the operating system reports it."""
        return len(self._data) - self._written + unsent(self._stream.socket)

    def abort(self) -> None:
        """Close the connection."""
        self._stream.close()


async def respond(handler: tornado.web.RequestHandler, body: str) -> None:
    """Answer a GET for a session that has ended; ignore a lost connection."""
    with contextlib.suppress(tornado.iostream.StreamClosedError):
        await PollResponse(handler, body).write()


def stream_of(handler: tornado.web.RequestHandler) -> tornado.iostream.IOStream:
    """Return the stream of a request's connection."""
    return cast(HTTP1Connection, handler.request.connection).stream


def on_connection_close(handler: tornado.web.RequestHandler, callback: object) -> None:
    """Call back when a request's connection is closed, for handlers of any class."""
    connection = handler.request.connection
    assert connection is not None
    connection.set_close_callback(callback)  # type: ignore[attr-defined]


class ClosedSessions:
    """Final payloads of closed polling sessions, kept 30 s for a late GET.

    Nothing is kept for further sessions while the limits are reached: their late GETs get "Session ID unknown".
    """

    def __init__(self) -> None:
        self._bodies: dict[str, tuple[Any, tuple[str, ...]]] = {}  # by session id: its user, one payload for each GET
        self._size = 0

    def add(self, id: str, user: Any, bodies: Sequence[str]) -> None:
        """Keep the final payloads of a session, one for each GET.

        Parameters
        ----------
        id : str
            The session's id.
        user : object
            The session's user: `take` returns the payloads to this user only.
        bodies : sequence of str
            At least one.
        """
        size = sum(map(len, bodies))
        if len(self._bodies) < _MAX_SESSIONS and self._size + size <= _MAX_SIZE:
            self._bodies[id] = (user, tuple(bodies))
            self._size += size
            asyncio.get_running_loop().call_later(KEEP_SECONDS, self.forget, id)

    def has_messages(self, id: str) -> bool:
        """Return whether more than a close packet is kept for a session."""
        return self._bodies.get(id, (None, (CLOSE,)))[1][0] != CLOSE

    def take(self, id: str, user: Any) -> str | None:
        """Remove and return the next payload of a session; None if there is none for this user."""
        owner, bodies = self._bodies.get(id, (None, ()))
        if not bodies or owner != user:
            return None
        body, *rest = bodies
        if rest:
            self._bodies[id] = (user, tuple(rest))
            self._size -= len(body)
        else:
            self.forget(id)
        return body

    def forget(self, id: str) -> None:
        """Drop the payloads of a session."""
        _, bodies = self._bodies.pop(id, (None, ()))
        self._size -= sum(map(len, bodies))
