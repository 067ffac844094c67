from __future__ import annotations

import pytest

from jupyter_rtmsg.hub.encode import encode_page, encode_record
from jupyter_rtmsg.hub.limits import Limits
from jupyter_rtmsg.log import Record
from jupyter_rtmsg.wire.data import EncodedJSON, load, reconstruct
from jupyter_rtmsg.wire.socketio import EVENT, Decoder, Encoded, encode_ack

SENDER = b'{"user":"ann","kind":"script","member":"m1"}'


def record(**fields: object) -> Record:
    values = {
        "room": "lab", "seq": 7, "prev": 5, "ts": 1000, "name": "tick", "data": b'{"a":1}', "attachments": (),
        "sender": SENDER, "user": "ann", "id": None, "n": 3,
    }  # fmt: skip
    return Record(**{**values, **fields})  # type: ignore[arg-type]


def decoded(encoded: Encoded) -> list[object]:
    decoder = Decoder(client=True)
    packet = decoder.feed(encoded.text.decode())
    for attachment in encoded.attachments:
        packet = decoder.feed(attachment)
    assert packet
    assert packet.type is EVENT
    return list(packet.data)


def test_an_event_has_its_data_and_its_meta() -> None:
    sender = {"user": "ann", "kind": "script", "member": "m1"}
    meta = {"room": "lab", "seq": 7, "prev": 5, "n": 3, "ts": 1000, "from": sender}
    assert decoded(encode_record(record())) == ["tick", {"a": 1}, meta]


def test_names_and_ids_are_escaped() -> None:
    name, data, meta = decoded(encode_record(record(name='a"\n', id='"\\')))
    assert (name, data) == ('a"\n', {"a": 1})
    assert meta["id"] == '"\\'  # type: ignore[index]


def test_a_replayed_event_says_so() -> None:
    assert decoded(encode_record(record(), replay=True))[2]["replay"] is True  # type: ignore[index]


def test_a_volatile_event_has_no_position() -> None:
    _, _, meta = decoded(encode_record(record(seq=None, prev=None, n=None)))
    assert (meta["seq"], meta["prev"], meta["n"]) == (None, None, None)  # type: ignore[index]


def test_attachments_travel_beside_the_packet() -> None:
    data = b'{"x":{"_placeholder":true,"num":0}}'
    encoded = encode_record(record(data=data, attachments=(b"\x00\xff",)))
    assert encoded.text.startswith(b"451-[")
    assert decoded(encoded)[1] == {"x": b"\x00\xff"}


def test_a_page_is_the_list_of_its_events_with_their_keys_in_order() -> None:
    page = encode_page([record(), record(seq=9, prev=7, id='"', name='"', data=b'["\xc3\xbc"]')])
    sender = SENDER.decode()
    assert page.json.decode() == (
        '[{"event":"tick","data":{"a":1},"seq":7,"prev":5,"n":3,"ts":1000,"from":' + sender + "},"
        '{"event":"\\"","data":["ü"],"seq":9,"prev":7,"n":3,"ts":1000,"from":' + sender + ',"id":"\\""}]'
    )
    assert page.attachments == ()
    assert encode_page([]) == EncodedJSON(b"[]")


def test_placeholders_count_on_through_a_page() -> None:
    first = record(data=b'[{"num":1,"_placeholder":true},{"_placeholder":true,"num":0}]', attachments=(b"a", b"b"))
    second = record(data=b'{"x":{"_placeholder":true,"num":0}}', attachments=(b"c",))
    page = encode_page([first, record(), second])
    data = [event["data"] for event in reconstruct(load(page.json), page.attachments)]
    assert data == [[b"b", b"a"], {"a": 1}, {"x": b"c"}]


@pytest.mark.parametrize(("hole", "attachments"), [(b"0", ()), (b'{"_placeholder":true,"num":0}', (b"x",))])
def test_the_deepest_event_that_is_taken_can_be_read_on_a_page(hole: bytes, attachments: tuple[bytes, ...]) -> None:
    def reply(depth: int) -> object:
        levels = depth - bool(attachments)  # the placeholder is one level
        events = encode_page([record(data=b"[" * levels + hole + b"]" * levels, attachments=attachments)])
        page = EncodedJSON(b'{"events":%b}' % events.json, events.attachments)
        decoder = Decoder(client=True)
        packet = decoder.feed(encode_ack(1, page).text.decode())
        return packet or decoder.feed(b"x")

    assert reply(60)


def test_a_limit_of_depth_that_no_page_of_history_can_hold_is_refused():
    assert Limits(depth=60).depth == 60
    with pytest.raises(ValueError, match="has room for 60"):
        Limits(depth=61)
