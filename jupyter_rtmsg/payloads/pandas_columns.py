"""Columns of pandas: as Arrow arrays, or as JSON and NumPy arrays, and back by the name of their dtype.

pyarrow could do both directions by itself, by a description that it adds to the schema. That description is not used:
reading it evaluates texts of the sender, and a message must not choose which code reads it.
"""

from __future__ import annotations

import re
from typing import Any

from jupyter_rtmsg.errors import NotJSON, PayloadRefused

from .buffers import PayloadReader, PayloadWriter

_NUMBERS = re.compile(r"u?int(8|16|32|64)|float(16|32|64)|bool")
_TIMES = re.compile(r"(datetime64|timedelta64)\[(s|ms|us|ns)\]")
_ZONED = re.compile(r"datetime64\[(s|ms|us|ns), ([A-Za-z0-9_+:/-]{1,64})\]")
_MASKED = re.compile(r"U?Int(8|16|32|64)|Float(32|64)|boolean")
_TEXTS = ("str", "string")


class NotArrow(Exception):
    """A column has no form in Arrow from which it comes back."""


def dtype_name(pandas: Any, label: Any, dtype: Any) -> str:
    """Return the name of a column's dtype on the wire.

    Raises
    ------
    NotJSON
        If such columns are not sent.
    """
    name = str(dtype)
    if isinstance(dtype, pandas.CategoricalDtype):
        return "category"
    if isinstance(dtype, getattr(pandas, "ArrowDtype", ())):
        return "arrow"
    if isinstance(dtype, pandas.StringDtype):
        return "string" if dtype.na_value is pandas.NA else "str"
    if hasattr(dtype, "kind") and not hasattr(dtype, "na_value") and (dtype.kind in "cSUV" or name == "object"):
        return name
    if any(form.fullmatch(name) for form in (_NUMBERS, _TIMES, _ZONED, _MASKED)):
        return name
    raise NotJSON(f"the column {label!r:.60} has the dtype {name}, which is not sent. Send its astype(str) instead")


def to_arrow(pandas: Any, pyarrow: Any, column: Any, name: str) -> Any:
    """Return a column as an Arrow array; numbers are not copied.

    Raises
    ------
    NotArrow
        If it would not come back as it was.
    """
    if _NUMBERS.fullmatch(name):
        return pyarrow.array(column.to_numpy())  # NaN stays a number
    if _TIMES.fullmatch(name):
        return pyarrow.array(column.to_numpy(), from_pandas=True)
    if name == "object":
        kind = pandas.api.types.infer_dtype(column, skipna=True)
        if kind not in ("string", "bytes"):
            raise NotArrow
        return pyarrow.array(
            column.to_numpy(), pyarrow.string() if kind == "string" else pyarrow.binary(), from_pandas=True
        )
    if name == "category":
        # pyarrow drops the time zone of categories (apache/arrow#49875), and has no intervals.
        kind = str(column.array.categories.dtype)
        if not (kind in ("object", *_TEXTS) or _NUMBERS.fullmatch(kind)):
            raise NotArrow
    elif not (name in ("arrow", *_TEXTS) or _ZONED.fullmatch(name) or _MASKED.fullmatch(name)):
        raise NotArrow
    return pyarrow.array(column)


