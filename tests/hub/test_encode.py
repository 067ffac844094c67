from __future__ import annotations

from jupyter_rtmsg.hub.encode import encode_record
from jupyter_rtmsg.log import Record
from jupyter_rtmsg.wire.socketio import EVENT, Decoder, Encoded

SENDER = b'{"user":"ann","kind":"client","member":"m1"}'


def record(**fields: object) -> Record:
    values = {
        "room": "lab", "seq": 7, "prev": 5, "ts": 1000, "name": "tick", "data": b'{"a":1}', "attachments": (),
        "sender": SENDER, "user": "ann", "id": None,
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


def test_an_event_has_its_data_its_meta_and_its_offset() -> None:
    meta = {"room": "lab", "seq": 7, "prev": 5, "ts": 1000, "from": {"user": "ann", "kind": "client", "member": "m1"}}
    assert decoded(encode_record(record(), 7)) == ["tick", {"a": 1}, meta, "7"]


def test_names_and_ids_are_escaped() -> None:
    name, data, meta, _ = decoded(encode_record(record(name='a"\n', id='"\\'), 7))
    assert (name, data) == ('a"\n', {"a": 1})
    assert meta["id"] == '"\\'  # type: ignore[index]


def test_a_replayed_event_says_so() -> None:
    assert decoded(encode_record(record(), 7, replay=True))[2]["replay"] is True  # type: ignore[index]


def test_a_volatile_event_has_no_position_but_the_offset_reached() -> None:
    _, _, meta, offset = decoded(encode_record(record(seq=None, prev=None), 42))
    assert (meta["seq"], meta["prev"], offset) == (None, None, "42")  # type: ignore[index]


def test_attachments_travel_beside_the_packet() -> None:
    data = b'{"x":{"_placeholder":true,"num":0}}'
    encoded = encode_record(record(data=data, attachments=(b"\x00\xff",)), 7)
    assert encoded.text.startswith(b"451-[")
    assert decoded(encoded)[1] == {"x": b"\x00\xff"}
