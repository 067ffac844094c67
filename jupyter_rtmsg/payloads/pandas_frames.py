"""DataFrames and Series of pandas: their columns, labels and index."""

from __future__ import annotations

from typing import Any, NamedTuple

from jupyter_rtmsg.errors import NotJSON, PayloadRefused

from .buffers import PayloadReader, PayloadWriter
from .libraries import load, try_load
from .pandas_columns import NotArrow, dtype_name, from_plain, to_arrow, to_plain
from .pandas_columns import from_arrow as column_from_arrow

_INDEX = "__index_{}__"  # the names of the index's columns on the wire


class Described(NamedTuple):
    """A DataFrame on its way out.

    Attributes
    ----------
    rows : int
    names : list of str
        The labels of the columns, as texts for people.
    info : dict
        What pandas knows beside the values: dtypes, labels and the index.
    table : pyarrow.Table or None
        The columns and those of the index; None if they are in ``columns``.
    columns : list
        The same by name, in the form of the wire.
    """

    rows: int
    names: list[str]
    info: dict[str, Any]
    table: Any
    columns: list[tuple[str, Any]]


def described(value: Any, writer: PayloadWriter) -> Described:
    """Describe a DataFrame or a Series.

    Raises
    ------
    NotJSON
        If a column is not sent.
    """
    pandas = load("pandas")
    frame = value.to_frame() if value.ndim == 1 else value
    labels = [value.name] if value.ndim == 1 else frame.columns.tolist()
    columns = [_native(frame.iloc[:, place]) for place in range(frame.shape[1])]
    index, levels = _index(pandas, frame.index)
    info: dict[str, Any] = {"index": index}
    names = list(map(str, labels))
    if value.ndim == 2:
        info |= _columns_index(pandas, frame.columns, writer)
    elif labels != names:
        info["labels"] = writer.value(labels)
    everything = columns + levels
    info["dtypes"] = [dtype_name(pandas, each.name, each.dtype) for each in everything]
    info["index"] = {name: writer.value(item) for name, item in index.items()}
    _check_text(names)
    wire_names = _distinct(names) + [_INDEX.format(number) for number in range(len(levels))]
    table = _table(pandas, everything, info["dtypes"], wire_names)
    plain = (
        []
        if table is not None
        else [
            (name, to_plain(pandas, column, dtype, writer))
            for name, column, dtype in zip(wire_names, everything, info["dtypes"], strict=True)
        ]
    )
    return Described(len(frame), names, info, table, plain)


def _check_text(names: list[str]) -> None:
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise NotJSON(f"the label of a column holds a lone surrogate, which is not Unicode text: {error}") from None


def _native(column: Any) -> Any:
    """Return a column of numbers in the byte order of this machine, which Arrow has."""
    order = getattr(column.dtype, "byteorder", "=")
    return column if order in "=|" else column.astype(column.dtype.newbyteorder("="))


def _table(pandas: Any, columns: list[Any], dtypes: list[str], names: list[str]) -> Any:
    pyarrow = try_load("pyarrow")
    if pyarrow is None or not columns:
        return None
    try:
        arrays = [to_arrow(pandas, pyarrow, *each) for each in zip(columns, dtypes, strict=True)]
        return pyarrow.Table.from_arrays(arrays, names)
    except (NotArrow, pyarrow.ArrowException, NotImplementedError, UnicodeError):
        return None


def _distinct(names: list[str]) -> list[str]:
    """Return the names, changed where two are the same or could be those of the index."""
    taken = set()
    distinct = []
    for place, name in enumerate(names):
        name = f"{name}.{place}" if name in taken or name.startswith("__index_") else name
        taken.add(name)
        distinct.append(name)
    return distinct


