"""The rules of docs/protocol.md as raw frames over real TCP: Engine.IO over WebSocket, and all of Socket.IO."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest
from support.frames import CONTINUATION, MASK, PING, TEXT, frame
from support.wsclient import PATIENCE, until, upgrade_request

from jupyter_rtmsg.errors import AckTimeout, ConnectionRefused, Disconnected
from jupyter_rtmsg.server import Socket
from jupyter_rtmsg.wire.websocket import Close, Pong

HOLE = '{"_placeholder":true,"num":0}'

# -- the handshake (1.4)


async def test_the_first_frame_is_the_open_packet_with_exactly_five_keys(serve):
    served = await serve(ping_interval=25, ping_timeout=20, max_payload=1_000_000)
    client = await served.dial()
    client.write(upgrade_request())
    response = await client.response()
    assert response.status == 101
    assert response.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert "sec-websocket-extensions" not in response.headers
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet[0] == "0"
    fields = json.loads(packet[1:])
    sid = fields.pop("sid")
    assert re.fullmatch(r"[A-Za-z0-9_-]{20}", sid)
    assert fields == {"upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000}


async def test_the_secret_and_the_public_ids_are_different_and_never_repeat(serve):
    served = await serve()
    ids = set()
    for _ in range(5):
        client = await served.open()
        ids |= {client.opened.sid, await client.enter()}
    assert len(ids) == 10


async def test_nothing_is_said_before_the_client_connects_to_a_namespace(serve):
    served = await serve()
    client = await served.open()
    await client.quiet()


# -- refusals before the 101 (1.9)

REFUSED_UPGRADES = {
    "no transport": (upgrade_request("EIO=4"), 400, b"Transport unknown"),
    "no query": (upgrade_request(""), 400, b"Transport unknown"),
    "an unknown transport": (upgrade_request("EIO=4&transport=pigeon"), 400, b"Transport unknown"),
    "transport __proto__": (upgrade_request("EIO=4&transport=__proto__"), 400, b"Transport unknown"),
    "an unknown sid": (upgrade_request("EIO=4&transport=websocket&sid=x"), 400, b"Session ID unknown"),
    "sid __proto__": (upgrade_request("EIO=4&transport=websocket&sid=__proto__"), 400, b"Session ID unknown"),
    "sid constructor": (upgrade_request("EIO=4&transport=websocket&sid=constructor"), 400, b"Session ID unknown"),
    "POST": (upgrade_request(method="POST", Content_Length="0"), 400, b"Bad handshake method"),
    "EIO 3": (upgrade_request("EIO=3&transport=websocket"), 400, b"Unsupported protocol version"),
    "EIO 5": (upgrade_request("EIO=5&transport=websocket"), 400, b"Unsupported protocol version"),
    "EIO 04": (upgrade_request("EIO=04&transport=websocket"), 400, b"Unsupported protocol version"),
    "no EIO": (upgrade_request("transport=websocket"), 400, b"Unsupported protocol version"),
    "no key": (upgrade_request(Sec_WebSocket_Key=None), 400, b"Bad request"),
    "a short key": (upgrade_request(Sec_WebSocket_Key="AQ=="), 400, b"Bad request"),
    "a key that is no base64": (upgrade_request(Sec_WebSocket_Key="!" * 24), 400, b"Bad request"),
    "no version": (upgrade_request(Sec_WebSocket_Version=None), 400, b"Bad request"),
    "version 8": (upgrade_request(Sec_WebSocket_Version="8"), 400, b"Bad request"),
    "Connection without Upgrade": (upgrade_request(Connection="keep-alive"), 400, b"Bad request"),
    "a foreign Origin": (upgrade_request(Origin="https://evil.example"), 403, None),
    "Origin null": (upgrade_request(Origin="null"), 403, None),
    "another scheme": (upgrade_request(Origin="ftp://localhost"), 403, None),
    "another Host": (upgrade_request(Host="evil.example", Origin="http://evil.example"), 403, None),
    "a subprotocol that is none": (upgrade_request(Sec_WebSocket_Protocol="a, ,b"), 400, b"Bad request"),
    "another port": (upgrade_request(Origin="http://localhost:1"), 403, None),
    "a host that begins alike": (upgrade_request(Origin="http://localhost.evil.example"), 403, None),
    "a user before the host": (upgrade_request(Origin="http://localhost@evil.example"), 403, None),
    "an empty Origin": (upgrade_request(Origin=""), 403, None),
}


@pytest.mark.parametrize(("request_", "status", "body"), REFUSED_UPGRADES.values(), ids=REFUSED_UPGRADES)
async def test_an_upgrade_is_refused_in_plain_text(serve, request_, status, body):
    served = await serve()
    client = await served.dial()
    client.write(request_)
    response = await client.response()
    assert response.status == status
    assert response.headers["content-type"].startswith("text/plain")
    assert body is None or response.body == body
    assert not served.io.engine.sessions


async def test_a_refused_upgrade_is_not_left_open(serve):
    served = await serve()
    client = await served.dial()
    client.write(upgrade_request("EIO=4&transport=websocket&sid=x"))
    await client.response()
    assert await client.rest() == b""


async def test_a_request_without_upgrade_is_answered_with_json(serve):
    served = await serve()
    client = await served.dial()
    client.write(upgrade_request(Upgrade=None, Connection=None))
    response = await client.response()
    assert response.status == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"code": 3, "message": "Bad request"}


async def test_a_second_websocket_for_a_session_is_closed_and_the_first_untouched(serve):
    served = await serve()
    first = await served.open()
    second = await served.dial()
    second.write(upgrade_request("EIO=4&transport=websocket&sid=" + first.opened.sid))
    assert (await second.response()).status == 101  # an HTTP error would crash clients of the official suites
    assert (await second.closing()).code == 1000
    await first.enter()


@pytest.mark.parametrize(("offered", "chosen"), [("v1.lab", "v1.lab"), ("v2.lab, v1.lab", "v2.lab"), (None, None)])
async def test_of_the_subprotocols_that_a_client_offers_the_first_is_chosen(serve, offered, chosen):
    served = await serve()
    client = await served.dial()
    client.write(upgrade_request(Sec_WebSocket_Protocol=offered))
    response = await client.response()
    assert (response.status, response.headers.get("sec-websocket-protocol")) == (101, chosen)


@pytest.mark.parametrize("header", ["X-Long: " + "x" * 70_000, "\r\n".join(f"X-{i}: y" for i in range(20_000))])
async def test_endless_headers_are_refused(serve, header):
    served = await serve()
    client = await served.dial()
    client.write(upgrade_request()[:-2] + header.encode() + b"\r\n\r\n")
    assert b" 101 " not in await client.rest()
    await served.enter()


# -- heartbeat (1.6)


async def test_the_server_pings_after_the_interval_and_again_after_each_pong(serve):
    served = await serve(ping_interval=0.4, ping_timeout=5)
    client = await served.enter()
    for _ in range(3):
        assert await client.receive() == "2"
        client.send("3")
    assert len(served.io.engine.sessions) == 1


async def test_a_client_that_answers_no_ping_is_closed_at_interval_plus_timeout(serve):
    served = await serve(ping_interval=0.5, ping_timeout=0.3)
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    start = asyncio.get_running_loop().time()
    client = await served.enter()
    assert await client.receive() == "2"
    await client.closing()
    passed = asyncio.get_running_loop().time() - start
    assert passed > 0.79
    assert reasons == ["ping timeout"]
    assert not served.io.engine.sessions


async def test_other_packets_are_no_pong(serve):
    served = await serve(ping_interval=0.5, ping_timeout=0.3)
    client = await served.enter()
    assert await client.receive() == "2"
    client.send('42["alive"]')
    client.write(frame(PING, b"", mask=MASK))
    await client.closing()


async def test_unsolicited_pongs_are_harmless_and_cost_no_timers(serve):
    """CVE-2026-48802: a task for each pong."""
    served = await serve()
    client = await served.open()
    tasks = len(asyncio.all_tasks())
    client.send(*["3"] * 10_000)
    await client.enter()
    assert len(asyncio.all_tasks()) <= tasks + 2
    assert len(served.io.engine.deadlines._heap) == 1


@pytest.mark.parametrize(
    ("packet", "words"),
    {
        "2": "unexpected Engine.IO packet '2'",
        "2probe": "unexpected Engine.IO packet",
        "3probe": "unexpected Engine.IO packet",
        "0": "unexpected Engine.IO packet",
        '0{"sid":"x"}': "unexpected Engine.IO packet",
        "5": "unexpected Engine.IO packet",
        "7": "Engine.IO packet",
        "": "Engine.IO packet",
        "hello": "Engine.IO packet",
        "b4AQIDBA==": "Engine.IO packet",
    }.items(),
)
async def test_a_client_sends_neither_pings_nor_upgrades_nor_unknown_packets(serve, packet, words):
    served = await serve()
    client = await served.enter()
    client.send(packet)
    close = await client.closing()
    assert close.code == 1002
    assert words in close.reason


async def test_a_noop_of_a_client_is_nothing(serve):
    """The Swift client sends one behind its upgrade."""
    client = await (await serve()).enter()
    client.send("6", "6")
    await client.quiet()


# -- WebSocket itself


async def test_a_websocket_ping_is_answered_with_its_data(serve):
    served = await serve()
    client = await served.open()
    client.write(frame(PING, b"data", mask=MASK))
    assert await client.receive() == Pong(b"data")


async def test_a_fragmented_packet_is_a_packet(serve):
    served = await serve()
    client = await served.open()
    client.write(frame(TEXT, b"4", fin=False, mask=MASK) + frame(CONTINUATION, b"0", mask=MASK))
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith('40{"sid"')


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (frame(TEXT, b"40"), 1002, "client must mask"),
        (frame(TEXT, b"40", rsv=4, mask=MASK), 1002, "reserved bit"),
        (frame(3, b"", mask=MASK), 1002, "unknown opcode"),
        (frame(CONTINUATION, b"40", mask=MASK), 1002, "continuation frame without a message"),
        (frame(TEXT, b"\xff", mask=MASK), 1007, "UTF-8"),
        (frame(TEXT, b"4" * 100_001, mask=MASK), 1009, "100001"),
        (frame(TEXT, b"", size=1 << 40, width=8, mask=MASK), 1009, "larger than"),
    ],
)
async def test_a_wrong_frame_is_answered_with_its_close_code(serve, data, code, words):
    served = await serve(max_payload=100_000)
    client = await served.enter()
    client.write(data)
    close = await client.closing()
    assert close.code == code
    assert words in close.reason
    await until(lambda: not served.io.engine.sessions)


async def test_a_client_that_sends_too_much_gets_the_reason_before_the_connection_ends(serve, monkeypatch):
    monkeypatch.setattr("jupyter_rtmsg.server.websocket.LINGER", 3600)  # the client's answer ends it
    served = await serve(max_payload=100_000)
    client = await served.enter()
    client.write(frame(TEXT, b"", size=5_000_000, mask=MASK) + bytes(5_000_000))
    close = await client.closing()
    assert close.code == 1009
    assert "5000000 bytes is larger than the 100000 allowed" in close.reason


async def test_before_its_connect_a_client_may_send_small_messages_only(serve):
    served = await serve(max_pending_payload=1000)
    client = await served.open()
    client.send("40" + json.dumps({"token": "x" * 1000}))
    assert (await client.closing()).code == 1009
    client = await served.enter()
    client.send("42" + json.dumps(["token", "x" * 1000]))
    await client.quiet()


# -- closing (1.8)


async def test_a_close_packet_closes_at_once(serve):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await served.enter()
    client.send("1")
    await client.closing()
    assert reasons == ["transport close"]


@pytest.mark.parametrize(("code", "answer"), [(1000, 1000), (1001, 1001), (4000, 4000)])
async def test_a_close_frame_is_answered_and_ends_the_session(serve, code, answer):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await served.enter()
    client.send_close(code)
    assert await client.receive() == Close(answer)
    assert await client.receive() is None
    assert reasons == ["transport close"]
    assert not served.io.engine.sessions


async def test_the_server_says_goodbye(serve):
    served = await serve()
    reasons: list[str] = []
    served.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await served.enter()
    served.io.emit("last", 1)
    await served.io.close()
    assert await client.receive() == '42["last",1]'
    close = await client.closing()
    assert (close.code, close.reason) == (1001, "server shutting down")
    assert reasons == ["server shutting down"]
    with pytest.raises(ConnectionRefusedError):
        await served.dial()


async def test_nothing_is_dispatched_after_a_violation(serve):
    served = await serve()
    names: list[str] = []
    served.io.on("connection", lambda socket: socket.on("e", names.append))
    client = await served.enter()
    client.send('42["e","before"]', "2", '42["e","after"]')
    await client.closing()
    assert names == ["before"]


# -- connecting (2.5)


async def test_connect_is_answered_with_a_sid_and_nothing_more(serve):
    served = await serve()
    client = await served.open()
    client.send("40")
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith("40{")
    assert set(json.loads(packet[2:])) == {"sid"}


async def test_auth_and_handshake_reach_the_application(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    await served.enter(auth={"token": "x"}, query="&room=a%20b", User_Agent="raw")
    (socket,) = sockets
    assert socket.auth == {"token": "x"}
    assert socket.handshake.query["room"] == "a b"
    assert socket.handshake.headers["user-agent"] == "raw"
    assert socket.handshake.address == "127.0.0.1"
    assert socket.rooms == {socket.id}


async def test_events_of_a_connection_handler_follow_the_40(serve):
    served = await serve()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.emit("welcome", socket.id)

    client = await served.open()
    sid = await client.enter()
    assert await client.receive() == f'42["welcome","{sid}"]'


async def test_connecting_twice_closes(serve):
    served = await serve()
    client = await served.enter()
    client.send("40")
    assert "connected already" in (await client.closing()).reason


async def test_connecting_twice_while_a_middleware_is_waiting_closes(serve):
    served = await serve()
    gate = asyncio.Event()
    served.io.use(lambda socket: gate.wait())
    client = await served.open()
    client.send("40", "40")
    assert "connected already" in (await client.closing()).reason


@pytest.mark.parametrize("packet", ['42["e"]', '420["e"]', "430[]", "41", f'451-["e",{HOLE}]', f"461-0[{HOLE}]"])
async def test_any_packet_before_connect_closes(serve, packet):
    served = await serve()
    client = await served.open()
    client.send(packet)
    close = await client.closing()
    assert close.code == 1002
    assert "not connected" in close.reason


async def test_an_event_while_a_middleware_is_waiting_closes(serve):
    served = await serve()
    gate = asyncio.Event()
    served.io.use(lambda socket: gate.wait())
    client = await served.open()
    client.send("40", '42["e"]')
    assert "not connected" in (await client.closing()).reason


@pytest.mark.parametrize("name", ["/nope", "/custom?x=1", "/__proto__", "/constructor", "/é", "//", "/ "])
async def test_an_unknown_namespace_is_refused_and_the_connection_stays(serve, name):
    served = await serve()
    served.io.of("/custom")
    client = await served.open()
    client.send(f"40{name},")
    assert await client.receive() == f'44{name},{{"message":"Invalid namespace"}}'
    await client.enter()


async def test_namespaces_are_apart(serve):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("who", lambda: "root"))
    served.io.of("/admin").on("connection", lambda socket: socket.on("who", lambda: "admin"))
    client = await served.enter()
    client.send('42/admin,1["who"]')
    assert "not connected" in (await client.closing()).reason
    client = await served.enter()
    await client.enter("/admin")
    client.send('42/admin,1["who"]', '421["who"]')
    assert await client.receive_many(2) == ['43/admin,1["admin"]', '431["root"]']
    served.io.emit("x")
    served.io.of("/admin").emit("y")
    assert await client.receive_many(2) == ['42["x"]', '42/admin,["y"]']


async def test_a_middleware_refuses_with_message_and_data_and_hurts_no_other_namespace(serve):
    served = await serve()

    @served.io.of("/admin").use
    async def refuse(socket: Socket) -> None:
        await asyncio.sleep(0)
        raise ConnectionRefused("Not authorized", {"code": 7})

    client = await served.enter()
    client.send("40/admin,{}")
    assert await client.receive() == '44/admin,{"message":"Not authorized","data":{"code":7}}'
    await client.quiet()


async def test_a_middleware_that_fails_says_nothing_of_its_fault(serve):
    served = await serve()

    @served.io.use
    def broken(socket: Socket) -> None:
        raise RuntimeError("secret")

    client = await served.open()
    client.send("40")
    assert await client.receive() == '44{"message":"internal error"}'


async def test_a_refusal_that_cannot_be_sent_still_refuses(serve):
    served = await serve()

    @served.io.use
    def refuse(socket: Socket) -> None:
        raise ConnectionRefused("no", {float("nan")})

    client = await served.open()
    client.send("40")
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith("44{")


async def test_middlewares_run_in_order_before_the_connection_handlers(serve):
    served = await serve()
    calls: list[str] = []

    async def slow(socket: Socket) -> None:
        await asyncio.sleep(0)
        calls.append("slow")

    served.io.use(slow)
    served.io.use(lambda socket: calls.append("fast"))
    served.io.on("connection", lambda socket: calls.append("connected"))
    await served.enter()
    assert calls == ["slow", "fast", "connected"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_coroutines_may_handle_one_connection(serve, order):
    served = await serve()
    calls: list[str] = []

    async def first(socket: Socket) -> None:
        calls.append("first")

    async def second(socket: Socket) -> None:
        await asyncio.sleep(0)
        socket.on("e", lambda n: n)
        calls.append("second")

    for index in order:
        served.io.on("connection", (first, second)[index])
    client = await served.enter()
    client.send('421["e",1]', '422["e",2]')
    assert await client.receive_many(2) == ["431[1]", "432[2]"]
    assert sorted(calls) == ["first", "second"]


async def test_a_client_that_never_connects_is_closed(serve):
    served = await serve(connect_timeout=2)
    client = await served.open()
    client.send("40/nope,")
    assert await client.receive() == '44/nope,{"message":"Invalid namespace"}'
    close = await client.closing()
    assert (close.code, close.reason) == (1008, "connect timeout")
    assert not served.io.engine.sessions


async def test_a_client_that_connected_stays_beyond_the_connect_timeout(serve):
    served = await serve(connect_timeout=1.0)
    client = await served.enter()
    waiting = await served.open()  # the later of the two: when it is closed, the other's time is up too
    await waiting.closing()
    client.send("41")
    await client.quiet()


# -- leaving


async def test_a_disconnect_leaves_one_namespace_without_an_answer(serve):
    served = await serve()
    reasons: list[str] = []
    served.io.of("/a").on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = await served.enter("/a")
    await client.enter()
    client.send("41/a,")
    await client.quiet()
    assert reasons == ["client namespace disconnect"]
    assert not served.io.of("/a").sockets


async def test_a_client_may_come_back_with_a_new_id(serve):
    served = await serve()
    client = await served.open()
    first = await client.enter()
    client.send("41")
    assert await client.enter() != first


async def test_packets_right_after_a_disconnect_are_ignored(serve):
    served = await serve()
    client = await served.enter()
    client.send("41", '42["late"]')
    await client.quiet()
    client.send('42["too late"]')
    assert "not connected" in (await client.closing()).reason


async def test_the_server_disconnects_from_one_namespace(serve):
    served = await serve()
    sockets: list[Socket] = []
    reasons: list[str] = []
    served.io.on("connection", sockets.append)
    client = await served.enter()
    sockets[0].on("disconnect", reasons.append)
    sockets[0].disconnect()
    client.send('42["crossing"]')  # it cannot know yet
    assert await client.receive() == "41"
    await client.quiet()
    assert reasons == ["server namespace disconnect"]


async def test_the_server_disconnects_the_whole_connection(serve):
    served = await serve()
    served.io.of("/a")
    sockets: list[Socket] = []
    reasons: list[str] = []
    served.io.on("connection", sockets.append)
    client = await served.enter()
    await client.enter("/a")
    sockets[0].on("disconnect", reasons.append)
    sockets[0].disconnect(close=True)
    assert await client.receive_many(2) == ["41", "41/a,"]  # or an official client would come back by itself
    assert (await client.closing()).code == 1000
    assert reasons == ["server namespace disconnect"]
    assert not served.io.of("/a").sockets


async def test_no_acknowledgement_follows_a_disconnect(serve):
    served = await serve()
    gate = asyncio.Event()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("slow")
        async def slow() -> int:
            await gate.wait()
            return 1

    client = await served.enter()
    client.send('421["slow"]', "41")
    await client.quiet()
    gate.set()
    await client.quiet()


# -- what closes the whole connection (2.3, 2.4)

VIOLATIONS: dict[str, list[str | bytes]] = {
    "an unknown type": ["47"],
    "no type": ["4"],
    "an array as auth": ["40/there,[]"],
    "a bare event": ["42"],
    "an empty event": ["42[]"],
    "an object for an event": ["42{}"],
    "an object for a name": ["42[{}]"],
    "null for a name": ["42[null]"],
    "a list for a name": ['42[["x"]]'],
    "a payload in a disconnect": ["41{}"],
    "a connect error": ['44{"message":"x"}'],
    "no JSON": ['42["a"'],
    "NaN": ['42["a",NaN]'],
    "a wrong ack id": ['42abc["a"]'],
    "an ack without an id": ["43[]"],
    "an ack id of 5,000 digits": ["42" + "1" * 5000 + '["a"]'],
    **{
        f"the reserved name {name}": [f'42["{name}",{{}},{{}}]']
        for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
    },
    "0 attachments": ['450-["a"]', b"x"],
    "11 attachments": ['4511-["a"]'],
    "599999999 attachments": ['45599999999-["a"]'],
    "a text where an attachment is awaited": [f'451-["a",{HOLE}]', '42["a"]'],
    "a stray attachment": [b"x"],
    "num -1": ['451-["a",{"_placeholder":true,"num":-1}]', b"x"],
    'num "0"': ['451-["a",{"_placeholder":true,"num":"0"}]', b"x"],
    "num true": ['451-["a",{"_placeholder":true,"num":true}]', b"x"],
    "num 5": ['451-["a",{"_placeholder":true,"num":5}]', b"x"],
    "a num used twice": [f'451-["a",{HOLE},{HOLE}]', b"x"],
    "a num not used": ['451-["a"]', b"x"],
    "attachments larger than a message": ['452-["a"]', b"x" * 60_000, b"x" * 60_000],
}


@pytest.mark.parametrize("packets", VIOLATIONS.values(), ids=VIOLATIONS)
async def test_closes_the_connection_and_no_other(serve, packets):
    served = await serve(max_payload=100_000)
    reasons: list[str] = []
    fired: list[Any] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("a", lambda *args: fired.append(args))
        socket.on("disconnect", reasons.append)

    served.io.of("/there")
    other = await served.enter()
    client = await served.enter()
    client.send(*packets)
    close = await client.closing()
    assert close.code == 1002
    assert close.reason
    assert reasons == ["parse error"]
    assert fired == []
    await other.quiet()


async def test_no_bytes_of_a_client_forge_a_line_of_the_log(serve, caplog):
    caplog.set_level(logging.INFO, logger="jupyter_rtmsg")
    served = await serve()
    for packet in ('42/a\nERROR forged,["x"]', "2\nERROR forged", "4\nERROR forged"):
        client = await served.enter()
        client.send(packet)
        await client.closing()
    assert len(caplog.messages) >= 3
    assert not any("\n" in message for message in caplog.messages)


# -- events and acknowledgements (2.6)


async def test_events_without_handlers_are_ignored_and_never_answered(serve):
    served = await serve()
    client = await served.enter()
    client.send('42["nobody"]', '427["nobody"]', "42[7]", '42["error"]', '42["connection"]', '42["__proto__"]')
    await client.quiet()


@pytest.mark.parametrize("number", ["0", "1", "13", "12345678901234567890"])
async def test_an_event_with_an_id_is_answered_digit_for_digit(serve, number):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("sum", lambda a, b: a + b))
    client = await served.enter()
    client.send(f'42{number}["sum",1,2]')
    assert await client.receive() == f"43{number}[3]"


async def test_an_event_without_an_id_is_not_answered(serve):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("sum", lambda a, b: a + b))
    client = await served.enter()
    client.send('42["sum",1,2]')
    await client.quiet()


async def test_binary_goes_both_ways(serve):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("echo", lambda *args: args))
    client = await served.enter()
    text = '["echo",{"_placeholder":true,"num":1},{"a":[{"_placeholder":true,"num":0}]}]'
    client.send("452-5" + text, b"first", b"second")
    assert await client.receive_many(3) == [
        '462-5[{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}]',
        b"second",
        b"first",
    ]
    served.io.emit("up", bytearray(b"x"), [memoryview(b"y")])
    assert await client.receive_many(3) == ['452-["up",' + HOLE + ',[{"_placeholder":true,"num":1}]]', b"x", b"y"]


async def test_attachments_are_contiguous_among_the_packets(serve):
    served = await serve()
    await served.enter()
    client = await served.enter()
    for i in range(20):
        served.io.emit("b", b"%d" % i)
        served.io.emit("t", i)
    for i in range(20):
        assert await client.receive_many(3) == [f'451-["b",{HOLE}]', b"%d" % i, f'42["t",{i}]']


async def test_the_server_asks_and_the_client_answers(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await served.enter()
    asked = [asyncio.ensure_future(sockets[0].emit_with_ack("q", i)) for i in range(4)]
    ids = []
    for i in range(4):
        packet = await client.receive()
        assert isinstance(packet, str)
        match = re.fullmatch(rf'42(\d+)\["q",{i}\]', packet)
        assert match, packet
        ids.append(match[1])
    assert ids[0] == "0"  # a valid id, and the first
    client.send(f"43{ids[1]}[1]", f"43{ids[0]}[]", f'43{ids[2]}["a","b"]', f"461-{ids[3]}[{HOLE}]", b"x")
    assert await asyncio.gather(*asked) == [None, 1, ["a", "b"], b"x"]


async def test_unknown_late_and_second_acknowledgements_are_ignored(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await served.enter()
    client.send("4399[1]")
    with pytest.raises(AckTimeout):
        await sockets[0].timeout(0.01).emit_with_ack("q")
    assert await client.receive() == '420["q"]'
    client.send("430[1]", "430[2]")
    await client.quiet()


async def test_an_acknowledgement_of_another_client_counts_nothing(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client, thief = await served.enter(), await served.enter()
    asked = asyncio.ensure_future(sockets[0].emit_with_ack("q"))
    assert await client.receive() == '420["q"]'
    thief.send('430["stolen"]')
    await thief.quiet()
    client.send('430["own"]')
    assert await asked == "own"


async def test_asking_a_client_that_is_gone_fails_at_once(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await served.enter()
    asked = asyncio.ensure_future(sockets[0].emit_with_ack("q"))
    await client.receive()
    client.send("41")
    with pytest.raises(Disconnected):
        await asyncio.wait_for(asked, PATIENCE)
    with pytest.raises(Disconnected):
        await asyncio.wait_for(sockets[0].emit_with_ack("q"), PATIENCE)


async def test_a_broadcast_with_acknowledgement_uses_one_id(serve):
    served = await serve()
    clients = [await served.enter() for _ in range(3)]
    asked = asyncio.ensure_future(served.io.timeout(PATIENCE).emit_with_ack("q"))
    for i, client in enumerate(clients):
        assert await client.receive() == '420["q"]'
        client.send(f"430[{i}]")
    assert sorted(await asked) == [0, 1, 2]


async def test_a_broadcast_that_not_all_answer_fails_with_the_partial_list(serve):
    served = await serve()
    clients = [await served.enter() for _ in range(2)]
    asked = asyncio.ensure_future(served.io.timeout(0.1).emit_with_ack("q"))
    await clients[0].receive()
    clients[0].send("430[1]")
    with pytest.raises(AckTimeout) as error:
        await asked
    assert error.value.responses == [1]
    assert error.value.missing == list(served.io.of("/").sockets)[1:]


async def test_a_broadcast_with_lost_clients_reports_the_answers_and_the_missing_ids(serve):
    served = await serve()
    clients = [await served.enter() for _ in range(3)]
    ids = list(served.io.of("/").sockets)
    asked = asyncio.ensure_future(served.io.timeout(PATIENCE).emit_with_ack("q"))
    for client in clients:
        await client.receive()
    clients[1].send("41")
    clients[2].reset()
    clients[0].send("430[1]")
    with pytest.raises(Disconnected, match="2 of 3 are gone") as error:
        await asked
    assert error.value.responses == [1]
    assert sorted(error.value.missing) == sorted(ids[1:])


@pytest.mark.parametrize("how", ["socket", "timeout", "room"])
async def test_of_one_client_it_is_told_in_the_same_way(serve, how):
    served = await serve()
    client = await served.enter()
    (socket,) = served.io.of("/").sockets.values()
    asker = {"socket": socket, "timeout": socket.timeout(PATIENCE), "room": served.io.to(socket.id)}[how]
    asked = asyncio.ensure_future(asker.emit_with_ack("q"))
    await client.receive()
    socket.disconnect()
    with pytest.raises(Disconnected) as error:
        await asked
    assert (error.value.responses, error.value.missing) == ([], [socket.id])


async def test_clients_that_left_and_clients_that_are_late_are_missing(serve):
    served = await serve()
    clients = [await served.enter() for _ in range(2)]
    ids = list(served.io.of("/").sockets)
    asked = asyncio.ensure_future(served.io.timeout(0.3).emit_with_ack("q"))
    await clients[0].receive()
    clients[0].send("41")
    with pytest.raises(AckTimeout, match="2 of 2 did not acknowledge") as error:
        await asked
    assert sorted(error.value.missing) == sorted(ids)


# -- handlers


async def test_handlers_run_in_the_order_of_arrival_sync_and_async(serve):
    served = await serve()
    calls: list[int] = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("sync", calls.append)

        @socket.on("async")
        async def later(n: int) -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            calls.append(n)

        socket.on("done", lambda: calls)

    client = await served.enter()
    client.send(*[f'42["{"async" if i % 3 else "sync"}",{i}]' for i in range(100)], '420["done"]')
    assert await client.receive() == "430" + json.dumps([list(range(100))], separators=(",", ":"))


async def test_a_slow_handler_of_one_client_holds_up_no_other(serve):
    served = await serve()
    gate = asyncio.Event()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("slow")
        async def slow() -> str:
            await gate.wait()
            return "slow"

        socket.on("fast", lambda: "fast")

    one, other = await served.enter(), await served.enter()
    one.send('420["slow"]', '421["fast"]')
    other.send('420["fast"]')
    assert await other.receive() == '430["fast"]'
    gate.set()
    assert await one.receive_many(2) == ['430["slow"]', '431["fast"]']


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_handler_that_raises_answers_with_an_error_and_the_next_event_is_served(serve, is_async):
    served = await serve()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        def fail(*args: Any) -> None:
            raise RuntimeError("secret")

        async def fail_later(*args: Any) -> None:
            raise RuntimeError("secret")

        socket.on("fail", fail_later if is_async else fail)
        socket.on("ok", lambda: "ok")

    client = await served.enter()
    client.send('42["fail"]', '420["fail"]', '421["ok"]')
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith('430[{"error":')
    assert "secret" not in packet
    assert await client.receive() == '431["ok"]'


async def test_a_handler_that_is_cancelled_does_not_silence_its_socket(serve):
    served = await serve()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("cancelled")
        async def cancelled() -> None:
            task = asyncio.ensure_future(asyncio.sleep(60))
            task.cancel()
            await task

        socket.on("ok", lambda: "ok")

    client = await served.enter()
    client.send('420["cancelled"]', '421["ok"]')
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith('430[{"error":')
    assert await client.receive() == '431["ok"]'


@pytest.mark.parametrize("result", [float("nan"), {1}, ..., b"x" * 3, [b""] * 11], ids=repr)
async def test_a_result_that_cannot_be_sent_is_answered_with_an_error(serve, result):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("e", lambda: result))
    client = await served.enter()
    client.send('420["e"]')
    packet = await client.receive()
    if isinstance(result, bytes):
        assert packet == f"461-0[{HOLE}]"
        assert await client.receive() == result
    else:
        assert isinstance(packet, str)
        assert packet.startswith('430[{"error":')
    await client.quiet()


async def test_a_text_event_with_a_placeholder_of_its_own_can_be_echoed_to_nobody(serve):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("echo", lambda value: value))
    client = await served.enter()
    client.send(f'420["echo",{HOLE}]')
    packet = await client.receive()
    assert isinstance(packet, str)
    assert packet.startswith('430[{"error":')


async def test_wrong_arguments_are_answered_with_an_error(serve):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on("sum", lambda a, b: a + b))
    client = await served.enter()
    client.send('420["sum",1]', '421["sum",1,2,3]', '422["sum",1,2]')
    packets = await client.receive_many(3)
    assert [str(packet)[:12] for packet in packets] == ['430[{"error"', '431[{"error"', "432[3]"]


# -- rooms (2.7)


async def test_rooms_select_the_union_minus_the_excluded_each_once(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    clients = [await served.enter() for _ in range(4)]
    a, b, c, d = sockets
    a.join("x", "y")
    b.join("y")
    c.join("z")
    served.io.to("x").to("y").emit("e", "union")
    served.io.to("x", "z").except_("y").emit("e", "minus")
    served.io.except_("y", d.id).emit("e", "all but")
    served.io.to(d.id).emit("e", "own room")
    a.to("y").emit("e", "to y but me")
    a.broadcast.except_("z").emit("e", "broadcast")
    a.leave("x")
    served.io.to("x").emit("e", "empty")
    served.io.to("nowhere").emit("e", "nowhere")
    served.io.emit("e", "end")
    expected = [
        ["union", "end"],
        ["union", "to y but me", "broadcast", "end"],
        ["minus", "all but", "end"],
        ["own room", "broadcast", "end"],
    ]
    for client, names in zip(clients, expected, strict=True):
        assert await client.receive_many(len(names)) == [f'42["e","{name}"]' for name in names]


async def test_a_socket_that_left_is_in_no_room(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client, other = await served.enter(), await served.enter()
    sockets[0].join("x")
    client.send("41")
    await client.quiet()
    assert sockets[0].rooms == frozenset()
    sockets[0].join("x")
    served.io.to("x").emit("e")
    await client.quiet()
    await other.quiet()
    assert list(served.io.of("/").rooms.names()) == []


async def test_a_volatile_event_reaches_clients_that_can_be_written_to(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await served.enter()
    sockets[0].volatile.emit("v", 1)
    served.io.volatile.emit("v", 2)
    assert await client.receive_many(2) == ['42["v",1]', '42["v",2]']


async def test_events_emitted_in_one_tick_keep_their_order(serve):
    served = await serve()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.join("r")

        @socket.on("go")
        def go() -> str:
            socket.emit("a")
            served.io.to("r").emit("b")
            served.io.emit("c")
            return "d"

    client = await served.enter()
    client.send('420["go"]')
    assert await client.receive_many(4) == ['42["a"]', '42["b"]', '42["c"]', '430["d"]']
