"""Data that a client cannot decode are skipped, in a room too; the connection stays open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import ConnectionRefused, TooDeepJSON
from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.wire.data import MAX_DEPTH, EncodedJSON
from jupyter_rtmsg.wire.socketio import Encoded

DEEP = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
HOLE = b'{"_placeholder":true,"num":0}'


class Speaker:
    """A server that sends the packets of a test."""

    def __init__(self) -> None:
        self.io = Server()
        self.sockets: list[Socket] = []
        self.url = ""

    async def start(self) -> None:
        self.io.on("connection", self.sockets.append)
        self.url = f"http://127.0.0.1:{await self.io.listen()}/"

    def say(self, text: bytes, *attachments: bytes) -> None:
        self.sockets[-1].write([Encoded(text, attachments)])


@pytest.fixture
async def speaker() -> AsyncIterator[Speaker]:
    speaker = Speaker()
    await speaker.start()
    yield speaker
    await speaker.io.close()


@pytest.fixture
async def socket(speaker: Speaker) -> AsyncIterator[rt.SocketClient]:
    socket = rt.SocketClient(speaker.url)
    await socket.connect()
    yield socket
    await socket.disconnect()


async def test_an_event_nested_too_deep_is_skipped(
    speaker: Speaker, socket: rt.SocketClient, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    socket.on_any(lambda *args: seen.append(args))
    socket.on("disconnect", seen.append)
    with caplog.at_level(logging.WARNING):
        speaker.say(b'42["deep",%b]' % DEEP)
        speaker.say(b'451-7["deep",%b,%b]' % (HOLE, DEEP), b"attached")
        speaker.say(b'42["next",1]')
        await until(lambda: seen)
    assert seen == [("next", 1)]
    assert "an event in namespace / was skipped: JSON nested more than 64 levels deep" in caplog.text
    assert len(speaker.sockets) == 1


async def test_an_ack_nested_too_deep_fails_its_request(speaker: Speaker, socket: rt.SocketClient) -> None:
    speaker.sockets[-1].on("deep", lambda: EncodedJSON(DEEP))
    speaker.sockets[-1].on("deep bytes", lambda: EncodedJSON(b"[%b,%b]" % (HOLE, DEEP), (b"attached",)))
    speaker.sockets[-1].on("next", lambda: 1)
    for event in ("deep", "deep bytes"):
        with pytest.raises(TooDeepJSON):
            await socket.emit_with_ack(event)
    assert await socket.emit_with_ack("next") == 1
    assert len(speaker.sockets) == 1


async def test_a_refusal_nested_too_deep_is_a_refusal(speaker: Speaker) -> None:
    root = rt.SocketClient(speaker.url)
    await root.connect()
    other = root.of("/other")

    async def never(socket: Socket) -> None:
        await asyncio.Event().wait()

    speaker.io.of("/other").use(never)
    connecting = asyncio.ensure_future(other.connect())
    await asyncio.sleep(0)
    speaker.say(b'44/other,{"message":"no","data":%b}' % DEEP)
    with pytest.raises(ConnectionRefused, match="cannot be read"):
        await connecting
    assert root.connected
    await root.disconnect()


async def test_half_an_emoji_from_a_server_is_replaced_and_told_once(
    speaker: Speaker, socket: rt.SocketClient, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    socket.on("text", seen.append)
    with caplog.at_level(logging.INFO, "jupyter_rtmsg"):
        for _ in range(3):
            speaker.say(rb'42["text","\ud83d"]')
        await until(lambda: len(seen) == 3)
    assert seen == ["\ufffd"] * 3
    assert caplog.text.count("surrogate") == 1
    speaker.sockets[-1].on("question", lambda: EncodedJSON(rb'"\ud83d"'))
    assert await socket.emit_with_ack("question") == "\ufffd"


# -- rooms

EVENTS = 5
UNREADABLE = (2, 3)  # their numbers


class Room(Speaker):
    """A hub whose room contains events that no client can decode."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        self.acknowledged: list[int] = []
        self.joined = 0

    async def start(self) -> None:
        self.io.on("connection", self._connected)
        await super().start()

    def _connected(self, socket: Socket) -> None:
        socket.on("hello", lambda *_: {"ok": True})
        socket.on("join", self._join)
        socket.on("history", self._history)
        socket.on("ack", self._ack)
        socket.on("leave", lambda _: {"ok": True})

    def _join(self, request: dict[str, Any]) -> dict[str, Any]:
        self.joined += 1
        return {"ok": True, "epoch": "E", "head": 0, "cursor": 0, "recovered": True, "first": 1, "members": []}

    def _ack(self, request: dict[str, Any]) -> dict[str, Any]:
        self.acknowledged.append(request["seq"])
        return {"ok": True, "cursor": request["seq"]}

    def _history(self, request: dict[str, Any]) -> EncodedJSON:
        self.asked.append(request)
        first = request["after"] + 1
        last = min(EVENTS, first + request.get("limit", EVENTS) - 1)
        events = b",".join(
            b'{"event":"n","data":%b,"seq":%d,"prev":%d,"ts":1,"from":{}}' % (self.data(n), n, n - 1)
            for n in range(first, last + 1)
        )
        more = b"true" if last < EVENTS else b"false"
        return EncodedJSON(
            b'{"ok":true,"events":[%b],"more":%b,"through":%d,"first":1,"head":%d,"epoch":"E"}'
            % (events, more, last, EVENTS)
        )

    @staticmethod
    def data(number: int) -> bytes:
        return DEEP if number in UNREADABLE else b"%d" % number

    def live(self, number: int, prev: int | None = None) -> None:
        meta = b'{"room":"lab","seq":%d,"prev":%d,"ts":1,"from":{}}' % (number, number - 1 if prev is None else prev)
        self.say(b'42["n",%b,%b,"%d"]' % (self.data(number), meta, number))


@pytest.fixture
async def hub() -> AsyncIterator[Room]:
    hub = Room()
    await hub.start()
    yield hub
    await hub.io.close()


async def test_a_room_continues_after_an_event_that_cannot_be_read(hub: Room) -> None:
    async with rt.AsyncClient(hub.url) as client:
        room = await client.join("lab", as_="me")
        seen: list[Any] = []
        room.on("n", lambda event: seen.append(event.data))
        for number in range(1, EVENTS + 1):
            hub.live(number)
        await until(lambda: len(seen) == 3)
        await until(lambda: hub.acknowledged and hub.acknowledged[-1] == EVENTS)
        assert seen == [1, 4, 5]
        await until(lambda: room.lag == 0)  # once the answer to the last acknowledgement has come
    assert hub.asked == []  # nothing was missing
    assert hub.joined == len(hub.sockets) == 1


async def test_history_goes_on_after_an_event_that_cannot_be_read(hub: Room, caplog: pytest.LogCaptureFixture) -> None:
    async with rt.AsyncClient(hub.url) as client:
        room = await client.join("lab", as_="me")
        seen: list[Any] = []
        room.on("n", lambda event: seen.append(event.data))
        with caplog.at_level(logging.WARNING):
            hub.live(EVENTS)  # those before were lost on the way
            await until(lambda: len(seen) == 3)
            await until(lambda: hub.acknowledged and hub.acknowledged[-1] == EVENTS)
        assert seen == [1, 4, 5]
        assert caplog.text.count("was skipped") == len(UNREADABLE)
        assert len(hub.asked) < 3 * EVENTS
    assert hub.joined == len(hub.sockets) == 1
