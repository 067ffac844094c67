"""Parsers: packets to messages and back. Both sides of a connection must use the same parser."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from ..errors import NotJSON, ProtocolError
from .data import EncodedJSON
from .engineio import SEPARATOR
from .msgpack import MsgpackParser
from .packet import (
    ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    ROOT,
    Encoded,
    Packet,
    PacketType,
    Undecoded,
    check_data,
    check_header,
    check_name,
)
from .socketio import Decoder, encode_ack, encode_connect, encode_connect_error, encode_disconnect, encode_event


@runtime_checkable
class Parser(Protocol):
    """A parser that an application may implement for its server and client. Each packet is one message.

    `Packet` lists the fields of a packet. Its type is one of the five that are not binary.
    """

    def encode(self, packet: Packet) -> str | bytes:
        """Return a packet as a text or a binary message.

        ``emit`` raises the exceptions of this method. Raise `NotJSON` for data that the parser cannot encode.
        """

    def decode(self, message: str | bytes) -> Packet:
        """Return the packet in a message.

        An exception closes the connection. Raise `ProtocolError` if the message is not a packet.
        """


class PacketSource(Protocol):
    """The decoder of one connection, such as `Decoder`."""

    @property
    def partial(self) -> Undecoded | None:
        """The packet whose attachments are awaited."""

    @property
    def mended(self) -> int:
        """The number of packets whose text had a lone surrogate."""

    def feed(self, message: str | bytes) -> Packet | None:
        """Take a message and return the packet that it completes."""

    def frame(self, message: str | bytes) -> Undecoded | None:
        """Take a message and return the packet that it completes, without parsing its payload."""


class Codec(Protocol):
    """Encodes the packets that a server or a client sends, and makes decoders for those that it receives.

    Attributes
    ----------
    name : str
        The name of the parser.
    """

    name: str

    def event(self, args: Sequence[Any], namespace: str = ROOT, id: int | None = None) -> Encoded:
        """Encode an EVENT; raises `NotJSON`, and ValueError if its name is reserved."""

    def ack(self, id: int, args: Sequence[Any] | EncodedJSON, namespace: str = ROOT) -> Encoded:
        """Encode an ACK; raises `NotJSON`."""

    def connect(self, data: dict[str, Any] | None = None, namespace: str = ROOT) -> Encoded:
        """Encode a CONNECT; raises `NotJSON`."""

    def connect_error(self, message: str, data: Any = None, namespace: str = ROOT) -> Encoded:
        """Encode a CONNECT_ERROR; raises `NotJSON`."""

    def disconnect(self, namespace: str = ROOT) -> Encoded:
        """Encode a DISCONNECT."""

    def decoder(
        self, *, client: bool = False, max_size: int = 1_000_000, on_mended: Callable[[int], None] | None = None
    ) -> PacketSource:
        """Return a decoder for the messages of one connection; see `Decoder`."""


class JSONParser:
    """Socket.IO's default parser: JSON, with bytes in messages of their own. `wire.socketio` implements it."""

    name = "json"
    event = staticmethod(encode_event)
    ack = staticmethod(encode_ack)
    connect = staticmethod(encode_connect)
    connect_error = staticmethod(encode_connect_error)
    disconnect = staticmethod(encode_disconnect)

    def decoder(
        self, *, client: bool = False, max_size: int = 1_000_000, on_mended: Callable[[int], None] | None = None
    ) -> Decoder:
        """See `Codec.decoder`."""
        return Decoder(client=client, max_size=max_size, on_mended=on_mended)


class MessageCodec:
    """The `Codec` of a `Parser`.

    Parameters
    ----------
    parser : Parser
    """

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self.name: str = getattr(parser, "name", type(parser).__name__)

    def event(self, args: Sequence[Any], namespace: str = ROOT, id: int | None = None) -> Encoded:
        """See `Codec.event`."""
        check_name(args[0])
        return self._encoded(Packet(EVENT, namespace, list(args), id))

    def ack(self, id: int, args: Sequence[Any] | EncodedJSON, namespace: str = ROOT) -> Encoded:
        """See `Codec.ack`."""
        if isinstance(args, EncodedJSON):
            raise NotJSON(f"JSON that is encoded already cannot be sent by the parser {self.name!r}")
        return self._encoded(Packet(ACK, namespace, list(args), id))

    def connect(self, data: dict[str, Any] | None = None, namespace: str = ROOT) -> Encoded:
        """See `Codec.connect`."""
        return self._encoded(Packet(CONNECT, namespace, data))

    def connect_error(self, message: str, data: Any = None, namespace: str = ROOT) -> Encoded:
        """See `Codec.connect_error`."""
        error = {"message": message} if data is None else {"message": message, "data": data}
        return self._encoded(Packet(CONNECT_ERROR, namespace, error))

    def disconnect(self, namespace: str = ROOT) -> Encoded:
        """See `Codec.disconnect`."""
        return self._encoded(Packet(DISCONNECT, namespace))

    def _encoded(self, packet: Packet) -> Encoded:
        message = self._parser.encode(packet)
        if not isinstance(message, str):
            return Encoded(b"", (message,))
        if SEPARATOR in message:
            raise NotJSON("a text with U+001E ends a packet on polling: a parser must escape it, or return bytes")
        return Encoded(b"4" + message.encode())

    def decoder(
        self, *, client: bool = False, max_size: int = 1_000_000, on_mended: Callable[[int], None] | None = None
    ) -> PacketSource:
        """See `Codec.decoder`."""
        if isinstance(self._parser, MsgpackParser):
            return self._parser.decoder(client=client)
        return MessageDecoder(self._parser, client)


