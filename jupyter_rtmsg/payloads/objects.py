"""Objects of classes that people write: registered ones, those with fields, and Enums."""

from __future__ import annotations

from enum import Enum
from typing import Any

from jupyter_rtmsg.errors import PayloadRefused

from .buffers import PayloadReader, PayloadWriter
from .records import fields_of, record_of
from .registry import Registered, named
from .scalars import text_of


def encode_registered(entry: Registered, value: Any, writer: PayloadWriter) -> dict[str, Any]:
    """Encode an object of a class that was registered."""
    if entry.encode is not None:
        return {"$type": "object", "class": entry.name, "data": writer.value(entry.encode(value))}
    if isinstance(value, Enum):
        return encode_enum(value, writer, entry.name)
    return encode_record(value, writer, entry.name)


def encode_record(value: Any, writer: PayloadWriter, name: str | None = None) -> dict[str, Any]:
    """Encode an object by its fields."""
    return {"$type": "object", "class": name or type(value).__name__, "data": writer.value(fields_of(value))}


def encode_enum(value: Enum, writer: PayloadWriter, name: str | None = None) -> dict[str, Any]:
    """Encode a member of an Enum, by name and value. A combination of flags has no name."""
    fields = {"name": value.name, "value": writer.value(value.value)}
    return {"$type": "enum", "class": name or type(value).__name__, **fields}


def decode_object(fields: dict[str, Any], reader: PayloadReader) -> Any:
    """Decode an object: one of the registered class, or its data."""
    name, data = text_of(fields, "class", 256), reader.value(fields.get("data"))
    entry = named(name)
    if entry is None:
        return data
    if entry.decode is None:
        return record_of(entry.cls, data)
    try:
        return entry.decode(data)
    except Exception as error:  # a function of the user
        told = " ".join(str(error).split())
        raise PayloadRefused(
            f"the decode of {name!r} of this process raised {type(error).__name__}: {told:.200}"
        ) from error


def decode_enum(fields: dict[str, Any], reader: PayloadReader) -> Any:
    """Decode a member of an Enum: that of the registered class, or its value."""
    entry, name, value = named(text_of(fields, "class", 256)), fields.get("name"), reader.value(fields.get("value"))
    if entry is None or not issubclass(entry.cls, Enum):
        return value
    try:
        return entry.cls[name] if isinstance(name, str) and name in entry.cls.__members__ else entry.cls(value)
    except (KeyError, ValueError, TypeError):
        raise PayloadRefused(f"the Enum {entry.name!r} of this process has no member {name!r:.60}") from None


ENCODERS = {"enum.Enum": encode_enum}
DECODERS = {"object": decode_object, "enum": decode_enum}