def _columns_index(pandas: Any, columns: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Return what the labels of the columns are, unless they are the texts that the columns have as names."""
    info: dict[str, Any] = {}
    if any(name is not None for name in columns.names):
        info["columns_names"] = [writer.value(name) for name in columns.names]
    if isinstance(columns, pandas.RangeIndex):
        info["columns_range"] = [columns.start, columns.stop, columns.step]
        return info
    if columns.nlevels > 1:
        info["columns_levels"] = columns.nlevels
    labels = columns.tolist()
    if columns.nlevels > 1 or not all(type(label) is str for label in labels) or _distinct(labels) != labels:
        info["labels"] = writer.value(labels)
    return info


def _index(pandas: Any, index: Any) -> tuple[dict[str, Any], list[Any]]:
    """Return a description of an index, and its levels as columns."""
    names = {"names": list(index.names)}
    if isinstance(index, pandas.RangeIndex):
        return {"range": [index.start, index.stop, index.step], **names}, []
    if isinstance(index, (pandas.PeriodIndex, pandas.IntervalIndex)):
        raise NotJSON(f"an index of dtype {index.dtype} is not sent. Send the reset_index() of the table, as texts")
    frequency = getattr(index, "freqstr", None)
    described = {"levels": index.nlevels, **names, **({"freq": frequency} if isinstance(frequency, str) else {})}
    levels = [index.get_level_values(level) for level in range(index.nlevels)]
    columns = [
        pandas.Series(each.array, dtype=each.dtype, name=f"index {number}") for number, each in enumerate(levels)
    ]
    return described, columns


def from_arrow(table: Any, fields: dict[str, Any], reader: PayloadReader, *, series: bool) -> Any:
    """Make a DataFrame, or a Series, from its Arrow table."""
    pandas, pyarrow = load("pandas"), load("pyarrow")
    dtypes = _dtypes(fields, table.num_columns)
    columns = [column_from_arrow(pandas, pyarrow, *each) for each in zip(table.columns, dtypes, strict=True)]
    return _assembled(pandas, columns, table.column_names, table.num_rows, fields["pandas"], reader, series)


def from_columns(fields: dict[str, Any], reader: PayloadReader, *, series: bool) -> Any:
    """Make a DataFrame, or a Series, from its columns in the form of the wire."""
    wire = fields.get("columns")
    if type(wire) is not list or not all(type(each) is dict for each in wire):
        raise PayloadRefused("'columns' is a list of objects")
    dtypes = _dtypes(fields, len(wire))
    pandas = load("pandas")
    columns = [from_plain(pandas, each.get("values"), dtype, reader) for each, dtype in zip(wire, dtypes, strict=True)]
    names = [str(each.get("name")) for each in wire]
    rows = len(columns[0]) if columns else 0
    return _assembled(pandas, columns, names, rows, fields["pandas"], reader, series)


def _dtypes(fields: dict[str, Any], count: int) -> list[str]:
    info = fields.get("pandas")
    dtypes = info.get("dtypes") if type(info) is dict else None
    if type(dtypes) is not list or len(dtypes) != count or not all(type(each) is str for each in dtypes):
        raise PayloadRefused(f"'dtypes' has a text for each of the {count:,} columns")
    return dtypes


def _assembled(
    pandas: Any,
    columns: list[Any],
    names: list[str],
    rows: int,
    info: dict[str, Any],
    reader: PayloadReader,
    series: bool,
) -> Any:
    """Put columns together. The DataFrame owns its values: they are copied, and may be written to."""
    index_info = info.get("index")
    if type(index_info) is not dict:
        raise PayloadRefused("'index' is an object")
    levels = 0 if "range" in index_info else index_info.get("levels")
    if type(levels) is not int or not 0 <= levels <= len(columns):
        raise PayloadRefused(f"a table of {len(columns):,} columns has no index of {levels!r:.60} levels")
    width = len(columns) - levels
    index = _made_index(pandas, columns[width:], rows, index_info, reader)
    if any(len(column) != len(index) for column in columns):
        raise PayloadRefused("the columns of the table differ in length")
    frame = pandas.DataFrame(dict(enumerate(columns[:width])), copy=True)
    frame.index = index
    if series:
        if width != 1:
            raise PayloadRefused(f"a Series has one column, and {width} came")
        return frame[0].rename(_label(reader.value(info["labels"])[0]) if "labels" in info else names[0])
    frame.columns = _made_columns(pandas, names[:width], info, reader)
    return frame


def _made_index(pandas: Any, levels: list[Any], rows: int, info: dict[str, Any], reader: PayloadReader) -> Any:
    names = reader.value(info.get("names"))
    if type(names) is not list or len(names) != max(1, len(levels)):
        raise PayloadRefused("'names' of an index has one for each level")
    names = list(map(_label, names))
    if not levels:
        index = _range(pandas, info.get("range"))
        if len(index) != rows and rows:
            raise PayloadRefused(f"the index has {len(index):,} rows, the columns have {rows:,}")
        index.name = names[0]
        return index
    if len(levels) > 1:
        return pandas.MultiIndex.from_arrays([_level(pandas, level) for level in levels], names=names)
    index = _level(pandas, levels[0]).rename(names[0])
    if "freq" in info:
        try:
            index.freq = str(info["freq"])[:32]
        except (ValueError, AttributeError):  # it does not fit the times
            return index
    return index


def _level(pandas: Any, values: Any) -> Any:
    """Return one level of an index. Its dtype is said, since pandas would guess another one from the values."""
    column = pandas.Series(values)
    return pandas.Index(column.array, dtype=column.dtype, copy=True)


def _range(pandas: Any, limits: Any) -> Any:
    if type(limits) is not list or len(limits) != 3 or not all(type(each) is int for each in limits) or not limits[2]:
        raise PayloadRefused(f"a range is [start, stop, step], not {limits!r:.60}")
    return pandas.RangeIndex(*limits)


def _made_columns(pandas: Any, names: list[str], info: dict[str, Any], reader: PayloadReader) -> Any:
    labels = reader.value(info["labels"]) if "labels" in info else names
    levels = info.get("columns_levels", 1)
    if type(labels) is not list or len(labels) != len(names) or type(levels) is not int:
        raise PayloadRefused(f"'labels' has one for each of the {len(names):,} columns")
    if "columns_range" in info:
        columns = _range(pandas, info["columns_range"])
        if len(columns) != len(names):
            raise PayloadRefused(f"'columns_range' has {len(columns):,} labels for {len(names):,} columns")
    elif levels > 1:
        columns = pandas.MultiIndex.from_tuples(list(map(tuple, labels)))
    else:
        columns = pandas.Index(list(map(_label, labels)))
    if "columns_names" in info:
        columns.names = list(map(_label, reader.value(info["columns_names"])))
    return columns


def _label(label: Any) -> Any:
    """Return a label as pandas has it: JSON has no tuples."""
    return tuple(map(_label, label)) if type(label) is list else label
