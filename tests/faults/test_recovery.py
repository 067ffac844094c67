"""A client that relies on `recovered`, and joins again if it was not, gets each event exactly once."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.wsclient import RawClient, until

from jupyter_rtmsg.hub import Hub, Limits
from jupyter_rtmsg.log import Draft, EventLog, open_log
from jupyter_rtmsg.server import Server, Socket
from jupyter_rtmsg.wire.websocket import Pong, encode_frame

ROOMS = ("lab", "hall")
SMALL = Limits(ring_events=4, page_events=3, grace=0.05)  # so that backlogs come in pages, out of the log
PING = 0x9


def take_user(socket: Socket) -> None:
    socket.user = socket.auth.get("user")


def _copy(files: Path, to: Path) -> None:
    """Copy what a process leaves that dies now; what is written meanwhile stands at the end of the last file."""
    to.mkdir(mode=0o700)
    for path in sorted(files.iterdir(), key=lambda path: (path.name.endswith("-wal"), path.suffix == ".sqlite3")):
        if path.is_file() and not path.name.endswith((".lock", "-shm")):
            shutil.copy2(path, to / path.name)


class Served:
    """A hub over a log in a directory, which may die: what its files hold at that moment is what is left."""

    def __init__(self, directory: Path, limits: Limits = SMALL) -> None:
        self.directory = directory
        self._limits = limits
        self._deaths = 0

    async def start(self) -> None:
        self.io = Server()
        self.io.use(take_user)
        self.log: EventLog = await open_log(f"sqlite:///{self.directory / 'log.sqlite3'}", ballast=0)
        self.hub = Hub(self.io, self.log, limits=self._limits)
        await self.hub.start()
        self.port = await self.io.listen()

    async def close(self) -> None:
        await self.hub.close()
        await self.io.close()
        await self.log.close()

    async def restart(self, *, killed: bool) -> None:
        left = self.directory
        if killed:
            self._deaths += 1
            left = self.directory.with_name(f"{self.directory.name}-{self._deaths}")
            _copy(self.directory, left)
        await self.close()
        self.directory = left
        await self.start()


class Client:
    """A model of socket.io-client, packet by packet, and of an application that keeps its position in each room.

    Packets arrive, and are received when `receive` says so: what is not is lost with the connection.
    """

    def __init__(self, served: Served) -> None:
        self.served = served
        self.got: dict[str, list[int]] = {room: [] for room in ROOMS}
        self.base: dict[str, int] = {}  # where the application began to follow each room
        self.joined: set[str] = set()  # rooms whose join was answered
        self.wanted: dict[str, Any] = {}  # rooms to be in, and the fields of the first join
        self.pid: str | None = None
        self.offset: str | None = None
        self.recovered = 0
        self._id = ""
        self._asked: dict[int, str] = {}
        self._inbox: list[str] = []
        self._raw: RawClient | None = None
        self._reading: asyncio.Task[None] | None = None
        self._numbers = 0
        self._pongs = 0

    async def connect(self) -> None:
        if self._raw is not None:
            return
        self._inbox, self._asked = [], {}
        raw = self._raw = await RawClient.open(self.served.port)
        self._reading = asyncio.create_task(self._read(raw))
        auth: dict[str, Any] = {"user": "ann"}
        if self.pid is not None:
            auth["pid"] = self.pid
            if self.offset is not None:
                auth["offset"] = self.offset
        raw.send("40" + json.dumps(auth))
        await until(lambda: self._inbox)

    async def _read(self, raw: RawClient) -> None:
        with suppress(ConnectionError):
            while (message := await raw._receive()) is not None:
                if isinstance(message, Pong):
                    self._pongs += 1
                elif message == "2":
                    raw.send("3")
                elif isinstance(message, str):
                    self._inbox.append(message)

    async def arrive(self) -> None:
        """Wait until what was written is here."""
        if self._raw is not None and self._reading and not self._reading.done():
            seen = self._pongs
            self._raw.write(encode_frame(PING, b"", b"mask"))
            reading = self._reading
            await until(lambda: self._pongs > seen or reading.done())

    def receive(self, number: int) -> None:
        """Receive so many packets of those that have arrived."""
        packets, self._inbox = self._inbox[:number], self._inbox[number:]
        for packet in packets:
            self._packet(packet)

    def _packet(self, packet: str) -> None:
        kind, rest = packet[:2], packet[2:]
        if kind == "40":
            self._connected(json.loads(rest))
        elif kind == "42":
            self._event(*json.loads(rest))
        elif kind == "43":
            at = rest.index("[")
            self._answered(self._asked.pop(int(rest[:at])), json.loads(rest[at:])[0])

    def _connected(self, welcome: dict[str, str]) -> None:
        recovered, self.pid, self._id = welcome["pid"] == self.pid, welcome["pid"], welcome["sid"]
        self.recovered += recovered
        if not recovered:
            self.joined.clear()
        for room in self.wanted:
            if room not in self.joined:
                self.join(room)

    def _event(self, name: str, *args: Any) -> None:
        if name == "tick" and args[1]["room"] in self.joined:
            self.got[args[1]["room"]].append(args[1]["seq"])
        elif name == "$taken":
            self.joined.discard(args[0]["room"])
            self.wanted.pop(args[0]["room"], None)
        if isinstance(args[-1], str):
            self.offset = args[-1]

    def _answered(self, room: str, reply: dict[str, Any]) -> None:
        assert reply["ok"], reply
        assert reply["recovered"], reply
        if room in self.wanted:
            self.base.setdefault(room, reply["cursor"])
            self.joined.add(room)

    def join(self, room: str, **fields: Any) -> None:
        """Join a room, from where it is in it; one join at a time."""
        if room in self._asked.values():
            return
        self.joined.discard(room)
        first = self.wanted.setdefault(room, fields)
        if room in self.base:
            last = self.got[room][-1] if self.got[room] else self.base[room]
            first = {**first, "after": last, "epoch": self.served.log.epoch}
        if self._raw is not None:
            self._numbers += 1
            self._asked[self._numbers] = room
            self._raw.send(f"42{self._numbers}" + json.dumps(["join", {"room": room, **first}]))

    def in_the_room(self) -> bool:
        return self._raw is not None and not self._inbox and self.joined == self.wanted.keys()

    async def cut(self, *, known: bool) -> None:
        """Lose the connection, with all data not received; ``known``: the hub sees it."""
        raw, self._raw = self._raw, None
        if raw is None:
            return
        if self._reading:
            self._reading.cancel()
        if known:
            raw.reset()
            await until(lambda: self._id not in self.served.io.of("/").sockets)
        else:
            self._zombies = [*getattr(self, "_zombies", []), raw]  # open until the hub closes it

    def close(self) -> None:
        for raw in [*getattr(self, "_zombies", []), *([self._raw] if self._raw else [])]:
            raw.writer.transport.abort()
        if self._reading:
            self._reading.cancel()


class Story:
    """A sequence of steps of one client, and the expected result."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.client = Client(served)
        self.published: dict[str, list[int]] = {room: [] for room in ROOMS}

    async def do(self, action: str, number: int) -> None:
        client, room = self.client, ROOMS[number % len(ROOMS)]
        if action == "publish":
            await self.publish(room, number)
        elif action == "join":
            await client.connect()
            client.join(room, **({"as": "x"} if room == "lab" else {}), **({"after": 0} if number % 3 else {}))
        elif action == "receive":
            await client.arrive()
            client.receive(number)
        elif action == "cut":
            await client.cut(known=number % 2 == 0)
        elif action == "connect":
            await client.connect()
        elif action == "news":
            self.served.io.emit("news", str(number))  # an application's own event, which ends in a string
        elif action == "restart":
            await client.cut(known=False)
            await self.served.restart(killed=number % 2 == 0)
        else:
            await self.take()

    async def publish(self, room: str, number: int) -> None:
        log = self.served.log
        stored = await asyncio.gather(*(log.append(Draft(room, "tick", b"1")) for _ in range(1 + number % 4)))
        self.published[room] += [each.seq for each in stored]

    async def take(self) -> None:
        """Another connection takes the client's subscription."""
        raw = await RawClient.open(self.served.port)
        await raw.enter("/", {"user": "ann", "recovery": False})
        raw.send('421["join",{"room":"lab","as":"x"}]')
        while not str(await raw.receive()).startswith("43"):
            pass
        raw.reset()

    async def end(self) -> None:
        """Wait for all events, and check them."""
        client = self.client
        deadline = asyncio.get_running_loop().time() + 30
        while not self.complete():
            assert asyncio.get_running_loop().time() < deadline, (client.got, client.base, self.published)
            if client._reading is None or client._reading.done():
                await client.cut(known=False)
            await client.connect()
            await client.arrive()
            client.receive(1_000_000)
            for room in client.base.keys() - client.wanted.keys():  # it was taken
                client.join(room)
            await asyncio.sleep(0)
        for room in ROOMS:
            assert client.got[room] == self.expected(room)

    def expected(self, room: str) -> list[int]:
        return [seq for seq in self.published[room] if room in self.client.base and seq > self.client.base[room]]

    def complete(self) -> bool:
        client = self.client
        return client.in_the_room() and all(len(client.got[room]) >= len(self.expected(room)) for room in ROOMS)


ACTIONS = ("publish", "publish", "join", "receive", "receive", "receive", "cut", "connect", "news", "restart", "take")


async def tell(story: list[tuple[str, int]]) -> Story:
    with tempfile.TemporaryDirectory() as directory:
        served = Served(Path(directory, "0"))
        served.directory.mkdir(mode=0o700)
        await served.start()
        told = Story(served)
        try:
            for action, number in story:
                await told.do(action, number)
            await told.end()
        finally:
            told.client.close()
            await served.close()
        return told


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 12)), max_size=25))
def test_nothing_is_missed_and_nothing_comes_twice(story: list[tuple[str, int]]) -> None:
    asyncio.run(tell(story))
