"""Input from clients that are not authenticated costs next to nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.server import packet_stream


def refuse(socket: Any) -> None:
    raise ConnectionRefused("not you", {"code": "unauthorized"})


async def test_a_connect_to_an_unknown_namespace_is_refused_before_its_payload_is_parsed(serve: Any) -> None:
    served = await serve()
    client = await served.open()
    client.send('40/unknown,{"no":json')
    assert await client.receive() == '44/unknown,{"message":"Invalid namespace"}'
    client.send("40/unknown," + '{"auth":' + "[" * 100_000)
    assert await client.receive() == '44/unknown,{"message":"Invalid namespace"}'


async def test_where_patterns_make_namespaces_payloads_are_checked(serve: Any) -> None:
    served = await serve()
    served.io.of(re.compile("/[a-z]+"))
    client = await served.open()
    client.send('40/unknown,{"no":json')
    assert (await client.closing()).code == 1002


async def test_the_payload_of_a_connect_holds_few_lists(serve: Any) -> None:
    served = await serve()
    client = await served.open()
    client.send('40{"auth":[' + "[]," * 10_000 + "0]}")
    assert "10,002 lists and objects, more than 10,000" in await client.receive()


@pytest.mark.parametrize("packet", ["40", "40/unknown,"])
async def test_a_stranger_may_try_only_so_often_in_one_session(
    serve: Any, packet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_stream, "MAX_REFUSALS", 3)
    served = await serve()
    served.io.use(refuse)
    client = await served.open()
    for _ in range(3):
        client.send(packet)
        assert (await client.receive()).startswith("44")
    closing = await client.closing()
    assert (closing.code, closing.reason) == (1008, "3 CONNECTs were refused")


async def test_an_admitted_client_may_make_further_requests(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_stream, "MAX_REFUSALS", 3)
    served = await serve()
    client = await served.enter()
    for _ in range(5):
        client.send("40/unknown,")
        assert (await client.receive()).startswith("44/unknown")
