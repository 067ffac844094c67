"""Strict JSON with binary attachments, as packets carry it (docs/protocol.md#socketio-payloads, #socketio-binary).

Bytes in a value become attachments beside the JSON, and ``{"_placeholder": true, "num": i}`` replaces them.
Values that JSON cannot hold (NaN, sets, unknown objects, circular lists) are refused when they are encoded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import msgspec

from ..errors import NotJSON, ProtocolError
from .nesting import nesting_fault

MAX_DEPTH = 64
SHALLOW = 5  # levels; each further level doubles the size of the type that msgspec checks a shallow value against
PLAIN = frozenset({str, bool, type(None), int})
# The closing quote is optional: without it, a text with many quotes would be searched to its end from each of them.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_TOKEN = re.compile(_STRING.pattern + r"|[\[\]{}]", re.DOTALL)
# Escaped surrogates of UTF-16. A high one directly before a low one is a pair and stays.
_HIGH, _LOW = r"[dD][89abAB][0-9a-fA-F]{2}", r"[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE = re.compile(rf"\\u(?:{_HIGH}(?!\\u{_LOW})|{_LOW}(?<!\\u{_HIGH}\\u{_LOW}))")
LONE_SURROGATE = (
    "a str holds a lone surrogate, which is not Unicode text. Send text.encode(errors='replace').decode() instead"
)
_PLACEHOLDER = b'{"_placeholder":true,"num":'  # as `dump` writes it; in a string the quotes have backslashes
_BACKSLASH, _STAND_IN = "\\\\", "\0"  # an escaped backslash, and a character that valid JSON cannot contain


def _shallow(levels: int) -> Any:
    """Return the type of JSON with at most this number of nested levels."""
    kind: Any = str | int | float | bool | None
    for _ in range(levels):
        kind = str | int | float | bool | None | list[kind] | dict[str, kind]
    return kind


_Shallow: Any = msgspec.defstruct("_Shallow", [("value", _shallow(SHALLOW))])  # a struct: its type is built only once

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def is_shallow(value: Any) -> bool:
    """Return True only if a value is JSON of at most `SHALLOW` levels without bytes. Much faster than a walk."""
    try:
        msgspec.convert({"value": value}, _Shallow)
    except msgspec.ValidationError:
        return False
    return True


class EncodedJSON(msgspec.Struct, frozen=True):
    """A value that is encoded already: the result of `dump`."""

    json: bytes
    attachments: Sequence[bytes] = ()


def encode_json(value: Any) -> bytes:
    """Encode a value that is known to be plain JSON, such as a value that was decoded from JSON."""
    return _encode(value)


def dump(value: Any, *, max_depth: int = MAX_DEPTH, after: Sequence[bytes] = ()) -> tuple[bytes, tuple[bytes, ...]]:
    """Encode a value.

    Parameters
    ----------
    value : object
        None, bool, int, finite float, str, bytes-like, and lists, tuples and dicts (with str keys) of them.
        Other numbers, such as NumPy scalars, are sent as int or float.
    max_depth : int
        The largest number of nested lists and dicts.
    after : sequence of bytes
        The attachments of earlier values in the same packet. The placeholders are numbered from their count on.

    Returns
    -------
    json : bytes
        UTF-8.
    attachments : tuple of bytes
        Those of ``after``, then those of the value in the order of a depth-first walk.

    Raises
    ------
    NotJSON
        If a value cannot be encoded. The message names the value.
    """
    attachments = list(after)
    if type(value) is not list or not PLAIN.issuperset(map(type, value)):
        value = _deconstruct(value, attachments, max_depth)
    try:
        return _encode(value), tuple(attachments)
    except UnicodeEncodeError as error:
        raise NotJSON(f"{LONE_SURROGATE}: {error}") from None
    except ValueError as error:
        raise NotJSON(f"an int is too large: {error}") from None


def _deconstruct(value: Any, attachments: list[bytes], depth: int) -> Any:
    """Return a value as plain JSON, and append its bytes to ``attachments``."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if isinstance(value, (dict, list, tuple)):
        if not depth:
            raise NotJSON("the data is nested too deeply, or contains itself")
        if not isinstance(value, dict):
            if PLAIN.issuperset(map(type, value)):
                return value
            return [_deconstruct(item, attachments, depth - 1) for item in value]
        return {_key(key): _deconstruct(item, attachments, depth - 1) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        if not depth:
            raise NotJSON("the data is nested too deeply: bytes need a level for their placeholder")
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}
    return plain_scalar(value)


def _key(key: Any) -> str:
    if key == "_placeholder":
        raise NotJSON("the key '_placeholder' is Socket.IO's own mark for binary data")
    return plain_key(key)


def plain_key(key: Any) -> str:
    """Return a key of a dict as a str, or raise `NotJSON`."""
    if not isinstance(key, str):
        raise NotJSON(
            f"the keys of a dict must be str, not {type(key).__name__}: {_one_line(key)}. "
            "Send {str(key): value for key, value in data.items()}"
        )
    return str.__str__(key)


def plain_scalar(value: Any) -> str | int | float:
    """Return a value that is not a container as a str, a bool or a finite number, or raise `NotJSON`."""
    if isinstance(value, str):
        return str.__str__(value)  # str() of an enum's member would be its name
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        if math.isfinite(number):
            return number
        raise NotJSON(f"{number} is not JSON: send None or a str instead")
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)  # the only scalar of NumPy that is not registered as one of Python's numbers
    raise NotJSON(f"{type(value).__name__} is neither JSON nor bytes: {_one_line(value)}{_instead(value)}")


