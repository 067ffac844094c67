"""The data of an event: from the packet of a publish to the JSON that the log stores.

The log stores JSON, and members get it as it is, so nobody needs the objects that a parser would make of it. Small
packets are parsed with everything in them, and their data are encoded again by `encode_data`. In a large publish,
`decode` leaves the data as JSON (`msgspec.Raw`): parsing them can take a hundred times as long as checking that they
are JSON. What `msgspec.Raw` does not check is checked here.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec

from jupyter_rtmsg.errors import BadRequest, LimitExceeded, NotJSON, TooDeep, TooDeepJSON
from jupyter_rtmsg.wire.data import SHALLOW, EncodedJSON, dump, encode_json, is_shallow, parse
from jupyter_rtmsg.wire.nesting import nesting_fault
from jupyter_rtmsg.wire.packet import EVENT, Packet, Undecoded

LARGE = 1_024
"""Bytes of a packet from which on its data stay JSON."""
MAX_CONTAINERS = 10_000
"""Lists and objects in a large packet that must be parsed nevertheless."""
PARENTS = 2
"""Levels of JSON above the data of a publish."""

_CONTAINERS = frozenset({list, dict})
_SCALARS = frozenset({str, int, float, bool, type(None)})
_BINARY = frozenset({bytes, bytearray, memoryview})
_PLACEHOLDER = "_placeholder"  # Socket.IO's mark for binary data (docs/protocol.md#socketio-binary)
_PLACEHOLDER_JSON = encode_json(_PLACEHOLDER)
_PLACEHOLDER_BYTES = _PLACEHOLDER.encode()

# --- small packets


def encode_data(value: Any, *, max_depth: int, max_attachments: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Encode decoded data.

    Parameters
    ----------
    value : object
        The ``data`` of a publish. `EncodedJSON` was checked when its packet was decoded.
    max_depth, max_attachments : int

    Returns
    -------
    json : bytes
        UTF-8, with placeholders for bytes.
    attachments : tuple of bytes

    Raises
    ------
    TooDeep, LimitExceeded, BadRequest
    """
    kind = type(value)
    if kind is EncodedJSON:
        return value.json, ()
    if kind in _SCALARS or (
        kind is dict and _SCALARS.issuperset(map(type, value.values())) and _PLACEHOLDER not in value
    ):
        return encode_json(value), ()  # most data are scalars or flat objects
    if max_depth >= SHALLOW and is_shallow(value):
        json = encode_json(value)
        if _PLACEHOLDER_JSON not in json:
            return json, ()  # msgspec escapes no letter, so the placeholder can be spelled in this way only
    if not _holds_bytes(value, max_depth):
        return encode_json(value), ()
    try:
        json, attachments = dump(value)
    except NotJSON as error:
        raise BadRequest(str(error)) from None
    if len(attachments) > max_attachments:
        raise LimitExceeded(
            f"{len(attachments)} attachments, and the limit for one event is {max_attachments}: send several events"
        )
    return json, attachments


def _holds_bytes(value: Any, max_depth: int) -> bool:
    """Check the depth of a value, and return whether it contains bytes.

    It is visited level by level, with functions in C: a visit of each item of a large array would block the event loop.
    """
    kinds = {type(value)}
    level = [value]
    binary = False
    depth = 0
    while True:
        bytes_here = not kinds.isdisjoint(_BINARY)
        binary = binary or bytes_here
        containers = not kinds.isdisjoint(_CONTAINERS)
        if (containers or bytes_here) and depth >= max_depth:  # the placeholder of bytes is an object: one level more
            raise TooDeep(f"the data is nested more than {max_depth} levels deep: send it flatter, or as a string")
        if not containers:
            return binary
        depth += 1
        lists = [item for item in level if type(item) is list] if list in kinds else []
        dicts = [item for item in level if type(item) is dict] if dict in kinds else []
        if any(_PLACEHOLDER in item for item in dicts):
            raise BadRequest(f"the key {_PLACEHOLDER!r} is reserved: Socket.IO uses it for binary data")
        level = list(chain(chain.from_iterable(lists), chain.from_iterable(map(dict.values, dicts))))
        kinds = set(map(type, level))


