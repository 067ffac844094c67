"""The facade for code that does not await: alike, idempotent, and at home in notebooks."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import pydoc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hub import OTHER_TOKEN, TOKEN, HubServer
from support.patience import eventually
from support.proxies import Proxy, running

import jupyter_rtmsg as rt
from jupyter_rtmsg import errors
from jupyter_rtmsg.client.route import Found
from jupyter_rtmsg.rooms import connect
from jupyter_rtmsg.rooms.receipt import Receipt
from jupyter_rtmsg.rooms.stream import AsyncEventStream, EventStream

Make = Callable[..., rt.Client]
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_clients() -> Iterator[None]:
    """Let `connect` begin anew, and close what it made."""
    before, connect._known = connect._known, []
    yield
    for one in connect._known:
        one.client.close()
    connect._known = before


# what a connection and the threads tell and ask a client
SEAM = {"can_write", "fits", "request", "forget", "has_handlers", "outbox"}


def public(kind: type) -> dict[str, Any]:
    """Return what a class and its bases offer, and the attributes that its docstring tells of."""
    own = {name: value for base in reversed(kind.__mro__) for name, value in vars(base).items()}
    return {name: value for name, value in own.items() if not name.startswith("_") and name not in SEAM}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in found if not one.name.startswith("_")]


@pytest.mark.parametrize(
    ("shown", "signature", "first_line"),
    [
        (rt.Room.history, "(self, *, last: 'int | None' = None, ", "Read events from the room's log."),
        (rt.Client.join, "(self, room: 'str', *, as_: 'str | None' = None, ", "Join a room. If this client is in"),
        (rt.Room.emit, "(self, event: 'str', data: 'Any' = None, *, ", "Emit an event to all members of the room"),
        (rt.Client.rooms, "(self) -> 'RoomList'", "Return the rooms that this user may see"),
    ],
)
def test_shift_tab_shows_the_signature_and_the_docstring(shown: Any, signature: str, first_line: str) -> None:
    assert str(inspect.signature(shown)).startswith(signature)
    assert str(inspect.getdoc(shown)).startswith(first_line)
    assert shown.__qualname__.startswith(("Room.", "Client."))
    assert f"{shown.__name__}{signature}" in pydoc.plain(pydoc.render_doc(shown))


def test_shift_tab_shows_the_docstring_of_a_property() -> None:
    assert str(inspect.getdoc(rt.Room.status)).startswith("The ``state`` of the client")
    assert str(inspect.getdoc(rt.Room.state)).startswith("The values that were emitted with ``retain``")


@pytest.mark.parametrize(
    ("awaited", "plain", "only"),
    [
        (rt.AsyncClient, rt.Client, {"user", "hello", "descriptors", "share"}),
        (rt.AsyncRoom, rt.Room, {"view", "emit_form", "missed_view", "queue_view"}),  # widgets do not await
        (rt.SocketClient, rt.Socket, {"close"}),
    ],
)
def test_both_have_the_same_api(awaited: type, plain: type, only: set[str]) -> None:
    attributes = {"id", "io", "active", "namespace", "recovered"}  # of instances on one side, properties on the other
    assert set(public(awaited)) ^ set(public(plain)) <= only | attributes
    for name, value in public(plain).items():
        twin = public(awaited).get(name)
        assert value.__doc__, name
        if inspect.isfunction(twin):
            assert parameters(value) == parameters(twin), name
            assert not inspect.iscoroutinefunction(value), name
        elif twin is not None:
            assert type(value) is type(twin), name
    if awaited is not rt.AsyncRoom:
        assert [one for one in parameters(awaited) if one[0] != "make_executor"] == parameters(plain)


def test_connect_has_the_options_of_a_client_with_the_same_defaults() -> None:
    assert parameters(rt.connect) == parameters(rt.Client)


def test_connect_is_idempotent_per_process_and_url(shared_hub: HubServer, no_clients: None) -> None:
    clients: list[rt.Client] = []
    threads = [threading.Thread(target=lambda: clients.append(rt.connect(shared_hub.url, TOKEN))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, clients))) == 1
    assert rt.connect(shared_hub.url.rstrip("/") + "/lab", TOKEN) is clients[0]
    clients[0].close()
    again = rt.connect(shared_hub.url, TOKEN)
    assert again is not clients[0]
    assert again.state == "connected"


def test_another_token_makes_another_client_and_the_first_goes_on(shared_hub: HubServer, no_clients: None) -> None:
    first = rt.connect(shared_hub.url, TOKEN)
    second = rt.connect(shared_hub.url, OTHER_TOKEN)
    assert second is not first
    assert (first.state, second.state) == ("connected", "connected")
    assert [client.join("two-tokens").me.user for client in (first, second)] == ["alice", "bob"]
    assert rt.connect(shared_hub.url, TOKEN) is first
    assert rt.connect(shared_hub.url, OTHER_TOKEN) is second
    assert rt.connect(shared_hub.url) is second  # the latest
    with pytest.raises(errors.AccessDenied):
        rt.connect(shared_hub.url, "wrong")
    assert rt.connect(shared_hub.url) is second


def test_a_token_that_was_renewed_where_it_is_found_makes_another_client(
    shared_hub: HubServer, no_clients: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTMSG_URL", shared_hub.url)
    monkeypatch.setenv("RTMSG_TOKEN", TOKEN)
    first = rt.connect()
    assert rt.connect() is rt.connect(shared_hub.url) is rt.connect(token=TOKEN) is first
    monkeypatch.setenv("RTMSG_TOKEN", OTHER_TOKEN)
    assert rt.connect() is not first
    given = rt.connect(token=TOKEN)
    assert given is first


def test_another_name_is_refused_and_the_same_or_none_is_not(shared_hub: HubServer, no_clients: None) -> None:
    ann = rt.connect(shared_hub.url, TOKEN, name="Ann")
    assert rt.connect(shared_hub.url, TOKEN, name="Ann") is rt.connect(shared_hub.url, TOKEN) is ann
    with pytest.raises(ValueError, match=r"connected to http\S+ as 'Ann', not as 'Bob': call close\(\)"):
        rt.connect(shared_hub.url, TOKEN, name="Bob")
    assert rt.connect(shared_hub.url, OTHER_TOKEN, name="Bob") is not ann  # another token may have another name
    ann.close()
    bob = rt.connect(shared_hub.url, TOKEN, name="Bob")
    assert bob.state == "connected"
    bob.close()
    rt.connect(shared_hub.url, TOKEN)
    with pytest.raises(ValueError, match="without a name, not as 'Ann'"):
        rt.connect(shared_hub.url, TOKEN, name="Ann")


def test_two_names_of_this_machine_are_one_server(shared_hub: HubServer, no_clients: None) -> None:
    first = rt.connect(shared_hub.url, TOKEN)
    assert rt.connect(shared_hub.url.replace("127.0.0.1", "localhost"), TOKEN) is first


def test_connect_finds_the_server_in_the_environment(
    shared_hub: HubServer, no_clients: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTMSG_URL", shared_hub.url)
    monkeypatch.setenv("RTMSG_TOKEN", TOKEN)
    assert rt.connect().url == shared_hub.url


def test_join_is_idempotent(shared_hub: HubServer, room_name: str, client: Make) -> None:
    hub = client(shared_hub)
    room = hub.join(room_name, as_="me", last=5)
    assert hub.join(room_name) is hub.join(room_name, as_="me") is room
    assert len([one for one in hub.rooms() if one["room"] == room_name]) == 1
    assert [member.member for member in room.members] == [room.members[0].member]


def test_running_a_cell_again_replaces_its_handler(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    seen: list[str] = []
    cell = "@room.on('n')\ndef show(event): seen.append(version + str(event.data))"
    for version in ("first", "second"):
        exec(cell, {"__name__": "__main__", "room": room, "seen": seen, "version": version})
    room.emit("n", 1)
    room.emit("n", 2)
    eventually(lambda: len(seen) == 2)
    assert seen == ["second1", "second2"]


def test_handlers_run_in_the_context_of_their_cell(shared_hub: HubServer, room_name: str, client: Make) -> None:
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell")
    room = client(shared_hub).join(room_name)
    seen: list[str] = []

    async def handle(event: rt.Event) -> None:
        seen.append("async " + cell.get())

    def register(name: str, function: Any) -> None:
        cell.set(name)
        room.on("n", function)

    contextvars.copy_context().run(register, "cell 1", lambda event: seen.append(cell.get()))
    contextvars.copy_context().run(register, "cell 2", handle)
    room.emit("n")
    eventually(lambda: len(seen) == 2)
    assert seen == ["cell 1", "async cell 2"]


def test_events_arrive_while_the_cell_computes(shared_hub: HubServer, room_name: str, client: Make) -> None:
    other, room = client(shared_hub).join(room_name), client(shared_hub).join(room_name)
    seen: list[Any] = []
    room.on("n", seen.append)
    other.emit("n", wait=False)
    eventually(lambda: (sum(range(200_000)), seen)[1])


def test_a_receipt_can_be_awaited_and_tells_of_a_refusal(shared_hub: HubServer, room_name: str, client: Make) -> None:
    import asyncio

    room = client(shared_hub).join(room_name)

    async def wait() -> int | None:
        return await room.emit("n", 1, wait=False)

    seq = asyncio.run(wait())
    assert seq == room.head or eventually(lambda: room.head == seq)
    receipt = room.emit("n", 1, expect=10**6, wait=False)
    with pytest.raises(errors.Conflict):
        receipt.result()
    assert "refused" in repr(receipt)


def test_a_refusal_that_nobody_asks_for_is_logged(
    shared_hub: HubServer, room_name: str, client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    room = client(shared_hub).join(room_name)
    receipt = room.emit("n", 1, expect=10**6, wait=False)
    eventually(receipt.done)
    del receipt
    eventually(lambda: any("nobody asked" in record.message for record in caplog.records))


@pytest.mark.parametrize("kind", [Receipt, EventStream, AsyncEventStream])
def test_an_object_whose_constructor_was_interrupted_is_deleted_silently(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    half = kind.__new__(kind)
    del half
    assert said == []


def test_the_plain_socket_is_there(shared_hub: HubServer, client: Make) -> None:
    hub = client(shared_hub)
    assert hub.socket.connected
    assert hub.socket.id
    assert hub.socket.emit_with_ack("rooms", {})["ok"]
    with pytest.raises(errors.NotJSON):
        hub.socket.emit("n", {1})


def test_state_handlers_may_call_the_client(shared_hub: HubServer, room_name: str) -> None:
    hub = rt.Client(shared_hub.url, TOKEN)
    seen: list[Any] = []
    hub.on_state(lambda state: state == "closed" or seen.append((state, hub.rooms() is not None)))
    hub.connect()
    eventually(lambda: seen)
    assert seen == [("connected", True)]
    hub.close()


def test_watchers_may_not_block_the_io_thread(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    caught: list[BaseException] = []

    def look(event: rt.Event) -> None:
        try:
            room.history()
        except RuntimeError as error:
            caught.append(error)

    room.watch(look)
    room.emit("n")
    assert "thread that does the I/O" in str(eventually(lambda: caught)[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_connects_anew_and_the_parent_goes_on(shared_hub: HubServer, room_name: str) -> None:
    code = f"""
