"""An Engine.IO session, seen from the client (docs/protocol.md#engineio-handshake, #engineio-heartbeat)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from jupyter_rtmsg.errors import PacketRefused, ProtocolError, WebSocketError
from jupyter_rtmsg.wire.engineio import CLOSE, PING, PONG, Handshake
from jupyter_rtmsg.wire.packet import Encoded, Packet
from jupyter_rtmsg.wire.parser import Codec

from .transport import MAX_MESSAGE, Transport

_log = logging.getLogger("jupyter_rtmsg")


class NotOpened(ConnectionError):
    """A transport ended before the server had opened the session."""


class Session:
    """One session: answers pings, notices silence, and hands decoded packets on.

    Parameters
    ----------
    receivers : mapping
        For each namespace what is called with its Socket.IO packets and their sizes in bytes.
    on_batch : callable
        Called when all packets of a read have been handed on.
    on_writable : callable
        Called when the transport takes more again.
    on_refused : callable
        Called with the error about a packet whose data cannot be taken.
    codec : Codec
        What is spoken.

    Attributes
    ----------
    ended : Future of str
        Done, with the reason, when the session has ended.
    handshake : Handshake or None
        What the server said when it opened the session.
    """

    def __init__(
        self,
        receivers: Mapping[str, Callable[[Packet, int], None]],
        on_batch: Callable[[], None],
        on_writable: Callable[[], None],
        on_refused: Callable[[PacketRefused], None],
        codec: Codec,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.opened: asyncio.Future[Handshake] = loop.create_future()
        self.handshake: Handshake | None = None
        self._loop = loop
        self._receivers = receivers
        self._on_batch = on_batch
        self._on_writable = on_writable
        self._on_refused = on_refused
        self._decoder = codec.decoder(client=True, max_size=MAX_MESSAGE, on_mended=_mended)
        self._transport: Transport | None = None
        self._size = 0
        self._heard = loop.time()
        self._alarm: asyncio.TimerHandle | None = None
        self._frozen: asyncio.TimerHandle | None = None

    async def open(self, connect: Callable[[], Awaitable[object]]) -> Handshake:
        """Connect; return the server's handshake.

        Parameters
        ----------
        connect : callable
            Opens a transport of which this session is the receiver.

        Raises
        ------
        NotOpened
            If the transport ends before the handshake; else what ``connect`` raises.
        """
        await connect()
        await asyncio.wait(either(self.opened, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if not self.opened.done():
            raise NotOpened(self.ended.result())
        return self.opened.result()

    # -- what the transport calls

    def connected(self, transport: Transport) -> None:
        """Learn what to write to."""
        self._transport = transport

    def received(self, messages: Sequence[str | bytes]) -> None:
        """Take the messages of one read."""
        self._heard = self._loop.time()
        try:
            if self.handshake is None:
                self._open(messages[0])
                messages = messages[1:]
            self._take(messages)
        except ProtocolError as error:
            self._fail(error)
        self._on_batch()

    def _take(self, messages: Sequence[str | bytes]) -> None:
        decode, receivers, size = self._decoder.feed, self._receivers, self._size
        for message in messages:
            if type(message) is str and message[:1] != "4":
                self._other(message)
                continue
            size += len(message)
            try:
                packet = decode(message)
            except PacketRefused as error:
                self._on_refused(error)
                packet, size = None, 0
            if packet is not None:
                receive = receivers.get(packet.namespace)
                if receive is not None:
                    receive(packet, size)
                size = 0
        self._size = size

    def _other(self, message: str) -> None:
        if message == PING:
            assert self._transport
            self._transport.write([PONG])
        elif message[:1] == CLOSE:
            self.close("the server closed the session")
        elif message[:1] not in "3 6":
            raise ProtocolError(f"unexpected Engine.IO packet {message!r:.40}")

    def lost(self, reason: str) -> None:
        """Learn that the connection has ended."""
        for timer in (self._alarm, self._frozen):
            if timer:
                timer.cancel()
        if not self.ended.done():
            self.ended.set_result(reason)

    def writable(self) -> None:
        """Learn that the transport takes more again."""
        self._on_writable()

    def _open(self, message: str | bytes) -> None:
        assert self._transport
        self.handshake = Handshake.decode(message)
        self.opened.set_result(self.handshake)
        self._transport.begin(self.handshake)
        self._watch()

    def switch(self, transport: Transport) -> None:
        """Go on over another transport: the one before handed on its last packet, and wrote nothing of what is left."""
        assert self.handshake
        self._transport = transport
        transport.begin(self.handshake)
        self.writable()

    def _fail(self, error: ProtocolError) -> None:
        assert self._transport
        code = error.code if isinstance(error, WebSocketError) else 1002
        self._transport.close(code, f"protocol error: {error}")

    # -- silence (docs/protocol.md#engineio-heartbeat: no ping for interval + timeout)

    def _watch(self) -> None:
        assert self.handshake
        patience = self.handshake.ping_interval + self.handshake.ping_timeout
        remaining = self._heard + patience - self._loop.time()
        if remaining <= 0:
            assert self._transport
            self._transport.abort("ping timeout")
        else:
            self._alarm = self._loop.call_later(remaining, self._watch)

    def freeze(self, seconds: float) -> None:
        """Stop reading for so many seconds, like a process that is stopped: no ping is answered, no silence noticed."""
        if self._transport is None or self.ended.done() or self._frozen:
            return
        self._transport.pause_reading()
        if self._alarm:
            self._alarm.cancel()
        self._frozen = self._loop.call_later(seconds, self._thaw)

    def _thaw(self) -> None:
        self._frozen = None
        if self._transport and not self.ended.done():
            self._heard = self._loop.time()
            self._transport.resume_reading()
            self._watch()

    # -- sending

    @property
    def transport(self) -> Transport | None:
        """What carries the packets now."""
        return self._transport

    @property
    def can_write(self) -> bool:
        """Whether the transport takes more now."""
        return self._transport is not None and not self._transport.paused and not self.ended.done()

    def send(self, packet: Encoded) -> None:
        """Send a Socket.IO packet."""
        assert self._transport
        self._transport.send(packet)

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Whether the server takes an event of ``size`` bytes in all, of which these are the attachments."""
        return self._transport is None or self._transport.fits(size, attachments)

    def close(self, reason: str = "closed by the client") -> None:
        """Send what was written, and end the session."""
        if self._transport:
            self._transport.close(1000, reason)
        else:
            self.lost(reason)

    def abort(self, reason: str) -> None:
        """End the session at once."""
        if self._transport:
            self._transport.abort(reason)
        self.lost(reason)

    @property
    def descriptors(self) -> list[int]:
        """The descriptors of the transport's sockets."""
        return self._transport.descriptors if self._transport else []


def either(*futures: asyncio.Future[Any]) -> list[asyncio.Future[Any]]:
    """Return futures of different types as what `asyncio.wait` takes."""
    return list(futures)


def _mended(count: int) -> None:
    """Log the first packet with half an emoji, whose application cuts texts in the midst of characters."""
    if count == 1:
        _log.info("the server sent half of a surrogate pair, such as half an emoji; U+FFFD stands in its place")
