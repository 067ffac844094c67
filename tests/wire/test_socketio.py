"""Socket.IO packets (docs/protocol.md#socketio-grammar): a malformed one is refused, and the error says why."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from json import dumps
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.errors import NotJSON, ProtocolError, TooDeepJSON
from jupyter_rtmsg.wire.data import MAX_DEPTH, EncodedJSON, dump
from jupyter_rtmsg.wire.engineio import decode_payload
from jupyter_rtmsg.wire.socketio import (
    ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    MAX_ATTACHMENTS,
    RESERVED_EVENTS,
    Decoder,
    Encoded,
    Packet,
    Undecoded,
    encode_ack,
    encode_connect,
    encode_connect_error,
    encode_disconnect,
    encode_event,
)
from jupyter_rtmsg.wire.websocket import FrameParser

HOLE = '{"_placeholder":true,"num":0}'


def decode(*messages: str | bytes, client: bool = False, **options: Any) -> Packet:
    """Return the packet that the last of some messages completes."""
    decoder = Decoder(client=client, **options)
    *first, last = messages
    for message in first:
        assert decoder.feed(message) is None
    packet = decoder.feed(last)
    assert packet is not None
    assert decoder.partial is None
    return packet


def refused(*messages: str | bytes, client: bool = False, **options: Any) -> str:
    """Return the words with which the last of some messages is refused."""
    decoder = Decoder(client=client, **options)
    *first, last = messages
    for message in first:
        decoder.feed(message)
    with pytest.raises(ProtocolError) as error:
        decoder.feed(last)
    return str(error.value)


def whole(text: str, attachment: bytes = b"x") -> list[str | bytes]:
    """Return a text packet, with the attachment that it speaks of."""
    return [text, attachment] if re.match(r"451-|461-\d", text) else [text]


# -- the grammar

GRAMMAR = {
    "40": Packet(CONNECT),
    '40{"token":"x"}': Packet(CONNECT, "/", {"token": "x"}),
    "40{}": Packet(CONNECT, "/", {}),
    "40/admin,": Packet(CONNECT, "/admin"),
    "40/admin": Packet(CONNECT, "/admin"),
    '40/admin,{"token":"x"}': Packet(CONNECT, "/admin", {"token": "x"}),
    "40/custom?x=1,": Packet(CONNECT, "/custom?x=1"),
    "40/custom?x=1&y={},": Packet(CONNECT, "/custom?x=1&y={}"),
    "40/,": Packet(CONNECT, "/"),
    "40/": Packet(CONNECT, "/"),
    "40//a/b,": Packet(CONNECT, "//a/b"),
    "40/é😀,": Packet(CONNECT, "/é😀"),
    "40/__proto__,": Packet(CONNECT, "/__proto__"),
    "41": Packet(DISCONNECT),
    "41/admin,": Packet(DISCONNECT, "/admin"),
    "41/admin": Packet(DISCONNECT, "/admin"),
    '42["hi",1]': Packet(EVENT, "/", ["hi", 1]),
    '42["hi"]': Packet(EVENT, "/", ["hi"]),
    '42/admin,["hi"]': Packet(EVENT, "/admin", ["hi"]),
    '42/,["hi"]': Packet(EVENT, "/", ["hi"]),
    '4213["hi"]': Packet(EVENT, "/", ["hi"], 13),
    '420["hi"]': Packet(EVENT, "/", ["hi"], 0),
    '42/admin,13["hi"]': Packet(EVENT, "/admin", ["hi"], 13),
    '42/admin,0["hi"]': Packet(EVENT, "/admin", ["hi"], 0),
    '42/13,["hi"]': Packet(EVENT, "/13", ["hi"]),
    '42/a[b,1["hi"]': Packet(EVENT, "/a[b", ["hi"], 1),
    '42[""]': Packet(EVENT, "/", [""]),
    "42[7]": Packet(EVENT, "/", [7]),
    "42[0]": Packet(EVENT, "/", [0]),
    "42[-1.5]": Packet(EVENT, "/", [-1.5]),
    '42["connection"]': Packet(EVENT, "/", ["connection"]),
    '42["error"]': Packet(EVENT, "/", ["error"]),
    '42["message"]': Packet(EVENT, "/", ["message"]),
    '42["__proto__",{"__proto__":{"a":1}}]': Packet(EVENT, "/", ["__proto__", {"__proto__": {"a": 1}}]),
    '42["a",{"_placeholder":true,"num":0}]': Packet(EVENT, "/", ["a", {"_placeholder": True, "num": 0}]),
    '42["2-",[",{"]]': Packet(EVENT, "/", ["2-", [",{"]]),
    "430[]": Packet(ACK, "/", [], 0),
    "4313[]": Packet(ACK, "/", [], 13),
    '4312["a",{"b":null}]': Packet(ACK, "/", ["a", {"b": None}], 12),
    "43/admin,7[1]": Packet(ACK, "/admin", [1], 7),
    '431["connect"]': Packet(ACK, "/", ["connect"], 1),
}


@pytest.mark.parametrize(("text", "packet"), GRAMMAR.items())
def test_decodes(text, packet):
    assert decode(text) == packet


@pytest.mark.parametrize("digits", ["0", "1", "9007199254740993", "12345678901234567890", "9" * 64])
def test_ack_ids_are_echoed_digit_for_digit(digits):
    for text in (f'42{digits}["q"]', f'42/n,{digits}["q"]', f'451-{digits}["q",{HOLE}]'):
        packet = decode(text, b"x") if text[1] == "5" else decode(text)
        assert packet.id is not None
        assert encode_ack(packet.id, [1]).text == f"43{digits}[1]".encode()


@pytest.mark.parametrize("count", [65, 400, 5000, 900_000])
@pytest.mark.parametrize("form", ['42{}["q"]', '42/n,{}["q"]', "43{}[]", '451-{}["q"]', "461-{}[]"])
def test_an_ack_id_of_thousands_of_digits_is_refused(form, count):
    assert f"{count} digits" in refused(form.format("1" * count))


# -- what is refused: text -> words of the error

REFUSED = {
    # types
    "4": "unknown Socket.IO packet type",
    "47": "unknown Socket.IO packet type",
    "48[]": "unknown Socket.IO packet type",
    "49": "unknown Socket.IO packet type",
    "4a": "unknown Socket.IO packet type",
    "4-1": "unknown Socket.IO packet type",
    "4[]": "unknown Socket.IO packet type",
    '4["hi"]': "unknown Socket.IO packet type",
    "4²": "unknown Socket.IO packet type",
    "4٢[]": "unknown Socket.IO packet type",
    "4 2[]": "unknown Socket.IO packet type",
    "4\x00": "unknown Socket.IO packet type",
    # CONNECT: absent or an object
    "40[]": "must be an object",
    '40["token"]': "must be an object",
    '40"token"': "must be an object",
    "40null": "must be an object",
    "40true": "must be an object",
    "40/admin,[]": "must be an object",
    "40/admin,1.5": "invalid JSON",  # 1 is an id
    "40{": "invalid JSON",
    "40{}{}": "invalid JSON",
    # DISCONNECT: nothing
    "41{}": "DISCONNECT has no payload",
    "41[]": "DISCONNECT has no payload",
    '41/admin,"x"': "DISCONNECT has no payload",
    "41x": "DISCONNECT has no payload",
    # EVENT: a non-empty array with a name
    "42": "non-empty array",
    "42[]": "non-empty array",
    "42{}": "non-empty array",
    '42"hi"': "non-empty array",
    "42null": "non-empty array",
    "421": "non-empty array",
    "42/admin,": "non-empty array",
    "42/admin": "non-empty array",
    '42/admin["hi"]': "non-empty array",  # all of it is the namespace
    "42/admin,[]": "non-empty array",
    '42/admin,{"0":"hi"}': "non-empty array",
    '420{"0":"hi"}': "non-empty array",
    "42[{}]": "name must be",
    "42[null]": "name must be",
    "42[true]": "name must be",
    '42[["x"]]': "name must be",
    '42[{"toString":1}]': "name must be",
    "420[null]": "name must be",
    "42/a,[null]": "name must be",
    # ACK: an id and an array
    "43": "ACK needs an id and an array",
    "43[]": "ACK needs an id and an array",
    "431": "ACK needs an id and an array",
    "431{}": "ACK needs an id and an array",
    '431"x"': "ACK needs an id and an array",
    "431null": "ACK needs an id and an array",
    "43/admin,[]": "ACK needs an id and an array",
    # CONNECT_ERROR: never from a client
    "44": "comes from a server",
    '44{"message":"no"}': "comes from a server",
    '44/admin,"no"': "comes from a server",
    # ids, namespaces and JSON
    "42abc[1]": "invalid JSON",
    '42-1["hi"]': "invalid JSON",
    '421.5["hi"]': "invalid JSON",
    '420x1["hi"]': "invalid JSON",
    '42²["hi"]': "invalid JSON",
    '42٣["hi"]': "invalid JSON",
    '42admin,["hi"]': "invalid JSON",
    '42,["hi"]': "comma without a namespace",
    '42,1["hi"]': "comma without a namespace",
    '40,{"a":1}': "comma without a namespace",
    "42[": "invalid JSON",
    '42["hi"': "invalid JSON",
    '42["hi"]]': "invalid JSON",
    '42["hi"] x': "invalid JSON",
    "42['hi']": "invalid JSON",
    '42["hi",]': "invalid JSON",
    '42["hi",NaN]': "invalid JSON",
    '42["hi",Infinity]': "invalid JSON",
    '42["hi",-Infinity]': "invalid JSON",
    '42["hi",{"a":NaN}]': "invalid JSON",
    "42[NaN]": "invalid JSON",
    "431[NaN]": "invalid JSON",
    '40{"a":NaN}': "invalid JSON",
    '42["hi",1e999]': "invalid JSON",
    '42["hi","\x1e"]': "invalid JSON",
    '42["hi","\ud800"]': "invalid JSON",
    '42["hi"]\x1e42["ho"]': "invalid JSON",
    # counts of attachments
    "45": "without its number of attachments",
    '45["hi"]': "without its number of attachments",
    f'451["hi",{HOLE}]': "without its number of attachments",
    f'45-["hi",{HOLE}]': "without its number of attachments",
    f'45-1-["hi",{HOLE}]': "without its number of attachments",
    f'451.0-["hi",{HOLE}]': "without its number of attachments",
    f'45 1-["hi",{HOLE}]': "without its number of attachments",
    f'45²-["hi",{HOLE}]': "without its number of attachments",
    f'45٣-["hi",{HOLE}]': "without its number of attachments",
    f'45/n,1-["hi",{HOLE}]': "without its number of attachments",
    f"46[{HOLE}]": "without its number of attachments",
    "451": "without its number of attachments",
    '450-["hi"]': "0 attachments",
    '4500-["hi"]': "0 attachments",
    "460-1[]": "0 attachments",
    '4511-["hi"]': "11 attachments",
    '45599999999-["hi"]': "599999999 attachments",
    "46599999999-1[]": "599999999 attachments",
    "45" + "9" * 5000 + '-["hi"]': "number of attachments",
    "451-": "non-empty array",
    "451-[]": "non-empty array",
    f"451-{HOLE}": "non-empty array",
    f"451-[{HOLE}]": "name must be",
    "461-[]": "ACK needs an id and an array",
    f"461-[{HOLE}]": "ACK needs an id and an array",
    f"461-7{HOLE}": "ACK needs an id and an array",
    f'451-["hi",{HOLE}': "invalid JSON",
    '421-["hi"]': "invalid JSON",  # a count where none may be
    "431-[]": "invalid JSON",
    "401-{}": "invalid JSON",
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items(), ids=lambda value: ascii(value)[:60])
def test_is_refused(text, words):
    assert words in refused(*whole(text))


@pytest.mark.parametrize("name", sorted(RESERVED_EVENTS))
@pytest.mark.parametrize(
    "form",
    ['42["{}",{{}},{{}}]', '425["{}"]', '42/a,["{}"]', '451-["{}",' + HOLE.replace("{", "{{").replace("}", "}}") + "]"],
)
def test_a_reserved_event_name_is_refused(form, name):
    assert "reserved" in refused(*whole(form.format(name)))


def test_the_reserved_names_are_those_of_the_protocol():
    names = "connect connect_error disconnect disconnecting newListener removeListener"
    assert set(names.split()) == RESERVED_EVENTS


def test_a_reserved_name_in_escapes_is_reserved():
    assert "reserved" in refused('42["\\u0063onnect"]')


@pytest.mark.parametrize("head", ["42", "427", "42/n,", "431", "451-", "40", "461-1"])
def test_an_array_50_000_deep_is_refused(head):
    assert re.search("levels deep|lists and objects", refused(*whole(head + "[" * 50_000 + "]" * 50_000)))


def test_depth_is_bounded_for_objects_too():
    assert "levels deep" in refused("42" + '{"a":' * 50_000 + "1" + "}" * 50_000)


def test_data_of_the_greatest_allowed_depth_are_accepted():
    value: Any = None
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert decode(encode_event(["e", value]).text.decode()) == Packet(EVENT, "/", ["e", value])


# -- a client's decoder


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ('40{"sid":"S"}', Packet(CONNECT, "/", {"sid": "S"})),
        ('44{"message":"no"}', Packet(CONNECT_ERROR, "/", {"message": "no"})),
        ('44/a,{"message":"no","data":{"b":1}}', Packet(CONNECT_ERROR, "/a", {"message": "no", "data": {"b": 1}})),
        ('44"no"', Packet(CONNECT_ERROR, "/", "no")),
        ("41/admin,", Packet(DISCONNECT, "/admin")),
    ],
)
def test_a_client_decodes(text, packet):
    assert decode(text, client=True) == packet


@pytest.mark.parametrize("text", ["44", "44[]", "44null", "441"])
def test_a_connect_error_without_object_or_string_is_refused(text):
    assert "object or a string" in refused(text, client=True)


# -- attachments


def test_attachments_take_their_places():
    text = '452-/n,7["up",{"_placeholder":true,"num":1},{"a":[{"_placeholder":true,"num":0}]}]'
    assert decode(text, b"first", b"second") == Packet(EVENT, "/n", ["up", b"second", {"a": [b"first"]}], 7)


def test_a_binary_ack_comes_out_as_an_ack():
    assert decode(f"461-/n,7[{HOLE}]", b"x") == Packet(ACK, "/n", [b"x"], 7)


def test_empty_attachments_are_attachments():
    assert decode(f'451-["e",{HOLE}]', b"") == Packet(EVENT, "/", ["e", b""])


def test_as_many_attachments_as_the_limit_are_accepted():
    packet = encode_event(["e", *[b"%d" % i for i in range(MAX_ATTACHMENTS)]])
    assert decode(packet.text.decode(), *packet.attachments).data == ["e", *packet.attachments]


def test_the_limit_of_attachments_may_be_set():
    assert "3 attachments: a binary packet has 1 to 2" in refused('453-["e"]', max_attachments=2)


def test_a_decoder_waits_for_all_attachments():
    decoder = Decoder()
    assert decoder.feed('452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]') is None
    assert decoder.partial is not None
    assert decoder.partial.namespace == "/"
    assert decoder.feed(b"a") is None
    assert decoder.feed(b"b") == Packet(EVENT, "/", ["e", b"a", b"b"])
    assert decoder.partial is None


def test_packets_with_and_without_attachments_follow_one_another():
    decoder = Decoder()
    messages: list[str | bytes] = [f'451-["a",{HOLE}]', b"1", '42["b"]', f'451-["c",{HOLE}]', b"2"]
    packets = [packet.data for packet in map(decoder.feed, messages) if packet]
    assert packets == [["a", b"1"], ["b"], ["c", b"2"]]


@pytest.mark.parametrize("text", ["42[]", '42["x"]', "41", "40", "430[]", f'451-["y",{HOLE}]', "4"])
def test_any_text_is_refused_while_an_attachment_is_awaited(text):
    assert "attachment was awaited" in refused(f'451-["x",{HOLE}]', text)


def test_binary_is_refused_when_none_is_awaited():
    assert "none was awaited" in refused(b"x")
    assert "none was awaited" in refused(f'451-["x",{HOLE}]', b"1", b"2")


@pytest.mark.parametrize(
    "argument",
    [
        '{"_placeholder":true,"num":-1}',
        '{"_placeholder":true,"num":1}',
        '{"_placeholder":true,"num":5}',
        '{"_placeholder":true,"num":"0"}',
        '{"_placeholder":true,"num":"push"}',
        '{"_placeholder":true,"num":true}',
        '{"_placeholder":true,"num":false}',
        '{"_placeholder":true,"num":0.0}',
        '{"_placeholder":true,"num":null}',
        '{"_placeholder":true}',
        '{"_placeholder":1,"num":0}',
        '{"_placeholder":"true","num":0}',
        '{"_placeholder":false,"num":0}',
        f"{HOLE},{HOLE}",
        "1",
        "{}",
        ",".join([HOLE] * 9_000),
    ],
    ids=lambda argument: argument[:60],
)
def test_illegal_attachments_are_refused(argument):
    assert "illegal attachments" in refused(f'451-["x",{argument}]', b"data")


def test_attachments_count_against_the_size_of_a_packet():
    head = f'452-["x",{HOLE},{HOLE.replace("0", "1")}]'
    size = len(head) + 100
    assert decode(head, bytes(50), bytes(50), max_size=size).data == ["x", bytes(50), bytes(50)]
    assert f"more than the {size} bytes" in refused(head, bytes(50), bytes(51), max_size=size)


# -- packets that wait


def framed(*messages: str | bytes, client: bool = False) -> Undecoded:
    """Return the packet that the last of some messages completes, not yet parsed."""
    decoder = Decoder(client=client)
    *first, last = messages
    for message in first:
        assert decoder.frame(message) is None
    packet = decoder.frame(last)
    assert packet is not None
    return packet


@pytest.mark.parametrize(("text", "packet"), GRAMMAR.items())
def test_a_packet_that_waits_is_decoded_to_the_same(text, packet):
    waiting = framed(text)
    assert (waiting.type, waiting.namespace, waiting.id) == (packet.type, packet.namespace, packet.id)
    assert waiting.size == len(text.encode())
    assert waiting.decode() == packet


def test_a_packet_that_waits_holds_its_attachments():
    text = f'451-/n,7["up",{HOLE}]'
    waiting = framed(text, b"12345")
    assert (waiting.type, waiting.namespace, waiting.id) == (EVENT, "/n", 7)
    assert waiting.size == len(text) + 5
    assert waiting.decode() == Packet(EVENT, "/n", ["up", b"12345"], 7)


def test_the_size_of_an_incomplete_packet_is_that_of_its_received_parts():
    decoder = Decoder()
    head = '452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    decoder.frame(head)
    decoder.frame(b"12345")
    assert decoder.partial is not None
    assert decoder.partial.size == len(head) + 5


@pytest.mark.parametrize("payload", ["[", "{}", "[]", '["connect"]', "[NaN]", '["x",{}'])
def test_the_payload_of_a_packet_that_waits_is_looked_at_when_it_is_decoded(payload):
    waiting = framed("427" + payload)
    with pytest.raises(ProtocolError):
        waiting.decode()


def test_a_message_that_does_not_fit_into_the_stream_is_refused_at_once():
    for text in ("49", "42,[]", "43[]", "44{}", "41{}", '450-["x"]', "42" + "1" * 65 + "[]"):
        with pytest.raises(ProtocolError):
            Decoder().frame(text)
    with pytest.raises(ProtocolError):
        Decoder().frame(b"x")


def test_events_that_wait_take_little_more_memory_than_on_the_wire():
    text = '42["e",' + ",".join('{"a":[1,2]}' for _ in range(1000)) + "]"
    decoder = Decoder()
    waiting = measured(lambda: [decoder.frame(text[:-1] + " " * n + "]") for n in range(100)])
    decoded = measured(lambda: [decoder.feed(text) for _ in range(100)])
    assert waiting < 1.1 * 100 * len(text)
    assert decoded > 10 * waiting


def measured(make: Callable[[], list[Any]]) -> int:
    """Return how many bytes what a function makes takes."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = make()
        after = tracemalloc.get_traced_memory()[0]
        assert len(made) == 100
    finally:
        tracemalloc.stop()
    return after - before


