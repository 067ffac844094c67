"""Hostile Arrow streams are refused before a library reads them."""

from __future__ import annotations

import struct
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.payloads import on_wire, packed

from jupyter_rtmsg.errors import PayloadError, PayloadRefused, PayloadTooLarge
from jupyter_rtmsg.payloads import Unreadable, arrowstream, decode
from jupyter_rtmsg.payloads.arrowstream import check_stream

_CLASSES = ("pandas.DataFrame", "polars.DataFrame", "pyarrow.Table")


def stream(table: Any, **options: Any) -> bytes:
    """Write a table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def refused(data: bytes, kind: str = "pyarrow.Table", dtypes: Any = ()) -> PayloadError:
    """Return why the stream of a table is not read."""
    info = {"dtypes": list(dtypes), "index": {"range": [0, 1, 1], "names": [None]}}
    decoded = decode(packed({"$type": "table", "class": kind, "arrow": [0, len(data)], "pandas": info}, data))
    assert isinstance(decoded, Unreadable), decoded
    return decoded.error


def test_a_stream_says_what_it_has() -> None:
    table = pa.table({"a": [1, 2, 3], "ü": [["x"], [], None]})
    checked = check_stream(memoryview(stream(table)))
    assert (checked.names, checked.rows) == (["a", "ü"], 3)


@pytest.mark.parametrize("kind", _CLASSES)
@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_compressed_stream_is_refused(kind: str, compression: str) -> None:
    bomb = pa.table({"a": pa.array([0] * 100_000)})
    data = stream(bomb, compression=compression)
    assert len(data) < 10_000
    error = refused(data, kind)
    assert isinstance(error, PayloadRefused)
    assert "is compressed, which is not read" in str(error)


def test_an_extension_type_is_refused_before_its_class_runs() -> None:
    ran = []

    class Evil(pa.ExtensionType):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(pa.int64(), "tests.evil")

        def __arrow_ext_serialize__(self) -> bytes:
            return b"code"

        @classmethod
        def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: bytes) -> Evil:
            ran.append(serialized)
            return cls()

    pa.register_extension_type(Evil())
    try:
        table = pa.table({"e": pa.ExtensionArray.from_storage(Evil(), pa.array([1]))})
        data = stream(table)
        ran.clear()
        assert "the column 'e' has an extension type" in str(refused(data))
    finally:
        pa.unregister_extension_type("tests.evil")
    assert ran == []


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (pa.array(["a"], pa.string_view()), "of type string view"),
        (pa.array([b"a"], pa.binary_view()), "of type binary view"),
        (pa.array([[1]], pa.list_view(pa.int8())), "of type list view"),
        (
            pa.RunEndEncodedArray.from_arrays(pa.array([1 << 30], pa.int32()), pa.array(["a"])),
            "of type run-end encoded",
        ),
        (pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]), "of type union"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "of type interval"),
        (pa.StructArray.from_arrays([pa.array(["x"]).dictionary_encode()], ["d"]), "a dictionary inside of a list"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
@pytest.mark.parametrize("kind", ["pyarrow.Table", "polars.DataFrame"])
def test_a_type_that_takes_more_memory_than_bytes_is_refused(array: Any, said: str, kind: str) -> None:
    error = refused(stream(pa.table({"a": array})), kind)
    assert isinstance(error, PayloadRefused)
    assert said in str(error)


def test_values_without_bytes_are_counted() -> None:
    """A column of nulls has no buffer: a message of some hundred bytes may say that it has any number of rows."""
    table = pa.table({"n": pa.nulls(arrowstream.MAX_VALUES + 1)})
    error = refused(stream(table), "pandas.DataFrame", ["object"])
    assert isinstance(error, PayloadTooLarge)
    assert "has 33,554,433 values or more; it may have 33,554,432" in str(error)


def test_columns_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrowstream, "MAX_FIELDS", 10)
    wide = pa.table({f"c{number}": [[1]] for number in range(6)})
    assert isinstance(refused(stream(wide)), PayloadTooLarge)
    deep: Any = pa.int8()
    for _ in range(40):
        deep = pa.list_(deep)
    monkeypatch.setattr(arrowstream, "MAX_FIELDS", 1_000)
    assert isinstance(refused(stream(pa.table({"a": pa.array([None], deep)}))), PayloadTooLarge)


@pytest.mark.parametrize("kind", _CLASSES)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("abcdéfghij".encode(), b"\xff" * 11),  # no UTF-8
        (struct.pack("<4i", 0, 3, 8, 11), struct.pack("<4i", 0, 9, 3, 11)),  # offsets that go back
        (struct.pack("<4i", 0, 3, 8, 11), struct.pack("<4i", 0, 3, 8, 1 << 30)),  # and lead out of the buffer
        (struct.pack("<4i", 0, 3, 8, 11), struct.pack("<4i", -8, 3, 8, 11)),
    ],
)
def test_values_that_break_their_type_are_refused(kind: str, before: bytes, after: bytes) -> None:
    data = stream(pa.table({"s": ["abc", "défg", "hij"]}))
    assert data.count(before) == 1
    assert isinstance(refused(data.replace(before, after), kind, ["str"]), PayloadRefused)


def test_an_index_of_a_dictionary_that_leads_out_of_it_is_refused() -> None:
    indices = pa.array([0, 1, 2, 1, 0, 1, 2, 77], pa.int32())
    dictionary = pa.DictionaryArray.from_arrays(indices, pa.array(["x", "y", "z"]), safe=False)
    for kind in _CLASSES:
        assert isinstance(refused(stream(pa.table({"d": dictionary})), kind, ["category"]), PayloadRefused)


_CODES = pa.array(["u", "v", "u"]).dictionary_encode()
_STREAM = stream(pa.table({"a": [1, 2, None], "s": ["x", "yy", None], "l": [[1], [], [2, 3]], "d": _CODES}))
_FRAME = on_wire(pd.DataFrame({"a": [1, 2], "s": ["x", None], "c": pd.Categorical(["u", "v"])}))


@pytest.mark.parametrize("end", [0, 4, 7, 8, 100, len(_STREAM) // 2, len(_STREAM) - 300])
def test_a_stream_that_is_cut_short_is_refused(end: int) -> None:
    for kind in _CLASSES:
        assert isinstance(refused(_STREAM[:end], kind), PayloadRefused)


def test_what_follows_the_end_of_a_stream_is_refused() -> None:
    assert "goes on behind its end" in str(refused(_STREAM + _STREAM))
    assert "no mark where a message begins" in str(refused(b"ARROW1\0\0" + _STREAM))


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_change_of_a_stream_does_harm(data: st.DataObject) -> None:
    """Whatever comes, it is a table that is valid, or a named error."""
    changed = bytearray(_STREAM)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 4))
        value = data.draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]) | st.integers(0, (1 << 32) - 1))
        changed[place : place + 4] = value.to_bytes(4, "little")
    for kind in ("pyarrow.Table", "polars.DataFrame"):
        table = decode(packed({"$type": "table", "class": kind, "arrow": [0, len(changed)]}, bytes(changed)))
        if isinstance(table, pa.Table):
            table.validate(full=True)
            table.to_pylist()
        elif isinstance(table, pl.DataFrame):
            table.rows()
        else:
            assert isinstance(table.error, PayloadError)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_change_of_a_dataframe_does_harm(data: st.DataObject) -> None:
    changed = bytearray(_FRAME["buffers"])
    place = data.draw(st.integers(0, len(changed) - 4))
    changed[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    frame = decode(packed(_FRAME["value"], bytes(changed)))
    if isinstance(frame, pd.DataFrame):
        frame.to_dict("records")
    else:
        assert isinstance(frame.error, PayloadError)
