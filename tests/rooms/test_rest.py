"""At rest nothing runs: rounds and wake-ups are counted over a time that a server's pings measure."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from support.hub import TOKEN, HubServer
from support.rest import PING_INTERVAL, Beats, sleeps, wakes
from support.wsclient import until

import jupyter_rtmsg as rt
from jupyter_rtmsg.client.backoff import Backoff
from jupyter_rtmsg.rooms.inbox import Inbox

QUIET = 4  # pings
AWAKE = 25  # wakes of a loop for each ping: those of the pings themselves, and of the one who counts them


async def value(result: Any) -> Any:
    """Return what a client of either kind returns."""
    return await result if inspect.isawaitable(result) else result


@pytest.fixture(scope="module")
def quiet_hub() -> Iterator[HubServer]:
    with HubServer(ping_interval=PING_INTERVAL, ping_timeout=20) as server:
        yield server


@pytest.fixture(params=["AsyncClient", "Client"])
async def hub(request: pytest.FixtureRequest, quiet_hub: HubServer) -> AsyncIterator[Any]:
    client: Any = getattr(rt, request.param)(quiet_hub.url, TOKEN)
    await value(client.connect())
    yield client
    await value(client.close())


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes a room's name whenever its executor looks at its queue."""
    noted: list[str] = []
    calls = Inbox.calls

    def counted(inbox: Inbox) -> Any:
        noted.append(inbox._room)
        return calls(inbox)

    monkeypatch.setattr(Inbox, "calls", counted)
    return noted


def loops(client: Any) -> list[asyncio.AbstractEventLoop]:
    """Return the loops on which a client does its work."""
    bridge = getattr(client, "_bridge", None)
    if bridge is None:
        return [asyncio.get_running_loop()]
    threads = bridge._threads
    return [threads.io.loop, *([threads._handler_loop.loop] if threads._handler_loop else [])]


async def rests(client: Any, beats: Beats, rounds: list[str]) -> bool:
    """Tell whether a client comes to rest, once all that follows from what was done has happened."""
    deadline = asyncio.get_running_loop().time() + 60
    while asyncio.get_running_loop().time() < deadline:
        rounds.clear()
        with wakes(*loops(client)) as counted:
            await beats.pass_(QUIET)
        if not rounds and max(one.count for one in counted) <= QUIET * AWAKE:
            return True
    return False


async def nothing(room: Any) -> object:
    return None


async def handler(room: Any) -> object:
    seen: list[Any] = []
    room.on("n", seen.append)
    await value(room.emit("n", 1))
    await until(lambda: seen)
    return None


async def async_handler(room: Any) -> object:
    seen: list[Any] = []

    @room.on("n")
    async def handle(event: rt.Event) -> None:
        await asyncio.sleep(0)
        seen.append(event)

    await value(room.emit("n", 1))
    await until(lambda: seen)
    return None


async def handlers_of_other_events(room: Any) -> object:
    room.on("other", print)
    for number in range(10):
        await value(room.emit("n", number))
    return None


async def iterator(room: Any) -> object:
    return room.events()


async def a_full_iterator(room: Any) -> object:
    """More events than it holds: the room's executor waits for somebody to take them."""
    stream = room.events()
    for number in range(1_200):
        await value(room.emit("n", number, wait=False))
    await until(lambda: room.head and room.lag)
    return stream


async def watcher(room: Any) -> object:
    seen: list[Any] = []
    room.watch(seen.append)
    await value(room.emit("n", 1))
    await until(lambda: seen)
    return None


async def a_burst(room: Any) -> object:
    seen: list[Any] = []
    room.on("n", seen.append)
    for number in range(2_000):
        await value(room.emit("n", number, wait=False))
    await until(lambda: len(seen) == 2_000)
    return None


async def a_burst_that_did_not_fit(room: Any) -> object:
    room.membership.inbox._items._max_events = 50
    return await a_burst(room)


async def a_reconnect(room: Any) -> object:
    states: list[str] = []
    told: list[Any] = []
    room.client.on_state(states.append)
    room.watch(lambda event: told.extend(event.data["changes"] if event.name == "$presence" else ()))
    room.on("n", print)
    room.client.socket.drop()
    await until(lambda: states[-1:] == ["connected"])
    await until(lambda: told and told[-1]["state"] == "here")  # the last of it
    return None


async def a_room_that_was_left(room: Any) -> object:
    room.on("n", print)
    await value(room.leave())
    return None


SITUATIONS: list[tuple[Callable[[Any], Awaitable[object]], str | None]] = [
    (nothing, None),
    (handler, None),
    (handler, "reader"),
    (async_handler, "reader"),
    (handlers_of_other_events, "reader"),
    (iterator, None),
    (a_full_iterator, "reader"),
    (watcher, None),
    (a_burst, "reader"),
    (a_burst_that_did_not_fit, None),
    (a_reconnect, "reader"),
    (a_room_that_was_left, None),
]


@pytest.mark.parametrize(
    ("situation", "as_"), SITUATIONS, ids=[f"{one.__name__}-{'subscription' if as_ else ''}" for one, as_ in SITUATIONS]
)
async def test_an_idle_client_runs_nothing(
    hub: Any,
    room_name: str,
    quiet_hub: HubServer,
    rounds: list[str],
    situation: Callable[[Any], Awaitable[object]],
    as_: str | None,
) -> None:
    room = await value(hub.join(room_name, as_=as_))
    if hasattr(room, "_async"):  # the same attributes for both kinds
        room.membership = room._async.membership
    async with Beats.of(quiet_hub.port) as beats:
        kept = await situation(room)
        assert await rests(hub, beats, rounds)
    del kept


@pytest.mark.parametrize("kind", [rt.SocketClient, rt.Socket])
async def test_an_idle_plain_socket_runs_nothing(kind: type[Any], quiet_hub: HubServer) -> None:
    socket = kind(quiet_hub.url, TOKEN)
    calls: list[Any] = []
    socket.on("n", calls.append)
    socket.on_any(lambda *args: calls.append(args))
    socket.on_state(calls.append)
    socket.io.on("reconnect_attempt", calls.append)
    await value(socket.connect())
    async with Beats.of(quiet_hub.port) as beats:
        await until(lambda: calls == ["connected"])
        assert await rests(socket, beats, [])
    assert calls == ["connected"]
    await value(socket.disconnect())
    if kind is rt.Socket:
        socket.close()


async def test_a_client_that_waits_to_come_back_sleeps(quiet_hub: HubServer) -> None:
    """And so does its room, although its acknowledgement and what it missed are still to come."""
    with HubServer() as lost:
        hub = await asyncio.to_thread(rt.Client(lost.url, TOKEN).connect)
        hub.socket.io._backoff = Backoff(600, 600)
        room = await asyncio.to_thread(hub.join, "lab", as_="reader")
        room.on("n", print)
        await asyncio.to_thread(room.emit, "n", 1)
        lost.kill()
        await until(lambda: hub.state == "offline")
        room.emit("n", 2, wait=False)
        (loop,) = loops(hub)
        async with Beats.of(quiet_hub.port) as beats:
            assert await sleeps(loop, beats)
        await asyncio.to_thread(hub.close)
