"""Data as text for people, from the form of the wire: nothing is decoded, and no library is imported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jupyter_rtmsg.names import escaped

from .plain import LIKE_TYPE, PACKED, TYPE

_LONGEST = 60  # characters of a name, a class or a shape
_EXACT = ("datetime", "date", "time", "decimal", "uuid", "path")


def data_text(data: Any, limit: int) -> str:
    """Return data as JSON for people.

    Bytes are shown by their size, a table and an array by their kind and size. The text is cut after ``limit``
    characters.

    Parameters
    ----------
    data : object
        In the form of the wire, such as ``event.wire``.
    limit : int
    """
    text = ""
    for piece in _pieces(data, limit):
        text += piece
        if len(text) > limit:
            return text[:limit] + "…"
    return text


def described(wire: Any) -> str | None:
    """Return what a payload is, such as ``DataFrame 10k x 3``; None for other data, and for a damaged payload."""
    if type(wire) is not dict:
        return None
    kind = wire.get(TYPE)
    if kind == PACKED:
        return described(wire.get("value"))
    describe = _DESCRIBE.get(kind) if isinstance(kind, str) else None
    try:
        return None if describe is None else describe(wire)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        return None


def flat(wire: Any) -> Any:
    """Return data for a cell of a table: payloads as their text, or as what they are described by."""
    if type(wire) is list:
        return [flat(item) for item in wire]
    if type(wire) is not dict:
        return wire
    kind = wire.get(TYPE)
    kind = kind if isinstance(kind, str) else None
    if kind in _NESTED:
        return flat(wire.get(_NESTED[kind]))
    if kind in _EXACT and isinstance(wire.get("value"), str):
        return wire["value"]
    return described(wire) or {_user_key(wire, key): flat(item) for key, item in wire.items()}


_NESTED = {PACKED: "value", "object": "data", "enum": "value"}  # where a type has the data that it stands for


def _user_key(wire: dict[str, Any], key: str) -> str:
    """Return a key as its user wrote it."""
    return key[1:] if TYPE not in wire and LIKE_TYPE.fullmatch(key) else key


def _pieces(data: Any, limit: int) -> Iterator[str]:
    """Yield JSON piece by piece, so that a long list costs no more than its visible part."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        yield f"<{len(data):,} bytes>"
    elif isinstance(data, str):
        yield json.dumps(data[: limit + 1], ensure_ascii=False)
    elif isinstance(data, dict):
        yield from _object(data, limit)
    elif isinstance(data, Mapping):
        yield from _joined("{}", (_entry(key, value, limit) for key, value in data.items()))
    elif isinstance(data, (list, tuple)):
        yield from _joined("[]", (_pieces(item, limit) for item in data))
    else:
        yield json.dumps(data, default=str)


def _object(data: dict[str, Any], limit: int) -> Iterator[str]:
    kind = data.get(TYPE)
    if kind == PACKED and "value" in data:
        yield from _pieces(data["value"], limit)
    elif kind == "object" and isinstance(data.get("class"), str):
        yield f"{data['class'][:_LONGEST]} "
        yield from _pieces(data.get("data"), limit)
    elif (text := described(data)) is not None:
        yield text if kind in _EXACT else f"<{text}>"
    else:
        yield from _joined("{}", (_entry(_user_key(data, key), value, limit) for key, value in data.items()))


def _entry(key: Any, value: Any, limit: int) -> Iterator[str]:
    yield from _pieces(str(key), limit)
    yield ": "
    yield from _pieces(value, limit)


def _joined(brackets: str, items: Iterator[Iterator[str]]) -> Iterator[str]:
    yield brackets[0]
    for index, item in enumerate(items):
        if index:
            yield ", "
        yield from item
    yield brackets[1]


def compact(number: int) -> str:
    """Return a number of rows: 999, 10k, 1.2M."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return str(number)


def _short(text: str) -> str:
    return escaped(text[:_LONGEST])


def _table(wire: dict[str, Any]) -> str:
    name, rows = wire["class"].rpartition(".")[2], compact(wire["rows"])
    return _short(f"{name} {rows}" if name == "Series" else f"{name} {rows} x {wire['width']}")


def _array(wire: dict[str, Any]) -> str:
    dtype = wire["dtype"].lstrip("<>|=") if isinstance(wire["dtype"], str) else "record"
    name = wire.get("class", "numpy.ndarray").rpartition(".")[2]
    return _short(f"{name} {dtype} {' x '.join(map(compact, wire['shape'])) or 'scalar'}")


def _image(wire: dict[str, Any]) -> str:
    return _short(f"{wire['mime'].rpartition('/')[2].upper()} {wire['width']:d} x {wire['height']:d}")


def _display(wire: dict[str, Any]) -> str:
    mimes = [mime.rpartition("/")[2].split(".")[-1].split("+")[0] for mime in wire["bundle"] if mime != "text/plain"]
    return _short(f"{wire['class'].rpartition('.')[2]} {', '.join(mimes)}".rstrip())


def _duration(wire: dict[str, Any]) -> str:
    seconds = wire["seconds"] + wire["microseconds"] / 1_000_000
    return f"timedelta {wire['days']:d} d {seconds:g} s"


def _value(wire: dict[str, Any]) -> str:
    return _short(str(wire["value"]))


_DESCRIBE: dict[str, Callable[[dict[str, Any]], str]] = {
    "table": _table,
    "ndarray": _array,
    "scalar": lambda wire: _short(f"scalar {wire['dtype']}"),
    "image": _image,
    "display": _display,
    "timedelta": _duration,
    "enum": lambda wire: _short(f"{wire['class']}.{wire['name']}"),
    "object": lambda wire: _short(wire["class"]),
    **dict.fromkeys(_EXACT, _value),
}
