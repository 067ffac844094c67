"""Engine.IO packets, the handshake and polling payloads (docs/protocol.md#engineio-encodings)."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.errors import ProtocolError
from jupyter_rtmsg.wire.engineio import OpenPacket, check_packet, decode_payload, encode_payload

# -- the handshake

HANDSHAKE = OpenPacket("S" * 20, 25, 20, 1_000_000, ("websocket",))


def open_packet(**changes: object) -> str:
    """Return an open packet with some fields changed, or left out where the change is ``...``."""
    fields = {"sid": "E1", "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000}
    return "0" + json.dumps({k: v for k, v in {**fields, **changes}.items() if v is not ...})


def test_the_open_packet_is_that_of_the_protocol_to_the_byte():
    assert HANDSHAKE.encode() == (
        '0{"sid":"SSSSSSSSSSSSSSSSSSSS","upgrades":["websocket"],'
        '"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    )


def test_the_open_packet_has_exactly_five_keys():
    fields = json.loads(HANDSHAKE.encode()[1:])
    assert set(fields) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


def test_no_upgrades_is_an_empty_list():
    assert json.loads(OpenPacket("E1", 25, 20, 10).encode()[1:])["upgrades"] == []


@pytest.mark.parametrize(("seconds", "ms"), [(0.3, 300), (0.001, 1), (1.001, 1001), (0.57, 570), (25, 25000)])
def test_times_are_whole_milliseconds_on_the_wire(seconds, ms):
    fields = json.loads(OpenPacket("E1", seconds, seconds, 10).encode()[1:])
    assert fields["pingInterval"] == fields["pingTimeout"] == ms
    assert type(fields["pingInterval"]) is int


def test_a_handshake_is_decoded_as_it_was_encoded():
    assert OpenPacket.decode(HANDSHAKE.encode()) == HANDSHAKE


def test_keys_of_later_protocols_are_ignored():
    assert OpenPacket.decode(open_packet(later=1)) == OpenPacket("E1", 25, 20, 1_000_000)


@pytest.mark.parametrize(
    "packet",
    [
        "",
        "0",
        "0{",
        "0[]",
        '0"x"',
        "0null",
        "1{}",
        "40",
        b"0{}",
        "0{}",
        open_packet(sid=...),
        open_packet(sid=1),
        open_packet(upgrades="websocket"),
        open_packet(pingInterval=...),
        open_packet(pingTimeout="20000"),
        open_packet(maxPayload=None),
        open_packet(pingInterval=-1),
        open_packet(pingInterval=True),
        open_packet(pingInterval=10**400),
        open_packet(maxPayload=1e300),
    ],
    ids=lambda packet: repr(packet)[:60],
)
def test_anything_but_an_open_packet_is_refused_as_handshake(packet):
    with pytest.raises(ProtocolError):
        OpenPacket.decode(packet)


def test_servers_that_say_no_largest_payload_take_the_usual_one():
    """Node's before socket.io 4.5, python-engineio's before 2025."""
    assert OpenPacket.decode(open_packet(maxPayload=...)).max_payload == 1_000_000


@given(st.text() | st.binary() | st.text().map("0".__add__) | st.text('0{}":,sidupgrae[]1').map("0".__add__))
def test_decoding_a_handshake_raises_nothing_but_protocol_errors(packet):
    with suppress(ProtocolError):
        OpenPacket.decode(packet)


# -- packets


@pytest.mark.parametrize("digit", "0123456")
def test_the_seven_types_are_packets(digit):
    assert check_packet(digit) == digit
    assert check_packet(digit + "data") == digit + "data"


@pytest.mark.parametrize("packet", ["7", "9", "-1", "a", "b", " 4", "\x1e", "²", "٣", "probe", "{}"])
def test_an_unknown_type_is_refused(packet):
    with pytest.raises(ProtocolError, match=r"unknown Engine\.IO packet type"):
        check_packet(packet)


def test_an_empty_text_packet_is_refused():
    with pytest.raises(ProtocolError, match="empty"):
        check_packet("")


@pytest.mark.parametrize("message", [b"", b"9", b"\x00\xff"])
def test_binary_is_always_a_message(message):
    assert check_packet(message) == message


# -- polling payloads


def test_packets_are_joined_by_a_record_separator_without_a_last_one():
    assert encode_payload(["4hello", "2", "4€"]) == "4hello\x1e2\x1e4€"


def test_binary_is_b_and_base64_without_a_digit():
    assert encode_payload([b"\x01\x02\x03\x04"]) == "bAQIDBA=="
    assert decode_payload("bAQIDBA==") == [b"\x01\x02\x03\x04"]


def test_one_packet_stands_alone():
    assert encode_payload(["6"]) == "6"
    assert decode_payload("6") == ["6"]


def test_empty_binary_is_a_packet():
    assert encode_payload([b""]) == "b"
    assert decode_payload("b") == [b""]


@pytest.mark.parametrize("count", [16, 17, 40, 10_000])
def test_a_payload_may_hold_any_number_of_packets(count):
    packets = [f'42["n",{i}]' for i in range(count)]
    assert decode_payload(encode_payload(packets)) == packets


UNDECODABLE = {
    "an empty body": ("", "empty"),
    "abc": ("abc", "unknown Engine.IO packet type"),
    "an unknown type": ("7", "unknown Engine.IO packet type"),
    "an empty packet between": ("4a\x1e\x1e4b", "empty"),
    "a separator at the end": ("4a\x1e", "empty"),
    "a separator at the start": ("\x1e4a", "empty"),
    "only separators": ("\x1e\x1e", "empty"),
    "a good packet and a bad one": ("4a\x1ex", "unknown Engine.IO packet type"),
    "base64 without its padding": ("bAQIDBA", "no base64"),
    "base64 with something else in it": ("bAQ!DBA==", "no base64"),
    "base64 with a newline": ("bAQID\nBA==", "no base64"),
    "URL-safe base64": ("b-_-_", "no base64"),
    "base64 with padding in the middle": ("bAQ==AQ==", "no base64"),
    "no ASCII": ("bÄÖÜ=", "no base64"),
    "version 3's binary": ("b4AQIDBA==", "no base64"),
}


@pytest.mark.parametrize(("body", "words"), UNDECODABLE.values(), ids=UNDECODABLE)
def test_undecodable(body, words):
    with pytest.raises(ProtocolError, match=words):
        decode_payload(body)


texts = st.builds(str.__add__, st.sampled_from("0123456"), st.text(st.characters(exclude_characters="\x1e")))


@given(st.lists(texts | st.binary(), min_size=1, max_size=10))
def test_any_payload_is_decoded_as_it_was_encoded(packets):
    assert decode_payload(encode_payload(packets)) == packets


@given(st.binary(min_size=1))
def test_binary_is_standard_base64(data):
    assert encode_payload([data]) == "b" + base64.standard_b64encode(data).decode()


@given(st.text() | st.text("0123456b=A\x1e/+-"))
def test_decoding_garbage_raises_nothing_but_protocol_errors(body):
    try:
        packets = decode_payload(body)
    except ProtocolError:
        return
    assert len(packets) == body.count("\x1e") + 1
