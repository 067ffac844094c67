"""The client side of connection state recovery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.patience import eventually
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.client.handlers import Handler
from jupyter_rtmsg.client.recovery import RecoveryClaim
from jupyter_rtmsg.server import Server


@pytest.fixture
def recovery() -> RecoveryClaim:
    recovery = RecoveryClaim()
    assert recovery.connected("pid") is False
    return recovery


def test_nothing_is_claimed_from_a_server_that_does_not_recover() -> None:
    recovery = RecoveryClaim()
    recovery.connected(None)
    recovery.received(["n", "text"])
    assert recovery.claim() == {}
    assert recovery.fitted(Handler(lambda: None), ("text",)) == ("text",)


def test_a_connection_that_received_nothing_is_claimed_without_an_offset(recovery: RecoveryClaim) -> None:
    recovery.received(["n", 1])
    recovery.received(["a name alone"])
    assert recovery.claim() == {"pid": "pid"}


def test_the_last_offset_is_claimed_until_the_server_gives_another_pid(recovery: RecoveryClaim) -> None:
    recovery.received(["n", 1, "o1"])
    recovery.received(["n", b"", "o2"])
    assert recovery.claim() == {"pid": "pid", "offset": "o2"}
    assert recovery.connected("pid") is True
    assert recovery.claim() == {"pid": "pid", "offset": "o2"}
    assert recovery.connected("another") is False
    assert recovery.claim() == {"pid": "another"}


@pytest.mark.parametrize(
    ("function", "gets"),
    [
        (lambda: None, (1,)),
        (lambda a: None, (1,)),
        (lambda a, b: None, (1, "offset")),
        (lambda a, b=None: None, (1, "offset")),
        (lambda *args: None, (1, "offset")),
        ([].append, (1,)),
    ],
)
def test_a_handler_gets_the_offset_if_it_takes_one_more_argument(
    recovery: RecoveryClaim, function: Callable[..., Any], gets: tuple[Any, ...]
) -> None:
    assert recovery.fitted(Handler(function), (1, "offset")) == gets


async def test_our_server_recovers_our_client() -> None:
    io = Server(recovery=True)
    io.on("connection", lambda client: client.join("lab"))
    socket = rt.SocketClient(f"http://127.0.0.1:{await io.listen()}/", reconnection_delay=0.05)
    seen: list[Any] = []
    heard: list[str] = []
    socket.on_any(lambda name, *args: heard.append(name))  # what tells the offset is none of its events
    socket.on("n", lambda value: seen.append(value))
    socket.on("disconnect", lambda reason: [io.to("lab").emit("n", value) for value in (2, 3)])
    await socket.connect()
    io.to("lab").emit("n", 1)
    await until(lambda: seen == [1])
    first = socket.id
    socket.drop()
    await until(lambda: seen == [1, 2, 3])
    assert socket.recovered
    assert socket.id == first
    assert heard == ["n", "n", "n"]
    await socket.disconnect()
    await io.close()


def test_a_hub_issues_no_pid_to_the_client_of_its_rooms(shared_hub: HubServer, room_name: str) -> None:
    with rt.Client(shared_hub.url, TOKEN) as hub:
        seen: list[tuple[Any, ...]] = []
        hub.socket.on("n", lambda data, meta: seen.append((data, meta["room"])))
        room = hub.join(room_name)
        room.emit("n", 1)
        eventually(lambda: seen == [(1, room_name)])
        assert hub._async.socket._link._recovery.claim() == {}
