"""Packets in MessagePack, like npm's ``socket.io-msgpack-parser`` and python-socketio with ``serializer="msgpack"``.

A packet is one binary message: a map of ``type``, ``nsp`` and, optionally, ``data`` and ``id``. Other keys of the map
are ignored. Bytes have MessagePack's own type. The extensions are those of notepack.io 2.2, all of type 0:
``undefined`` (fixext 1), a date (fixext 8: milliseconds since 1970, signed, big-endian) and an ArrayBuffer (ext 8, 16
and 32). Dates are also accepted as MessagePack's own extension -1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any, NoReturn

import msgspec

from ..errors import NotJSON, PacketRefused, ProtocolError, TooDeepJSON
from .data import LONE_SURROGATE, MAX_DEPTH, PLAIN, plain_key, plain_scalar
from .nesting import MAX_CONTAINERS
from .packet import CONNECT_ERROR, Packet, PacketType, Undecoded, check_data, check_header

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_UNDEFINED = b"\xd4\x00\x00"
_NOTHING = frozenset({b"", b"\xc0", _UNDEFINED})
_TAKEN = frozenset({type(None), bool, int, float, str, bytes, datetime, list, dict})
# Extensions of one or eight bytes have two forms: the short one is undefined or a date, the long one an ArrayBuffer.
# msgspec does not report which form it has read.
_FORMS = {1: re.compile(rb"\xd4\x00|\xc7\x01\x00"), 8: re.compile(rb"\xd7\x00|\xc7\x08\x00")}
_LONG = (b"\xc7\x01\x00", b"\xc7\x08\x00")
_KINDS = {int(kind): kind for kind in PacketType if kind <= CONNECT_ERROR}

_CONTAINERS = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])  # first bytes of lists and maps
_LEAVES = frozenset([*range(0xC4, 0xCA), *range(0xD9, 0xDC)])  # of binaries, extensions and texts
_FEW = 1_000  # items that are examined one by one

_encode = msgspec.msgpack.Encoder().encode


class _Header(msgspec.Struct):
    """The map of a packet. Its data are not parsed yet."""

    type: int
    nsp: str
    id: Any = None
    data: msgspec.Raw = msgspec.Raw()


class MsgpackParser:
    """The parser for MessagePack; see `jupyter_rtmsg.wire.parser.Parser`."""

    name = "msgpack"

    def encode(self, packet: Packet) -> bytes:
        """Return a packet as a message.

        Data may be JSON, bytes, and a `datetime` with a time zone, which JavaScript receives as a ``Date``.

        Raises
        ------
        NotJSON
            If the data are of another type.
        """
        kind, namespace, data, id = packet
        fields: dict[str, Any] = {"type": int(kind), "nsp": namespace}
        if data is not None:
            fields["data"] = (
                data if type(data) is list and PLAIN.issuperset(map(type, data)) else _plain(data, MAX_DEPTH)
            )
        if id is not None:
            fields["id"] = id
        try:
            return _encode(fields)
        except UnicodeEncodeError as error:
            raise NotJSON(f"{LONE_SURROGATE}: {error}") from None
        except OverflowError as error:
            raise NotJSON(f"an int is too large: {error}") from None

    def decode(self, message: str | bytes) -> Packet:
        """Return the packet in a message of a server or a client; raises `ProtocolError`."""
        return self.decoder(client=True).feed(message)

    def decoder(self, *, client: bool = False) -> MsgpackDecoder:
        """Return a decoder for the messages of one connection; ``client``: the peer is a server."""
        return MsgpackDecoder(client)


class MsgpackDecoder:
    """Turn Engine.IO messages into packets.

    Parameters
    ----------
    client : bool
        Whether the peer is a server: only a server may send CONNECT_ERROR.
    """

    __slots__ = ("_client",)
    partial = None
    mended = 0

    def __init__(self, client: bool) -> None:
        self._client = client

    def feed(self, message: str | bytes) -> Packet:
        """Take a message and return its packet; raises the errors of `frame` and `Undecoded.decode`."""
        return self.frame(message).decode()

    def frame(self, message: str | bytes) -> Undecoded:
        """Take a message and return its packet without parsing the data.

        Raises
        ------
        ProtocolError
            If the message is not a packet. The connection must be closed.
        """
        if isinstance(message, str):
            raise ProtocolError("a text message, where the parser 'msgpack' knows only binary ones")
        try:
            header = _decode_header(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError, _Unknown) as error:
            raise ProtocolError(f"no packet of the parser 'msgpack': {error}") from None
        kind, namespace, id = _KINDS.get(header.type), header.nsp, header.id
        if kind is None:
            raise ProtocolError(f"unknown Socket.IO packet type {header.type}")
        if namespace[:1] != "/":
            raise ProtocolError(f"a namespace must begin with a slash, unlike {namespace!r:.80}")
        if id is not None and (type(id) is not int or id < 0):
            raise ProtocolError(f"an ack id must be a number, not {id!r:.80}")
        check_header(kind, id, client=self._client)
        return Undecoded(self, kind, namespace, id, bytes(header.data), len(message))

    def decode(self, packet: Undecoded) -> Packet:
        """Parse the data of a packet; see `Undecoded.decode`."""
        kind, namespace, payload, id = packet.type, packet.namespace, packet.payload, packet.id
        count = most_containers(payload) if len(payload) > MAX_CONTAINERS else 0
        if count > max(MAX_CONTAINERS, len(payload) // 5):
            message = f"data of up to {count:,} lists and maps: send less of it, or bytes"
            raise TooDeepJSON(message, kind, namespace, id)
        try:
            data = None if len(payload) <= len(_UNDEFINED) and payload in _NOTHING else _load(payload)
            _check(data)
        except _TooDeep:
            message = f"data nested more than {MAX_DEPTH} levels deep"
            raise TooDeepJSON(message, kind, namespace, id) from None
        except _Unknown as error:
            raise PacketRefused(str(error), kind, namespace, id) from None
        except (msgspec.DecodeError, UnicodeError) as error:
            raise ProtocolError(f"invalid MessagePack: {error}") from None
        check_data(kind, data)
        return Packet(kind, namespace, data, id)


# --- reading


def most_containers(payload: bytes) -> int:
    """Return an upper bound for the number of lists and maps in MessagePack.

    It counts the bytes that may begin one. Large texts and binaries contain such bytes, too; those in lists and maps
    of few items are not counted.
    """
    total = looked = 0
    todo = [payload]
    while todo:
        item = todo.pop()
        count = len(item) - len(item.translate(None, _CONTAINERS))
        if count > _FEW and looked < _FEW and item[0] in _LEAVES:
            continue
        parts = _parts(item) if count > _FEW and looked < _FEW else None
        if parts is None:
            total += count
        else:
            total += 1
            looked += len(parts) + _FEW // 10  # the second term: splitting an item reads all of its bytes
            todo += parts
    return total


def _parts(item: bytes) -> list[bytes] | None:
    """Return the items of a list or a map of at most `_FEW` items; None for anything else."""
    first = item[0]
    size = first & 0xF if first < 0xA0 else int.from_bytes(item[1 : 3 if first in (0xDC, 0xDE) else 5], "big")
    try:
        if size <= _FEW and (0x90 <= first < 0xA0 or first in (0xDC, 0xDD)):
            return [bytes(part) for part in _decode_list(item)]
        if size <= _FEW and (0x80 <= first < 0x90 or first in (0xDE, 0xDF)):
            return [bytes(part) for part in _decode_map(item).values()]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass  # keys of another type, or invalid MessagePack: `MsgpackDecoder.decode` raises the error
    return None


class _Unknown(Exception):
    """The data are MessagePack, but of a type that a packet must not hold."""


class _TooDeep(Exception):
    """The data are nested too deep."""


def _extension(code: int, data: memoryview) -> Any:
    if code != 0:
        raise _Unknown(f"the MessagePack extension {code}, which no parser of Socket.IO writes")
    content = bytes(data)
    if content == b"\0":
        return None
    return _date(content) if len(content) == 8 else content


def _date(data: bytes) -> datetime | int:
    """Return a date; its milliseconds since 1970 if `datetime` cannot hold it (before the year 1, after 9999)."""
    time = int.from_bytes(data, "big", signed=True)
    try:
        return _EPOCH + timedelta(milliseconds=time)
    except OverflowError:
        return time


def _forms(message: bytes) -> Callable[[int, memoryview], Any]:
    """Return an `_extension` that finds the form of each extension in the message. msgspec calls it in their order."""
    at = 0

    def extension(code: int, data: memoryview) -> Any:
        nonlocal at
        content = bytes(data)  # msgspec 0.18 gives its views the length of the whole message
        size = len(content)
        if code == 0 and size in _FORMS:
            for form in _FORMS[size].finditer(message, at):
                if message[form.end() : form.end() + size] == content:
                    at = form.end() + size
                    if form[0] in _LONG:
                        return content
                    break
        return _extension(code, data)

    return extension


_decode_header = msgspec.msgpack.Decoder(_Header, ext_hook=_extension).decode
_decode = msgspec.msgpack.Decoder(ext_hook=_extension).decode
_decode_list = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_map = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


def _load(payload: bytes) -> Any:
    try:
        if any(form in payload for form in _LONG):
            return msgspec.msgpack.decode(payload, ext_hook=_forms(payload))
        return _decode(payload)
    except RecursionError:
        raise _TooDeep from None


def _check(data: Any) -> None:
    """Check decoded data level by level: visiting each item of a large array in Python would block the event loop."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        kinds = set(map(type, level))
        if not kinds <= _TAKEN:
            _refuse(kinds)
        if float in kinds and not all(map(math.isfinite, (item for item in level if type(item) is float))):
            raise _Unknown("a number that is not finite: send null instead")
        lists = [item for item in level if type(item) is list] if list in kinds else []
        dicts = [item for item in level if type(item) is dict] if dict in kinds else []
        if not lists and not dicts:
            return
        if not {str}.issuperset(map(type, chain.from_iterable(dicts))):
            raise _Unknown("a map with keys that are no strings")
        level = list(chain(chain.from_iterable(lists), chain.from_iterable(map(dict.values, dicts))))
    raise _TooDeep


def _refuse(kinds: set[type]) -> NoReturn:
    raise _Unknown(f"data of the type {', '.join(sorted(kind.__name__ for kind in kinds - _TAKEN))}")


# --- writing


def _plain(value: Any, depth: int) -> Any:
    """Return a value with the types that msgspec can encode as MessagePack."""
    kind = type(value)
    if kind in PLAIN or kind is bytes:
        return value
    if isinstance(value, (dict, list, tuple)):
        if not depth:
            raise NotJSON("the data is nested too deeply, or contains itself")
        if not isinstance(value, dict):
            return [_plain(item, depth - 1) for item in value]
        return {plain_key(key): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, datetime):
        return _packed(value)
    return plain_scalar(value)


def _packed(time: datetime) -> msgspec.msgpack.Ext:
    if time.tzinfo is None:
        raise NotJSON(f"a datetime without a time zone, such as {time!r}, is no moment in time")
    return msgspec.msgpack.Ext(0, ((time - _EPOCH) // _MILLISECOND).to_bytes(8, "big", signed=True))
