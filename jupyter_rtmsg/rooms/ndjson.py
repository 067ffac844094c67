"""Events as lines of JSON: the file format that an export writes, and that an import reads (docs/export.md).

A line is one event, as a page of history has it, with its room. Bytes in the data are ``{"$bytes": "<base64>"}``. A
dict in the data that has such a key itself gets one more dollar: ``{"$$bytes": ...}``. So every data comes back equal.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from jupyter_rtmsg.errors import ExportError
from jupyter_rtmsg.event import Event

from .decoding import event_of

LONGEST = 16 << 20
"""Bytes of the longest line that is read. An event of the largest message, with attachments, is far shorter."""

_MARK = "$bytes"
_MARKS = re.compile(r"\$+bytes")
_TYPES = {"room": str, "event": str, "ts": int}
_OPTIONAL = {"seq": int, "prev": int, "n": int, "id": str, "from": dict}
_SENDER = ("user", "kind", "name", "member", "notebook")


def encode_line(event: Event) -> bytes:
    """Return an event as a line, with its end."""
    sender = event.sender
    line = {
        "room": event.room,
        "event": event.name,
        "data": event.wire,
        "seq": event.seq,
        "n": event.n,
        "prev": event.prev,
        "ts": event.ts,
        "from": {name: value for name in _SENDER if (value := getattr(sender, name)) is not None},
    }
    if event.id is not None:
        line["id"] = event.id
    return encode(line) + b"\n"


def encode(value: Any) -> bytes:
    """Return a value as JSON in UTF-8; its bytes are marked, see above."""
    text = _dumps(value)
    if f'{_MARK}"' in text:  # a mark of bytes, or a key that looks like one
        text = _dumps(_marked(value))
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a character, which only an escape can hold
        return json.dumps(_marked(value), allow_nan=False, separators=(",", ":")).encode()


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_marked)


def _marked(value: Any) -> Any:
    """Return a value with marks for its bytes, in which every key that looks like a mark has one more dollar."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {_MARK: base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {("$" + key if _MARKS.fullmatch(key) else key): _marked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_marked(item) for item in value]
    return value


def decode(line: bytes) -> Any:
    """Return the value in a line of JSON.

    Raises
    ------
    ValueError
        If it is no JSON in UTF-8, has a number that JSON does not have, or base64 that is none.
    RecursionError
        If it is nested too deep.
    """
    value = json.loads(line, parse_constant=_refuse)
    return _unmarked(value) if b'bytes"' in line or b"\\u" in line else value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _MARK in value:
        if len(value) > 1:
            raise ValueError(f"{_MARK!r} is not the only key of its object")
        return _bytes(value[_MARK])
    return {(key[1:] if _MARKS.fullmatch(key) else key): _unmarked(item) for key, item in value.items()}


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"{_MARK!r} holds base64, not {type(text).__name__}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the base64 of {_MARK!r} is wrong: {error}") from None


def decode_line(line: bytes) -> Event:
    """Return the event in a line; for the errors see `decode`."""
    fields = decode(line)
    if not isinstance(fields, dict):
        raise ValueError(f"a line is one object, not {type(fields).__name__}")
    for name, kind in _TYPES.items():
        if type(fields.get(name)) is not kind:
            raise ValueError(f"{name!r} must be {kind.__name__}, not {fields.get(name)!r:.80}")
    for name, kind in _OPTIONAL.items():
        if fields.get(name) is not None and type(fields[name]) is not kind:
            raise ValueError(f"{name!r} must be {kind.__name__}, not {fields[name]!r:.80}")
    return event_of(fields["room"], fields["event"], fields.get("data"), _sound(fields), replay=True)


def _sound(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with a sender whose parts are texts."""
    sender = {name: value for name, value in (fields.get("from") or {}).items() if isinstance(value, str)}
    return {**fields, "from": sender}


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a file, which may be compressed (``.gz``), line by line.

    Raises
    ------
    ExportError
        If a line is not what an export writes. The message has its number.
    OSError
        If the file cannot be read.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        number = 0
        try:
            while line := file.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise ValueError(f"it is longer than {LONGEST:,} bytes")
                if line.strip():
                    yield decode_line(line)
        except (ValueError, RecursionError) as error:
            what = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            raise ExportError(f"{path}, line {number}: {what}. An export has one event in each line") from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ExportError(f"{path} is damaged after line {number}: {error}") from None
