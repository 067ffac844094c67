"""permessage-deflate, RFC 7692: what is agreed, compressed and inflated."""

from __future__ import annotations

import os
import zlib

import pytest

from jupyter_rtmsg.wire.deflate import LONGEST_OFFER, THRESHOLD, DeflateParser, accepts, deflated_frame
from jupyter_rtmsg.wire.socketio import encode_event
from jupyter_rtmsg.wire.websocket import BINARY, CLOSE, PING, TEXT, FrameParser, Ping, encode_frame

TAIL = b"\x00\x00\xff\xff"


def compress(payload: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def parser(max_size: int = 1000) -> DeflateParser:
    return DeflateParser(masked=True, max_size=max_size)


def frame(first: int, payload: bytes) -> bytes:
    """A masked frame with this first byte."""
    data = bytearray(encode_frame(first & 0xF, payload, os.urandom(4)))
    data[0] = first
    return bytes(data)


@pytest.mark.parametrize(
    "offers",
    [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate;client_max_window_bits=10; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=15",
        'permessage-deflate ; server_max_window_bits = "15" ; server_no_context_takeover',
        "x-webkit-deflate-frame, permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
    ],
)
def test_offers_that_are_accepted(offers: str) -> None:
    assert accepts(offers)


@pytest.mark.parametrize(
    "offers",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; unknown",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate-more",
        "permessage-deflate; " + "x" * LONGEST_OFFER,
        'x; y=",permessage-deflate; client_max_window_bits,"',
    ],
)
def test_offers_that_are_declined(offers: str) -> None:
    assert not accepts(offers)


def test_the_examples_of_rfc_7692_section_7_2_3() -> None:
    for payload in ("f248cdc9c90700", "f348cdc9c9070000", "f248050000 00ffff cac9c90700".replace(" ", "")):
        assert parser().feed(frame(0xC1, bytes.fromhex(payload))) == ["Hello"]
    fragments = frame(0x41, bytes.fromhex("f248cd")) + frame(0x80, bytes.fromhex("c9c90700"))
    assert parser().feed(fragments) == ["Hello"]


def test_compressed_and_plain_messages_follow_one_another_with_controls_between() -> None:
    whole = compress(b"compressed" * 5)
    data = (
        frame(0x81, b"plain")
        + frame(0xC2, whole)
        + frame(0x01, b"pla")
        + frame(0x80 | PING, b"!")
        + frame(0x80, b"in")
        + frame(0x42, whole[:3])
        + frame(0x80 | PING, b"?")
        + frame(0x80, whole[3:])
        + frame(0x82, b"\x00")
    )
    expected = ["plain", b"compressed" * 5, Ping(b"!"), "plain", Ping(b"?"), b"compressed" * 5, b"\x00"]
    assert parser().feed(data) == expected
    trickle = parser()
    assert [message for byte in data for message in trickle.feed(bytes([byte]))] == expected


def test_a_bomb_is_refused_before_it_has_grown() -> None:
    bomb = compress(bytes(50_000_000))
    small = parser(100_000)
    assert len(bomb) < 100_000
    assert small.feed(frame(0xC2, bomb)) == []
    assert small.error is not None
    assert small.error.code == 1009


def test_the_limit_is_that_of_the_inflated_message() -> None:
    assert parser(1000).feed(frame(0xC2, compress(bytes(1000)))) == [bytes(1000)]
    over = parser(1000)
    assert over.feed(frame(0xC2, compress(bytes(1001)))) == []
    assert over.error


@pytest.mark.parametrize(
    ("first", "payload", "code"),
    [
        (0xC1, b"\xff\xff\xff", 1007),
        (0xC1, compress(b"\xff\xfe"), 1007),
        (0xE1, compress(b"x"), 1002),
        (0xA1, b"x", 1002),
        (0xC0 | PING, b"x", 1002),
        (0xC0 | CLOSE, b"\x03\xe8", 1002),
        (0xC0, b"x", 1002),
    ],
    ids=["garbage", "no UTF-8", "RSV2", "RSV2 alone", "ping", "close", "continuation"],
)
def test_refused(first: int, payload: bytes, code: int) -> None:
    strict = parser()
    assert strict.feed(frame(first, payload)) == []
    assert strict.error is not None
    assert strict.error.code == code


def test_a_reserved_bit_in_the_midst_of_fragments_is_refused() -> None:
    strict = parser()
    strict.feed(frame(0x01, b"x") + frame(0xC0, b"y"))
    assert strict.error is not None
    assert strict.error.code == 1002


def test_a_compressed_message_is_smaller_and_arrives_unchanged() -> None:
    payload = b"abc" * 1000
    data = deflated_frame(TEXT, payload)
    assert len(data) < 100
    assert DeflateParser(masked=False, max_size=10_000).feed(data) == [payload.decode()]


def test_small_or_random_messages_are_not_compressed() -> None:
    small, random = b"a" * (THRESHOLD - 1), os.urandom(5000)
    assert deflated_frame(TEXT, small) == encode_frame(TEXT, small)
    assert deflated_frame(BINARY, random) == encode_frame(BINARY, random)


def test_a_packet_is_compressed_once_with_its_attachments() -> None:
    encoded = encode_event(["x", "y" * 3000, b"z" * 3000])
    assert encoded.deflated is encoded.deflated
    assert len(encoded.deflated) < 200
    inflated = DeflateParser(masked=False, max_size=10_000).feed(encoded.deflated)
    assert inflated == FrameParser(masked=False, max_size=10_000).feed(encoded.websocket)


def test_a_packet_that_is_to_stay_plain_is_not_compressed() -> None:
    encoded = encode_event(["x", "y" * 3000])
    encoded.leave_plain()
    assert encoded.deflated is encoded.websocket
