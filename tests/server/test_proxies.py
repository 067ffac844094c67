"""The server behind a real nginx."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from support.nginx import PROXY, UPGRADE, Nginx, nginx, proxy
from support.pollclient import PollClient
from support.wsclient import RawClient, until, upgrade_request

from jupyter_rtmsg.server import Request

pytestmark = [pytest.mark.needs_nginx, pytest.mark.needs_openssl]


@pytest.mark.parametrize("upgrade", [True, False])
async def test_polling_goes_through_any_proxy(serve, upgrade):
    served = await serve()
    with proxy(served.port, upgrade=upgrade) as front, closing(await PollClient.open(front.port)) as client:
        await client.enter()
        waiting = await client.poll()
        assert await client.waits(waiting)
        served.io.emit("news")
        assert await waiting.packets() == ['42["news"]']


async def test_a_websocket_goes_through_a_proxy_that_passes_upgrade_on(serve):
    served = await serve()
    with proxy(served.port) as front:
        client = await RawClient.open(front.port)
        await client.enter()
        served.io.emit("news")
        assert await client.receive() == '42["news"]'
        await client.hang_up()


async def test_a_websocket_is_refused_through_a_proxy_that_forgets_upgrade(serve):
    served = await serve()
    with proxy(served.port, upgrade=False) as front:
        client = await RawClient.dial(front.port)
        client.write(upgrade_request())
        assert (await client.response()).status == 400
        await client.hang_up()
    assert not served.io.engine.sessions


async def opened_over_tls(front: Nginx, served: Any) -> Request:
    """Open a session as the page of a proxy's TLS port, and return the request as the server knows it."""
    client = RawClient(*await front.connect_tls())
    at = f"localhost:{front.tls_port}"
    client.write(upgrade_request(Host=at, Origin=f"https://{at}"))
    assert (await client.response()).status == 101
    await client.take_open()
    (session,) = served.io.engine.sessions.values()
    await client.hang_up()
    await until(lambda: not served.io.engine.sessions)
    assert isinstance(session.request, Request)
    return session.request


async def test_the_own_page_gets_in_through_a_proxy_that_ends_tls(serve):
    """With nothing configured; where the proxy is trusted it is known that the client uses TLS."""
    for trusted in ([], ["127.0.0.1"]):
        served = await serve(trusted_proxies=trusted)
        with proxy(served.port) as front:
            assert (await opened_over_tls(front, served)).secure is bool(trusted)


async def test_the_own_page_gets_in_through_two_proxies(serve):
    """The inner one knows nothing of TLS, and says so."""
    for trusted in ([], ["127.0.0.1"]):
        served = await serve(trusted_proxies=trusted)
        with proxy(served.port) as inner, proxy(inner.port) as outer:
            request = await opened_over_tls(outer, served)
            assert request.host == f"localhost:{outer.tls_port}"


async def test_a_proxy_that_drops_the_port_is_told_by_the_refusal(serve):
    """`proxy_set_header Host $host`: the page at port 8443 is then none of the server's."""
    served = await serve()
    block = PROXY.replace("UPSTREAM", str(served.port)).replace("UPGRADE", UPGRADE).replace("$http_host", "$host")
    with nginx(block) as front:
        client = PollClient(front.port, Host=f"localhost:{front.port}", Origin=f"http://localhost:{front.port}")
        answer = await (await client.start()).answer()
        assert (answer.status, f"http://localhost:{front.port}" in answer.json()["message"]) == (403, True)
        client.close()