class MessageDecoder:
    """Decodes messages with a `Parser`, which parses the header and the data of a packet in one call.

    Parameters
    ----------
    parser : Parser
    client : bool
        Whether the peer is a server.
    """

    __slots__ = ("_client", "_parser")
    partial = None
    mended = 0

    def __init__(self, parser: Parser, client: bool) -> None:
        self._parser = parser
        self._client = client

    def feed(self, message: str | bytes) -> Packet:
        """Take a message and return its packet; raises `ProtocolError`."""
        return self.frame(message).decode()

    def frame(self, message: str | bytes) -> Undecoded:
        """Take a message and return its packet; raises `ProtocolError`."""
        try:
            kind, namespace, data, id = self._parser.decode(message[1:] if isinstance(message, str) else message)
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError(f"the parser cannot decode a message: {error!r:.200}") from error
        if not isinstance(kind, int) or kind not in _TYPES:
            raise ProtocolError(f"the parser returned a packet of type {kind!r:.80}")
        if type(namespace) is not str or namespace[:1] != "/":
            raise ProtocolError(f"a namespace must begin with a slash, unlike {namespace!r:.80}")
        kind = PacketType(kind)
        if id is not None and (type(id) is not int or id < 0):
            raise ProtocolError(f"an ack id must be a number, not {id!r:.80}")
        check_header(kind, id, client=self._client)
        return Undecoded(self, kind, namespace, id, data, len(message))

    def decode(self, packet: Undecoded) -> Packet:
        """See `Undecoded.decode`."""
        check_data(packet.type, packet.payload)
        return Packet(packet.type, packet.namespace, packet.payload, packet.id)


_TYPES = frozenset({CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR})
JSON: Codec = JSONParser()
MSGPACK: Codec = MessageCodec(MsgpackParser())


def codec_of(parser: str | Parser | JSONParser) -> Codec:
    """Return the codec of a parser.

    Parameters
    ----------
    parser : str or Parser
        ``"json"``, ``"msgpack"``, or an object with ``encode`` and ``decode``.

    Raises
    ------
    ValueError
        If there is no such parser.
    """
    if isinstance(parser, JSONParser) or parser == JSON.name:
        return JSON
    if parser == MSGPACK.name:
        return MSGPACK
    if isinstance(parser, (str, type)) or not isinstance(parser, Parser):
        raise ValueError(
            f"a parser is 'json', 'msgpack' or an object with the methods encode and decode, not {parser!r:.80}"
        )
    return MessageCodec(parser)


def decoded(encoded: Encoded, codec: Codec) -> Packet:
    """Return an encoded packet as the peer decodes it."""
    decoder = codec.decoder(client=True, max_size=sys.maxsize)
    *_, packet = map(decoder.feed, encoded.messages)
    assert packet is not None
    return packet


def answer_to_other_parser(message: str | bytes, codec: Codec) -> Encoded | None:
    """Return the CONNECT_ERROR for a CONNECT in the format of another parser, encoded by that parser.

    A client whose connection is only closed connects again and again; a refused client does not.

    Returns
    -------
    Encoded or None
        None if the message is not a CONNECT of a known parser.
    """
    for other in (JSON, MSGPACK):
        if other.name == codec.name:
            continue
        try:
            packet = other.decoder().frame(message)
        except ProtocolError:
            continue
        if packet is not None and packet.type is CONNECT:
            error = f"the server speaks the parser {codec.name!r}, the client {other.name!r}: both must use the same"
            return other.connect_error(error, {"code": "parser"}, packet.namespace)
    return None
