"""The attachment that all buffers of an event share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.payloads import on_wire, packed, refused

from jupyter_rtmsg.errors import PayloadRefused, TooLarge
from jupyter_rtmsg.payloads import buffers, decode
from jupyter_rtmsg.payloads.buffers import BufferWriter
from jupyter_rtmsg.payloads.lazy import dump_payload


def test_all_buffers_of_an_event_are_one_attachment_after_those_of_the_user() -> None:
    data = {f"c{number}": np.arange(number, dtype="u1") for number in range(300)}
    _, attachments = dump_payload({"mine": b"mine", "columns": data}, max_depth=60)
    assert attachments[0] == b"mine"
    assert len(attachments) == 2


def test_buffers_begin_at_multiples_of_64() -> None:
    wire = on_wire([np.zeros(3, "u1"), np.zeros(1, "f8"), np.zeros(65, "u1"), np.zeros(0)])
    assert [array["data"] for array in wire["value"]] == [[0, 3], [64, 8], [128, 65], [256, 0]]
    assert len(wire["buffers"]) == 256


def test_bytes_that_are_the_only_buffer_are_not_copied() -> None:
    writer, data = BufferWriter(), b"x" * 100
    writer.add(data)
    assert writer.joined() is data


def test_more_bytes_than_an_event_may_have_are_refused_before_they_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "MAX_BYTES", 100)
    with pytest.raises(TooLarge, match=r"more than 128 bytes; an event may have 100"):
        on_wire([np.zeros(8), np.zeros(8)])


@pytest.mark.parametrize(
    "place", [None, 3, [0], [0, 9], [-8, 8], [0, -1], [8, 1], ["0", 8], [0, 8.0], [True, 8], [1 << 70, 8], [0, 8, 8]]
)
def test_a_place_outside_of_the_attachment_is_refused(place: Any) -> None:
    array = {"$type": "ndarray", "dtype": "<f8", "shape": [1], "order": "C", "data": place}
    assert isinstance(decode(packed(array, bytes(8))).error, PayloadRefused)


@pytest.mark.parametrize("attachment", [None, "text", [1], 7])
def test_an_attachment_that_is_not_binary_is_refused(attachment: Any) -> None:
    assert "is not binary" in str(refused({"$type": "packed", "value": 1, "buffers": attachment}))
