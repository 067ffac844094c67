"""Small previews of payloads in HTML: the first rows of a table, a picture. Text of others is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import Any

from jupyter_rtmsg.errors import PayloadError
from jupyter_rtmsg.names import escaped

from .images import JPEG, PNG, size_of
from .text import described
from .unreadable import Unreadable

_ROWS, _COLUMNS, _WIDTH = 5, 8, 40
_LARGEST_PICTURE = 1_000_000  # bytes; it is in the notebook twice as long as it is shown
_PICTURE = '<img src="data:{};base64,{}" style="max-width:100%;max-height:20em">'
_TOP = 3  # payloads of an event that are previewed


def preview(wire: Any, value: Any) -> str:
    """Return the HTML of an event's payloads: of the data itself, or of the entries of a dict.

    Parameters
    ----------
    wire : object
        The data in the form of the wire.
    value : object
        The same, decoded.
    """
    wire = wire["value"] if type(wire) is dict and described(wire) is None and "value" in wire else wire
    if not isinstance(value, dict) or type(wire) is not dict:
        return _one(wire, value)
    parts = []
    for name, item in value.items():
        shown = _one(wire.get(name), item)
        if shown:
            parts.append(f"<div>{escape(escaped(str(name)))}:</div>{shown}")
    return "".join(parts[:_TOP])


def _one(wire: Any, value: Any) -> str:
    if isinstance(value, Unreadable):
        return ""
    if hasattr(type(value), "_repr_png_") and hasattr(value, "size") and isinstance(value.size, tuple):
        return _picture(PNG, value._repr_png_())
    bundle = getattr(value, "bundle", None)
    if isinstance(bundle, dict):
        return next((_picture(mime, bytes(bundle[mime])) for mime in (PNG, JPEG) if mime in bundle), "")
    table = _head(value)
    if table is None:
        return ""
    names, rows, total = table
    head = "".join(f"<th>{_cell(name)}</th>" for name in names[:_COLUMNS])
    body = "".join(f"<tr>{''.join(f'<td>{_cell(each)}</td>' for each in row)}</tr>" for row in rows)
    more = [f"{len(names):,} columns"] if len(names) > _COLUMNS else []
    more += [f"{total:,} rows"] if total > _ROWS else []
    below = f"<p>{', '.join(more)}</p>" if more else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def _head(value: Any) -> tuple[list[Any], list[Iterable[Any]], int] | None:
    """Return the names of the columns, the first rows, and the number of all rows of a table; None for others."""
    kind = type(value).__module__.partition(".")[0], type(value).__name__
    if kind == ("pandas", "DataFrame"):
        head = value.iloc[:_ROWS, :_COLUMNS]
        return list(value.columns), list(head.itertuples(index=False, name=None)), len(value)
    if kind == ("pandas", "Series"):
        return [value.name], [(each,) for each in value.iloc[:_ROWS]], len(value)
    if kind == ("polars", "DataFrame"):
        return value.columns, value[:_ROWS, :_COLUMNS].rows(), value.height
    if kind == ("polars", "Series"):
        return [value.name], [(each,) for each in value.head(_ROWS)], len(value)
    if kind[0] == "pyarrow" and kind[1] in ("Table", "RecordBatch"):
        columns = [column.slice(0, _ROWS).to_pylist() for column in value.columns[:_COLUMNS]]
        return value.schema.names, list(zip(*columns, strict=True)), value.num_rows
    return None


def _picture(mime: str, data: bytes) -> str:
    try:
        size_of(memoryview(data), mime)
    except PayloadError:
        return ""
    return _PICTURE.format(mime, base64.b64encode(data).decode()) if len(data) <= _LARGEST_PICTURE else ""


def _cell(value: Any) -> str:
    text = str(value)
    return escape(escaped(text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"))
