"""WebSocket frames (RFC 6455): bytes in, messages out. All frames of a read are parsed at once.

A message is a ``str`` (text), ``bytes`` (binary), or one of the control frames `Ping`, `Pong` and `Close`.
A server's frame is encoded once for all its receivers, since an unmasked frame does not depend on the receiver.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass
from typing import TypeAlias

from tornado.util import _websocket_mask  # in C if Tornado's extension was built, else in Python

from ..errors import WebSocketError

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTINUATION = 0x0
_SMALL_TEXT = tuple(bytes((0x80 | TEXT, size)) for size in range(126))
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping; a pong with the same data must answer it (RFC 6455, section 5.5.2)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame. ``code`` is 1005 if the frame had no code (RFC 6455, section 7.1.5)."""

    code: int = 1005
    reason: str = ""


Message: TypeAlias = "str | bytes | Ping | Pong | Close"


def accept_value(key: str) -> str:
    """Return the ``Sec-WebSocket-Accept`` that answers a ``Sec-WebSocket-Key`` (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def encode_frame(opcode: int, payload: bytes, mask: bytes | None = None) -> bytes:
    """Encode one final frame.

    Parameters
    ----------
    opcode : int
        `TEXT`, `BINARY`, `CLOSE`, `PING` or `PONG`.
    payload : bytes
    mask : bytes, optional
        Four random bytes; a client must give them, a server must not (RFC 6455, section 5.1).
    """
    size = len(payload)
    if opcode == TEXT and size < 126 and mask is None:
        return _SMALL_TEXT[size] + payload
    flag = 0x80 if mask else 0
    if size < 126:
        head = bytes((0x80 | opcode, flag | size))
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, flag | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, flag | 127, size)
    if mask:
        return head + mask + _websocket_mask(mask, payload)
    return head + payload


def encode_close(code: int = 1000, reason: str = "", mask: bytes | None = None) -> bytes:
    """Encode a close frame. The reason is cut to the 123 bytes that fit. For 1005 the frame gets no code."""
    text = reason.encode(errors="replace")[:123].decode(errors="ignore").encode()
    return encode_frame(CLOSE, b"" if code == 1005 else struct.pack("!H", code) + text, mask)


class FrameParser:
    """Turn a stream of bytes into messages.

    Parameters
    ----------
    masked : bool
        Whether the peer must mask its frames: True on a server, False on a client.
    max_size : int
        The largest message in bytes. It may be changed between two calls of `feed`.

    Attributes
    ----------
    error : WebSocketError or None
        The peer's violation. After each `feed`, the caller handles the returned messages and then checks it; if it is
        set, the caller sends a close frame with its ``code`` and closes the connection.
    """

    __slots__ = ("_binary", "_buffer", "_ended", "_fragments", "_masked", "_need", "error", "max_size")

    def __init__(self, *, masked: bool, max_size: int) -> None:
        self._masked = masked
        self.max_size = max_size
        self.error: WebSocketError | None = None
        self._ended = False  # by an error or a close frame: later bytes are ignored (RFC 6455, section 5.5.1)
        self._buffer: bytearray | None = None  # the beginning of a frame
        # The bytes of it that must be there before it is parsed again: a frame that arrives byte by byte would
        # otherwise be copied and parsed once for each byte.
        self._need = 0
        self._fragments: bytearray | None = None
        self._binary = False

    @property
    def buffered(self) -> int:
        """The number of bytes kept of an incomplete message."""
        return (len(self._buffer) if self._buffer is not None else 0) + (
            len(self._fragments) if self._fragments is not None else 0
        )

    def feed(self, data: bytes) -> list[Message]:
        """Take the bytes of a read and return the messages that are complete now, in order."""
        messages: list[Message] = []
        if self._ended:
            return messages
        if self._buffer is not None:
            self._buffer += data
            if len(self._buffer) < self._need:
                return messages
            data = bytes(self._buffer)
            self._buffer = None
        try:
            at = self._parse(data, messages)
        except WebSocketError as error:
            self.error = error
            self._ended = True
            return messages
        if at < len(data):
            self._buffer = bytearray(data[at:] if at else data)
        return messages

    def _parse(self, data: bytes, messages: list[Message]) -> int:
        """Parse whole frames; return where the first incomplete one starts."""
        at, end = 0, len(data)
        masked, limit = self._masked, self.max_size
        while end - at >= 2:
            first, size = data[at], data[at + 1]
            if (size >= 0x80) is not masked:
                raise WebSocketError("a client must mask its frames" if masked else "a server must not mask its frames")
            size &= 0x7F
            start = at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if start > end:
                    self._need = start - at
                    return at
                size = int.from_bytes(data[at + 2 : start], "big")
            if size > limit:
                raise WebSocketError(f"message of {size} bytes is larger than the {limit} allowed", 1009)
            if masked:
                start += 4
            stop = start + size
            if stop > end:
                self._check(first, size)
                self._need = stop - at
                return at
            payload = data[start:stop]
            if masked:
                payload = _websocket_mask(data[start - 4 : start], payload)
            at = stop
            if first == 0x81 and self._fragments is None:
                messages.append(_text(payload))
            else:
                self._check(first, size)
                self._frame(first, payload, messages)
                if messages and type(messages[-1]) is Close:
                    self._ended = True
                    return end
        self._need = 2
        return at

    def _check(self, first: int, size: int) -> None:
        """Check the first byte and the size of a frame before its payload arrives (RFC 6455, sections 5.2 to 5.5)."""
        opcode = first & 0xF
        if first & 0x70:
            raise WebSocketError("a reserved bit is set, but no extension was agreed")
        if opcode & 0x8:
            if opcode > PONG:
                raise WebSocketError(f"unknown opcode {opcode}")
            if not first & 0x80 or size > 125:
                raise WebSocketError("a control frame must be whole and hold at most 125 bytes")
        elif opcode > BINARY:
            raise WebSocketError(f"unknown opcode {opcode}")
        elif opcode == _CONTINUATION:
            if self._fragments is None:
                raise WebSocketError("a continuation frame without a message that it continues")
            if len(self._fragments) + size > self.max_size:
                raise WebSocketError(f"message of more than the {self.max_size} bytes allowed", 1009)
        elif self._fragments is not None:
            raise WebSocketError("a new message inside a fragmented one")

    def _frame(self, first: int, payload: bytes, messages: list[Message]) -> None:
        opcode, final = first & 0xF, first & 0x80
        if opcode & 0x8:
            messages.append(_control(opcode, payload))
        elif opcode == _CONTINUATION or not final:
            self._fragment(opcode, payload)
            if final:
                messages.append(self._assemble())
        else:
            messages.append(payload if opcode == BINARY else _text(payload))

    def _fragment(self, opcode: int, payload: bytes) -> None:
        if self._fragments is None:
            self._fragments = bytearray()
            self._binary = opcode == BINARY
        self._fragments += payload

    def _assemble(self) -> str | bytes:
        assert self._fragments is not None
        payload = bytes(self._fragments)
        self._fragments = None
        return payload if self._binary else _text(payload)


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise WebSocketError("a text message must be UTF-8", 1007) from None


def _control(opcode: int, payload: bytes) -> Ping | Pong | Close:
    if opcode == PING:
        return Ping(payload)
    if opcode == PONG:
        return Pong(payload)
    if not payload:
        return Close()
    code = int.from_bytes(payload[:2], "big")
    known = 1000 <= code <= 1014 and code not in (1004, 1005, 1006)
    if len(payload) == 1 or not (known or 3000 <= code <= 4999):
        raise WebSocketError("a close frame with an invalid code")
    return Close(code, _text(payload[2:]))
