"""Socket.IO v5 packets (PROTOCOL 2): strict in what is accepted, encoded once for many.

Every packet travels as an Engine.IO message; the digit of that message (``4``) is part of what is encoded and decoded
here, so that no packet is copied only to add or drop it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from ..errors import NotJSON, ProtocolError
from .data import MAX_DEPTH, EncodedJSON, dump, load, reconstruct
from .deflate import deflated_frame
from .engineio import encode_payload
from .websocket import BINARY, TEXT, encode_frame

MAX_ATTACHMENTS = 10
RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
_ROOT = "/"
_HEADER = re.compile(r"(/[^,]*)?,?(\d*)", re.ASCII)
_COUNT = re.compile(r"(\d{1,9})-", re.ASCII)
_MAX_ID_DIGITS = 64


class PacketType(IntEnum):
    """The types of PROTOCOL 2.2."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = PacketType


class Packet(NamedTuple):
    """A decoded packet. Binary events and acks come out as EVENT and ACK, with the bytes in their places.

    ``data`` is the list of arguments of an EVENT (the name first) or ACK, the object of a CONNECT, or None.
    """

    type: PacketType
    namespace: str = _ROOT
    data: Any = None
    id: int | None = None


_new = tuple.__new__  # a named tuple made twice as fast


class Encoded:
    """A packet, ready for any number of receivers: each form is made at most once.

    Parameters
    ----------
    text : bytes
        The text packet as UTF-8, with Engine.IO's digit; empty for a binary message that stands alone.
    attachments : sequence of bytes
        The binary packets that follow it.

    Attributes
    ----------
    websocket : bytes
        All its frames, as a server sends them.
    polling : str
        All its packets, as a polling payload; made when it is first asked for.
    deflated : bytes
        All its frames for those who agreed on permessage-deflate; made when it is first asked for.
    """

    __slots__ = ("attachments", "deflated", "polling", "text", "websocket")

    websocket: bytes
    polling: str
    deflated: bytes

    def __init__(self, text: bytes, attachments: Sequence[bytes] = ()) -> None:
        self.text = text
        self.attachments = attachments
        self.websocket = self.frames() if attachments else encode_frame(TEXT, text)

    def __getattr__(self, name: str) -> Any:
        if name == "polling":
            self.polling = encode_payload([self.text.decode(), *self.attachments] if self.text else self.attachments)
            return self.polling
        if name == "deflated":
            frames = [deflated_frame(TEXT, self.text)] if self.text else []
            self.deflated = b"".join([*frames, *(deflated_frame(BINARY, item) for item in self.attachments)])
            return self.deflated
        raise AttributeError(name)

    def leave_plain(self) -> None:
        """Compress it for nobody."""
        self.deflated = self.websocket

    def frames(self, mask: Callable[[], bytes] | None = None) -> bytes:
        """Return all its frames.

        Parameters
        ----------
        mask : callable, optional
            Returns four random bytes; a client must give it, and each frame gets its own (RFC 6455, section 5.3).
        """
        texts = (self.text,) if self.text else ()
        frames = [*((TEXT, text) for text in texts), *((BINARY, item) for item in self.attachments)]
        return b"".join([encode_frame(opcode, payload, mask() if mask else None) for opcode, payload in frames])


def header(kind: PacketType, namespace: str = _ROOT, id: int | None = None, attachments: int = 0) -> bytes:
    """Return what stands before the JSON of a packet; EVENT and ACK become binary when there are attachments."""
    start = b"4%d%d-" % (kind + 3, attachments) if attachments else b"4%d" % kind
    if namespace != _ROOT:
        start += namespace.encode() + b","
    return start if id is None else b"%s%d" % (start, id)


