"""Sending events: now, later when there is no connection, or again until the server acknowledges them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from jupyter_rtmsg.errors import AckTimeout, QueueFull, TooLarge
from jupyter_rtmsg.wire.packet import EncodedPacket
from jupyter_rtmsg.wire.parser import Codec

from .acks import Acks
from .retries import RetryQueue
from .session import ClientSession

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmitOptions:
    """How one event is sent.

    Attributes
    ----------
    volatile : bool
        Whether it is dropped when it cannot be sent at once.
    timeout : float or None
        Seconds to wait for its acknowledgement; None for the socket's ``ack_timeout``.
    """

    volatile: bool = False
    timeout: float | None = None


_NO_OPTIONS = EmitOptions()


class EmitOperator:
    """Emits events with options: ``socket.timeout(5).volatile.emit(...)``. A socket is one with none."""

    def __init__(self, sender: PacketSender, options: EmitOptions = _NO_OPTIONS) -> None:
        self._sender = sender
        self._options = options

    @property
    def volatile(self) -> EmitOperator:
        """Emits an event that may be dropped: without a connection, or while the connection accepts no more."""
        return EmitOperator(self._sender, replace(self._options, volatile=True))

    def timeout(self, seconds: float) -> EmitOperator:
        """Emits an event whose acknowledgement may take at most this number of seconds."""
        return EmitOperator(self._sender, replace(self._options, timeout=seconds))

    def compress(self, compress: bool) -> EmitOperator:
        """Emits an event as without this flag, since this client does not compress; for code of socket.io-client."""
        del compress
        return EmitOperator(self._sender, self._options)

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event, and return at once.

        Without a connection the event is kept and sent later. With ``retries`` it is sent again until the server
        acknowledges it.

        Raises
        ------
        QueueFull
            If too many events wait for a connection.
        TooLarge
            If the server accepts no message of that size. For an event that waits, a warning is logged later.
        NotJSON, ValueError
            If an argument or the name cannot be sent.
        """
        self._sender.emit(self._options, (event, *args))

    def send(self, *args: Any) -> None:
        """Emit the event ``"message"``."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any, timeout: float | None = None) -> Any:
        """Emit an event and return the server's answer: None, one value, or a list of several.

        Parameters
        ----------
        event : str
        *args
            JSON, with bytes anywhere inside.
        timeout : float, optional
            Seconds to wait. By default those of `timeout`, else the socket's ``ack_timeout``.

        Raises
        ------
        AckTimeout
            If no answer comes in time.
        Disconnected
            If the connection is lost before the answer comes.
        QueueFull, NotJSON, ValueError
        """
        options = self._options if timeout is None else replace(self._options, timeout=timeout)
        return await self._sender.ask(options, (event, *args))


class Unsent(NamedTuple):
    """An event that waits for a connection: the packet, its arguments, and the id of its acknowledgement."""

    packet: EncodedPacket
    args: Sequence[Any]
    id: int | None

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.packet.text) + sum(map(len, self.packet.attachments))


class SendBuffer:
    """The events that wait for a connection.

    Parameters
    ----------
    max_events, max_bytes : int
        The limits of what may wait.
    """

    def __init__(self, max_events: int = 10_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._unsent: deque[Unsent] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._unsent)

    def add(self, event: Unsent) -> None:
        """Keep an event; raises `QueueFull`."""
        if len(self._unsent) >= self._max_events or self._bytes + event.size > self._max_bytes:
            raise QueueFull(
                f"{len(self._unsent):,} events ({self._bytes:,} bytes) wait for a connection; the buffer holds "
                f"{self._max_events:,} ({self._max_bytes:,} bytes)"
            )
        self._unsent.append(event)
        self._bytes += event.size

    def take(self) -> list[Unsent]:
        """Remove and return all events."""
        taken, self._bytes = list(self._unsent), 0
        self._unsent.clear()
        return taken

    def discard(self, id: int) -> None:
        """Remove the event with this acknowledgement id, if it is there."""
        for event in self._unsent:  # linear, but only after a timeout without a connection
            if event.id == id:
                self._unsent.remove(event)
                self._bytes -= event.size
                break

    def holds(self, id: int) -> bool:
        """Return whether the event with this acknowledgement id waits."""
        return any(event.id == id for event in self._unsent)


class PacketSender:
    """Sends the events of one socket.

    Two states: *connected*, between `open` and `close`, and not. It owns the send buffer and the retry queue; the acks
    are the socket's. Events with ``retries`` go through the queue, which keeps their order; all others are sent at
    once, or wait in the buffer.

    Parameters
    ----------
    namespace : str
    codec : Codec
    acks : Acks
    retries : int
        How often an event is sent again when it is not acknowledged.
    ack_timeout : float
        Seconds that an acknowledgement may take.
    wait_connected : coroutine function
        Waits for a connection; returns False if there will be none.
    on_outgoing : callable
        Called with the name and arguments of each event that is sent.
    check_loop : callable
        Raises RuntimeError on another event loop than the connection's.
    """

    def __init__(
        self,
        namespace: str,
        codec: Codec,
        acks: Acks,
        *,
        retries: int,
        ack_timeout: float,
        wait_connected: Callable[[], Awaitable[bool]],
        on_outgoing: Callable[[Sequence[Any]], None],
        check_loop: Callable[[], None],
    ) -> None:
        self._namespace = namespace
        self._codec = codec
        self._acks = acks
        self._ack_timeout = ack_timeout
        self._on_outgoing = on_outgoing
        self._check_loop = check_loop
        self._session: ClientSession | None = None
        self._buffer = SendBuffer()
        self._queue = RetryQueue(self._ask_once, wait_connected, retries) if retries else None

    def emit(self, options: EmitOptions, args: Sequence[Any]) -> None:
        """Send an event; see `EmitOperator.emit`."""
        self._check_loop()
        # Encoded here even if the queue encodes it again: data that cannot be sent must raise in the caller's code.
        packet = self._codec.event(args, self._namespace)
        if self._queue is not None and not options.volatile:
            self._queue.add(args, options.timeout or self._ack_timeout)
        else:
            self._send(Unsent(packet, args, None), options)

    async def ask(self, options: EmitOptions, args: Sequence[Any]) -> Any:
        """Send an event and return the server's answer; see `EmitOperator.emit_with_ack`."""
        self._check_loop()
        timeout = options.timeout or self._ack_timeout
        if self._queue is not None and not options.volatile:
            self._codec.event(args, self._namespace)  # raises at once if it cannot be sent
            return await self._queue.add(args, timeout)
        return await self._ask_once(args, timeout, options)

    async def _ask_once(self, args: Sequence[Any], timeout: float, options: EmitOptions = _NO_OPTIONS) -> Any:
        id = self._acks.new_id()
        event = Unsent(self._codec.event(args, self._namespace, id), args, id)
        future = self._acks.future(id)  # before sending, so that one `finally` cleans up after all errors
        try:
            self._send(event, options)
            answer = await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            raise AckTimeout(
                f"no answer to {args[0]!r} within {timeout:g} s: the server is slow, or has no handler that answers it"
            ) from None
        finally:
            if self._acks.forget(id):  # no answer: an event that still waits would surprise the server later
                self._buffer.discard(id)
        return answer[0] if len(answer) == 1 else answer or None  # nearly all servers answer with one argument

    def _send(self, event: Unsent, options: EmitOptions) -> None:
        session = self._session
        if session and not session.ended.done():  # between the end and `close` events wait already
            _check_size(event.packet, session)
            # A volatile event is dropped if the connection is not ready to send it (Socket.IO, "Volatile events").
            if not options.volatile or session.can_write:
                self._on_outgoing(event.args)
                session.send(event.packet)
        elif not options.volatile:
            self._buffer.add(event)

    def open(self, session: ClientSession) -> None:
        """Take a session, and send over it the events that have waited."""
        self._session = session
        # As in socket.io-client: first the buffer, then the retry queue. The limit of sizes is known only now, since it
        # is part of the session's handshake.
        for event in self._buffer.take():
            try:
                _check_size(event.packet, session)
            except TooLarge as error:
                logger.warning("%r was not sent: %s", event.args[0], error)
                if event.id is not None:
                    self._acks.fail(event.id, error)
            else:
                self._on_outgoing(event.args)
                session.send(event.packet)
        if self._queue is not None:
            self._queue.wake()

    def close(self) -> None:
        """Forget the session: events wait from now on."""
        self._session = None  # the buffer and the queue keep their events for the next one

    def holds(self, id: int) -> bool:
        """Return whether the event with this acknowledgement id waits for a connection."""
        return self._buffer.holds(id)


def _check_size(packet: EncodedPacket, session: ClientSession) -> None:
    """Raise `TooLarge` for a packet that the server would not accept, as it would end the connection."""
    # Text and attachments are messages of their own, and the limit is that of one message.
    size = max(len(packet.text), max(map(len, packet.attachments), default=0))
    if not session.fits(size, packet.attachments):
        limit = session.handshake.max_payload if session.handshake else 0
        raise TooLarge(
            f"the event has a part of {size:,} bytes, and the server takes messages of {limit:,}: "
            "send it in pieces, or give the server a larger limit (max_payload, in Node maxHttpBufferSize)"
        )
