"""Socket.IO v5 packets (docs/protocol.md#socketio-grammar): strict parsing, and one encoding for all receivers.

Each packet is sent as an Engine.IO message. The digit of that message (``4``) is encoded and decoded here, too, so
that no packet is copied only to add or remove it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import NotJSON, ProtocolError, TooDeepJSON
from .data import MAX_DEPTH, EncodedJSON, dump, load, mend, parse, reconstruct
from .nesting import nesting_fault
from .packet import (
    ACK,
    BINARY_EVENT,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    RESERVED_EVENTS,
    ROOT,
    Encoded,
    EncodedPacket,
    Packet,
    PacketType,
    Undecoded,
    check_data,
    check_header,
    check_name,
    event_args,
)

MAX_ATTACHMENTS = 10
MOST_BESIDE_BYTES = 10_000
"""The largest number of lists and objects in a packet with attachments, and in a CONNECT."""

_HEADER = re.compile(r"(/[^,]*)?,?(\d*)", re.ASCII)
_COUNT = re.compile(r"(\d{1,9})-", re.ASCII)
_MAX_ID_DIGITS = 64
_BINARY = frozenset("56")
_KINDS = {str(int(kind)): PacketType(kind - 3) if kind >= BINARY_EVENT else kind for kind in PacketType}
_new = tuple.__new__  # makes a named tuple in half the time


def header(kind: PacketType, namespace: str = ROOT, id: int | None = None, attachments: int = 0) -> bytes:
    """Return the part of a packet before its JSON. EVENT and ACK become their binary types if there are attachments."""
    start = b"4%d%d-" % (kind + 3, attachments) if attachments else b"4%d" % kind
    if namespace != ROOT:
        start += namespace.encode() + b","
    return start if id is None else b"%s%d" % (start, id)


def encode_event(args: Sequence[Any], namespace: str = ROOT, id: int | None = None) -> Encoded:
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
        If the name is reserved (docs/protocol.md#socketio-payloads) or not a str.
    """
    check_name(args[0])
    json, attachments = dump(args)
    return _encoded(EVENT, json, attachments, namespace, id)


def encode_ack(id: int, args: Sequence[Any] | EncodedJSON, namespace: str = ROOT) -> Encoded:
    """Encode the ACK that answers an event.

    Parameters
    ----------
    id : int
    args : sequence, or EncodedJSON
        Its arguments, or its only argument, encoded already.
    namespace : str

    Raises
    ------
    NotJSON
    """
    if type(args) is EncodedJSON:
        json, attachments = b"[%b]" % args.json, args.attachments
    else:
        json, attachments = dump(args)
    if attachments or namespace != ROOT:
        return _encoded(ACK, json, attachments, namespace, id)
    return Encoded(b"43%d%b" % (id, json))


def _encoded(kind: PacketType, json: bytes, attachments: Sequence[bytes], namespace: str, id: int | None) -> Encoded:
    if len(attachments) > MAX_ATTACHMENTS:
        raise NotJSON(f"{len(attachments)} binary attachments, more than the {MAX_ATTACHMENTS} that a packet may have")
    return Encoded(header(kind, namespace, id, len(attachments)) + json, attachments)


def encode_connect(data: dict[str, Any] | None = None, namespace: str = ROOT) -> Encoded:
    """Encode a CONNECT: a client's with its ``auth``, a server's with the ``sid``; raises `NotJSON`."""
    return Encoded(header(CONNECT, namespace) + (_json(data) if data is not None else b""))


def encode_connect_error(message: str, data: Any = None, namespace: str = ROOT) -> Encoded:
    """Encode a CONNECT_ERROR; raises `NotJSON`."""
    error = {"message": message} if data is None else {"message": message, "data": data}
    return Encoded(header(CONNECT_ERROR, namespace) + _json(error))


def _json(value: Any) -> bytes:
    json, attachments = dump(value)
    if attachments:
        raise NotJSON("a CONNECT and its answers cannot hold bytes")
    return json


