"""Reading tables of FlatBuffers, as far as the messages of Arrow need it (https://flatbuffers.dev/internals)."""

from __future__ import annotations

import struct

from jupyter_rtmsg.errors import PayloadRefused


class FlatTable:
    """A table in a FlatBuffer. Every read is within the buffer, or raises `PayloadRefused`.

    Parameters
    ----------
    data : memoryview
        The whole buffer.
    position : int
        Where the table begins.
    """

    __slots__ = ("_data", "_fields", "_position")

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self._position = position
        vtable = position - self._at("<i", position)
        size = self._at("<H", vtable)
        self._fields = [self._at("<H", vtable + 4 + 2 * index) for index in range(max(0, size - 4) // 2)]

    @classmethod
    def root(cls, data: memoryview) -> FlatTable:
        """Return the root table of a buffer."""
        if len(data) < 4:
            raise PayloadRefused("a message of the Arrow stream is cut short")
        (position,) = struct.unpack_from("<I", data, 0)
        return cls(data, position)

    def _at(self, kind: str, position: int) -> int:
        if position < 0:
            raise PayloadRefused("a message of the Arrow stream points out of itself")
        try:
            return int(struct.unpack_from(kind, self._data, position)[0])
        except struct.error:
            raise PayloadRefused("a message of the Arrow stream points out of itself") from None

    def _where(self, field: int) -> int | None:
        offset = self._fields[field] if field < len(self._fields) else 0
        return self._position + offset if offset else None

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Return a number: its kind is that of `struct`."""
        position = self._where(field)
        return default if position is None else self._at(kind, position)

    def has(self, field: int) -> bool:
        """Return whether a field is there."""
        return self._where(field) is not None

    def table(self, field: int) -> FlatTable | None:
        """Return a table inside of this one."""
        position = self._where(field)
        return None if position is None else FlatTable(self._data, position + self._at("<I", position))

    def text(self, field: int) -> bytes:
        """Return a text, encoded."""
        start, length = self._vector(field)
        return bytes(self._span(start, length))

    def tables(self, field: int) -> list[FlatTable]:
        """Return the tables of a vector."""
        start, length = self._vector(field)
        self._span(start, 4 * length)
        places = range(start, start + 4 * length, 4)
        return [FlatTable(self._data, place + self._at("<I", place)) for place in places]

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """Return the structs of a vector that are two numbers of 64 bits each."""
        start, length = self._vector(field)
        numbers = struct.unpack(f"<{2 * length}q", self._span(start, 16 * length))
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def _vector(self, field: int) -> tuple[int, int]:
        position = self._where(field)
        if position is None:
            return 0, 0
        start = position + self._at("<I", position)
        return start + 4, self._at("<I", start)

    def _span(self, start: int, length: int) -> memoryview:
        if start + length > len(self._data):
            raise PayloadRefused("a message of the Arrow stream points out of itself")
        return self._data[start : start + length]
