"""A WebSocket connection: HTTP/1.1 upgrade (RFC 6455, section 4.1), then messages, all of a read at once."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Protocol

from jupyter_rtmsg.errors import WebSocketError
from jupyter_rtmsg.wire.websocket import (
    PONG,
    Close,
    FrameParser,
    Message,
    Ping,
    Pong,
    accept_value,
    encode_close,
    encode_frame,
)

from .address import Address

MAX_MESSAGE = 64 * 1024 * 1024  # what the hub sends is bounded by the hub; this only stops nonsense
_MAX_RESPONSE = 64 * 1024


class UpgradeRefused(Exception):
    """The server answered the upgrade with something other than a 101.

    Parameters
    ----------
    status : int
    body : str
        At most 64 KiB of what it said.
    """

    def __init__(self, status: int, body: str) -> None:
        said = " ".join(body.split())[:200]  # one line, also of a page of HTML
        super().__init__(f"HTTP {status}: {said}" if said else f"HTTP {status}")
        self.status = status
        self.body = body


class Receiver(Protocol):
    """What a `Transport` calls."""

    def upgraded(self, transport: Transport) -> None:
        """Learn what to write to. Called first: messages may be right behind the upgrade, in the same bytes."""

    def received(self, messages: Sequence[str | bytes]) -> None:
        """Take the messages of one read."""

    def lost(self, reason: str) -> None:
        """Learn that the connection has ended. Called once."""

    def writable(self) -> None:
        """Learn that the transport takes more again."""


async def open_transport(
    address: Address, target: str, headers: Mapping[str, str], receiver: Receiver, tls: ssl.SSLContext | None
) -> Transport:
    """Connect and upgrade.

    Parameters
    ----------
    address : Address
    target : str
        Path and query of the request.
    headers : mapping
        Sent with the request.
    receiver : Receiver
    tls : ssl.SSLContext, optional
        For ``https``; certificates are verified by default.

    Raises
    ------
    OSError
        If there is no connection, or TLS fails.
    UpgradeRefused
        If the server does not switch to WebSocket.
    """
    loop = asyncio.get_running_loop()
    key = base64.b64encode(os.urandom(16)).decode()
    transport = Transport(_request(address, target, headers, key), accept_value(key), receiver)
    if address.unix:
        await loop.create_unix_connection(lambda: transport, address.host)
    else:
        context = (tls or ssl.create_default_context()) if address.secure else None
        await loop.create_connection(lambda: transport, address.host, address.port, ssl=context)
    try:
        await transport.opened
    except BaseException:
        transport.abort()
        raise
    return transport


def new_mask() -> bytes:
    """Return the mask of one frame: nobody may foresee it (RFC 6455, section 5.3)."""
    return os.urandom(4)


def _request(address: Address, target: str, headers: Mapping[str, str], key: str) -> bytes:
    fields = {
        "Host": address.authority,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header must be one line")  # a token with a line break would smuggle headers in
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Transport(asyncio.Protocol):
    """The connection. Made by `open_transport`."""

    def __init__(self, request: bytes, accept: str, receiver: Receiver) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.paused = False
        self._request = request
        self._accept = accept
        self._receiver = receiver
        self._response = bytearray()
        self._head: tuple[int, dict[str, str]] | None = None
        self._parser = FrameParser(masked=False, max_size=MAX_MESSAGE)
        self._transport: asyncio.Transport | None = None
        self._pending: list[bytes] = []
        self._reason = ""

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take what was read."""
        if self.opened.done():
            self._feed(data)
        else:
            self._response += data
            self._handshake()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the receiver, or whoever waits for the upgrade."""
        if not self.opened.done():
            self._refuse_early(error)
        elif self.opened.exception() is None:
            self._receiver.lost(self._reason or (f"transport error: {error}" if error else "transport close"))

    def pause_writing(self) -> None:
        """Stop: the peer does not keep up."""
        self.paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self.paused = False
        self._receiver.writable()

    # -- the upgrade

    def _handshake(self) -> None:
        end = self._response.find(b"\r\n\r\n")
        if end < 0:
            if len(self._response) > _MAX_RESPONSE:
                self._refuse(0, "no HTTP response")
            return
        status, headers = _parse_head(bytes(self._response[:end]))
        rest = bytes(self._response[end + 4 :])
        if status == 101:
            self._open(headers, rest)
        else:
            self._head = status, headers
            length = headers.get("content-length", "")
            if len(rest) >= min(int(length) if length.isdecimal() else _MAX_RESPONSE, _MAX_RESPONSE):
                self._refuse(status, rest.decode(errors="replace"))

    def _open(self, headers: Mapping[str, str], rest: bytes) -> None:
        if headers.get("sec-websocket-accept") != self._accept:
            self._refuse(101, "wrong Sec-WebSocket-Accept")
            return
        self._response.clear()
        self.opened.set_result(None)
        self._receiver.upgraded(self)
        if rest:
            self._feed(rest)

    def _refuse_early(self, error: Exception | None) -> None:
        if self._head:
            body = bytes(self._response).partition(b"\r\n\r\n")[2]
            self._refuse(self._head[0], body.decode(errors="replace"))
        else:
            self.opened.set_exception(error or ConnectionResetError("the server closed the connection unanswered"))

    def _refuse(self, status: int, body: str) -> None:
        self.opened.set_exception(UpgradeRefused(status, body))

    # -- frames

    def _feed(self, data: bytes) -> None:
        messages = self._parser.feed(data)
        if messages:
            self._receive(messages)
        if self._parser.error:
            self.fail(self._parser.error)

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
            self.write(encode_frame(PONG, message.data, new_mask()))
        elif isinstance(message, Close):
            self.close(message.code if message.code != 1005 else 1000, f"closed by the server ({_said(message)})")
        elif not isinstance(message, Pong):
            return False
        return True

    def fail(self, error: WebSocketError) -> None:
        """Answer a violation of the protocol and end."""
        self.close(error.code, f"protocol error: {error}")

    def write(self, frames: bytes) -> None:
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
    def fileno(self) -> int | None:
        """The descriptor of the socket, if there is one."""
        socket = self._transport.get_extra_info("socket") if self._transport else None
        return socket.fileno() if socket else None


_CONTROL = frozenset({Ping, Pong, Close})


def _said(close: Close) -> str:
    return f"{close.code} {close.reason}".strip()


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    status = int(words[1]) if words[0].startswith("HTTP/1.") and len(words) > 1 and words[1].isdecimal() else 0
    fields = (line.partition(":") for line in lines)
    return status, {name.strip().lower(): value.strip() for name, _, value in fields}
