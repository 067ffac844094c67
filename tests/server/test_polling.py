"""Long-polling over real HTTP, rule by rule (docs/protocol.md#engineio-polling and those around it)."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import re
from typing import Any

import pytest
from support.pollclient import EIO, Exchange, PollClient, http_request
from support.wsclient import PATIENCE, until, upgrade_request

from jupyter_rtmsg.server import Socket, polling
from jupyter_rtmsg.wire.data import EncodedJSON, dump


@pytest.fixture(autouse=True)
def _no_faults(caplog):
    """Whatever a peer does is no fault of the server's, and none may be logged."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def echo(served: Any) -> None:
    """Let a server send back each ``e``."""
    served.io.on("connection", lambda socket: socket.on("e", lambda *args: socket.emit("e", *args)))


async def collect(client: PollClient, count: int) -> list[str]:
    """Poll until so many packets came."""
    packets: list[str] = []
    while len(packets) < count:
        packets += await client.get()
    return packets


# -- the handshake (1.4)


async def test_the_handshake_is_one_open_packet_with_exactly_five_keys(serve, poll):
    served = await serve(ping_interval=25, ping_timeout=20, max_payload=1_000_000)
    client = PollClient(served.port)
    response = await (await client.start()).answer()
    assert response.status == 200
    assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    assert response.headers["cache-control"] == "no-store"
    assert "etag" not in response.headers
    assert "set-cookie" not in response.headers
    assert response.body[:1] == b"0"
    fields = json.loads(response.body[1:])
    assert re.fullmatch(r"[A-Za-z0-9_-]{20}", fields.pop("sid"))
    assert fields == {
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1_000_000,
    }


@pytest.mark.parametrize("options", [{"allow_upgrades": False}, {"transports": ["polling"]}])
async def test_no_upgrade_is_offered_where_there_is_none(serve, poll, options):
    served = await serve(**options)
    client = await poll(served)
    assert client.opened.upgrades == ()


async def test_application_data_of_the_query_reaches_the_handshake(serve, poll):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await poll(served, query="&t=x1&b64=1&room=a%20b", User_Agent="raw")
    await client.enter()
    assert sockets[0].handshake.query["room"] == "a b"
    assert sockets[0].handshake.headers["user-agent"] == "raw"
    assert sockets[0].session.transport.name == "polling"


# -- refusals (1.9)

REFUSALS: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "no transport": ("GET", "EIO=4", 400, {"code": 0, "message": "Transport unknown"}),
    "no query": ("GET", "", 400, {"code": 0, "message": "Transport unknown"}),
    "an unknown transport": ("GET", "EIO=4&transport=pigeon", 400, {"code": 0, "message": "Transport unknown"}),
    "webtransport": ("GET", "EIO=4&transport=webtransport", 400, {"code": 0, "message": "Transport unknown"}),
    "transport constructor": ("GET", "EIO=4&transport=constructor", 400, {"code": 0, "message": "Transport unknown"}),
    "transport before sid": ("GET", "EIO=4&transport=x&sid=x", 400, {"code": 0, "message": "Transport unknown"}),
    "transport before method": ("POST", "EIO=4&transport=x", 400, {"code": 0, "message": "Transport unknown"}),
    "an unknown sid": ("GET", EIO + "&sid=x", 400, {"code": 1, "message": "Session ID unknown"}),
    "sid __proto__": ("GET", EIO + "&sid=__proto__", 400, {"code": 1, "message": "Session ID unknown"}),
    "sid constructor": ("POST", EIO + "&sid=constructor", 400, {"code": 1, "message": "Session ID unknown"}),
    "a sid that is no UTF-8": ("POST", EIO + "&sid=%ff%fe", 400, {"code": 1, "message": "Session ID unknown"}),
    "a sid of NULs": ("POST", EIO + "&sid=%00", 400, {"code": 1, "message": "Session ID unknown"}),
    "an endless sid": ("GET", EIO + "&sid=" + "x" * 30_000, 400, {"code": 1, "message": "Session ID unknown"}),
    "sid before EIO": ("GET", "transport=polling&sid=x", 400, {"code": 1, "message": "Session ID unknown"}),
    "POST": ("POST", EIO, 400, {"code": 2, "message": "Bad handshake method"}),
    "PUT": ("PUT", EIO, 400, {"code": 2, "message": "Bad handshake method"}),
    "DELETE": ("DELETE", EIO, 400, {"code": 2, "message": "Bad handshake method"}),
    "PATCH": ("PATCH", EIO, 400, {"code": 2, "message": "Bad handshake method"}),
    "method before EIO": ("POST", "transport=polling", 400, {"code": 2, "message": "Bad handshake method"}),
    "OPTIONS without CORS": ("OPTIONS", EIO, 400, {"code": 2, "message": "Bad handshake method"}),
    "websocket without Upgrade": ("GET", "EIO=4&transport=websocket", 400, {"code": 3, "message": "Bad request"}),
    "Upgrade before EIO": ("GET", "transport=websocket", 400, {"code": 3, "message": "Bad request"}),
    "no EIO": ("GET", "transport=polling", 400, {"code": 5, "message": "Unsupported protocol version"}),
    "EIO 3": ("GET", "EIO=3&transport=polling", 400, {"code": 5, "message": "Unsupported protocol version"}),
    "EIO 5": ("GET", "EIO=5&transport=polling", 400, {"code": 5, "message": "Unsupported protocol version"}),
    "an empty sid is none": ("POST", EIO + "&sid=", 400, {"code": 2, "message": "Bad handshake method"}),
}


