"""Requests that two servers would parse differently, redirects, and links."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.wsclient import PATIENCE, RawClient, upgrade_request

from jupyter_rtmsg import AsyncClient
from jupyter_rtmsg.errors import ServerNotFound
from jupyter_rtmsg.server import Server, bundle


@pytest.fixture
async def port() -> Any:
    io = Server(ping_interval=600)
    yield await io.listen()
    await io.close(timeout=0.1)


async def answers(port: int, data: bytes) -> bytes:
    """Send bytes, and return the answer, until the server closes the connection or is silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    received = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return received


SMUGGLED = b"GET /socket.io/?EIO=4&transport=polling&smuggled=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST /socket.io/?EIO=4&transport=polling&sid=none HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        b"Content-Length: +5\r\n\r\nhello",
        b"Content-Length: 0x5\r\n\r\nhello",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 5_0\r\n\r\nhello",
        b"Content-Length : 0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        b"X-Bad\x00: 1\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_request_with_two_lengths_is_answered_by_the_end_of_its_connection(port: int, fields: bytes) -> None:
    """One server could take the rest for a request, and a server in front of it for the body."""
    received = await answers(port, HEAD + fields + SMUGGLED)
    assert b'"sid"' not in received, received
    assert received.count(b"HTTP/1.1") <= 1


@pytest.mark.parametrize("fold", [b" ", b"\t"])
async def test_a_folded_header_is_one_header(port: int, fold: bytes) -> None:
    received = await answers(port, HEAD + b"X-Folded: a\r\n" + fold + b"Content-Length: 5\r\n\r\n" + SMUGGLED)
    assert received.count(b'"sid"') <= 1, "the folded length is none, or the request is refused"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: localhost\n\n",
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\nX: 1\r\n\r\n",
    ],
)
async def test_bare_line_feeds_hide_no_request(port: int, request_: bytes) -> None:
    assert (await answers(port, request_)).count(b"HTTP/1.1") <= 1


async def test_bytes_after_an_upgrade_are_not_a_request(port: int) -> None:
    client = await RawClient.dial(port)
    client.write(upgrade_request() + SMUGGLED)
    response = await client.response()
    assert response.status == 101
    rest = await asyncio.wait_for(client.reader.read(), PATIENCE)
    assert b"HTTP/1.1" not in rest
    client.writer.close()


async def test_a_refused_upgrade_leaves_no_tunnel_open(port: int) -> None:
    received = await answers(port, upgrade_request(Sec_WebSocket_Version="777") + SMUGGLED)
    assert received.count(b"HTTP/1.1") == 1
    assert b'"sid"' not in received


class Redirector:
    """A server that redirects all clients, and keeps the credentials that they send."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.requests: list[bytes] = []

    async def __aenter__(self) -> Redirector:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 307 x\r\nLocation: " + self.target.encode() + b"\r\nContent-Length: 0\r\n\r\n")
        writer.close()


async def test_a_client_takes_its_token_to_no_other_place() -> None:
    async with Redirector("http://127.0.0.1:1/") as elsewhere:
        async with Redirector(f"http://127.0.0.1:{elsewhere.port}/socket.io/") as first:
            with pytest.raises(ServerNotFound, match="Redirects are not followed") as refused:
                async with AsyncClient(f"http://127.0.0.1:{first.port}/", "a-secret-token"):
                    pass
            assert all(b"a-secret-token" in request for request in first.requests)
        assert elsewhere.requests == []
        assert "a-secret-token" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "socket.io.js/../../server.py", "secret.js", "/etc/passwd"],
)
async def test_the_bundle_has_its_own_names_and_no_others(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "version").write_text("1")
    (tmp_path / "secret.js").symlink_to("/etc/passwd")
    monkeypatch.setattr(bundle, "STATIC", tmp_path)
    request = f"GET /socket.io/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    received = await answers(port, request.encode())
    assert b"root:" not in received
    assert b" 200 " not in received.split(b"\r\n")[0]
