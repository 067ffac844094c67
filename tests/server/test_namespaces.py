"""Namespaces that clients bring into being by asking for them (docs/protocol.md#socketio-namespaces)."""

from __future__ import annotations

import asyncio
import gc
import re
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg.errors import AckTimeout, ConnectionRefused
from jupyter_rtmsg.server import Namespace, Server, Socket

ROOM = re.compile(r"/ws-\d+")


def invalid(name: str) -> str:
    return f'44{name},{{"message":"Invalid namespace"}}'


async def refused(client, name: str, auth: str = "") -> str:
    """Ask for a namespace and return the refusal."""
    client.send(f"40{name},{auth}")
    answer = await client.receive()
    assert answer.startswith(f"44{name},"), answer
    return answer


# --- which names


async def test_a_pattern_must_match_the_whole_name(serve):
    served = await serve()
    parent = served.io.of(ROOM)
    client = await served.open()
    await client.enter("/ws-1")
    for name in ("/ws-", "/ws-1x", "/x/ws-1", "/ws-1\n", "/ws-1?x=1"):
        assert await refused(client, name) == invalid(name)
    assert [child.name for child in parent.children] == ["/ws-1"]


async def test_a_function_is_asked_with_the_name_and_auth_of_every_client(serve):
    served = await serve()
    asked = []

    def allowed(name: str, auth: dict[str, Any]) -> bool:
        asked.append((name, auth))
        return auth.get("token") == "secret"

    served.io.of(allowed)
    client = await served.open()
    assert await refused(client, "/a") == invalid("/a")
    await client.enter("/a", {"token": "secret"})
    other = await served.open()
    assert await refused(other, "/a") == invalid("/a")  # that it is there now does not let everybody in
    assert asked == [("/a", {}), ("/a", {"token": "secret"}), ("/a", {})]


async def test_a_function_may_be_async_and_the_session_may_end_meanwhile(serve):
    served = await serve()
    gate = asyncio.Event()

    async def wait(name: str, auth: dict[str, Any]) -> bool:
        await gate.wait()
        return True

    parent = served.io.of(wait)
    quick, slow = await served.open(), await served.open()
    quick.send("40/a,")
    slow.send("40/b,")
    await until(lambda: len(served.io.engine.sessions) == 2)
    await quick.hang_up()
    await until(lambda: len(served.io.engine.sessions) == 1)
    gate.set()
    assert (await slow.receive()).startswith("40/b,")
    assert [list(child.sockets) != [] for child in parent.children if child.name == "/b"] == [True]
    assert not any(child.sockets for child in parent.children if child.name == "/a")


async def test_asking_twice_while_a_function_thinks_closes(serve):
    served = await serve()
    gate = asyncio.Event()

    async def wait(name: str, auth: dict[str, Any]) -> bool:
        return await gate.wait()

    served.io.of(wait)
    client = await served.open()
    client.send("40/a,", "40/a,")
    assert "connected already" in (await client.closing()).reason
    gate.set()


async def test_the_pending_namespace_requests_of_one_client_are_bounded(serve):
    served = await serve()
    gate = asyncio.Event()

    async def wait(name: str, auth: dict[str, Any]) -> bool:
        return await gate.wait()

    served.io.of(wait)
    other, client = await served.enter(), await served.open()
    client.send(*(f"40/{n}," for n in range(101)))
    assert "more than 100 namespaces" in (await client.closing()).reason
    gate.set()
    await other.enter("/x")


async def test_a_function_that_fails_takes_no_name_and_the_next_is_asked(serve, caplog):
    served = await serve()
    served.io.of(lambda name, auth: 1 / 0)
    served.io.of(lambda name, auth: name == "/b")
    client = await served.open()
    await client.enter("/b")
    assert await refused(client, "/c") == invalid("/c")
    assert "ZeroDivisionError" in caplog.text


async def test_parents_are_asked_in_order_and_the_first_yes_decides(serve):
    served = await serve()
    first, second = served.io.of(re.compile("/a.*")), served.io.of(re.compile("/.*"))
    client = await served.open()
    await client.enter("/ab")
    await client.enter("/b")
    assert [[child.name for child in parent.children] for parent in (first, second)] == [["/ab"], ["/b"]]


