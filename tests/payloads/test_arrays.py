"""NumPy arrays and scalars, and arrays that come by DLPack."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support.payloads import on_wire, packed, round_trip

from jupyter_rtmsg.errors import LibraryMissing, NotJSON, PayloadRefused
from jupyter_rtmsg.payloads import Unreadable, decode

_DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    npst.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    npst.datetime64_dtypes(),
    npst.timedelta64_dtypes(),
    npst.byte_string_dtypes(min_len=1, max_len=5),
    npst.unicode_string_dtypes(min_len=1, max_len=5),
)


def _same(one: Any, other: Any) -> None:
    assert type(other) is np.ndarray
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert one.tobytes() == other.tobytes()


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_every_array_comes_back_as_it_was(data: st.DataObject) -> None:
    shape = data.draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    array = data.draw(npst.arrays(data.draw(_DTYPES), shape))
    turned = array.transpose(data.draw(st.permutations(range(array.ndim))))
    steps = (slice(None, None, data.draw(st.sampled_from([1, 2, -1]))) for _ in range(array.ndim))
    part = turned[(*steps, ...)]
    for each in (array, turned, part):
        _same(each, round_trip(each))


def test_an_array_that_came_is_read_only_and_its_copy_is_not() -> None:
    array = round_trip(np.arange(3.0))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    assert array.copy().flags.writeable
    assert not round_trip(np.zeros((0, 3))).flags.writeable


def test_the_order_of_fortran_is_kept_and_a_part_is_in_that_of_c() -> None:
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert on_wire(fortran)["value"]["order"] == "F"
    assert round_trip(fortran).flags.f_contiguous
    assert on_wire(np.arange(24).reshape(4, 6)[::2, 1::2])["value"]["order"] == "C"


def test_an_array_of_no_dimension_keeps_its_dtype() -> None:
    _same(np.array(1.5, "f4"), round_trip(np.array(1.5, "f4")))


@pytest.mark.parametrize(
    "dtype",
    [
        [("a", "<i4"), ("b", ">f8"), ("c", "S3")],
        [("p", "<f4", (2, 3)), ("inner", [("x", "<M8[ns]")])],
        np.dtype([("a", "i1"), ("b", "f8")], align=True),
        np.dtype({"names": ["a"], "formats": ["u2"], "offsets": [3], "itemsize": 16}),
        "V7",
    ],
)
def test_records_come_back_with_their_fields(dtype: Any) -> None:
    array = np.frombuffer(bytes(range(1, 1 + 3 * np.dtype(dtype).itemsize)), dtype)
    _same(array, round_trip(array))


def test_a_masked_array_keeps_its_mask() -> None:
    array = round_trip(np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]))
    assert array.tolist() == [[1, None], [3, 4]]


@pytest.mark.parametrize(
    "value", [np.complex64(1 + 2j), np.datetime64("2026-11-27T01:02", "m"), np.timedelta64(5, "s")]
)
def test_a_scalar_that_json_does_not_have_keeps_its_class(value: Any) -> None:
    back = round_trip({"a": value})["a"]
    assert (type(back), back, back.dtype) == (type(value), value, value.dtype)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([object()]), "Python objects"),
        (np.zeros(1, [("a", object)]), "Python objects"),
        (np.zeros(1, "longdouble"), "differs between processors"),
        (np.zeros(1, "clongdouble"), "differs between processors"),
    ],
)
def test_an_array_that_would_not_be_the_same_elsewhere_is_refused(array: Any, said: str) -> None:
    with pytest.raises(NotJSON, match=said):
        on_wire(array)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dtype": "O"},
        {"dtype": "|O8"},
        {"dtype": "<f16"},
        {"dtype": "f8,f8"},
        {"dtype": "<f3"},
        {"dtype": "<M8[fortnight]"},
        {"dtype": "(1000000000,)f8"},
        {"dtype": None},
        {"dtype": {"fields": [["a", "|O8", 0]], "itemsize": 8}},
        {"dtype": {"fields": [["a", "<f8", 99]], "itemsize": 8}},
        {"dtype": {"fields": [["a", "<f8", -8]], "itemsize": 8}},
        {"dtype": {"fields": [["a"]], "itemsize": 8}},
        {"dtype": {"fields": [[["a"], "<f8", 0]], "itemsize": 8}},
        {"dtype": {"fields": {}, "itemsize": 8}},
        {"shape": [2]},
        {"shape": [-1]},
        {"shape": [1 << 61, 1 << 61]},
        {"shape": [0, 1 << 61]},
        {"shape": [1] * 33},
        {"shape": 1},
        {"shape": [1.0]},
        {"order": "K"},
        {"mask": [0, 8]},
        {"class": "os.system"},
        {"class": ["torch.Tensor"]},
    ],
)
def test_an_array_whose_parts_do_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    array = {"$type": "ndarray", "dtype": "<f8", "shape": [1], "order": "C", "data": [0, 8], **wrong}
    decoded = decode(packed(array, bytes(8)))
    assert isinstance(decoded, Unreadable)
    assert isinstance(decoded.error, PayloadRefused)


def test_an_array_whose_parts_fit_is_decoded_beside_one_that_is_refused() -> None:
    good = {"$type": "ndarray", "dtype": "<f8", "shape": [1], "order": "C", "data": [0, 8]}
    whole, broken = decode(packed([good, {**good, "shape": [2]}], bytes(8)))
    assert whole.tolist() == [0.0]
    assert isinstance(broken, Unreadable)
    assert "has 16 bytes, and 8 came" in str(broken.error)


class Tensor:
    """An array of another library, which offers it by DLPack."""

    def __init__(self, array: Any, device: int = 1, *, gradient: bool = False) -> None:
        self.array, self.device, self.gradient = array, device, gradient

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0

    def __dlpack__(self, **options: Any) -> Any:
        if self.gradient:
            raise BufferError("Can't export tensors that require gradient")
        return self.array.__dlpack__(**options)

    def detach(self) -> Tensor:
        return Tensor(self.array, self.device)

    def cpu(self) -> Tensor:
        return Tensor(self.array)


def test_an_array_comes_by_dlpack() -> None:
    for tensor in (Tensor(np.arange(6).reshape(2, 3)), Tensor(np.ones(2, "f4"), gradient=True)):
        _same(tensor.array, round_trip(tensor))


def test_an_array_on_a_graphics_card_is_refused() -> None:
    with pytest.raises(NotJSON, match=r"Tensor is not in the memory of the CPU. Send its cpu\(\)"):
        on_wire(Tensor(np.ones(2), device=2))


def test_an_array_of_a_library_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = on_wire(np.arange(3.0))
    wire["value"]["class"] = "torch.Tensor"
    monkeypatch.setitem(sys.modules, "torch", None)
    decoded = decode(wire)
    assert isinstance(decoded.error, LibraryMissing)
    assert "needs torch, which is not installed here" in str(decoded.error)
