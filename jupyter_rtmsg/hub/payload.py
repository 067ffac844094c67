"""From a packet of the hub's namespace to the arguments of a command: the data of a large publish are not parsed.

The log keeps JSON, and members get it as it is. So nobody needs the objects that a parser would make of it, which can
take a hundred times as long as to see that it is JSON. That is what `msgspec.Raw` does; what it does not find out is
looked for here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from jupyter_rtmsg.errors import TooDeepJSON
from jupyter_rtmsg.wire.data import EncodedJSON, parse
from jupyter_rtmsg.wire.nesting import nesting_fault
from jupyter_rtmsg.wire.packet import EVENT, Packet, Undecoded

LARGE = 1_024
"""Bytes of a packet from which on its data stay JSON."""
MOST_PARSED = 10_000
"""Lists and objects in a large packet that has to be parsed all the same."""

PARENTS = 2
"""Levels of JSON above the data of a publish."""

_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_NUMBER = b"0" * 200  # digits, with which an exponent of two more digits is still a number that floats have
_SAMPLE = 256  # bytes of data by which they are found in their packet: to look for all of them takes much longer
_STRIDE = 7
_LONG_SAMPLE = b"0" * (200 // _STRIDE)  # what is left of such a number in every seventh byte: found much faster
_LARGE_EXPONENTS = (b"e000", b"e+000")
_MARK = b"_placeholder"
_ESCAPED_ASCII = b"\\u00"
_ESCAPED_MARKS = (b"\\u005f", b"\\u005F", b"\\u006", b"\\u007")  # its letters


class CommandTooDeep(TooDeepJSON):
    """The request of a command is nested too deep, or holds too much."""

    @property
    def answer(self) -> dict[str, Any]:
        """What its sender is told, in the form of a reply."""
        return {"ok": False, **super().answer}


class _Publish(msgspec.Struct):
    data: msgspec.Raw


_decode = msgspec.json.Decoder(tuple[str, _Publish]).decode


def decode(packet: Undecoded, max_depth: int) -> Packet:
    """Decode a large packet; of a publish, ``data`` comes out as `EncodedJSON` where that can be.

    Raises
    ------
    PacketRefused
        If it is nested too deep, or holds so many lists and objects that to parse it would hold up the others.
    ProtocolError
    """
    found = None if packet.attachments or packet.type is not EVENT else _data_of(packet.payload)
    if found is None:
        _check(packet, packet.payload, max_depth + PARENTS, MOST_PARSED)
        return packet.decode()
    rest, data = found
    _check(packet, data, max_depth, None)
    args = parse(rest)
    args[1]["data"] = EncodedJSON(data)
    return Packet(EVENT, packet.namespace, args, packet.id)


def _data_of(payload: str | bytes) -> tuple[bytes, bytes] | None:
    """Return a publish with null for its data, and the data: if they are most of it, and may stay as they are."""
    try:
        name, request = _decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # perhaps half of a surrogate pair, which is mended: whoever parses it finds out
    data = bytes(request.data)
    if name != "publish" or 2 * len(data) <= len(payload) or not is_plain(data):
        return None
    whole = payload if isinstance(payload, bytes) else payload.encode()
    at = whole.find(data[:_SAMPLE])
    if whole[at : at + len(data)] != data:  # something before it begins likewise
        return None
    return b"%bnull%b" % (whole[:at], whole[at + len(data) :]), data


def is_plain(json: bytes) -> bool:
    """Return whether JSON surely holds no placeholder, and no number beyond those that every reader has."""
    if _MARK in json or (_ESCAPED_ASCII in json and any(mark in json for mark in _ESCAPED_MARKS)):
        return False
    numbers = json.translate(_DIGITS)
    return not _has_large_number(numbers) or not _has_large_number(_outside_strings(numbers))


def _has_large_number(numbers: bytes) -> bool:
    """Return whether there may be a large number in a text whose digits are all zeros."""
    if any(exponent in numbers for exponent in _LARGE_EXPONENTS):
        return True
    return _LONG_SAMPLE in numbers[::_STRIDE] and _LONG_NUMBER in numbers


def _outside_strings(json: bytes) -> bytes:
    return b"".join(json.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])


def _check(packet: Undecoded, text: str | bytes, max_depth: int, max_containers: int | None) -> None:
    fault = nesting_fault(text, max_depth, max_containers)
    if fault:
        raise CommandTooDeep(fault, packet.type, packet.namespace, packet.id, packet.payload)
