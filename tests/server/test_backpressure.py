"""Back-pressure is about progress, not size: a burst is not slowness, and who stops reading is cut off by time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.pollclient import PollClient
from support.wsclient import RawClient, until

from jupyter_rtmsg.errors import TooLarge
from jupyter_rtmsg.server import Server, Socket, timers
from jupyter_rtmsg.wire.websocket import PING, Pong, encode_frame

MASK = b"mask"


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at slow sessions more often than once a second."""
    monkeypatch.setattr(timers, "CHECK_EVERY", 0.05)


async def events(client: PollClient, count: int) -> list[str]:
    """Poll until so many packets have come."""
    packets: list[str] = []
    while len(packets) < count:
        packets += await client.get()
    return packets


def sends_on_go(io: Server, *sizes: int, pause: bool = False) -> None:
    """Have clients that emit "go" answered with events of these sizes, in one turn of the loop or with pauses."""

    @io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("go")
        async def go() -> None:
            for at, size in enumerate(sizes):
                socket.emit("e", at, "x" * size)
                if pause:
                    await asyncio.sleep(0)


BURSTS = {"one event of 1.2 MB": [1_200_000], "30 events of 100 kB": [100_000] * 30, "10,000 of 100": [100] * 10_000}


@pytest.mark.parametrize("pause", [False, True], ids=["in one turn", "with pauses"])
@pytest.mark.parametrize("sizes", BURSTS.values(), ids=BURSTS)
async def test_a_burst_arrives_whole_over_websocket(serve: Any, sizes: list[int], pause: bool):
    served = await serve()
    sends_on_go(served.io, *sizes, pause=pause)
    client = await served.enter()
    client.send('42["go"]')
    for at, size in enumerate(sizes):
        assert await client.receive() == f'42["e",{at},"{"x" * size}"]'
    await client.quiet()
    assert served.io.engine.memory.used == 0


@pytest.mark.parametrize("pause", [False, True], ids=["in one turn", "with pauses"])
@pytest.mark.parametrize("sizes", BURSTS.values(), ids=BURSTS)
async def test_a_burst_arrives_whole_over_polling(serve: Any, poll: Any, sizes: list[int], pause: bool):
    served = await serve()
    sends_on_go(served.io, *sizes, pause=pause)
    client = await poll(served)
    await client.enter()
    await client.send('42["go"]')
    packets = await events(client, len(sizes))
    assert [len(packet) for packet in packets] == [len(f'42["e",{at},""]') + size for at, size in enumerate(sizes)]
    assert served.io.engine.memory.used == 0


async def test_an_answer_to_a_poll_is_bounded_unless_one_packet_is_larger(serve: Any, poll: Any):
    served = await serve()
    sends_on_go(served.io, *[1000] * 1000, 600_000)
    client = await poll(served)
    await client.enter()
    await client.send('42["go"]')
    sizes = []
    received = 0
    while received < 1001:
        packets = await client.get()
        received += len(packets)
        sizes.append(sum(map(len, packets)))
    assert max(sizes[:-1]) <= 256 * 1024
    assert sizes[-1] > 600_000


async def test_a_large_event_in_connection_opens_no_loop_of_reconnects(serve: Any, poll: Any):
    served = await serve()
    served.io.on("connection", lambda socket: socket.emit("big", "x" * 1_200_000))
    client = await poll(served)
    await client.send("40")
    connected, *rest = await client.get()
    assert connected.startswith("40{")
    (big,) = rest or await client.get()
    assert len(big) > 1_200_000
    await client.send("3")
    assert len(served.io.engine.sessions) == 1


async def test_a_packet_larger_than_may_wait_is_refused_where_it_is_emitted(serve: Any):
    served = await serve(max_queue=10_000)
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await served.enter()
    for emit in (served.io.emit, sockets[0].emit, sockets[0].volatile.emit, served.io.to("room").emit):
        with pytest.raises(TooLarge, match="10,000 that may wait"):
            emit("e", "x" * 10_000)
    with pytest.raises(TooLarge):
        await sockets[0].timeout(1).emit_with_ack("e", "x" * 10_000)
    sockets[0].on("big", lambda: "x" * 10_000)
    client.send('421["big"]')
    assert await client.receive() == '431[{"error":{"code":"internal","message":"the handler failed"}}]'


async def test_volatile_events_never_cut_a_client_off(serve: Any, quick_checks: None):
    served = await serve(max_queue=2_000_000, send_timeout=60)
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    for _ in range(20):  # 20 MB, a megabyte in each turn
        for _ in range(100):
            sockets[0].volatile.emit("v", "x" * 10_000)
        await asyncio.sleep(0.02)
    session = sockets[0].session
    assert session.held < 2_000_000
    assert sockets[0].connected
    sockets[0].emit("end")
    client.writer.transport.resume_reading()
    while (packet := await client.receive()) != '42["end"]':
        assert str(packet).startswith('42["v"')  # whole: none was cut in the middle


