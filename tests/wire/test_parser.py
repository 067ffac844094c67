"""Parsers: what a server and a client ask of one, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.errors import NotJSON, ProtocolError
from jupyter_rtmsg.wire.data import EncodedJSON
from jupyter_rtmsg.wire.deflate import DeflateParser
from jupyter_rtmsg.wire.engineio import decode_payload
from jupyter_rtmsg.wire.packet import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet
from jupyter_rtmsg.wire.parser import JSON, MSGPACK, Codec, JSONParser, answer_to_other_parser, codec_of, decoded
from jupyter_rtmsg.wire.websocket import FrameParser


class Plain:
    """A parser that an application might write."""

    def encode(self, packet: Packet) -> str:
        return json.dumps([packet.type, packet.namespace, packet.data, packet.id])

    def decode(self, message: str | bytes) -> Packet:
        return Packet(*json.loads(message))


class Fixed:
    """A parser that decodes whatever comes to the same."""

    def __init__(self, packet: Any) -> None:
        self.packet = packet

    def encode(self, packet: Packet) -> str | bytes:
        return "a\x1eb"

    def decode(self, message: str | bytes) -> Any:
        return self.packet


CODECS = {"json": JSON, "msgpack": MSGPACK, "own": codec_of(Plain())}


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


SENT: dict[str, tuple[Callable[[Codec], Any], Packet]] = {
    "CONNECT": (lambda codec: codec.connect(), Packet(CONNECT)),
    "CONNECT with auth": (lambda codec: codec.connect({"a": 1}, "/n"), Packet(CONNECT, "/n", {"a": 1})),
    "DISCONNECT": (lambda codec: codec.disconnect("/n"), Packet(DISCONNECT, "/n")),
    "EVENT": (lambda codec: codec.event(["e", 1]), Packet(EVENT, "/", ["e", 1])),
    "EVENT with id": (lambda codec: codec.event(["e"], "/n", 0), Packet(EVENT, "/n", ["e"], 0)),
    "ACK": (lambda codec: codec.ack(7, [None, "x"]), Packet(ACK, "/", [None, "x"], 7)),
    "CONNECT_ERROR": (lambda codec: codec.connect_error("no"), Packet(CONNECT_ERROR, "/", {"message": "no"})),
    "CONNECT_ERROR with data": (
        lambda codec: codec.connect_error("no", [1], "/n"),
        Packet(CONNECT_ERROR, "/n", {"message": "no", "data": [1]}),
    ),
}


@pytest.mark.parametrize(("send", "packet"), SENT.values(), ids=SENT)
def test_every_packet_arrives_over_both_transports(codec, send, packet):
    encoded = send(codec)
    frames = FrameParser(masked=False, max_size=1000).feed(encoded.websocket)
    assert frames == decode_payload(encoded.polling)
    for messages in (frames, FrameParser(masked=True, max_size=1000).feed(encoded.frames(lambda: b"mask"))):
        (arrived,) = [codec.decoder(client=True).feed(message) for message in messages]
        assert arrived == packet
        waiting = codec.decoder(client=True).frame(messages[0])
        assert waiting is not None
        assert (waiting.type, waiting.namespace, waiting.id, waiting.decode()) == (*packet[:2], packet.id, packet)


def test_a_packet_may_be_compressed(codec):
    encoded = codec.event(["e", "text " * 1000])
    frames = DeflateParser(masked=False, max_size=10_000).feed(encoded.deflated)
    assert frames == encoded.messages
    assert len(encoded.deflated) < 500 < len(encoded.websocket)
    assert encoded.deflated is encoded.deflated


def test_each_form_of_a_packet_is_made_once(codec):
    encoded = codec.event(["e", 1])
    assert encoded.websocket is encoded.websocket
    assert encoded.polling is encoded.polling


@pytest.mark.parametrize("name", CODECS)
def test_a_packet_may_be_decoded_where_it_was_encoded(name):
    data = ["e", {"n": (1, 2)}, *([b"a" * 2_000_000, [b"b"]] if name != "own" else [])]
    packet = decoded(CODECS[name].event(data, "/n"), CODECS[name])
    assert packet == Packet(EVENT, "/n", ["e", {"n": [1, 2]}, *data[2:]])


@pytest.mark.parametrize("name", ["connect", "disconnect", "newListener"])
def test_a_reserved_event_is_neither_sent_nor_taken(codec, name):
    with pytest.raises(ValueError, match=r"Socket\.IO's own"):
        codec.event([name])
    with pytest.raises(ValueError, match="must be a str"):
        codec.event([1])
    forged = {
        "json": f'42["{name}"]',
        "msgpack": b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91" + bytes([0xA0 + len(name)]) + name.encode(),
        "Plain": f'4[2,"/",["{name}"],null]',
    }
    with pytest.raises(ProtocolError, match="reserved"):
        codec.decoder().feed(forged[codec.name])


def test_a_server_takes_no_connect_error(codec):
    (message,) = decode_payload(codec.connect_error("no").polling)
    assert codec.decoder(client=True).feed(message)
    with pytest.raises(ProtocolError, match="comes from a server"):
        codec.decoder().feed(message)


@given(st.text() | st.binary(), st.sampled_from(list(CODECS)), st.booleans())
def test_any_message_raises_nothing_but_protocol_errors(message, name, client):
    decoder = CODECS[name].decoder(client=client)
    try:
        decoder.feed("4" + message if isinstance(message, str) else message)
    except ProtocolError:
        return


RETURNED = {
    "nothing": None,
    "too little": (2, "/"),
    "a binary type": Packet(5, "/", ["e"]),  # type: ignore[arg-type]
    "no type": Packet("2", "/", ["e"]),  # type: ignore[arg-type]
    "a list for a type": Packet([], "/", ["e"]),  # type: ignore[arg-type]
    "no namespace": Packet(EVENT, None, ["e"]),  # type: ignore[arg-type]
    "a namespace without slash": Packet(EVENT, "n", ["e"]),
    "an id that is text": Packet(EVENT, "/", ["e"], "1"),  # type: ignore[arg-type]
    "an id below 0": Packet(EVENT, "/", ["e"], -1),
    "an ACK without id": Packet(ACK, "/", []),
    "a reserved name": Packet(EVENT, "/", ["connect"]),
    "a DISCONNECT with data": Packet(DISCONNECT, "/", {}),
}


@pytest.mark.parametrize("packet", RETURNED.values(), ids=RETURNED)
def test_a_parser_that_returns_no_packet_ends_the_connection(packet):
    with pytest.raises(ProtocolError):
        codec_of(Fixed(packet)).decoder().feed(b"x")


def test_an_exception_of_a_parser_closes_the_connection():
    with pytest.raises(ProtocolError, match="cannot decode a message: JSONDecodeError"):
        codec_of(Plain()).decoder().feed("4{")


def test_a_text_that_polling_cannot_carry_is_not_sent():
    with pytest.raises(NotJSON, match=r"U\+001E"):
        codec_of(Fixed(None)).event(["e"])


def test_json_that_is_encoded_already_is_for_the_default_parser_alone():
    assert JSON.ack(1, EncodedJSON(b"[1]")).text == b"431[[1]]"
    with pytest.raises(NotJSON, match="encoded already"):
        MSGPACK.ack(1, EncodedJSON(b"[1]"))


def test_a_parser_is_named_or_given():
    assert codec_of("json") is JSON
    assert codec_of(JSONParser()) is JSON
    assert codec_of("msgpack") is MSGPACK
    assert codec_of(Plain()).name == "Plain"
    for parser in ("xml", None, 3, object(), Plain):
        with pytest.raises(ValueError, match="a parser is 'json', 'msgpack' or an object"):
            codec_of(parser)  # type: ignore[arg-type]


# -- peers whose parsers differ


@pytest.mark.parametrize("ours", CODECS)
@pytest.mark.parametrize("theirs", ["json", "msgpack"])
def test_a_connect_of_another_parser_is_refused_in_the_words_of_that_parser(ours, theirs):
    codec, other = CODECS[ours], CODECS[theirs]
    (message,) = decode_payload(other.connect({"token": "x"}, "/n").polling)
    answer = answer_to_other_parser(message, codec)
    if ours == theirs:
        assert answer is None
        return
    assert answer is not None
    (message,) = decode_payload(answer.polling)
    packet = other.decoder(client=True).feed(message)
    assert packet is not None
    assert packet[:2] == (CONNECT_ERROR, "/n")
    assert f"the server speaks the parser {codec.name!r}, the client {theirs!r}" in packet.data["message"]


@pytest.mark.parametrize("message", ["4", '42["e"]', "4x", b"", b"x", MSGPACK.event(["e"]).attachments[0]])
def test_a_message_that_is_not_a_connect_of_another_parser_is_not_answered(message):
    assert answer_to_other_parser(message, codec_of(Plain())) is None
