"""The server behind a real nginx."""

from __future__ import annotations

from contextlib import closing

import pytest
from support.nginx import proxy
from support.pollclient import PollClient
from support.wsclient import RawClient, until, upgrade_request

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


async def test_the_own_page_gets_in_through_a_proxy_that_ends_tls(serve):
    """With nothing configured; and with a trusted proxy the client's address and scheme are known."""
    for options in ({}, {"trusted_proxies": ["127.0.0.1"]}):
        served = await serve(**options)
        with proxy(served.port) as front:
            origin = {"Origin": f"https://localhost:{front.tls_port}", "Host": f"localhost:{front.tls_port}"}
            reader, writer = await front.connect_tls()
            client = RawClient(reader, writer)
            client.write(upgrade_request(**origin))
            assert (await client.response()).status == 101
            await client.take_open()
            (session,) = served.io.engine.sessions.values()
            assert session.request.secure is bool(options)
            await client.hang_up()
            await until(lambda served=served: not served.io.engine.sessions)
