"""Forward proxies of the environment: when one is used, its tunnels, and its refusals."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import TOKEN, HubServer, free_port
from support.nginx import proxy as reverse_proxy
from support.proxies import Forward, running
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.client import endpoint, servers
from jupyter_rtmsg.client.address import Address
from jupyter_rtmsg.client.proxy import Proxy, proxy_for
from jupyter_rtmsg.errors import ServerUnreachable
from jupyter_rtmsg.server import Server

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "RTMSG_URL", "JUPYTERHUB_SERVICE_URL", "REQUEST_METHOD")
INSIDE = "hub.internal.example"  # a name that only the proxy knows


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(servers, "_runtime_dir", lambda: tmp_path)
    return monkeypatch


@pytest.fixture
async def io() -> AsyncIterator[Server]:
    server = Server(hosts=[INSIDE])

    @server.on("connection")
    def connected(client: Any) -> None:
        client.on("sum", lambda a, b: a + b)

    server.port = await server.listen()  # type: ignore[attr-defined]
    yield server
    await server.close()


@pytest.mark.parametrize(
    ("variables", "url", "used"),
    [
        ({}, "http://a.example/", None),
        ({"http_proxy": "http://p:1"}, "http://a.example/", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "http://a.example/", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "https://a.example/", None),
        ({"https_proxy": "http://p:1"}, "https://a.example/", "http://p:1"),
        ({"all_proxy": "http://p:1"}, "https://a.example/", "http://p:1"),
        ({"all_proxy": "socks5://s:1", "http_proxy": "http://p:1"}, "http://a.example/", "http://p:1"),
        ({"http_proxy": "http://p:1", "no_proxy": "example"}, "http://a.example/", None),
        ({"http_proxy": "http://p:1", "no_proxy": ".a.example"}, "http://b.a.example/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "a.example:8888"}, "http://a.example:8888/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "a.example:8888"}, "http://a.example:80/", "http://p:1"),
        ({"http_proxy": "http://p:1", "no_proxy": "*"}, "http://a.example/", None),
        ({"http_proxy": "http://p:1"}, "http://localhost:8888/", None),
        ({"http_proxy": "http://p:1"}, "http://x.localhost:8888/", None),
        ({"http_proxy": "http://p:1"}, "http://127.0.3.4:8888/", None),
        ({"http_proxy": "http://p:1"}, "http://127.evil.example/", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "http://[::1]:8888/", None),
        ({"http_proxy": "http://p:1"}, "http+unix://%2Frun%2Fs/", None),
        (
            {"http_proxy": "http://p:1", "RTMSG_URL": "http://10.0.0.5:8888/user/a/"},
            "http://10.0.0.5:8888/user/a/",
            None,
        ),
        ({"http_proxy": "http://p:1", "RTMSG_URL": "http://10.0.0.5:8888/"}, "http://10.0.0.6:8888/", "http://p:1"),
        ({"http_proxy": "http://p:1", "JUPYTERHUB_SERVICE_URL": "http://10.0.0.5:1/u/"}, "http://10.0.0.5:1/u/", None),
    ],
)
def test_a_proxy_is_used_where_the_environment_says_and_never_on_this_machine(
    environment: pytest.MonkeyPatch, variables: dict[str, str], url: str, used: str | None
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    found = proxy_for(Address.parse(url))
    assert (found and found.url) == used


def test_a_running_server_of_this_user_needs_no_proxy(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("http_proxy", "http://p:1")
    address = Address.parse("http://10.0.0.5:8888/")
    assert proxy_for(address)
    (tmp_path / "jpserver-1.json").write_text(f'{{"url": "http://10.0.0.5:8888/", "pid": {os.getpid()}}}')
    assert proxy_for(address) is None


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("proxy:3128", ("http://proxy:3128", "proxy", 3128, "http")),
        ("http://proxy", ("http://proxy", "proxy", 80, "http")),
        ("https://proxy/", ("https://proxy", "proxy", 443, "https")),
        ("http://ada:s%40crt@[fe80::1]:8", ("http://[fe80::1]:8", "fe80::1", 8, "http")),
    ],
)
def test_a_proxys_url_is_parsed(url: str, parts: tuple[str, str, int, str]) -> None:
    proxy = Proxy.parse(url)
    assert (proxy.url, proxy.host, proxy.port, proxy.scheme) == parts


def test_a_proxys_password_is_not_shown() -> None:
    proxy = Proxy.parse("http://ada:s%40crt@p:8")
    assert proxy.authorization == "Basic YWRhOnNAY3J0"
    assert "YWRh" not in repr(proxy)
    assert "crt" not in repr(proxy)


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
async def test_plain_targets_are_reached_through_a_tunnel(
    io: Server, environment: pytest.MonkeyPatch, transports: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(Forward("ada:s3cr:t")) as proxy:
        environment.setenv("http_proxy", f"http://ada:s3cr%3At@127.0.0.1:{proxy.port}")
        client = rt.SocketClient(f"http://{INSIDE}:{io.port}/", "t0ken", transports=transports)  # type: ignore[attr-defined]
        await client.connect()
        assert await client.emit_with_ack("sum", 1, 2) == 3
        if transports == ["polling", "websocket"]:
            await until(lambda: client.io.session.transport.name == "websocket")  # type: ignore[union-attr]
        assert await client.emit_with_ack("sum", 1, 2) == 3
        await client.disconnect()
        assert {head.split("\r\n")[0] for head in proxy.heads} == {
            f"CONNECT {INSIDE}:{io.port} HTTP/1.1"  # type: ignore[attr-defined]
        }
        assert "t0ken" not in "".join(proxy.heads)  # it is the server's, not the proxy's
    assert "s3cr" not in caplog.text


@pytest.mark.parametrize(
    "accepts",
    [
        "HTTP/1.0 200 OK",
        "HTTP/1.1 200 OK\r\nContent-Length: 5",  # Go's martian
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close",  # Ruby's WEBrick
        "HTTP/1.1 200",
        "HTTP/1.1 204 Why not",
    ],
)
async def test_the_response_to_connect_has_no_body_whatever_its_headers_say(
    io: Server, environment: pytest.MonkeyPatch, accepts: str
) -> None:
    async with running(Forward(accepts=accepts)) as proxy:
        environment.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        for transports in (["websocket"], ["polling"]):
            client = rt.SocketClient(f"http://{INSIDE}:{io.port}/", transports=transports)  # type: ignore[attr-defined]
            await client.connect()
            assert await client.emit_with_ack("sum", 1, 2) == 3
            await client.disconnect()


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
async def test_tls_goes_through_the_tunnel_and_is_verified(io: Server) -> None:
    with reverse_proxy(io.port) as nginx:  # type: ignore[attr-defined]
        trusting = ssl.create_default_context(cafile=str(nginx.certificate))
        async with running(Forward()) as proxy:
            forced = Proxy.parse(f"http://127.0.0.1:{proxy.port}")
            for transports in (["websocket"], ["polling"]):
                client = _through(forced, nginx.tls_url, transports, trusting)
                await client.connect()
                assert await client.emit_with_ack("sum", 1, 2) == 3
                await client.disconnect()
            with pytest.raises(ServerUnreachable, match="certificate"):
                await _through(forced, nginx.tls_url, ["polling"], None).connect(1)
            assert all(head.startswith(f"CONNECT localhost:{nginx.tls_port} ") for head in proxy.heads)


@pytest.mark.needs_nginx
@pytest.mark.needs_openssl
async def test_a_proxy_may_speak_tls_itself(io: Server, environment: pytest.MonkeyPatch) -> None:
    with reverse_proxy(io.port) as nginx:  # type: ignore[attr-defined]
        environment.setenv("SSL_CERT_FILE", str(nginx.certificate))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(nginx.certificate)
        async with running(Forward("ada:secret"), ssl=context) as proxy:
            named = Proxy.parse(f"https://ada:secret@localhost:{proxy.port}")
            for url in (nginx.url, nginx.tls_url):
                for transports in (["websocket"], ["polling"]):
                    if url == nginx.tls_url and sys.version_info < (3, 11):
                        with pytest.raises(ServerUnreachable, match=r"needs Python 3\.11"):
                            await _through(named, url, transports, None).connect()
                        continue
                    client = _through(named, url, transports, None)
                    await client.connect()
                    assert await client.emit_with_ack("sum", 1, 2) == 3
                    await client.disconnect()


def _through(proxy: Proxy, url: str, transports: list[str], tls: ssl.SSLContext | None) -> rt.SocketClient:
    """Make a client that uses a proxy for a name of this machine; without help none does."""
    kept, endpoint.proxy_for = endpoint.proxy_for, lambda _: proxy
    try:
        return rt.SocketClient(url, transports=transports, tls=tls, reconnection_delay=0.01)
    finally:
        endpoint.proxy_for = kept


@pytest.mark.parametrize(
    ("status", "at_once"),
    [
        ("407 Proxy Authentication Required", True),
        ("403 Forbidden", True),
        ("502 Bad Gateway", False),
        ("503 Service Unavailable", False),
    ],
)
async def test_a_refusal_of_the_proxy_is_reported_as_the_proxys(
    environment: pytest.MonkeyPatch, status: str, at_once: bool
) -> None:
    async with running(Forward(status=status)) as proxy:
        environment.setenv("all_proxy", f"http://ada:s3cret@127.0.0.1:{proxy.port}")
        client = rt.SocketClient(f"http://{INSIDE}:8888/", reconnection_delay=0.01)
        said = rf"the proxy http://127\.0\.0\.1:{proxy.port} refused to connect to {INSIDE}:8888 \(HTTP {status}\)"
        with pytest.raises(ServerUnreachable, match=said) as caught:
            await client.connect(30 if at_once else 0.4)
        assert "s3cret" not in str(caught.value)
        assert "token" not in str(caught.value)
        if at_once:
            assert len(proxy.heads) == 1  # no other transport, no other attempt


async def test_a_wrong_proxy_password_is_reported_as_the_proxys(environment: pytest.MonkeyPatch) -> None:
    async with running(Forward("ada:right")) as proxy:
        environment.setenv("http_proxy", f"http://ada:wrong@127.0.0.1:{proxy.port}")
        with pytest.raises(ServerUnreachable, match=r"the proxy .* refused .*407") as caught:
            await rt.SocketClient(f"http://{INSIDE}/").connect()
        assert "wrong" not in str(caught.value)


async def test_a_missing_proxy_is_named_in_the_error(environment: pytest.MonkeyPatch) -> None:
    port = free_port()
    environment.setenv("http_proxy", f"http://127.0.0.1:{port}")
    client = rt.SocketClient(f"http://{INSIDE}/", reconnection_attempts=0)
    with pytest.raises(ServerUnreachable, match=rf"the proxy http://127\.0\.0\.1:{port} was not reached"):
        await client.connect()


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n"])
async def test_a_server_that_is_no_proxy_is_named_in_the_error(environment: pytest.MonkeyPatch, answer: bytes) -> None:
    def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        environment.setenv("http_proxy", f"http://127.0.0.1:{port}")
        client = rt.SocketClient(f"http://{INSIDE}/", reconnection_attempts=0)
        with pytest.raises(ServerUnreachable, match=rf"the proxy http://127\.0\.0\.1:{port} failed"):
            await client.connect()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks"])
async def test_a_socks_proxy_is_refused_at_once(environment: pytest.MonkeyPatch, scheme: str) -> None:
    environment.setenv("all_proxy", f"{scheme}://ada:s3cret@p.example:1080")
    said = f"the proxy {scheme}://p.example:1080 .* is not supported: only http:// and https:// proxies are"
    with pytest.raises(ServerUnreachable, match=said) as caught:
        await rt.SocketClient(f"http://{INSIDE}/").connect()
    assert "s3cret" not in str(caught.value)


def test_a_hub_on_this_machine_is_reached_directly(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with HubServer() as server, rt.Client(server.url, TOKEN) as client:
        assert client.join("lab").emit("n", 1)
