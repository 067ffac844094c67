"""The client's HTTP/1.1: valid and invalid responses, reuse of connections, limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.httppeer import HttpPeer, Request, http_peer, ok
from support.wsclient import until

from jupyter_rtmsg.client.dial import dial
from jupyter_rtmsg.client.endpoint import Endpoint
from jupyter_rtmsg.client.http import HttpConnection, HttpFailed, HttpRefused, Response
from jupyter_rtmsg.client.polling import Requests


@asynccontextmanager
async def answering(*answers: bytes | None) -> AsyncIterator[tuple[HttpPeer, Requests]]:
    """A peer that gives these responses, one after the other, and the client's requests to it."""
    rest = list(answers)

    async def answer(_: Request) -> bytes | None:
        return rest.pop(0)

    async with http_peer(answer) as peer:
        requests = Requests(Endpoint.at(peer.url))
        yield peer, requests
        requests.abort()


@pytest.mark.parametrize(
    "answer",
    [
        ok("hello"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: t\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok("hello"),
        b"HTTP/1.1 200\r\ncontent-LENGTH:5\r\nContent-Encoding: identity\r\n\r\nhello",
    ],
    ids=["content-length", "chunked", "early hints", "no reason"],
)
async def test_a_response_is_read_to_its_end_and_the_connection_is_kept(answer: bytes) -> None:
    async with answering(answer, ok("again")) as (peer, requests):
        assert (await requests.make("GET", "/a")).body == b"hello"
        assert (await requests.make("POST", "/b", b"x")).body == b"again"
        assert [(one.connection, one.method, one.target, one.body) for one in peer.requests] == [
            (0, "GET", "/a", b""),
            (0, "POST", "/b", b"x"),
        ]
        assert peer.requests[0].headers["host"] == f"127.0.0.1:{peer.port}"


async def test_a_response_may_come_byte_by_byte() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in ok("hello"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        requests = Requests(Endpoint.at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        assert (await requests.make("GET", "/")).body == b"hello"
        requests.abort()


async def test_a_response_without_a_length_ends_with_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhel")
        await writer.drain()
        writer.write(b"lo")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        requests = Requests(Endpoint.at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        assert (await requests.make("GET", "/")).body == b"hello"
        assert (await requests.make("GET", "/")).body == b"hello"  # over a connection of its own


@pytest.mark.parametrize(
    "answer",
    [
        ok("a", "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
        ok("a", "Keep-Alive: timeout=1"),
        ok("a") + ok("smuggled"),
    ],
    ids=["close", "HTTP/1.0", "about to time out", "more than was asked for"],
)
async def test_a_connection_that_the_server_may_close_is_not_reused(answer: bytes) -> None:
    async with answering(answer, ok("b")) as (peer, requests):
        await requests.make("GET", "/")
        assert (await requests.make("POST", "/", b"x")).body == b"b"
        assert [request.connection for request in peer.requests] == [0, 1]


async def test_an_idle_connection_is_not_reused_after_the_servers_keep_alive_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with answering(ok("a", "Keep-Alive: timeout=30"), ok("b"), ok("c"), ok("d")) as (peer, requests):
        loop = asyncio.get_running_loop()
        now = loop.time
        await requests.make("POST", "/", b"x")
        monkeypatch.setattr(loop, "time", lambda: now() + 28)
        await requests.make("POST", "/", b"x")
        monkeypatch.setattr(loop, "time", lambda: now() + 31)
        await requests.make("POST", "/", b"x")
        monkeypatch.setattr(loop, "time", lambda: now() + 36)  # this server does not say how long it waits
        await requests.make("POST", "/", b"x")
        assert [request.connection for request in peer.requests] == [0, 0, 0, 1]


async def test_a_response_without_a_request_closes_the_connection() -> None:
    said = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok("a"))
        await said.wait()
        writer.write(ok("", status="408 Request Timeout"))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        endpoint = Endpoint.at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        connection = await dial(endpoint)
        assert (await connection.request("GET", "/", endpoint.headers())).body == b"a"
        assert connection.reusable
        said.set()
        await until(lambda: not connection.reusable)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "closed the connection without a response"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the response is not valid HTTP/1.1"),
        (b"x" * 100_000, "the response is not valid HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, "the response is not valid HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "the response is not valid HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the response is not valid HTTP/1.1"),
        (b"HTTP/1.1 101 Sure\r\n\r\n", "the response is not valid HTTP/1.1"),  # nobody asked for it
        (ok("\x1f\x8b", "Content-Encoding: gzip"), "gzip, which was not requested"),
    ],
)
async def test_an_invalid_response_fails_and_closes_the_connection(answer: bytes | None, said: str) -> None:
    async with answering(answer) as (_, requests):
        with pytest.raises(HttpFailed, match=said):
            await requests.make("GET", "/")
        assert requests.descriptor is None or not requests._connection.reusable


async def test_an_incomplete_response_fails() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok("hello")[:-1])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        requests = Requests(Endpoint.at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        with pytest.raises(HttpFailed):
            await requests.make("GET", "/")


async def test_the_body_of_a_response_is_bounded() -> None:
    async def ask(connection: HttpConnection, endpoint: Endpoint) -> Response:
        return await connection.request("GET", "/", endpoint.headers(), max_body=1_000)

    for answer in (ok(b"x" * 1_001), b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_001):
        async with answering(answer) as (peer, _):
            endpoint = Endpoint.at(peer.url)
            with pytest.raises(HttpFailed, match="larger than the 1,000 bytes"):
                await ask(await dial(endpoint), endpoint)


async def test_a_long_refusal_is_cut_off_and_keeps_its_status() -> None:
    async with answering(ok(b"x" * 1_000_000, status="404 Not Found")) as (_, requests):
        with pytest.raises(HttpRefused) as caught:
            await requests.make("GET", "/")
        assert caught.value.status == 404
        assert len(caught.value.body) == 64 * 1024


async def test_a_cancelled_request_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        requests = Requests(Endpoint.at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(requests.make("GET", "/"), 0.05)
        await asyncio.wait_for(gone.wait(), 10)


async def test_a_header_with_a_line_break_is_refused_and_not_shown() -> None:
    async with answering(ok("")) as (peer, _):
        requests = Requests(Endpoint.at(peer.url, headers={"Authorization": "token s3cret\r\nC: d"}))
        with pytest.raises(ValueError, match="one line") as caught:
            await requests.make("GET", "/")
        assert "s3cret" not in str(caught.value)
        assert not peer.requests


async def test_cookies_are_sent_back_with_those_of_the_caller() -> None:
    first = ok("", "Set-Cookie: route=a1; Path=/; HttpOnly", "Set-Cookie: gone=x", "Set-Cookie: big=" + "x" * 5_000)
    second = ok("", "Set-Cookie: gone=; Max-Age=0", "Set-Cookie: route=a2")
    async with answering(first, second, ok("")) as (peer, _):
        requests = Requests(Endpoint.at(peer.url, headers={"Cookie": "mine=1"}))
        for _ in range(3):
            await requests.make("GET", "/")
        assert [request.headers["cookie"] for request in peer.requests] == [
            "mine=1",
            "mine=1; route=a1; gone=x",
            "mine=1; route=a2",
        ]


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://a.example/", "a.example", "/socket.io/?EIO=4&transport=polling&sid=s&a=b+c"),
        (
            "http://a.example:81/user/zoë k/",
            "a.example:81",
            "/user/zo%C3%AB%20k/socket.io/?EIO=4&transport=polling&sid=s&a=b+c",
        ),
        (
            "http://a.example/user/zo%C3%AB/",
            "a.example",
            "/user/zo%C3%AB/socket.io/?EIO=4&transport=polling&sid=s&a=b+c",
        ),
        ("http://bücher.example:81/", "xn--bcher-kva.example:81", "/socket.io/?EIO=4&transport=polling&sid=s&a=b+c"),
        ("http+unix://%2Frun%2Fs/", "localhost", "/socket.io/?EIO=4&transport=polling&sid=s&a=b+c"),
    ],
)
def test_hosts_and_paths_of_any_script_are_sent_in_ascii(url: str, host: str, target: str) -> None:
    endpoint = Endpoint.at(url, query={"a": "b c", "transport": "mine", "sid": "mine"})
    assert endpoint.headers()["Host"] == host
    assert endpoint.target("polling", sid="s") == target
