"""The buffers of an event: all of them lie in one attachment (docs/wire.md, "Payloads").

A buffer is written as ``[offset, length]``. `BufferWriter` collects those of an event that is emitted, and
`BufferReader` gives those of an event that came.
"""

from __future__ import annotations

from typing import Any, Protocol

from jupyter_rtmsg.errors import PayloadRefused, TooLarge

ALIGNMENT = 64
"""Each buffer begins at a multiple of this, as Arrow advises for its own."""

MAX_BYTES = 256 * 1024 * 1024
"""Bytes of all buffers of an event. More is refused before it is copied; the limit of a message is far lower."""


class PayloadWriter(Protocol):
    """What encodes the values of an event, as far as the codec of one type needs it."""

    def buffer(self, data: Any) -> list[int]:
        """Add a buffer, and return its place."""

    def value(self, value: Any) -> Any:
        """Encode a value inside of another one."""


class PayloadReader(Protocol):
    """What decodes the values of an event, as far as the codec of one type needs it."""

    def buffer(self, place: Any) -> memoryview:
        """Return the buffer at a place, read-only."""

    def value(self, wire: Any) -> Any:
        """Decode a value inside of another one."""


class BufferWriter:
    """The buffers of an event that is emitted. They are copied once, when they are joined."""

    def __init__(self) -> None:
        self._parts: list[memoryview] = []
        self._sole: bytes | None = None
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, data: Any) -> list[int]:
        """Add contiguous bytes, and return their place: offset and length.

        Raises
        ------
        TooLarge
            If all buffers together have more than `MAX_BYTES`.
        """
        view = memoryview(data)
        if view.nbytes and (view.ndim != 1 or view.format != "B"):
            view = view.cast("B")
        offset = -(-self._size // ALIGNMENT) * ALIGNMENT
        if offset + view.nbytes > MAX_BYTES:
            raise TooLarge(
                f"the data have more than {offset + view.nbytes:,} bytes; an event may have {MAX_BYTES:,}. "
                "Send a part of them, or send where they can be found"
            )
        self._sole = data if type(data) is bytes and not self._parts else None
        if offset > self._size:
            self._parts.append(memoryview(bytes(offset - self._size)))
        self._parts.append(view)
        self._size = offset + view.nbytes
        return [offset, view.nbytes]

    def joined(self) -> bytes:
        """Return the attachment."""
        return b"".join(self._parts) if self._sole is None else self._sole


class BufferReader:
    """The buffers of an event that came.

    Parameters
    ----------
    attachment : bytes-like
    """

    def __init__(self, attachment: Any = b"") -> None:
        if not isinstance(attachment, (bytes, bytearray, memoryview)):
            raise PayloadRefused(f"'buffers' is not binary, but {type(attachment).__name__}")
        self._view = memoryview(attachment).toreadonly()

    def part(self, place: Any) -> memoryview:
        """Return the buffer at a place.

        Raises
        ------
        PayloadRefused
            If the place is not in the attachment.
        """
        if type(place) is not list or len(place) != 2 or any(type(each) is not int or each < 0 for each in place):
            raise PayloadRefused(f"a buffer is [offset, length], not {place!r:.60}")
        offset, length = place
        if offset + length > len(self._view):
            raise PayloadRefused(
                f"a buffer of {length:,} bytes at {offset:,} is outside of the attachment, which has "
                f"{len(self._view):,} bytes"
            )
        return self._view[offset : offset + length]