def encode_event(args: Sequence[Any], namespace: str = _ROOT, id: int | None = None) -> Encoded:
    """Encode an EVENT.

    Parameters
    ----------
    args : sequence
        The event's name, then its arguments: JSON, with bytes anywhere inside.
    namespace : str
    id : int, optional
        Asks for an acknowledgement.

    Raises
    ------
    NotJSON
        If an argument cannot be sent.
    ValueError
        If the name is reserved (PROTOCOL 2.3) or no str.
    """
    name = args[0]
    if not isinstance(name, str):
        raise ValueError(f"an event's name must be a str, not {name!r:.80}")
    if name in RESERVED_EVENTS:
        raise ValueError(f"{name!r} is one of Socket.IO's own events and cannot be emitted")
    json, attachments = dump(args)
    return _encoded(EVENT, json, attachments, namespace, id)


def encode_ack(id: int, args: Sequence[Any] | EncodedJSON, namespace: str = _ROOT) -> Encoded:
    """Encode the ACK that answers an event.

    Parameters
    ----------
    id : int
    args : sequence, or EncodedJSON
        Its arguments, or the only one encoded already.
    namespace : str

    Raises
    ------
    NotJSON
    """
    if type(args) is EncodedJSON:
        json, attachments = b"[%b]" % args.json, args.attachments
    else:
        json, attachments = dump(args)
    if attachments or namespace != _ROOT:
        return _encoded(ACK, json, attachments, namespace, id)
    return Encoded(b"43%d%b" % (id, json))


def _encoded(kind: PacketType, json: bytes, attachments: Sequence[bytes], namespace: str, id: int | None) -> Encoded:
    if len(attachments) > MAX_ATTACHMENTS:
        raise NotJSON(f"{len(attachments)} binary attachments, more than the {MAX_ATTACHMENTS} that a packet may have")
    return Encoded(header(kind, namespace, id, len(attachments)) + json, attachments)


def encode_connect(data: dict[str, Any] | None = None, namespace: str = _ROOT) -> Encoded:
    """Encode a CONNECT: a client's with its ``auth``, a server's with the ``sid``; raises `NotJSON`."""
    return Encoded(header(CONNECT, namespace) + (_json(data) if data is not None else b""))


def encode_connect_error(message: str, data: Any = None, namespace: str = _ROOT) -> Encoded:
    """Encode a CONNECT_ERROR; raises `NotJSON`."""
    error = {"message": message} if data is None else {"message": message, "data": data}
    return Encoded(header(CONNECT_ERROR, namespace) + _json(error))


def _json(value: Any) -> bytes:
    json, attachments = dump(value)
    if attachments:
        raise NotJSON("a CONNECT and its answers cannot hold bytes")
    return json


def encode_disconnect(namespace: str = _ROOT) -> Encoded:
    """Encode a DISCONNECT."""
    return Encoded(header(DISCONNECT, namespace))


