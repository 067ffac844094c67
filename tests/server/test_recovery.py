"""Connection state recovery of a server alone (docs/protocol.md#socketio-recovery), and where others' goes wrong."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.wsclient import RawClient, until

from jupyter_rtmsg.errors import ConnectionRefused, TooLarge
from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.server.recovery import MemoryRecovery

Serve = Callable[..., Awaitable[Any]]


class Scene:
    """A server with recovery, and the sockets that it has seen, in order."""

    def __init__(self, served: Any) -> None:
        self.served = served
        self.io: Server = served.io
        self.sockets: list[Socket] = []
        self.reasons: list[str] = []
        self.offset: str | None = None  # the last string that ended an event
        self.io.on("connection", self._connected)

    def _connected(self, socket: Socket) -> None:
        self.sockets.append(socket)
        socket.on("disconnect", self.reasons.append)

    async def enter(self, **auth: Any) -> Any:
        return await self.served.enter("/", auth or None)

    async def lose(self, client: RawClient) -> None:
        """Cut a connection with no goodbye, and wait until the server knows."""
        seen = len(self.reasons)
        client.reset()
        await until(lambda: len(self.reasons) > seen)

    async def events(self, client: RawClient) -> list[list[Any]]:
        """Return the events that came, up to now, and keep the offset as an official client does."""
        client.send("40/nowhere,")
        events = []
        while not (message := str(await client.receive())).startswith("44/nowhere"):
            event = json.loads(message[2:])
            self.offset = event[-1] if isinstance(event[-1], str) else self.offset
            if event[0] != "$offset":
                events.append(event)
        return events


@pytest.fixture
async def scene(serve: Serve) -> Scene:
    return Scene(await serve(recovery=True))


async def test_without_recovery_nothing_of_it_is_on_the_wire(serve: Serve) -> None:
    scene = Scene(await serve())
    client = await scene.enter()
    assert set(client.welcome) == {"sid"}
    scene.io.emit("news", 1)
    assert await client.receive() == '42["news",1]'


async def test_a_recovered_client_has_its_id_rooms_data_and_missed_events(scene: Scene) -> None:
    client = await scene.enter()
    scene.sockets[0].join("lab")
    scene.sockets[0].data["score"] = 3
    scene.io.to("lab").emit("a", 1)
    (event,) = await scene.events(client)
    assert event == ["a", 1]
    await scene.lose(client)
    scene.io.to("lab").emit("b", b"\x00")
    scene.io.to("elsewhere").emit("not for it")
    scene.io.to("lab").except_(scene.sockets[0].id).emit("not for it either")
    scene.io.emit("c")
    back = await scene.enter(pid=client.welcome["pid"], offset=scene.offset)
    assert back.welcome == client.welcome
    assert str(await back.receive()).startswith('451-["b",')
    assert await back.receive() == b"\x00"
    assert [event[0] for event in await scene.events(back)] == ["c"]
    socket = scene.sockets[1]
    assert socket.recovered
    assert socket.rooms == {socket.id, "lab"}
    assert socket.data == {"score": 3}
    scene.io.to("lab").emit("d")
    assert [event[0] for event in await scene.events(back)] == ["d"]


async def test_events_of_connection_handlers_follow_the_missed_events(scene: Scene) -> None:
    client = await scene.enter()
    await scene.lose(client)
    scene.io.emit("missed")
    scene.io.on("connection", lambda socket: socket.emit("hello", socket.recovered))
    back = await scene.enter(pid=client.welcome["pid"])
    assert [event[:2] for event in await scene.events(back)] == [["missed"], ["hello", True]]


async def test_a_client_that_saw_no_event_is_recovered(scene: Scene) -> None:
    scene.io.emit("before it came")
    client = await scene.enter()
    await scene.lose(client)
    scene.sockets[0].namespace.to(scene.sockets[0].id).emit("to it alone")
    back = await scene.enter(pid=client.welcome["pid"])
    assert back.welcome["sid"] == client.welcome["sid"]
    assert [event[0] for event in await scene.events(back)] == ["to it alone"]


async def test_a_client_that_was_quiet_for_long_is_recovered(serve: Serve) -> None:
    now = 0.0
    scene = Scene(await serve(recovery=lambda n: MemoryRecovery(n, max_disconnection=20, clock=lambda: now)))
    client = await scene.enter()
    scene.sockets[0].join("quiet")
    scene.io.to("quiet").emit("seen")
    assert await scene.events(client) == [["seen"]]
    now = 65.0
    scene.io.to("others").emit("noise")  # by now what it saw is forgotten
    await scene.lose(client)
    scene.io.to("quiet").emit("missed")
    back = await scene.enter(pid=client.welcome["pid"], offset=scene.offset)
    assert back.welcome["sid"] == client.welcome["sid"]
    assert [event[0] for event in await scene.events(back)] == ["missed"]


async def test_a_pid_has_one_connection_at_a_time(scene: Scene) -> None:
    first = await scene.enter()
    second = await scene.enter(pid=first.welcome["pid"])
    assert second.welcome == first.welcome
    await until(lambda: scene.reasons)
    assert len(scene.io.of("/").sockets) == 1
    await first.closing()
    scene.io.emit("once")
    assert [event[0] for event in await scene.events(second)] == ["once"]


async def test_a_client_whose_old_connection_was_not_known_to_be_dead_is_recovered_again_and_again(
    scene: Scene,
) -> None:
    client = await scene.enter()
    for number in range(3):
        back = await scene.enter(pid=client.welcome["pid"], offset=scene.offset)  # the one before still seems alive
        assert back.welcome == client.welcome
        await scene.lose(back)
        scene.io.emit("missed", number)
        again = await scene.enter(pid=client.welcome["pid"], offset=scene.offset)
        assert again.welcome == client.welcome
        assert await scene.events(again) == [["missed", number]]


async def test_a_refused_client_gets_no_missed_events(scene: Scene) -> None:
    client = await scene.enter()
    await scene.lose(client)
    scene.io.emit("secret")

    async def refuse(socket: Socket) -> None:
        raise ConnectionRefused("no")

    scene.io.use(refuse)
    back = await scene.served.open()
    back.send("40" + json.dumps({"pid": client.welcome["pid"]}))
    assert await back.receive() == '44{"message":"no"}'
    await back.quiet()


async def test_a_volatile_event_does_not_spoil_the_offset(scene: Scene) -> None:
    client = await scene.enter()
    scene.io.emit("kept")
    scene.io.volatile.emit("cursor", "left")
    scene.sockets[0].volatile.emit("cursor", "right")
    events = await scene.events(client)
    assert events == [["kept"], ["cursor", "left"], ["cursor", "right"]]
    await scene.lose(client)
    scene.io.emit("missed")
    back = await scene.enter(pid=client.welcome["pid"], offset=scene.offset)
    assert [event[0] for event in await scene.events(back)] == ["missed"]


async def test_an_event_has_no_argument_more_for_clients_that_know_nothing_of_recovery(scene: Scene) -> None:
    client = await scene.enter()
    scene.sockets[0].join("lab")
    for emitter in (scene.io, scene.io.to("lab"), scene.sockets[0]):
        emitter.emit("step", 1)
    assert await scene.events(client) == [["step", 1]] * 3


async def test_an_event_too_large_to_emit_is_not_replayed(serve: Serve) -> None:
    scene = Scene(await serve(recovery=True, max_queue=1000))
    client = await scene.enter()
    await scene.lose(client)
    with pytest.raises(TooLarge):
        scene.io.emit("large", "x" * 2000)
    scene.io.emit("small")
    back = await scene.enter(pid=client.welcome["pid"])
    assert await scene.events(back) == [["small"]]


async def test_a_client_cut_during_a_replay_gets_the_rest_of_it(scene: Scene) -> None:
    client = await scene.enter()
    await scene.lose(client)
    for number in range(5):
        scene.io.emit("missed", number)
    back = await scene.enter(pid=client.welcome["pid"])
    got = [json.loads(str(await back.receive())[2:]) for _ in range(4)]
    assert [event[1] for event in got if event[0] == "missed"] == [0, 1]
    await scene.lose(back)
    again = await scene.enter(pid=client.welcome["pid"], offset=got[-1][-1])
    assert again.welcome == client.welcome
    assert await scene.events(again) == [["missed", number] for number in (2, 3, 4)]


async def test_a_volatile_event_that_ends_in_no_string_needs_no_offset(scene: Scene) -> None:
    client = await scene.enter()
    scene.io.volatile.emit("cursor", 1)
    scene.io.emit("end")
    assert [await client.receive() for _ in range(3)] == ['42["cursor",1]', '42["end"]', '42["$offset","1"]']


@pytest.mark.parametrize("goodbye", ["client", "server"])
async def test_a_goodbye_ends_it(scene: Scene, goodbye: str) -> None:
    client = await scene.enter()
    if goodbye == "client":
        client.send("41")
    else:
        scene.sockets[0].disconnect()
    await until(lambda: scene.reasons)
    back = await scene.enter(pid=client.welcome["pid"])
    assert back.welcome["sid"] != client.welcome["sid"]
    assert back.welcome["pid"] != client.welcome["pid"]


async def test_a_client_that_was_away_for_too_long_starts_anew(serve: Serve) -> None:
    now = 0.0
    scene = Scene(await serve(recovery=lambda n: MemoryRecovery(n, max_disconnection=20, clock=lambda: now)))
    client = await scene.enter()
    await scene.lose(client)
    now = 20.5
    assert (await scene.enter(pid=client.welcome["pid"])).welcome["sid"] != client.welcome["sid"]


async def test_a_client_that_missed_more_than_is_kept_starts_anew(serve: Serve) -> None:
    scene = Scene(await serve(recovery=lambda n: MemoryRecovery(n, max_packets=3)))
    client, other = await scene.enter(), await scene.enter()
    scene.sockets[1].join("busy")
    await scene.lose(client)
    for i in range(4):
        scene.io.to("busy").emit("x", i)
    back = await scene.enter(pid=client.welcome["pid"])
    assert back.welcome["sid"] == client.welcome["sid"]  # nothing of that was for it
    await scene.lose(other)
    for i in range(4):
        scene.io.to("busy").emit("x", i)
    assert (await scene.enter(pid=other.welcome["pid"])).welcome["sid"] != other.welcome["sid"]


@pytest.mark.parametrize("offset", ["", "x", "-1", "99", "9" * 400, "٣"])
async def test_an_offset_that_was_never_given_recovers_nothing(scene: Scene, offset: str) -> None:
    client = await scene.enter()
    await scene.lose(client)
    back = await scene.enter(pid=client.welcome["pid"], offset=offset)
    assert back.welcome["sid"] != client.welcome["sid"]


@pytest.mark.parametrize("auth", [{"pid": "guess"}, {"pid": 1}, {"pid": None}, {"pid": "__proto__", "offset": 7}])
async def test_a_pid_that_was_never_given_recovers_nothing(scene: Scene, auth: dict[str, Any]) -> None:
    client = await scene.enter(**auth)
    assert client.welcome["pid"] != auth["pid"]
    assert not scene.sockets[0].recovered


async def test_a_pid_serves_its_own_user_only(scene: Scene) -> None:
    scene.io.use(lambda socket: setattr(socket, "user", socket.auth["user"]))
    client = await scene.enter(user="ann")
    await scene.lose(client)
    assert (await scene.enter(user="bob", pid=client.welcome["pid"])).welcome["sid"] != client.welcome["sid"]
    assert (await scene.enter(user="ann", pid=client.welcome["pid"])).welcome["sid"] == client.welcome["sid"]
