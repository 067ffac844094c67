"""WebSocket frames built by hand, right or wrong, from RFC 6455's own drawing rather than with the code under test."""

from __future__ import annotations

FIN = 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x37\xfa\x21\x3d"  # the key of the RFC's examples, section 5.7


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    width: int | None = None,
    size: int | None = None,
) -> bytes:
    """Build a frame.

    Parameters
    ----------
    opcode : int
    payload : bytes
    fin, rsv : bool, int
        The first four bits; ``rsv`` is 0 to 7.
    mask : bytes, optional
    width : int, optional
        Bytes of the extended length, 0, 2 or 8, whether minimal or not.
    size : int, optional
        A length to claim instead of the payload's own.
    """
    length = len(payload) if size is None else size
    if width is None:
        width = 0 if length < 126 else 2 if length < 65536 else 8
    code = length if not width else {2: 126, 8: 127}[width]
    head = bytes([(FIN if fin else 0) | rsv << 4 | opcode, (0x80 if mask else 0) | code])
    head += length.to_bytes(width, "big") if width else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def close_payload(code: int, reason: bytes = b"") -> bytes:
    """Build what a close frame holds."""
    return code.to_bytes(2, "big") + reason