# -- JSON that is nested too deep is told apart from what is no JSON

DEEP = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)


@pytest.mark.parametrize(
    ("text", "kind", "namespace", "id"),
    [
        (f'42["e",{DEEP}]', EVENT, "/", None),
        (f'427["e",{DEEP}]', EVENT, "/", 7),
        (f'42/n,7["e",{DEEP}]', EVENT, "/n", 7),
        (f"43/n,7{DEEP}", ACK, "/n", 7),
        (f'40/n,{{"a":{DEEP}}}', CONNECT, "/n", None),
        (f'44{{"a":{DEEP}}}', CONNECT_ERROR, "/", None),
        (f'451-/n,7["e",{HOLE},{DEEP}]', EVENT, "/n", 7),
        (f"461-7[{HOLE},{DEEP}]", ACK, "/", 7),
    ],
)
def test_a_packet_nested_too_deep_is_refused_by_itself(text, kind, namespace, id):
    decoder = Decoder(client=True)
    *first, last = whole(text)
    for message in first:
        assert decoder.feed(message) is None
    with pytest.raises(TooDeepJSON, match="more than 64 levels deep") as error:
        decoder.feed(last)
    assert (error.value.type, error.value.namespace, error.value.id) == (kind, namespace, id)
    assert decoder.feed('42["next"]') == Packet(EVENT, "/", ["next"])  # its attachments are gone, too