import os, sys
import jupyter_rtmsg as rt
hub = rt.connect({shared_hub.url!r}, {TOKEN!r})
room = hub.join({room_name!r})
room.emit("n", "parent")
pid = os.fork()
if pid == 0:
    try:
        room.emit("n", "never")
    except RuntimeError as error:
        assert "parent process" in str(error), error
        own = rt.connect({shared_hub.url!r}, {TOKEN!r})
        assert own is not hub
        own.join({room_name!r}).emit("n", "child")
        own.close()
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
room.emit("n", "parent again")
assert room.history().data == ["parent", "child", "parent again"], room.history().data
assert hub.state == "connected"
"""
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(_ROOT)}, check=True, timeout=60)


def test_a_process_with_a_connection_ends_by_itself(shared_hub: HubServer, room_name: str) -> None:
    code = (
        "import jupyter_rtmsg as rt\n"
        f"room = rt.connect({shared_hub.url!r}, {TOKEN!r}).join({room_name!r})\n"
        "room.on('n', print)\nroom.emit('n')\nstream = room.events()\nnext(stream)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(_ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")


class Through(Proxy):
    """A proxy that passes everything on: another address of the same server."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._to = port

    async def decide(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.join(self._to, reader, writer, head)


async def test_two_addresses_are_one_server_where_the_hubs_id_agrees(shared_hub: HubServer, no_clients: None) -> None:
    first = await asyncio.to_thread(rt.connect, shared_hub.url, TOKEN)
    async with running(Through(shared_hub.port)) as proxy:
        assert await asyncio.to_thread(rt.connect, proxy.url, TOKEN) is first
        opened = len(proxy.heads)
        assert await asyncio.to_thread(rt.connect, proxy.url, TOKEN) is first
        assert len(proxy.heads) == opened  # it is remembered
        bob = await asyncio.to_thread(rt.connect, proxy.url, OTHER_TOKEN)
        assert bob is not first
        assert bob.url == proxy.url
        with pytest.raises(ValueError, match="without a name, not as 'Ann'"):
            await asyncio.to_thread(rt.connect, proxy.url, TOKEN, name="Ann")
        await asyncio.to_thread(bob.close)
    assert first.state == "connected"


def test_a_token_given_for_localhost_does_not_lead_to_the_server_of_another_user(
    shared_hub: HubServer, no_clients: None
) -> None:
    """Another user may listen at ``localhost``, where ``::1`` comes first, on the port of a server of one's own."""
    localhost = shared_hub.url.replace("127.0.0.1", "localhost")
    rt.connect(localhost, TOKEN)
    (known,) = connect._known
    assert known.serves(Found(localhost, TOKEN, "as given", given=True))
    assert known.serves(Found(localhost, None, "as given"))
    assert known.serves(Found(shared_hub.url, TOKEN, "as given", given=True))
    assert not known.serves(Found(shared_hub.url, "found", "the only running server", own=True))


async def test_a_server_that_claims_the_id_of_another_hub_gets_none_of_its_events(
    shared_hub: HubServer, no_clients: None
) -> None:
    async with rt.AsyncClient(shared_hub.url, TOKEN) as known:
        assert known.hello
        id = known.hello.hub
    with HubServer(id=id) as liar:
        first = await asyncio.to_thread(rt.connect, liar.url, TOKEN)
        assert first.hello
        assert first.hello.hub == id
        assert await asyncio.to_thread(rt.connect, shared_hub.url, TOKEN) is not first


async def test_two_hubs_are_two_servers(shared_hub: HubServer, hub_server: HubServer, no_clients: None) -> None:
    first = await asyncio.to_thread(rt.connect, shared_hub.url, TOKEN)
    second = await asyncio.to_thread(rt.connect, hub_server.url, TOKEN)
    assert second is not first
