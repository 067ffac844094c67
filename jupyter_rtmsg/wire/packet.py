"""Packets, decoded or not yet, and encoded: what all parsers share (docs/protocol.md#socketio-grammar)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from ..errors import ProtocolError
from .deflate import deflated_frame
from .engineio import encode_payload
from .websocket import BINARY, TEXT, encode_frame

ROOT = "/"
RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)

OFFSET = "$offset"
"""The event that tells a client of our server how far it is, for connection state recovery."""


class PacketType(IntEnum):
    """The types of docs/protocol.md#socketio-grammar."""

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
    namespace: str = ROOT
    data: Any = None
    id: int | None = None


def check_name(name: Any) -> None:
    """Raise `ValueError` for what cannot be the name of an event that is sent (docs/protocol.md#socketio-payloads)."""
    if not isinstance(name, str):
        raise ValueError(f"an event's name must be a str, not {name!r:.80}")
    if name in RESERVED_EVENTS:
        raise ValueError(f"{name!r} is one of Socket.IO's own events and cannot be emitted")


def event_args(data: Any) -> list[Any]:
    """Return the arguments of an event that was received, its name first; raise `ProtocolError` if they are none."""
    if type(data) is not list or not data:
        raise ProtocolError("an event must be a non-empty array")
    name = data[0]
    if type(name) is not str:
        if type(name) not in (int, float):
            raise ProtocolError("an event's name must be a string or a number")
    elif name in RESERVED_EVENTS:
        raise ProtocolError(f"the event name {name!r} is reserved")
    return data


def check_data(kind: PacketType, data: Any) -> None:
    """Raise `ProtocolError` for data that a packet of this type cannot have (docs/protocol.md#socketio-payloads)."""
    if kind is EVENT:
        event_args(data)
    elif kind is ACK:
        if type(data) is not list:
            raise ProtocolError("an ACK needs an id and an array")
    elif kind is CONNECT:
        if data is not None and type(data) is not dict:
            raise ProtocolError("the payload of a CONNECT must be an object")
    elif kind is CONNECT_ERROR:
        if not isinstance(data, (dict, str)):
            raise ProtocolError("a CONNECT_ERROR comes from a server and holds an object or a string")
    elif data is not None:
        raise ProtocolError("a DISCONNECT has no payload")


def check_header(kind: PacketType, id: int | None, *, client: bool) -> None:
    """Raise `ProtocolError` for a packet that this side cannot get; ``client``: the peer is a server."""
    if kind is ACK and id is None:
        raise ProtocolError("an ACK needs an id and an array")
    if kind is CONNECT_ERROR and not client:
        raise ProtocolError("a CONNECT_ERROR comes from a server and holds an object or a string")


class PacketDecoder(Protocol):
    """What an `Undecoded` packet is decoded by."""

    def decode(self, packet: Undecoded) -> Packet:
        """Parse the payload; see `Undecoded.decode`."""


class Undecoded:
    """A packet whose payload nobody has parsed: while it waits, it takes hardly more memory than it did on the wire.

    Attributes
    ----------
    type : PacketType
        EVENT or ACK for binary ones too.
    namespace : str
    id : int or None
    payload : object
        As the decoder keeps it.
    attachments : list of bytes
        What has come of those that stand beside the payload.
    size : int
        Bytes of text and attachments.
    """

    __slots__ = ("_decoder", "attachments", "id", "namespace", "payload", "size", "type")

    def __init__(
        self, decoder: PacketDecoder, type: PacketType, namespace: str, id: int | None, payload: Any, size: int
    ) -> None:
        self._decoder = decoder
        self.type = type
        self.namespace = namespace
        self.id = id
        self.payload = payload
        self.size = size
        self.attachments: Sequence[bytes] = ()

    def decode(self) -> Packet:
        """Parse the payload.

        Raises
        ------
        TooDeepJSON
            If it is nested too deep: nothing else is wrong with the packet, nor with its connection.
        ProtocolError
            If the payload is not one of this type of packet. The connection must be closed.
        """
        return self._decoder.decode(self)

    def take(self, attachment: bytes) -> None:
        """Add an attachment."""
        self.attachments = [*self.attachments, attachment]
        self.size += len(attachment)


class EncodedPacket:
    """An encoded packet, as both sides send it.

    Parameters
    ----------
    text : bytes
        The text packet as UTF-8, with Engine.IO's digit; empty for a binary message that stands alone.
    attachments : sequence of bytes
        The binary packets that follow it.
    """

    __slots__ = ("attachments", "text")

    def __init__(self, text: bytes, attachments: Sequence[bytes] = ()) -> None:
        self.text = text
        self.attachments = attachments

    @property
    def messages(self) -> list[str | bytes]:
        """Its Engine.IO messages."""
        return [self.text.decode(), *self.attachments] if self.text else list(self.attachments)

    def payload(self) -> str:
        """Return all its messages as a polling payload."""
        return encode_payload(self.messages)

    def frames(self, mask: Callable[[], bytes] | None = None) -> bytes:
        """Return all its WebSocket frames.

        Parameters
        ----------
        mask : callable, optional
            Returns four random bytes. A client must give it, and each frame gets its own mask (RFC 6455, section 5.3).
        """
        texts = (self.text,) if self.text else ()
        frames = [*((TEXT, text) for text in texts), *((BINARY, item) for item in self.attachments)]
        return b"".join([encode_frame(opcode, payload, mask() if mask else None) for opcode, payload in frames])


class Encoded(EncodedPacket):
    """A packet that a server sends to any number of receivers: each form is made at most once.

    The WebSocket frame is made with the packet, since nearly every receiver gets that; the other forms when they are
    first asked for.

    Parameters
    ----------
    text, attachments
        See `EncodedPacket`.

    Attributes
    ----------
    websocket : bytes
        All its frames, as a server sends them.
    polling : str
        All its messages, as a polling payload.
    deflated : bytes
        All its frames for receivers that agreed on permessage-deflate.
    volatile : bool
        Whether it is dropped for receivers that cannot be written to at once.
    """

    __slots__ = ("deflated", "polling", "volatile", "websocket")

    websocket: bytes
    polling: str
    deflated: bytes

    def __init__(self, text: bytes, attachments: Sequence[bytes] = ()) -> None:
        self.text = text
        self.attachments = attachments
        self.volatile = False
        self.websocket = self.frames() if attachments else encode_frame(TEXT, text)

    def __getattr__(self, name: str) -> Any:
        if name == "polling":
            self.polling = self.payload()
            return self.polling
        if name == "deflated":
            frames = [deflated_frame(TEXT, self.text)] if self.text else []
            self.deflated = b"".join([*frames, *(deflated_frame(BINARY, item) for item in self.attachments)])
            return self.deflated
        raise AttributeError(name)

    def make_volatile(self) -> None:
        """Drop it for receivers that cannot be written to at once."""
        self.volatile = True

    def leave_plain(self) -> None:
        """Compress it for no receiver."""
        self.deflated = self.websocket