def test_a_deep_packet_that_is_not_an_event_is_refused_for_its_depth_only():
    with pytest.raises(TooDeepJSON):
        Decoder().feed("42" + "[" * 50_000)


# -- half an emoji: JavaScript writes a text that was cut in the midst of a surrogate pair with an escape

HALVES = {
    r"\ud83d": "\ufffd",
    r"\udc00": "\ufffd",
    r"\uD83D and \uDE00": "\ufffd and \ufffd",
    r"\ude00\ud83d": "\ufffd\ufffd",
    r"\ud83d\ud83d\ude00": "\ufffd😀",
    r"\ud83d\ude00\ude00": "😀\ufffd",
    r"\ud83d\ude00\ud83d\u00e9": "😀\ufffdé",
    r"\ud83d\n\"\ud83d": '\ufffd\n"\ufffd',
    r"\\ud83d\ud83d": "\\ud83d\ufffd",
    r"\\\ud83d": "\\\ufffd",
    r"\\\\ud83d\ude00": "\\\\ud83d\ufffd",
    r"\ud83d\\ude00": "\ufffd\\ude00",
    r"\u005cud83d\udc00": "\\ud83d\ufffd",
    r"é😀\ud83d": "é😀\ufffd",
}


@pytest.mark.parametrize(("json", "text"), HALVES.items(), ids=lambda value: ascii(value))
@pytest.mark.parametrize(
    ("head", "tail"),
    [("42", ""), ("427", ""), ("42/n,7", ""), ("431", ""), ("43/n,7", ""), ("451-", f",{HOLE}"), ("461-7", f",{HOLE}")],
)
def test_half_an_emoji_becomes_the_replacement_character(head, tail, json, text):
    decoder = Decoder()
    for message in whole(f'{head}["{json}"{tail}]'):
        packet = decoder.feed(message)
    assert packet is not None
    assert packet.data[0] == text
    assert decoder.mended == 1


