"""The codecs of all types: by the class of a value that is emitted, and by the ``$type`` of one that came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import arrays, figures, images, objects, scalars, tables
from .buffers import PayloadReader, PayloadWriter
from .records import is_record

Encode = Callable[[Any, PayloadWriter], Any]
Decode = Callable[[dict[str, Any], PayloadReader], Any]

_ENCODERS: dict[str, Encode] = {}
DECODERS: dict[str, Decode] = {}
for _module in (arrays, figures, images, objects, scalars, tables):
    _ENCODERS |= _module.ENCODERS
    DECODERS |= _module.DECODERS

_NOT_SENT = frozenset({"pandas.NaTType", "polars.LazyFrame"})


def encoder_of(value: Any) -> Encode | None:
    """Return what encodes a value that is neither JSON nor bytes; None if it is not sent.

    A class is known by its name and that of its library, so that no library is imported.
    """
    cls = type(value)
    for each in cls.__mro__:
        name = f"{each.__module__.partition('.')[0]}.{each.__name__}"
        if name in _NOT_SENT:
            return None
        encode = _ENCODERS.get(name)
        if encode is not None:
            return encode
    if is_record(cls):
        return objects.encode_record
    for attribute, encode in _BY_ATTRIBUTE:
        if hasattr(cls, attribute):
            return encode
    return None


_BY_ATTRIBUTE: tuple[tuple[str, Encode], ...] = (
    ("__arrow_c_stream__", tables.encode_arrow_stream),
    ("__dlpack_device__", arrays.encode_dlpack),
    ("_repr_mimebundle_", figures.encode_mimebundle),
)
