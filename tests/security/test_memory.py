"""What clients make the server hold is counted and bounded: bodies of POSTs, and incomplete messages."""

from __future__ import annotations

from typing import Any

from support.frames import MASK, TEXT, frame
from support.wsclient import until


def know(socket: Any) -> None:
    socket.user = socket.auth.get("user")


def head(client: Any, length: str = "Content-Length: 200000") -> bytes:
    """Return the headers of a POST of a session."""
    path = f"/socket.io/?{client.query}"
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()


async def uploads(client: Any, *parts: bytes) -> Any:
    """Begin a POST, and send nothing more."""
    exchange = await client.dial()
    for part in parts:
        exchange.write(part)
    return exchange


async def test_of_two_bodies_of_one_session_the_second_is_not_kept(serve: Any, poll: Any) -> None:
    served = await serve()
    client = await poll(served)
    (session,) = served.io.engine.sessions.values()
    first = await uploads(client, head(client), b"x" * 100_000)
    await until(lambda: session.held >= 100_000)
    second = await uploads(client, head(client, "Content-Length: 100000"), b"x" * 100_000)
    assert (await second.answer()).status == 400
    assert session.closed  # its client sent two requests at once
    first.writer.close()
    await until(lambda: not served.io.engine.memory.used)


async def test_a_body_that_does_not_come_in_time_is_given_up(serve: Any, poll: Any) -> None:
    served = await serve(send_timeout=0.2)
    client = await poll(served)
    (session,) = served.io.engine.sessions.values()
    for length in ("Content-Length: 200000", "Transfer-Encoding: chunked"):
        data = b"x" * 1_000 if "Content" in length else b"3e8\r\n" + b"x" * 1_000 + b"\r\n"
        slow = await uploads(client, head(client, length), data)
        assert (await slow.answer()).status == 408
        await until(lambda: not session.held)
    assert not session.closed
    await client.enter()


async def test_unfinished_messages_of_one_user_cost_that_user_a_session_and_nobody_else(serve: Any) -> None:
    served = await serve(max_memory=3_000_000)
    served.io.use(know)
    honest = await served.enter(auth={"user": "ann"})
    hostile = [await served.enter(auth={"user": "mallory"}) for _ in range(8)]
    engine = served.io.engine
    for client in hostile:
        client.write(frame(TEXT, b"4" + b"x" * 600_000, fin=False, mask=MASK))
    await until(lambda: len(engine.sessions) < 9 and engine.memory.used <= 3_000_000)
    assert sum(session.principal == "ann" for session in engine.sessions.values()) == 1
    await honest.quiet()


async def test_attachments_that_never_come_are_counted(serve: Any) -> None:
    served = await serve()
    client = await served.enter()
    (session,) = served.io.engine.sessions.values()
    client.send('452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"x" * 500_000)
    await until(lambda: session.held > 500_000)
    client.writer.close()
    await until(lambda: not served.io.engine.memory.used)