async def test_a_client_that_stops_reading_is_cut_off_after_a_time_with_the_reason(serve: Any, quick_checks: None):
    served = await serve(send_timeout=0.5)
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    for _ in range(40):
        served.io.emit("e", "x" * 50_000)
    await until(lambda: reasons)
    assert reasons == ["too slow"]
    client.writer.transport.resume_reading()
    close = await client.closing()  # at the end of a frame, or the parser would complain
    assert close.code == 4008
    assert close.reason.startswith("too slow: nothing was read for ")
    assert served.io.engine.memory.used == 0


async def test_a_slow_reader_is_not_cut_off_though_its_pongs_come_late(serve: Any, quick_checks: None):
    """Eight megabytes, read over a time in which many pings and half a dozen send timeouts pass."""
    served = await serve(ping_interval=0.2, ping_timeout=0.3, send_timeout=1)
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await served.enter(receive_buffer=16_384)
    size, count = 200_000, 40
    for _ in range(count):
        served.io.emit("e", "x" * size)
    got = 0
    while got < count:
        packet = await client.receive()
        if packet == "2":
            client.send("3")
        else:
            assert packet == f'42["e","{"x" * size}"]'
            got += 1
            await asyncio.sleep(0.1)
    assert reasons == []


async def test_too_much_is_looked_at_twice(serve: Any, monkeypatch: pytest.MonkeyPatch):
    """A reader that takes all of a burst between two checks stays, one that does not is cut off."""
    monkeypatch.setattr(timers, "CHECK_EVERY", 0.4)
    served = await serve(max_queue=1_000_000)
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", lambda _: reasons.append(socket.auth["name"])))
    reader = await served.enter(auth={"name": "reader"})
    sleeper = await served.enter(auth={"name": "sleeper"}, receive_buffer=4096)
    sleeper.writer.transport.pause_reading()
    for _ in range(10):
        served.io.emit("e", "x" * 500_000)
    for _ in range(10):
        assert len(str(await reader.receive())) > 500_000
    await until(lambda: reasons)
    assert reasons == ["sleeper"]
    await reader.quiet()


async def test_the_memory_of_all_sessions_is_bounded_and_the_largest_principal_is_cut_off(serve: Any):
    served = await serve(max_memory=20_000_000, max_queue=16_000_000)
    reasons: dict[str, str] = {}
    served.io.on(
        "connection", lambda socket: socket.on("disconnect", lambda why: reasons.update({socket.auth["name"]: why}))
    )
    memory = served.io.engine.memory
    stalled: list[RawClient] = []
    for number in range(6):
        client = await served.enter(auth={"name": f"stalled {number}"}, receive_buffer=4096)
        client.writer.transport.pause_reading()
        stalled.append(client)
    healthy = await served.enter(auth={"name": "healthy"})
    sockets = {socket.auth["name"]: socket for socket in served.io.sockets.sockets.values()}
    for number in range(6):  # to each its own: nothing is shared
        sockets[f"stalled {number}"].emit("own", "x" * (3_000_000 + number * 500_000))
        await asyncio.sleep(0)
    await until(lambda: memory.used <= 20_000_000)
    assert set(reasons) == {"stalled 4", "stalled 5"}  # the largest, when there was too much
    await healthy.quiet()


async def test_the_memory_limit_holds_with_256_stalled_readers_and_active_readers_stay(serve: Any):
    served = await serve(max_memory=8_000_000)
    memory = served.io.engine.memory
    stalled = [await served.enter(receive_buffer=4096) for _ in range(256)]
    for client in stalled:
        client.writer.transport.pause_reading()
    sockets = list(served.io.sockets.sockets.values())
    reader = await served.enter()
    for number in range(3):
        served.io.emit("all", number, "x" * 300_000)
        for socket in sockets:
            socket.emit("own", "x" * 100_000)  # 25 MB that nobody shares
        assert str(await reader.receive()).startswith(f'42["all",{number},')
    await until(lambda: memory.used <= 8_000_000)
    assert 1 < len(served.io.engine.sessions) < 128
    await reader.quiet()


async def test_a_broadcast_that_waits_for_many_counts_once(serve: Any):
    served = await serve(max_memory=12_000_000)
    stalled = [await served.enter(receive_buffer=4096) for _ in range(32)]
    for client in stalled:
        client.writer.transport.pause_reading()
    for _ in range(5):
        served.io.emit("e", "x" * 1_000_000)
    await until(lambda: all(session.backlog for session in served.io.engine.sessions.values()))
    assert 4_000_000 < served.io.engine.memory.used < 6_000_000
    assert len(served.io.engine.sessions) == 32


