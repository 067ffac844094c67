from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.members import Refused, until

from jupyter_rtmsg.errors import LimitExceeded
from jupyter_rtmsg.hub import Limits
from jupyter_rtmsg.hub.rooms import RoomQuota

ROOMS = st.sampled_from("abcdefgh")
USERS = st.sampled_from(["ann", "bob", "own"])


class ReadOnly:
    """Only ann may write."""

    def allows(self, principal: str, action: str, room: str) -> bool:
        return action == "read" or principal == "ann"


class Counting(RuleBasedStateMachine):
    """Compares a quota with two dicts, for any order of making, joining and leaving rooms."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(rooms=5, rooms_per_user=2)
        self.quota = RoomQuota(self.limits, lambda: "own")
        self.made: dict[str, str] = {}
        self.opened: dict[str, str] = {}

    def mine(self, user: str) -> int:
        return [*self.made.values(), *self.opened.values()].count(user)

    @rule(room=ROOMS, user=USERS)
    def make(self, room: str, user: str) -> None:
        after = self.mine(user) + (self.opened.get(room) != user)
        if room not in self.made and (len(self.made) >= 5 or (after > 2 and user != "own")):
            with pytest.raises(LimitExceeded):
                self.quota.make(room, user)
            return
        self.quota.make(room, user)
        self.made.setdefault(room, user)
        self.opened.pop(room, None)

    @rule(room=ROOMS, user=USERS)
    def made_by(self, room: str, user: str) -> None:
        self.quota.made(room, user)
        self.made[room] = user
        self.opened.pop(room, None)

    @rule(room=ROOMS, user=USERS)
    def join(self, room: str, user: str) -> None:
        if room not in {**self.made, **self.opened} and self.mine(user) >= 2 and user != "own":
            with pytest.raises(LimitExceeded):
                self.quota.open(room, user)
            return
        self.quota.open(room, user)
        if room not in self.made:
            self.opened.setdefault(room, user)

    @rule(room=ROOMS)
    def leave(self, room: str) -> None:
        self.quota.close(room)
        self.opened.pop(room, None)

    @rule(room=ROOMS)
    def forget(self, room: str) -> None:
        self.made.pop(room, None)
        self.quota.replace(self.made)

    @invariant()
    def counts(self) -> None:
        assert self.quota.makers == self.made
        assert self.quota._opened == self.opened
        assert self.quota._counts == Counter([*self.made.values(), *self.opened.values()])


def test_rooms_count_for_the_user_that_made_or_opened_them() -> None:
    case = Counting.TestCase
    case.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
    case("runTest").runTest()


async def test_one_user_cannot_take_all_rooms(start: Any) -> None:
    hub = await start(rooms=20)
    ann, bob = await hub.connect(user="ann"), await hub.connect(user="bob")
    for name in ("a", "b"):
        await ann.publish(room=name)
    for command in ("publish", "join"):
        with pytest.raises(Refused, match="limit: ann has 2 rooms, and the limit for one user is 2"):
            await ann.call(command, room="c", event="tick")
    await ann.publish(room="b")  # a room that is there is no new one
    await bob.publish(room="c")
    await ann.join("c")


async def test_the_owner_of_a_server_may_make_all_rooms(start: Any) -> None:
    hub = await start(rooms=20)
    hub.hub.core.owner = lambda: "ann"
    ann = await hub.connect(user="ann")
    for i in range(20):
        await ann.publish(room=f"r{i}")
    with pytest.raises(Refused, match="limit: there are 20 rooms"):
        await ann.publish(room="one-more")


async def test_a_join_without_a_write_makes_no_room(start: Any) -> None:
    hub = await start(rooms=3, access=ReadOnly(), rooms_per_connection=100, rooms_per_user=50)
    ann, reader = await hub.connect(user="ann"), await hub.connect(user="reader")
    for i in range(50):
        await reader.join(f"empty{i}")
    for i in range(3):
        await ann.publish(room=f"r{i}")
    await ann.call("join", room="empty1")
    with pytest.raises(Refused, match="limit: reader has 50 rooms"):
        await reader.join("another")
    await reader.close()
    await until(lambda: hub.hub.core.rooms.quota.count("reader") <= 1)  # but where ann is


async def test_an_empty_room_ends_with_its_members(start: Any) -> None:
    hub = await start(rooms_per_user=1, grace=0.02)
    ann = await hub.joined("a", user="ann")
    with pytest.raises(Refused, match="limit"):
        await ann.join("b")
    await ann.call("leave", room="a")
    await ann.join("b")
    await ann.close()
    await until(lambda: not hub.hub.core.rooms.active)
    assert hub.hub.core.rooms.quota.count("ann") == 0


async def test_the_first_to_write_is_the_maker_even_if_another_joined_first(start: Any) -> None:
    hub = await start(rooms_per_user=1)
    ann, bob = await hub.joined("a", user="ann"), await hub.connect(user="bob")
    await bob.publish(room="a")
    await ann.publish(room="b")
    with pytest.raises(Refused, match="limit: bob"):
        await bob.publish(room="c")


async def test_rooms_that_the_log_holds_count_after_a_restart(start: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite3"
    hub = await start(url=url, rooms_per_user=1)
    ann = await hub.connect(user="ann")
    await ann.publish(room="a")
    await hub.close()
    again = await start(url=url, rooms_per_user=1)
    ann = await again.connect(user="ann")
    with pytest.raises(Refused, match="limit: ann"):
        await ann.publish(room="b")


async def test_a_connection_that_is_lost_while_it_joins_leaves_no_room(start: Any) -> None:
    hub = await start(rooms_per_user=5)
    for i in range(20):
        ann = await hub.connect(user="ann")
        for j in range(3):
            ann.post("join", {"room": f"r{i}-{j}", "last": 10})
        await ann.raw.writer.drain()
        await ann.close()
    await until(lambda: not hub.hub.core.participants.principals())
    await until(lambda: not hub.hub.core.rooms.active)
    assert hub.hub.core.rooms.quota.count("ann") == 0


async def test_a_member_of_a_deleted_room_does_not_rejoin_by_itself(start: Any) -> None:
    hub = await start()
    ann, bob = await hub.joined(user="ann"), await hub.joined(user="bob")
    await ann.publish()
    await ann.call("delete", room="lab")
    await bob.has("$deleted")
    await bob.settled()
    assert not hub.hub.core.rooms.active
    assert not hub.hub.core.rooms.quota.makers
