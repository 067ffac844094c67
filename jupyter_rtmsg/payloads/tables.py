"""Tables of pandas, Polars and Arrow, as an Arrow IPC stream that the table's own library writes and reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from jupyter_rtmsg.errors import NotJSON, PayloadError, PayloadRefused

from . import pandas_frames
from .arrowstream import ArrowStream, check_stream
from .buffers import PayloadReader, PayloadWriter
from .libraries import is_loaded, load
from .scalars import text_of

_SHOWN = 50  # names of columns beside the table, for people


def encode_pandas(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a DataFrame or a Series of pandas. Without pyarrow it is sent as columns."""
    kind = "pandas.Series" if value.ndim == 1 else "pandas.DataFrame"
    frame = pandas_frames.described(value, writer)
    more = {"pandas": frame.info}
    if frame.table is not None:
        return _with_stream(kind, _written(frame.table), writer, frame.names, more)
    columns = [{"name": name, "values": column} for name, column in frame.columns]
    return {**_head(kind, frame.rows, frame.names), "columns": columns, **more}


def encode_polars(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a DataFrame or a Series of Polars."""
    polars = load("polars")
    kind = "polars.Series" if isinstance(value, polars.Series) else "polars.DataFrame"
    frame = value.to_frame() if kind == "polars.Series" else value
    if polars.Object in frame.dtypes:
        raise NotJSON(f"the {kind} has a column of Python objects. Send it without them, or as texts")
    file = io.BytesIO()
    try:
        frame.write_ipc_stream(file, compression="uncompressed", compat_level=polars.CompatLevel.oldest())
    except BaseException as error:  # Rust raises what is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise NotJSON(f"the {kind} cannot be written by Polars: {' '.join(str(error).split()):.200}") from None
    return _with_stream(kind, file.getvalue(), writer, frame.columns)


def encode_pyarrow(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a Table or a RecordBatch of pyarrow."""
    pyarrow = load("pyarrow")
    kind = "pyarrow.RecordBatch" if isinstance(value, pyarrow.RecordBatch) else "pyarrow.Table"
    table = pyarrow.Table.from_batches([value]) if kind == "pyarrow.RecordBatch" else value
    return _with_stream(kind, _written(table), writer, table.column_names)


def encode_arrow_stream(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a table of any library that offers it as an Arrow stream. It comes back as a Table of pyarrow."""
    name = type(value).__name__
    if not is_loaded("pyarrow"):
        raise NotJSON(f"a {name} is sent by pyarrow. Write import pyarrow first, or send a table of pandas or Polars")
    try:
        table = load("pyarrow").table(value)
    except Exception as error:
        raise NotJSON(f"the {name} cannot be read as an Arrow table: {' '.join(str(error).split()):.200}") from None
    return encode_pyarrow(table, writer)


def _written(table: Any) -> Any:
    pyarrow = load("pyarrow")
    sink = pyarrow.BufferOutputStream()
    with load("pyarrow.ipc").new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _with_stream(
    kind: str, data: Any, writer: PayloadWriter, names: list[str], more: dict[str, Any] | None = None
) -> dict[str, Any]:
    try:
        stream = check_stream(memoryview(data))
    except PayloadError as error:
        raise NotJSON(f"the {kind} is not sent: {error}") from None
    return {**_head(kind, stream.rows, names), "arrow": writer.buffer(data), **(more or {})}


def _head(kind: str, rows: int, names: list[str]) -> dict[str, Any]:
    return {"$type": "table", "class": kind, "rows": rows, "width": len(names), "names": names[:_SHOWN]}


def decode_table(fields: dict[str, Any], reader: PayloadReader) -> Any:
    """Decode a table, by the library that it is from."""
    kind = text_of(fields, "class", 64)
    if kind not in _READERS:
        raise PayloadRefused(f"{kind!r} is no class of tables that is known here: {', '.join(_READERS)}")
    if "arrow" not in fields:
        if not kind.startswith("pandas."):
            raise PayloadRefused("the table has no 'arrow'")
        return pandas_frames.from_columns(fields, reader, series=kind == "pandas.Series")
    data = reader.buffer(fields["arrow"])
    return _READERS[kind](data, check_stream(data), fields, reader)


def _read(data: memoryview) -> Any:
    pyarrow = load("pyarrow")
    with load("pyarrow.ipc").open_stream(pyarrow.py_buffer(data)) as stream:
        table = stream.read_all()
    table.validate(full=True)
    return table


def _as_pandas(data: memoryview, stream: ArrowStream, fields: dict[str, Any], reader: PayloadReader) -> Any:
    return pandas_frames.from_arrow(_read(data), fields, reader, series=fields["class"] == "pandas.Series")


def _as_polars(data: memoryview, stream: ArrowStream, fields: dict[str, Any], reader: PayloadReader) -> Any:
    frame = load("polars").read_ipc_stream(io.BytesIO(data))  # Polars validates what it reads
    if fields["class"] == "polars.DataFrame":
        return frame
    if frame.width != 1:
        raise PayloadRefused(f"a Series has one column, and {frame.width} came")
    return frame.to_series()


def _as_pyarrow(data: memoryview, stream: ArrowStream, fields: dict[str, Any], reader: PayloadReader) -> Any:
    table = _read(data)
    if fields["class"] == "pyarrow.Table":
        return table
    batches = table.to_batches()
    if len(batches) > 1:
        raise PayloadRefused(f"a RecordBatch is one batch, and {len(batches)} came")
    return batches[0] if batches else load("pyarrow").RecordBatch.from_pylist([], table.schema)


_READERS: dict[str, Callable[[memoryview, ArrowStream, dict[str, Any], PayloadReader], Any]] = {
    "pandas.DataFrame": _as_pandas,
    "pandas.Series": _as_pandas,
    "polars.DataFrame": _as_polars,
    "polars.Series": _as_polars,
    "pyarrow.Table": _as_pyarrow,
    "pyarrow.RecordBatch": _as_pyarrow,
}

ENCODERS = {
    "pandas.DataFrame": encode_pandas,
    "pandas.Series": encode_pandas,
    "polars.DataFrame": encode_polars,
    "polars.Series": encode_polars,
    "pyarrow.Table": encode_pyarrow,
    "pyarrow.RecordBatch": encode_pyarrow,
}
DECODERS = {"table": decode_table}