# --- large packets

_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_NUMBER = b"0" * 200  # with an exponent of two digits more, such a number is still within the range of a float
_SAMPLE = 256  # bytes at the start of the data by which they are found in the packet: much faster than by all of them
_STRIDE = 7
_LONG_SAMPLE = b"0" * (200 // _STRIDE)  # every seventh byte of such a number: found much faster than the number
_LARGE_EXPONENTS = (b"e000", b"e+000")
_ESCAPED_ASCII = b"\\u00"
_ESCAPED_LETTERS = (b"\\u005f", b"\\u005F", b"\\u006", b"\\u007")  # of the placeholder


class CommandTooDeep(TooDeepJSON):
    """The request of a command is nested too deep, or has too many lists and objects."""

    @property
    def answer(self) -> dict[str, Any]:
        """The acknowledgement, in the form of a reply to a command."""
        return {"ok": False, **super().answer}


class _Publish(msgspec.Struct):
    data: msgspec.Raw


_decode = msgspec.json.Decoder(tuple[str, _Publish]).decode


def decode(packet: Undecoded, max_depth: int) -> Packet:
    """Decode a large packet. The ``data`` of a publish become `EncodedJSON` if they can stay as they are.

    Raises
    ------
    PacketRefused
        If it is nested too deep, or has too many lists and objects: parsing them would block the event loop.
    ProtocolError
    """
    found = None if packet.attachments or packet.type is not EVENT else _split(packet.payload)
    if found is None:
        _check(packet, packet.payload, max_depth + PARENTS, MAX_CONTAINERS)
        return packet.decode()
    rest, data = found
    _check(packet, data, max_depth, None)
    args = parse(rest)
    args[1]["data"] = EncodedJSON(data)
    return Packet(EVENT, packet.namespace, args, packet.id)


def _split(payload: str | bytes) -> tuple[bytes, bytes] | None:
    """Return a publish with null for its data, and the data; None unless these are most of it, and can stay JSON."""
    try:
        name, request = _decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # it may still be decoded by the parser, which mends half surrogate pairs
    data = bytes(request.data)
    if name != "publish" or 2 * len(data) <= len(payload) or not is_plain(data):
        return None
    whole = payload if isinstance(payload, bytes) else payload.encode()
    at = whole.find(data[:_SAMPLE])
    if whole[at : at + len(data)] != data:  # the sample occurs before the data as well
        return None
    return b"%bnull%b" % (whole[:at], whole[at + len(data) :]), data


def is_plain(json: bytes) -> bool:
    """Return whether JSON certainly has no placeholder, and no number that some JSON readers cannot represent."""
    if _PLACEHOLDER_BYTES in json or (_ESCAPED_ASCII in json and any(letter in json for letter in _ESCAPED_LETTERS)):
        return False
    numbers = json.translate(_DIGITS)
    return not _has_large_number(numbers) or not _has_large_number(_outside_strings(numbers))


def _has_large_number(numbers: bytes) -> bool:
    """Return whether there may be a large number in a text whose digits are all replaced by zeros."""
    if any(exponent in numbers for exponent in _LARGE_EXPONENTS):
        return True
    return _LONG_SAMPLE in numbers[::_STRIDE] and _LONG_NUMBER in numbers


def _outside_strings(json: bytes) -> bytes:
    return b"".join(json.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])


def _check(packet: Undecoded, text: str | bytes, max_depth: int, max_containers: int | None) -> None:
    fault = nesting_fault(text, max_depth, max_containers)
    if fault:
        raise CommandTooDeep(fault, packet.type, packet.namespace, packet.id, packet.payload)
