"""Messages with deliveries for a worker, with and without batches."""

from __future__ import annotations

import json
from typing import Any

from jupyter_rtmsg.hub.groups.job import Job
from jupyter_rtmsg.hub.groups.messages import BATCH_BYTES, SHALLOW, work_messages
from jupyter_rtmsg.log import Record

ANN, BOB = b'{"user":"ann"}', b'{"user":"bob"}'


def job(seq: int, data: bytes = b"{}", sender: bytes = ANN, attachments: tuple[bytes, ...] = ()) -> Job:
    """Return an event that is given for the first time."""
    job = Job(Record("lab", seq, seq - 1, 1, "tick", data, attachments, sender, "ann", None, seq))
    job.give("m", "w", 1, 0.0, 0.0)
    return job


def args(*jobs: Job, batches: bool = True) -> list[list[Any]]:
    """Return the arguments of the events in the messages."""
    texts = [each.polling.split("\x1e")[0] for each in work_messages("lab", "g", jobs, batches=batches)]
    return [json.loads(text[text.index("[") :]) for text in texts]


def test_a_batch_has_an_entry_for_each_event_and_tells_a_sender_once_in_a_row() -> None:
    [[name, entries, meta]] = args(job(1), job(2), job(3, sender=BOB), job(4, b"[5]"))
    assert (name, meta) == ("$work", {"room": "lab", "group": "g", "count": 4})
    assert [(entry[0], entry[1]) for entry in entries] == [("tick", {}), ("tick", {}), ("tick", {}), ("tick", [5])]
    assert entries[0][2] == {"seq": 1, "prev": 0, "n": 1, "ts": 1, "from": {"user": "ann"}}
    assert [entry[2].get("from") for entry in entries[1:]] == [None, {"user": "bob"}, {"user": "ann"}]


def test_an_entry_tells_the_attempt_and_why_it_comes_again_unless_it_is_the_first() -> None:
    again = job(1)
    again.come_back("its worker left", None, None, charge=False)
    again.give("m", "w", 7, 0.0, 0.0)
    [[_, [[_, _, meta]], _]] = args(again)
    fields = {key: meta[key] for key in ("attempt", "deliveries", "redelivered", "error")}
    assert fields == {"attempt": 7, "deliveries": 2, "redelivered": True, "error": "its worker left"}


def test_events_with_attachments_or_deep_data_are_alone_and_the_order_stays() -> None:
    deep = b"[" * (SHALLOW + 1) + b"]" * (SHALLOW + 1)
    placeholder = b'{"_placeholder":true,"num":0}'
    got = args(job(1), job(2, placeholder, attachments=(b"x",)), job(3), job(4), job(5, deep), job(6))
    seqs = [[entry[2]["seq"] for entry in data] if "count" in meta else meta["seq"] for _, data, meta in got]
    assert seqs == [[1], 2, [3, 4], 5, [6]]
    assert got[1][2]["attempt"] == got[3][2]["attempt"] == 1


def test_a_batch_ends_when_it_is_large() -> None:
    third = b'"%b"' % (b"x" * (BATCH_BYTES // 3))
    got = args(*(job(seq, third) for seq in range(1, 8)))
    assert [len(entries) for _, entries, _ in got] == [3, 3, 1]
    assert all(entries[0][2]["from"] == {"user": "ann"} for _, entries, _ in got)
    assert len(args(job(1), job(2, b'"%b"' % (b"x" * BATCH_BYTES)))) == 2


def test_without_batches_each_event_is_a_message_of_its_own() -> None:
    got = args(job(1), job(2), batches=False)
    assert [(meta["seq"], meta["attempt"], meta["event"]) for _, _, meta in got] == [(1, 1, "tick"), (2, 1, "tick")]