def test_half_an_emoji_in_an_auth_a_key_or_a_refusal_becomes_the_replacement_character():
    decoder = Decoder(client=True)
    assert decoder.feed(r'40{"\ud83d":"\udc00"}') == Packet(CONNECT, "/", {"\ufffd": "\ufffd"})
    assert decoder.feed(r'44/n,{"message":"\udc00"}') == Packet(CONNECT_ERROR, "/n", {"message": "\ufffd"})
    assert decoder.feed(r'44"\udc00"') == Packet(CONNECT_ERROR, "/", "\ufffd")
    assert decoder.mended == 3


def test_halves_are_counted_by_packet_and_told():
    told: list[int] = []
    decoder = Decoder(on_mended=told.append)
    decoder.feed(r'42["whole \ud83d\ude00"]')
    decoder.feed(r'42["\ud83d","\ud83d"]')
    decoder.feed(r'42["\\ud83d"]')
    decoder.feed(r'42["\udc00"]')
    assert told == [1, 2]
    assert decoder.mended == 2


@pytest.mark.parametrize(
    "json", [r'"\ud83d', r'"\ud83d",NaN]', r'"\ud83d\x"]', r"\ud83d]", '"\\ud83d\0"]', r'"\ud8g0"]']
)
def test_half_an_emoji_excuses_nothing_else(json):
    assert "invalid JSON" in refused(f"42[{json}")


