"""Payloads to the form of the wire and back, without a hub."""

from __future__ import annotations

from typing import Any

from jupyter_rtmsg.payloads import Unreadable, decode
from jupyter_rtmsg.payloads.lazy import dump_payload
from jupyter_rtmsg.wire.data import parse, reconstruct


def on_wire(data: Any) -> Any:
    """Return data as a receiver gets them: what JSON and attachments make of them."""
    json, attachments = dump_payload(data, max_depth=60)
    return reconstruct(parse(json), attachments)


def round_trip(data: Any) -> Any:
    """Return data as a receiver decodes them."""
    return decode(on_wire(data))


def refused(wire: Any) -> Exception:
    """Return why a payload is not decoded."""
    decoded = decode(wire)
    assert isinstance(decoded, Unreadable), decoded
    return decoded.error


def packed(value: Any, buffers: bytes = b"") -> dict[str, Any]:
    """Return an envelope, as somebody may write one by hand."""
    return {"$type": "packed", "value": value, "buffers": buffers}
