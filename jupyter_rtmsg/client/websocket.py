"""A WebSocket connection: HTTP/1.1 upgrade (RFC 6455, section 4.1), then messages, all of a read at once."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Sequence
from typing import cast

from jupyter_rtmsg.errors import WebSocketError
from jupyter_rtmsg.wire.engineio import Handshake, Packet
from jupyter_rtmsg.wire.socketio import Encoded
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
    """Connect and upgrade.

    Parameters
    ----------
    endpoint : Endpoint
    receiver : Receiver
    **query
        Added to the request's, such as the ``sid`` of a session that is open already.

    Raises
    ------
    OSError
        If there is no connection, or TLS fails.
    HttpFailed
        If there is one, but no answer.
    HttpRefused
        If the server does not switch to WebSocket.
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
    endpoint.learn(response)
    if response.status != 101:
        raise HttpRefused.by(response)
    if response.header("sec-websocket-accept") != accept_value(key):
        raise HttpRefused(101, "wrong Sec-WebSocket-Accept")


def new_mask() -> bytes:
    """Return the mask of one frame: nobody may foresee it (RFC 6455, section 5.3)."""
    return os.urandom(4)


class WebSocket(asyncio.Protocol):
    """The connection after its upgrade, a `Transport`. Made by `open_websocket`."""

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
        """Learn what to write to."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio
        self._receiver.connected(self)

    def data_received(self, data: bytes) -> None:
        """Take what was read."""
        messages = self._parser.feed(data)
        if messages:
            self._receive(messages)
        if self._parser.error:
            self.fail(self._parser.error)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the receiver."""
        self._receiver.lost(self._reason or (f"transport error: {error}" if error else "transport close"))

    def pause_writing(self) -> None:
        """Stop: the peer does not keep up."""
        self.paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self.paused = False
        self._receiver.writable()

    # -- frames

    def _receive(self, messages: list[Message]) -> None:
        # isinstance for each of a read's messages costs more than looking for the rare ones once
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
        """Answer a violation of the protocol and end."""
        self.close(error.code, f"protocol error: {error}")

    # -- Transport

    def begin(self, handshake: Handshake) -> None:
        """Learn what the server said when it opened the session."""
        self._max_payload = handshake.max_payload

    def send(self, packet: Encoded) -> None:
        """Send a Socket.IO packet."""
        self._write(packet.frames(new_mask))

    def write(self, packets: Sequence[Packet]) -> None:
        """Send Engine.IO packets."""
        for packet in packets:
            opcode, payload = (TEXT, packet.encode()) if isinstance(packet, str) else (BINARY, packet)
            self._write(encode_frame(opcode, payload, new_mask()))

    def fits(self, size: int, attachments: Sequence[bytes]) -> bool:
        """Whether the server takes an event of ``size`` bytes in all."""
        return size <= self._max_payload

    def hand_over(self, receiver: Receiver) -> None:
        """Let another receiver have what comes from now on."""
        self._receiver = receiver

    def _write(self, frames: bytes) -> None:
        """Write frames: one write per tick of the loop, whatever was written in it."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append(frames)

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if pending and self._transport and not self._transport.is_closing():
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))

    def close(self, code: int, reason: str) -> None:
        """Send a close frame behind what was written, and end."""
        if self._transport and not self._transport.is_closing():
            self._reason = self._reason or reason
            self._pending.append(encode_close(code, mask=new_mask()))
            self._flush()
            self._transport.close()

    def abort(self, reason: str = "aborted") -> None:
        """End at once."""
        self._reason = self._reason or reason
        if self._transport:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Read no more: what the peer sends fills its buffers."""
        if self._transport:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport:
            self._transport.resume_reading()

    @property
    def descriptors(self) -> list[int]:
        """The descriptor of the socket, if it is open."""
        descriptor = descriptor_of(self._transport)
        return [] if descriptor is None else [descriptor]


_CONTROL = frozenset({Ping, Pong, Close})


def _said(close: Close) -> str:
    return f"{close.code} {close.reason}".strip()
