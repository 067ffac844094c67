"""Rooms: a union of rooms minus a union of others, each socket once (docs/protocol.md#socketio-rooms)."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_rtmsg.server import Socket
from jupyter_rtmsg.server.rooms import Rooms, names


class Peer:
    def __init__(self, id: str) -> None:
        self.id = id
        self.joined: set[str] = set()


@pytest.fixture
def peers() -> dict[str, Peer]:
    return {id: Peer(id) for id in "abcd"}


@pytest.fixture
def rooms(peers: dict[str, Peer]) -> Rooms:
    rooms = Rooms(peers)  # type: ignore[arg-type]
    for room, members in {"x": "ab", "y": "bc"}.items():
        for id in members:
            rooms.add(room, peers[id])  # type: ignore[arg-type]
    return rooms


def ids(selected) -> str:
    return "".join(sorted(peer.id for peer in selected))


@pytest.mark.parametrize(
    ("to", "excluded", "expected"),
    [
        ([], [], "abcd"),
        (["x"], [], "ab"),
        (["x", "y"], [], "abc"),
        (["x", "y"], ["b"], "ac"),
        (["x"], ["y"], "a"),
        ([], ["x"], "cd"),
        (["d"], [], "d"),
        (["x", "d"], ["a"], "bd"),
        (["nowhere"], [], ""),
        (["x"], ["nowhere"], "ab"),
    ],
)
def test_selection(rooms: Rooms, to: list[str], excluded: list[str], expected: str):
    assert ids(rooms.select(to, excluded)) == expected


def test_a_room_ends_with_its_last_member(rooms: Rooms, peers: dict[str, Peer]):
    rooms.clear(peers["a"])  # type: ignore[arg-type]
    assert set(rooms.names()) == {"x", "y"}
    rooms.clear(peers["b"])  # type: ignore[arg-type]
    assert set(rooms.names()) == {"y"}
    assert peers["b"].joined == set()


def test_nobody_enters_the_room_of_another_socket(rooms: Rooms, peers: dict[str, Peer]):
    with pytest.raises(ValueError, match="belongs to the socket"):
        rooms.add("a", peers["b"])  # type: ignore[arg-type]


def test_ones_own_room_is_always_there(rooms: Rooms, peers: dict[str, Peer]):
    rooms.add("a", peers["a"])  # type: ignore[arg-type]
    assert ids(rooms.members("a")) == "a"
    rooms.discard("a", peers["a"])  # type: ignore[arg-type]
    assert ids(rooms.members("a")) == "a"


# --- what names a room


async def test_numbers_are_rooms_wherever_rooms_are_named(serve: Any) -> None:
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    clients = [await served.enter() for _ in range(2)]
    io, (one, two) = served.io, sockets
    one.join(42, [7, 7.5])
    assert one.rooms == {one.id, 42, 7, 7.5}
    io.to(42).emit("number")
    io.to("42").emit("text")
    io.in_([7.0]).emit("equal")
    two.to(42).emit("from another")
    io.except_(42).emit("others")
    two.broadcast.except_(42).emit("nobody")
    assert [await clients[0].receive() for _ in range(3)] == ['42["number"]', '42["equal"]', '42["from another"]']
    assert await clients[1].receive() == '42["others"]'
    io.in_(42).sockets_join(8)
    assert await io.in_(8).fetch_sockets() == [one]
    io.in_(8).sockets_leave(8)
    one.leave(42)
    assert one.rooms == {one.id, 7, 7.5}
    for client in clients:
        await client.quiet()


@pytest.mark.parametrize("room", [True, None, b"lab", bytearray(b"lab"), {"lab": 1}, object(), [True], [None], [b"x"]])
async def test_an_option_that_is_neither_text_nor_a_number_is_refused_with_a_reason_and_changes_nothing(
    serve: Any, room: Any
) -> None:
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    await served.enter()
    io, (socket,) = served.io, sockets
    for call in (
        socket.join, socket.leave, socket.to, socket.in_, socket.except_, io.to, io.in_, io.except_,
        io.sockets_join, io.sockets_leave, socket.volatile.to, io.of("/").to,
    ):  # fmt: skip
        with pytest.raises(TypeError, match="a room is named by a str or a number"):
            call(room)
    assert socket.rooms == {socket.id}


def test_nobody_could_be_found_in_a_room_named_nan() -> None:
    with pytest.raises(ValueError, match="NaN"):
        list(names([float("nan")]))


async def test_leave_all_leaves_all_rooms_but_ones_own(serve: Any) -> None:
    served = await serve()
    sockets: list[Socket] = []
    served.io.on("connection", sockets.append)
    client = await served.enter()
    sockets[0].join("a", "b", 3)
    sockets[0].leave_all()
    assert sockets[0].rooms == {sockets[0].id}
    served.io.to("a").emit("no")
    served.io.to(sockets[0].id).emit("yes")
    assert await client.receive() == '42["yes"]'
