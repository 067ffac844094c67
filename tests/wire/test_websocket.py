"""RFC 6455 frames, byte for byte: what is accepted, what is refused and with which close code."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, close_payload, frame

from jupyter_rtmsg.errors import ProtocolError, WebSocketError
from jupyter_rtmsg.wire import websocket
from jupyter_rtmsg.wire.websocket import (
    Close,
    FrameParser,
    Message,
    Ping,
    Pong,
    accept_value,
    encode_close,
    encode_frame,
)

LIMIT = 200_000


def parser(*, masked: bool = False, max_size: int = LIMIT) -> FrameParser:
    return FrameParser(masked=masked, max_size=max_size)


def parse(*frames: bytes, masked: bool = False, max_size: int = LIMIT) -> list[Message]:
    """Return the messages of frames that must all be well-formed."""
    one = parser(masked=masked, max_size=max_size)
    messages = one.feed(b"".join(frames))
    assert one.error is None, one.error
    return messages


def refused(*frames: bytes, masked: bool = False, max_size: int = LIMIT) -> WebSocketError:
    """Return the error of frames of which the last one is wrong."""
    one = parser(masked=masked, max_size=max_size)
    one.feed(b"".join(frames))
    assert one.error is not None, "accepted"
    return one.error


# -- the opening handshake


def test_the_accept_value_is_the_example_of_rfc_6455():
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


# -- whole messages


@pytest.mark.parametrize("masked", [False, True], ids=["from a server", "from a client"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 128, 65535, 65536, 65537, LIMIT])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_any_length_arrives_whole(opcode, size, masked):
    payload = (b"0123456789" * (size // 10 + 1))[:size]
    expected = payload.decode() if opcode == TEXT else payload
    assert parse(frame(opcode, payload, mask=MASK if masked else None), masked=masked) == [expected]


def test_the_examples_of_rfc_6455_section_5_7():
    assert parse(bytes.fromhex("810548656c6c6f")) == ["Hello"]
    assert parse(bytes.fromhex("818537fa213d7f9f4d5158"), masked=True) == ["Hello"]
    assert parse(bytes.fromhex("010348656c" + "80026c6f")) == ["Hello"]
    assert parse(bytes.fromhex("890548656c6c6f")) == [Ping(b"Hello")]
    assert parse(bytes.fromhex("8a8537fa213d7f9f4d5158"), masked=True) == [Pong(b"Hello")]
    assert parse(bytes.fromhex("827E0100") + bytes(256)) == [bytes(256)]
    assert parse(bytes.fromhex("827F0000000000010000") + bytes(65536)) == [bytes(65536)]


@pytest.mark.parametrize(("size", "width"), [(0, 2), (5, 2), (125, 2), (0, 8), (5, 8), (125, 8), (126, 8), (65535, 8)])
def test_a_length_in_more_bytes_than_needed_is_tolerated_as_browsers_and_ws_do(size, width):
    assert parse(frame(BINARY, bytes(size), width=width)) == [bytes(size)]
    assert parse(frame(BINARY, bytes(size), width=width, mask=MASK), masked=True) == [bytes(size)]


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", MASK])
def test_every_mask_is_undone(mask):
    text = "héllo wörld €"
    assert parse(frame(TEXT, text.encode(), mask=mask), masked=True) == [text]


def test_all_messages_of_one_read_come_in_order():
    frames = [frame(TEXT, b"a"), frame(BINARY, b"b"), frame(PING, b"c"), frame(PONG, b"d"), frame(TEXT, b"e")]
    assert parse(*frames) == ["a", b"b", Ping(b"c"), Pong(b"d"), "e"]


def test_text_and_binary_are_told_apart_by_their_types():
    text, binary = parse(frame(TEXT, b"x"), frame(BINARY, b"x"))
    assert type(text) is str
    assert type(binary) is bytes


# -- fragments


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_fragments_are_joined(parts):
    frames = [frame(TEXT, b"0", fin=False)]
    frames += [frame(CONTINUATION, b"%d" % i, fin=False) for i in range(1, parts - 1)]
    assert parse(*frames, frame(CONTINUATION, b"z")) == ["".join(map(str, range(parts - 1))) + "z"]


FRAGMENTED = {
    "binary": ([frame(BINARY, b"a", fin=False), frame(CONTINUATION, b"b")], [b"ab"]),
    "empty parts": (
        [frame(TEXT, b"", fin=False), frame(CONTINUATION, b"", fin=False), frame(CONTINUATION, b"")],
        [""],
    ),
    "an empty last part": ([frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"")], ["a"]),
    "a character split between two parts": (
        [frame(TEXT, "€".encode()[:1], fin=False), frame(CONTINUATION, "€".encode()[1:])],
        ["€"],
    ),
    "a ping between": (
        [frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONTINUATION, b"b")],
        [Ping(b"p"), "ab"],
    ),
    "a pong between": (
        [frame(TEXT, b"a", fin=False), frame(PONG, b"p"), frame(CONTINUATION, b"b")],
        [Pong(b"p"), "ab"],
    ),
    "pings between all": (
        [
            frame(TEXT, b"a", fin=False),
            frame(PING, b"1"),
            frame(CONTINUATION, b"b", fin=False),
            frame(PING, b"2"),
            frame(CONTINUATION, b"c"),
        ],
        [Ping(b"1"), Ping(b"2"), "abc"],
    ),
    "a close between": (
        [frame(TEXT, b"a", fin=False), frame(CLOSE, close_payload(1000)), frame(CONTINUATION, b"b")],
        [Close(1000)],
    ),
    "one message after another": (
        [
            frame(TEXT, b"a", fin=False),
            frame(CONTINUATION, b"b"),
            frame(TEXT, b"c"),
            frame(BINARY, b"d", fin=False),
            frame(CONTINUATION, b"e"),
        ],
        ["ab", "c", b"de"],
    ),
}


@pytest.mark.parametrize(("frames", "expected"), FRAGMENTED.values(), ids=FRAGMENTED)
def test_fragments_with(frames, expected):
    assert parse(*frames) == expected


# -- control frames


@pytest.mark.parametrize("size", [0, 1, 124, 125])
@pytest.mark.parametrize(("opcode", "kind"), [(PING, Ping), (PONG, Pong)])
def test_pings_and_pongs_keep_their_data(opcode, kind, size):
    assert parse(frame(opcode, bytes(range(size)), mask=MASK), masked=True) == [kind(bytes(range(size)))]


SENDABLE_CODES = [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4008, 4999]


@pytest.mark.parametrize("code", SENDABLE_CODES)
def test_a_close_with_a_known_code_is_accepted(code):
    assert parse(frame(CLOSE, close_payload(code))) == [Close(code, "")]


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_close_with_a_reserved_code_is_refused(code):
    error = refused(frame(CLOSE, close_payload(code)))
    assert error.code == 1002
    assert "invalid code" in str(error)


def test_a_close_may_be_empty():
    assert parse(frame(CLOSE)) == [Close(1005, "")]


def test_a_close_keeps_its_reason():
    assert parse(frame(CLOSE, close_payload(1001, "fährt heim".encode()))) == [Close(1001, "fährt heim")]
    assert parse(frame(CLOSE, close_payload(1001, b"x" * 123))) == [Close(1001, "x" * 123)]


def test_nothing_counts_behind_a_close_frame():
    one = parser()
    assert one.feed(frame(CLOSE) + frame(TEXT, b"late")) == [Close()]
    assert one.feed(frame(TEXT, b"later")) == []
    assert one.feed(b"\xff\xff garbage") == []
    assert one.error is None


# -- what is refused: name -> (frames, close code, words of the error)

TOO_LONG = b"\x00" * 126
REFUSED = {
    **{
        f"reserved bits {rsv:03b} of a {name}": ([frame(opcode, b"", rsv=rsv)], 1002, "reserved bit")
        for rsv in (1, 2, 3, 4, 7)
        for name, opcode in {"text": TEXT, "ping": PING}.items()
    },
    "reserved bit of a continuation": (
        [frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"", rsv=1)],
        1002,
        "reserved bit",
    ),
    "reserved bit behind a good message": ([frame(TEXT, b"a"), frame(TEXT, b"b", rsv=4)], 1002, "reserved bit"),
    **{
        f"opcode {opcode:#x}": ([frame(opcode)], 1002, f"unknown opcode {opcode}")
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
    "unknown opcode inside a fragmented message": (
        [frame(TEXT, b"a", fin=False), frame(3, b"")],
        1002,
        "unknown opcode",
    ),
    "a ping of 126 bytes": ([frame(PING, TOO_LONG)], 1002, "at most 125"),
    "a pong of 126 bytes": ([frame(PONG, TOO_LONG)], 1002, "at most 125"),
    "a close of 126 bytes": ([frame(CLOSE, close_payload(1000, b"x" * 124))], 1002, "at most 125"),
    "a fragmented ping": ([frame(PING, b"a", fin=False)], 1002, "must be whole"),
    "a fragmented pong": ([frame(PONG, b"a", fin=False)], 1002, "must be whole"),
    "a fragmented close": ([frame(CLOSE, b"", fin=False)], 1002, "must be whole"),
    "a close of one byte": ([frame(CLOSE, b"\x03")], 1002, "invalid code"),
    "a close whose reason is no UTF-8": ([frame(CLOSE, close_payload(1000, b"\xce\xba\xff"))], 1007, "UTF-8"),
    "a continuation without a message": ([frame(CONTINUATION, b"a")], 1002, "continuation frame without a message"),
    "an open continuation of nothing": (
        [frame(CONTINUATION, b"a", fin=False)],
        1002,
        "continuation frame without a message",
    ),
    "a continuation after the last fragment": (
        [frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b"), frame(CONTINUATION, b"c")],
        1002,
        "continuation frame without a message",
    ),
    "a text inside a fragmented message": (
        [frame(TEXT, b"a", fin=False), frame(TEXT, b"b")],
        1002,
        "inside a fragmented",
    ),
    "a binary inside a fragmented message": (
        [frame(TEXT, b"a", fin=False), frame(BINARY, b"b")],
        1002,
        "inside a fragmented",
    ),
    "a new start inside a fragmented message": (
        [frame(TEXT, b"a", fin=False), frame(TEXT, b"b", fin=False)],
        1002,
        "inside a fragmented",
    ),
}


@pytest.mark.parametrize(("frames", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(frames, code, words):
    error = refused(*frames)
    assert error.code == code
    assert words in str(error)


INVALID_UTF8 = {
    "a lone continuation byte": b"\x80",
    "a truncated character": b"\xe2\x82",
    "an overlong slash": b"\xc0\xaf",
    "an overlong null": b"\xe0\x80\x80",
    "a surrogate": b"\xed\xa0\x80",
    "a pair of surrogates (CESU-8)": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "the byte FE": b"\xfe",
    "the byte FF": b"\xff",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "good text and then bad": "κόσμε".encode() + b"\xed\xa0\x80edited",
}


@pytest.mark.parametrize("payload", INVALID_UTF8.values(), ids=INVALID_UTF8)
@pytest.mark.parametrize("form", ["whole", "masked", "fragmented"])
def test_a_text_message_that_is_not_utf8_is_refused_with_1007(payload, form):
    if form == "fragmented":
        error = refused(frame(TEXT, payload[:1], fin=False), frame(CONTINUATION, payload[1:]))
    else:
        masked = form == "masked"
        error = refused(frame(TEXT, payload, mask=MASK if masked else None), masked=masked)
    assert error.code == 1007
    assert "UTF-8" in str(error)


@pytest.mark.parametrize("text", ["", "\0", "\x7f", "\x80", "߿", "ࠀ", "\ufffd", "\uffff", "\U00010000", "\U0010ffff"])
def test_the_borders_of_utf8_are_accepted(text):
    assert parse(frame(TEXT, text.encode())) == [text]


def test_binary_need_not_be_utf8():
    assert parse(frame(BINARY, b"\xff\xfe\x80")) == [b"\xff\xfe\x80"]


# -- masks


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_a_client_must_mask(opcode):
    error = refused(frame(opcode), masked=True)
    assert error.code == 1002
    assert "client must mask" in str(error)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_a_server_must_not_mask(opcode):
    error = refused(frame(opcode, mask=MASK))
    assert error.code == 1002
    assert "server must not mask" in str(error)


def test_the_second_frame_must_be_masked_too():
    assert "client must mask" in str(refused(frame(TEXT, b"a", mask=MASK), frame(TEXT, b"a"), masked=True))


# -- sizes


def test_a_message_of_the_limit_is_accepted_and_one_byte_more_is_1009():
    assert parse(frame(BINARY, bytes(1000)), max_size=1000) == [bytes(1000)]
    error = refused(frame(BINARY, bytes(1001)), max_size=1000)
    assert error.code == 1009
    assert "1001" in str(error)
    assert "1000" in str(error)


def test_fragments_count_together():
    parts = [frame(BINARY, bytes(500), fin=False), frame(CONTINUATION, bytes(500), fin=False)]
    assert parse(*parts, frame(CONTINUATION), max_size=1000) == [bytes(1000)]
    assert refused(*parts, frame(CONTINUATION, b"x"), max_size=1000).code == 1009


@pytest.mark.parametrize("size", [LIMIT + 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_length_over_the_limit_is_refused_before_its_bytes_come(size):
    one = parser()
    one.feed(frame(BINARY, b"", size=size, width=8))
    assert one.error is not None
    assert one.error.code == 1009


def test_a_fragment_over_the_limit_is_refused_before_its_bytes_come():
    one = parser(max_size=1000)
    one.feed(frame(BINARY, bytes(900), fin=False))
    one.feed(frame(CONTINUATION, b"", size=900))
    assert one.error is not None
    assert one.error.code == 1009


EARLY = {
    "reserved bit": frame(TEXT, rsv=4, size=100),
    "unknown opcode": frame(5, size=100),
    "continuation frame without a message": frame(CONTINUATION, size=100),
    "whole": frame(PING, fin=False, size=100),
    "mask": frame(TEXT, mask=MASK)[:2],
}


@pytest.mark.parametrize(("words", "start"), EARLY.items(), ids=EARLY)
def test_a_wrong_frame_is_refused_before_it_is_complete(words, start):
    one = parser()
    assert one.feed(start) == []
    assert one.error is not None
    assert words in str(one.error)


def test_the_limit_may_be_changed_between_two_reads():
    one = parser(max_size=10)
    assert one.feed(frame(BINARY, bytes(10))) == [bytes(10)]
    one.max_size = 100
    assert one.feed(frame(BINARY, bytes(100))) == [bytes(100)]


# -- the stream


def test_messages_before_a_wrong_frame_are_still_handed_out():
    one = parser()
    assert one.feed(frame(TEXT, b"good") + frame(TEXT, b"bad", rsv=1)) == ["good"]
    assert one.error is not None


def test_nothing_is_parsed_after_an_error():
    one = parser()
    one.feed(frame(7))
    error = one.error
    assert one.feed(frame(TEXT, b"good")) == []
    assert one.error is error


def test_an_empty_read_changes_nothing():
    one = parser()
    assert one.feed(b"") == []
    one.feed(b"\x81")
    assert one.feed(b"") == []
    assert one.feed(b"\x01a") == ["a"]


SESSION = [
    frame(TEXT, b"first", mask=MASK),
    frame(BINARY, bytes(300), mask=b"abcd"),
    frame(TEXT, "€".encode()[:2], fin=False, mask=MASK),
    frame(PING, b"p", mask=MASK),
    frame(CONTINUATION, "€".encode()[2:], mask=MASK),
    frame(TEXT, b"x" * 70_000, mask=MASK),
    frame(TEXT, b"", mask=MASK),
    frame(CLOSE, close_payload(1000, b"bye"), mask=MASK),
]
SESSION_MESSAGES = ["first", bytes(300), Ping(b"p"), "€", "x" * 70_000, "", Close(1000, "bye")]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 13, 127, 4096, 65536])
def test_a_session_read_in_pieces_is_the_same_session(step):
    one, stream = parser(masked=True), b"".join(SESSION)
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert [message for piece in pieces for message in one.feed(piece)] == SESSION_MESSAGES
    assert one.error is None


class Counted(FrameParser):
    """Counts the bytes that are looked at."""

    __slots__ = ("bytes",)

    def __init__(self, *, masked: bool, max_size: int) -> None:
        super().__init__(masked=masked, max_size=max_size)
        self.bytes = 0

    def _parse(self, data: bytes, messages: list[Message]) -> int:
        self.bytes += len(data)
        return super()._parse(data, messages)


@pytest.mark.parametrize("step", [1, 100])
def test_a_megabyte_in_a_trickle_is_looked_at_once(step):
    one = Counted(masked=True, max_size=1_000_000)
    stream = frame(TEXT, b"x" * 1_000_000, mask=MASK)
    messages = [m for at in range(0, len(stream), step) for m in one.feed(stream[at : at + step])]
    assert messages == ["x" * 1_000_000]
    assert one.bytes < 1.01 * len(stream)


def test_a_flood_of_tiny_fragments_costs_no_more_than_its_bytes():
    one = Counted(masked=True, max_size=1_000_000)
    tiny = frame(CONTINUATION, b"x", fin=False, mask=MASK)
    total = 0
    one.feed(frame(TEXT, b"", fin=False, mask=MASK))
    for _ in range(50):
        total += len(one.feed(tiny * 1000))
    assert total == 0
    assert one.bytes < 1.01 * 50 * 1000 * len(tiny)
    assert one.feed(frame(CONTINUATION, b"!", mask=MASK)) == ["x" * 50_000 + "!"]


def test_a_flood_of_fragments_ends_at_the_limit():
    error = refused(frame(TEXT, b"", fin=False), frame(CONTINUATION, b"x", fin=False) * 1001, max_size=1000)
    assert error.code == 1009


# -- encoding


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "8100"), (125, "817d"), (126, "817e007e"), (65535, "817effff"), (65536, "817f0000000000010000")],
)
def test_lengths_are_encoded_minimally(size, head):
    assert encode_frame(TEXT, b"x" * size) == bytes.fromhex(head) + b"x" * size


def test_a_masked_frame_carries_its_key():
    assert encode_frame(TEXT, b"Hello", MASK) == bytes.fromhex("818537fa213d7f9f4d5158")


def test_frames_equal_those_built_by_hand():
    for opcode in (TEXT, BINARY, PING, PONG):
        for size in (0, 5, 125):
            assert encode_frame(opcode, bytes(size), MASK) == frame(opcode, bytes(size), mask=MASK)
    assert encode_frame(BINARY, bytes(70_000)) == frame(BINARY, bytes(70_000))


def test_a_close_frame_is_encoded_with_code_and_reason():
    assert encode_close(4008, "slow") == frame(CLOSE, close_payload(4008, b"slow"))
    assert encode_close(mask=MASK) == frame(CLOSE, close_payload(1000), mask=MASK)


def test_1005_is_never_sent():
    assert encode_close(1005) == frame(CLOSE)
    assert parse(encode_close(1005)) == [Close()]


@pytest.mark.parametrize("reason", ["x" * 200, "€" * 60, "😀" * 40, "x" + "€" * 60, "\ud800"])
def test_a_close_reason_is_cut_at_a_character(reason):
    (close,) = parse(encode_close(1011, reason))
    assert isinstance(close, Close)
    assert 0 < len(close.reason.encode()) <= 123
    assert reason.startswith(close.reason) or reason == "\ud800"


# -- properties

texts = st.text(st.characters(exclude_categories=["Cs"]))
masks = st.binary(min_size=4, max_size=4)
controls = st.one_of(
    st.binary(max_size=125).map(Ping),
    st.binary(max_size=125).map(Pong),
)
closes = st.builds(
    Close, st.sampled_from([1000, 1001, 1009, 1011, 3000, 4008, 4999]), texts.filter(lambda t: len(t.encode()) < 124)
)
messages_ = st.one_of(texts, st.binary(), controls)


def encoded(message: Message, mask: bytes | None) -> bytes:
    if isinstance(message, Close):
        return encode_close(message.code, message.reason, mask)
    if isinstance(message, (Ping, Pong)):
        return encode_frame(websocket.PING if isinstance(message, Ping) else websocket.PONG, message.data, mask)
    if isinstance(message, str):
        return encode_frame(websocket.TEXT, message.encode(), mask)
    return encode_frame(websocket.BINARY, message, mask)


def split(data: bytes, cuts: Iterable[float]) -> list[bytes]:
    """Cut bytes at fractions of their length."""
    at = sorted(math.floor(cut * len(data)) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


cuts = st.lists(st.floats(0, 1), max_size=20)


@given(st.lists(messages_, max_size=8), st.none() | closes, st.none() | masks, cuts)
def test_an_encoded_stream_is_decoded_however_it_is_split(messages, close, mask, cuts):
    expected = [*messages, close] if close else messages
    one = parser(masked=mask is not None)
    stream = b"".join(encoded(message, mask) for message in expected)
    assert [m for piece in split(stream, cuts) for m in one.feed(piece)] == expected
    assert one.error is None


@given(st.lists(st.tuples(texts | st.binary(), cuts), max_size=5), controls, masks)
def test_fragments_however_cut_with_controls_between_give_the_message(items, control, mask):
    stream = b""
    for message, at in items:
        data = message.encode() if isinstance(message, str) else message
        first, *rest = split(data, at)
        stream += frame(TEXT if isinstance(message, str) else BINARY, first, fin=not rest, mask=mask)
        for i, part in enumerate(rest, 1):
            stream += encoded(control, mask)
            stream += frame(CONTINUATION, part, fin=i == len(rest), mask=mask)
    assert [m for m in parse(stream, masked=True) if not isinstance(m, (Ping, Pong))] == [m for m, _ in items]


def outcome(pieces: Iterable[bytes], masked: bool) -> tuple[list[Message], str]:
    one = parser(masked=masked, max_size=1000)
    messages = [m for piece in pieces for m in one.feed(piece)]
    return messages, str(one.error)


wild_frames = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=200),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 7]),
    mask=masks,
    size=st.none() | st.integers(0, 125),
)


@given(st.lists(wild_frames | st.binary(), max_size=6), cuts, st.booleans())
def test_garbage_raises_nothing_and_is_judged_alike_however_it_is_split(frames, cuts, masked):
    stream = b"".join(frames)
    assert outcome(split(stream, cuts), masked) == outcome([stream], masked)


@given(st.binary(), st.booleans())
def test_an_error_is_always_a_protocol_error_with_a_code_that_may_be_sent(data, masked):
    one = parser(masked=masked)
    one.feed(data)
    if one.error is not None:
        assert isinstance(one.error, ProtocolError)
        assert one.error.code in {1002, 1007, 1009}
