"""The upgrade from polling to WebSocket, in every order that clients choose (docs/protocol.md#engineio-upgrade)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from support.frames import CONTINUATION, MASK, PING, TEXT, frame
from support.pollclient import EIO, PollClient
from support.wsclient import RawClient, until, upgrade_request

from jupyter_rtmsg.server import Session, Socket
from jupyter_rtmsg.wire.websocket import Close, Pong


@pytest.fixture(autouse=True)
def _no_faults(caplog):
    """Whatever a peer does is no fault of the server's, and none may be logged."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def session_of(served: Any) -> Session:
    (session,) = served.io.engine.sessions.values()
    assert isinstance(session, Session)
    return session


async def probed(client: PollClient) -> RawClient:
    """Begin an upgrade up to the answer to the probe."""
    candidate = await client.upgrade()
    candidate.send("2probe")
    assert await candidate.receive() == "3probe"
    return candidate


async def upgraded(served: Any, client: PollClient) -> RawClient:
    """Upgrade."""
    candidate = await probed(client)
    candidate.send("5")
    await until(lambda: session_of(served).transport.name == "websocket")
    return candidate


async def test_the_whole_way_from_polling_to_websocket(serve, poll):
    served = await serve()
    names: list[str] = []
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await poll(served)
    await client.enter()
    session = session_of(served)
    session.on("upgrade", names.append)
    sockets[0].on("sum", lambda a, b: a + b)
    waiting = await client.poll()
    assert await client.waits(waiting)
    candidate = await probed(client)
    assert await waiting.packets() == ["6"]
    candidate.send("5", '421["sum",1,2]')
    assert await candidate.receive() == "431[3]"
    assert names == ["websocket"]
    assert session_of(served) is session
    assert session.transport.name == "websocket"
    served.io.emit("news")
    assert await candidate.receive() == '42["news"]'


async def test_a_packet_right_after_the_5_may_be_large_once_the_client_is_admitted(serve, poll):
    served = await serve(max_pending_payload=1000)
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await poll(served)
    candidate = await probed(client)  # begun before its CONNECT: so far it may send small messages only
    await client.enter()
    sockets[0].on("size", len)
    candidate.send("5", '421["size","' + "x" * 100_000 + '"]')
    assert await candidate.receive() == "431[100000]"


