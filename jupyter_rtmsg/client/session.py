"""The client side of an Engine.IO session (docs/protocol.md#engineio-handshake, #engineio-heartbeat)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from jupyter_rtmsg.errors import PacketRefused, ProtocolError, WebSocketError
from jupyter_rtmsg.wire.engineio import CLOSE, PING, PONG, OpenPacket
from jupyter_rtmsg.wire.packet import EncodedPacket, Packet
from jupyter_rtmsg.wire.parser import Codec

from .transport import MAX_MESSAGE, ClientTransport

logger = logging.getLogger(__name__)

_REASONS = ("ping timeout", "protocol error", "transport error", "forced close")  # how accounts of an end may begin


class NotOpened(ConnectionError):
    """The transport ended before the server opened the session."""


class ClientSession:
    """One session: it answers pings, detects silence, decodes packets and calls the receivers of their namespaces.

    Three states: *opening*, while ``handshake`` is None; *open*; *ended*, when the future ``ended`` is done. The
    session is the `Receiver` of its transport, which `switch` may replace; the manager owns the session. ``_alarm`` is
    the next check for silence, ``_frozen`` the end of `freeze`.

    Parameters
    ----------
    receivers : mapping of str to callable
        Called with each Socket.IO packet of the namespace and its size in bytes.
    on_batch : callable
        Called after all packets of one read.
    on_writable : callable
        Called when the transport accepts more again.
    on_refused : callable
        Called with the error for a packet whose data cannot be decoded.
    codec : Codec
        Decodes and encodes packets.

    Attributes
    ----------
    ended : Future of str
        Done when the session has ended; the result tells why.
    opened : Future of OpenPacket
    handshake : OpenPacket or None
        The session's id and limits, once the server has opened it.
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
        self.opened: asyncio.Future[OpenPacket] = loop.create_future()
        self.handshake: OpenPacket | None = None
        self._loop = loop
        self._receivers = receivers
        self._on_batch = on_batch
        self._on_writable = on_writable
        self._on_refused = on_refused
        self._decoder = codec.decoder(client=True, max_size=MAX_MESSAGE, on_mended=_mended)
        self._transport: ClientTransport | None = None
        self._size = 0
        self._heard_at = loop.time()
        self._alarm: asyncio.TimerHandle | None = None
        self._frozen: asyncio.TimerHandle | None = None

    async def open(self, connect: Callable[[], Awaitable[object]]) -> OpenPacket:
        """Connect and return the server's handshake.

        Parameters
        ----------
        connect : coroutine function
            Opens a transport whose receiver is this session. Its exceptions are passed on.

        Raises
        ------
        NotOpened
            If the transport ends before the handshake.
        """
        await connect()
        await asyncio.wait(_either(self.opened, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if not self.opened.done():
            raise NotOpened(self.ended.result())
        return self.opened.result()

    # -- Receiver: called by the transport

    def connected(self, transport: ClientTransport) -> None:
        """Take the transport to write to."""
        self._transport = transport

    def received(self, messages: Sequence[str | bytes]) -> None:
        """Decode the messages of one read and deliver their packets."""
        # Any message shows that the peer is alive, not only a ping.
        self._heard_at = self._loop.time()
        try:
            if self.handshake is None:  # the open packet is the first message, and others may follow in the same read
                self._open(messages[0])
                messages = messages[1:]
            self._deliver(messages)
        except ProtocolError as error:
            self._fail(error)
        self._on_batch()  # after an error too: packets before it were delivered

    def _deliver(self, messages: Sequence[str | bytes]) -> None:
        # The size of a packet is that of its messages: the header, then one message per attachment, perhaps of the next
        # read. Locals, because this loop runs for every packet.
        decode, receivers, size = self._decoder.feed, self._receivers, self._size
        for message in messages:
            if type(message) is str and message[:1] != "4":  # 4: MESSAGE, which holds a Socket.IO packet
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
        elif message[:1] not in "3 6":  # PONG, and NOOP; "" is in every text
            raise ProtocolError(f"unexpected Engine.IO packet {message!r:.40}")

    def lost(self, reason: str) -> None:
        """End: the transport has ended."""
        for timer in (self._alarm, self._frozen):
            if timer:
                timer.cancel()
        if not self.ended.done():  # `abort` and the transport both report the end: the first reason counts
            self.ended.set_result(reason)

    def writable(self) -> None:
        """Pass on that the transport accepts more again."""
        self._on_writable()

    def _open(self, message: str | bytes) -> None:
        assert self._transport
        self.handshake = OpenPacket.decode(message)
        self.opened.set_result(self.handshake)
        self._transport.begin(self.handshake)
        self._watch()

    def switch(self, transport: ClientTransport) -> None:
        """Continue over another transport. The old one has delivered all packets and handed over the unsent ones."""
        assert self.handshake
        self._transport = transport
        transport.begin(self.handshake)
        self.writable()  # the layer may have stopped at the limit of the old transport

    def _fail(self, error: ProtocolError) -> None:
        assert self._transport
        code = error.code if isinstance(error, WebSocketError) else 1002
        self._transport.close(code, f"protocol error: {error}")

    # -- the heartbeat: silence of ping_interval + ping_timeout ends the session (docs/protocol.md#engineio-heartbeat)

    def _watch(self) -> None:
        assert self.handshake
        # One timer for the whole silence: a message only changes `_heard_at`, and the timer waits again for the rest.
        limit = self.handshake.ping_interval + self.handshake.ping_timeout
        remaining = self._heard_at + limit - self._loop.time()
        if remaining <= 0:
            assert self._transport
            self._transport.abort("ping timeout")
        else:
            self._alarm = self._loop.call_later(remaining, self._watch)

    def freeze(self, seconds: float) -> None:
        """Stop reading for ``seconds``, as a stopped process does: answer no ping and detect no silence meanwhile."""
        if self._transport is None or self.ended.done() or self._frozen:
            return
        self._transport.pause_reading()
        if self._alarm:
            self._alarm.cancel()  # a stopped process cannot notice silence, either
        self._frozen = self._loop.call_later(seconds, self._thaw)

    def _thaw(self) -> None:
        self._frozen = None
        if self._transport and not self.ended.done():
            self._heard_at = self._loop.time()  # packets that arrived meanwhile are not read yet
            self._transport.resume_reading()
            self._watch()

    # -- sending

    @property
    def transport(self) -> ClientTransport | None:
        """The present transport; None before the first has connected."""
        return self._transport

    @property
    def can_write(self) -> bool:
        """Whether the transport accepts more now."""
        return self._transport is not None and not self._transport.paused and not self.ended.done()

    def send(self, packet: EncodedPacket) -> None:
        """Send a Socket.IO packet."""
        assert self._transport
        self._transport.send(packet)

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Return whether the server accepts an event of ``size`` bytes, its attachments included."""
        return self._transport is None or self._transport.fits(size, attachments)

    def close(self, reason: str = "closed by the client") -> None:
        """Send the pending packets, then end the session."""
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
        """The file descriptors of the transport's sockets."""
        return self._transport.descriptors if self._transport else []


def reason_for(account: str) -> str:
    """Return socket.io-client's name for the way in which a session ended.

    Parameters
    ----------
    account : str
        The result of `ClientSession.ended`.
    """
    begins = next((reason for reason in _REASONS if account.startswith(reason)), "transport close")
    return "parse error" if begins == "protocol error" else begins


def _either(*futures: asyncio.Future[Any]) -> list[asyncio.Future[Any]]:
    """Return futures of different types as the list that `asyncio.wait` takes."""
    return list(futures)


def _mended(count: int) -> None:
    """Log the first packet with half of a surrogate pair: an application cuts its texts inside of characters."""
    if count == 1:
        logger.info("the server sent half of a surrogate pair (part of an emoji, say); it was replaced by U+FFFD")
