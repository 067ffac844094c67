"""The policy of a room, as its users set and read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from support.hub import OTHER_TOKEN, HubServer
from support.patience import eventually

import jupyter_rtmsg as rt
from jupyter_rtmsg.errors import Forbidden

Make = Callable[..., rt.Client]


def test_a_policy_is_set_and_read(shared_hub: HubServer, room_name: str, client: Make) -> None:
    room = client(shared_hub).join(room_name)
    assert (room.policy().count, room.policy().discard, room.policy().limits["count"]) == (None, "old", 100_000)
    policy = room.policy(count=3, age=timedelta(hours=1), discard="refuse")
    assert policy == room.policy()
    assert (policy.count, policy.age, policy.bytes, policy.discard) == (3, 3_600.0, None, "refuse")
    for _ in range(3):
        room.emit("n")
    with pytest.raises(rt.errors.RoomFull, match="3 of at most 3 events"):
        room.emit("n")
    assert room.policy(count=2, discard="old", age=None).age is None
    eventually(lambda: len(room.history()) == 2)
    with pytest.raises(rt.errors.BadRequest, match="`count` must be an integer"):
        room.policy(count=0)


def test_only_the_maker_sets_a_policy(hub_server: HubServer, client: Make) -> None:
    client(hub_server).join("lab").emit("n")
    with rt.Client(hub_server.url, OTHER_TOKEN).connect() as other:
        room = other.join("lab")
        assert room.policy().maker == "alice"
        with pytest.raises(Forbidden, match="bob may not manage"):
            room.policy(count=1)
