"""Peers that are broken, slow or hostile: they harm themselves alone, and nothing of them stays."""

from __future__ import annotations

import asyncio
import logging
import random
import time
import tracemalloc

import pytest
from support.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, close_payload, frame
from support.webserver import queue_of
from support.wsclient import PATIENCE, RawClient, until, upgrade_request

from jupyter_rtmsg.server import Socket
from jupyter_rtmsg.wire.websocket import Close

HOLE = '{"_placeholder":true,"num":0}'


@pytest.fixture(autouse=True)
def _no_faults(caplog):
    """Whatever a peer does is no fault of the server's, and none may be logged."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# -- right behind the upgrade request (CVE-2022-21676)


async def test_packets_right_behind_the_upgrade_request_are_taken(serve):
    served = await serve()
    client = await served.dial()
    client.write(upgrade_request() + frame(TEXT, b"40", mask=MASK))
    assert (await client.response()).status == 101
    await client.take_open()
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith('40{"sid"')


@pytest.mark.parametrize(
    ("garbage", "code"),
    [
        (b"\x00" * 100, 1002),
        (b"\xff" * 100, 1009),
        (b"GET / HTTP/1.1\r\n\r\n", 1002),
        (frame(TEXT, b"", rsv=4, mask=MASK), 1002),
        (frame(CLOSE, b"\x03", mask=MASK), 1002),
        (frame(TEXT, b"", size=1 << 62, width=8, mask=MASK), 1009),
        (frame(TEXT, b"\xff", mask=MASK), 1007),
    ],
)
async def test_garbage_right_behind_the_upgrade_request_harms_no_one(serve, garbage, code):
    served = await serve()
    other = await served.enter()
    client = await served.dial()
    client.write(upgrade_request() + garbage)
    assert (await client.response()).status == 101
    assert (await client.closing()).code == code
    await until(lambda: len(served.io.engine.sessions) == 1)
    await other.quiet()


async def test_a_megabyte_right_behind_the_upgrade_request_is_taken(serve):
    served = await serve()
    client = await served.dial()
    client.write(upgrade_request() + frame(PONG, b"x" * 125, mask=MASK) * 7000 + frame(TEXT, b"40", mask=MASK))
    assert (await client.response()).status == 101
    await client.take_open()
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith('40{"sid"')


async def test_an_endless_stream_right_behind_the_upgrade_request_is_cut_off(serve):
    served = await serve()
    client = await served.dial()
    client.write(upgrade_request() + frame(PONG, b"x" * 125, mask=MASK) * 100_000)
    await client.rest()
    await until(lambda: not served.io.engine.sessions)
    await served.enter()


# -- connections that break (CVE-2022-41940)

UPGRADE = upgrade_request()
STAGES = {
    "before a word": b"",
    "in the request line": UPGRADE[:10],
    "in the headers": UPGRADE[:60],
    "before the last line end": UPGRADE[:-1],
    "after the request": UPGRADE,
    "in a frame": UPGRADE + frame(TEXT, b"40", mask=MASK)[:4],
    "after connecting": UPGRADE + frame(TEXT, b"40", mask=MASK),
    "in a fragmented message": UPGRADE + frame(TEXT, b"4", fin=False, mask=MASK),
    "while an attachment is awaited": UPGRADE
    + frame(TEXT, b"40", mask=MASK)
    + frame(TEXT, f'451-["a",{HOLE}]'.encode(), mask=MASK),
    "in an attachment": UPGRADE
    + frame(TEXT, b"40", mask=MASK)
    + frame(TEXT, f'451-["a",{HOLE}]'.encode(), mask=MASK)
    + frame(BINARY, bytes(1000), mask=MASK)[:500],
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("how", ["reset", "hang up"])
@pytest.mark.parametrize("patient", [False, True], ids=["at once", "after an answer"])
async def test_a_connection_that_ends_at_any_stage_leaves_nothing(serve, stage, how, patient):
    served = await serve()
    other = await served.enter()
    client = await served.dial()
    client.write(stage)
    if patient and stage.startswith(UPGRADE):
        await client.response()
        await client.take_open()
    if how == "reset":
        client.reset()
    else:
        await client.hang_up()
    await (await served.open()).enter()
    await until(lambda: len(served.io.engine.sessions) == 2)
    await until(lambda: len(served.io.of("/").sockets) == 2)
    await other.quiet()


async def test_a_reset_is_a_transport_error_and_a_hang_up_a_transport_close(serve):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    (await served.enter()).reset()
    await until(lambda: reasons == ["transport error"])
    await (await served.enter()).hang_up()
    await until(lambda: reasons == ["transport error", "transport close"])


async def test_a_client_that_ends_its_side_only_is_gone(serve):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await served.enter()
    client.writer.write_eof()
    assert await client.receive() is None
    assert reasons == ["transport close"]


# -- random bytes


@pytest.mark.parametrize("seed", range(5))
async def test_random_bytes_close_one_connection_and_raise_nothing(serve, seed):
    served = await serve()
    other = await served.enter()
    chance = random.Random(seed)
    for _ in range(10):
        client = await served.enter()
        for _ in range(chance.randrange(1, 5)):
            text = bytes(chance.choice(b'0123456-[]{}",/ab') for _ in range(chance.randrange(20)))
            client.write(frame(TEXT, b"4" + text, mask=MASK))
        client.write(chance.randbytes(300) + b"\x00\x00")
        await client.hang_up()
    await until(lambda: len(served.io.engine.sessions) == 1)
    await other.quiet()


# -- floods


async def test_a_flood_of_tiny_fragments_is_one_message_and_others_are_served_meanwhile(serve):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("size", len))
    client, other = await served.enter(), await served.enter()
    text = '420["size","' + "x" * 50_000 + '"]'
    tiny = [frame(CONTINUATION, byte.encode(), fin=False, mask=MASK) for byte in text]
    client.write(frame(TEXT, b"", fin=False, mask=MASK) + b"".join(tiny))
    await other.quiet()
    client.write(frame(CONTINUATION, b"", mask=MASK))
    assert await client.receive() == "430[50000]"


async def test_endless_empty_fragments_cost_no_memory(serve):
    served = await serve()
    client = await served.enter()
    flood = frame(TEXT, b"4", fin=False, mask=MASK) + frame(CONTINUATION, b"", fin=False, mask=MASK) * 30_000
    tracemalloc.start()
    try:
        client.write(flood + frame(CONTINUATION, b"0", mask=MASK))
        client.write(frame(PING, b"end", mask=MASK))
        await client.closing()  # a second CONNECT
        assert tracemalloc.get_traced_memory()[1] < 8 * len(flood)
    finally:
        tracemalloc.stop()


async def test_a_trickle_of_single_bytes_is_a_packet_in_the_end(serve):
    served = await serve()
    client = await served.open()
    for byte in frame(TEXT, b"40", mask=MASK):
        client.write(bytes([byte]))
        await asyncio.sleep(0)
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith("40{")


async def test_ten_thousand_events_at_once_do_not_hold_up_others(serve):
    served = await serve()
    order: list[str] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("e", order.append)

    greedy, modest = await served.enter(), await served.enter()
    greedy.send(*['42["e","greedy"]'] * 20_000)
    modest.send('42["e","modest"]')
    await until(lambda: len(order) == 20_001)
    assert order.index("modest") < 19_000


async def test_pings_that_are_never_read_do_not_pile_up_pongs(serve):
    served = await serve(max_queue=200_000)
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    (session,) = served.io.engine.sessions.values()
    waiting = []
    for _ in range(60):
        client.write(frame(PING, b"x" * 125, mask=MASK) * 1000)
        await client.writer.drain()
        stream = session.transport and session.transport._stream
        waiting.append(stream.get_write_buffer_size() if stream else 0)
    assert max(waiting) < 300_000
    client.writer.transport.resume_reading()
    client.write(frame(PING, b"last", mask=MASK))
    while (message := await client.receive()) is not None and getattr(message, "data", b"") != b"last":
        pass
    assert message is not None


async def test_events_behind_an_unread_pong_are_bounded(serve):
    served = await serve(max_queue=200_000)
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    (session,) = served.io.engine.sessions.values()
    while session.transport and not session.transport.paused:
        client.write(frame(PING, b"x" * 125, mask=MASK) * 100)
        await client.writer.drain()
        await asyncio.sleep(0)
    for _ in range(100):
        served.io.emit("e", "x" * 10_000)
        await asyncio.sleep(0)
    await until(lambda: reasons)
    assert reasons == ["too slow"]


async def test_unknown_namespaces_asked_for_endlessly_are_bounded_by_the_queue(serve):
    served = await serve(max_queue=200_000)
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    (session,) = served.io.engine.sessions.values()
    for _ in range(400):
        if session.closed:
            break
        client.send(*[f"40/{i:01000}," for i in range(20)])
        await asyncio.sleep(0.001)
    await until(lambda: session.closed)


# -- slow members


async def test_a_member_that_does_not_read_is_cut_off_with_4008_and_others_get_everything(serve):
    served = await serve(max_queue=500_000)
    reasons: dict[str, str] = {}

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("disconnect", lambda reason: reasons.update({socket.auth["name"]: reason}))

    slow = await served.enter(auth={"name": "slow"}, receive_buffer=4096)
    fast = await served.enter(auth={"name": "fast"})
    slow.writer.transport.pause_reading()
    received = 0
    for i in range(300):
        served.io.emit("e", i, "x" * 10_000)
        packet = await fast.receive()
        assert isinstance(packet, str)
        received += packet.startswith(f'42["e",{i},')
    assert received == 300
    await until(lambda: reasons)
    assert reasons == {"slow": "too slow"}
    assert len(served.io.engine.sessions) == 1
    slow.writer.transport.resume_reading()
    close = await slow.closing()  # whole frames up to there: the parser would complain
    assert close.code == 4008
    assert "more than 500,000" in close.reason
    await fast.quiet()


async def test_a_member_that_reads_again_in_time_gets_everything(serve):
    served = await serve(max_queue=10_000_000)
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    for i in range(300):
        served.io.emit("e", i, "x" * 10_000)
        await asyncio.sleep(0)
    client.writer.transport.resume_reading()
    for i in range(300):
        packet = await client.receive()
        assert isinstance(packet, str)
        assert packet.startswith(f'42["e",{i},')
    await client.quiet()


async def test_volatile_events_skip_clients_that_cannot_be_written_to(serve):
    served = await serve(max_queue=1_000_000)
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    while sockets[0].session.ready:
        sockets[0].emit("e", "x" * 10_000)
        await asyncio.sleep(0)
    for _ in range(500):  # 5 MB: they would cut it off if they waited
        sockets[0].volatile.emit("v", "x" * 10_000)
        served.io.volatile.emit("v", "x" * 10_000)
        await asyncio.sleep(0)
    assert sockets[0].connected
    sockets[0].emit("end")
    client.writer.transport.resume_reading()
    while (packet := await client.receive()) != '42["end"]':
        assert isinstance(packet, str)
        assert packet.startswith('42["e"')


async def test_a_close_frame_ends_a_connection_whose_peer_reads_nothing(serve, monkeypatch):
    monkeypatch.setattr("jupyter_rtmsg.server.websocket.LINGER", 0.1)
    served = await serve(max_queue=10_000_000)
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    (session,) = served.io.engine.sessions.values()
    transport = session.transport
    while not transport.paused:
        served.io.emit("e", "x" * 100_000)
        await asyncio.sleep(0)
    client.send_close()
    await until(lambda: session.closed)
    await until(lambda: transport._stream is None)


async def test_a_peer_that_never_answers_a_close_frame_is_dropped(serve, monkeypatch):
    monkeypatch.setattr("jupyter_rtmsg.server.websocket.LINGER", 0.1)
    served = await serve()
    client = await served.enter()
    client.send("2")
    message = await client.receive()
    assert isinstance(message, Close)
    assert await asyncio.wait_for(client.receive(), PATIENCE) is None


# -- handlers that are slower than their client


COUNT = 12_000  # more events than may wait


def reading_pauses(socket: Socket) -> bool:
    """Whether so many events wait that the connection is read no more."""
    queue, transport = queue_of(socket), socket.session.transport
    return queue is not None and len(queue.events) < COUNT - 1 and transport is not None and transport._unread


async def test_events_wait_for_a_slow_handler_in_order_and_within_bounds(serve):
    served = await serve()
    gate = asyncio.Event()
    seen: list[int] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("e")
        async def handle(n: int) -> None:
            await gate.wait()
            seen.append(n)

    client = await served.enter()
    (socket,) = served.io.of("/").sockets.values()
    client.send(*[f'42["e",{n}]' for n in range(COUNT)])
    await until(lambda: reading_pauses(socket))
    gate.set()
    await until(lambda: len(seen) == COUNT)
    assert seen == list(range(COUNT))
    await client.quiet()


async def test_two_slow_namespaces_of_one_connection_are_both_bounded(serve):
    served = await serve()
    gates = {"/a": asyncio.Event(), "/b": asyncio.Event()}

    async def wait(socket: Socket) -> None:
        await gates[socket.namespace.name].wait()

    for name in gates:
        served.io.of(name).on("connection", lambda socket: socket.on("e", lambda n: wait(socket)))
    client = await served.enter("/a")
    await client.enter("/b")
    client.send(*['42/b,["e",1]'] * 100, *['42/a,["e",1]'] * COUNT, '42/b,1["e",1]')
    (a,) = served.io.of("/a").sockets.values()
    await until(lambda: reading_pauses(a))
    gates["/b"].set()  # it is through before the other, and the connection waits on
    (b,) = served.io.of("/b").sockets.values()
    await until(lambda: queue_of(b) is None)
    assert reading_pauses(a)
    gates["/a"].set()
    assert await client.receive() == "43/b,1[]"


async def test_a_socket_disconnected_with_events_waiting_lets_the_connection_read_on(serve):
    served = await serve()
    served.io.of("/other")
    gate = asyncio.Event()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("e")
        async def handle() -> None:
            await gate.wait()
            socket.disconnect()

    client = await served.enter()
    (socket,) = served.io.of("/").sockets.values()
    client.send(*['42["e"]'] * COUNT)
    await until(lambda: reading_pauses(socket))
    gate.set()
    assert await client.receive() == "41"
    await client.enter("/other")


async def test_a_client_with_waiting_events_does_not_time_out(serve):
    """Its pongs cannot be read while its events wait for a slow handler."""
    served = await serve(ping_interval=0.5, ping_timeout=0.5)
    gate = asyncio.Event()
    seen: list[int] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("e")
        async def handle(n: int) -> None:
            await gate.wait()
            seen.append(n)

    client = await served.enter()
    client.send(*[f'42["e",{n}]' for n in range(COUNT)])
    assert await client.receive() == "2"
    client.send("3")
    asyncio.get_running_loop().call_later(1, gate.set)
    await until(lambda: len(seen) == COUNT)
    while await client.receive() == "2":  # and as soon as it is read again, silence counts
        pass
    assert not served.io.engine.sessions


async def test_a_server_that_was_blocked_lets_no_client_pay_for_it(serve):
    served = await serve(ping_interval=0.4, ping_timeout=0.4)
    served.io.on("connection", lambda socket: socket.on("block", lambda: time.sleep(1)))
    client = await served.enter()
    client.send('420["block"]')
    packets = await client.receive_many(2)
    assert sorted(map(str, packets)) == ["2", "430[]"]
    client.send("3", '421["block"]')
    packets = await client.receive_many(2)
    assert sorted(map(str, packets)) == ["2", "431[]"]


async def test_a_client_that_closes_while_its_events_wait_is_answered(serve, monkeypatch):
    monkeypatch.setattr("jupyter_rtmsg.server.websocket.LINGER", 3600)  # the client's answer ends it
    served = await serve()
    gate = asyncio.Event()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("e")
        async def handle() -> None:
            await gate.wait()

    client = await served.enter()
    (socket,) = served.io.of("/").sockets.values()
    client.send(*['42["e"]'] * COUNT)
    await until(lambda: reading_pauses(socket))
    socket.disconnect(close=True)
    assert (await client.closing()).code == 1000


# -- waiting to be let in


async def test_refused_upgrades_do_not_count_as_pending_sessions(serve):
    served = await serve(max_pending=2)
    for _ in range(5):
        client = await served.dial()
        client.write(upgrade_request(Sec_WebSocket_Key="no"))
        assert (await client.response()).status == 400
    await served.open()
    await served.enter()
    await served.open()
    full: RawClient = await served.dial()
    full.write(upgrade_request())
    assert (await full.response()).status == 503


async def test_a_place_is_free_again_when_its_client_is_gone(serve):
    served = await serve(max_pending_per_address=1)
    for how in ("leave", "reset", "violate"):
        client = await served.open()
        if how == "leave":
            await client.hang_up()
        elif how == "reset":
            client.reset()
        else:
            client.write(frame(CLOSE, close_payload(1000), mask=MASK))
        await until(lambda: not served.io.engine.sessions)
    await served.enter()
    await served.open()
    second = await served.dial()
    second.write(upgrade_request())
    assert (await second.response()).status == 429
