"""Which pages may send requests: over polling and WebSocket alike."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from support.pollclient import EIO, PollClient
from support.wsclient import Response, upgrade_request

from jupyter_rtmsg.server import Request
from jupyter_rtmsg.server.origin import is_own


async def poll_as(served: Any, **headers: str | None) -> Response:
    return await (await PollClient(served.port).start(query=EIO, **headers)).answer()


async def upgrade_as(served: Any, **headers: str | None) -> Response:
    client = await served.dial()
    client.write(upgrade_request(**headers))
    return await client.response()


async def gets_in(served: Any, **headers: str | None) -> bool:
    """Tell whether requests with these headers are let in, by both transports alike."""
    polled, upgraded = await poll_as(served, **headers), await upgrade_as(served, **headers)
    verdicts = {(200, 101): True, (403, 403): False}
    return verdicts[polled.status, upgraded.status]


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost", "localhost"),
        ("HTTP://LOCALHOST", "localhost"),
        ("http://localhost", "LocalHost:80"),
        ("http://localhost:8080", "localhost:8080"),
        ("ws://localhost:8080", "localhost:8080"),  # socket.io-client-swift
        ("ws://localhost", "localhost"),
        ("wss://localhost:8443", "localhost:8443"),
        ("https://localhost", "localhost"),  # a TLS proxy in front, which passes Host on
        ("https://localhost", "localhost:443"),
        ("https://localhost:8443", "localhost:8443"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
async def test_the_page_of_the_host_that_is_asked_gets_in(serve, origin, host):
    assert await gets_in(await serve(), Origin=origin, Host=host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "localhost"),
        ("http://localhost", "localhost:8080"),
        ("https://localhost", "localhost:80"),
        ("http://localhost", "localhost:443"),
        ("http://evil.example", "localhost"),
        ("http://localhost.evil.example", "localhost"),
        ("http://localhost@evil.example", "localhost"),
        ("http://evil.example/localhost", "localhost"),
        ("localhost", "localhost"),
        ("ftp://localhost", "localhost"),
        ("null", "localhost"),
        ("file://", "localhost"),
        ("", "localhost"),
        ("http://", ""),
    ],
)
async def test_any_other_page_is_refused(serve, origin, host):
    assert not await gets_in(await serve(), Origin=origin, Host=host)


@pytest.mark.parametrize(
    ("origin", "secure", "own"),
    [
        ("https://lab.example", True, True),
        ("wss://lab.example:443", True, True),
        ("http://lab.example", True, False),
        ("ws://lab.example", True, False),
        ("http://lab.example", False, True),
        ("https://lab.example", False, True),
    ],
)
def test_a_page_without_tls_is_refused_where_tls_is_known_to_be_used(origin, secure, own):
    assert is_own(origin, Request({}, secure=secure, host="lab.example")) is own


async def test_the_refusal_names_the_origin_and_the_option(serve, caplog):
    served = await serve()
    for response in (await poll_as(served, Origin="file://"), await upgrade_as(served, Origin="file://")):
        assert response.status == 403
        assert b"'file://'" in response.body
        assert b"`origins`" in response.body
    assert "'file://' is not allowed" in caplog.text  # devices show their owners nothing


@pytest.mark.parametrize("origin", ["null", "file://", "app://obsidian.md"])
async def test_origins_that_are_no_hosts_get_in_if_listed(serve, origin):
    assert not await gets_in(await serve(), Origin=origin)
    assert await gets_in(await serve(origins=[origin]), Origin=origin)


@pytest.mark.parametrize(
    "listed", ["https://Lab.Example", "https://lab.example/", "https://lab.example:443", "wss://lab.example"]
)
async def test_a_listed_origin_is_compared_as_an_origin(serve, listed):
    served = await serve(origins=listed)
    assert await gets_in(served, Origin="https://lab.example")
    assert not await gets_in(served, Origin="http://lab.example")
    assert not await gets_in(served, Origin="https://lab.example:8443")


async def test_a_pattern_must_match_the_whole_origin(serve):
    served = await serve(origins=[re.compile(r"https://\w+\.lab\.example"), "https://other.example"])
    assert await gets_in(served, Origin="https://a.lab.example")
    assert await gets_in(served, Origin="https://other.example")
    assert not await gets_in(served, Origin="https://a.lab.example.evil")
    assert not await gets_in(served, Origin="xhttps://a.lab.example")


async def test_a_function_decides_with_origin_and_request_sync_or_async(serve):
    def by_port(origin: str, request: Request) -> bool:
        return origin.endswith(":1") and request.address == "127.0.0.1"

    async def later(origin: str, request: Request) -> bool:
        await asyncio.sleep(0)
        return origin.endswith(":1") and request.query["EIO"] == "4"

    for decide in (by_port, later):
        served = await serve(origins=decide)
        assert await gets_in(served, Origin="http://lab.example:1")
        assert not await gets_in(served, Origin="http://lab.example:2")
        assert await gets_in(served, Origin="http://localhost")  # its own page all the same


async def test_a_function_that_raises_refuses_and_is_logged(serve, caplog):
    def decide(origin: str, request: Request) -> bool:
        raise LookupError("the table of origins is gone")

    assert not await gets_in(await serve(origins=decide), Origin="http://lab.example")
    assert "the table of origins is gone" in caplog.text


async def test_credentials_go_to_listed_matched_and_accepted_origins_only(serve):
    for origins in (["*", "https://lab.example"], re.compile("https://.*"), lambda origin, request: True):
        response = await poll_as(await serve(origins=origins), Origin="https://lab.example")
        assert response.headers["access-control-allow-origin"] == "https://lab.example"
        assert response.headers["access-control-allow-credentials"] == "true"
    response = await poll_as(await serve(origins="*"), Origin="https://lab.example")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


async def test_the_bundle_and_preflights_know_patterns_and_functions(serve):
    async def accepts(origin: str, request: Request) -> bool:
        return origin == "https://lab.example"

    for origins in (re.compile(r"https://lab\.example"), accepts):
        served = await serve(origins=origins)
        for method, path in (("GET", "/socket.io/socket.io.js"), ("OPTIONS", "/socket.io/")):
            for origin, allowed in (("https://lab.example", "https://lab.example"), ("https://evil.example", None)):
                exchange = await PollClient(served.port).start(method, EIO, path=path, Origin=origin)
                assert (await exchange.answer()).headers.get("access-control-allow-origin") == allowed


def test_an_invalid_origin_is_refused_when_the_server_is_made():
    from jupyter_rtmsg.server import Server

    with pytest.raises(TypeError, match="an origin must be a str, a pattern or a function, not 7"):
        Server(origins=["https://lab.example", 7])


# -- DNS rebinding: a page at evil.example, whose name now stands for 127.0.0.1, is "the same origin"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", "127.0.0.1.nip.io"]
)
async def test_on_a_loopback_address_the_host_must_be_a_loopback_name(serve, host):
    served = await serve()
    assert not await gets_in(served, Host=host, Origin=f"http://{host}")
    response = await poll_as(served, Host=host)
    assert (response.status, response.json()["code"]) == (403, 4)
    assert host in response.json()["message"]
    assert "`hosts`" in response.json()["message"]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST.", "127.0.0.1:1", "127.1.2.3", "[::1]:8080", "a.localhost"]
)
async def test_every_loopback_name_is_one(serve, host):
    assert await gets_in(await serve(), Host=host)


async def test_the_host_is_looked_at_where_a_session_is_opened(serve, poll):
    """Its id is secret: a page that could open none knows none."""
    client = await poll(await serve())
    assert (await client.post("40", Host="x")).status == 200
    assert not await gets_in(await serve(), Host="x")


async def test_further_hosts_are_listed(serve):
    served = await serve(hosts=["lab.example"])
    assert await gets_in(served, Host="lab.example:8080", Origin="http://lab.example:8080")
    assert await gets_in(served, Host="localhost")
    assert not await gets_in(served, Host="evil.example")
    assert await gets_in(await serve(hosts="*"), Host="evil.example")


async def test_a_server_that_all_can_reach_knows_no_names_unless_told():
    from jupyter_rtmsg.server import Server

    for options, expected in (({}, True), ({"hosts": ["lab.example"]}, False)):
        async with Server(**options) as io:
            client = PollClient(await io.listen(address="0.0.0.0"))
            response = await (await client.start(Host="other.example", Origin="http://other.example")).answer()
            assert (response.status == 200) is expected


async def test_a_health_check_needs_neither_host_nor_origin(serve):
    client = await (await serve()).dial()
    client.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.0\r\n\r\n")
    assert (await client.response()).status == 200
