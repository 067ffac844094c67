"""Tables of pandas, Polars and Arrow."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from support.payloads import on_wire, packed, round_trip

from jupyter_rtmsg.errors import LibraryMissing, LibraryTooOld, NotJSON, PayloadRefused
from jupyter_rtmsg.payloads import Unreadable, decode

_ZONED = pd.date_range("2024", periods=2, tz="US/Eastern")
_LISTS = pd.ArrowDtype(pa.list_(pa.int8()))
_TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)  # of every script
_VALUES: dict[str, Any] = {
    "int64": st.integers(-(1 << 63), (1 << 63) - 1),
    "uint8": st.integers(0, 255),
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "bool": st.booleans(),
    "Int32": st.none() | st.integers(-(1 << 31), (1 << 31) - 1),
    "Float64": st.none() | st.floats(allow_nan=False),
    "boolean": st.none() | st.booleans(),
    "string": st.none() | _TEXTS,
    "object": st.none() | _TEXTS,
    "category": st.none() | st.sampled_from(["a", "ü", "日本"]),
    "datetime64[ns]": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    "datetime64[us, Europe/Berlin]": st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2030, 1, 1)),
    "timedelta64[ms]": st.none() | st.integers(-1_000_000, 1_000_000),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a DataFrame with columns of all kinds."""
    rows = draw(st.integers(0, 6))
    kinds = draw(st.lists(st.sampled_from(sorted(_VALUES)), max_size=6))
    labels = draw(st.lists(_TEXTS | st.integers(0, 5), min_size=len(kinds), max_size=len(kinds)))
    columns = [_column(draw(st.lists(_VALUES[kind], min_size=rows, max_size=rows)), kind) for kind in kinds]
    frame = pd.DataFrame(dict(enumerate(columns)), index=range(rows))
    frame.columns = pd.Index(labels, dtype=object) if labels else frame.columns
    if draw(st.booleans()) and labels and len(set(labels)) == len(labels):
        frame = frame.set_index(frame.columns[0])
    return frame


def _column(values: list[Any], kind: str) -> pd.Series:
    if kind.startswith("datetime64[us, "):
        return pd.Series(pd.to_datetime(values, utc=True)).astype(kind)
    return pd.Series(values, dtype="float64" if kind == "float64" else None if kind == "float32" else kind).astype(kind)


@settings(deadline=None, max_examples=40)
@given(frames())
def test_every_dataframe_comes_back_as_it_was(frame: pd.DataFrame) -> None:
    assert_frame_equal(round_trip(frame), frame, check_column_type=False)


@settings(deadline=None, max_examples=25)
@given(frames())
def test_every_dataframe_comes_back_without_pyarrow(frame: pd.DataFrame) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        wire = on_wire(frame)
        assert "arrow" not in str(wire)[:200]
        assert_frame_equal(decode(wire), frame, check_column_type=False)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": range(3)}, index=pd.date_range("2026", periods=3, freq="D", name="day")),
        pd.DataFrame({"a": range(3)}, index=pd.RangeIndex(10, 4, -2, name="n")),
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [1.0, 2.0]}).set_index(["a", "b"]),
        pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]),
        pd.DataFrame(np.arange(6.0).reshape(2, 3)),
        pd.DataFrame(np.zeros((2, 2)), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"])),
        pd.DataFrame(np.zeros((2, 2)), columns=pd.Index(["__index_0__", "b"], name="columns"), index=["x", "y"]),
        pd.DataFrame({pd.Timestamp("2026-01-01"): [1], "b": [2]}),
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame({"a": []}),
        pd.DataFrame({"c": pd.Categorical([3, 1, None], [1, 2, 3], ordered=True)}),
        pd.DataFrame({"a": pd.array([1, None], "int64[pyarrow]"), "b": pd.array([[1], None], _LISTS)}),
        pd.DataFrame({"mixed": [1, "a", {"k": [b"x"]}], "sum": [Decimal("1.1"), None, Decimal(2)], "z": [1j, 2j, 3j]}),
        pd.DataFrame({"zoned": pd.Categorical(_ZONED, _ZONED)}),  # pyarrow alone drops their zone
        pd.DataFrame([[1, 2]], columns=_ZONED),
        pd.DataFrame({"offset": pd.to_datetime(["2026-01-01T00:00:00+01:30"])}),
        pd.DataFrame({"large": pd.Series([1 << 80, None], dtype=object), "nothing": [None, np.nan]}),
        pd.DataFrame({"array": [np.arange(2), np.arange(3)]}),
        pd.DataFrame({"raw": pd.Series([b"\xff", None], dtype=object)}),
        pd.DataFrame({"big": np.arange(3, dtype=">i4")}),
    ],
    ids=lambda frame: "-".join(map(str, [*frame.columns[:2], *frame.index.names])),
)  # fmt: skip
def test_labels_indexes_and_odd_columns_come_back(frame: pd.DataFrame) -> None:
    back = round_trip(frame)
    assert_frame_equal(back, frame.astype({"big": "int32"}) if "big" in frame else frame)
    assert getattr(back.index, "freq", None) == getattr(frame.index, "freq", None)