async def test_parts_of_messages_are_counted_and_given_back(serve: Any):
    served = await serve()
    memory = served.io.engine.memory
    frame, binary, gone = await served.enter(), await served.enter(), await served.enter()
    whole = encode_frame(1, b'42["e","' + b"x" * 500_000 + b'"]', MASK)
    frame.write(whole[:400_000])
    binary.send('452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"y" * 300_000)
    gone.write(whole[:400_000])
    await until(lambda: memory.used > 1_000_000)
    frame.write(whole[400_000:])
    binary.send(b"z")
    gone.writer.close()
    await until(lambda: memory.used == 0)


async def test_a_ping_frame_is_not_answered_inside_another_frame(serve: Any):
    served = await serve()
    client = await served.enter(receive_buffer=4096)
    client.writer.transport.pause_reading()
    served.io.emit("big", "x" * 3_000_000)
    await until(lambda: served.io.engine.memory.used)
    client.write(encode_frame(PING, b"here?", MASK))
    client.send('420["nobody listens"]', '42["e"]')
    await asyncio.sleep(0.05)
    client.writer.transport.resume_reading()
    assert len(str(await client.receive())) > 3_000_000  # the parser of the client complains of anything else
    assert await client.receive() == Pong(b"here?")


async def test_polls_between_the_end_and_the_cut_never_get_an_empty_answer(serve: Any, poll: Any, quick_checks: None):
    served = await serve(send_timeout=0.3)
    client = await poll(served)
    await client.enter()
    served.io.emit("e", 1)
    await until(lambda: not served.io.engine.sessions)
    assert await client.get() == ["1"]  # the goodbye, for whoever comes late
    assert await client.gone()


async def test_a_stalled_reader_does_not_hold_up_the_others(serve: Any):
    served = await serve()
    readers = [await served.enter() for _ in range(50)]
    stalled = await served.enter(receive_buffer=4096)
    stalled.writer.transport.pause_reading()
    for n in range(200):
        served.io.emit("e", n, "x" * 10_000)
        if n % 20 == 19:  # everyone has everything up to here, whatever the other does
            for reader in readers:
                for at in range(n - 19, n + 1):
                    assert str(await reader.receive()).startswith(f'42["e",{at},')
    (behind,) = [session for session in served.io.engine.sessions.values() if session.backlog]
    assert behind.held > 1_000_000


async def test_a_replay_of_three_megabytes_comes_whole(serve: Any):
    served = await serve(recovery=True)
    client = await served.enter()
    served.io.emit("first")
    assert await client.receive() == '42["first"]'
    offset = str(await client.receive()).rsplit('"', 2)[1]
    client.reset()
    await until(lambda: not served.io.engine.sessions)
    for n in range(30):
        served.io.emit("missed", n, "x" * 100_000)
    back = await served.open()
    back.send(f'40{{"pid":"{client.welcome["pid"]}","offset":"{offset}"}}')
    assert f'"sid":"{client.welcome["sid"]}"' in str(await back.receive())
    for n in range(30):
        assert str(await back.receive()).startswith(f'42["missed",{n},')
        assert await back.receive() == f'42["$offset","{n + 2}"]'
    await back.quiet()


async def test_a_body_that_is_received_is_counted_and_given_back(serve: Any, poll: Any):
    served = await serve()
    memory = served.io.engine.memory
    client = await poll(served)
    await client.enter()
    body = b'42["e","' + b"x" * 500_000 + b'"]'
    whole = await client.start("POST", client.query, body[:300_000], Content_Length=str(len(body)))
    await until(lambda: memory.used >= 300_000)
    whole.write(body[300_000:])
    assert (await whole.answer()).body == b"ok"
    assert memory.used == 0
    broken = await client.start("POST", client.query, body[:300_000], Content_Length=str(len(body)))
    await until(lambda: memory.used >= 300_000)
    broken.reset()
    await until(lambda: memory.used == 0)


async def test_many_bodies_together_are_bounded(serve: Any, poll: Any):
    served = await serve(max_memory=2_000_000)
    memory = served.io.engine.memory
    clients = [await poll(served) for _ in range(8)]
    for client in clients:
        await client.enter()
        await client.start("POST", client.query, b"x" * 400_000, Content_Length="800000")
    await until(lambda: len(served.io.engine.sessions) < 6)
    assert memory.used <= 2_000_000
    assert len(served.io.engine.sessions) == 5  # five bodies fit
