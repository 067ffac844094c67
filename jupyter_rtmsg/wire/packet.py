"""Packets that all parsers share: decoded, not yet decoded, and encoded (docs/protocol.md#socketio-grammar)."""

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
"""The event that sends a client of our server its position in the log, for connection state recovery."""


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
    """A decoded packet. Binary events and acks have the types EVENT and ACK, and their bytes are in the data.

    ``data`` is the list of arguments of an EVENT (the name first) or ACK, the object of a CONNECT, or None.
    """

    type: PacketType
    namespace: str = ROOT
    data: Any = None
    id: int | None = None


def check_name(name: Any) -> None:
    """Raise `ValueError` if an event with this name cannot be sent (docs/protocol.md#socketio-payloads)."""
    if not isinstance(name, str):
        raise ValueError(f"an event's name must be a str, not {name!r:.80}")
    if name in RESERVED_EVENTS:
        raise ValueError(f"{name!r} is one of Socket.IO's own events and cannot be emitted")


def event_args(data: Any) -> list[Any]:
    """Return the arguments of a received event, its name first; raise `ProtocolError` if they are not valid."""
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
    """Raise `ProtocolError` for a packet that the peer must not send; ``client``: the peer is a server."""
    if kind is ACK and id is None:
        raise ProtocolError("an ACK needs an id and an array")
    if kind is CONNECT_ERROR and not client:
        raise ProtocolError("a CONNECT_ERROR comes from a server and holds an object or a string")


class PacketDecoder(Protocol):
    """The decoder of an `Undecoded` packet."""

    def decode(self, packet: Undecoded) -> Packet:
        """Parse the payload; see `Undecoded.decode`."""


class Undecoded:
    """A packet whose payload is not parsed yet. While it waits, it takes little more memory than its bytes.

    Attributes
    ----------
    type : PacketType
        EVENT or ACK, also for the binary types.
    namespace : str
    id : int or None
    payload : object
        In the form of its decoder.
    attachments : list of bytes
        The attachments that have arrived.
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
            If the payload is nested too deep. Only this packet is refused; the connection stays open.
        ProtocolError
            If the payload does not fit the type of the packet. The connection must be closed.
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
        The text packet as UTF-8, with Engine.IO's digit; empty for a binary message without a text packet.
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
    """A packet that a server sends to any number of receivers. Each form is encoded at most once.

    The WebSocket frame is made by the constructor, since nearly all receivers get it; the other forms are made when
    they are first read.

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
        All its frames for receivers with permessage-deflate.
    volatile : bool
        Whether receivers that cannot be written to now do not get it.
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
        """Skip receivers that cannot be written to now."""
        self.volatile = True

    def leave_plain(self) -> None:
        """Send it uncompressed to all receivers."""
        self.deflated = self.websocket