async def test_every_get_during_the_probe_is_answered_at_once(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await probed(client)
    for _ in range(3):
        assert await client.get() == ["6"]
    candidate.send("5")
    await until(lambda: session_of(served).transport.name == "websocket")


async def test_polling_stays_the_live_transport_until_the_client_says_5(serve, poll):
    served = await serve()
    seen: list[int] = []
    served.io.on("connection", lambda socket: socket.on("n", seen.append))
    client = await poll(served)
    await client.enter()
    candidate = await probed(client)
    served.io.emit("tick", 1)
    assert await client.get() == ['42["tick",1]']
    await client.send('42["n",1]')
    assert seen == [1]
    served.io.emit("tick", 2)
    await asyncio.sleep(0)
    candidate.write(frame(PING, b"", mask=MASK))
    assert await candidate.receive() == Pong(b"")  # nothing else came this way
    candidate.send("5")
    assert await candidate.receive() == '42["tick",2]'


async def test_the_5_may_come_without_waiting_for_the_answer_to_the_probe(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    served.io.emit("queued")
    candidate = await client.upgrade()
    candidate.send("2probe", "5", '42["x"]')
    assert await candidate.receive() == "3probe"
    assert await candidate.receive() == '42["queued"]'


async def test_probe_and_5_may_come_right_behind_the_upgrade_request(serve, poll):
    served = await serve()
    client = await poll(served)
    candidate = await client.dial()
    request = upgrade_request(f"EIO=4&transport=websocket&sid={client.sid}")
    candidate.write(request + b"".join(frame(TEXT, data, mask=MASK) for data in (b"2probe", b"5", b"40")))
    assert (await candidate.response()).status == 101
    assert await candidate.receive() == "3probe"
    packet = await candidate.receive()
    assert str(packet).startswith("40{")


async def test_all_that_waits_goes_over_the_websocket_in_order(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await probed(client)
    for n in range(500):
        served.io.emit("n", n)
    candidate.send("5")
    await until(lambda: session_of(served).transport.name == "websocket")
    for n in range(500, 600):
        served.io.emit("n", n)
    assert await candidate.receive_many(600) == [f'42["n",{n}]' for n in range(600)]


async def test_events_of_all_kinds_of_moments_arrive_once_and_in_order(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await client.upgrade()
    got: list[Any] = []
    for n in range(0, 30, 3):
        served.io.emit("n", n)
        served.io.emit("n", n + 1)
        got += await client.get()
        served.io.emit("n", n + 2)
        if n == 15:
            candidate.send("2probe")
            assert await candidate.receive() == "3probe"
    candidate.send("5")
    while len(got) < 30:
        got.append(await candidate.receive())
    assert got == [f'42["n",{n}]' for n in range(30)]


async def test_after_the_upgrade_polling_is_refused_and_the_session_untouched(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await upgraded(served, client)
    for method, body in (("GET", None), ("POST", b"3")):
        response = await (await client.start(method, client.query, body)).answer()
        assert (response.status, response.json()) == (400, {"code": 3, "message": "Bad request"})
    await candidate.quiet()


async def test_a_get_that_waits_when_the_5_comes_is_released(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    waiting = await client.poll()
    assert await client.waits(waiting)
    candidate = await client.upgrade()
    candidate.send("2probe", "5")
    assert await waiting.packets() == ["6"]
    assert await candidate.receive() == "3probe"
    await candidate.quiet()


@pytest.mark.parametrize("packets", [["2"], ["3probe"], ["6"], ["2probe", "2probe"], ["2probe", "40"], ["40"], [b"x"]])
async def test_a_websocket_that_does_not_probe_is_closed_and_polling_continues(serve, poll, packets):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await client.upgrade()
    candidate.send(*packets)
    while not isinstance(message := await candidate.receive(), Close):
        assert message == "3probe"
    assert message.code == 1002
    assert session_of(served).upgrade is None
    waiting = await client.poll()
    assert await client.waits(waiting)
    served.io.emit("alive")
    assert await waiting.packets() == ['42["alive"]']


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"2probe"), 1002),
        (frame(CONTINUATION, b"", mask=MASK), 1002),
        (frame(TEXT, b"", size=1 << 40, width=8, mask=MASK), 1009),
        (frame(TEXT, b"\xff", mask=MASK), 1007),
    ],
)
async def test_a_candidate_that_speaks_no_websocket_is_closed_and_polling_goes_on(serve, poll, data, code):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await client.upgrade()
    candidate.write(data)
    assert (await candidate.closing()).code == code
    served.io.emit("alive")
    assert await client.get() == ['42["alive"]']


async def test_a_websocket_too_many_is_closed_behind_its_handshake_and_the_session_goes_on(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    first = await probed(client)
    await (await client.upgrade()).closing()  # while the first is a candidate
    first.send("5")
    await until(lambda: session_of(served).transport.name == "websocket")
    third = await client.upgrade()
    third.send("2probe")
    assert (await third.closing()).code == 1000
    await first.quiet()


@pytest.mark.parametrize("stage", ["at once", "probed"])
async def test_a_candidate_without_a_5_is_closed_and_polling_goes_on(serve, poll, stage):
    served = await serve(upgrade_timeout=0.6)
    client = await poll(served)
    await client.enter()
    candidate = await client.upgrade() if stage == "at once" else await probed(client)
    close = await candidate.closing()
    assert close.code == 1000
    waiting = await client.poll()
    assert await client.waits(waiting)  # no noop any more
    served.io.emit("alive")
    assert await waiting.packets() == ['42["alive"]']
    served.io.engine.upgrade_timeout = 10  # so that the next one is in time on a busy machine, too
    served.io.engine.upgrade_timeout = 60
    await (await upgraded(served, client)).quiet()  # it may try again


@pytest.mark.parametrize("how", ["reset", "hang up", "close frame"])
@pytest.mark.parametrize("stage", ["at once", "probed"])
async def test_a_candidate_that_breaks_leaves_polling_alone(serve, poll, how, stage):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await client.upgrade() if stage == "at once" else await probed(client)
    if how == "reset":
        candidate.reset()
    elif how == "hang up":
        await candidate.hang_up()
    else:
        candidate.send_close()
    await until(lambda: session_of(served).upgrade is None)
    waiting = await client.poll()
    assert await client.waits(waiting)
    await (await upgraded(served, client)).quiet()


@pytest.mark.parametrize("query", ["EIO=3&transport=websocket", "transport=websocket", "EIO=5&transport=websocket"])
async def test_an_upgrade_with_another_protocol_is_refused(serve, poll, query):
    """CVE-2026-102599."""
    served = await serve()
    client = await poll(served)
    candidate = await client.dial()
    candidate.write(upgrade_request(f"{query}&sid={client.sid}"))
    response = await candidate.response()
    assert (response.status, response.body) == (400, b"Bad request")
    assert await candidate.rest() == b""
    await client.enter()


@pytest.mark.parametrize(
    "headers", [{"Upgrade": None}, {"Sec_WebSocket_Key": None}, {"Sec_WebSocket_Version": "8"}, {"Connection": "close"}]
)
async def test_a_request_that_is_not_an_upgrade_is_refused(serve, poll, headers):
    served = await serve()
    client = await poll(served)
    candidate = await client.dial()
    candidate.write(upgrade_request(f"EIO=4&transport=websocket&sid={client.sid}", **headers))
    assert (await candidate.response()).status == 400
    assert session_of(served).upgrade is None
    await client.enter()


@pytest.mark.parametrize("sid", ["__proto__", "constructor", "x", "%00"])
async def test_an_upgrade_of_no_session_is_refused(serve, poll, sid):
    served = await serve()
    client = await served.dial()
    client.write(upgrade_request(f"EIO=4&transport=websocket&sid={sid}"))
    response = await client.response()
    assert (response.status, response.body) == (400, b"Session ID unknown")


async def test_no_upgrade_where_upgrades_are_switched_off(serve, poll):
    served = await serve(allow_upgrades=False)
    client = await poll(served)
    candidate = await client.dial()
    candidate.write(upgrade_request(f"EIO=4&transport=websocket&sid={client.sid}"))
    assert (await candidate.response()).status == 400
    await served.enter()  # a session that begins with WebSocket is none


# -- the 5 waits for requests under way, or packets were lost or overtaken


def recording(served: Any, event: str = "n") -> list[int]:
    """Return the list of the numbers that clients send."""
    seen: list[int] = []
    served.io.on("connection", lambda socket: socket.on(event, seen.append))
    return seen


async def test_the_5_may_come_without_a_probe(serve, poll):
    """PHP's elephant.io sends it so."""
    served = await serve()
    seen = recording(served)
    client = await poll(served)
    await client.enter()
    served.io.emit("queued")
    candidate = await client.upgrade()
    candidate.send("5", '42["n",1]')
    assert await candidate.receive() == '42["queued"]'
    await until(lambda: seen == [1])
    await candidate.quiet()


@pytest.mark.parametrize("probe", [["2probe"], []])
async def test_a_half_received_body_is_handled_before_packets_after_the_5(serve, poll, probe):
    served = await serve()
    seen = recording(served)
    client = await poll(served)
    await client.enter()
    body = b"\x1e".join(b'42["n",%d]' % n for n in range(1000))
    posting = await client.start("POST", client.query, body[:5000], Content_Length=str(len(body)))
    candidate = await client.upgrade()
    candidate.send(*probe, "5", '42["n",1000]', "40/quiet?,")
    await client.unknown("nobody")
    assert session_of(served).transport.name == "polling"
    assert not seen
    posting.write(body[5000:])
    assert (await posting.answer()).body == b"ok"
    await until(lambda: len(seen) == 1001)
    assert seen == list(range(1001))
    assert await candidate.receive_many(1 + len(probe)) == ["3probe"] * len(probe) + [
        '44/quiet?,{"message":"Invalid namespace"}'
    ]


async def test_a_body_whose_handlers_take_their_time_goes_on_when_the_websocket_takes_over(serve, poll):
    served = await serve()
    gate = asyncio.Event()
    seen: list[int] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("n")
        async def n(value: int) -> None:
            await gate.wait()
            seen.append(value)

    client = await poll(served)
    await client.enter()
    posting = await client.start("POST", client.query, b"\x1e".join(b'42["n",%d]' % n for n in range(3000)))
    await client.unknown("nobody")
    candidate = await probed(client)
    candidate.send("5", '42["n",3000]')
    gate.set()
    assert (await posting.answer()).body == b"ok"
    await until(lambda: len(seen) == 3001)
    assert seen == list(range(3001))
    await candidate.quiet()


async def test_a_half_written_response_is_read_before_packets_of_the_websocket(serve, poll):
    served = await serve(max_queue=64 << 20)
    client = await poll(served)
    await client.enter()
    served.io.emit("n", 0, "x" * 20_000_000)
    served.io.emit("n", 1)
    slow = await client.poll(receive_buffer=4096)  # and reads nothing
    await until(lambda: session_of(served).transport.busy)
    candidate = await client.upgrade()
    candidate.send("5")
    served.io.emit("n", 2)
    await client.unknown("nobody")
    assert session_of(served).transport.name == "polling"
    (packet,) = await slow.packets()
    assert packet.startswith('42["n",0,"')
    assert await candidate.receive_many(2) == ['42["n",1]', '42["n",2]']


async def test_an_answer_that_broke_while_the_5_waited_ends_the_session(serve, poll):
    """What was in it is lost, and the client must know."""
    served = await serve(max_queue=64 << 20)
    client = await poll(served)
    await client.enter()
    served.io.emit("n", 0, "x" * 20_000_000)
    slow = await client.poll(receive_buffer=4096)
    await until(lambda: session_of(served).transport.busy)
    candidate = await client.upgrade()
    candidate.send("5")
    await client.unknown("nobody")
    slow.reset()
    await candidate.closing()
    assert not served.io.engine.sessions


async def test_requests_that_never_end_cost_the_candidate_its_time_and_polling_goes_on(serve, poll):
    served = await serve(upgrade_timeout=0.3)
    seen = recording(served)
    client = await poll(served)
    await client.enter()
    posting = await client.start("POST", client.query, b'42["n",', Content_Length="9")
    candidate = await client.upgrade()
    candidate.send("5")
    assert (await candidate.closing()).code == 1000
    posting.write(b"1]")
    assert (await posting.answer()).body == b"ok"
    await until(lambda: seen == [1])
    served.io.engine.upgrade_timeout = 10
    served.io.engine.upgrade_timeout = 60
    await (await upgraded(served, client)).quiet()


async def test_a_body_that_its_client_gave_up_is_not_waited_for(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    posting = await client.start("POST", client.query, b'42["n",', Content_Length="9")
    await until(lambda: session_of(served).transport.busy)
    posting.reset()
    await until(lambda: not session_of(served).transport.busy)
    await (await upgraded(served, client)).quiet()


async def test_gets_do_not_wait_while_the_5_does(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    posting = await client.start("POST", client.query, b'42["n",', Content_Length="9")
    waiting = await client.poll()
    assert await client.waits(waiting)
    candidate = await client.upgrade()
    candidate.send("5")
    assert await waiting.packets() == ["6"]
    assert await client.get() == ["6"]
    posting.write(b"1]")
    assert (await posting.answer()).body == b"ok"
    await candidate.quiet()


async def test_the_heartbeat_goes_on_over_the_websocket(serve, poll):
    served = await serve(ping_interval=0.5, ping_timeout=5)
    client = await poll(served)
    await client.enter()
    candidate = await upgraded(served, client)
    for _ in range(2):
        assert await candidate.receive() == "2"
        candidate.send("3")
    assert session_of(served).transport.name == "websocket"


async def test_a_ping_sent_over_polling_may_be_answered_over_the_websocket(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    session = session_of(served)

    def ping() -> None:
        session.heartbeat.expire_at(asyncio.get_running_loop().time())

    ping()
    assert await client.get() == ["2"]
    candidate = await upgraded(served, client)
    candidate.send("3")
    await until(lambda: not session.heartbeat.waiting)
    ping()
    assert await candidate.receive() == "2"


async def test_a_session_that_ends_meanwhile_takes_its_candidate_along(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await probed(client)
    await client.send("1")
    await candidate.closing()
    assert not served.io.engine.sessions


async def ending(served: Any, client: PollClient) -> RawClient:
    """Begin an upgrade whose session ends with two packets that wait."""
    await client.enter()
    candidate = await probed(client)
    served.io.emit("last", b"\x00")
    session_of(served).close()
    return candidate


async def test_packets_that_wait_when_a_session_ends_are_sent_after_the_5(serve, poll):
    """The client polls no more: it would be lost otherwise."""
    served = await serve()
    client = await poll(served)
    candidate = await ending(served, client)
    candidate.send("5", '42["too late"]')
    assert await candidate.receive_many(2) == ['451-["last",{"_placeholder":true,"num":0}]', b"\x00"]
    assert (await candidate.closing()).code == 1000
    assert await client.gone()
    assert (await (await client.poll()).answer()).status == 400


async def test_or_with_the_next_get(serve, poll):
    served = await serve()
    client = await poll(served)
    candidate = await ending(served, client)
    assert await client.get() == ['451-["last",{"_placeholder":true,"num":0}]', "bAA=="]
    assert await client.get() == ["1"]
    candidate.send("5")
    await candidate.closing()


async def test_a_candidate_that_probes_an_ended_session_is_closed_and_a_get_still_gets_the_waiting_packets(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await client.upgrade()
    served.io.emit("last")
    session_of(served).close()
    candidate.send("2probe")
    await candidate.closing()
    assert await client.get() == ['42["last"]']
    assert await client.get() == ["1"]


async def test_a_session_that_ends_with_nothing_to_say_takes_its_candidate_along_at_once(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await probed(client)
    session_of(served).close()
    await candidate.closing()


async def test_a_candidate_given_up_before_it_was_open_is_closed(serve, poll, monkeypatch):
    """Nobody else would ever close it."""
    served = await serve()
    client = await poll(served)
    await client.enter()
    session = session_of(served)
    connect = asyncio.get_running_loop().connect_accepted_socket

    async def slowly(*args: Any, **options: Any) -> Any:
        session.close()
        return await connect(*args, **options)

    monkeypatch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", slowly)
    candidate = await client.upgrade()
    await candidate.closing()
    assert not served.io.engine.sessions


async def test_a_server_that_closes_takes_candidates_along(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    candidate = await probed(client)
    await served.io.close()
    await candidate.closing()


async def test_many_upgrades_that_never_end_leave_nothing(serve, poll):
    served = await serve(upgrade_timeout=0.05)
    tasks = len(asyncio.all_tasks())
    clients = [await poll(served) for _ in range(20)]
    candidates = [await client.upgrade() for client in clients]
    for candidate in candidates:
        await candidate.closing()
    assert [session.upgrade for session in served.io.engine.sessions.values()] == [None] * 20
    await until(lambda: len(asyncio.all_tasks()) <= tasks + 1)


async def test_an_upgraded_session_has_the_bounds_of_a_websocket(serve, poll):
    served = await serve(max_payload=10_000)
    client = await poll(served)
    await client.enter()
    candidate = await upgraded(served, client)
    candidate.send("4" + "x" * 10_001)
    assert (await candidate.closing()).code == 1009


async def test_a_polling_query_does_not_upgrade(serve, poll):
    served = await serve()
    client = await poll(served)
    exchange = await client.dial()
    exchange.write(upgrade_request(f"{EIO}&sid={client.sid}"))
    assert await client.waits(exchange)  # it is a GET like any other
    await client.send("40")
    assert (await exchange.response()).body.startswith(b"40{")