def test_a_reserved_name_with_half_an_emoji_beside_is_reserved():
    assert "reserved" in refused(r'42["connect","\ud83d"]')


ESCAPES = ["\\\\", r"\n", r"\ud83d", r"\ud83d\ude00", r"\ude00", "\\\\ud83d", r"\ud83", '","']


@pytest.mark.timeout(20)
@pytest.mark.parametrize("escape", ESCAPES)
def test_halves_in_a_megabyte_of_escapes_are_found_at_once(escape):
    text = f'42["{escape * (900_000 // len(escape))}\\ud83d'
    for end in ('"]', ""):
        with suppress(ProtocolError):
            Decoder().feed(text + end)


utf16 = st.lists(
    st.integers(0, 0xFFFF) | st.integers(0xD800, 0xDFFF) | st.sampled_from([ord("\\"), ord('"'), ord("u")]), max_size=12
)


@given(utf16, st.sampled_from(["42", "427", "42/n,"]))
def test_any_text_of_javascript_arrives_as_a_browser_would_show_it(units, head):
    raw = b"".join(unit.to_bytes(2, "little") for unit in units)
    text = raw.decode("utf-16-le", "surrogatepass")
    whole_text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    assert decode(f"{head}{dumps(['e', text])}").data == ["e", whole_text]


