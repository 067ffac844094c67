"""What waits for one session: written in pieces, shared, counted once, and cut at a frame's end."""

from __future__ import annotations

from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_rtmsg.server.memory import Memory
from jupyter_rtmsg.server.outbox import CHUNK, DISCARD, Backlog, WriteCoalescer
from jupyter_rtmsg.wire.socketio import Encoded, encode_event

FORM = attrgetter("websocket")


def packet(size: int, *, volatile: bool = False) -> Encoded:
    encoded = encode_event(["x", "y" * size])
    encoded.volatile = volatile
    return encoded


@pytest.fixture
def memory() -> Memory:
    return Memory(1 << 40, list)


def backlog_of(memory: Memory, *packets: Encoded) -> Backlog:
    backlog = Backlog(memory, 0.0)
    backlog.add(packets)
    return backlog


@given(st.lists(st.integers(0, 3 * CHUNK), max_size=8))
def test_the_pieces_are_small_and_together_they_are_everything_in_order(sizes: list[int]):
    memory = Memory(1 << 40, list)
    packets = [packet(size) for size in sizes]
    backlog = backlog_of(memory, *packets)
    pieces = []
    while backlog:
        pieces.append(backlog.take(FORM))
    assert all(0 < len(piece) <= CHUNK for piece in pieces)
    assert b"".join(pieces) == b"".join(each.websocket for each in packets)
    assert (backlog.size, memory.used) == (0, 0)


def test_a_packet_that_waits_for_many_is_counted_once(memory: Memory):
    shared = packet(1000)
    backlogs = [backlog_of(memory, shared) for _ in range(100)]
    assert memory.used == len(shared.websocket)
    assert [each.size for each in backlogs] == [len(shared.websocket)] * 100
    for each in backlogs:
        assert memory.used == len(shared.websocket)
        each.clear()
    assert memory.used == 0


def test_a_ping_goes_ahead_of_waiting_packets_but_not_into_a_half_written_frame(memory: Memory):
    first, second, ping = packet(CHUNK + 100), packet(10), Encoded(b"2")
    backlog = backlog_of(memory, first, second)
    taken = backlog.take(FORM)
    assert backlog.half_written
    backlog.jump(ping)
    assert backlog.urgent is ping
    rest = backlog.take(FORM)
    assert taken + rest == first.websocket + ping.websocket + second.websocket
    assert backlog.urgent is None
    backlog.add([first])
    backlog.jump(ping)
    assert backlog.take(FORM).startswith(ping.websocket)


def test_a_volatile_packet_is_dropped_unless_it_is_half_written(memory: Memory):
    first, lost, kept = packet(CHUNK + 1, volatile=True), packet(10, volatile=True), packet(10)
    backlog = backlog_of(memory, first, lost, kept)
    begun = backlog.take(FORM)
    backlog.drop_volatile()
    assert begun + backlog.take(FORM) == first.websocket + kept.websocket


def test_a_cut_ends_at_the_end_of_the_frame(memory: Memory):
    first, second = packet(CHUNK + 1), packet(10)
    backlog = backlog_of(memory, first, second)
    begun = backlog.take(FORM)
    backlog.cut()
    assert begun + backlog.take(FORM) == first.websocket
    backlog = backlog_of(memory, first, second)
    backlog.cut()
    assert not backlog
    assert memory.used == 0


def test_packets_are_taken_whole_at_least_one_at_a_time(memory: Memory):
    packets = [packet(10), packet(10), packet(1000), packet(10)]
    backlog = backlog_of(memory, *packets)
    assert backlog.take_packets(100) == packets[:2]
    assert backlog.take_packets(100) == packets[2:3]
    assert backlog.take_packets(100) == packets[3:]
    assert backlog.take_packets(100) == []


def test_progress_is_measured_at_the_peer_and_not_at_the_transport(memory: Memory):
    backlog = backlog_of(memory, *[packet(CHUNK) for _ in range(4)])
    backlog.progressed(0, 1.0)
    backlog.take(FORM)
    backlog.progressed(CHUNK, 2.0)  # taken, and passed on to nobody
    assert backlog.moved == 1.0
    backlog.progressed(CHUNK - 1, 3.0)
    assert backlog.moved == 3.0


def test_a_closed_session_keeps_nothing_and_is_never_flushed():
    DISCARD.append(packet(1))
    assert len(DISCARD) == 0
    assert DISCARD  # a writer marks sessions whose outbox is empty


def test_equal_outboxes_are_joined_once():
    coalescer = WriteCoalescer()
    a, b = packet(1), packet(2)
    first = coalescer.join([a, b])
    assert first == a.websocket + b.websocket
    assert coalescer.join([a, b]) is first
    assert coalescer.join([b, a]) == b.websocket + a.websocket


def test_a_single_packet_is_not_copied():
    one = packet(1)
    assert WriteCoalescer().join([one]) is one.websocket


def test_more_than_one_write_takes_is_not_joined():
    assert WriteCoalescer().join([packet(CHUNK)]) is None
    assert WriteCoalescer().join([packet(CHUNK // 2), packet(CHUNK // 2)]) is None
