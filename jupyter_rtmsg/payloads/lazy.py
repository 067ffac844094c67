"""Where every event passes: data without payloads are sent as they are, and others are decoded when they are read.

The codecs are imported with the first payload, so that importing the package costs a kernel no more.
"""

from __future__ import annotations

import importlib
from threading import Lock
from typing import Any

from jupyter_rtmsg.wire.data import dump

from .plain import is_plain
from .text import data_text

_TEXT = 120  # characters in the repr of an event
_PENDING: Any = object()


def _late(module: str) -> Any:
    return importlib.import_module(f".{module}", __package__)


def dump_payload(data: Any, *, max_depth: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Encode the data of an event as `wire.data.dump` does, with payloads.

    Raises
    ------
    NotJSON
        If a value is of a class that is not sent, or not in this form.
    TooLarge
        If the buffers have more bytes than they may.
    """
    return dump(data if is_plain(data) else _late("encoder").encode(data, max_depth), max_depth=max_depth)


class LazyPayload:
    """Data with payloads. They are decoded once, on the thread that first reads them.

    Parameters
    ----------
    wire : object
        The data as they came.
    """

    __slots__ = ("_lock", "_value", "_wire")

    def __init__(self, wire: Any) -> None:
        self._wire = wire
        self._value = _PENDING
        self._lock = Lock()

    @property
    def value(self) -> Any:
        """The decoded data."""
        with self._lock:
            if self._value is _PENDING:
                self._value = _late("decoder").decode(self._wire)
            return self._value

    @property
    def text(self) -> str:
        """The data in one line."""
        return data_text(self._wire, _TEXT)

    @property
    def html(self) -> str:
        """A small table or picture; empty for other data."""
        return str(_late("preview").preview(self._wire, self.value))


def payload_of(wire: Any) -> LazyPayload | None:
    """Return the payloads of data; None if the data are the same on the wire."""
    return None if is_plain(wire) else LazyPayload(wire)