# -- encoding

ENCODED = {
    "40": encode_connect(),
    '40{"sid":"S"}': encode_connect({"sid": "S"}),
    "40/admin,": encode_connect(namespace="/admin"),
    '40/admin,{"token":"x"}': encode_connect({"token": "x"}, "/admin"),
    "40{}": encode_connect({}),
    "41": encode_disconnect(),
    "41/admin,": encode_disconnect("/admin"),
    '44{"message":"no"}': encode_connect_error("no"),
    '44/admin,{"message":"no","data":{"code":1}}': encode_connect_error("no", {"code": 1}, "/admin"),
    '42["hi",1]': encode_event(["hi", 1]),
    '42["hi",[1,{"a":null}]]': encode_event(("hi", (1, {"a": None}))),
    '42/admin,13["hi"]': encode_event(["hi"], "/admin", 13),
    '420["hi"]': encode_event(["hi"], id=0),
    "4313[]": encode_ack(13, []),
    "430[null]": encode_ack(0, [None]),
    "43/admin,7[1]": encode_ack(7, [1], "/admin"),
    f'451-["up",{HOLE}]': encode_event(["up", b"x"]),
    f"461-/admin,7[{HOLE}]": encode_ack(7, [b"x"], "/admin"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "encoded"), ENCODED.items())