@pytest.mark.parametrize("name", ["a", None, 3, ("a", 1)])
def test_a_series_comes_back_with_its_name(name: Any) -> None:
    series = pd.Series([1.5, None], index=["x", "y"], name=name)
    assert_series_equal(round_trip(series), series)


def test_a_table_that_came_may_be_written_to() -> None:
    frame = round_trip(pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))
    frame.loc[0, "a"] = 7
    frame["c"] = 1
    assert frame.a.tolist() == [7, 2]


def test_a_table_of_200_columns_is_one_attachment() -> None:
    frame = pd.DataFrame({f"c{number}": np.arange(5) * 1.0 for number in range(200)})
    wire = on_wire(frame)
    assert (wire["value"]["width"], len(wire["value"]["names"])) == (200, 50)
    assert_frame_equal(decode(wire), frame)


def test_the_table_says_what_it_is_for_people() -> None:
    table = on_wire(pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=[5, 6]))["value"]
    described = {key: table[key] for key in ("$type", "class", "rows", "width", "names")}
    assert described == {"$type": "table", "class": "pandas.DataFrame", "rows": 2, "width": 2, "names": ["a", "b"]}


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pd.period_range("2026", periods=2), "has the dtype period"),
        (pd.interval_range(0, 2), "has the dtype interval"),
        (pd.arrays.SparseArray([0, 1]), "has the dtype Sparse"),
    ],
)
def test_a_column_that_is_not_sent_is_named(column: Any, said: str) -> None:
    with pytest.raises(NotJSON, match=f"the column 'p' {said}.*Send its astype"):
        on_wire(pd.DataFrame({"p": column}))


def test_half_a_character_in_a_table_is_refused() -> None:
    half = pd.Series(["\ud800"], dtype=object)
    for frame in (pd.DataFrame({"s": half}), pd.DataFrame([[1]], columns=pd.Index(half, dtype=object))):
        with pytest.raises(NotJSON, match="lone surrogate"):
            on_wire(frame)


def test_tables_of_polars_come_back_with_their_types() -> None:
    frame = pl.DataFrame(
        {
            "a": [1, None],
            "s": ["ä", None],
            "c": pl.Series(["x", "y"], dtype=pl.Categorical),
            "e": pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"])),
            "l": [[1], []],
            "st": [{"q": 1}, {"q": 2}],
            "t": [datetime(2026, 1, 1, tzinfo=timezone.utc), None],
            "d": [Decimal("1.10"), None],
            "b": [b"\xff", b""],
        }
    )
    for each in (frame, frame.head(0), frame.slice(1), pl.DataFrame()):
        back = round_trip(each)
        assert back.schema == each.schema
        assert back.equals(each)
    assert round_trip(frame["s"]).equals(frame["s"])
    assert round_trip(frame["s"]).name == "s"


def test_what_polars_does_not_write_is_refused() -> None:
    with pytest.raises(NotJSON, match="a column of Python objects"):
        on_wire(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}))
    with pytest.raises(NotJSON, match="LazyFrame is neither JSON nor bytes"):
        on_wire(pl.DataFrame({"a": [1]}).lazy())


def test_tables_of_arrow_come_back_with_schema_and_metadata() -> None:
    table = pa.table(
        {"a": [1, None], "s": ["ä", None], "l": [[1], [2, 3]], "d": pa.array(["x", "y"]).dictionary_encode()},
        metadata={"mine": "1"},
    )
    assert round_trip(table).equals(table, check_metadata=True)
    assert round_trip(table.slice(1)).equals(table.slice(1))
    (batch,) = table.to_batches()
    assert round_trip(batch).equals(batch)
    assert round_trip(batch.slice(0, 0)).equals(batch.slice(0, 0))


def test_a_table_of_any_library_comes_by_its_arrow_stream() -> None:
    class Result:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return pa.table({"a": [1]}).__arrow_c_stream__(requested_schema)

    assert round_trip(Result()).to_pydict() == {"a": [1]}


