"""The data of a large publish stay as they were sent, without being parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.errors import ProtocolError, TooDeepJSON
from jupyter_rtmsg.hub.data import LARGE, MAX_CONTAINERS, decode, encode_data
from jupyter_rtmsg.wire.data import EncodedJSON, load
from jupyter_rtmsg.wire.packet import EVENT, Undecoded
from jupyter_rtmsg.wire.socketio import Decoder

LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES | st.text(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


def packet(text: str) -> Undecoded:
    framed = Decoder().frame("421" + text)
    assert framed is not None
    return framed


def published(data: str, **fields: Any) -> Any:
    """Return the data of a publish, as the hub gets it."""
    others = "".join(f',"{key}":{json.dumps(value)}' for key, value in fields.items())
    kind, _, args, id = decode(packet(f'["publish",{{"room":"lab","data":{data}{others}}}]'), 60)
    assert (kind, id, args[0], args[1]["room"]) == (EVENT, 1, "publish", "lab")
    assert {key: args[1][key] for key in fields} == fields
    return args[1]["data"]


@given(VALUES, st.booleans(), st.sampled_from([None, (",", ":")]), st.text())
def test_data_are_the_json_that_was_sent(value: Any, ascii: bool, separators: Any, event: str) -> None:
    text = json.dumps([value] * 3, ensure_ascii=ascii, separators=separators)
    data = published(text, event=event, id="x")
    encoded, attachments = encode_data(data, max_depth=60, max_attachments=10)
    assert (json.loads(encoded), attachments) == ([value] * 3, ())


@pytest.mark.parametrize("fields", [{}, {"id": "a", "event": "metric", "volatile": True}])
def test_data_of_a_large_publish_are_not_parsed(fields: dict[str, Any]) -> None:
    text = json.dumps([{"loss": 0.5, "é": "[x]"}] * 200)
    assert published(text, **fields) == EncodedJSON(text.encode())


@pytest.mark.parametrize(
    "odd",
    [
        "1e400", "-1e400", "1E+400", "9" * 400, "1" * 290 + "e99", '"\\ud83d"', '{"_placeholder":true,"num":0}',
        '{"\\u005fplaceholder":true,"num":0}', '{"_\\u0070laceholder":1}',
    ],
)  # fmt: skip
def test_json_that_other_parsers_reject_is_parsed_or_refused(odd: str) -> None:
    text = f"[{odd}]" if len(odd) > 200 else f'[{odd},"{"x" * LARGE}"]'
    try:
        data = published(text)
    except ProtocolError:
        return  # such a number is refused
    assert type(data) is list


@pytest.mark.parametrize("text", ['"e1234"', '"' + "1" * 400 + '"', '"\\\\\\"1e400"', "1e-400", "1234567890" * 3])
def test_identifiers_that_look_like_numbers_stay_as_they_are(text: str) -> None:
    assert type(published(f'[{text},"{"x" * LARGE}"]')) is EncodedJSON


@pytest.mark.parametrize(
    "text",
    [
        '["publish"]',
        '["publish",1]',
        '["publish",{"data":1},2]',
        '["publish",{"data":[1,]}]',
        '["join",{"data":"xxx"}]',
        "[1]",
    ],
)
def test_a_large_event_that_is_not_a_publish_is_decoded_as_usual(text: str) -> None:
    try:
        expected: Any = Decoder().feed("42" + text)
    except ProtocolError:
        with pytest.raises(ProtocolError):
            decode(packet(text), 60)
    else:
        assert decode(packet(text), 60).data == expected.data


def test_of_two_data_the_last_counts_as_everywhere() -> None:
    long = json.dumps(["x" * LARGE])
    assert load(published(f'"{"y" * 9}","data":{long}').json) == json.loads(long)
    assert published(f'{long},"data":7') == 7


def test_data_nested_too_deep_are_refused() -> None:
    text = '[{},"{}"]'.format("[" * 60 + "]" * 60, "x" * LARGE)
    with pytest.raises(TooDeepJSON, match="60 levels"):
        published(text)


def test_a_large_command_that_has_to_be_parsed_may_have_few_lists_only() -> None:
    text = '["history",{"room":"lab","x":[%s0]}]' % ("[]," * MAX_CONTAINERS)
    with pytest.raises(TooDeepJSON, match="10,003 lists and objects, more than 10,000"):
        decode(packet(text), 60)


async def test_large_data_come_back_from_members_and_from_history_as_they_were_sent(hub: Any) -> None:
    member = await hub.joined()
    for value in ([[1, 2.5]] * 1_000, {"é": ["\U0001f600"] * 500}, [b"bytes", ["x" * 2_000]]):
        seq = await member.publish(value)
        page = await member.call("history", room="lab", after=seq - 1)
        assert page["events"][0]["data"] == value
        await member.settled()
        assert member.events()[-1].data == value


async def test_large_data_too_deep_are_refused_in_the_acknowledgement_alone(hub: Any) -> None:
    member = await hub.joined()
    deep: Any = "x" * LARGE
    for _ in range(61):
        deep = [deep]
    reply = await member.ask("publish", {"room": "lab", "event": "tick", "data": deep})
    assert (reply["ok"], reply["error"]["code"]) == (False, "too_deep")
    assert await member.publish(deep[0])