async def test_names_of_the_server_come_before_patterns(serve):
    served = await serve()
    own = served.io.of("/ws-1")
    parent = served.io.of(ROOM)
    client = await served.enter("/ws-1")
    assert len(own.sockets) == 1
    assert parent.children == []
    await client.quiet()


def test_a_namespace_with_a_comma_is_refused_since_no_client_could_join_it():
    with pytest.raises(ValueError, match=r"holds no comma, unlike '/Acme, Inc\.'"):
        Server().of("/Acme, Inc.")


def test_a_name_that_a_pattern_matches_is_a_child_for_the_server_too():
    io = Server()
    parent = io.of(ROOM)
    assert io.of("ws-7") is io.of("/ws-7")
    assert parent.children == [io.of("/ws-7")]


def test_the_same_pattern_or_function_is_the_same_parent():
    io = Server()

    def some(name: str, auth: dict[str, Any]) -> bool:
        return True

    assert io.of(re.compile(r"/ws-\d+")) is io.of(re.compile(r"/ws-\d+"))
    assert io.of(some) is io.of(some)
    assert io.of(some) is not io.of(ROOM)


async def test_a_name_of_more_than_256_characters_is_no_child(serve):
    served = await serve()
    served.io.of(re.compile("/.*"))
    client = await served.open()
    name = "/" + "x" * 256
    assert await refused(client, name) == invalid(name)
    await client.enter(name[:-1])


# --- what a child inherits


async def test_children_have_the_middlewares_and_handlers_of_their_parent_before_their_own(serve):
    served = await serve()
    parent = served.io.of(ROOM)
    order: list[str] = []

    @served.io.on("new_namespace")
    def created(namespace: Namespace) -> None:
        namespace.use(lambda socket: order.append(f"own middleware {namespace.name}"))
        namespace.on("connection", lambda socket: order.append("own handler"))

    parent.use(lambda socket: order.append("middleware"))
    parent.on("connection", lambda socket: order.append(f"handler {socket.namespace.name}"))
    await served.enter("/ws-1")
    assert order == ["middleware", "own middleware /ws-1", "handler /ws-1", "own handler"]


async def test_a_listener_added_to_a_parent_later_applies_to_existing_children(serve):
    served = await serve()
    parent = served.io.of(ROOM)
    await served.enter("/ws-1")

    def nobody(socket: Socket) -> None:
        raise ConnectionRefused("full")

    parent.use(nobody)
    client = await served.open()
    assert '"full"' in await refused(client, "/ws-1")


async def test_an_emit_of_a_parent_namespace_reaches_the_sockets_of_all_its_children(serve):
    served = await serve()
    parent = served.io.of(ROOM)
    parent.on("connection", lambda socket: socket.join(socket.auth["room"]))
    one, two = await served.enter("/ws-1", {"room": "a"}), await served.enter("/ws-2", {"room": "b"})
    other = await served.enter()
    parent.emit("all", 1)
    parent.to("b").emit("some", 2)
    assert await one.receive() == '42/ws-1,["all",1]'
    assert await two.receive_many(2) == ['42/ws-2,["all",1]', '42/ws-2,["some",2]']
    await one.quiet()
    await other.quiet()


async def test_the_sockets_of_all_children_are_fetched_moved_asked_and_disconnected(serve):
    served = await serve()
    parent = served.io.of(ROOM)
    one, two = await served.enter("/ws-1"), await served.enter("/ws-2")
    assert sorted(s.namespace.name for s in await parent.fetch_sockets()) == ["/ws-1", "/ws-2"]
    parent.sockets_join("x")
    assert len(await parent.in_("x").fetch_sockets()) == 2

    asking = asyncio.ensure_future(parent.timeout(5).emit_with_ack("q"))
    for client, name in ((one, "/ws-1"), (two, "/ws-2")):
        question = await client.receive()
        assert question.startswith(f"42{name},")
        id = question.split(",")[1].split("[")[0]
        client.send(f'43{name},{id}["{name}"]')
    assert sorted(await asking) == ["/ws-1", "/ws-2"]

    parent.disconnect_sockets()
    assert await one.receive() == "41/ws-1,"
    assert await two.receive() == "41/ws-2,"


