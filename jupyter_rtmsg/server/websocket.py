"""The WebSocket transport: a connection that Tornado has handed over after the handshake."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol, cast

from jupyter_rtmsg.errors import ProtocolError
from jupyter_rtmsg.wire.deflate import DeflateParser
from jupyter_rtmsg.wire.websocket import PONG, Close, FrameParser, Message, Ping, Pong, encode_close, encode_frame

from .outbox import Backlog
from .transport import closed_by_peer, tune, unsent
from .turns import Share

READ_SIZE = 64 * 1024  # bytes of one read, so that no peer occupies the event loop for long
TURN = 256  # messages of one session in a turn of the event loop, unless its principal's turn ends before: see `Turns`
LINGER = 5.0  # seconds that a peer has to answer a close frame


class Peer(Protocol):
    """The part of a `Session`, or of an `Upgrade` that stands in for it, that a transport uses."""

    @property
    def share(self) -> Share:
        """The principal's part of the event loop's time."""

    @property
    def max_size(self) -> int:
        """The limit for messages, in bytes."""

    def opened(self, transport: WebSocketTransport) -> None:
        """Begin: the connection is open."""

    def receive(self, packet: str | bytes) -> None:
        """Handle a packet."""

    def hold(self, size: int) -> None:
        """Count bytes of an incomplete message; a negative size returns them."""

    def writable(self) -> None:
        """Continue writing: the transport takes more."""

    def violated(self, error: ProtocolError) -> None:
        """Close: the client has broken the protocol."""

    def ended(self, reason: str) -> None:
        """End: the connection is closed."""


class WebSocketTransport(asyncio.Protocol):
    """The frames of one WebSocket connection.

    Reading: bytes are parsed when they arrive and their messages passed to the session, unless the principal's turn is
    over or the session has paused reading. Then messages wait in ``_inbox`` and unparsed bytes in ``_early``, the
    stream is paused, and `_turn` continues later. ``_inbox`` is None while nothing waits.

    Writing: `send` writes whole frames; `take` writes a piece of the backlog, which may end inside a frame (``_half``),
    so that no control frame may follow. ``paused`` follows the stream.

    Closing: after `close`, ``_session`` is None. The rest of the backlog (``_rest``) and the close frame (``_goodbye``)
    are written while the peer reads; `_lingered` gives up on it.

    Parameters
    ----------
    peer : Peer
        The session, or the candidate of an upgrade.
    early : bytes
        Bytes that the peer sent behind its request before the connection was handed over.

    Attributes
    ----------
    paused : bool
        Whether the stream takes no more at present.
    """

    name = "websocket"
    _form = attrgetter("websocket")  # the bytes to write of a packet
    __slots__ = (
        "_early", "_goodbye", "_half", "_inbox", "_kept", "_linger", "_loop", "_parser", "_ping", "_rest", "_resumed",
        "_session", "_stream", "_unread", "paused",
    )  # fmt: skip

    def __init__(self, peer: Peer, early: bytes = b"") -> None:
        self._session: Peer | None = peer
        self._parser = FrameParser(masked=True, max_size=peer.max_size)
        self._stream: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._early = early
        self._inbox: list[Message] | None = None
        self._unread = False  # whether the session has paused reading
        self._linger: asyncio.TimerHandle | None = None
        self._resumed = -math.inf  # when the session resumed reading, in the loop's time
        self._ping: bytes | None = None  # data of the last ping that is not answered yet
        self._kept = 0  # bytes of an incomplete message
        self._half = False
        self._rest: Backlog | None = None
        self._goodbye = b""
        self.paused = False

    # --- for the event loop: `asyncio.Protocol`

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the connection is open."""
        self._stream = stream = cast(asyncio.Transport, transport)
        stream.set_write_buffer_limits(high=0)  # asyncio buffers one write at most: the rest waits in the backlog
        if hasattr(stream, "max_size"):
            stream.max_size = READ_SIZE
        tune(stream.get_extra_info("socket"))
        if self._session:
            self._session.opened(self)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def data_received(self, data: bytes) -> None:
        """Parse bytes and handle their messages at once, unless the principal's turn is over."""
        if self._early or (self._session is not None and self._session.share.over):
            self._early += data
            self._defer(())
            return
        begun = self._loop.time()
        messages = self._parse(data)
        if self._inbox is not None or self._unread:  # messages keep their order
            self._defer(messages)
            return
        left = self._deal(messages, begun)
        self._charge(begun)
        if left:
            self._defer(left)
        elif self._parser.error:  # after the messages before it (see `FrameParser.error`)
            self._violated()

    def _parse(self, data: bytes) -> list[Message]:
        messages = self._parser.feed(data)
        if self._parser.buffered or self._kept:
            self._keep(self._parser.buffered)
        return messages

    def _deal(self, messages: Sequence[Message], begun: float) -> Sequence[Message]:
        """Handle the messages of one turn; return the others."""
        until = begun + (self._session.share.rest if self._session else math.inf)
        for at, message in enumerate(messages[:TURN], 1):
            self._receive(message)
            if self._unread or (not at & 15 and self._loop.time() > until):  # the clock costs as much as a message
                return messages[at:]
        return messages[TURN:]

    def _charge(self, begun: float) -> None:
        """Charge the principal with the time since ``begun``."""
        if self._session is not None:
            self._session.share.charge(self._loop.time() - begun)

    def _keep(self, size: int) -> None:
        """Charge the session for the bytes of an incomplete message."""
        if self._session:
            self._session.hold(size - self._kept)
            self._kept = size

    def eof_received(self) -> bool:
        """Close the connection, as the peer has closed its side."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the messages that were received, then end the session."""
        if self._linger:
            self._linger.cancel()
        early, self._early = self._early, b""
        for message in (*(self._inbox or ()), *self._parse(early)):
            self._receive(message)
        self._keep(0)
        session, self._session, self._stream = self._session, None, None
        if self._rest:
            self._rest.clear()
        if session:
            session.ended("transport error" if exc else "transport close")

    def pause_writing(self) -> None:
        """Take no more packets: the stream's buffer is not empty."""
        self.paused = True

    def resume_writing(self) -> None:
        """Take packets again."""
        self.paused = False
        self._pong_late()  # before the session fills the stream again
        if self._session:
            self._session.writable()
        else:
            self._write_rest()

    # --- for the session: `Transport`

    def send(self, data: bytes) -> None:
        """Write whole frames."""
        if self._stream:
            self._stream.write(data)

    def take(self, backlog: Backlog) -> int:
        """See `Transport.take`."""
        data = backlog.take(self._form)
        self.send(data)
        self._half = backlog.half_written
        self._pong_late()  # between two frames
        return len(data)

    @property
    def unsent(self) -> int:
        """See `Transport.unsent`; includes asyncio's buffer."""
        stream = self._stream
        return stream.get_write_buffer_size() + unsent(stream.get_extra_info("socket")) if stream else 0

    def adopt(self, session: Peer) -> None:
        """Serve the session from now on rather than the candidate."""
        self._session = session
        self._parser.max_size = session.max_size

    def set_max_size(self, size: int) -> None:
        """See `Transport.set_max_size`."""
        self._parser.max_size = size

    def pause_reading(self) -> None:
        """See `Transport.pause_reading`."""
        self._unread = True
        if self._stream:
            self._stream.pause_reading()

    def resume_reading(self) -> None:
        """See `Transport.resume_reading`."""
        self._unread = False
        self._resumed = self._loop.time()
        if self._inbox is not None:
            self._go_on_later()
        elif self._stream:
            self._stream.resume_reading()

    @property
    def reads_resume_at(self) -> float:
        """See `Transport.reads_resume_at`."""
        return self._loop.time() if self._unread else self._resumed

    @property
    def abandoned(self) -> bool:
        """See `Transport.abandoned`."""
        return self._stream is None or closed_by_peer(self._stream.get_extra_info("socket"))

    def close(self, code: int = 1000, reason: str = "", backlog: Backlog | None = None, *, late: bool = True) -> None:
        """See `Transport.close`. The peer has `LINGER` seconds to read on, and to answer the close frame."""
        self._keep(0)
        self._session = None
        if self._unread:  # the close frame of the peer must be read
            self.resume_reading()
        self._ping = None  # no pong may follow the close frame (RFC 6455, section 5.5.1)
        if self._stream and not self._linger:
            self._rest, self._goodbye = backlog, encode_close(code, reason)
            self._linger = self._loop.call_later(LINGER, self._lingered, self._left)
            self._write_rest()
            self._stream.resume_reading()
        elif backlog:
            backlog.clear()

    def _write_rest(self) -> None:
        """Write the rest of the backlog, then the close frame."""
        while self._rest and not self.paused:
            self.take(self._rest)
        if self._rest or not self._stream or not self._goodbye:
            return
        self._stream.write(self._goodbye)
        self._goodbye = b""
        if self._parser.error and self._stream.can_write_eof():
            self._stream.write_eof()  # the parser cannot read its close frame; the end of its stream will do

    @property
    def _left(self) -> int:
        return self.unsent + (self._rest.size if self._rest else 0)

    def _lingered(self, before: int) -> None:
        """Abort unless the peer has read something since the last check."""
        left = self._left
        if 0 < left < before:
            self._linger = self._loop.call_later(LINGER, self._lingered, left)
        else:
            self.abort()

    def abort(self) -> None:
        """See `Transport.abort`."""
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
            assert type(message) is Pong  # unsolicited: ignored

    def _pong(self, data: bytes) -> None:
        """Answer a ping. If the stream is paused, only the last one is answered (RFC 6455, section 5.5.3)."""
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
            if not self._half:  # inside of a frame it would be read as a part of that
                self._stream.write(encode_close(1000 if close.code == 1005 else close.code))
            self._stream.close()
            if self.paused:  # the peer may never read the rest
                self._linger = self._loop.call_later(LINGER, self.abort)
        if session:
            session.ended("transport close")

    def _violated(self) -> None:
        if self._session and self._parser.error:
            self._session.violated(self._parser.error)

    def _defer(self, messages: Sequence[Message]) -> None:
        """Handle messages in a later turn; read nothing before."""
        if self._inbox is None:
            self._inbox = []
            if not self._unread:
                self._go_on_later()
            if self._stream:
                self._stream.pause_reading()  # TCP holds the peer back, so that `_inbox` has one read at most
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
        inbox, self._inbox = self._inbox, []  # not None: bytes that come during this turn must be deferred, too
        left = self._deal(inbox, begun)
        if not left and not self._unread and self._early:
            early, self._early = self._early, b""
            left = self._deal(self._parse(early), begun)
        self._inbox = [*left, *self._inbox]  # a handler may have deferred more meanwhile
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


class DeflateTransport(WebSocketTransport):
    """A WebSocket with permessage-deflate (RFC 7692). A packet is compressed once for all of its receivers.

    No context is kept between messages, so an idle connection needs no more memory than one without compression.

    Parameters
    ----------
    peer : Peer
        The session, or the candidate of an upgrade.
    early : bytes
        See `WebSocketTransport`.
    """

    __slots__ = ()
    _form = attrgetter("deflated")

    def __init__(self, peer: Peer, early: bytes = b"") -> None:
        super().__init__(peer, early)
        self._parser = DeflateParser(masked=True, max_size=peer.max_size)
