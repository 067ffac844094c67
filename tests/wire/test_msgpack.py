"""MessagePack on the wire: what npm's parser and python-socketio write, and what hostile peers may."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.errors import NotJSON, PacketRefused, ProtocolError, TooDeepJSON
from jupyter_rtmsg.wire.data import MAX_DEPTH
from jupyter_rtmsg.wire.msgpack import MsgpackDecoder, MsgpackParser
from jupyter_rtmsg.wire.packet import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, RESERVED_EVENTS, Packet

PARSER = MsgpackParser()
UNDEFINED = msgpack.ExtType(0, b"\0")
HEAD = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data"  # of an event


def decode(message: bytes, *, client: bool = True) -> Packet:
    return MsgpackDecoder(client).feed(message)


def event(*args: Any) -> bytes:
    """Return an event as python-socketio writes it."""
    return msgpack.dumps({"type": 2, "data": ["e", *args], "nsp": "/"})


def received(*args: Any) -> list[Any]:
    return list(decode(event(*args)).data[1:])


# -- what others write


def test_a_packet_of_notepack_is_read():
    """Made by socket.io-msgpack-parser 3.0.2 under Node.

    ``["e", undefined, new Date(1700000000123), new Uint8Array([0]), new Float64Array([1.5]), Buffer.from("ab")]``, with
    the options of an emit, and an id that is undefined.
    """
    message = bytes.fromhex(
        "85a47479706502a46461746196a165d40000d7000000018bcfe5687bc7010000c70800000000000000f83fc4026162"
        "a76f7074696f6e7381a8636f6d7072657373c3a36e7370a12fa26964d40000"
    )
    date = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=timezone.utc)
    data = ["e", None, date, b"\0", bytes.fromhex("000000000000f83f"), b"ab"]
    assert decode(message, client=False) == Packet(EVENT, "/", data)


@pytest.mark.parametrize("nothing", [{}, {"data": None}, {"data": UNDEFINED}], ids=["absent", "nil", "undefined"])
def test_data_that_is_not_there_may_be_written_in_three_ways(nothing):
    assert decode(msgpack.dumps({"type": 0, "nsp": "/n", **nothing})) == Packet(CONNECT, "/n")
    assert decode(msgpack.dumps({"type": 1, "nsp": "/n", **nothing})) == Packet(DISCONNECT, "/n")


@pytest.mark.parametrize("id", [0, 7, 2**63 + 1])
def test_an_id_is_a_number(id):
    assert decode(msgpack.dumps({"type": 2, "data": ["e"], "nsp": "/", "id": id})).id == id
    assert decode(PARSER.encode(Packet(ACK, "/", [], id))) == Packet(ACK, "/", [], id)


def test_dates_are_read_in_both_forms():
    date = datetime(2024, 2, 29, 12, 30, 0, 5000, tzinfo=timezone.utc)
    milliseconds = round(date.timestamp() * 1000)
    assert received(msgpack.ExtType(0, milliseconds.to_bytes(8, "big", signed=True))) == [date]
    assert received(msgpack.Timestamp.from_datetime(date)) == [date]
    before = datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=timezone.utc)
    assert received(msgpack.ExtType(0, (-1).to_bytes(8, "big", signed=True))) == [before]


@pytest.mark.parametrize("days", [-100_000_000, 100_000_000])
def test_a_date_of_javascript_that_python_cannot_tell_comes_as_its_milliseconds(days):
    time = days * 86_400_000
    assert received(msgpack.ExtType(0, time.to_bytes(8, "big", signed=True))) == [time]


def test_a_date_is_written_as_javascript_reads_it():
    date = datetime(2024, 2, 29, 12, 30, 0, 5999, tzinfo=timezone(timedelta(hours=2)))
    message = PARSER.encode(Packet(EVENT, "/", ["e", date]))
    assert msgpack.loads(message)["data"] == ["e", msgpack.ExtType(0, (1709202600005).to_bytes(8, "big"))]
    assert decode(message).data[1] == datetime(2024, 2, 29, 10, 30, 0, 5000, tzinfo=timezone.utc)


SHORT = {1: b"\xd4\x00", 8: b"\xd7\x00"}
LONG = {1: b"\xc7\x01\x00", 8: b"\xc7\x08\x00"}


@pytest.mark.parametrize("size", [1, 8])
@pytest.mark.parametrize("order", ["sl", "ls", "sls", "lsl", "sssl", "llls"])
def test_an_array_buffer_is_distinguished_from_undefined_and_dates(size, order):
    content = bytes(size)
    packed = b"".join({"s": SHORT, "l": LONG}[form][size] + content for form in order)
    data = decode(HEAD + bytes([0x91 + len(order)]) + b"\xa1e" + packed).data[1:]
    short = None if size == 1 else datetime(1970, 1, 1, tzinfo=timezone.utc)
    assert data == [short if form == "s" else content for form in order]


def test_array_buffers_of_every_size_are_bytes():
    for size in [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 255, 256, 70_000]:
        content = bytes(range(1, 200))[:size].ljust(size, b"x")
        head = b"\xc7" + size.to_bytes(1, "big") if size < 256 else b"\xc9" + size.to_bytes(4, "big")
        assert decode(HEAD + b"\x92\xa1e" + head + b"\0" + content).data == ["e", content]


# -- what is sent

FORMS = {
    Packet(CONNECT): {"type": 0, "nsp": "/"},
    Packet(DISCONNECT, "/n"): {"type": 1, "nsp": "/n"},
}


@pytest.mark.parametrize(("packet", "fields"), FORMS.items())
def test_an_event_without_data_has_no_data_field(packet, fields):
    """The npm package takes ``undefined`` for no data, and refuses nil."""
    assert msgpack.loads(PARSER.encode(packet)) == fields


def test_pythons_extensions_of_json_are_sent_as_plain_data():
    data = ["e", (1, 2), np.float64(0.5), np.int64(3), np.bool_(True), bytearray(b"a"), memoryview(b"b"), {"k": b"c"}]
    assert decode(PARSER.encode(Packet(EVENT, "/", data))).data == ["e", [1, 2], 0.5, 3, True, b"a", b"b", {"k": b"c"}]


circular: list[Any] = []
circular.append(circular)
NOT_SENT = {
    "NaN": (math.nan, "nan"),
    "infinity": ([math.inf], "inf"),
    "a set": ({1}, "set"),
    "an object": (object(), "object"),
    "an int as a key": ({1: 1}, "keys of a dict must be str"),
    "a lone surrogate": ("\ud800", "surrogate"),
    "a large int": (2**64, "too large"),
    "a list that holds itself": (circular, "contains itself"),
    "a date without a zone": (datetime(2024, 1, 1), "time zone"),
}


@pytest.mark.parametrize(("value", "words"), NOT_SENT.values(), ids=NOT_SENT)
def test_data_that_cannot_be_sent_are_refused(value, words):
    with pytest.raises(NotJSON) as error:
        PARSER.encode(Packet(EVENT, "/", ["e", value]))
    assert words in str(error.value)


# -- what is refused

VIOLATIONS = {
    "text": '2["e"]',
    "nothing": b"",
    "no MessagePack": b"\xc1",
    "cut short": event("x")[:-1],
    "something behind": event() + b"\0",
    "a list": msgpack.dumps([2, ["e"], "/"]),
    "no type": msgpack.dumps({"nsp": "/", "data": ["e"]}),
    "no namespace": msgpack.dumps({"type": 2, "data": ["e"]}),
    "an unknown type": msgpack.dumps({"type": 5, "nsp": "/", "data": ["e"]}),
    "a negative type": msgpack.dumps({"type": -1, "nsp": "/", "data": ["e"]}),
    "a type that is true": msgpack.dumps({"type": True, "nsp": "/"}),
    "a type that is 2.0": msgpack.dumps({"type": 2.0, "nsp": "/", "data": ["e"]}),
    "a type that is text": msgpack.dumps({"type": "2", "nsp": "/", "data": ["e"]}),
    "a namespace that is nil": msgpack.dumps({"type": 2, "nsp": None, "data": ["e"]}),
    "a namespace without slash": msgpack.dumps({"type": 2, "nsp": "n", "data": ["e"]}),
    "an id that is text": msgpack.dumps({"type": 2, "nsp": "/", "data": ["e"], "id": "1"}),
    "an id that is true": msgpack.dumps({"type": 2, "nsp": "/", "data": ["e"], "id": True}),
    "an id below 0": msgpack.dumps({"type": 2, "nsp": "/", "data": ["e"], "id": -1}),
    "an id with a point": msgpack.dumps({"type": 2, "nsp": "/", "data": ["e"], "id": 1.0}),
    "an id that is an extension": msgpack.dumps({"type": 2, "nsp": "/", "data": ["e"], "id": msgpack.ExtType(3, b"x")}),
    "a number as key": msgpack.dumps({"type": 2, "nsp": "/", "data": ["e"], 1: 1}),
    "CONNECT with a list": msgpack.dumps({"type": 0, "nsp": "/", "data": []}),
    "CONNECT with text": msgpack.dumps({"type": 0, "nsp": "/", "data": "x"}),
    "DISCONNECT with data": msgpack.dumps({"type": 1, "nsp": "/", "data": {}}),
    "an event without data": msgpack.dumps({"type": 2, "nsp": "/"}),
    "an event without name": msgpack.dumps({"type": 2, "nsp": "/", "data": []}),
    "an event of a map": msgpack.dumps({"type": 2, "nsp": "/", "data": {"0": "e"}}),
    "an event whose name is nil": msgpack.dumps({"type": 2, "nsp": "/", "data": [None]}),
    "an event whose name is bytes": msgpack.dumps({"type": 2, "nsp": "/", "data": [b"e"]}),
    "an ACK without id": msgpack.dumps({"type": 3, "nsp": "/", "data": []}),
    "an ACK with a map": msgpack.dumps({"type": 3, "nsp": "/", "data": {}, "id": 1}),
    "a CONNECT_ERROR from a client": msgpack.dumps({"type": 4, "nsp": "/", "data": {"message": "no"}}),
    "text that is no UTF-8": HEAD + b"\x92\xa1e\xa1\xff",
    **{f"the event {name}": msgpack.dumps({"type": 2, "nsp": "/", "data": [name]}) for name in sorted(RESERVED_EVENTS)},
}


@pytest.mark.parametrize("message", VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_message_that_is_not_a_packet_closes_the_connection(message):
    with pytest.raises(ProtocolError) as error:
        decode(message, client=False)
    assert not isinstance(error.value, PacketRefused)


def test_a_server_may_refuse_a_connect():
    for data in ({"message": "no", "data": [1]}, "no"):
        assert decode(msgpack.dumps({"type": 4, "nsp": "/n", "data": data})) == Packet(CONNECT_ERROR, "/n", data)


DATA = {
    "NaN": (math.nan, "not finite"),
    "infinity inside": ({"a": [1.5, -math.inf]}, "not finite"),
    "an int as a key": ({1: 2}, "keys that are no strings"),
    "bytes as a key": ([{b"a": 2}], "keys that are no strings"),
    "another extension": (msgpack.ExtType(5, b"x"), "extension 5"),
    "another extension inside": ({"a": [msgpack.ExtType(6, b"12345678")]}, "extension 6"),
}


@pytest.mark.parametrize(("value", "words"), DATA.values(), ids=DATA)
def test_pathological_data_are_refused_alone(value, words):
    with pytest.raises(PacketRefused, match=words) as error:
        decode(msgpack.dumps({"type": 2, "data": ["e", value], "nsp": "/n", "id": 3}))
    assert (error.value.type, error.value.namespace, error.value.id) == (EVENT, "/n", 3)
    assert error.value.answer["error"]["code"] == "bad_data"


def test_data_may_be_nested_up_to_the_limit_and_no_deeper():
    fits: Any = None
    for _ in range(MAX_DEPTH - 1):
        fits = [fits]
    assert received(fits) == [fits]
    assert decode(PARSER.encode(Packet(EVENT, "/", ["e", fits]))).data == ["e", fits]
    for message in (event([fits]), event({"a": fits}), HEAD + b"\x91" * 900 + b"\x90"):
        with pytest.raises(TooDeepJSON, match="more than 64 levels deep"):
            decode(message)
    with pytest.raises(NotJSON, match="too deeply"):
        PARSER.encode(Packet(EVENT, "/", ["e", [fits]]))


HOSTILE = {
    "a million lists": HEAD + b"\x91" * 1_000_000,
    "a million maps": HEAD + b"\x81\xa1a" * 300_000,
    "a list said to be long": HEAD + b"\xdd\xff\xff\xff\xff",
    "long lists in each other": HEAD + b"\xdd\x00\xff\xff\xff" * 1000,
    "long maps in each other": HEAD + b"\xdf\x00\xff\xff\xff\xa1a" * 60,
    "a text said to be long": HEAD + b"\xdb\xff\xff\xff\xff",
    "an extension said to be long": HEAD + b"\xc9\xff\xff\xff\xff\x00",
    "a wide list": HEAD + b"\xdd" + (900_000).to_bytes(4, "big") + b"\x90" * 900_000,
    "many dates": HEAD + b"\xdd" + (90_000).to_bytes(4, "big") + (b"\xd7\x00" + bytes(8)) * 90_000,
    "many buffers of 8 bytes": HEAD + b"\xdd" + (90_000).to_bytes(4, "big") + (b"\xc7\x08\x00" + bytes(8)) * 90_000,
    "many different buffers": HEAD
    + b"\xdd"
    + (90_000).to_bytes(4, "big")
    + b"".join(b"\xc7\x08\x00" + n.to_bytes(8, "big") for n in range(90_000)),
    "what looks like buffers": HEAD + b"\x93\xa1e\xc6" + (900_000).to_bytes(4, "big") + LONG[8] * 300_000 + b"\xd4\0\0",
    "many keys": HEAD + msgpack.dumps([{str(n): n for n in range(90_000)}]),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_hostile_messages_are_looked_at_in_bounded_time(message):
    with suppress(ProtocolError):
        decode(message)


def test_waiting_packets_are_not_parsed():
    message = event([[1] * 10], b"12345")
    waiting = MsgpackDecoder(client=False).frame(message)
    assert (waiting.type, waiting.namespace, waiting.id, waiting.size) == (EVENT, "/", None, len(message))
    assert waiting.decode().data == ["e", [[1] * 10], b"12345"]


# -- properties

texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.just(timezone.utc)).map(
        lambda d: d.replace(fold=0, microsecond=d.microsecond // 1000 * 1000)
    )
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5))
namespaces = texts.map("/".__add__)


@given(texts.filter(lambda name: name not in RESERVED_EVENTS), values, namespaces, st.none() | st.integers(0, 2**63))
def test_any_data_arrives_equal(name, value, namespace, id):
    packet = Packet(EVENT, namespace, [name, value], id)
    arrived = decode(PARSER.encode(packet))
    assert arrived == packet
    assert repr(arrived) == repr(packet)  # True is not 1, 2.0 is not 2


@given(values.filter(lambda value: "datetime" not in repr(value)))
def test_other_implementations_read_the_same_and_are_read(value):
    message = PARSER.encode(Packet(EVENT, "/", ["e", value]))
    assert msgpack.loads(message) == {"type": 2, "nsp": "/", "data": ["e", value]}
    assert received(value) == [value]


@given(st.binary(max_size=200))
def test_any_bytes_raise_nothing_but_protocol_errors(message):
    for hostile in (message, HEAD + message, HEAD + b"\x92\xa1e" + message, HEAD + b"\x92\xa1e\xc7\x01\0\0" + message):
        with suppress(ProtocolError):
            decode(hostile)


things: Callable[..., Any] = st.deferred(
    lambda: (
        leaves
        | st.floats()
        | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=9))
        | st.lists(things, max_size=3)
        | st.dictionaries(texts | st.integers() | st.binary(), things, max_size=3)
    )
)  # type: ignore[assignment]


@given(things)
def test_any_messagepack_raises_nothing_but_protocol_errors(value):
    try:
        message = msgpack.dumps({"type": 2, "nsp": "/", "data": ["e", value]}, datetime=True)
    except (OverflowError, ValueError):
        return
    with suppress(ProtocolError):
        decode(message)


@given(st.recursive(leaves | st.floats() | st.sets(st.integers()), lambda inner: st.lists(inner, max_size=3)))
def test_encoding_raises_nothing_but_not_json(value):
    with suppress(NotJSON):
        PARSER.encode(Packet(EVENT, "/", ["e", value]))


@given(values)
def test_received_data_can_be_sent_on(value):
    message = PARSER.encode(Packet(EVENT, "/", ["e", value]))
    assert PARSER.encode(decode(message)) == message


def sized(*args: Any) -> Packet:
    """What comes out of a packet of these arguments."""
    return PARSER.decode(PARSER.encode(Packet(EVENT, "/", ["x", *args])))


def test_large_texts_and_binaries_of_any_bytes_are_taken() -> None:
    silence, text = b"\x80" * 900_000, "\u4e00" * 300_000
    for args in ([silence], [{"a": [silence, {"b": text}]}], [text], [[[1, 2]] * 180_000], [list(range(200_000))]):
        assert sized(*args).data == ["x", *args]


def test_more_lists_than_anybody_should_build_are_refused_before_they_are_built() -> None:
    for value in ([[]] * 300_000, {"a": [b"\x80" * 10, [{}] * 300_000]}, "\x80" and [[[]] * 500] * 700):
        with pytest.raises(TooDeepJSON, match="lists and maps"):
            sized(value)
