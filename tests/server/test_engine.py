"""The Engine.IO server by itself: sessions that carry text and bytes, without Socket.IO."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import tornado.httpserver
import tornado.netutil
import tornado.web
from support.pollclient import PollClient
from support.wsclient import RawClient, until, upgrade_request

from jupyter_rtmsg.server import Engine, Session


class Listening:
    """An engine on a port of its own."""

    def __init__(self, **options: Any) -> None:
        self.engine = Engine(**options)
        (sock,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
        self._http = tornado.httpserver.HTTPServer(tornado.web.Application(self.engine.handlers("/socket.io/")))
        self._http.add_sockets([sock])
        self.port: int = sock.getsockname()[1]

    async def close(self) -> None:
        self._http.stop()
        await self.engine.close()


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    one = Listening()
    yield one
    await one.close()


async def test_text_and_bytes_are_echoed_as_they_came(listening):
    listening.engine.on("connection", lambda session: session.on("message", session.send))
    client = await RawClient.open(listening.port)
    client.send("4hello", b"\x00\xff", "4", b"", "44", "4é😀")
    assert await client.receive_many(6) == ["4hello", b"\x00\xff", "4", b"", "44", "4é😀"]
    await client.hang_up()


async def test_a_session_starts_with_the_open_packet_even_if_its_listener_sends(listening):
    listening.engine.on("connection", lambda session: session.send("first"))
    client = await RawClient.open(listening.port)
    assert client.opened is not None
    assert await client.receive() == "4first"
    await client.hang_up()


async def test_both_sides_may_close_and_the_reason_is_told(listening):
    sessions: list[Session] = []
    reasons: list[str] = []
    listening.engine.on("connection", sessions.append)
    listening.engine.on("connection", lambda session: session.on("close", reasons.append))
    client = await RawClient.open(listening.port)
    sessions[0].send("last")
    sessions[0].close("enough", 4000)
    assert await client.receive() == "4last"
    close = await client.closing()
    assert (close.code, close.reason) == (4000, "enough")
    client = await RawClient.open(listening.port)
    client.send_close()
    await until(lambda: len(reasons) == 2)
    assert reasons == ["enough", "transport close"]
    assert not listening.engine.sessions


async def test_a_closed_session_takes_and_sends_nothing(listening):
    sessions: list[Session] = []
    seen: list[str | bytes] = []
    listening.engine.on("connection", sessions.append)
    client = await RawClient.open(listening.port)
    sessions[0].on("message", seen.append)
    sessions[0].close()
    sessions[0].send("late")
    client.send("4late")
    await client.closing()
    assert seen == []


async def test_a_listener_that_raises_is_logged_and_ends_no_connection(listening, caplog):
    def fail(argument: object) -> None:
        raise RuntimeError("a bug")

    def connected(session: Session) -> None:
        session.on("message", fail)
        session.on("message", session.send)
        session.on("close", fail)
        session.on("close", reasons.append)

    reasons: list[str] = []
    listening.engine.on("connection", fail)
    listening.engine.on("connection", connected)
    client = await RawClient.open(listening.port)
    client.send(*["4x"] * 300)  # more than one turn
    assert await client.receive_many(300) == ["4x"] * 300
    client.send_close()
    await until(lambda: reasons)
    faults = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert 3 <= len(faults) < 10  # and how many there were
    assert "the 100th message like this" in faults[-1].getMessage()


async def test_a_closed_engine_takes_no_session(listening):
    await listening.engine.close()
    client = await RawClient.dial(listening.port)
    client.write(upgrade_request())
    assert (await client.response()).status == 503


async def test_an_engine_has_only_the_events_it_has(listening):
    with pytest.raises(ValueError, match="not 'conection'"):
        listening.engine.on("conection", print)


async def test_an_echo_over_polling_and_on_over_websocket_after_the_upgrade(listening):
    listening.engine.on("connection", lambda session: session.on("message", session.send))
    client = await PollClient.open(listening.port)
    await client.send("4hello", "bAQIDBA==", "4")
    assert await client.get() == ["4hello", "bAQIDBA==", "4"]
    candidate = await client.upgrade()
    candidate.send("2probe", "5", "4over", b"\x01")
    assert await candidate.receive_many(3) == ["3probe", "4over", b"\x01"]
    client.close()


async def test_messages_of_a_connection_listener_come_with_the_open_packet(listening):
    listening.engine.on("connection", lambda session: session.send("first"))
    client = await PollClient.open(listening.port)
    packets = client.early or await client.get()
    assert packets == ["4first"]
    client.close()


async def test_a_listener_may_close_a_session_at_once_on_either_transport(listening):
    def refuse(session: Session) -> None:
        session.send("no")
        session.close("enough", 4000)

    listening.engine.on("connection", refuse)
    client = await PollClient.open(listening.port)
    assert client.early == ["4no"]
    assert await client.get() == ["1"]
    assert await client.gone()
    websocket = await RawClient.open(listening.port)
    assert await websocket.receive() == "4no"
    assert (await websocket.closing()).code == 4000
    assert not listening.engine.sessions
    assert not listening.engine.closed_sessions._bodies
    client.close()


async def test_a_text_that_would_end_a_polling_packet_is_refused_where_it_is_sent(listening):
    sessions: list[Session] = []
    listening.engine.on("connection", sessions.append)
    client = await PollClient.open(listening.port)
    with pytest.raises(ValueError, match=r"U\+001E"):
        sessions[0].send("a\x1eb")
    sessions[0].send(b"a\x1eb")
    assert await client.get() == ["bYR5i"]
    client.close()


@pytest.mark.parametrize("message", [5, None, ["x"], {"a": 1}])
async def test_a_message_is_text_or_bytes(listening, message):
    sessions: list[Session] = []
    listening.engine.on("connection", sessions.append)
    client = await RawClient.open(listening.port)
    with pytest.raises(TypeError):
        sessions[0].send(message)
    sessions[0].send(memoryview(b"ok"))
    assert await client.receive() == b"ok"
    await client.hang_up()


async def test_a_message_that_is_too_long_for_a_peer_to_send_may_be_sent_to_it(listening):
    """Engine.IO announces ``maxPayload`` to clients: it bounds what they send."""
    sessions: list[Session] = []
    listening.engine.on("connection", sessions.append)
    listening.engine.max_queue = 1 << 22
    client = await RawClient.open(listening.port)
    assert client.opened is not None
    sessions[0].send("x" * 2 * client.opened.max_payload)
    assert await client.receive() == "4" + "x" * 2 * client.opened.max_payload
    await client.hang_up()


async def test_a_path_is_taken_literally():
    engine = Engine()
    ((pattern, *_),) = engine.handlers("/engine.io/")
    assert re.fullmatch(pattern, "/engine.io")
    assert re.fullmatch(pattern, "/engine.io/")
    assert not re.fullmatch(pattern, "/engineXio/")


async def test_a_transport_must_be_one_that_there_is():
    with pytest.raises(ValueError, match="pigeon"):
        Engine(transports=["pigeon"])
    with pytest.raises(ValueError, match="some of"):
        Engine(transports=[])
