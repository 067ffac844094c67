"""Whatever clients send again and again, the server's log gets a few lines and a count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from support.members import Member
from support.wsclient import RawClient

from jupyter_rtmsg.hub import Hub
from jupyter_rtmsg.log import open_log
from jupyter_rtmsg.log.reader_pool import ReaderPool
from jupyter_rtmsg.server import Server, Socket

HANDFUL = 20
MANY = 10_000


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a hub in memory, which accepts requests of its own origin only."""
    io = Server()

    @io.use
    def _take_user(socket: Socket) -> None:
        socket.user = "ada"

    log = await open_log("memory:")
    hub = Hub(io, log)
    await hub.start()
    yield await io.listen()
    await hub.close()
    await io.close()
    await log.close()


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "jupyter_rtmsg")
    return caplog


def ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("jupyter_rtmsg")]


async def test_packets_that_are_refused(port: int, lines: pytest.LogCaptureFixture) -> None:
    client = await RawClient.open(port)
    await client.enter()
    deep = '42["echo",' + "[" * 200 + "]" * 200 + "]"
    for number in range(MANY // 500):
        client.send(*[deep] * 500, f'42{number}["no such command"]')
        while not str(await client.receive()).startswith(f"43{number}["):
            pass  # answers to earlier requests
    await client.hang_up()
    assert len(ours(lines)) <= HANDFUL
    assert any("the 10,000th message like this" in line for line in ours(lines))


async def test_requests_that_are_refused(port: int, lines: pytest.LogCaptureFixture) -> None:
    request = (
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n"
    )
    count = 1_000
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 403 " in head.splitlines()[0]
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-le"))
        await reader.readexactly(length)
    writer.close()
    assert len(ours(lines)) <= HANDFUL
    assert any("the 1,000th message like this" in line for line in ours(lines))


async def test_connections_that_break_the_protocol(port: int, lines: pytest.LogCaptureFixture) -> None:
    for _ in range(200):
        client = await RawClient.open(port)
        client.send("9 is no packet")
        await client.closing()
        await client.hang_up()
    assert len(ours(lines)) <= HANDFUL


async def test_commands_that_fail(port: int, lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(ReaderPool, "__call__", broken)
    member = await Member.connect(port)
    await member.join("lab")
    for _ in range(500):
        with pytest.raises(Exception, match="internal"):
            await member.call("history", room="lab")
    await member.close()
    assert len(ours(lines)) <= HANDFUL
