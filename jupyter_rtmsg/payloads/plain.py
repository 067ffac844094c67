"""Which data need no encoding: JSON and bytes, without keys that look like ours (docs/wire.md, "Payloads")."""

from __future__ import annotations

import re
from typing import Any

TYPE = "$type"
"""The key of an object that stands for a value which JSON does not have."""

PACKED = "packed"
"""The type of the envelope with the attachment of all buffers."""

LIKE_TYPE = re.compile(r"\$+type")
"""Keys of users that look like ours: they get one more dollar on the wire."""

SIMPLE = frozenset({str, bool, type(None), int, float})
_LEAVES = SIMPLE | {bytes}
_DEEP = 64  # levels; what is nested deeper is left to the code that counts levels


def is_plain(value: Any, depth: int = _DEEP) -> bool:
    """Return True only if a value is the same on the wire. Only built-in types are."""
    kind = type(value)
    if kind in _LEAVES:
        return True
    if kind is dict:
        if not all(type(key) is str and (key[:1] != "$" or not LIKE_TYPE.fullmatch(key)) for key in value):
            return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return False
    return _LEAVES.issuperset(map(type, value)) or (depth > 0 and all(is_plain(item, depth - 1) for item in value))
