"""What reverse proxies tell of a request, and who is believed."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import pytest
from support.pollclient import PollClient

from jupyter_rtmsg.server import Request, Server
from jupyter_rtmsg.server.request import _hops


async def told(serve: Any, trusted: list[str], **headers: str) -> Request:
    """Return what the server makes of a request that comes from 127.0.0.1."""
    served = await serve(trusted_proxies=trusted)
    with closing(await PollClient.open(served.port, **headers)):
        (session,) = served.io.engine.sessions.values()
        request = session.request
    assert isinstance(request, Request)
    return request


FORWARDED = {"X_Forwarded_For": "203.0.113.7", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "lab.example"}


@pytest.mark.parametrize("trusted", [[], ["10.0.0.0/8"], ["unix:"]])
@pytest.mark.parametrize("headers", [FORWARDED, {"Forwarded": "for=203.0.113.7;proto=https;host=lab.example"}])
async def test_headers_of_an_untrusted_proxy_are_ignored(serve, trusted, headers):
    request = await told(serve, trusted, **headers)
    assert (request.address, request.secure, request.host) == ("127.0.0.1", False, "localhost")


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8"])
@pytest.mark.parametrize(
    "headers",
    [
        FORWARDED,
        {"Forwarded": "for=203.0.113.7;proto=https;host=lab.example"},
        {"Forwarded": 'Host="lab.example" ; PROTO=https ; For="203.0.113.7:4711"'},
        {"Forwarded": 'by="a;b,c\\"d";for="\\203.0.113.7";host=lab.example;proto=https;'},
        {**FORWARDED, "Forwarded": "for=6.6.6.6;proto=http;host=evil.example"},  # a client's own: nginx passes it on
    ],
)
async def test_a_trusted_proxy_is_believed(serve, trusted, headers):
    request = await told(serve, [trusted], **headers)
    assert (request.address, request.secure, request.host) == ("203.0.113.7", True, "lab.example")


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),  # the first was sent by the client
        ("6.6.6.6, 203.0.113.7, 10.1.1.1", "203.0.113.7"),
        ("10.1.1.2, 10.1.1.1", "10.1.1.2"),
        ("6.6.6.6, unknown, 10.1.1.1", "10.1.1.1"),
        ("garbage", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, ::ffff:10.1.1.1", "6.6.6.6"),
    ],
)
async def test_the_client_is_the_rightmost_untrusted_address(serve, chain, address):
    assert (await told(serve, ["127.0.0.1", "10.0.0.0/8"], X_Forwarded_For=chain)).address == address
    if "::" not in chain and chain:
        forwarded = ", ".join(f"for={one.strip()}" for one in chain.split(","))
        assert (await told(serve, ["127.0.0.1", "10.0.0.0/8"], Forwarded=forwarded)).address == address


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({"X_Forwarded_Proto": "https"}, True),
        ({"X_Forwarded_Proto": "http"}, False),
        ({"X_Forwarded_Proto": "https, http", "X_Forwarded_For": "203.0.113.7, 10.1.1.1"}, True),
        ({"X_Forwarded_Proto": "http, https", "X_Forwarded_For": "203.0.113.7, 10.1.1.1"}, False),
        ({"X_Forwarded_Proto": "https", "X_Forwarded_For": "6.6.6.6, 203.0.113.7, 10.1.1.1"}, True),
        ({"Forwarded": "for=203.0.113.7;proto=https, for=10.1.1.1;proto=http"}, True),
        ({"Forwarded": "for=6.6.6.6;proto=http, for=203.0.113.7;proto=https, for=10.1.1.1"}, True),
    ],
)
async def test_the_scheme_is_that_of_the_clients_own_request(serve, headers, secure):
    assert (await told(serve, ["127.0.0.1", "10.0.0.0/8"], **headers)).secure is secure


async def test_behind_a_trusted_proxy_the_page_is_compared_with_the_host_that_it_forwards(serve):
    for trusted, expected in (["127.0.0.1"], 200), ([], 403):
        served = await serve(trusted_proxies=trusted)
        client = PollClient(served.port, Origin="https://lab.example", **FORWARDED)
        assert (await (await client.start()).answer()).status == expected
    client = PollClient((await serve(trusted_proxies="127.0.0.1")).port, Origin="http://lab.example", **FORWARDED)
    assert (await (await client.start()).answer()).status == 403  # TLS is known to be used


async def test_no_forwarded_host_passes_for_a_loopback_name(serve):
    """A page that calls this machine by a name of its own may send any header."""
    served = await serve(trusted_proxies=["127.0.0.1"])
    client = PollClient(served.port, Host="evil.example", X_Forwarded_Host="localhost", Origin="http://localhost")
    assert (await (await client.start()).answer()).status == 403


def test_an_invalid_network_is_refused_when_the_server_is_made():
    with pytest.raises(ValueError, match="nginx"):
        Server(trusted_proxies=["nginx"])


@pytest.mark.parametrize("piece", ['\\"', '"', " ", "a", ",", ";", "=", "for=1;", '"a', "for=1.1.1.1,"])
def test_a_long_header_takes_no_long_time(piece):
    """One that is looked at again from each of its characters would take minutes."""
    text = '"' + piece * (60_000 // len(piece))
    start = time.process_time()
    _hops({"Forwarded": text})
    _hops({"X-Forwarded-For": text, "X-Forwarded-Host": ","})
    assert time.process_time() - start < 2
