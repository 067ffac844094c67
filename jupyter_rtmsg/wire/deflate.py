"""permessage-deflate (RFC 7692) without context takeover: each message is compressed alone, once for all receivers."""

from __future__ import annotations

import zlib

from ..errors import WebSocketError
from .websocket import BINARY, TEXT, FrameParser, Message, encode_frame

AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
THRESHOLD = 1024  # bytes; smaller messages are not compressed
LONGEST_OFFER = 1024  # characters; the offers of usual clients have about a hundred
_LARGEST_WINDOW = ("server_max_window_bits", "15")  # zlib's own window
_RSV1 = 0x40
_TAIL = b"\x00\x00\xff\xff"  # the sender removes these bytes (RFC 7692, section 7.2.1)
_PARAMETERS = frozenset({"server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits"})


def accepts(offers: str) -> bool:
    """Return whether `AGREED` is a valid answer to one of the offers of a ``Sec-WebSocket-Extensions`` header.

    Offers with ``server_max_window_bits`` below 15, or with parameters that RFC 7692 does not define, are declined. A
    header of more than `LONGEST_OFFER` characters is declined without being parsed.
    """
    each = offers.split(",") if len(offers) <= LONGEST_OFFER else []
    if any(offer.count('"') % 2 for offer in each):
        return False  # a comma in a quoted value; no accepted parameter has one
    return any(_accepts(*offer.split(";")) for offer in each)


def _accepts(name: str, *parameters: str) -> bool:
    names = [key for key, value in map(_parameter, parameters) if (key, value) != _LARGEST_WINDOW]
    return name.strip() == "permessage-deflate" and _PARAMETERS.issuperset(names) and len(set(names)) == len(names)


def _parameter(text: str) -> tuple[str, str]:
    """Return the name and the value of a parameter."""
    name, _, value = text.partition("=")
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return name.strip(), value[1:-1] if quoted else value


def deflated_frame(opcode: int, payload: bytes) -> bytes:
    """Encode a frame of a server; compress it if that makes it smaller."""
    if len(payload) < THRESHOLD:
        return encode_frame(opcode, payload)
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    compressed = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    compressed = compressed.removesuffix(_TAIL)
    if len(compressed) >= len(payload):
        return encode_frame(opcode, payload)
    return encode_frame(opcode | _RSV1, compressed)


class DeflateParser(FrameParser):
    """A parser that also accepts compressed messages, of at most ``max_size`` bytes when they are inflated."""

    __slots__ = ("_compressed",)

    def __init__(self, *, masked: bool, max_size: int) -> None:
        super().__init__(masked=masked, max_size=max_size)
        self._compressed = False  # whether the message whose fragments arrive is compressed

    def _check(self, first: int, size: int) -> None:
        if first & 0xF in (TEXT, BINARY):
            first &= ~_RSV1
        super()._check(first, size)

    def _frame(self, first: int, payload: bytes, messages: list[Message]) -> None:
        if first & 0xF in (TEXT, BINARY):
            self._compressed = bool(first & _RSV1)
            first &= ~_RSV1
            if self._compressed and first & 0x80:
                payload = self._inflate(payload)
        super()._frame(first, payload, messages)

    def _assemble(self) -> str | bytes:
        if self._compressed and self._fragments is not None:
            self._fragments = bytearray(self._inflate(bytes(self._fragments)))
        return super()._assemble()

    def _inflate(self, payload: bytes) -> bytes:
        inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        try:
            message = inflater.decompress(payload + _TAIL, self.max_size + 1)
        except zlib.error:
            raise WebSocketError("a compressed message that cannot be inflated", 1007) from None
        if len(message) > self.max_size:
            raise WebSocketError(f"message of more than the {self.max_size} bytes allowed, inflated", 1009)
        return message
