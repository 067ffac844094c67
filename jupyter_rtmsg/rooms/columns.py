"""Events as tables with typed columns: CSV, Parquet and Arrow files.

The columns are known only when all events were read. So the rows are kept in a temporary file until then, and memory
stays bounded, whatever the number of events.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import IO, Any

from jupyter_rtmsg.errors import ExportError
from jupyter_rtmsg.event import Event
from jupyter_rtmsg.payloads.text import flat

from .ndjson import decode, encode
from .wholefile import spool

MOST = 1_000
"""Columns that a table may have for the keys of the data."""

FIELDS = ("seq", "n", "time", "event", "user", "name", "kind", "notebook", "id")
"""The columns that every table has."""

_ROWS = 5_000  # in a batch of an Arrow or Parquet file
_LONG = 1 << 63
_FORMULA = tuple("=+-@＝＋－＠\t\r")  # a spreadsheet would run a text that begins with one of them


class Rows:
    """Collects events as rows, and knows which columns they have.

    Attributes
    ----------
    kinds : dict
        The kinds of the values of each column of data: ``int``, ``float``, ``bool``, ``str``, ``bytes`` and ``json``.
    """

    def __init__(self) -> None:
        self._file = spool()
        self.kinds: dict[str, set[str]] = {}

    def write(self, events: Sequence[Event]) -> None:
        """Add events."""
        for event in events:
            data = _columns(flat(event.wire))
            for name, value in data.items():
                kinds = self.kinds.setdefault(name, set())
                if value is not None:
                    kinds.add(_kind(value))
            if len(self.kinds) > MOST:
                raise ExportError(
                    f"the data have more than {MOST:,} different keys, too many for the columns of a table: export to "
                    ".ndjson, or only some events (event=)"
                )
            sender = event.sender
            row = [event.seq, event.n, event.ts, event.name, sender.user, sender.name, sender.kind, sender.notebook]
            self._file.write(encode([*row, event.id, data]) + b"\n")

    def __iter__(self) -> Iterator[tuple[list[Any], dict[str, Any]]]:
        """Yield the fields and the data of each row."""
        self._file.seek(0)
        for line in self._file:
            *fields, data = decode(line)
            yield fields, data

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()


def _columns(data: Any) -> dict[str, Any]:
    """Return data as columns: those of the keys of a dict, or one with the name ``data``."""
    if not isinstance(data, dict):
        return {} if data is None else {"data": data}
    return {(f"data.{key}" if key in FIELDS or key == "data" else key): value for key, value in data.items()}


def _kind(value: Any) -> str:
    kind = type(value).__name__
    if kind == "int" and not -_LONG <= value < _LONG:
        return "json"
    return kind if kind in ("int", "float", "bool", "str", "bytes") else "json"


class CSVWriter:
    """Writes a table as CSV in UTF-8.

    Times are in UTC by ISO 8601, bytes in base64, lists and dicts as JSON. A text that a spreadsheet would take for a
    formula gets an apostrophe in front.

    Parameters
    ----------
    file : file
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rows = Rows()
        self.write = self._rows.write

    def finish(self) -> None:
        """Write the table."""
        text = io.TextIOWrapper(self._file, encoding="utf-8", errors="backslashreplace", newline="")
        try:
            writer = csv.writer(text)
            names = list(self._rows.kinds)
            writer.writerow([*FIELDS, *map(_cell, names)])
            for (seq, n, ts, *fields), data in self._rows:
                cells = (seq, n, _time(ts).isoformat(timespec="milliseconds"), *map(_cell, fields))
                writer.writerow([*cells, *(_cell(data.get(name)) for name in names)])
            text.flush()
        finally:
            text.detach()

    def close(self) -> None:
        """Delete what was collected."""
        self._rows.close()


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, timezone.utc)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else _json(value)


def _json(value: Any) -> str:
    return encode(value).decode()


class ArrowWriter:
    """Writes a table as a Parquet file, or as an Arrow file (IPC, the same as Feather).

    A column has a type if all its values have one: integers of 64 bits, numbers, booleans, texts or bytes. Otherwise it
    has each value as JSON.

    Parameters
    ----------
    file : file
    parquet : bool

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    """

    def __init__(self, file: IO[bytes], *, parquet: bool) -> None:
        self._file = file
        self._arrow = _pyarrow(".parquet" if parquet else ".arrow")
        self._open = self._open_parquet if parquet else self._open_arrow
        self._rows = Rows()
        self.write = self._rows.write

    def finish(self) -> None:
        """Write the table."""
        arrow = self._arrow
        time, text = arrow.timestamp("ms", "UTC"), arrow.string()
        types = [arrow.int64(), arrow.int64(), time, *[text] * (len(FIELDS) - 3)]
        names = list(self._rows.kinds)
        columns = [self._type(self._rows.kinds[name]) for name in names]
        schema = arrow.schema(list(zip([*FIELDS, *map(_sound, names)], [*types, *(kind for kind, _ in columns)])))  # noqa: B905
        with self._open(schema) as writer:
            for batch in _batches(self._rows):
                values: list[list[Any]] = [
                    list(column) for column in zip(*(fields for fields, _ in batch), strict=True)
                ]
                values += [
                    [None if (value := data.get(name)) is None else convert(value) for _, data in batch]
                    for name, (_, convert) in zip(names, columns, strict=True)
                ]
                arrays = [arrow.array(each, field.type) for each, field in zip(values, schema, strict=True)]
                writer.write_batch(arrow.record_batch(arrays, schema=schema))

    def _type(self, kinds: set[str]) -> tuple[Any, Callable[[Any], Any]]:
        """Return the type of a column, and the function that converts its values."""
        arrow = self._arrow
        simple: dict[frozenset[str], tuple[Any, Callable[[Any], Any]]] = {
            frozenset(): (arrow.string(), _json),
            frozenset({"int"}): (arrow.int64(), int),
            frozenset({"float"}): (arrow.float64(), float),
            frozenset({"int", "float"}): (arrow.float64(), float),
            frozenset({"bool"}): (arrow.bool_(), bool),
            frozenset({"str"}): (arrow.string(), _sound),
            frozenset({"bytes"}): (arrow.binary(), bytes),
        }
        return simple.get(frozenset(kinds), (arrow.string(), _json))

    def _open_parquet(self, schema: Any) -> Any:
        return self._arrow.parquet.ParquetWriter(self._file, schema)

    def _open_arrow(self, schema: Any) -> Any:
        return self._arrow.ipc.new_file(self._file, schema)

    def close(self) -> None:
        """Delete what was collected."""
        self._rows.close()


def _batches(rows: Rows) -> Iterator[list[tuple[list[Any], dict[str, Any]]]]:
    batch: list[tuple[list[Any], dict[str, Any]]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _sound(text: str) -> str:
    """Return a text without halves of characters, which UTF-8 does not have."""
    return text.encode("utf-8", "backslashreplace").decode()


def _pyarrow(suffix: str) -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError(f"an export to {suffix} needs pyarrow: pip install pyarrow") from None
    return pyarrow
