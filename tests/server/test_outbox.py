"""Outboxes: what waits is counted while it waits, and joined once for all."""

from __future__ import annotations

from jupyter_rtmsg.server.outbox import DISCARD, Backlog, Joiner
from jupyter_rtmsg.wire.socketio import Encoded, encode_event


def packet(size: int) -> Encoded:
    return encode_event(["x", "y" * size])


def test_a_backlog_reports_the_first_byte_too_many():
    overflows: list[int] = []
    one = packet(10)
    backlog = Backlog([], 3 * len(one.websocket), lambda: overflows.append(len(backlog)))
    for _ in range(3):
        backlog.append(one)
    assert overflows == []
    backlog.append(one)
    assert overflows == [4]


def test_a_backlog_counts_what_it_starts_with():
    waiting = [packet(10), packet(1000)]
    backlog = Backlog(waiting, 1 << 20, lambda: None)
    assert backlog == waiting
    assert backlog.size == sum(len(p.websocket) for p in waiting)


def test_a_backlog_counts_attachments():
    backlog = Backlog([encode_event(["x", b"z" * 5000])], 1 << 20, lambda: None)
    assert backlog.size > 5000


def test_a_closed_session_keeps_nothing_and_is_never_flushed():
    DISCARD.append(packet(1))
    assert len(DISCARD) == 0
    assert DISCARD  # a writer marks sessions whose outbox is empty


def test_equal_outboxes_are_joined_once():
    joiner = Joiner()
    a, b = packet(1), packet(2)
    first = joiner.join([a, b])
    assert first == a.websocket + b.websocket
    assert joiner.join([a, b]) is first
    assert joiner.join([b, a]) == b.websocket + a.websocket


def test_a_single_packet_is_not_copied():
    one = packet(1)
    assert Joiner().join([one]) is one.websocket
