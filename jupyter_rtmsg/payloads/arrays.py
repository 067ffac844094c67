"""NumPy arrays and scalars, and arrays of other libraries on the CPU by DLPack."""

from __future__ import annotations

import math
import re
from typing import Any

from jupyter_rtmsg.errors import NotJSON, PayloadRefused

from .buffers import PayloadReader, PayloadWriter
from .libraries import load

_KINDS = "biufcmMSUV"
_SCALAR = re.compile(r"[<>|](?:[biufc]\d{1,2}|[SUV]\d{1,9}|[mM]8(?:\[[0-9A-Za-z/]{1,24}\])?)")
_LONGEST = {"f": 8, "c": 16}  # bytes; longer floats are not the same on every processor
_MOST_DIMENSIONS = 32
_CPU = 1  # kDLCPU
_PLAIN_CLASS = "numpy.ndarray"


def encode_array(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode an array. Its values are copied once, when the event is put together."""
    numpy = load("numpy")
    mask = None
    if isinstance(value, numpy.ma.MaskedArray):
        mask, value = numpy.ma.getmaskarray(value), value.data
    array = numpy.asarray(value)
    fields = {"$type": "ndarray", "dtype": _described(numpy, array.dtype), "shape": list(array.shape)}
    fields["order"] = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    fields["data"] = writer.buffer(_bytes_of(numpy, array, fields["order"]))
    if mask is not None:
        fields["mask"] = writer.buffer(_bytes_of(numpy, mask, fields["order"]))
    return fields


def _bytes_of(numpy: Any, array: Any, order: str) -> Any:
    flat = numpy.ascontiguousarray(array.T if order == "F" else array).reshape(-1)
    return flat.view(numpy.uint8).data if flat.nbytes else b""


def _described(numpy: Any, dtype: Any) -> Any:
    """Return a dtype as JSON: a str, or a list of fields."""
    if dtype.hasobject or dtype.kind not in _KINDS or (dtype.kind == "V" and dtype.type is not numpy.void):
        raise NotJSON(
            f"an array of dtype {dtype} is not sent, since its values are Python objects or those of another library. "
            "Send its tolist(), or astype() of it"
        )
    if dtype.names is None:
        if dtype.itemsize > _LONGEST.get(dtype.kind, dtype.itemsize):
            raise NotJSON(f"an array of dtype {dtype} differs between processors. Send its astype(float)")
        if dtype.subdtype is not None:
            raise NotJSON(f"an array of dtype {dtype} is not sent. Send its astype() of a simple dtype")
        return dtype.str
    described = []
    for name in dtype.names:
        kind, offset, *title = dtype.fields[name]
        if title:
            raise NotJSON(f"the field {name!r} of an array has a title, which is not sent")
        base, shape = kind.subdtype or (kind, ())
        described.append([name, _described(numpy, base), offset, *([list(shape)] if shape else [])])
    return {"fields": described, "itemsize": dtype.itemsize}


def decode_array(fields: dict[str, Any], reader: PayloadReader) -> Any:
    """Decode an array: a read-only view of the event's own bytes, or an array of the library that it is from."""
    numpy = load("numpy")
    dtype, shape = _dtype(numpy, fields.get("dtype")), _shape(fields.get("shape"))
    array = _view(numpy, reader.buffer(fields.get("data")), dtype, shape, fields.get("order"))
    if "mask" in fields:
        mask = _view(numpy, reader.buffer(fields["mask"]), numpy.dtype(bool), shape, fields.get("order"))
        return numpy.ma.MaskedArray(array, mask)
    kind = fields.get("class", _PLAIN_CLASS)
    if kind == _PLAIN_CLASS:
        return array
    convert = _OF_LIBRARY.get(kind) if isinstance(kind, str) else None
    if convert is None:
        raise PayloadRefused(
            f"{kind!r:.60} is no class of arrays that is known here: {_PLAIN_CLASS}, {', '.join(_OF_LIBRARY)}"
        )
    return convert(array)


def _view(numpy: Any, data: memoryview, dtype: Any, shape: tuple[int, ...], order: Any) -> Any:
    if order not in ("C", "F"):
        raise PayloadRefused(f"the order of an array is 'C' or 'F', not {order!r:.60}")
    needed = math.prod(shape) * dtype.itemsize
    if needed != len(data):
        raise PayloadRefused(
            f"an array of shape {list(shape)} and dtype {dtype.str} has {needed:,} bytes, and {len(data):,} came"
        )
    if not needed:  # NumPy makes no view of nothing
        array = numpy.empty(shape, dtype, order)
        array.flags.writeable = False
        return array
    return numpy.ndarray(shape, dtype, buffer=data, order=order)


def _shape(shape: Any) -> tuple[int, ...]:
    if type(shape) is not list or len(shape) > _MOST_DIMENSIONS:
        raise PayloadRefused(
            f"the shape of an array is a list of at most {_MOST_DIMENSIONS} lengths, not {shape!r:.60}"
        )
    if any(type(length) is not int or not 0 <= length < 1 << 62 for length in shape):
        raise PayloadRefused(f"the lengths of an array are whole numbers from 0 on, not {shape!r:.60}")
    return tuple(shape)


def _dtype(numpy: Any, described: Any) -> Any:
    """Return the dtype of a description. No text is given to NumPy that is not known to be a simple one."""
    if isinstance(described, dict):
        return _record(numpy, described)
    if not isinstance(described, str) or not _SCALAR.fullmatch(described):
        raise PayloadRefused(f"{described!r:.60} is no dtype of an array, such as '<f8'")
    dtype = numpy.dtype(described)
    if dtype.itemsize > _LONGEST.get(dtype.kind, dtype.itemsize):
        raise PayloadRefused(f"the dtype {described!r} is not the same on every processor")
    return dtype


def _record(numpy: Any, described: dict[str, Any]) -> Any:
    fields, itemsize = described.get("fields"), described.get("itemsize")
    if type(fields) is not list or type(itemsize) is not int:
        raise PayloadRefused("a dtype with fields has the lists 'fields' and the 'itemsize'")
    names, formats, offsets = [], [], []
    for field in fields:
        if type(field) is not list or len(field) not in (3, 4):
            raise PayloadRefused(f"a field of a dtype is [name, dtype, offset, shape], not {field!r:.60}")
        kind = _dtype(numpy, field[1])
        names.append(field[0])
        formats.append(numpy.dtype((kind, _shape(field[3]))) if len(field) == 4 else kind)
        offsets.append(field[2])
    return numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": itemsize})


def encode_scalar(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode a NumPy scalar that is no JSON number, such as a datetime64 or a complex number."""
    fields = encode_array(value, writer)
    return {"$type": "scalar", "dtype": fields["dtype"], "data": fields["data"]}


def decode_scalar(fields: dict[str, Any], reader: PayloadReader) -> Any:
    """Decode a NumPy scalar."""
    return decode_array({**fields, "shape": [], "order": "C"}, reader)[()]


def encode_dlpack(value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode an array of any library that offers it by DLPack, and lies in the memory of the CPU."""
    kind = type(value)
    if value.__dlpack_device__()[0] != _CPU:
        raise NotJSON(f"the {kind.__name__} is not in the memory of the CPU. Send its cpu()")
    detach = getattr(value, "detach", None)  # a tensor with a gradient is not given away by PyTorch
    try:
        array = load("numpy").from_dlpack(detach() if callable(detach) else value)
    except Exception as error:
        raise NotJSON(f"the {kind.__name__} cannot be read as an array ({error}). Send it as float32") from None
    fields = encode_array(array, writer)
    if kind.__module__.partition(".")[0] == "torch":
        fields["class"] = "torch.Tensor"
    elif kind.__module__.partition(".")[0] in ("jax", "jaxlib"):
        fields["class"] = "jax.Array"
    return fields


def _to_torch(array: Any) -> Any:
    return load("torch").from_numpy(array.copy())  # it has no read-only tensors


def _to_jax(array: Any) -> Any:
    return load("jax.numpy").asarray(array)


_OF_LIBRARY = {"torch.Tensor": _to_torch, "jax.Array": _to_jax}

ENCODERS = {
    "numpy.ndarray": encode_array,
    "numpy.complexfloating": encode_scalar,
    "numpy.timedelta64": encode_scalar,
    "numpy.datetime64": encode_scalar,
    "numpy.void": encode_scalar,
    "torch.Tensor": encode_dlpack,
}
DECODERS = {"ndarray": decode_array, "scalar": decode_scalar}