def encode_disconnect(namespace: str = ROOT) -> Encoded:
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
    on_mended : callable, optional
        Called when ``mended`` has grown.

    Attributes
    ----------
    mended : int
        The number of packets whose text had a lone surrogate, such as half an emoji. U+FFFD replaced it.
    partial : Undecoded or None
        The packet whose attachments are awaited.
    """

    __slots__ = ("_client", "_missing", "_on_mended", "max_attachments", "max_size", "mended", "partial")

    def __init__(
        self,
        *,
        client: bool = False,
        max_attachments: int = MAX_ATTACHMENTS,
        max_size: int = 1_000_000,
        on_mended: Callable[[int], None] | None = None,
    ) -> None:
        self._client = client
        self._on_mended = on_mended
        self.mended = 0
        self.max_attachments = max_attachments
        self.max_size = max_size
        self.partial: Undecoded | None = None
        self._missing = 0

    def feed(self, message: str | bytes) -> Packet | None:
        """Take an Engine.IO message (text with its digit ``4``) and return the packet that it completes, if any.

        Raises
        ------
        TooDeepJSON
            If the payload is nested too deep. The packet is over, attachments and all: the next may follow.
        ProtocolError
            Naming the rule that was broken. The connection must be closed.
        """
        if type(message) is str and message[1:2] == "2" and self.partial is None:
            # the hot path: an event in the root namespace, with or without an id
            start = message.find("[", 2)
            digits = message[2:start]
            try:
                if start == 2:
                    return _new(Packet, (EVENT, ROOT, event_args(load(message[2:])), None))
                if digits.isdecimal() and digits.isascii() and start > 0:
                    return _new(Packet, (EVENT, ROOT, event_args(load(message[start:])), _id(digits)))
            except ProtocolError:
                pass  # `frame` and `decode` raise the error that names the rule
        packet = self.frame(message)
        return packet.decode() if packet is not None else None

    def frame(self, message: str | bytes) -> Undecoded | None:
        """Take an Engine.IO message and return the packet that it completes, without parsing its payload.

        Raises
        ------
        ProtocolError
            If the message does not fit into the stream. The connection must be closed.
        """
        if type(message) is not str:
            return self._attachment(message)  # type: ignore[arg-type]
        if self.partial is not None:
            raise ProtocolError("a text packet where an attachment was awaited")
        kind = _KINDS.get(message[1:2])
        if kind is None:
            raise ProtocolError(f"unknown Socket.IO packet type in {message!r:.40}")
        at, count = 2, 0
        if message[1] in _BINARY:
            count, at = self._count(message)
        match = _HEADER.match(message, at)
        assert match  # it matches the empty string
        namespace, digits = match[1] or ROOT, match[2]
        if match.end() - len(digits) > at and not match[1]:
            raise ProtocolError("a comma without a namespace")
        packet = self._packet(kind, namespace, _id(digits) if digits else None, message, match.end())
        if not count:
            return packet
        self.partial, self._missing = packet, count
        return None

    def decode(self, packet: Undecoded) -> Packet:
        """Parse the payload of a packet; see `Undecoded.decode`."""
        kind, namespace, payload = packet.type, packet.namespace, packet.payload
        if payload and (fault := nesting_fault(payload, MAX_DEPTH, _containers(packet))):
            raise TooDeepJSON(fault, kind, namespace, packet.id, payload)
        data = self._parse(payload) if payload else None
        if data is None and payload and kind is CONNECT:
            raise ProtocolError("the payload of a CONNECT must be an object")
        check_data(kind, data)
        if packet.attachments:
            data = reconstruct(data, packet.attachments)
        return _new(Packet, (kind, namespace, data, packet.id))

    def _parse(self, payload: str | bytes) -> Any:
        try:
            return parse(payload)
        except ProtocolError:
            mended = mend(payload)
            if mended is None:
                raise
        data = parse(mended)
        self.mended += 1
        if self._on_mended:
            self._on_mended(self.mended)
        return data

    def _count(self, message: str) -> tuple[int, int]:
        match = _COUNT.match(message, 2)
        if not match:
            raise ProtocolError("a binary packet without its number of attachments")
        count = int(match[1])
        if not 1 <= count <= self.max_attachments:
            raise ProtocolError(f"{count} attachments: a binary packet has 1 to {self.max_attachments}")
        return count, match.end()

    def _packet(self, kind: PacketType, namespace: str, id: int | None, message: str, start: int) -> Undecoded:
        json = message[start:]
        if kind is DISCONNECT and json:
            raise ProtocolError("a DISCONNECT has no payload")
        check_header(kind, id, client=self._client)
        # a str with one character beyond Latin-1 takes two or four bytes for each character
        payload = json if json.isascii() else json.encode(errors="surrogatepass")
        size = len(payload) + (start if message.isascii() else len(message[:start].encode(errors="surrogatepass")))
        return Undecoded(self, kind, namespace, id, payload, size)

    def _attachment(self, message: bytes) -> Undecoded | None:
        packet = self.partial
        if packet is None:
            raise ProtocolError("a binary message where none was awaited")
        packet.take(message)
        if packet.size > self.max_size:
            raise ProtocolError(f"a packet of more than the {self.max_size} bytes allowed, with its attachments")
        self._missing -= 1
        if self._missing:
            return None
        self.partial = None
        return packet


def _containers(packet: Undecoded) -> int | None:
    """Return the limit of lists and objects in a packet; None for the default.

    It is lower with attachments, since `reconstruct` visits each value, and in a CONNECT, which a stranger may send.
    """
    return MOST_BESIDE_BYTES if packet.attachments or packet.type is CONNECT else None


def _id(digits: str) -> int:
    if len(digits) > _MAX_ID_DIGITS:
        raise ProtocolError(f"an ack id of {len(digits)} digits, more than {_MAX_ID_DIGITS}")
    return int(digits)


__all__ = [
    "ACK", "CONNECT", "CONNECT_ERROR", "DISCONNECT", "EVENT", "MAX_ATTACHMENTS", "MAX_DEPTH", "RESERVED_EVENTS",
    "Decoder", "Encoded", "EncodedPacket", "Packet", "PacketType", "Undecoded",
    "encode_ack", "encode_connect", "encode_connect_error", "encode_disconnect", "encode_event", "header",
]  # fmt: skip
