"""Decoding the data of an event that came. A payload that cannot be decoded is an `Unreadable`, the rest is decoded."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.errors import PayloadError, PayloadRefused

from .buffers import BufferReader
from .codecs import DECODERS
from .plain import LIKE_TYPE, PACKED, TYPE, is_plain
from .unreadable import Unreadable

_NO_BUFFERS = BufferReader()
_PANIC = "PanicException"  # what Rust raises in Python, by its name: it is no Exception


def decode(wire: Any) -> Any:
    """Return the data that `encode` was given. It raises nothing: see `Unreadable`."""
    return wire if is_plain(wire) else _Decoder(_NO_BUFFERS).value(wire)


class _Decoder:
    """Decodes values that have their buffers in one attachment. It is the `PayloadReader` of the codecs."""

    __slots__ = ("buffer",)

    def __init__(self, buffers: BufferReader) -> None:
        self.buffer = buffers.part

    def value(self, wire: Any) -> Any:
        """Return a value. JSON of a message is not nested deep, so this recursion ends."""
        if type(wire) is list:
            return [self.value(item) for item in wire]
        if type(wire) is not dict:
            return wire
        kind = wire.get(TYPE)
        if isinstance(kind, str) and (kind in DECODERS or kind == PACKED):
            return self._payload(kind, wire)
        if TYPE in wire:  # a type of somebody else: an object like others
            return {key: self.value(item) for key, item in wire.items()}
        return {(key[1:] if LIKE_TYPE.fullmatch(key) else key): self.value(item) for key, item in wire.items()}

    def _payload(self, kind: str, wire: dict[str, Any]) -> Any:
        try:
            if kind == PACKED:
                return _Decoder(BufferReader(wire.get("buffers"))).value(wire.get("value"))
            return DECODERS[kind](wire, self)
        except PayloadError as error:
            return Unreadable(error, wire)
        except BaseException as error:  # libraries raise anything for what is not theirs
            if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
                raise
            told = " ".join(str(error).split())
            return Unreadable(PayloadRefused(f"the {kind} is damaged: {type(error).__name__}: {told:.200}"), wire)
