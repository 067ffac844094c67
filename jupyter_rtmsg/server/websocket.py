"""The WebSocket transport: a connection that is ours alone once Tornado has done its handshake."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from ..wire.websocket import PONG, Close, FrameParser, Message, Ping, Pong, encode_close, encode_frame
from .tcp import closed_by_peer, tune, unsent

if TYPE_CHECKING:
    from .outbox import Backlog
    from .transport import Peer

READ_SIZE = 64 * 1024  # at most so much in one read, so that no member holds the loop for long
TURN = 256  # packets of one session before the others have a turn, unless the principal's is over before: see `Turns`
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
        "_early", "_goodbye", "_half", "_inbox", "_kept", "_linger", "_loop", "_parser", "_ping", "_rest", "_resumed",
        "_session", "_stream", "_unread", "paused",
    )  # fmt: skip

    def __init__(self, peer: Peer, early: bytes = b"") -> None:
        self._session: Peer | None = peer
        self._parser = FrameParser(masked=True, max_size=peer.max_size)
        self._stream: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._early = early  # bytes that were read and are not parsed
        self._inbox: list[Message] | None = None  # read, but its turn has not come
        self._unread = False  # whether the session wants nothing more for now
        self._linger: asyncio.TimerHandle | None = None
        self._resumed = -math.inf
        self._ping: bytes | None = None  # the last one, where the stream took no pong
        self._kept = 0  # bytes of a message that is not complete
        self._half = False  # whether a frame is half written: no other may begin
        self._rest: Backlog | None = None  # what is written before the goodbye
        self._goodbye = b""
        self.paused = False  # whether the stream takes no more for now

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the session on this connection."""
        self._stream = stream = cast(asyncio.Transport, transport)
        stream.set_write_buffer_limits(high=0)
        if hasattr(stream, "max_size"):
            stream.max_size = READ_SIZE
        tune(stream.get_extra_info("socket"))
        if self._session:
            self._session.opened(self)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def data_received(self, data: bytes) -> None:
        """Take what was read: all its frames at once, unless the principal's turn is over."""
        if self._early or (self._session is not None and self._session.share.over):
            self._early += data
            self._defer(())
            return
        begun = self._loop.time()
        messages = self._parse(data)
        if self._inbox is not None or self._unread:
            self._defer(messages)
            return
        left = self._deal(messages, begun)
        self._charge(begun)
        if left:
            self._defer(left)
        elif self._parser.error:
            self._violated()

    def _parse(self, data: bytes) -> list[Message]:
        messages = self._parser.feed(data)
        if self._parser.buffered or self._kept:
            self._keep(self._parser.buffered)
        return messages

    def _deal(self, messages: Sequence[Message], begun: float) -> Sequence[Message]:
        """Take the messages of one turn; return the others."""
        until = begun + (self._session.share.rest if self._session else math.inf)
        for at, message in enumerate(messages[:TURN], 1):
            self._receive(message)
            if self._unread or (not at & 15 and self._loop.time() > until):
                return messages[at:]
        return messages[TURN:]

    def _charge(self, begun: float) -> None:
        """Count the time since then as used by the principal."""
        if self._session is not None:
            self._session.share.charge(self._loop.time() - begun)

    def _keep(self, size: int) -> None:
        """Count what is held of a message that is not complete."""
        if self._session:
            self._session.hold(size - self._kept)
            self._kept = size

    def eof_received(self) -> bool:
        """Close our side too."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._linger:
            self._linger.cancel()
        early, self._early = self._early, b""
        for message in (*(self._inbox or ()), *self._parse(early)):  # received before the connection broke
            self._receive(message)
        self._keep(0)
        session, self._session, self._stream = self._session, None, None
        if self._rest:
            self._rest.clear()
        if session:
            session.ended("transport error" if exc else "transport close")

    def pause_writing(self) -> None:
        """The stream takes no more for now."""
        self.paused = True

    def resume_writing(self) -> None:
        """The stream takes more."""
        self.paused = False
        self._pong_late()
        if self._session:
            self._session.writable()
        else:
            self._write_rest()

    # --- what the session calls

    def send(self, data: bytes) -> None:
        """Write bytes that are whole frames."""
        if self._stream:
            self._stream.write(data)

    def take(self, backlog: Backlog) -> int:
        """See `Transport.take`."""
        data = backlog.take(self._form)
        self.send(data)
        self._half = backlog.half_written
        self._pong_late()
        return len(data)

    @property
    def unsent(self) -> int:
        """See `Transport.unsent`: with what waits in the socket's buffer, where the system tells."""
        stream = self._stream
        return stream.get_write_buffer_size() + unsent(stream.get_extra_info("socket")) if stream else 0

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
            self._go_on_later()
        elif self._stream:
            self._stream.resume_reading()

    @property
    def deaf_until(self) -> float:
        """When reading was last resumed, in the loop's time: now, if it is still paused."""
        return self._loop.time() if self._unread else self._resumed

    @property
    def abandoned(self) -> bool:
        """See `Transport.abandoned`."""
        return self._stream is None or closed_by_peer(self._stream.get_extra_info("socket"))

    def close(self, code: int = 1000, reason: str = "", backlog: Backlog | None = None, *, late: bool = True) -> None:
        """Say goodbye with a close frame, behind what waits; the peer has `LINGER` seconds to go on and to answer."""
        self._keep(0)
        self._session = None
        if self._unread:  # or its close frame would never be seen
            self.resume_reading()
        self._ping = None
        if self._stream and not self._linger:
            self._rest, self._goodbye = backlog, encode_close(code, reason)
            self._linger = self._loop.call_later(LINGER, self._lingered, self._left)
            self._write_rest()
            self._stream.resume_reading()
        elif backlog:
            backlog.clear()

    def _write_rest(self) -> None:
        """Write what waited at the end, then the close frame."""
        while self._rest and not self.paused:
            self.take(self._rest)
        if self._rest or not self._stream or not self._goodbye:
            return
        self._stream.write(self._goodbye)
        self._goodbye = b""
        if self._parser.error and self._stream.can_write_eof():
            self._stream.write_eof()  # its answer could not be parsed any more: the end of its stream is the answer

    @property
    def _left(self) -> int:
        return self.unsent + (self._rest.size if self._rest else 0)

    def _lingered(self, before: int) -> None:
        """Give up a peer that took nothing since it was looked at last."""
        left = self._left
        if 0 < left < before:
            self._linger = self._loop.call_later(LINGER, self._lingered, left)
        else:
            self.abort()

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
        if self.paused or self._half:
            self._ping = data
        else:
            self.send(encode_frame(PONG, data))

    def _pong_late(self) -> None:
        ping = self._ping
        if ping is not None and not self.paused and not self._half:
            self._ping = None
            self._pong(ping)

    def _closed(self, close: Close) -> None:
        self._keep(0)
        session, self._session = self._session, None
        if self._stream:
            if not self._half:
                self._stream.write(encode_close(1000 if close.code == 1005 else close.code))
            self._stream.close()
            if self.paused:  # it may never read what the stream still holds
                self._linger = self._loop.call_later(LINGER, self.abort)
        if session:
            session.ended("transport close")

    def _violated(self) -> None:
        if self._session and self._parser.error:
            self._session.violated(self._parser.error)

    def _defer(self, messages: Sequence[Message]) -> None:
        """Keep messages for the next turn; read nothing until they are dealt with."""
        if self._inbox is None:
            self._inbox = []
            if not self._unread:
                self._go_on_later()
            if self._stream:
                self._stream.pause_reading()
        self._inbox.extend(messages)

    def _go_on_later(self) -> None:
        if self._session is not None:
            self._session.share.wait(self._turn)
        else:
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if self._unread or self._inbox is None:
            return
        begun = self._loop.time()
        inbox, self._inbox = self._inbox, []
        left = self._deal(inbox, begun)
        if not left and not self._unread and self._early:
            early, self._early = self._early, b""
            left = self._deal(self._parse(early), begun)
        self._inbox = [*left, *self._inbox]
        self._charge(begun)
        if self._unread:
            return
        if self._inbox or self._early:
            self._go_on_later()
            return
        self._inbox = None
        if self._parser.error:
            self._violated()
        if self._stream:
            self._stream.resume_reading()