def test_encodes(text, encoded):
    assert encoded.text.decode() == text


def test_without_bytes_the_binary_types_are_never_used():
    assert encode_event(["e", "x"]).text.startswith(b"42")
    assert encode_ack(1, ["x"]).text.startswith(b"43")


@pytest.mark.parametrize("namespace", ["/", "/admin"])
@pytest.mark.parametrize("value", [None, [1, "ü"], {"a": b"x", "b": [b"y"]}], ids=repr)
def test_an_ack_that_is_encoded_already_is_as_any_other(value, namespace):
    encoded, usual = encode_ack(7, EncodedJSON(*dump(value)), namespace), encode_ack(7, [value], namespace)
    assert encoded.websocket == usual.websocket
    assert encoded.polling == usual.polling


def test_an_ack_that_is_encoded_already_may_have_no_more_attachments_than_any_other():
    with pytest.raises(NotJSON, match="11 binary attachments, more than the 10"):
        encode_ack(1, EncodedJSON(*dump([b""] * 11)))


@pytest.mark.parametrize("name", sorted(RESERVED_EVENTS))
def test_a_reserved_event_cannot_be_emitted(name):
    with pytest.raises(ValueError, match=r"Socket\.IO's own"):
        encode_event([name])


@pytest.mark.parametrize("name", [1, None, b"x", ["x"]])
def test_the_name_of_an_event_must_be_a_str(name):
    with pytest.raises(ValueError, match="must be a str"):
        encode_event([name])


@pytest.mark.parametrize("value", [float("nan"), {1}, ..., {1: 1}, {"_placeholder": True}, "\ud800"], ids=repr)
def test_a_value_that_is_not_json_is_refused_in_every_packet(value):
    for encode in (
        lambda: encode_event(["e", value]),
        lambda: encode_ack(1, [value]),
        lambda: encode_connect({"a": value}),
        lambda: encode_connect_error("no", value),
    ):
        with pytest.raises(NotJSON):
            encode()


def test_too_many_attachments_are_refused():
    with pytest.raises(NotJSON, match="11 binary attachments, more than the 10"):
        encode_event(["e", [b""] * 11])


