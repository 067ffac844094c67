"""The check of an Arrow IPC stream before a library reads it (https://arrow.apache.org/docs/format/Columnar.html).

A stream is a message with the schema, then messages with dictionaries and batches of rows. The check reads only their
headers. It refuses what could run code (extension types, which a process may have registered with code of its own), or
take memory without limit: compressed buffers, views that show one text many times, runs that repeat one value, and
columns that have more values than bytes. The library checks the values: offsets, UTF-8, indices of dictionaries.
"""

from __future__ import annotations

import struct
from typing import NoReturn

from jupyter_rtmsg.errors import PayloadRefused, PayloadTooLarge

from .flatbuffer import FlatTable

MAX_VALUES = 1 << 25
"""Values of a table, of all columns together, with those inside of lists."""

MAX_FIELDS = 10_000
"""Columns of a table, with those inside of structs and lists."""

_CONTINUATION = 0xFFFFFFFF
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_NAMES = {
    1: "null", 2: "int", 3: "float", 4: "binary", 5: "string", 6: "bool", 7: "decimal", 8: "date", 9: "time",
    10: "timestamp", 12: "list", 13: "struct", 15: "fixed-size binary", 16: "fixed-size list", 17: "map",
    18: "duration", 19: "large binary", 20: "large string", 21: "large list",
}  # fmt: skip
_REFUSED = {11: "interval", 14: "union", 22: "run-end encoded", 23: "binary view", 24: "string view", 25: "list view",
            26: "large list view"}  # fmt: skip
_DEEPEST = 32  # levels of lists and structs


class ArrowStream:
    """What a stream has, by the headers of its messages.

    Attributes
    ----------
    names : list of str
        Those of the columns.
    rows : int
    """

    def __init__(self, data: memoryview) -> None:
        self.names: list[str] = []
        self.rows = 0
        self._values = 0
        self._fields = 0
        self._data = data
        self._position = 0
        self._read()

    def _read(self) -> None:
        kind, header = self._message()
        if kind != _SCHEMA or header is None:
            raise PayloadRefused("the Arrow stream does not begin with a schema")
        self._schema(header)
        while self._position < len(self._data):
            kind, header = self._message()
            if header is None:
                break
            if kind == _DICTIONARY:
                self._batch(header.table(1))
            elif kind == _BATCH:
                self.rows += self._batch(header)
            else:
                raise PayloadRefused(
                    f"the Arrow stream has a message of kind {kind}; dictionaries and batches are read"
                )
        if self._position < len(self._data):
            raise PayloadRefused("the Arrow stream goes on behind its end")

    def _message(self) -> tuple[int, FlatTable | None]:
        """Read the header of the next message, and pass over its body. At the end of the stream there is no header."""
        if len(self._data) - self._position < 8:
            self._cut_short()
        mark, length = struct.unpack_from("<II", self._data, self._position)
        if mark != _CONTINUATION:
            raise PayloadRefused("the Arrow stream has no mark where a message begins")
        start = self._position + 8
        if length == 0:
            self._position = start
            return 0, None
        if length > len(self._data) - start:
            self._cut_short()
        message = FlatTable.root(self._data[start : start + length])
        body = message.number(3, "<q")
        self._body = self._data[start + length : start + length + max(0, body)]
        if body < 0 or len(self._body) < body:
            self._cut_short()
        self._position = start + length + body
        return message.number(1, "<B"), message.table(2)

    def _cut_short(self) -> NoReturn:
        raise PayloadRefused(f"the Arrow stream of {len(self._data):,} bytes is cut short")

    def _schema(self, schema: FlatTable) -> None:
        if schema.number(0, "<h"):
            raise PayloadRefused("the Arrow stream is big-endian")
        for field in schema.tables(1):
            self._field(field, 0)
            self.names.append(field.text(0).decode(errors="replace"))

    def _field(self, field: FlatTable, depth: int) -> None:
        name = field.text(0)[:60].decode(errors="replace")
        self._fields += 1
        if self._fields > MAX_FIELDS or depth > _DEEPEST:
            raise PayloadTooLarge(f"the table has more than {MAX_FIELDS:,} columns, or columns of {_DEEPEST} levels")
        kind = field.number(2, "<B")
        if kind not in _NAMES:
            raise PayloadRefused(f"the column {name!r} is of type {_REFUSED.get(kind, kind)}, which is not read")
        if any(entry.text(0).startswith(b"ARROW:extension") for entry in field.tables(6)):
            raise PayloadRefused(
                f"the column {name!r} has an extension type, which is not read: cast it to its storage"
            )
        if depth and field.has(4):
            raise PayloadRefused(f"the column {name!r} has a dictionary inside of a list or struct, which is not read")
        for child in field.tables(5):
            self._field(child, depth + 1)

    def _batch(self, batch: FlatTable | None) -> int:
        """Check a batch, and return the number of its rows."""
        if batch is None:
            raise PayloadRefused("the Arrow stream has a dictionary without values")
        if batch.has(3):
            raise PayloadRefused("the Arrow stream is compressed, which is not read: write it uncompressed")
        if batch.has(4):
            raise PayloadRefused("the Arrow stream has views, which are not read")
        rows = batch.number(0, "<q")
        lengths = [length for length, _ in batch.pairs(1)]
        if rows < 0 or min(lengths, default=0) < 0:
            raise PayloadRefused("the Arrow stream has a length below 0")
        if not lengths and rows:
            raise PayloadRefused(f"the Arrow stream has {rows:,} rows without columns")
        self._values += sum(lengths)
        if self._values > MAX_VALUES:
            raise PayloadTooLarge(f"the table has {self._values:,} values or more; it may have {MAX_VALUES:,}")
        for offset, length in batch.pairs(2):
            if offset < 0 or length < 0 or offset + length > len(self._body):
                raise PayloadRefused("the Arrow stream has a buffer outside of its message")
        return rows


def check_stream(data: memoryview) -> ArrowStream:
    """Check a stream, and return what it has.

    Raises
    ------
    PayloadRefused
        If it is damaged, or has what is not read.
    PayloadTooLarge
        If it has too many values or columns.
    """
    return ArrowStream(data)
