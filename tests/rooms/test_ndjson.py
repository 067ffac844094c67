"""Lines of JSON: every event comes back equal, and what is no export is refused with the number of its line."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import ExportError
from jupyter_rtmsg.rooms import ndjson
from jupyter_rtmsg.rooms.ndjson import decode_line, encode_line

texts = st.text(max_size=20)
keys = st.one_of(texts, st.sampled_from(["$bytes", "$$bytes", "bytes", "$", "data", "$bytes$bytes"]))
data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
senders = st.builds(rt.Sender, texts, texts.filter(lambda kind: kind != "client"), texts, texts, st.none() | texts)


def event(value: Any = None, **fields: Any) -> rt.Event:
    sender = fields.pop("sender", rt.Sender("ann", "kernel", "train", "m"))
    return rt.Event("lab", fields.pop("name", "n"), value, 7, 5, 1_800_000_000_000, sender, replay=True, n=2, **fields)


@given(data)
@example({"$bytes": "AA=="})
@example({"$bytes": b"\0", "other": [b"", {"$$bytes": {"$bytes": b"x"}}]})
@example("half a character: \ud800")
@example({"\ud800": b"x", "\\u": "$bytes"})
def test_every_data_comes_back_equal(value: Any) -> None:
    line = encode_line(event(value))
    assert line.count(b"\n") == 1
    back = decode_line(line).data
    assert back == value
    assert json.dumps(back, default=list) == json.dumps(value, default=list)  # True is not 1


@given(senders, texts, st.none() | texts)
def test_everything_else_comes_back_too(sender: rt.Sender, name: str, id: str | None) -> None:
    one = event(1, sender=sender, name=name, id=id)
    back = decode_line(encode_line(one))
    assert (back.name, back.id, back.sender.user, back.sender.member) == (name, id, sender.user, sender.member)
    assert (back.room, back.seq, back.prev, back.n, back.ts) == (one.room, one.seq, one.prev, one.n, one.ts)
    assert (back.sender.notebook, back.sender.name) == (sender.notebook, sender.name or sender.user)


def test_a_line_is_readable_in_every_script() -> None:
    line = encode_line(event({"词": "שלום", "raw": b"\x00\xff"})).decode()
    assert '"词":"שלום"' in line
    assert json.loads(line)["data"]["raw"] == {"$bytes": base64.b64encode(b"\x00\xff").decode()}


def test_a_file_is_read_back(tmp_path: Path) -> None:
    events = rt.Events([event(i) for i in range(5)])
    plain, packed = tmp_path / "x.ndjson", tmp_path / "x.ndjson.gz"
    lines = b"".join(map(encode_line, events)) + b"\n"
    plain.write_bytes(lines)
    packed.write_bytes(gzip.compress(lines))
    assert rt.Events.load(plain) == rt.Events.load(str(packed)) == events


GOOD = encode_line(event(1))
DEEP = b'{"room":"lab","event":"n","ts":1,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"no json", "Expecting value"),
        (b"[1]", "a line is one object, not list"),
        (b"{}", "'room' must be str, not None"),
        (b'{"room":"lab","event":"n","ts":"today"}', "'ts' must be int, not 'today'"),
        (b'{"room":"lab","event":"n","ts":true}', "'ts' must be int, not True"),
        (b'{"room":"lab","event":"n","ts":1,"data":NaN}', "NaN is no JSON"),
        (b'{"room":"lab","event":"n","ts":1,"data":-Infinity}', "-Infinity is no JSON"),
        (b'{"room":"lab","event":"n","ts":1,"data":{"$bytes":"no base64!"}}', "base64 of '.bytes' is wrong"),
        (b'{"room":"lab","event":"n","ts":1,"data":{"$bytes":7}}', "'.bytes' holds base64, not int"),
        (b'{"room":"lab","event":"n","ts":1,"data":{"$bytes":"AA==","a":1}}', "not the only key"),
        (b'{"room":"lab","event":"n","ts":1,"from":"ann"}', "'from' must be dict"),
        (b'{"room":"lab","event":"n","ts":1,"seq":1.5}', "'seq' must be int"),
        (b'{"room":"lab","event":"n","ts":1,"data":' + b"9" * 10_000 + b"}", "Exceeds the limit|digits"),
        (b'"\xff"', "utf-8|decode"),
        (DEEP, "nested too deep"),
    ],
)
def test_a_file_that_is_not_an_export_is_refused_with_the_line(tmp_path: Path, line: bytes, why: str) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(GOOD * 2 + line + b"\n" + GOOD)
    with pytest.raises(ExportError, match=rf"x\.ndjson, line 3: .*({why})"):
        rt.Events.load(path)


def test_a_line_without_end_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "LONGEST", 1_000)
    path = tmp_path / "x.ndjson.gz"
    path.write_bytes(gzip.compress(GOOD + b" " * 10_000_000))
    with pytest.raises(ExportError, match="line 2: it is longer than 1,000 bytes"):
        rt.Events.load(path)


@pytest.mark.parametrize("content", [gzip.compress(GOOD * 100)[:-20], b"\x1f\x8bxx", b"plain"])
def test_a_damaged_compressed_file_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.ndjson.gz"
    path.write_bytes(content)
    with pytest.raises(ExportError, match="is damaged after line"):
        rt.Events.load(path)