@pytest.mark.parametrize(("method", "query", "status", "answer"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_has_its_code_and_status(serve, method, query, status, answer):
    served = await serve()
    body = b"" if method in ("POST", "PUT", "PATCH") else None
    response = await (await PollClient(served.port).start(method, query, body)).answer()
    assert response.status == status
    assert response.headers["content-type"] == "application/json"
    assert response.json() == answer
    assert not served.io.engine.sessions


async def test_a_transport_that_is_switched_off_is_unknown(serve, poll):
    served = await serve(transports=["websocket"])
    response = await (await PollClient(served.port).start()).answer()
    assert response.json() == {"code": 0, "message": "Transport unknown"}
    served = await serve(transports=["polling"])
    client = await served.dial()
    client.write(upgrade_request())
    assert (await client.response()).body == b"Transport unknown"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_on_a_session_are_answered_500_and_nothing_else_happens(serve, poll, method):
    served = await serve()
    client = await poll(served)
    response = await (await client.start(method, client.query, b"40")).answer()
    assert (response.status, response.body) == (500, b"")
    await client.enter()


async def test_the_eio_of_a_request_must_be_the_sessions(serve, poll):
    served = await serve()
    client = await poll(served)
    response = await (await client.start("GET", client.query.replace("EIO=4", "EIO=3"))).answer()
    assert response.json() == {"code": 3, "message": "Bad request"}
    await client.enter()


async def test_polling_a_session_that_runs_over_websocket_is_refused(serve):
    served = await serve()
    client = await served.enter()
    for method, body in (("GET", None), ("POST", b"42[]")):
        query = f"{EIO}&sid={client.opened.sid}"
        response = await (await PollClient(served.port).start(method, query, body)).answer()
        assert response.json() == {"code": 3, "message": "Bad request"}
    await client.quiet()


@pytest.mark.parametrize("header", ["X-Long: " + "x" * 70_000, "\r\n".join(f"X-{i}: y" for i in range(20_000))])
async def test_endless_headers_are_refused(serve, poll, header):
    served = await serve()
    client = await poll(served)
    exchange = await client.dial()
    exchange.write(http_request("GET", client.query)[:-2] + header.encode() + b"\r\n\r\n")
    assert b" 200 " not in await exchange.rest()
    await client.enter()


# -- what comes and what goes (1.3, 1.5)


async def test_a_get_waits_until_there_is_something(serve, poll):
    served = await serve()
    client = await poll(served)
    exchange = await client.poll()
    assert await client.waits(exchange)
    response = await client.post("40")
    assert (response.status, response.body) == (200, b"ok")
    assert response.headers["content-type"] == "text/html"
    (packet,) = await exchange.packets()
    assert packet.startswith('40{"sid":')


async def test_all_that_waits_comes_in_one_answer(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    for n in range(3):
        served.io.emit("n", n)
        await asyncio.sleep(0)
    assert await client.get() == ['42["n",0]', '42["n",1]', '42["n",2]']


@pytest.mark.parametrize("count", [1, 16, 17, 40, 3000])
async def test_any_number_of_packets_in_one_body_is_taken(serve, poll, count):
    served = await serve()
    echo(served)
    client = await poll(served)
    await client.enter()
    await client.send(*[f'42["e",{n}]' for n in range(count)])
    assert await collect(client, count) == [f'42["e",{n}]' for n in range(count)]


async def test_forty_emits_in_one_tick_arrive_as_forty(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    exchange = await client.poll()
    for n in range(40):
        served.io.emit("n", n)
    assert await exchange.packets() == [f'42["n",{n}]' for n in range(40)]


async def test_connect_and_events_may_come_in_one_body_with_what_they_answer(serve, poll):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("sum", lambda a, b: a + b))
    client = await poll(served)
    await client.send("40", '421["sum",1,2]')
    packets = await client.get()
    assert packets[0].startswith("40{")
    assert packets[1:] == ["431[3]"]


async def test_binary_travels_as_base64_in_both_directions(serve, poll):
    served = await serve()
    echo(served)
    client = await poll(served)
    await client.enter()
    data = bytes(range(256))
    encoded = "b" + base64.b64encode(data).decode()
    event = '451-["e",{"_placeholder":true,"num":0}]'
    await client.send(event, encoded)
    assert await client.get() == [event, encoded]


async def test_an_attachment_may_come_in_the_next_body(serve, poll):
    served = await serve()
    echo(served)
    client = await poll(served)
    await client.enter()
    await client.send('451-["e",{"_placeholder":true,"num":0}]')
    await client.send("bAQIDBA==")
    assert await client.get() == ['451-["e",{"_placeholder":true,"num":0}]', "bAQIDBA=="]


async def test_text_of_every_script_survives(serve, poll):
    served = await serve()
    echo(served)
    client = await poll(served)
    await client.enter()
    await client.send('42["e","€ 日本 😀 \\u001e"]')
    (packet,) = await client.get()
    assert json.loads(packet[2:]) == ["e", "€ 日本 😀 \x1e"]


async def test_a_large_answer_is_compressed_and_a_small_one_is_not(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    served.io.emit("big", "x" * 5000)
    response = await (await client.poll(Accept_Encoding="gzip, deflate, br")).answer()
    assert response.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in response.headers["vary"]
    assert len(response.body) < 500
    assert gzip.decompress(response.body).decode() == '42["big","' + "x" * 5000 + '"]'
    served.io.emit("small", "x" * 500)
    response = await (await client.poll(Accept_Encoding="gzip, deflate, br")).answer()
    assert "content-encoding" not in response.headers
    served.io.emit("big", "x" * 5000)
    response = await (await client.poll()).answer()
    assert "content-encoding" not in response.headers


async def test_the_same_answer_twice_is_sent_twice(serve, poll):
    """A framework's ETag would turn the second into a 304, and lose it."""
    served = await serve()
    client = await poll(served)
    await client.enter()
    for _ in range(2):
        served.io.emit("same")
        response = await (await client.poll(If_None_Match="*")).answer()
        assert (response.status, response.body) == (200, b'42["same"]')


async def test_requests_may_share_a_connection(serve, poll):
    served = await serve()
    echo(served)
    client = await poll(served)
    exchange = await client.dial()
    for n in range(20):
        packets = ["40"] if not n else [f'42["e",{n}]']
        exchange.write(http_request("POST", client.query, packets[0].encode()))
        assert (await exchange.response()).body == b"ok"
        exchange.write(http_request("GET", client.query))
        body = (await exchange.response()).body.decode()
        assert body.startswith("40{") if not n else body == packets[0]


# -- bodies (1.5)

BAD_BODIES = {
    "nothing": b"",
    "no packet": b"abc",
    "an unknown type": b"7",
    "an empty packet": b"3\x1e",
    "no UTF-8": b"4\xff",
    "no base64": b"b!!!!",
    "base64 without its padding": b"bAQIDBA",
    "a ping": b"2",
    "a probe": b"2probe",
    "an upgrade": b"5",
    "an open packet": b"0",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_body_that_is_not_a_payload_closes_the_session(serve, poll, body):
    served = await serve()
    client = await poll(served)
    await client.enter()
    waiting = await client.poll()
    assert await client.waits(waiting)
    response = await client.post(body=body)
    assert (response.status, response.body) == (400, b"")
    assert await waiting.packets() == ["1"]
    assert await client.gone()
    response = await (await client.poll()).answer()
    assert (response.status, response.json()["code"]) == (400, 1)


async def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(serve, poll):
    """curl, PHP and .NET send `Expect: 100-continue`."""
    client = await poll(await serve())
    posting = await client.dial()
    request = http_request("POST", client.query, b"40", Expect="100-continue")
    posting.write(request[:-2])
    assert (await posting.response()).status == 100
    posting.write(request[-2:])
    assert (await posting.answer()).body == b"ok"


async def test_head_opens_no_session_and_has_no_body(serve):
    served = await serve()
    client = await served.dial()
    client.write(http_request("HEAD", Connection="close"))
    head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b""
    assert not served.io.engine.sessions


@pytest.mark.parametrize("packet", ["4hello", "420[]", "42/nowhere,[1]", "450-[1]", "42[1,"])
@pytest.mark.parametrize("waits", [True, False])
async def test_a_get_behind_a_violation_of_socketio_is_told_of_the_close(serve, poll, packet, waits):
    """As in Node, whether it came before the violation or comes after; and never with an empty body."""
    served = await serve()
    client = await poll(served)
    await client.enter()
    waiting = await client.poll() if waits else None
    assert waiting is None or await client.waits(waiting)
    assert (await client.post(packet)).status == 400
    assert await (waiting or await client.poll()).packets() == ["1"]
    assert await client.gone()


async def test_a_noop_of_a_client_is_nothing(serve, poll):
    client = await poll(await serve())
    await client.enter()
    await client.send("6", "40/nowhere,", "6")
    assert await client.get() == ['44/nowhere,{"message":"Invalid namespace"}']


async def test_nothing_behind_a_violation_is_dispatched(serve, poll):
    served = await serve()
    names: list[str] = []
    served.io.on("connection", lambda socket: socket.on("e", names.append))
    client = await poll(served)
    await client.enter()
    assert (await client.post('42["e","before"]', "2", '42["e","after"]')).status == 400
    assert names == ["before"]


async def test_an_octet_stream_is_answered_and_closes(serve, poll):
    """CVE-2026-59725: it must be answered."""
    served = await serve()
    client = await poll(served)
    response = await client.post("40", Content_Type="application/octet-stream")
    assert (response.status, response.body) == (400, b"")
    assert await client.gone()


def chunked(body: bytes, size: int) -> bytes:
    """Encode a body in chunks."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 1000])
async def test_a_chunked_body_is_a_body(serve, poll, size):
    served = await serve()
    echo(served)
    client = await poll(served)
    await client.enter()
    exchange = await client.dial()
    exchange.write(http_request("POST", client.query, Transfer_Encoding="chunked", Content_Type="text/plain"))
    exchange.write(chunked(b'42["e","' + b"x" * 3000 + b'"]\x1e42["e"]', size))
    assert (await exchange.answer()).body == b"ok"
    assert await client.get() == ['42["e","' + "x" * 3000 + '"]', '42["e"]']


@pytest.mark.parametrize("size", [10_001, 1_000_000, 10_000_000])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_a_body_that_is_too_large_is_refused_and_the_session_survives(serve, poll, size, announced):
    served = await serve(max_payload=10_000)
    client = await poll(served)
    await client.enter()
    waiting = await client.poll()
    exchange = await client.dial()
    body = b"4" * size
    if announced:
        exchange.write(http_request("POST", client.query, body))
    else:
        exchange.write(http_request("POST", client.query, Transfer_Encoding="chunked") + chunked(body, 65536))
    response = await exchange.answer()
    assert (response.status, response.body) == (413, b"")
    assert await client.waits(waiting)
    served.io.emit("alive")
    assert await waiting.packets() == ['42["alive"]']


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_a_body_without_end_is_cut_off_and_the_session_survives(serve, poll, announced):
    served = await serve(max_payload=10_000)
    client = await poll(served)
    exchange = await client.dial()
    if announced:
        exchange.write(http_request("POST", client.query, Content_Length=str(1 << 40)) + b"4" * 100_000)
    else:
        exchange.write(
            http_request("POST", client.query, Transfer_Encoding="chunked") + chunked(b"4" * 40_000_000, 65536)
        )
    await exchange.rest()
    await client.enter()


async def test_a_body_as_large_as_is_allowed_is_taken(serve, poll):
    served = await serve(max_payload=10_000)
    echo(served)
    client = await poll(served)
    await client.enter()
    packet = '42["e","' + "x" * (10_000 - 10) + '"]'
    await client.send(packet)
    assert await client.get() == [packet]


async def test_before_its_connect_a_client_may_send_small_bodies_only(serve, poll):
    served = await serve(max_pending_payload=1000)
    client = await poll(served)
    assert (await client.post("40" + json.dumps({"token": "x" * 1000}))).status == 413
    await client.enter()
    await client.send("42" + json.dumps(["token", "x" * 1000]))


async def test_a_large_body_for_no_session_is_told_that_there_is_none(serve):
    served = await serve()
    client = PollClient(served.port)
    response = await (await client.start("POST", EIO + "&sid=x", b"4" * 500_000)).answer()
    assert response.json() == {"code": 1, "message": "Session ID unknown"}
    response = await (await client.start("POST", EIO, b"4" * 500_000)).answer()
    assert response.json() == {"code": 2, "message": "Bad handshake method"}


async def test_a_length_that_lies_harms_no_one(serve, poll):
    served = await serve()
    client = await poll(served)
    for length in ("-1", "1e3", "9" * 400, "0x10", "\u0663"):
        exchange = await client.dial()
        request = http_request("POST", client.query, Content_Length=length) + b"40"
        exchange.write(request)
        exchange.writer.write_eof()
        assert b" 200 " not in await exchange.rest()
    assert not await client.gone()


# -- requests at once (1.5)


async def test_two_gets_at_once_close_the_session(serve, poll):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await poll(served)
    await client.enter()
    first = await client.poll()
    assert await client.waits(first)
    second = await (await client.poll()).answer()
    assert (second.status, second.body) == (400, b"")
    assert await first.packets() == ["1"]
    assert await client.gone()
    assert (await (await client.poll()).answer()).json()["code"] == 1
    assert reasons == ["parse error"]


async def test_two_posts_at_once_close_the_session(serve, poll):
    served = await serve()
    gate = asyncio.Event()
    served.io.on("connection", lambda socket: socket.on("wait", lambda: gate.wait()))
    client = await poll(served)
    await client.enter()
    first = await client.start("POST", client.query, b"\x1e".join([b'42["wait"]'] * 20_000))
    await until(lambda: next(iter(served.io.engine.sessions.values())).transport._posting)
    second = await client.post("3")
    assert (second.status, second.body) == (400, b"")
    response = await first.answer()
    assert (response.status, response.body) == (400, b"")
    assert await client.gone()


async def test_a_get_that_its_client_aborts_closes_the_session(serve, poll):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    for drop in ("hang up", "reset"):
        client = await poll(served)
        await client.enter()
        exchange = await client.poll()
        assert await client.waits(exchange)
        if drop == "reset":
            exchange.reset()
        else:
            await exchange.hang_up()
        await until(lambda: not served.io.engine.sessions)
        assert await client.gone()
    assert reasons == ["transport close"] * 2


@pytest.mark.parametrize("drop", ["hang up", "reset"])
async def test_a_get_whose_client_left_before_it_was_read_closes_the_session(serve, poll, drop):
    """A browser that closes a page may write its GET and end the connection at one moment."""
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await poll(served)
    await client.enter()
    exchange = await client.dial()
    # Both before the server, which shares this loop, can read.
    assert sent_at_once(exchange, http_request("GET", client.query))
    exchange.reset() if drop == "reset" else exchange.writer.transport.abort()
    await until(lambda: not served.io.engine.sessions)
    assert reasons == ["transport close"]


def sent_at_once(exchange: Exchange, data: bytes) -> bool:
    """Write, and tell whether the system has taken all of it."""
    exchange.write(data)
    return exchange.writer.transport.get_write_buffer_size() == 0


async def test_packets_that_a_broken_connection_swallowed_close_the_session(serve, poll):
    """They cannot be sent again; a session that lived on would have lost them silently."""
    served = await serve(max_queue=1 << 24)
    client = await poll(served)
    await client.enter()
    exchange = await client.poll(receive_buffer=4096)
    assert await client.waits(exchange)
    served.io.emit("big", "x" * 12_000_000)
    await until(lambda: next(iter(served.io.engine.sessions.values())).transport._writing)
    exchange.reset()
    await until(lambda: not served.io.engine.sessions)


async def test_a_connection_may_be_closed_after_each_answer(serve, poll):
    served = await serve()
    echo(served)
    client = await poll(served, Connection="close")
    await client.enter()
    for n in range(10):
        await client.send(f'42["e",{n}]')
        assert await client.get() == [f'42["e",{n}]']


STAGES = {
    "in the request line": 10,
    "in the headers": 60,
    "before the body": -2,
    "in the body": -1,
}


@pytest.mark.parametrize("cut", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("how", ["reset", "hang up"])
async def test_a_post_that_breaks_off_is_none(serve, poll, cut, how):
    served = await serve()
    client = await poll(served)
    exchange = await client.dial()
    exchange.write(http_request("POST", client.query, b"40")[:cut])
    await client.unknown("x")
    if how == "reset":
        exchange.reset()
    else:
        await exchange.hang_up()
    await client.enter()


async def test_a_connection_that_breaks_behind_a_whole_post_loses_nothing(serve, poll):
    served = await serve()
    client = await poll(served)
    exchange = await client.start("POST", client.query, b"40")
    await until(lambda: served.io.of("/").sockets)
    exchange.reset()
    (packet,) = await client.get()
    assert packet.startswith("40{")


# -- heartbeat (1.6)


async def test_the_server_pings_on_polling_and_again_after_each_pong(serve, poll):
    served = await serve(ping_interval=0.4, ping_timeout=5)
    client = await poll(served)
    await client.enter()
    for _ in range(3):
        assert await client.get() == ["2"]
        await client.send("3")
    assert len(served.io.engine.sessions) == 1


async def test_a_session_without_pongs_is_gone_at_interval_plus_timeout(serve, poll):
    served = await serve(ping_interval=0.5, ping_timeout=0.3)
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    start = asyncio.get_running_loop().time()
    client = await poll(served)
    await client.enter()
    await until(lambda: not served.io.engine.sessions)
    assert asyncio.get_running_loop().time() - start > 0.79
    assert reasons == ["ping timeout"]
    assert (await (await client.poll()).answer()).json() == {"code": 1, "message": "Session ID unknown"}


async def test_a_get_that_waits_when_the_pong_is_missed_is_answered(serve, poll):
    served = await serve(ping_interval=0.5, ping_timeout=0.5)
    client = await poll(served)
    await client.enter()
    assert await client.get() == ["2"]
    assert await client.get() == ["1"]
    assert await client.gone()


async def test_unsolicited_pongs_are_harmless(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.send(*["3"] * 10_000)
    assert len(served.io.engine.deadlines._heap) == 1
    await client.enter()


async def test_a_session_that_never_connects_is_closed(serve, poll):
    served = await serve(connect_timeout=0.1)
    client = await poll(served)
    assert await client.get() == ["1"]
    assert await client.gone()
    assert not served.io.engine.sessions


# -- closing (1.8)


async def test_a_close_packet_ends_the_get_with_a_noop_and_the_session(serve, poll):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await poll(served)
    await client.enter()
    waiting = await client.poll()
    assert await client.waits(waiting)
    await client.send("1")
    assert await waiting.packets() == ["6"]
    assert reasons == ["transport close"]
    assert (await (await client.poll()).answer()).json()["code"] == 1


async def test_packets_before_a_close_packet_are_handled_and_those_after_it_are_not(serve, poll):
    served = await serve()
    names: list[str] = []
    served.io.on("connection", lambda socket: socket.on("e", names.append))
    client = await poll(served)
    await client.enter()
    await client.send('42["e","before"]', "1", '42["e","after"]')
    assert names == ["before"]


@pytest.mark.parametrize("waiting", [True, False], ids=["a GET waits", "no GET waits"])
async def test_the_server_says_goodbye_behind_its_last_words(serve, poll, waiting):
    served = await serve()
    client = await poll(served)
    await client.enter()
    exchange: Exchange | None = None
    if waiting:
        exchange = await client.poll()
        assert await client.waits(exchange)
    served.io.emit("last", 1)
    next(iter(served.io.of("/").sockets.values())).session.close()
    packets = await exchange.packets() if exchange else await client.get()
    assert packets == ['42["last",1]']  # socket.io-client drops events that stand before a close packet
    assert await client.get() == ["1"]
    assert (await (await client.poll()).answer()).json()["code"] == 1


async def test_a_server_that_closes_answers_the_gets_that_wait(serve, poll):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await poll(served)
    await client.enter()
    exchange = await client.poll()
    assert await client.waits(exchange)
    served.io.emit("last", 1)
    await served.io.close()
    assert await exchange.packets() == ['42["last",1]']
    assert reasons == ["server shutting down"]


async def test_the_payloads_of_closed_sessions_are_kept_within_bounds(serve, poll):
    served = await serve(max_queue=1 << 24)
    closed = served.io.engine.closed_sessions
    for _ in range(4):
        client = await poll(served)
        await client.enter()
        served.io.emit("big", "x" * 6_000_000)
        for session in list(served.io.engine.sessions.values()):
            session.close()
    assert closed._size <= 16 << 20
    assert len(closed._bodies) == 2
    closed.forget("nobody")
    for sid in list(closed._bodies):
        assert closed.take(sid, None)
        assert closed.take(sid, None) == "1"
        assert closed.take(sid, None) is None
    assert closed._size == 0


# -- slow and many


async def test_a_client_that_does_not_poll_is_cut_off_and_its_memory_given_back(serve, poll):
    served = await serve(max_queue=100_000)
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    slow, quick = await poll(served), await served.enter()
    await slow.enter()
    for _ in range(20):
        served.io.emit("tick", "x" * 10_000)
        assert await quick.receive()
    await until(lambda: reasons)
    assert reasons == ["too slow"]
    assert await slow.get() == ["1"]
    assert len(served.io.engine.sessions) == 1


async def test_a_client_that_reads_no_answers_holds_one_and_is_dropped(serve, poll, monkeypatch):
    monkeypatch.setattr(polling, "LINGER", 0.1)
    served = await serve(max_queue=1 << 24)
    client = await poll(served)
    await client.enter()
    exchange = await client.poll(receive_buffer=4096)
    assert await client.waits(exchange)
    served.io.emit("big", "x" * 12_000_000)
    session = next(iter(served.io.engine.sessions.values()))
    await until(lambda: session.transport._writing)
    transport = session.transport
    assert (await (await client.poll()).answer()).status == 400  # or it could have any number of answers under way
    assert session.closed
    await until(lambda: transport._writing is None)  # after LINGER
    assert len(await exchange.rest()) < 12_000_000


async def test_drained_waits_for_the_next_get(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    session = next(iter(served.io.engine.sessions.values()))
    served.io.emit("page")
    drained = asyncio.ensure_future(served.io.engine.wait_drained(session))
    await client.unknown("x")
    assert not drained.done()
    assert await client.get() == ['42["page"]']
    served.io.emit("live")
    await asyncio.wait_for(drained, PATIENCE)


async def test_volatile_events_skip_a_client_without_a_waiting_get(serve, poll):
    served = await serve()
    client = await poll(served)
    await client.enter()
    served.io.volatile.emit("lost")
    served.io.emit("kept")
    assert await client.get() == ['42["kept"]']
    exchange = await client.poll()
    assert await client.waits(exchange)
    served.io.volatile.emit("heard")
    assert await exchange.packets() == ['42["heard"]']


async def test_events_that_wait_for_a_slow_handler_hold_their_post(serve, poll):
    """Back-pressure: the client sends its next body when this one is answered."""
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
    count = 12_000
    exchange = await client.start("POST", client.query, b"\x1e".join(b'42["n",%d]' % n for n in range(count)))
    assert await client.waits(exchange)
    gate.set()
    assert (await exchange.answer()).body == b"ok"
    await until(lambda: len(seen) == count)
    assert seen == list(range(count))


@pytest.mark.parametrize("namespace", ["/", "/admin"])
async def test_an_acknowledgement_that_is_encoded_already_has_its_attachments(serve, poll, namespace):
    served = await serve()
    of = served.io.of(namespace)
    encoded = EncodedJSON(*dump({"a": [b"x", "\u00fc"]}))
    of.on("connection", lambda socket: socket.on("q", lambda: encoded))
    client = await poll(served)
    name = "" if namespace == "/" else namespace + ","
    await client.send("40" + name)
    await client.get()
    await client.send(f'42{name}7["q"]')
    text, attachment = await client.get()
    assert text == f'461-{name}7[{{"a":[{{"_placeholder":true,"num":0}},"\u00fc"]}}]'
    assert attachment == "beA=="


async def test_bodies_that_their_client_gave_up_are_not_kept(serve, poll):
    """A client could fill the memory with them."""
    served = await serve()
    client = await poll(served)
    await client.enter()
    (session,) = served.io.engine.sessions.values()
    for _ in range(5):
        posting = await client.start("POST", client.query, b"4" * 10_000, Content_Length="100000")
        await until(lambda: session.received == 10_000)
        posting.reset()
        await until(lambda: not session.received)
    assert not session.transport.busy
