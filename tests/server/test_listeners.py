"""Listeners: on, once, off, catch-all listeners, and the error for a wrong number of arguments."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.wsclient import until

from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.server.listeners import Emitter, explain


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def hear(self, *args: Any) -> None:
        self.heard.append(args)


def test_off_removes_one_handler_all_of_an_event_or_all():
    emitter, one, two = Emitter(), Listener(), Listener()
    for event in ("a", "b", "c"):
        emitter.on(event, one.hear)
        emitter.on(event, two.hear)
    emitter.off("a", one.hear)  # a bound method is another object each time it is looked at
    emitter.off("b")
    assert [emitter.listeners(event) for event in "abc"] == [[two.hear], [], [one.hear, two.hear]]
    emitter.off()
    emitter.off("never", one.hear)
    assert emitter.listeners("c") == []


def test_off_removes_a_once_handler_by_its_function():
    emitter, listener = Emitter(), Listener()
    emitter.once("a", listener.hear)
    assert emitter.listeners("a") == [listener.hear]
    emitter.off("a", listener.hear)
    assert emitter.listeners("a") == []


def test_on_and_once_are_decorators_that_give_the_function_back():
    emitter = Emitter()

    @emitter.on("a")
    @emitter.once("b")
    def handler() -> None: ...

    assert emitter.listeners("a") == emitter.listeners("b") == [handler]


def test_outside_of_a_notebook_a_function_registered_twice_is_called_twice():
    emitter, listener = Emitter(), Listener()
    emitter.on("a", listener.hear)
    emitter.on("a", listener.hear)
    assert len(emitter.listeners("a")) == 2


async def test_emitters_without_listeners_share_no_mutable_state():
    io = Server()
    io.on("connection", print)
    assert io.of("/other").listeners("connection") == []
    assert Emitter().listeners("connection") == []


async def test_a_once_handler_is_called_once_and_answers(serve):
    served = await serve()

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.once("q")
        async def answer() -> str:
            return "once"

    client = await served.enter()
    client.send('421["q"]', '422["q"]')
    assert await client.receive() == '431["once"]'
    await client.quiet()


async def test_a_handler_may_remove_itself_and_others_in_the_midst_of_an_event(serve):
    served, heard = await serve(), []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        def first() -> None:
            heard.append("first")
            socket.off("x", first)
            socket.off("x", second)

        def second() -> None:
            heard.append("second")

        socket.on("x", first)
        socket.on("x", second)

    client = await served.enter()
    client.send('42["x"]', '42["x"]')
    await client.quiet()
    assert heard == ["first", "second"]


async def test_once_and_off_on_the_server_itself(serve):
    served, connected = await serve(), []
    served.io.once("connection", lambda socket: connected.append("once"))
    served.io.on("connection", always := lambda socket: connected.append("always"))
    await served.enter()
    await served.enter()
    served.io.off("connection", always)
    await served.enter()
    assert connected == ["once", "always", "always"]


# --- every event


async def test_on_any_sees_the_name_and_arguments_of_every_event_first(serve):
    served, order = await serve(), []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on_any(lambda *args: order.append(("any", *args)))
        socket.prepend_any(lambda *args: order.append(("before", *args)))
        socket.use(lambda event: order.append("middleware"))
        socket.on("x", lambda n: order.append("handler"))

    client = await served.enter()
    client.send('42["x",1]', '423["unknown",{"a":2}]')
    await client.quiet()
    unknown = [("before", "unknown", {"a": 2}), ("any", "unknown", {"a": 2}), "middleware"]
    assert order == [("before", "x", 1), ("any", "x", 1), "middleware", "handler", *unknown]


async def test_a_catch_all_listener_may_raise_and_may_be_async(serve, caplog):
    served, heard = await serve(), []

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on_any
        async def later(name: str) -> None:
            await asyncio.sleep(0)
            heard.append(name)

        socket.on_any(lambda name: 1 / 0)
        socket.on("x", lambda: "ok")

    client = await served.enter()
    client.send('421["x"]')
    assert await client.receive() == '431["ok"]'
    await until(lambda: heard == ["x"])
    assert "ZeroDivisionError" in caplog.text


async def test_functions_for_all_events_are_listed_and_removed(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client, listener = await served.enter(), Listener()
    (socket,) = sockets
    assert socket.listeners_any() == socket.listeners_any_outgoing() == []
    socket.on_any(listener.hear)
    socket.on_any(print)
    socket.on_any_outgoing(listener.hear)
    socket.prepend_any_outgoing(print)
    assert socket.listeners_any() == [listener.hear, print]
    assert socket.listeners_any_outgoing() == [print, listener.hear]
    socket.off_any(print)
    socket.off_any_outgoing(print)
    assert socket.listeners_any() == socket.listeners_any_outgoing() == [listener.hear]
    socket.off_any()
    socket.off_any_outgoing()
    socket.emit("x")
    client.send('42["x"]')
    assert await client.receive() == '42["x"]'
    await client.quiet()
    assert listener.heard == []


async def test_on_any_outgoing_gets_the_events_to_this_client_only(serve):
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client, other = await served.enter(), await served.enter()
    (socket, second), listener = sockets, Listener()
    socket.on_any_outgoing(listener.hear)
    socket.join("room")
    socket.emit("one", 1)
    socket.volatile.emit("two")
    served.io.emit("three", {"a": b"1"})
    served.io.to("room").emit("four")
    second.broadcast.emit("five")
    asking = asyncio.ensure_future(served.io.timeout(5).emit_with_ack("six"))
    socket.broadcast.emit("not to this one")
    second.emit("nor this")
    for peer in (client, other):
        while "six" not in str(message := await peer.receive()):
            pass
        peer.send("43" + message[2:].split("[")[0] + "[]")
    assert await asking == [None, None]
    assert listener.heard == [("one", 1), ("two",), ("three", {"a": b"1"}), ("four",), ("five",), ("six",)]


async def test_a_socket_that_is_gone_is_not_overheard_any_more(serve):
    served = await serve()
    served.io.on("connection", lambda socket: socket.on_any_outgoing(print))
    client = await served.enter()
    assert len(served.io.of("/")._observed) == 1
    client.send("41")
    await client.quiet()
    assert not served.io.of("/")._observed


async def test_an_error_event_of_a_client_is_an_event_like_others(serve, caplog):
    served, heard = await serve(), []
    client = await served.enter()  # CVE-2024-38355: nobody handles it
    client.send('42["error",{"a":1}]')
    await client.quiet()
    served.io.on("connection", lambda socket: socket.on("error", heard.append))
    other = await served.enter()
    other.send('42["error",{"a":1}]')
    await other.quiet()
    assert heard == [{"a": 1}]  # what a middleware raises comes as an exception, which no client can send
    assert caplog.text == ""


# --- arguments that a handler cannot take


def explained(handler: Any, *args: Any) -> str:
    """Call a handler and return what its error says, explained."""
    try:
        handler(*args)
    except TypeError as error:
        explain(error, handler, "sum", args)
        return str(error)
    raise AssertionError("it took them")


def add(a, b):
    return a + b


def greet(name, greeting="hello"):
    return greeting + name


async def wait(seconds):
    pass


@pytest.mark.parametrize(
    ("handler", "args", "said"),
    [
        (add, (1, 2, 3), "handler add(a, b) of 'sum' takes 2 arguments, the event brought 3: [1, 2, 3]"),
        (add, (), "handler add(a, b) of 'sum' takes 2 arguments, the event brought none"),
        (greet, (), "handler greet(name, greeting='hello') of 'sum' takes 1 to 2 arguments, the event brought none"),
        (wait, (1, "x"), "handler wait(seconds) of 'sum' takes 1 argument, the event brought 2: [1, 'x']"),
        (lambda: None, (1,), "handler <lambda>() of 'sum' takes no arguments, the event brought 1: [1]"),
        (lambda a, *b: a, (), "handler <lambda>(a, *b) of 'sum' takes at least 1 argument, the event brought none"),
        (
            lambda a, *, unit: a,
            (1,),
            "handler <lambda>(a, *, unit) of 'sum' takes 1 argument, and unit by name, the event brought 1: [1]",
        ),
    ],
)
def test_the_error_names_the_parameters_of_the_handler_and_the_arguments_of_the_event(handler, args, said):
    assert explained(handler, *args) == said


def test_a_long_event_is_told_in_short():
    assert len(explained(wait, "x" * 10_000, 2)) < 400


def test_an_error_inside_of_a_handler_stays_as_it_is():
    def fail(a):
        return a + None

    assert "unsupported operand" in explained(fail, 1)


def test_functions_without_a_signature_keep_their_error():
    assert "not iterable" in explained(max, 1)
