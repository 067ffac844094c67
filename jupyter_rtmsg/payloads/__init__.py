"""Values that JSON does not have: tables, arrays, pictures and objects, to JSON and buffers, and back.

The names are made when they are first used: a kernel that sends only JSON does not import the codecs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .decoder import decode
    from .display import Display
    from .encoder import Verbatim, encode
    from .registry import payload
    from .unreadable import Unreadable

_HOMES = {
    "Display": "display",
    "Unreadable": "unreadable",
    "Verbatim": "encoder",
    "decode": "decoder",
    "encode": "encoder",
    "payload": "registry",
}

__all__ = ["Display", "Unreadable", "Verbatim", "decode", "encode", "payload"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