def from_arrow(pandas: Any, pyarrow: Any, column: Any, name: str) -> Any:
    """Return what a column of a DataFrame is made from. The dtype is checked against the type of the Arrow column."""
    kind, types = column.type, pyarrow.types
    # A dictionary is never spread out: its entry of some kilobytes may stand in millions of rows.
    if types.is_dictionary(kind) != (name == "category"):
        raise PayloadRefused(f"a column of dtype {name!r:.60} does not come as {kind}")
    if name == "category":
        return column.unify_dictionaries().to_pandas()
    if name == "arrow":
        return pandas.Series(column.to_pandas(types_mapper=pandas.ArrowDtype))
    is_text = types.is_string(kind) or types.is_large_string(kind)
    if name == "object" and (is_text or types.is_binary(kind) or types.is_large_binary(kind)):
        return pandas.Series(column.to_numpy(), dtype=object)
    if name in _TEXTS and is_text:
        return _extension(pandas, column, name)
    if _NUMBERS.fullmatch(name) and kind == pyarrow.from_numpy_dtype(name) and not column.null_count:
        return column.to_numpy()
    if _TIMES.fullmatch(name) and kind == pyarrow.from_numpy_dtype(name):
        return column.to_numpy()
    if _ZONED.fullmatch(name) and types.is_timestamp(kind) and kind.tz:
        return column.to_pandas()
    if _MASKED.fullmatch(name) and kind == pyarrow.from_numpy_dtype(name.lower().replace("boolean", "bool")):
        return _extension(pandas, column, name)
    raise PayloadRefused(f"a column of dtype {name!r:.60} does not come as {kind} with {column.null_count:,} nulls")


def _extension(pandas: Any, column: Any, name: str) -> Any:
    dtype = pandas.api.types.pandas_dtype(name)
    if not hasattr(dtype, "__from_arrow__"):  # 'str' before pandas 3
        return pandas.Series(column.to_numpy(), dtype=object)
    return pandas.Series(dtype.__from_arrow__(column))


def to_plain(pandas: Any, column: Any, name: str, writer: PayloadWriter) -> Any:
    """Return a column as JSON and NumPy arrays, in the form of the wire."""
    if name == "arrow":
        raise NotJSON("a table with a column of an Arrow dtype is sent by pyarrow, which cannot hold its other columns")
    if name == "category":
        values = column.array
        categories = pandas.Series(values.categories)
        inner = dtype_name(pandas, "its categories", categories.dtype)
        kept = {"dtype": inner, "values": to_plain(pandas, categories, inner, writer)}
        return {"codes": writer.value(values.codes), "categories": kept, "ordered": bool(values.ordered)}
    if _MASKED.fullmatch(name):
        numbers = column.to_numpy(dtype=name.lower().replace("boolean", "bool"), na_value=0)
        return {"values": writer.value(numbers), "mask": writer.value(column.isna().to_numpy())}
    if _ZONED.fullmatch(name):
        return writer.value(column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    if name == "object" or name in _TEXTS:
        missing = column.isna()
        return [None if gone else writer.value(each) for each, gone in zip(column, missing, strict=True)]
    return writer.value(column.to_numpy())


def from_plain(pandas: Any, values: Any, name: str, reader: PayloadReader) -> Any:
    """Return what a column of a DataFrame is made from."""
    if name == "category" and type(values) is dict and type(values.get("categories")) is dict:
        inner = values["categories"]
        categories = from_plain(pandas, inner.get("values"), str(inner.get("dtype")), reader)
        codes = reader.value(values.get("codes"))
        return pandas.Series(pandas.Categorical.from_codes(codes, categories, ordered=values.get("ordered") is True))
    if _MASKED.fullmatch(name) and type(values) is dict:
        numbers, mask = reader.value(values.get("values")), reader.value(values.get("mask"))
        if numbers.dtype.name != name.lower().replace("boolean", "bool"):
            raise PayloadRefused(f"a column of dtype {name!r} does not come as {numbers.dtype}")
        column = pandas.Series(numbers.copy(), dtype=name)
        column[mask] = pandas.NA
        return column
    if type(values) is list and (name == "object" or name in _TEXTS):
        return pandas.Series([reader.value(each) for each in values], dtype=name)
    array = reader.value(values)
    if zoned := _ZONED.fullmatch(name):
        return pandas.Series(array).dt.tz_localize("UTC").dt.tz_convert(zoned[2])
    if getattr(array, "dtype", None) is None or str(array.dtype) != name or array.ndim != 1:
        raise PayloadRefused(f"a column of dtype {name!r:.60} does not come as {type(values).__name__}")
    return array
