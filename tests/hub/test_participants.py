from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.members import until
from support.wsclient import RawClient

from jupyter_rtmsg.errors import ConnectionRefused
from jupyter_rtmsg.hub import Limits
from jupyter_rtmsg.hub.participants import Participants


async def refused(hub: Any, auth: str) -> str:
    raw = await RawClient.open(hub.port)
    raw.send("40" + auth)
    packet = await raw.receive()
    raw.writer.close()
    return str(packet)


async def test_a_user_may_have_so_many_connections_and_others_are_not_concerned(start: Any) -> None:
    hub = await start(connections_per_user=2)
    first = await hub.connect(user="ann")
    await hub.connect(user="ann")
    answer = await refused(hub, '{"user":"ann"}')
    message = "ann already has 2 connections, the limit for one user: close one of them"
    assert answer == f'44{{"message":"{message}","data":{{"code":"limit"}}}}'
    await hub.connect(user="bob")
    await first.leave()
    await until(lambda: len(hub.hub.core.participants) == 2)
    await hub.connect(user="ann")
    assert hub.hub.principals() == {"ann", "bob"}


async def test_a_wrong_auth_is_refused_by_name(start: Any) -> None:
    hub = await start()
    assert '"code":"bad_request"' in await refused(hub, '{"client":5}')
    assert len(hub.hub.core.participants) == 0


async def test_after_close_connections_and_commands_are_refused(start: Any) -> None:
    hub = await start()
    member = await hub.joined()
    await hub.hub.close()
    assert (await member.ask("publish", {"room": "lab", "event": "a"}))["error"]["code"] == "shutdown"
    assert '"code":"shutdown"' in await refused(hub, "{}")


async def test_a_departed_client_leaves_no_state(start: Any) -> None:
    hub = await start(grace=0.01)
    members = [await hub.joined(user="ann", client=f"c{i}", fields={"as": "x"}) for i in range(5)]
    await members[0].join("other", after=0)
    for member in members:
        await member.close()
    await until(lambda: not hub.hub.core.participants and not hub.hub.core.rooms.active)
    assert hub.hub.principals() == set()
    assert not hub.hub.core.subscriptions._owners
    assert not hub.hub.core.presence._timers
    assert not hub.hub.core.presence._away


class Named:
    """The attributes of a socket that `Participants` uses."""

    def __init__(self, id: str, user: str, client: str | None) -> None:
        self.id, self.user = id, user
        self.auth = {} if client is None else {"client": client}
        self.data: dict[str, Any] = {}
        self.handshake = self.session = self
        self.headers: dict[str, str] = {}

    def close(self, reason: str) -> None:
        self.data["closed"] = reason


class Counting(RuleBasedStateMachine):
    """Counters match the connected sockets, for any order of connecting and leaving, and any ids and names."""

    def __init__(self) -> None:
        super().__init__()
        self.participants = Participants(Limits(connections_per_user=3), lambda: 0.0, lambda participant, reason: None)
        self.here: list[Any] = []

    @rule(id=st.sampled_from("st"), user=st.sampled_from("ab"), client=st.sampled_from(["x", "y", None]))
    def add(self, id: str, user: str, client: str | None) -> None:
        socket: Any = Named(id, user, client)
        with suppress(ConnectionRefused):
            self.participants.admit(socket)
            self.here.append(socket)
            self.participants.add(socket)

    @precondition(lambda self: self.here)
    @rule(data=st.data(), reason=st.sampled_from(["transport close", "too slow", "client namespace disconnect"]))
    def remove(self, data: st.DataObject, reason: str) -> None:
        socket = self.here.pop(data.draw(st.integers(0, len(self.here) - 1)))
        for _ in range(2):  # the second call must change nothing
            self.participants.remove(socket, reason)

    @precondition(lambda self: self.here)
    @rule(data=st.data(), user=st.sampled_from("ab"), client=st.sampled_from(["x", "z", None]))
    def describe(self, data: st.DataObject, user: str, client: str | None) -> None:
        participant = data.draw(st.sampled_from(self.here)).data["participant"]
        participant.describe(replace(participant.identity, principal=user, client=client))

    @invariant()
    def counters_tell_who_is_connected(self) -> None:
        assert self.participants.principals() == {socket.user for socket in self.here}
        for user, client in itertools.product("ab", "xyz"):
            here = any((socket.user, socket.auth.get("client")) == (user, client) for socket in self.here)
            assert self.participants.has_client(user, client) == here

    def teardown(self) -> None:
        for socket in self.here:
            self.participants.remove(socket, "transport close")
        assert not self.participants
        assert not self.participants.principals()


TestCounting = Counting.TestCase