class Decoder:
    """Turn Engine.IO messages into packets, waiting for attachments.

    Parameters
    ----------
    client : bool
        Whether the peer is a server: only a server may send CONNECT_ERROR.
    max_attachments : int
    max_size : int
        The largest packet in bytes, attachments included.
    """

    __slots__ = ("_attachments", "_client", "_missing", "_partial", "_room", "max_attachments", "max_size")

    def __init__(
        self, *, client: bool = False, max_attachments: int = MAX_ATTACHMENTS, max_size: int = 1_000_000
    ) -> None:
        self._client = client
        self.max_attachments = max_attachments
        self.max_size = max_size
        self._partial: Packet | None = None
        self._missing = 0
        self._room = 0  # bytes that the attachments of the partial packet may still have
        self._attachments: list[bytes] = []

    @property
    def partial(self) -> Packet | None:
        """The packet whose attachments are awaited."""
        return self._partial

    def feed(self, message: str | bytes) -> Packet | None:
        """Take an Engine.IO message (text with its digit ``4``) and return the packet that it completes, if any.

        Raises
        ------
        ProtocolError
            Naming the rule that was broken. The connection must be closed.
        """
        if type(message) is not str:
            return self._attachment(message)  # type: ignore[arg-type]
        if self._partial is not None:
            raise ProtocolError("a text packet where an attachment was awaited")
        if message[1:2] == "2":  # the hot path: an event in the root namespace, with or without an id
            start = message.find("[", 2)
            digits = message[2:start]
            if start == 2:
                return _new(Packet, (EVENT, _ROOT, _event(load(message[2:])), None))
            if digits.isdecimal() and digits.isascii() and start > 0:
                return _new(Packet, (EVENT, _ROOT, _event(load(message[start:])), _id(digits)))
        return self._text(message)

    def _text(self, message: str) -> Packet | None:
        digit = message[1:2]
        if not digit or digit not in "0123456":
            raise ProtocolError(f"unknown Socket.IO packet type in {message!r:.40}")
        kind, at, count = PacketType(int(digit)), 2, 0
        if kind >= BINARY_EVENT:
            count, at = self._count(message)
        match = _HEADER.match(message, at)
        assert match  # it matches the empty string
        namespace, digits = match[1] or _ROOT, match[2]
        if match.end() - len(digits) > at and not match[1]:
            raise ProtocolError("a comma without a namespace")
        packet = self._packet(kind, namespace, _id(digits) if digits else None, message[match.end() :])
        if not count:
            return packet
        self._partial, self._missing, self._room = packet, count, self.max_size - len(message)
        return None

    def _count(self, message: str) -> tuple[int, int]:
        match = _COUNT.match(message, 2)
        if not match:
            raise ProtocolError("a binary packet without its number of attachments")
        count = int(match[1])
        if not 1 <= count <= self.max_attachments:
            raise ProtocolError(f"{count} attachments: a binary packet has 1 to {self.max_attachments}")
        return count, match.end()

    def _packet(self, kind: PacketType, namespace: str, id: int | None, json: str) -> Packet:
        if not json:
            data = None
        elif kind == DISCONNECT:
            raise ProtocolError("a DISCONNECT has no payload")
        else:
            data = load(json)
        if kind == CONNECT:
            if json and type(data) is not dict:
                raise ProtocolError("the payload of a CONNECT must be an object")
        elif kind in (EVENT, BINARY_EVENT):
            _event(data)
        elif kind in (ACK, BINARY_ACK):
            if type(data) is not list or id is None:
                raise ProtocolError("an ACK needs an id and an array")
        elif kind == CONNECT_ERROR and (not self._client or not isinstance(data, (dict, str))):
            raise ProtocolError("a CONNECT_ERROR comes from a server and holds an object or a string")
        return Packet(PacketType(kind - 3) if kind >= BINARY_EVENT else kind, namespace, data, id)

    def _attachment(self, message: bytes) -> Packet | None:
        if self._partial is None:
            raise ProtocolError("a binary message where none was awaited")
        self._room -= len(message)
        if self._room < 0:
            raise ProtocolError(f"a packet of more than the {self.max_size} bytes allowed, with its attachments")
        self._attachments.append(message)
        self._missing -= 1
        if self._missing:
            return None
        packet, attachments = self._partial, self._attachments
        self._partial, self._attachments = None, []
        return packet._replace(data=reconstruct(packet.data, attachments))


def _id(digits: str) -> int:
    if len(digits) > _MAX_ID_DIGITS:
        raise ProtocolError(f"an ack id of {len(digits)} digits, more than {_MAX_ID_DIGITS}")
    return int(digits)


def _event(data: Any) -> list[Any]:
    """Return the arguments of an event if they are any (PROTOCOL 2.3)."""
    if type(data) is not list or not data:
        raise ProtocolError("an event must be a non-empty array")
    name = data[0]
    if type(name) is not str:
        if type(name) not in (int, float):
            raise ProtocolError("an event's name must be a string or a number")
    elif name in RESERVED_EVENTS:
        raise ProtocolError(f"the event name {name!r} is reserved")
    return data


__all__ = [
    "ACK", "CONNECT", "CONNECT_ERROR", "DISCONNECT", "EVENT", "MAX_ATTACHMENTS", "MAX_DEPTH", "RESERVED_EVENTS",
    "Decoder", "Encoded", "Packet", "PacketType",
    "encode_ack", "encode_connect", "encode_connect_error", "encode_disconnect", "encode_event", "header",
]  # fmt: skip