def test_a_connect_cannot_hold_bytes():
    with pytest.raises(NotJSON, match="bytes"):
        encode_connect({"token": b"x"})
    with pytest.raises(NotJSON, match="bytes"):
        encode_connect_error("no", {"data": b"x"})


def test_attachments_follow_their_packet_on_both_transports():
    packet = encode_event(["e", b"a", [b"b"]])
    parser = FrameParser(masked=False, max_size=1000)
    assert parser.feed(packet.websocket) == [packet.text.decode(), b"a", b"b"]
    assert decode_payload(packet.polling) == [packet.text.decode(), b"a", b"b"]


def test_each_form_is_made_once():
    packet = encode_event(["e", 1])
    assert packet.websocket is packet.websocket
    assert packet.polling is packet.polling


# -- properties

json_texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | json_texts
    | st.binary(max_size=20)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(json_texts.filter(lambda key: key != "_placeholder"), inner, max_size=4)
    ),
    max_leaves=MAX_ATTACHMENTS,  # so that there are no more attachments than a packet may have
)
names = json_texts.filter(lambda name: name not in RESERVED_EVENTS)
namespaces = st.just("/") | json_texts.filter(lambda text: "," not in text).map("/".__add__)
ids = st.integers(0, 10**64 - 1)
events = st.builds(
    lambda name, value, namespace, number: (
        encode_event([name, value], namespace, number),
        Packet(EVENT, namespace, [name, value], number),
    ),
    names,
    values,
    namespaces,
    st.none() | ids,
)
acks = st.builds(
    lambda number, value, namespace: (
        encode_ack(number, [value], namespace),
        Packet(ACK, namespace, [value], number),
    ),
    ids,
    values,
    namespaces,
)
plain = leaves.filter(lambda value: not isinstance(value, bytes))
connects = st.builds(
    lambda data, namespace: (encode_connect(data, namespace), Packet(CONNECT, namespace, data)),
    st.none() | st.dictionaries(names, plain, max_size=3), namespaces,
)  # fmt: skip
disconnects = namespaces.map(lambda namespace: (encode_disconnect(namespace), Packet(DISCONNECT, namespace)))
errors = st.builds(
    lambda message, namespace: (
        encode_connect_error(message, namespace=namespace), Packet(CONNECT_ERROR, namespace, {"message": message}),
    ),
    json_texts, namespaces,
)  # fmt: skip
packets = events | acks | connects | disconnects


def through_frames(sent: list[Encoded], mask: bytes | None, cuts: list[float]) -> list[Packet]:
    """Send packets over a WebSocket that hands out its bytes in arbitrary pieces."""
    stream = b"".join(packet.frames(None if mask is None else lambda: mask) for packet in sent)
    at = [0, *sorted(int(cut * len(stream)) for cut in cuts), len(stream)]
    parser, decoder = FrameParser(masked=mask is not None, max_size=10**6), Decoder(client=mask is None)
    received = []
    for start, stop in pairwise(at):
        received += [decoder.feed(message) for message in parser.feed(stream[start:stop])]  # type: ignore[arg-type]
    assert parser.error is None
    return [packet for packet in received if packet]


PIECES = [
    "4", "42", "43", "451-", "40", "/n,", "/", ",", "7", "12", "[", "]", "{", "}", '"e"', '"connect"', ":", ",1", HOLE,
    r'"\ud83d"', "null", "NaN", '"\ud800"', "[[" * 40, "]]" * 40, " ",
]  # fmt: skip
pieces = st.lists(st.sampled_from(PIECES), max_size=12)


@given(pieces, st.booleans(), st.none() | st.binary(max_size=3))
def test_a_packet_that_waits_is_taken_or_refused_as_one_that_does_not(parts, client, attachment):
    messages: list[str | bytes] = ["".join(parts), *([] if attachment is None else [attachment])]
    at_once, later = Decoder(client=client), Decoder(client=client)
    for message in messages:
        outcomes: list[Any] = []
        for take in (at_once.feed, lambda message: waited(later.frame(message))):
            try:
                outcomes.append(take(message))
            except ProtocolError as error:
                outcomes.append((type(error), str(error)))
        assert outcomes[0] == outcomes[1]
        assert at_once.mended == later.mended


def waited(packet: Undecoded | None) -> Packet | None:
    return packet.decode() if packet else None
