"""The WebSocket transport: upgrades, refusals, and servers that break the rules. The peer writes bytes by hand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.client.endpoint import Endpoint
from jupyter_rtmsg.client.http import HttpRefused
from jupyter_rtmsg.client.session import ClientSession, NotOpened
from jupyter_rtmsg.client.socket import SocketClient
from jupyter_rtmsg.client.transport import ClientTransport
from jupyter_rtmsg.client.websocket import WebSocket, open_websocket
from jupyter_rtmsg.errors import AccessDenied, ServerNotFound, ServerUnreachable
from jupyter_rtmsg.wire.engineio import OpenPacket
from jupyter_rtmsg.wire.parser import JSON
from jupyter_rtmsg.wire.websocket import BINARY, PING, TEXT, FrameParser, accept_value, encode_close, encode_frame

Behaviour = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Log:
    """A receiver that notes its calls."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.reasons: list[str] = []

    def connected(self, transport: ClientTransport) -> None: ...

    def received(self, messages: Sequence[str | bytes]) -> None:
        self.messages += messages

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)

    def writable(self) -> None: ...


@asynccontextmanager
async def peer(behave: Behaviour, **options: Any) -> AsyncIterator[Address]:
    """Run a server with a behaviour, which gets the request's head."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    path = options.pop("unix", None)
    if path:
        server = await asyncio.start_unix_server(serve, path)
        url = "http+unix://" + str(path).replace("/", "%2F") + "/base/"
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
        host = "localhost" if options else "127.0.0.1"
        url = f"http{'s' if options else ''}://{host}:{server.sockets[0].getsockname()[1]}/base/"
    async with server:
        yield Address.parse(url)


def upgrade(head: bytes) -> bytes:
    key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
    return f"HTTP/1.1 101 Switching\r\nsec-websocket-accept: {accept_value(key)}\r\n\r\n".encode()


def sends(*chunks: bytes, wait: bool = True) -> Behaviour:
    """Upgrade, write chunks one by one, and wait for the client to close."""

    async def behave(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(head))
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        if wait:
            await reader.read()

    return behave


def answers(status: str, body: str, *, length: bool = True) -> Behaviour:
    async def behave(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = f"Content-Length: {len(body)}\r\n" if length else ""
        writer.write(f"HTTP/1.1 {status}\r\n{header}\r\n{body}".encode())

    return behave


async def connect(address: Address, log: Log, **options: Any) -> WebSocket:
    return await open_websocket(Endpoint.at(address.url, **options), log)


async def open_session(one: ClientSession, address: Address) -> OpenPacket:
    return await one.open(lambda: open_websocket(Endpoint.at(address.url), one))


async def test_the_request_is_an_upgrade_with_the_token_in_a_header() -> None:
    heads: list[bytes] = []

    async def behave(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")

    async with peer(behave) as address:
        with pytest.raises(AccessDenied):
            await SocketClient(address.url, "s3cret").connect()
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "GET /base/socket.io/?EIO=4&transport=websocket HTTP/1.1"
    assert "Authorization: token s3cret" in lines
    assert f"Host: {address.authority}" in lines
    assert "s3cret" not in lines[0]
    assert not any(line.lower().startswith("origin") for line in lines)


async def test_frames_right_behind_the_upgrade_are_not_lost() -> None:
    async def behave(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(head) + encode_frame(TEXT, b"one") + encode_frame(BINARY, b"two")[:3])
        await writer.drain()
        writer.write(encode_frame(BINARY, b"two")[3:])
        await reader.read()

    async with peer(behave) as address:
        log = Log()
        transport = await connect(address, log)
        await until(lambda: len(log.messages) == 2)
        assert log.messages == ["one", b"two"]
        transport.close(1000, "enough")
        await until(lambda: log.reasons)
        assert log.reasons == ["enough"]


@pytest.mark.parametrize("length", [True, False])
async def test_a_refusal_is_read_with_its_body(length: bool) -> None:
    async with peer(answers("403 Forbidden", "say the word", length=length)) as address:
        with pytest.raises(HttpRefused) as caught:
            await connect(address, Log())
    assert caught.value.status == 403
    assert caught.value.body == "say the word"


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("403 Forbidden", AccessDenied, "refused the token"),
        ("401 Unauthorized", AccessDenied, "refused the token"),
        ("302 Found\r\nLocation: /base/login?next=%2F", AccessDenied, "refused the token"),
        ("302 Found\r\nLocation: /hub/api/oauth2/authorize?state=s3cret", AccessDenied, "redirect to .*/authorize"),
        (
            "308 Permanent Redirect\r\nLocation: https://u:p@b.example/x/?t=1",
            ServerNotFound,
            "to https://b.example/x/ ",
        ),
        ("301 Moved Permanently", ServerNotFound, "no Location"),
        ("302 Found\r\nLocation: /base/socket.io?EIO=4", ServerNotFound, "extension jupyter_rtmsg is not installed"),
        ("404 Not Found", ServerNotFound, "extension jupyter_rtmsg is not installed"),
        ("500 Oops", ServerUnreachable, "HTTP 500: body"),
        ("200 OK", ServerUnreachable, "HTTP 200: body"),
    ],
)
async def test_a_refusal_becomes_an_error_of_one_line(status: str, error: type[Exception], said: str) -> None:
    async with peer(answers(status, "body\n<p>more")) as address:
        client = SocketClient(address.url, transports=["websocket"])
        # A server that is unreachable is tried again until then.
        with pytest.raises(error, match=said) as caught:
            await client.connect(timeout=2.0 if error is ServerUnreachable else 60.0)
    assert "\n" not in str(caught.value)
    assert address.url in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert client.state == "closed"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 101 Sure\r\n\r\n", b"x" * 100_000])
async def test_a_server_that_does_not_speak_websocket_is_unreachable(answer: bytes) -> None:
    async def behave(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with peer(behave) as address:
        with pytest.raises(ServerUnreachable):
            await SocketClient(address.url).connect(timeout=0.5)


async def test_a_refused_host_is_not_reported_as_a_refused_token() -> None:
    async with peer(
        answers("403 Forbidden", "Host 'a' is not allowed: add it to the server's option `hosts`")
    ) as address:
        with pytest.raises(AccessDenied, match=r"refused the request .*Host 'a' is not allowed") as caught:
            await SocketClient(address.url).connect()
    assert "token" not in str(caught.value)


async def test_pings_of_websocket_are_answered() -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def behave(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(head) + encode_frame(PING, b"hi"))
        got.set_result(await reader.read(100))

    async with peer(behave) as address:
        await connect(address, Log())
        (pong,) = FrameParser(masked=True, max_size=100).feed(await asyncio.wait_for(got, 5))
        assert getattr(pong, "data", None) == b"hi"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (encode_close(4008, "too slow"), "4008 too slow"),
        (encode_frame(TEXT, b"\xff"), "UTF-8"),
        (encode_frame(TEXT, b"x", b"mask"), "must not mask"),
    ],
)
async def test_the_reason_of_a_disconnect_is_reported(frame: bytes, reason: str) -> None:
    async with peer(sends(frame)) as address:
        log = Log()
        await connect(address, log)
        await until(lambda: log.reasons)
        assert reason in log.reasons[0]
        assert len(log.reasons) == 1


def session(messages: list[Any]) -> ClientSession:
    receivers = {"/": lambda packet, size: messages.append((packet, size))}
    return ClientSession(receivers, lambda: None, lambda: None, messages.append, JSON)


async def test_pings_are_answered_and_silence_ends_the_session() -> None:
    seen: list[bytes] = []

    async def behave(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(head) + encode_frame(TEXT, OpenPacket("s", 0.1, 0.1, 1000).encode().encode()))
        writer.write(encode_frame(TEXT, b"2"))
        seen.append(await reader.read(100))
        await reader.read()

    async with peer(behave) as address:
        one = session([])
        assert (await open_session(one, address)).max_payload == 1000
        assert await asyncio.wait_for(one.ended, 5) == "ping timeout"
        assert FrameParser(masked=True, max_size=10).feed(seen[0]) == ["3"]


@pytest.mark.parametrize("packet", [b"9", b"42", b'42["connect"]', b"451-[]", b"4{", b"2probe"])
async def test_packets_that_break_the_protocol_end_the_session(packet: bytes) -> None:
    opening = encode_frame(TEXT, OpenPacket("s", 25, 20, 1000).encode().encode())
    follow = encode_frame(TEXT, packet)
    if packet.startswith(b"451"):
        follow += encode_frame(TEXT, b"4x")
    async with peer(sends(opening, follow)) as address:
        one = session([])
        await open_session(one, address)
        assert "protocol error" in await asyncio.wait_for(one.ended, 5)


async def test_a_session_that_is_not_opened_is_an_error() -> None:
    async with peer(sends(encode_frame(TEXT, b'40{"sid":"x"}'))) as address:
        with pytest.raises(NotOpened, match="expected an open packet"):
            await open_session(session([]), address)


async def test_sizes_count_attachments() -> None:
    seen: list[Any] = []
    text = b'451-["n",{"_placeholder":true,"num":0}]'
    opening = encode_frame(TEXT, OpenPacket("s", 25, 20, 1000).encode().encode())
    async with peer(sends(opening, encode_frame(TEXT, text), encode_frame(BINARY, b"x" * 300))) as address:
        one = session(seen)
        await open_session(one, address)
        await until(lambda: seen)
        one.abort("enough")
        ((packet, size),) = seen
        assert packet.data == ["n", b"x" * 300]
        assert size == len(text) + 300


async def test_unix_sockets(tmp_path: Path) -> None:
    async with peer(sends(encode_frame(TEXT, b"hello")), unix=tmp_path / "s") as address:
        log = Log()
        websocket = await connect(address, log)
        await until(lambda: log.messages == ["hello"])
        websocket.abort()


async def test_tls_verifies_and_takes_a_context(certificate: Path) -> None:
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate)
    async with peer(sends(encode_frame(TEXT, b"hello")), ssl=server_side) as address:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(address, Log())
        log = Log()
        trusting = ssl.create_default_context(cafile=str(certificate))
        websocket = await connect(address, log, tls=trusting)
        await until(lambda: log.messages == ["hello"])
        websocket.abort()


async def test_a_header_with_a_line_break_is_refused() -> None:
    async with peer(answers("200 OK", "")) as address:
        with pytest.raises(ValueError, match="one line") as caught:
            await connect(address, Log(), headers={"A": "b\r\nC: d"})
        assert "C: d" not in str(caught.value)  # it may be a token
