"""The WebSocket transport: a connection that is ours alone once Tornado has done its handshake."""

from __future__ import annotations

import asyncio
import math
import socket as sockets
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from ..wire.socketio import Encoded
from ..wire.websocket import PONG, Close, FrameParser, Message, Ping, Pong, encode_close, encode_frame

if TYPE_CHECKING:
    from .transport import Peer

READ_SIZE = 64 * 1024  # at most so much in one read, so that no member holds the loop for long
WRITE_SIZE = 64 * 1024  # and so much in the transport; what waits beyond it waits where it is counted
SEND_BUFFER = 256 * 1024  # Linux swallows megabytes otherwise, unseen
TURN = 256  # packets of one session before the others have a turn
LINGER = 5.0  # seconds that a peer has to answer a close frame


class WebSocketTransport(asyncio.Protocol):
    """Frames in, frames out, for one session.

    Parameters
    ----------
    peer : Peer
        The session, or the candidate of an upgrade.
    early : bytes
        What the peer had sent behind its request before the connection was handed over.
    """

    name = "websocket"
    _form = attrgetter("websocket")  # of a packet: the bytes that are written
    __slots__ = (
        "_early", "_inbox", "_linger", "_loop", "_parser", "_ping", "_resumed", "_session", "_stream", "_unread",
        "paused",
    )  # fmt: skip

    def __init__(self, peer: Peer, early: bytes = b"") -> None:
        self._session: Peer | None = peer
        self._parser = FrameParser(masked=True, max_size=peer.max_size)
        self._stream: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._early = early
        self._inbox: deque[Message] | None = None  # read, but its turn has not come
        self._unread = False  # whether the session wants nothing more for now
        self._linger: asyncio.TimerHandle | None = None
        self._resumed = -math.inf
        self._ping: bytes | None = None  # the last one, where the stream took no pong
        self.paused = False  # whether the stream takes no more for now

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the session on this connection."""
        self._stream = stream = cast(asyncio.Transport, transport)
        stream.set_write_buffer_limits(high=0)
        if hasattr(stream, "max_size"):
            stream.max_size = READ_SIZE
        _tune(stream.get_extra_info("socket"))
        if self._session:
            self._session.opened(self)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def data_received(self, data: bytes) -> None:
        """Take what was read: all its frames at once."""
        messages = self._parser.feed(data)
        if self._inbox is not None or self._unread or len(messages) > TURN:
            self._defer(messages)
            return
        coming = iter(messages)
        for message in coming:
            self._receive(message)
            if self._unread:  # somebody had enough in the midst of this very batch
                self._defer(list(coming))
                return
        if self._parser.error:
            self._violated()

    def eof_received(self) -> bool:
        """Close our side too."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._linger:
            self._linger.cancel()
        session, self._session, self._stream = self._session, None, None
        if session:
            session.ended("transport error" if exc else "transport close")

    def pause_writing(self) -> None:
        """The stream takes no more for now."""
        self.paused = True

    def resume_writing(self) -> None:
        """The stream takes more."""
        self.paused = False
        ping, self._ping = self._ping, None
        if ping is not None:
            self._pong(ping)
        if self._session:
            self._session.writable()

    # --- what the session calls

    def send(self, data: bytes) -> None:
        """Write bytes that are whole frames."""
        if self._stream:
            self._stream.write(data)

    def send_all(self, outbox: list[Encoded]) -> list[Encoded]:
        """Write as many packets as the stream takes and return the others."""
        at = 0
        while at < len(outbox) and not self.paused and self._stream:
            frames, size = [], 0
            while at < len(outbox) and (not size or size + len(self._form(outbox[at])) <= WRITE_SIZE):
                frames.append(self._form(outbox[at]))
                size += len(frames[-1])
                at += 1
            self._stream.write(b"".join(frames))
        return outbox[at:]

    def adopt(self, session: Peer) -> None:
        """Work for a session from now on, rather than for a candidate."""
        self._session = session
        self._parser.max_size = session.max_size

    def set_max_size(self, size: int) -> None:
        """Change the largest message, in bytes."""
        self._parser.max_size = size

    def pause_reading(self) -> None:
        """Read nothing more for now: the session has enough to do."""
        self._unread = True
        if self._stream:
            self._stream.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._unread = False
        self._resumed = self._loop.time()
        if self._inbox is not None:
            self._loop.call_soon(self._turn)
        elif self._stream:
            self._stream.resume_reading()

    @property
    def deaf_until(self) -> float:
        """When reading was last resumed, in the loop's time: now, if it is still paused."""
        return self._loop.time() if self._unread else self._resumed

    def close(self, code: int = 1000, reason: str = "", rest: Sequence[Encoded] | None = ()) -> None:
        """Say goodbye with a close frame; the peer has `LINGER` seconds to answer it."""
        if rest:
            self.send_all(list(rest))
        self._session = None
        self._inbox = None
        self._unread = False  # or its close frame would never be seen
        self._ping = None
        if self._stream and not self._linger:
            self._stream.write(encode_close(code, reason))
            if self._parser.error and self._stream.can_write_eof():
                self._stream.write_eof()  # its answer could not be parsed any more: the end of its stream is the answer
            self._linger = self._loop.call_later(LINGER, self.abort)
            self._stream.resume_reading()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._stream:
            self._stream.abort()

    # --- inside

    def _receive(self, message: Message) -> None:
        if self._session is None:
            if type(message) is Close and self._stream:
                self._stream.close()
        elif type(message) is str or type(message) is bytes:
            self._session.receive(message)
        elif type(message) is Ping:
            self._pong(message.data)
        elif type(message) is Close:
            self._closed(message)
        else:
            assert type(message) is Pong  # nobody asked

    def _pong(self, data: bytes) -> None:
        """Answer a ping; of those that a peer sends without reading, the last (RFC 6455, section 5.5.3)."""
        if self.paused:
            self._ping = data
            return
        self.send(encode_frame(PONG, data))
        if self.paused and self._session:
            self._session.flush()  # from here on, what waits is counted

    def _closed(self, close: Close) -> None:
        session, self._session = self._session, None
        if self._stream:
            self._stream.write(encode_close(1000 if close.code == 1005 else close.code))
            self._stream.close()
            if self.paused:  # it may never read what the stream still holds
                self._linger = self._loop.call_later(LINGER, self.abort)
        if session:
            session.ended("transport close")

    def _violated(self) -> None:
        if self._session and self._parser.error:
            self._session.violated(self._parser.error)

    def _defer(self, messages: list[Message]) -> None:
        """Keep messages for the next turn; read nothing until they are dealt with."""
        if self._inbox is None:
            self._inbox = deque()
            if not self._unread:
                self._loop.call_soon(self._turn)
            if self._stream:
                self._stream.pause_reading()
        self._inbox.extend(messages)

    def _turn(self) -> None:
        inbox = self._inbox
        for _ in range(TURN):
            if not inbox or self._unread:
                break
            self._receive(inbox.popleft())
        if self._unread or self._inbox is None:
            return
        if inbox:
            self._loop.call_soon(self._turn)
            return
        self._inbox = None
        if self._parser.error:
            self._violated()
        if self._stream:
            self._stream.resume_reading()


def _tune(socket: sockets.socket | None) -> None:
    if socket is None:
        return
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER)
    if socket.family in (sockets.AF_INET, sockets.AF_INET6):
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
