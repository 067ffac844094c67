"""Rooms: a union of rooms minus a union of others, each socket once (docs/protocol.md#socketio-rooms)."""

from __future__ import annotations

import pytest

from jupyter_rtmsg.server.rooms import Rooms


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
