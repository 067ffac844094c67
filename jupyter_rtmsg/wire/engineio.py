"""Engine.IO v4: packets, the handshake, and the payloads of long-polling (docs/protocol.md#engineio-handshake).

A packet is a ``str`` (the digit of its type, then the data), or ``bytes``: a binary message, which has no digit.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import ProtocolError
from .data import encode_json, load

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = "0", "1", "2", "3", "4", "5", "6"
PROBE = "probe"
PROTOCOL = 4
SEPARATOR = "\x1e"
_TYPES = frozenset("0123456")
_MAX_PAYLOAD = 1_000_000  # bytes; the default of Engine.IO servers
_MAX_SAFE_INTEGER = 2**53 - 1

Packet: TypeAlias = "str | bytes"


@dataclass(frozen=True, slots=True)
class OpenPacket:
    """The open packet (docs/protocol.md#engineio-handshake). Times are seconds here and ms on the wire; sizes bytes."""

    sid: str
    ping_interval: float
    ping_timeout: float
    max_payload: int
    upgrades: tuple[str, ...] = ()

    def encode(self) -> str:
        """Return the open packet."""
        fields = {
            "sid": self.sid,
            "upgrades": self.upgrades,
            "pingInterval": round(self.ping_interval * 1000),
            "pingTimeout": round(self.ping_timeout * 1000),
            "maxPayload": self.max_payload,
        }
        return OPEN + encode_json(fields).decode()

    @classmethod
    def decode(cls, packet: Packet) -> OpenPacket:
        """Read an open packet.

        Raises
        ------
        ProtocolError
            If the packet is not a valid open packet.
        """
        fields = load(packet[1:]) if isinstance(packet, str) and packet[:1] == OPEN else None
        if not isinstance(fields, dict):
            raise ProtocolError(f"expected an open packet, not {packet!r:.80}")
        fields.setdefault("maxPayload", _MAX_PAYLOAD)  # older servers do not send it
        numbers = [_number(fields, key) for key in ("pingInterval", "pingTimeout", "maxPayload")]
        sid, upgrades = fields.get("sid"), fields.get("upgrades", [])
        if not isinstance(sid, str) or not isinstance(upgrades, list):
            raise ProtocolError("an open packet needs a sid and a list of upgrades")
        return cls(sid, numbers[0] / 1000, numbers[1] / 1000, int(numbers[2]), tuple(map(str, upgrades)))


def _number(fields: dict[str, Any], key: str) -> float:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MAX_SAFE_INTEGER:
        raise ProtocolError(f"an open packet needs {key}, not {value!r:.80}")
    return float(value)


def check_packet(packet: Packet) -> Packet:
    """Return a packet that came over WebSocket.

    Raises
    ------
    ProtocolError
        If a text packet is empty or its type is unknown.
    """
    if isinstance(packet, str) and packet[:1] not in _TYPES:
        raise ProtocolError(f"unknown Engine.IO packet type in {packet!r:.40}" if packet else "an empty packet")
    return packet


def encode_payload(packets: Iterable[Packet]) -> str:
    """Join packets into the body of a polling request or response (docs/protocol.md#engineio-encodings)."""
    return SEPARATOR.join(p if isinstance(p, str) else "b" + b64encode(p).decode() for p in packets)


def decode_payload(body: str) -> list[Packet]:
    """Split the body of a polling request or response.

    Raises
    ------
    ProtocolError
        If a packet is empty, of unknown type, or not valid base64.
    """
    return [_polled(part) for part in body.split(SEPARATOR)]


def _polled(part: str) -> Packet:
    if part[:1] != "b":
        return check_packet(part)
    try:
        if len(part) % 4 != 1:  # Python 3.10 ignores characters after the padding
            raise ValueError("its length is no multiple of four")
        return b64decode(part[1:], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(f"a binary packet that is no base64: {error}") from None
