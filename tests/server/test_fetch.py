"""Many sockets at once: fetched, moved between rooms, disconnected; and what rooms tell about it."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_rtmsg.errors import NotJSON
from jupyter_rtmsg.server import Socket


async def three(serve):
    """Return a server and three clients; the sockets' data hold their names."""
    served = await serve()
    sockets: dict[str, Socket] = {}

    @served.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.data["name"] = socket.auth["name"]
        sockets[socket.auth["name"]] = socket

    clients = {name: await served.enter("/", {"name": name}) for name in "abc"}
    sockets["a"].join("x")
    sockets["b"].join("x", "y")
    sockets["c"].join("y")
    return served.io, sockets, clients


async def names(chain) -> str:
    return "".join(sorted(socket.data["name"] for socket in await chain.fetch_sockets()))


async def test_every_chain_fetches_its_sockets(serve):
    io, sockets, _ = await three(serve)
    assert await names(io) == await names(io.of("/")) == await names(io.local) == await names(io.sockets) == "abc"
    assert await names(io.in_("x")) == await names(io.of("/").to("x")) == "ab"
    assert await names(io.to("x").to("y").except_(sockets["b"].id)) == "ac"
    assert await names(io.except_("y")) == "a"
    assert await names(sockets["a"].broadcast) == await names(sockets["a"].local) == "bc"
    assert await names(sockets["a"].in_("x")) == await names(sockets["a"].volatile.to("x")) == "b"
    assert await names(sockets["b"].except_("y")) == "a"
    assert await names(io.in_("nowhere")) == ""
    assert await names(io.in_(sockets["c"].id)) == "c"


async def test_several_rooms_may_be_given_as_a_collection(serve):
    io, sockets, _ = await three(serve)
    assert await names(io.to(["x", "y"])) == await names(io.in_({"x"}, "y")) == "abc"
    assert await names(io.except_(("x",))) == "c"
    sockets["a"].join(["p", "q"], "r")
    assert sockets["a"].rooms == {sockets["a"].id, "x", "p", "q", "r"}
    sockets["a"].leave(["p"], "q", "x")
    assert sockets["a"].rooms == {sockets["a"].id, "r"}
    with pytest.raises(TypeError, match="a room is named by a str or a number"):
        io.to(None)


async def test_fetched_sockets_can_be_used(serve):
    io, sockets, clients = await three(serve)
    (socket,) = await io.in_(sockets["a"].id).fetch_sockets()
    assert (socket.id, socket.rooms, socket.data) == (sockets["a"].id, {sockets["a"].id, "x"}, {"name": "a"})
    assert socket.handshake.auth == {"name": "a"}
    socket.emit("hello")
    assert await clients["a"].receive() == '42["hello"]'
    socket.join("z")
    socket.leave("x")
    assert await names(io.in_("z")) == "a"
    assert await names(io.in_("x")) == "b"
    socket.disconnect()
    assert await clients["a"].receive() == "41"
    assert await names(io) == "bc"


async def test_sockets_are_moved_while_their_room_is_looked_at(serve):
    io, sockets, _ = await three(serve)
    io.in_("x").sockets_leave("x")
    assert await names(io.in_("x")) == ""
    io.in_("y").sockets_join("y", ["z"])
    assert await names(io.in_("z")) == "bc"
    io.sockets_join("all")
    sockets["a"].to("all").sockets_leave("all")
    assert await names(io.in_("all")) == "a"


async def test_many_are_disconnected_from_the_namespace_or_altogether(serve):
    io, _, clients = await three(serve)
    io.in_("x").disconnect_sockets()
    assert await clients["a"].receive() == await clients["b"].receive() == "41"
    assert await names(io) == "c"
    await clients["a"].quiet()
    io.disconnect_sockets(close=True)
    assert (await clients["c"].closing()).code == 1000


async def test_flags_change_nothing_but_how_it_is_sent(serve):
    io, sockets, clients = await three(serve)
    sockets["a"].compress(False).volatile.timeout(5).emit("one")
    sockets["b"].volatile.compress(True).broadcast.emit("two")
    sockets["b"].timeout(1).to("x").emit("three")
    io.compress(False).volatile.to("x").emit("four")
    sockets["c"].compress(True).send("five")
    assert await clients["a"].receive_many(4) == ['42["one"]', '42["two"]', '42["three"]', '42["four"]']
    assert await clients["b"].receive() == '42["four"]'
    assert await clients["c"].receive_many(2) == ['42["two"]', '42["message","five"]']


async def test_an_emit_to_other_servers_is_checked_and_received_by_nobody(serve):
    io, _, clients = await three(serve)
    for speaker in (io, io.of("/")):
        speaker.server_side_emit("hello", 1)
        assert await speaker.server_side_emit_with_ack("hello", 1) == []
        with pytest.raises(ValueError, match="own events"):
            speaker.server_side_emit("disconnect")
        with pytest.raises(NotJSON):
            await speaker.server_side_emit_with_ack("hello", {1})
    await clients["a"].quiet()


# --- room events


async def test_rooms_emit_their_begin_and_end_and_each_join_and_leave(serve):
    served = await serve()
    told: list[tuple[str, ...]] = []
    rooms = served.io.of("/").adapter
    for event in ("create-room", "delete-room", "join-room", "leave-room"):
        rooms.on(event, lambda *args, event=event: told.append((event[:-5], *args)))
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)

    first = await served.enter()
    a = sockets[0].id
    assert told == [("create", a), ("join", a, a)]
    await served.enter()
    b = sockets[1].id
    del told[:]

    sockets[0].join("x", "x")
    sockets[1].join("x")
    assert told == [("create", "x"), ("join", "x", a), ("join", "x", b)]
    del told[:]
    sockets[1].leave("x", "x", "never")
    assert told == [("leave", "x", b)]
    del told[:]
    first.send("41")
    await first.quiet()
    assert told == [("leave", a, a), ("delete", a), ("leave", "x", a), ("delete", "x")]


async def test_room_events_have_python_names_too_and_can_be_undone(serve):
    served, told = await serve(), []
    rooms = served.io.of("/").rooms

    @rooms.on("join_room")
    def joined(room: str, id: str) -> None:
        told.append(room)

    sockets: list[Any] = []
    served.io.on("connection", sockets.append)
    await served.enter()
    sockets[0].join("x")
    rooms.off("join-room", joined)
    sockets[0].join("y")
    assert told == [sockets[0].id, "x"]


async def test_a_handler_of_room_events_hurts_no_one_and_is_no_coroutine_function(serve, caplog):
    served = await serve()
    rooms = served.io.of("/").rooms
    rooms.on("create_room", lambda room: 1 / 0)
    served.io.on("connection", lambda socket: socket.join("x"))
    await (await served.enter()).quiet()
    assert "ZeroDivisionError" in caplog.text
    assert list(rooms.names()) == ["x"]

    async def later(room: str) -> None: ...

    with pytest.raises(TypeError, match="coroutine"):
        rooms.on("create_room", later)
    with pytest.raises(ValueError, match="create_room"):
        rooms.on("created", print)
