"""The WebSocket transport: an HTTP/1.1 upgrade (RFC 6455, section 4.1), then frames."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Sequence
from typing import cast

from jupyter_rtmsg.errors import WebSocketError
from jupyter_rtmsg.wire.engineio import OpenPacket, Packet
from jupyter_rtmsg.wire.socketio import EncodedPacket
from jupyter_rtmsg.wire.websocket import (
    BINARY,
    PONG,
    TEXT,
    Close,
    FrameParser,
    Message,
    Ping,
    Pong,
    accept_value,
    encode_close,
    encode_frame,
)

from .dial import dial
from .endpoint import Endpoint
from .http import HttpConnection, HttpRefused, descriptor_of
from .transport import MAX_MESSAGE, Receiver


async def open_websocket(endpoint: Endpoint, receiver: Receiver, **query: str) -> WebSocket:
    """Connect to the endpoint and upgrade the connection.

    Parameters
    ----------
    endpoint : Endpoint
    receiver : Receiver
        Gets the messages.
    **query : str
        Added to the request's query, such as the ``sid`` of an open session.

    Raises
    ------
    OSError
        If the connection cannot be made, or TLS fails.
    HttpFailed
        If the connection breaks before the response.
    HttpRefused
        If the response is not 101, or its ``Sec-WebSocket-Accept`` is wrong.
    """
    connection = await dial(endpoint)
    try:
        await _upgrade(endpoint, connection, query)
    except BaseException:
        connection.abort()
        raise
    websocket = WebSocket(receiver)
    connection.hand_over(websocket)
    return websocket


async def _upgrade(endpoint: Endpoint, connection: HttpConnection, query: dict[str, str]) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    headers = endpoint.headers(
        Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Key=key, Sec_WebSocket_Version="13"
    )
    response = await connection.request("GET", endpoint.target("websocket", **query), headers)
    endpoint.keep_cookies(response)
    if response.status != 101:
        raise HttpRefused.by(response)
    if response.header("sec-websocket-accept") != accept_value(key):
        raise HttpRefused(101, "wrong Sec-WebSocket-Accept")


def new_mask() -> bytes:
    """Return the mask of one frame, which must be unpredictable (RFC 6455, section 5.3)."""
    return os.urandom(4)


class WebSocket(asyncio.Protocol):
    """A `ClientTransport` over an upgraded connection. Made by `open_websocket`.

    Two states: open, and closing once ``_reason`` is set (by `close`, `abort`, or a close frame). asyncio then calls
    `connection_lost`, which reports the first reason to the receiver. Frames are collected in ``_pending`` and written
    once per tick of the loop.
    """

    name = "websocket"

    def __init__(self, receiver: Receiver) -> None:
        self.paused = False
        self._receiver = receiver
        self._parser = FrameParser(masked=False, max_size=MAX_MESSAGE)
        self._transport: asyncio.Transport | None = None
        self._pending: list[bytes] = []
        self._reason = ""
        self._max_payload = 0

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start: keep the asyncio transport and introduce this transport to the receiver."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not subclass asyncio's
        self._receiver.connected(self)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes of one read and hand on its messages together."""
        messages = self._parser.feed(data)
        if messages:
            self._receive(messages)
        if self._parser.error:
            self.fail(self._parser.error)

    def connection_lost(self, error: Exception | None) -> None:
        """Report the end to the receiver."""
        self._receiver.lost(self._reason or (f"transport error: {error}" if error else "transport close"))

    def pause_writing(self) -> None:
        """Set `paused`: the peer reads too slowly."""
        self.paused = True

    def resume_writing(self) -> None:
        """Clear `paused`."""
        self.paused = False
        self._receiver.writable()

    # -- frames

    def _receive(self, messages: list[Message]) -> None:
        # control frames are rare: one pass over the types is cheaper than an isinstance chain for every message
        if any(type(message) in _CONTROL for message in messages):
            data = [message for message in messages if not self._control(message)]
        else:
            data = messages
        if data:
            self._receiver.received(data)  # type: ignore[arg-type]

    def _control(self, message: Message) -> bool:
        if isinstance(message, Ping):
            self._write(encode_frame(PONG, message.data, new_mask()))
        elif isinstance(message, Close):
            self.close(message.code if message.code != 1005 else 1000, f"closed by the server ({_said(message)})")
        elif not isinstance(message, Pong):
            return False
        return True

    def fail(self, error: WebSocketError) -> None:
        """Close with the code of a protocol violation."""
        self.close(error.code, f"protocol error: {error}")

    # -- Transport

    def begin(self, handshake: OpenPacket) -> None:
        """Take the limits of the session."""
        self._max_payload = handshake.max_payload

    def send(self, packet: EncodedPacket) -> None:
        """Send a Socket.IO packet."""
        self._write(packet.frames(new_mask))

    def write(self, packets: Sequence[Packet]) -> None:
        """Send Engine.IO packets."""
        for packet in packets:
            opcode, payload = (TEXT, packet.encode()) if isinstance(packet, str) else (BINARY, packet)
            self._write(encode_frame(opcode, payload, new_mask()))

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Return whether the server accepts an event of ``size`` bytes."""
        return size <= self._max_payload

    def hand_over(self, receiver: Receiver) -> None:
        """Deliver to another receiver from now on."""
        self._receiver = receiver

    def _write(self, frames: bytes) -> None:
        """Queue frames for the one write of this tick."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append(frames)

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if pending and self._transport and not self._transport.is_closing():
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))

    def close(self, code: int, reason: str) -> None:
        """Send a close frame behind the pending frames, then close."""
        if self._transport and not self._transport.is_closing():
            self._reason = self._reason or reason
            self._pending.append(encode_close(code, mask=new_mask()))
            self._flush()
            self._transport.close()

    def abort(self, reason: str = "aborted") -> None:
        """Close at once; pending frames are lost."""
        self._reason = self._reason or reason
        if self._transport:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Stop reading; TCP then holds the peer back."""
        if self._transport:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport:
            self._transport.resume_reading()

    @property
    def descriptors(self) -> list[int]:
        """The file descriptor of the socket, if it is open."""
        descriptor = descriptor_of(self._transport)
        return [] if descriptor is None else [descriptor]


_CONTROL = frozenset({Ping, Pong, Close})


def _said(close: Close) -> str:
    return f"{close.code} {close.reason}".strip()