# The keys are names of types, so that no library is imported. The first listed base of a type applies.
_INSTEAD = {
    **dict.fromkeys(("ndarray", "Tensor"), "its tolist(), or its bytes with shape and dtype beside them"),
    **dict.fromkeys(("Series", "Index", "ExtensionArray"), "its tolist()"),
    "DataFrame": "its to_dict('records')",
    **dict.fromkeys(("NAType", "NaTType"), "None"),
    **dict.fromkeys(("date", "time"), "its isoformat()"),
    "timedelta": "its total_seconds()",
    **dict.fromkeys(("set", "frozenset", "deque", "generator", "range", "map", "zip"), "list() of it"),
    **dict.fromkeys(("dict_keys", "dict_values", "dict_items"), "list() of it"),
    "Decimal": "float() or str() of it",
    **dict.fromkeys(("UUID", "PurePath", "complex", "Fraction"), "str() of it"),
    **dict.fromkeys(("function", "type", "module"), "its name"),
}


def _instead(value: Any) -> str:
    """Return the end of an error message that names a value to send instead; empty for unknown types."""
    if hasattr(type(value), "__dataclass_fields__"):
        return ". Send dataclasses.asdict() of it"
    names = (kind.__name__ for kind in type(value).__mro__)
    return next((f". Send {_INSTEAD[name]}" for name in names if name in _INSTEAD), "")


def _one_line(value: Any) -> str:
    """Return the first 80 characters of a value's repr, on one line."""
    return " ".join(repr(value).split())[:80]


def load(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Decode JSON, strictly.

    Raises
    ------
    ProtocolError
        If the text is not JSON (RFC 8259: no NaN, no lone surrogates), or nested more than ``max_depth`` levels deep.
    """
    fault = nesting_fault(text, max_depth)
    if fault:
        raise ProtocolError(fault)
    return parse(text)


def parse(text: str | bytes) -> Any:
    """Decode JSON that has no `nesting_fault`; see `load`."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"invalid JSON: {error}") from None


def prune(text: str | bytes, max_depth: int = MAX_DEPTH) -> Any:
    """Decode JSON, and replace lists and objects below ``max_depth`` levels by None; raises `ProtocolError`."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    kept, start, level = [], 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("[", "{"):
            level += 1
            if level == max_depth + 1:
                kept.append(text[start : token.start()])
        elif token[0] in ("]", "}"):
            if level == max_depth + 1:
                kept.append("null")
                start = token.end()
            level -= 1
    if level > max_depth:
        raise ProtocolError("invalid JSON: it is cut short")
    pruned = "".join([*kept, text[start:]])
    return parse(mend(pruned) or pruned)


def mend(text: str | bytes) -> str | None:
    r"""Return a JSON text with each escaped lone surrogate replaced by U+FFFD; None if there is no lone surrogate.

    JavaScript's ``JSON.stringify`` writes ``"\ud83d"`` if a text was cut in the middle of an emoji.
    """
    if isinstance(text, bytes):
        text = text.decode(errors="surrogatepass")
    if _STAND_IN in text:
        return None
    # In a row of backslashes every second one begins an escape. Without the escaped backslashes, every one does.
    plain = text.replace(_BACKSLASH, _STAND_IN)
    mended = _LONE.sub("\ufffd", plain)
    return None if mended == plain else mended.replace(_STAND_IN, _BACKSLASH)


def renumbered(json: bytes, attachments: int, first: int) -> bytes | None:
    """Return the JSON of `dump` with its placeholders numbered from ``first`` on.

    Returns
    -------
    bytes or None
        None if the number of placeholders, in the form that `dump` writes, is not ``attachments``.
    """
    head, *parts = json.split(_PLACEHOLDER)
    if len(parts) != attachments:
        return None
    numbers, rests = zip(*(part.split(b"}", 1) for part in parts), strict=True)
    pieces = (b"%d}%b" % (int(number) + first, rest) for number, rest in zip(numbers, rests, strict=True))
    return _PLACEHOLDER.join([head, *pieces])


def reconstruct(value: Any, attachments: Sequence[bytes]) -> Any:
    """Replace placeholders by their attachments.

    Raises
    ------
    ProtocolError
        If a placeholder is malformed, or an attachment is not used exactly once. A bad ``num`` must not be used as an
        index (CVE-2022-2421), and an attachment with two placeholders would be sent twice when it is encoded again.
    """
    unused = dict(enumerate(attachments))
    value = _replace(value, unused)
    if unused:
        raise ProtocolError(f"illegal attachments: {len(unused)} of {len(attachments)} have no placeholder")
    return value


def _replace(value: Any, unused: dict[int, bytes]) -> Any:
    if type(value) is list:
        return value if PLAIN.issuperset(map(type, value)) else [_replace(item, unused) for item in value]
    if type(value) is not dict:
        return value
    if "_placeholder" not in value:
        return {key: _replace(item, unused) for key, item in value.items()}
    num = value.get("num")
    if value["_placeholder"] is not True or type(num) is not int or num not in unused or len(value) != 2:
        raise ProtocolError("illegal attachments: bad placeholder, with the num of no attachment or used twice")
    return unused.pop(num)
