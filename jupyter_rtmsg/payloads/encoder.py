"""Encoding the data of an event that is emitted."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from jupyter_rtmsg.errors import NotJSON
from jupyter_rtmsg.wire.data import MAX_DEPTH

from .buffers import BufferWriter
from .codecs import encoder_of
from .objects import encode_registered
from .plain import LIKE_TYPE, PACKED, SIMPLE, TYPE, is_plain
from .registry import registered
from .unreadable import Unreadable

_BUILT_IN = frozenset({dict, list, tuple, bytes, bytearray, memoryview})
_MOST_CALLS = 100  # encoders within one another: an `encode` that returns its own argument would never end


class Verbatim:
    """Data that are in the form of the wire already, such as ``event.wire``. They are sent as they are.

    Parameters
    ----------
    wire : object
        JSON, with bytes anywhere inside.
    """

    __slots__ = ("wire",)

    def __init__(self, wire: Any) -> None:
        self.wire = wire


def encode(data: Any, max_depth: int = MAX_DEPTH) -> Any:
    """Return data as JSON with bytes inside, in the form of the wire: for a plain socket, or a file.

    Raises
    ------
    NotJSON
        If a value is of a class that is not sent, or not in this form.
    TooLarge
        If the buffers have more bytes than they may.
    """
    if is_plain(data):
        return data
    if isinstance(data, Verbatim):
        return data.wire
    encoder = _Encoder(max_depth)
    value = encoder.value(data)
    return encoder.packed(value)


class _Encoder:
    """Encodes one event. It is the `PayloadWriter` of the codecs.

    Parameters
    ----------
    max_depth : int
        The largest number of nested lists and dicts.
    """

    def __init__(self, max_depth: int) -> None:
        self._buffers = BufferWriter()
        self._left = max_depth
        self._calls = 0
        self.buffer = self._buffers.add

    def packed(self, value: Any) -> Any:
        """Return an encoded value with its buffers."""
        return {TYPE: PACKED, "value": value, "buffers": self._buffers.joined()} if self._buffers else value

    def value(self, value: Any) -> Any:
        """Return a value in the form of the wire. Values that are not sent stay, and `dump` refuses them."""
        kind = type(value)
        if kind in SIMPLE:
            return value
        if kind not in _BUILT_IN:
            return self._of_class(value)
        if kind is not dict and kind is not list and kind is not tuple:
            return value
        return self._container(value)

    def _container(self, value: Any) -> Any:
        if self._left <= 0:
            raise NotJSON("the data is nested too deeply, or contains itself")
        self._left -= 1
        if isinstance(value, dict):
            encoded: Any = {_key(key): self.value(item) for key, item in value.items()}
        else:
            encoded = value if SIMPLE.issuperset(map(type, value)) else [self.value(item) for item in value]
        self._left += 1
        return encoded

    def _of_class(self, value: Any) -> Any:
        cls = type(value)
        entry = registered(cls)
        if entry is None:
            if isinstance(value, (dict, list, tuple)):
                return self._container(value)
            if isinstance(value, (str, bytes, bytearray)):
                return value  # also a member of an Enum that is a str
            if isinstance(value, Unreadable):
                raise NotJSON(f"an unreadable payload is not sent on: {value.error}")
            if isinstance(value, (Integral, Real)) and not _has_unit(cls):
                return value  # a number is a number for everybody, also one of NumPy, or of an IntEnum
            if isinstance(value, Verbatim):
                raise NotJSON("Verbatim() is for the whole data of an event. Send Verbatim(event.wire)")
        if self._calls >= _MOST_CALLS:
            raise NotJSON(f"{cls.__name__} is encoded by an encode() that returns such an object again, or too deeply")
        self._calls += 1
        try:
            if entry is not None:
                return encode_registered(entry, value, self)
            encoder = encoder_of(value)
            return value if encoder is None else encoder(value, self)
        finally:
            self._calls -= 1


def _has_unit(cls: type) -> bool:
    return cls.__name__ == "timedelta64" and cls.__module__ == "numpy"


def _key(key: Any) -> Any:
    return "$" + key if isinstance(key, str) and LIKE_TYPE.fullmatch(key) else key