def test_an_extension_type_is_refused_where_it_is_emitted() -> None:
    table = pa.table({"u": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16)))})
    with pytest.raises(NotJSON, match="the column 'u' has an extension type"):
        on_wire(table)


def test_a_table_of_a_library_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = on_wire(pl.DataFrame({"a": [1]}))
    monkeypatch.setitem(sys.modules, "polars", None)
    decoded = decode({"a": 1, "table": wire})
    assert decoded["a"] == 1
    assert isinstance(decoded["table"].error, LibraryMissing)
    assert "pip install polars" in str(decoded["table"].error)


def test_a_pyarrow_that_runs_code_of_files_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = on_wire(pa.table({"a": [1]}))
    monkeypatch.setattr(pa, "__version__", "14.0.0")
    assert isinstance(decode(wire).error, LibraryTooOld)
    assert "pip install 'pyarrow>=14.0.1'" in str(decode(wire).error)


@pytest.mark.parametrize(
    "wrong",
    [
        {"class": "os.system"},
        {"class": None},
        {"class": "pandas.Series"},
        {"class": "polars.Series"},
        {"pandas": None},
        {"pandas": {"dtypes": ["int64"], "index": {"range": [0, 2, 1], "names": [None]}}},
        {"pandas": {"dtypes": ["int64", "object"]}},
        {"pandas": {"dtypes": ["int64", "category"], "index": {"range": [0, 2, 1], "names": [None]}}},
        {"pandas": {"dtypes": ["str", "object"], "index": {"range": [0, 2, 1], "names": [None]}}},
        {"pandas": {"dtypes": ["Int64", "os.system"], "index": {"range": [0, 2, 1], "names": [None]}}},
        {"pandas": {"dtypes": ["int64", "object"], "index": {"range": [0, 1 << 60, 1], "names": [None]}}},
        {"pandas": {"dtypes": ["int64", "object"], "index": {"range": [0, 2, 0], "names": [None]}}},
        {"pandas": {"dtypes": ["int64", "object"], "index": {"range": [0, 2, 1], "names": []}}},
        {"pandas": {"dtypes": ["int64", "object"], "index": {"levels": 3, "names": [None]}}},
        {"pandas": {"dtypes": ["int64", "object"], "index": {"levels": -1, "names": [None]}}},
        {"pandas": {"dtypes": ["int64", "object"], "index": {"range": [0, 2, 1], "names": [None]}, "labels": ["a"]}},
        {"pandas": {"dtypes": ["int64", "object"], "index": {"range": [0, 2, 1], "names": [{"a": 1}]}}},
        {"arrow": [0, 8]},
        {"arrow": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_table_whose_parts_do_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    wire = on_wire(pd.DataFrame({"a": [1, 2], "b": pd.Series(["x", None], dtype=object)}))
    decoded = decode(packed({**wire["value"], **wrong}, wire["buffers"]))
    assert isinstance(decoded, Unreadable)
    assert isinstance(decoded.error, PayloadRefused)


def test_a_dictionary_is_not_spread_out_over_its_rows() -> None:
    """A text of some kilobytes that stands in millions of rows would take gigabytes."""
    table = pa.table({"a": pa.array(["x" * 10_000] * 100).dictionary_encode()})
    wire = on_wire(table)
    index = {"range": [0, 100, 1], "names": [None]}
    pandas = {"class": "pandas.DataFrame", "pandas": {"dtypes": ["object"], "index": index}}
    decoded = decode(packed({**wire["value"], **pandas}, wire["buffers"]))
    assert "a column of dtype 'object' does not come as dictionary" in str(decoded.error)


@pytest.mark.parametrize(
    "columns",
    [
        None,
        [1],
        [{"name": "a", "values": 1}],
        [{"name": "a", "values": [1, 2]}],
        [{"name": "a", "values": {"$type": "ndarray"}}],
        [{"name": "a", "values": {"codes": [9], "categories": {"dtype": "object", "values": ["x"]}}}],
    ],
    ids=str,
)
def test_columns_that_do_not_fit_are_refused(columns: Any) -> None:
    for dtype in ("int64", "category", "Int64", "datetime64[ns, UTC]"):
        info = {"dtypes": [dtype], "index": {"range": [0, 1, 1], "names": [None]}}
        table = {"$type": "table", "class": "pandas.DataFrame", "columns": columns, "pandas": info}
        decoded = decode(table)
        assert isinstance(decoded, Unreadable)
        assert isinstance(decoded.error, PayloadRefused)