async def test_a_namespace_can_be_asked_with_partial_answers(serve):
    served = await serve()
    chat = served.io.of("/chat")
    one, _silent = await served.enter("/chat"), await served.enter("/chat")
    asking = asyncio.ensure_future(chat.timeout(0.3).emit_with_ack("q", 1))
    question = await one.receive()
    assert question.endswith('["q",1]')
    one.send("43/chat," + question.removeprefix("42/chat,").split("[")[0] + '["yes"]')
    with pytest.raises(AckTimeout) as caught:
        await asking
    assert caught.value.responses == ["yes"]


# --- how many there are


async def test_the_namespaces_that_clients_create_are_bounded(serve):
    served = await serve(max_child_namespaces=3)
    parent = served.io.of(ROOM)
    client = await served.open()
    for n in range(3):
        await client.enter(f"/ws-{n}")
    assert await refused(client, "/ws-3") == invalid("/ws-3")
    other = await served.enter("/ws-2")  # those that are there let others in
    await other.quiet()
    assert len(parent.children) == 3


@pytest.mark.parametrize("recovery", [False, True])
async def test_names_that_clients_are_refused_for_leave_nothing_behind(serve, recovery):
    served = await serve(max_child_namespaces=3, recovery=recovery)
    parent = served.io.of(ROOM)

    @parent.use
    async def check(socket: Socket) -> None:
        await asyncio.sleep(0)
        if socket.auth.get("token") != "secret":
            raise ConnectionRefused("no")

    client = await served.open()
    for n in range(10):
        assert '"no"' in await refused(client, f"/ws-{n}")
        await until(lambda: gc.collect() >= 0 and not parent.children)  # the refusal is sent before its task has ended
    assert parent.children == []
    await client.enter("/ws-11", {"token": "secret"})
    assert [child.name for child in parent.children] == ["/ws-11"]


async def test_children_stay_when_they_are_empty(serve):
    served = await serve()
    parent = served.io.of(ROOM)
    client = await served.enter("/ws-1")
    client.send("41/ws-1,")
    await client.quiet()
    gc.collect()
    assert [child.name for child in parent.children] == ["/ws-1"]


async def test_empty_children_are_dropped_if_that_is_wanted(serve):
    served = await serve(cleanup_empty_child_namespaces=True)
    parent = served.io.of(ROOM)
    one, two = await served.enter("/ws-1"), await served.enter("/ws-1")
    await served.enter("/ws-2")
    one.send("41/ws-1,")
    await one.quiet()
    assert len(parent.children) == 2
    two.send("41/ws-1,")
    await two.quiet()
    gc.collect()
    assert [child.name for child in parent.children] == ["/ws-2"]
    await one.enter("/ws-1")  # and may come again
    assert len(parent.children) == 2


async def test_new_namespaces_are_told_of_once(serve):
    served = await serve()
    told: list[str] = []
    served.io.on("new_namespace", lambda namespace: told.append(namespace.name))
    served.io.of("/static")
    served.io.of("/static")
    served.io.of(ROOM)
    await served.enter("/ws-1")
    await served.enter("/ws-1")
    assert told == ["/static", "/ws-1"]


async def test_a_handler_of_new_namespaces_that_raises_hurts_no_one(serve, caplog):
    served = await serve()
    served.io.on("new_namespace", lambda namespace: 1 / 0)
    served.io.of(ROOM)
    await served.enter("/ws-1")
    assert "ZeroDivisionError" in caplog.text


def test_only_the_root_tells_of_new_namespaces():
    io = Server()
    with pytest.raises(ValueError, match="not 'new_namespace'"):
        io.of("/x").on("new_namespace", print)
    with pytest.raises(ValueError, match="not 'message': other events are a socket's"):
        io.on("message", print)
