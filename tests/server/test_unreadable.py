"""What a server cannot read is refused alone: half an emoji costs a character, what is too deep its packet."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.pollclient import PollClient
from support.wsclient import RawClient, until

from jupyter_rtmsg.errors import TooDeepJSON
from jupyter_rtmsg.server import Socket
from jupyter_rtmsg.wire.data import MAX_DEPTH
from jupyter_rtmsg.wire.websocket import TEXT, encode_frame

Serve = Callable[..., Awaitable[Any]]
Poll = Callable[..., Awaitable[PollClient]]

DEEP = "[" * MAX_DEPTH + "]" * MAX_DEPTH
HOLE = '{"_placeholder":true,"num":0}'
TOO_DEEP = {"error": {"code": "too_deep", "message": "JSON nested more than 64 levels deep"}}


@pytest.fixture
async def served(serve: Serve) -> Any:
    served = await serve()
    served.sockets = sockets = []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        sockets.append(socket)
        socket.on("echo", lambda *args: args)
        socket.on("auth", lambda: socket.auth)

        @socket.on("slow")
        async def slow() -> str:
            await asyncio.sleep(0.05)
            return "done"

    served.io.of("/other").on("connection", sockets.append)
    return served


def ack(message: Any, id: int) -> Any:
    """Return the arguments of an acknowledgement."""
    head = f"43{id}"
    assert str(message).startswith(head), message
    return json.loads(str(message)[len(head) :])


async def alive(served: Any, client: RawClient) -> None:
    """Check that the connection and all its namespaces are there."""
    client.send('429["echo","alive"]')
    assert await client.receive() == '439["alive"]'
    assert all(socket.connected for socket in served.sockets)
    assert len(served.io.engine.sessions) == 1


# -- too deep


async def test_an_event_nested_too_deep_is_refused_alone(served: Any) -> None:
    client = await served.enter()
    await client.enter("/other")
    client.send(f'421["echo",{DEEP}]', f'42["echo",{DEEP}]', f'42/other,["echo",{DEEP}]')
    assert ack(await client.receive(), 1) == [TOO_DEEP]
    await alive(served, client)
    for text in ("[" * 400_000 + "]" * 400_000, '{"a":' * 150_000, "[" * 900_000):
        client.send(f'422["echo",{text}]')
        (answer,) = ack(await client.receive(), 2)
        assert answer["error"]["code"] == "too_deep"
    await alive(served, client)


async def test_an_event_nested_too_deep_is_refused_with_its_attachments(served: Any) -> None:
    client = await served.enter()
    client.send(f'451-1["echo",{HOLE},{DEEP}]', b"attached")
    await client.receive()
    assert served.sockets[0].session.received == 0
    client.send(f'451-1["echo",{HOLE},{DEEP}]', b"attached", f'451-2["echo",{HOLE}]', b"next")
    assert ack(await client.receive(), 1) == [TOO_DEEP]
    assert await client.receive() == f"461-2[{HOLE}]"
    assert await client.receive() == b"next"
    await alive(served, client)


async def test_an_event_that_waited_for_a_handler_is_refused_in_its_turn(served: Any) -> None:
    client = await served.enter()
    client.send('421["slow"]', f'422["echo",{DEEP}]', '423["echo",3]', f'451-4["echo",{HOLE},{DEEP}]', b"attached")
    assert await client.receive() == '431["done"]'
    assert ack(await client.receive(), 2) == [TOO_DEEP]
    assert await client.receive() == "433[3]"
    assert ack(await client.receive(), 4) == [TOO_DEEP]
    await alive(served, client)


async def test_an_acknowledgement_nested_too_deep_fails_the_emit(served: Any) -> None:
    client = await served.enter()
    for head, data in (("43", f"[{DEEP}]"), ("461-", f"[{HOLE},{DEEP}]")):
        asking = asyncio.ensure_future(served.sockets[0].timeout(30).emit_with_ack("question"))
        question = str(await client.receive())
        client.send(head + question[2 : question.index("[")] + data, *([b"attached"] if head == "461-" else []))
        with pytest.raises(TooDeepJSON):
            await asking
    client.send(f"43999[{DEEP}]")  # nobody waits for it
    await alive(served, client)


async def test_an_acknowledgement_nested_too_deep_fails_no_other_one(served: Any) -> None:
    clients = [await served.enter() for _ in range(3)]
    asking = asyncio.ensure_future(served.io.timeout(30).emit_with_ack("question"))
    for client, answer in zip(clients, (f"[{DEEP}]", "[1]", "[2]"), strict=True):
        question = str(await client.receive())
        client.send(f"43{question[2 : question.index('[')]}{answer}")
    assert sorted(await asking) == [1, 2]


async def test_an_auth_nested_too_deep_is_refused_with_a_connect_error(served: Any) -> None:
    client = await served.open()
    client.send(f'40{{"token":{DEEP}}}')
    assert await client.receive() == '44{"message":"JSON nested more than 64 levels deep"}'
    await client.enter()
    client.send(f'40/other,{{"token":{DEEP}}}')
    assert await client.receive() == '44/other,{"message":"JSON nested more than 64 levels deep"}'
    await alive(served, client)


@pytest.mark.parametrize("text", [f'42/nowhere,1["echo",{DEEP}]', f'40{{"token":{DEEP}}}'])
async def test_a_packet_that_ends_a_connection_also_ends_it_if_it_is_too_deep(served: Any, text: str) -> None:
    client = await served.enter()
    client.send(text)
    assert (await client.closing()).code == 1002


# -- half an emoji


async def test_half_an_emoji_costs_one_character(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = await served.enter(auth=None)
    await client.enter("/other")
    with caplog.at_level(logging.INFO, "jupyter_rtmsg"):
        for _ in range(3):
            client.send(r'421["echo","\ud83d",{"\udc00":1},"\\ud83d","\ud83d\ude00"]')
            assert ack(await client.receive(), 1) == ["\ufffd", {"\ufffd": 1}, r"\ud83d", "😀"]
    assert caplog.text.count("surrogate") == 1
    assert served.io.engine.mended == 3
    await alive(served, client)


async def test_half_an_emoji_in_an_answer_or_an_auth_costs_one_character(served: Any) -> None:
    client = await served.open()
    client.send(r'40{"name":"\ud83d"}')
    await client.receive()
    assert served.sockets[0].auth == {"name": "\ufffd"}
    asking = asyncio.ensure_future(served.sockets[0].timeout(30).emit_with_ack("question"))
    question = str(await client.receive())
    client.send(f"43{question[2 : question.index('[')]}" + r'["\udc00"]')
    assert await asking == "\ufffd"
    await alive(served, client)


async def test_half_an_emoji_over_polling_costs_one_character(served: Any, poll: Poll) -> None:
    client = await poll(served)
    await client.send(r'40{"name":"\ud83d"}')
    assert (await client.get())[0].startswith('40{"sid"')
    await client.send(r'421["echo","\ud83d"]', '422["echo",2]', '423["auth"]')
    answers: list[str] = []
    while len(answers) < 3:
        answers += await client.get()
    assert answers == ['431["\ufffd"]', "432[2]", '433[{"name":"\ufffd"}]']


async def test_bytes_that_are_no_utf_8_in_a_text_frame_are_a_violation(served: Any) -> None:
    client = await served.enter()
    client.write(encode_frame(TEXT, b'42["echo","\xed\xa0\xbd"]', b"mask"))  # a half as UTF-8 would spell it
    assert (await client.closing()).code == 1007
    await until(lambda: not served.io.engine.sessions)
